//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use flux_auth::{Access, Decision, Verdict};
use flux_eventbus::{Denial, Event, EventKind, Limit};
use flux_retained::Progress;
use flux_session::{PacketId, QoS, RetainHandling, SubscriptionOptions, Timestamp};
use flux_topic::{TopicFilter, TopicName};

use super::Worker;
use super::connection::Online;
use super::decided::Decided;
use super::end::End;
use super::publish::is_in_use;
use super::tell::{tell_left, tell_limit_of, tell_refused};
use crate::counters::Count;
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::permission::Permission;
use crate::reason::ReasonCode;
use crate::replay::{Replay, Replayed, replay_one};
use crate::session::{SharedSession, source_of};
use crate::terms::Terms;
use crate::wire::{
    Frame, FrameError, Subscribe, Unsubscribe, Version, write_suback, write_unsuback,
};

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
        let packet =
            Subscribe::read(frame, online.version, self.settings.limits.subscribe_filters)?;
        self.further_frames += packet.filters.len();
        let Some(verdicts) = self.decide_filters(id, online, &packet.filters, frame, fx) else {
            return Ok(());
        };
        if is_in_use(online, packet.packet_id) {
            let codes = in_use(packet.filters.len() + packet.beyond, fx);
            self.acknowledge_subscribe(online, packet.packet_id, &codes);
            return Ok(());
        }
        let can_refuse = online.version != Version::V31;
        let mut codes = Vec::with_capacity(packet.filters.len());
        let mut wanted = Vec::with_capacity(packet.filters.len());
        let mut quota = self.quota(online);
        let client = online.client.clone();
        for ((filter, mut options), verdict) in packet.filters.into_iter().zip(verdicts) {
            options.qos = QoS::min(options.qos, online.terms.max_qos);
            let code = if let Some((code, limit)) = self.hopeless(online, &quota, &filter, &options)
            {
                if let Some(limit) = limit {
                    tell_limit_of(limit, &client, fx);
                }
                code
            } else if verdict == Verdict::Deny {
                self.tell_denied(now, &client, Denial::Subscribe, filter.as_str(), fx);
                ReasonCode::NotAuthorized
            } else {
                quota.take(online, &filter);
                wanted.push((filter, options));
                granted_code(options.qos)
            };
            if verdict == Verdict::Allow {
                fx.count(Count::Allowed(Permission::Subscribe));
            }
            if code.is_error() {
                tell_refused(code, fx);
            }
            // MQTT 3.1 has no code for it; what is refused is not made all the same.
            codes.push(if can_refuse { code } else { granted_code(options.qos) });
        }
        let generation = Some(online.generation);
        let Some(granted) = self.enter(now, &online.session, generation, wanted, fx) else {
            return Err(End::TakenOver);
        };
        let refused = |(index, qos)| {
            tell_refused(ReasonCode::TopicFilterInvalid, fx);
            match can_refuse {
                true => (index, ReasonCode::TopicFilterInvalid),
                false => (index, granted_code(QoS::min(qos, online.terms.max_qos))),
            }
        };
        let mut codes = merge(codes, packet.malformed.into_iter().map(refused));
        tell_beyond(online, packet.beyond, ReasonCode::QuotaExceeded, fx);
        let beyond = if can_refuse { ReasonCode::QuotaExceeded } else { ReasonCode::Success };
        codes.resize(codes.len() + packet.beyond, beyond);
        self.wait_if_stored(online);
        self.must_precede = true;
        self.acknowledge_subscribe(online, packet.packet_id, &codes);
        self.send_retained(now, &online.session, &granted, fx);
        Ok(())
    }

    /// Decides about the filters of a packet, about the same one once; `None` while somebody is asked. What cannot be had
    /// whatever the rights are is not decided about, but denied.
    fn decide_filters(
        &self,
        id: ConnectionId,
        online: &mut Online,
        filters: &[(TopicFilter, SubscriptionOptions)],
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Option<Vec<Verdict>> {
        let accesses = filters.iter().map(|(filter, options)| Access::Subscribe {
            filter: filter.as_str(),
            qos: options.qos.as_u8(),
        });
        if online.verdicts.is_some() {
            return self.decide(id, online, accesses, frame, fx);
        }
        let (quota, mut known) = (self.quota(online), HashMap::with_capacity(filters.len()));
        let decisions = filters.iter().zip(accesses.clone()).map(|((filter, options), access)| {
            if self.hopeless(online, &quota, filter, options).is_some() {
                return Decision::Deny;
            }
            let decide = || self.broker.authorizer.decide(&online.client, access);
            *known.entry(access).or_insert_with(decide)
        });
        let decided = Decided::new(decisions);
        Self::decided_or_parked(id, online, decided, accesses, frame, fx)
    }

    /// Why a subscription cannot be had, whatever the rights are, and which limit that is.
    fn hopeless(
        &self,
        online: &Online,
        quota: &Quota,
        filter: &TopicFilter,
        options: &SubscriptionOptions,
    ) -> Option<(ReasonCode, Option<Limit>)> {
        if let Some(code) = not_supported(&online.terms, filter, options) {
            return Some((code, None));
        }
        if filter.level_count() > self.most_levels(&online.terms) {
            return Some((ReasonCode::TopicFilterInvalid, Some(Limit::TopicLevels)));
        }
        let has_room = quota.has_room_for(online, filter);
        (!has_room).then_some((ReasonCode::QuotaExceeded, Some(quota.limit)))
    }

    /// Returns how many more subscriptions a client may have.
    fn quota(&self, online: &Online) -> Quota {
        let (most, limit) = if self.memory.is_full() || self.store_takes_no_change(&online.session)
        {
            (0, Limit::Bytes)
        } else {
            let most = online.terms.subscriptions_per_client;
            let most = most.unwrap_or(self.settings.limits.subscriptions_per_client);
            (most, Limit::SubscriptionsPerClient)
        };
        let count = online.session.lock().session.subscriptions().len();
        Quota { count, most, limit, added: BTreeSet::new() }
    }

    fn acknowledge_subscribe(
        &mut self,
        online: &Online,
        packet_id: PacketId,
        codes: &[ReasonCode],
    ) {
        let (words, max) = (online.words(codes), online.maximum_packet_size);
        write_suback(&mut self.answers, online.version, packet_id, codes, words, max);
    }

    /// Enters subscriptions into a session and the routes. `None` when the session is over or,
    /// with a generation given, another connection's.
    pub(super) fn enter(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        generation: Option<u64>,
        wanted: Vec<(TopicFilter, SubscriptionOptions)>,
        fx: &mut impl Effects,
    ) -> Option<Vec<Granted>> {
        let mut is_new = Vec::with_capacity(wanted.len());
        let added = {
            let mut state = session.lock();
            if state.ended || generation.is_some_and(|generation| generation != state.generation) {
                return None;
            }
            let before = state.session.held_bytes();
            for (filter, options) in &wanted {
                is_new.push(state.session.subscribe(filter.clone(), *options).is_none());
                session.write_subscribed(filter, *options);
            }
            state.session.held_bytes() - before
        };
        self.add(now, added, fx);
        let filters: Vec<TopicFilter> = wanted.iter().map(|(filter, _)| filter.clone()).collect();
        self.follow(now, session, &filters, fx);
        let granted = wanted.into_iter().zip(is_new);
        Some(
            granted
                .map(|((filter, options), is_new)| Granted { filter, options, is_new })
                .collect(),
        )
    }

    /// Makes the routes what the session's subscriptions are; what waits in shared ones is served.
    fn follow(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        filters: &[TopicFilter],
        fx: &mut impl Effects,
    ) {
        let mut followed = self.broker.routes.follow(session, filters);
        for share in &followed.joined {
            self.serve(now, share, session.key, fx);
        }
        self.unfinished.append(&mut followed.unfinished);
        tell_left(followed, fx);
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
            if fx.wants(EventKind::Subscribed) {
                let (client_id, filter) = (session.client_id.clone(), filter.as_str().into());
                let qos = options.qos.as_u8();
                fx.event_from(Event::Subscribed { client_id, filter, qos }, session.source());
            }
            let is_wanted = match options.retain_handling {
                RetainHandling::OnSubscribe => true,
                RetainHandling::OnNewSubscription => *is_new,
                RetainHandling::Never => false,
            };
            // A shared subscription brings none (section 4.8.2).
            if !is_wanted || filter.share_name().is_some() {
                continue;
            }
            self.begin_replay(now, session, filter, options, fx);
        }
    }

    /// Offers the first retained messages that a subscription brings; the others follow as the
    /// client takes them.
    fn begin_replay(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        filter: &TopicFilter,
        options: &SubscriptionOptions,
        fx: &mut impl Effects,
    ) {
        if !filter.has_wildcards()
            && let Ok(topic) = TopicName::parse(filter.pattern())
            && let Some(replayed) = replay_one(now, &self.broker.retained, topic, session, options)
        {
            return self.tell_replayed(session, replayed, fx);
        }
        let mut replay = Replay::new(&self.broker.retained, filter, *options);
        let mut replayed = Replayed::default();
        let progress = replay.advance(now, session, &mut replayed);
        self.tell_replayed(session, replayed, fx);
        if progress == Progress::Done {
            return;
        }
        let (earlier, wake) = {
            let mut state = session.lock();
            // What is not entered is dropped without the lock too.
            let earlier = if state.ended {
                Some(replay)
            } else {
                state.replays.insert(filter.clone(), replay)
            };
            (earlier, state.wake())
        };
        drop(earlier);
        if let Some(attachment) = wake {
            self.wake(attachment, fx);
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Timestamp,
        online: &Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let most = self.settings.limits.subscribe_filters;
        let packet = Unsubscribe::read(frame, online.version, most)
            .inspect_err(|error| tell_too_many(online, error, fx))?;
        self.further_frames += packet.filters.len();
        if is_in_use(online, packet.packet_id) {
            let codes = in_use(packet.filters.len() + packet.beyond, fx);
            self.acknowledge_unsubscribe(online, packet.packet_id, &codes);
            return Ok(());
        }
        let generation = Some(online.generation);
        let Some(existed) = self.leave(now, &online.session, generation, &packet.filters, fx)
        else {
            return Err(End::TakenOver);
        };
        let code = |was: &bool| match was {
            true => ReasonCode::Success,
            false => ReasonCode::NoSubscriptionExisted,
        };
        let mut codes: Vec<ReasonCode> = existed.iter().map(code).collect();
        let beyond = ReasonCode::ImplementationSpecificError;
        tell_beyond(online, packet.beyond, beyond, fx);
        codes.resize(codes.len() + packet.beyond, beyond);
        self.wait_if_stored(online);
        self.acknowledge_unsubscribe(online, packet.packet_id, &codes);
        let filters = packet.filters.iter().zip(&existed);
        for (filter, _) in filters.filter(|(_, existed)| **existed) {
            if fx.wants(EventKind::Unsubscribed) {
                let (client_id, filter) = (online.client.client_id.clone(), filter.as_str().into());
                let source = source_of(&online.client);
                fx.event_from(Event::Unsubscribed { client_id, filter }, source);
            }
        }
        Ok(())
    }

    fn acknowledge_unsubscribe(
        &mut self,
        online: &Online,
        packet_id: PacketId,
        codes: &[ReasonCode],
    ) {
        let (words, max) = (online.words(codes), online.maximum_packet_size);
        write_unsuback(&mut self.answers, online.version, packet_id, codes, words, max);
    }

    /// Takes subscriptions out of a session and the routes, and returns which of them there were.
    /// `None` when, with a generation given, the session is another connection's.
    ///
    /// What came by a shared subscription and was not sent is for its other members.
    pub(super) fn leave(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        generation: Option<u64>,
        filters: &[TopicFilter],
        fx: &mut impl Effects,
    ) -> Option<Vec<bool>> {
        let shares = self.broker.routes.shares(filters);
        let mut unsent = Vec::new();
        let (replays, existed) = {
            let mut state = session.lock();
            if generation.is_some_and(|generation| generation != state.generation) {
                return None;
            }
            let is_left = |id| shares.binary_search_by_key(&id, |share| share.id).is_ok();
            state.declined.retain(|share| !is_left(share.id));
            for share in &shares {
                // The queue may be long: nobody has it searched who is no member.
                if state.session.subscription(&share.filter).is_none() {
                    continue;
                }
                unsent.append(&mut state.session.take_unsent_shared(Some(share.id)));
            }
            let replays = state.take_replays(filters);
            let mut existed = Vec::with_capacity(filters.len());
            for filter in filters {
                let was_there = state.session.unsubscribe(filter).is_some();
                if was_there {
                    session.write_unsubscribed(filter);
                }
                existed.push(was_there);
            }
            (replays, existed)
        };
        drop(replays);
        self.follow(now, session, filters, fx);
        self.hand_on(now, unsent, fx);
        Some(existed)
    }
}

