//! A plan: the bytes of an input, read one after the other. What is missing is 0.

use std::num::NonZeroUsize;

use flux_mqtt::{
    GroupLimits, QoS, RetainedFull, RetainedLimits, SessionLimits, Settings, SharedStrategy,
    WhenFull,
};

/// What is left of an input.
pub(crate) struct Plan<'a>(&'a [u8]);

impl<'a> Plan<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Returns so many bytes, or fewer.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Returns one of these.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = usize::from(self.byte()) % all.len().max(1);
        match all.get(at) {
            Some(one) => *one,
            None => panic!("there is nothing to choose from"),
        }
    }
}

/// What the first bytes of a plan say of the broker.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    /// The plan answers who somebody is; otherwise everybody is let in at once.
    pub(crate) asks_who: bool,
    /// The authorizer has to ask about `?`, and the plan answers; otherwise it allows it.
    pub(crate) asks_rights: bool,
    /// The bytes of the whole broker are few, so that a client that behaves may be slowed as well.
    pub(crate) is_scarce: bool,
    /// The bystander speaks MQTT 5.0.
    pub(crate) bystander_is_v5: bool,
}

impl Setup {
    pub(crate) fn read(plan: &mut Plan<'_>) -> Self {
        let (first, second, third) = (plan.byte(), plan.byte(), plan.byte());
        let mut settings = Settings::default();
        settings.workers = NonZeroUsize::MIN.saturating_add(usize::from(first & 1));
        settings.unsent_for_deliveries = 1024;
        settings.unsent_for_answers = 1024;
        if first & 8 == 0 {
            make_small(&mut settings);
        }
        settings.session.when_full = match second & 3 {
            0 => WhenFull::DropNewest,
            1 => WhenFull::DropOldest,
            2 => WhenFull::Refuse,
            _ => WhenFull::EndSession,
        };
        settings.shared.strategy = match second >> 2 & 7 {
            1 => SharedStrategy::Random,
            2 => SharedStrategy::Sticky,
            3 => SharedStrategy::HashClient,
            4 => SharedStrategy::HashTopic,
            _ => SharedStrategy::RoundRobin,
        };
        let is_scarce = second & 0x20 != 0;
        if is_scarce {
            settings.limits.bytes = 4096;
        }
        if second & 0x40 != 0 {
            settings.max_qos = QoS::AtLeastOnce;
        }
        settings.retained.when_full =
            if second & 0x80 == 0 { RetainedFull::Refuse } else { RetainedFull::DropOldest };
        settings.topic_alias_maximum = u16::from(third & 3);
        settings.topic_alias_maximum_cap = u16::from(third >> 2 & 3);
        let bystander_is_v5 = first & 0x10 != 0;
        // Of MQTT 5.0 it would have to ping, whatever time the plan lets pass.
        if third & 0x10 != 0 && !bystander_is_v5 {
            settings.max_keep_alive = std::num::NonZeroU16::new(30);
        }
        if third & 0x20 != 0 {
            settings.response_information = Some("answers".to_owned());
        }
        Self {
            settings,
            asks_who: first & 2 != 0,
            asks_rights: first & 4 != 0,
            is_scarce,
            bystander_is_v5,
        }
    }
}

/// What fills, fills soon.
fn make_small(settings: &mut Settings) {
    settings.session = SessionLimits {
        receive_maximum_cap: 3,
        queued_messages: 6,
        queued_bytes: 1024,
        packet_ids: 5,
        inbound_receive_maximum: 3,
        ..settings.session
    };
    settings.shared.limits =
        GroupLimits { queued_messages: 4, queued_bytes: 512, ..settings.shared.limits };
    settings.retained =
        RetainedLimits { messages: 4, bytes: 2048, message_bytes: 128, ..settings.retained };
    settings.limits.subscriptions_per_client = 3;
    settings.limits.topic_levels = 4;
    settings.limits.packet_size = 512;
    settings.limits.half_open = 2;
    settings.limits.pending_connects = 2;
    settings.unsent_for_deliveries = 128;
    settings.unsent_for_answers = 160;
}
