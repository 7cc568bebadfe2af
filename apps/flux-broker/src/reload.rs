//! SIGHUP: the config and all that it names are read again and checked, then all of it holds at once, or nothing has changed.

use flux_auth::Authenticator;
use flux_config::{Config, Problems, Severity, System, load};
use flux_mqtt::BrokerHandle;

use crate::access::Access;
use crate::cli::Cli;
use crate::log::{self, Log};
use crate::renewal;
use crate::settings::{Known, settings};

/// What a reload goes by.
pub(crate) struct Reload<'a> {
    pub(crate) cli: &'a Cli,
    /// The config that the broker started with.
    pub(crate) started: Config,
    /// The config that holds.
    pub(crate) current: Config,
    /// The certificates in use.
    pub(crate) known: Known,
    pub(crate) access: Access,
    pub(crate) broker: &'a BrokerHandle,
    pub(crate) log: &'a Log,
}

impl Reload<'_> {
    /// Reads all again, and logs what came of it. Returns whether it holds now.
    pub(crate) fn run(&mut self) -> bool {
        match self.try_run() {
            Ok((waiting, warnings)) => {
                log::warn(&warnings);
                tracing::info!("the config was read again");
                for name in waiting {
                    tracing::warn!(
                        help = "restart the broker to have it now",
                        "`{name}` has changed, and holds from the next start on"
                    );
                }
                true
            }
            Err(error) => {
                match error.downcast::<Problems>() {
                    Ok(problems) => tell_errors(&problems),
                    Err(error) => tracing::error!(
                        help = "mend it and send SIGHUP again",
                        "the config stays as it was: {error:#}"
                    ),
                }
                false
            }
        }
    }

    /// Returns the names of settings that wait for the next start, and what somebody should look at.
    fn try_run(&mut self) -> anyhow::Result<(Vec<String>, Problems)> {
        let loaded = load(self.cli.config.as_deref(), self.cli.flags(), &System)?;
        log::check(&loaded)?;
        let (settings, known) = settings(&loaded, &self.known)?;
        let access = self.access.prepare(&loaded.config)?;
        // The last that can fail.
        let prepared = self.broker.prepare_reload(settings, access.entry())?;
        // Never are both open, the doors to other machines and the way in for anybody: nor for those who stand in a door.
        if access.entry().admits_anyone() {
            let was_open =
                self.access.gate.admits_anyone() && self.current.tls == loaded.config.tls;
            let _until_both_hold = (!was_open).then(|| self.broker.recess());
            prepared.apply();
            known.take_the_place_of(&self.known, self.broker.certificates());
            self.access.apply(access, &loaded.config);
        } else {
            self.access.apply(access, &loaded.config);
            prepared.apply();
            known.take_the_place_of(&self.known, self.broker.certificates());
        }
        self.known = known;
        renewal::reload(self.broker.certificates());
        self.broker.recheck_rights();
        let mut warnings = self.access.warnings(&loaded);
        warnings.extend(loaded.warnings);
        self.current = loaded.config;
        self.log.set(&self.current.log.filter)?;
        Ok((self.started.changes_at_start(&self.current), warnings))
    }
}

/// Logs why a config does not hold: a line each.
fn tell_errors(problems: &Problems) {
    for told in problems.told().filter(|told| told.severity == Severity::Error) {
        let help = if told.help.is_empty() { "mend it" } else { &told.help };
        tracing::error!(
            place = told.place,
            help = format!("{help}; then send SIGHUP again"),
            "the config stays as it was: {}",
            told.what
        );
    }
}