/// Refuses all filters of a packet whose identifier is in use.
fn in_use(filters: usize, fx: &mut impl Effects) -> Vec<ReasonCode> {
    let code = ReasonCode::PacketIdentifierInUse;
    for _ in 0..filters {
        tell_refused(code, fx);
    }
    vec![code; filters]
}

/// Tells of an UNSUBSCRIBE that ends the connection, if it does so for its length.
fn tell_too_many(online: &Online, error: &FrameError, fx: &mut impl Effects) {
    if let FrameError::TooManyFilters { .. } = error {
        let client = &online.client;
        tell_limit_of(Limit::SubscribeFilters, client, fx);
    }
}

/// Tells of filters that stood behind as many as a packet may have.
fn tell_beyond(online: &Online, beyond: usize, code: ReasonCode, fx: &mut impl Effects) {
    if beyond > 0 {
        let client = &online.client;
        tell_limit_of(Limit::SubscribeFilters, client, fx);
        let times = u64::try_from(beyond).unwrap_or(u64::MAX);
        fx.count_times(Count::Refused(code), times);
    }
}

/// How many more subscriptions a client may have.
struct Quota {
    count: usize,
    most: usize,
    /// What it is told that it reached.
    limit: Limit,
    /// Those of the packet that the session does not have yet.
    added: BTreeSet<TopicFilter>,
}

