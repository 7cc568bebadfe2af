//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10).

use std::sync::Arc;

use flux_auth::{Access, Verdict};
use flux_eventbus::Event;
use flux_session::{QoS, RetainHandling, SubscriptionOptions, Timestamp};
use flux_topic::TopicFilter;

use super::Worker;
use super::connection::Online;
use super::end::End;
use super::publish::tell_dropped;
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::session::SharedSession;
use crate::wire::{Frame, Subscribe, Unsubscribe, write_suback, write_unsuback};

/// A subscription that was granted, and whether it is a new one.
pub(super) struct Granted {
    filter: TopicFilter,
    options: SubscriptionOptions,
    is_new: bool,
}

impl Worker {
    pub(super) fn subscribe(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let packet = Subscribe::read(frame, online.version)?;
        let accesses = packet.filters.iter().map(|(filter, options)| Access::Subscribe {
            filter: filter.as_str(),
            qos: options.qos.as_u8(),
        });
        let Some(verdicts) = self.decide(id, online, accesses, frame, fx) else { return Ok(()) };
        let mut codes = Vec::with_capacity(packet.filters.len());
        let mut wanted = Vec::with_capacity(packet.filters.len());
        for ((filter, mut options), verdict) in packet.filters.into_iter().zip(verdicts) {
            options.qos = QoS::min(options.qos, self.settings.max_qos);
            let code = if verdict == Verdict::Deny {
                ReasonCode::NotAuthorized
            } else if filter.share_name().is_some() {
                ReasonCode::SharedSubscriptionsNotSupported
            } else {
                wanted.push((filter, options));
                granted_code(options.qos)
            };
            codes.push(code);
        }
        let generation = Some(online.generation);
        let Some(granted) = self.enter(&online.session, generation, wanted) else {
            return Err(End::TakenOver);
        };
        write_suback(&mut self.answers, online.version, packet.packet_id, &codes);
        self.send_retained(now, &online.session, &granted, fx);
        Ok(())
    }

    /// Enters subscriptions into a session and the routes. `None` when the session is over or,
    /// with a generation given, another connection's.
    pub(super) fn enter(
        &self,
        session: &Arc<SharedSession>,
        generation: Option<u64>,
        wanted: Vec<(TopicFilter, SubscriptionOptions)>,
    ) -> Option<Vec<Granted>> {
        let mut is_new = Vec::with_capacity(wanted.len());
        {
            let mut state = session.lock();
            if state.ended || generation.is_some_and(|generation| generation != state.generation) {
                return None;
            }
            for (filter, options) in &wanted {
                is_new.push(state.session.subscribe(filter.clone(), *options).is_none());
            }
        }
        let filters: Vec<TopicFilter> = wanted.iter().map(|(filter, _)| filter.clone()).collect();
        self.broker.routes.follow(session, &filters);
        let granted = wanted.into_iter().zip(is_new);
        Some(
            granted
                .map(|((filter, options), is_new)| Granted { filter, options, is_new })
                .collect(),
        )
    }

    /// Sends the retained messages that new subscriptions ask for (section 3.3.1.3).
    pub(super) fn send_retained(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        granted: &[Granted],
        fx: &mut impl Effects,
    ) {
        for Granted { filter, options, is_new } in granted {
            fx.event(Event::Subscribed {
                client_id: session.client_id.clone(),
                filter: filter.as_str().into(),
                qos: options.qos.as_u8(),
            });
            let is_wanted = match options.retain_handling {
                RetainHandling::OnSubscribe => true,
                RetainHandling::OnNewSubscription => *is_new,
                RetainHandling::Never => false,
            };
            if !is_wanted {
                continue;
            }
            let offered = self.broker.offer_retained(now, session, filter, options);
            if let Some(attachment) = offered.wake {
                self.wake(attachment, fx);
            }
            for (message, reason) in offered.lost {
                tell_dropped(session, &message, reason, fx);
            }
            self.overflowed.extend(offered.ended.map(|ended| *ended));
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        online: &Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let packet = Unsubscribe::read(frame, online.version)?;
        let existed: Vec<bool> = {
            let mut state = online.session.lock();
            if state.generation != online.generation {
                return Err(End::TakenOver);
            }
            let session = &mut state.session;
            packet.filters.iter().map(|filter| session.unsubscribe(filter).is_some()).collect()
        };
        let filters = packet.filters.into_iter().zip(&existed);
        let removed: Vec<TopicFilter> = filters.filter_map(|(f, was)| was.then_some(f)).collect();
        self.broker.routes.follow(&online.session, &removed);
        let code = |was: &bool| match was {
            true => ReasonCode::Success,
            false => ReasonCode::NoSubscriptionExisted,
        };
        let codes: Vec<ReasonCode> = existed.iter().map(code).collect();
        write_unsuback(&mut self.answers, online.version, packet.packet_id, &codes);
        for filter in &removed {
            fx.event(Event::Unsubscribed {
                client_id: online.client.client_id.clone(),
                filter: filter.as_str().into(),
            });
        }
        Ok(())
    }
}

const fn granted_code(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQos1,
        QoS::ExactlyOnce => ReasonCode::GrantedQos2,
    }
}
