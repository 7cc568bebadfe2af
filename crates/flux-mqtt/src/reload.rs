//! Other settings for a broker that runs: all that is new is made first, then everything changes at once, or nothing.

use std::sync::Arc;

use flux_auth::Authenticator;

use crate::driver::{Change, Recess};
use crate::input::Command;
use crate::server::{BrokerHandle, StartBrokerError, refuse_open_doors};
use crate::settings::Settings;

/// Other settings that a broker can have: what they need is there, and nothing has changed yet.
pub struct PreparedReload {
    broker: BrokerHandle,
    settings: Settings,
    doors: Change,
}

impl BrokerHandle {
    /// Prepares other settings, and binds what they listen on that nobody listens on yet. Nothing changes before
    /// [`PreparedReload::apply`].
    ///
    /// Listeners are added, removed and changed; connections stay, those of removed listeners too, and what was agreed on
    /// with clients that are connected holds for them until they leave. [`Limits`](crate::Limits) and what is agreed on with
    /// clients hold from then on, [`Settings::session`] for sessions that begin. A broker goes on with what it started with of
    /// `inherited`, `workers`, `unsent_for_deliveries`, `shared`, `retained`, `drain_timeout` and `tracer`.
    ///
    /// `authenticator` is who lets clients in by then, if the one that the broker has changes with the settings: it is asked
    /// only whether it [admits anyone](Authenticator::admits_anyone).
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on, or anybody could connect from elsewhere. The broker goes on as it was.
    pub fn prepare_reload(
        &self,
        mut settings: Settings,
        authenticator: &impl Authenticator,
    ) -> Result<PreparedReload, StartBrokerError> {
        let before = &self.settings;
        settings.inherited = before.inherited.clone();
        settings.workers = before.workers;
        settings.unsent_for_deliveries = before.unsent_for_deliveries;
        settings.shared = before.shared;
        settings.retained = before.retained;
        settings.drain_timeout = before.drain_timeout;
        settings.tracer.clone_from(&before.tracer);
        refuse_open_doors(&settings, authenticator.admits_anyone())?;
        let doors = self.doors.prepare(&settings).map_err(StartBrokerError::Bind)?;
        Ok(PreparedReload { broker: self.clone(), settings, doors })
    }

    /// Has nobody come in until what is returned is dropped, nor those who connect before that: for a change after which
    /// anybody may come in. Who stands in a door then would be let in by what is new, although the door may be closed by
    /// now, or may ask for a certificate.
    pub fn recess(&self) -> Recess {
        self.doors.eras().recess()
    }
}

impl PreparedReload {
    /// Has the settings hold on all workers, and returns when what is not listened on any more is closed.
    pub fn apply(self) {
        let Self { broker, settings, doors } = self;
        broker.certificates().set(&settings.listeners);
        let settings = Arc::new(settings);
        broker.manager().tell_workers(|| Command::Settings(settings.clone()));
        broker.doors.apply(doors, settings.limits);
    }
}
