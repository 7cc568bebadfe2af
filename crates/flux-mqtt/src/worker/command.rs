//! Orders from outside: the library's facade and administrators.

use flux_eventbus::EventKind;
use flux_session::{SubscriptionOptions, Timestamp};
use flux_topic::TopicName;

use super::Worker;
use super::end::End;
use super::publish::published;
use crate::effects::Effects;
use crate::input::{Command, Letter};

impl Worker {
    pub(super) fn command(&mut self, now: Timestamp, command: Command, fx: &mut impl Effects) {
        match command {
            Command::Publish { message, done } => {
                if fx.wants(EventKind::Published) {
                    fx.event(published(None, &message));
                }
                let topic = TopicName::parse(message.topic());
                done(
                    topic.map_or(0, |topic| self.publish_message(now, topic, &message, fx).queued),
                );
            }
            Command::Subscribe { client_id, filter, done } => {
                let options = SubscriptionOptions {
                    qos: self.settings.max_qos,
                    ..SubscriptionOptions::default()
                };
                let session = self.broker.clients.get(&client_id);
                let granted = session.as_ref().and_then(|session| {
                    let granted = self.enter(now, session, None, vec![(filter, options)], fx)?;
                    Some((session, granted))
                });
                let has_session = granted.is_some();
                if let Some((session, granted)) = granted {
                    self.send_retained(now, session, &granted, fx);
                }
                done(has_session);
            }
            Command::Kick { client_id, done } => {
                let session = self.broker.clients.get(&client_id);
                let attached = session.and_then(|session| session.lock().attached);
                if let Some(attached) = attached {
                    if attached.worker == self.id {
                        self.cut(now, attached.connection, &End::Kicked, fx);
                    } else {
                        fx.letter(attached.worker, Letter::Kicked(attached.connection));
                    }
                }
                done(attached.is_some());
            }
            Command::Settings(settings) => self.settings = settings,
            Command::Shutdown => {
                self.is_shutting_down = true;
                for id in self.connections.ids() {
                    self.cut(now, id, &End::Shutdown, fx);
                }
            }
        }
    }
}