impl Quota {
    /// Whether there is room for a subscription; one that replaces another needs none.
    fn has_room_for(&self, online: &Online, filter: &TopicFilter) -> bool {
        self.count + self.added.len() < self.most
            || self.added.contains(filter)
            || online.session.lock().session.subscription(filter).is_some()
    }

    fn take(&mut self, online: &Online, filter: &TopicFilter) {
        if online.session.lock().session.subscription(filter).is_none() {
            self.added.insert(filter.clone());
        }
    }
}

/// Returns why a subscription of this kind cannot be had, if it cannot.
fn not_supported(
    terms: &Terms,
    filter: &TopicFilter,
    options: &SubscriptionOptions,
) -> Option<ReasonCode> {
    if !terms.subscription_identifiers && options.subscription_id.is_some() {
        return Some(ReasonCode::SubscriptionIdentifiersNotSupported);
    }
    if !terms.shared_subscriptions && filter.share_name().is_some() {
        return Some(ReasonCode::SharedSubscriptionsNotSupported);
    }
    let has_wildcards = !terms.wildcard_subscriptions && filter.has_wildcards();
    has_wildcards.then_some(ReasonCode::WildcardSubscriptionsNotSupported)
}

const fn granted_code(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQos1,
        QoS::ExactlyOnce => ReasonCode::GrantedQos2,
    }
}

/// Puts further codes, each with its place in the whole and in the order of the places, between those
/// that are there.
fn merge(
    codes: Vec<ReasonCode>,
    further: impl ExactSizeIterator<Item = (usize, ReasonCode)>,
) -> Vec<ReasonCode> {
    if further.len() == 0 {
        return codes;
    }
    let mut all = Vec::with_capacity(codes.len() + further.len());
    let mut codes = codes.into_iter();
    for (place, code) in further {
        all.extend(codes.by_ref().take(place.saturating_sub(all.len())));
        all.push(code);
    }
    all.extend(codes);
    all
}
