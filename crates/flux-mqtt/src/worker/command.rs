//! Orders from outside: the library's facade and administrators.

use std::sync::Arc;

use flux_eventbus::SessionEnd;
use flux_session::{SubscriptionOptions, Timestamp};
use flux_topic::TopicName;

use super::Worker;
use super::end::End;
use crate::clients;
use crate::effects::Effects;
use crate::input::{Command, Done, Letter};
use crate::inspect::ClientView;
use crate::session::Attachment;

impl Worker {
    pub(super) fn command(&mut self, now: Timestamp, command: Command, fx: &mut impl Effects) {
        match command {
            Command::Publish { message, client_id, done } => {
                // It was parsed when the message was made.
                if let Ok(topic) = TopicName::parse(message.topic()) {
                    self.publish_for(now, topic, &message, client_id.as_ref(), done, fx);
                }
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
                let Some((session, granted)) = granted else { return done(false) };
                self.send_retained(now, session, &granted, fx);
                self.once_safe_if_stored(session, || done(true));
            }
            Command::Attach { attach, done } => match self.attach(now, *attach, fx) {
                Some(Ok(held)) => {
                    let session = held.session.clone();
                    self.once_safe_if_stored(&session, || done(Ok(held)));
                }
                Some(Err(limit)) => done(Err(limit)),
                None => {}
            },
            Command::Detach(held) => self.release(now, &held, &End::GOODBYE, fx),
            Command::Room(held) => self.room(now, &held, fx),
            Command::Kick { client_id, done } => {
                done(self.kick(now, &client_id, fx));
            }
            Command::EndSession { client_id, done } => self.end_session(now, &client_id, done, fx),
            Command::Describe { client_id, done } => self.describe(client_id, done, fx),
            Command::Answer { done } => done(()),
            Command::RecheckRights(away) => self.recheck_rights(away),
            Command::Settings(settings) => {
                self.terms = Arc::new(settings.terms());
                self.settings = settings;
                self.paced.forget_shares();
            }
            Command::Shutdown => {
                self.is_shutting_down = true;
                for id in self.connections.ids() {
                    self.cut(now, id, &End::Shutdown, fx);
                }
                self.end_consumers(now, fx);
            }
        }
    }

    /// Says who a client is that this worker serves, or has the worker say so that does.
    fn describe(
        &mut self,
        client_id: Arc<str>,
        done: Done<Option<ClientView>>,
        fx: &mut impl Effects,
    ) {
        let session = self.broker.clients.get(&client_id);
        let attached = session.and_then(|session| session.lock().attached.clone());
        match attached {
            Some(Attachment::Connection { worker, connection }) if worker == self.id => {
                let online = self.connections.online(connection);
                done(online.map(|online| ClientView {
                    client: online.client.clone(),
                    version: online.version,
                    patience: online.patience,
                    is_held_back: !online.reads(),
                }));
            }
            Some(Attachment::Connection { worker, .. }) => {
                fx.letter(worker, Letter::Command(Command::Describe { client_id, done }));
            }
            Some(Attachment::Consumer(_)) | None => done(None),
        }
    }

    /// Ends whoever has the session of a client, and returns whether somebody had.
    fn kick(&mut self, now: Timestamp, client_id: &str, fx: &mut impl Effects) -> bool {
        let Some(session) = self.broker.clients.get(client_id) else { return false };
        let (attached, generation) = {
            let state = session.lock();
            (state.attached.clone(), state.generation)
        };
        match attached {
            None => return false,
            Some(Attachment::Consumer(_)) => {
                self.end_consumer(now, &session, generation, &End::Kicked, fx);
            }
            Some(connection @ Attachment::Connection { .. }) => {
                self.dismiss(now, connection, &session.client_id, &End::Kicked, fx);
            }
        }
        true
    }

    /// Ends the session of a client, whether or not somebody has it: its will is due, its client identifier is free.
    fn end_session(
        &mut self,
        now: Timestamp,
        client_id: &Arc<str>,
        done: Done<bool>,
        fx: &mut impl Effects,
    ) {
        let Some(session) = self.broker.clients.get(client_id) else { return done(false) };
        let reading = session.read();
        let mut state = session.lock();
        if state.ended {
            drop((state, reading));
            return done(false);
        }
        let mut ended = clients::end(&session, &mut state, SessionEnd::Removed);
        drop((state, reading));
        if let Some(attached) = ended.displaced.take() {
            self.dismiss(now, attached, client_id, &End::Kicked, fx);
        }
        self.bury(now, ended, fx);
        self.once_safe_if_stored(&session, move || done(true));
    }
}
