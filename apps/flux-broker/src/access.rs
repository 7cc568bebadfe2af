//! Who may connect, and what they may do: what the config says of it, and the files of users, keys and roles, read
//! at the start and again when told.

mod gate;
pub(crate) mod http;
mod passwords;
mod rights;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use flux_auth::{
    Anonymous, BanSettings, Bouncer, Chain, ClientCertificate, ClientIdRule, ClientIdRules, Clock,
    Link, Ruleset, SimpleAuthenticator,
};
use flux_config::{Auth, Config, Loaded, Problems};
use flux_eventbus::{Event, EventBus};
use flux_session::Timestamp;

pub(crate) use self::gate::Entry;
use self::gate::{Gate, Way};
use self::http::Callback;
use self::passwords::Passwords;
use self::rights::Rights;
use self::tokens::Tokens;

/// Authenticator and authorizer, and the files they are made of.
pub(crate) struct Access {
    pub(crate) gate: Arc<Gate>,
    pub(crate) authorizer: Arc<Rights>,
    pub(crate) bouncer: Arc<Bouncer>,
    /// Listeners that bindings are for, and that there are not.
    unknown_listeners: Vec<String>,
    proofs: Proofs,
}

/// What a config says of who may connect and what they may do, with the files that it names read. Nothing has changed yet.
pub(crate) struct Prepared {
    entry: Entry,
    bans: BanSettings,
    proofs: Proofs,
    roles: Option<Ruleset>,
}

/// What clients prove with who they are, in the order in which it is looked at.
#[derive(Default)]
struct Proofs {
    tokens: Option<Tokens>,
    passwords: Option<Passwords>,
    callback: Option<Callback>,
}

impl Access {
    /// Reads the files that the config names.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or says what makes no sense.
    pub(crate) fn open(config: &Config, events: &Arc<EventBus>) -> Result<Self> {
        let bouncer = bouncer(ban_settings(&config.auth.bans), events);
        let prepared = Prepared::read(config, &Proofs::default(), &bouncer)?;
        let unknown_listeners = prepared.unknown_listeners(config);
        let Prepared { entry, bans: _, proofs, roles } = prepared;
        let (gate, authorizer) = (Arc::new(Gate::new(entry)), Arc::new(Rights::new(roles)));
        Ok(Self { gate, authorizer, bouncer, unknown_listeners, proofs })
    }

    /// Reads what a config says, and the files that it names. Of what it says as before, what is known goes on.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or says what makes no sense. Then all is as it was.
    pub(crate) fn prepare(&self, config: &Config) -> Result<Prepared> {
        Prepared::read(config, &self.proofs, &self.bouncer)
    }

    /// Has it hold from now on. Who is connected stays so; the broker has to look at their rights again.
    pub(crate) fn apply(&mut self, prepared: Prepared, config: &Config) {
        self.unknown_listeners = prepared.unknown_listeners(config);
        let Prepared { entry, bans, proofs, roles } = prepared;
        self.authorizer.replace(roles);
        self.bouncer.set(bans);
        self.gate.replace(entry);
        self.proofs = proofs;
    }

    /// Returns what somebody should look at in the files that hold, which a config named.
    pub(crate) fn warnings(&self, loaded: &Loaded) -> Problems {
        let mut warnings = loaded.none();
        for name in &self.unknown_listeners {
            let title = format!(
                "a binding of `acl.file` is for the listener `{name}`, which there is not: it never holds"
            );
            let known: Vec<_> = loaded.config.listeners.iter().map(|it| &*it.name).collect();
            let help = format!("name one of these: {}", known.join(", "));
            warnings.extend(loaded.warning(&["acl", "file"], title, help));
        }
        warnings
    }

    /// Says in a word or two who gets in.
    pub(crate) fn words(&self, config: &Config) -> String {
        let mut words = self.proofs.words();
        words.extend(config.acl.file.is_some().then_some("roles"));
        match words.split_last() {
            None => "anonymous".to_owned(),
            Some((last, [])) => format!("with {last}"),
            Some((last, first)) => format!("with {} and {last}", first.join(", ")),
        }
    }
}

impl Prepared {
    fn read(config: &Config, before: &Proofs, bouncer: &Arc<Bouncer>) -> Result<Self> {
        let proofs = Proofs::open(&config.auth, before, bouncer)?;
        let roles = rights::read(config)?;
        let asks_nobody =
            proofs.words().is_empty() && roles.is_none() && config.auth.client_ids.is_empty();
        let certificate_name = certificate_name(config);
        let way = if asks_nobody {
            Way::Open(SimpleAuthenticator::new())
        } else {
            let chain = chain(&proofs, &config.auth, certificate_name.as_deref())?;
            Way::Guarded(chain.with_bans(bouncer.clone()))
        };
        let entry = Entry { way, has_users: config.has_users() };
        Ok(Self { entry, bans: ban_settings(&config.auth.bans), proofs, roles })
    }

    fn unknown_listeners(&self, config: &Config) -> Vec<String> {
        let is_unknown =
            |name: &&str| !config.listeners.iter().any(|listener| listener.name == **name);
        let bound = self.roles.iter().flat_map(Ruleset::bound_listeners);
        let unknown: BTreeSet<&str> = bound.filter(is_unknown).collect();
        unknown.into_iter().map(str::to_owned).collect()
    }

    /// Returns who gets in when it holds.
    pub(crate) const fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Proofs {
    fn open(auth: &Auth, before: &Self, bouncer: &Arc<Bouncer>) -> Result<Self> {
        let open = |path| Passwords::open(path, before.passwords.as_ref(), bouncer);
        Ok(Self {
            tokens: Tokens::open(&auth.jwt, before.tokens.as_ref())?,
            passwords: auth.password_file.as_deref().map(open).transpose()?,
            callback: Callback::open(&auth.http, before.callback.as_ref())?,
        })
    }

    fn links(&self) -> Vec<Arc<dyn Link>> {
        let tokens = self.tokens.as_ref().map(Tokens::link);
        let passwords = self.passwords.as_ref().map(Passwords::link);
        let callback = self.callback.as_ref().map(Callback::link);
        [tokens, passwords, callback].into_iter().flatten().collect()
    }

    fn words(&self) -> Vec<&'static str> {
        let words = [
            ("tokens", self.tokens.is_some()),
            ("passwords", self.passwords.is_some()),
            ("a callback", self.callback.is_some()),
        ];
        words.into_iter().filter_map(|(word, is_there)| is_there.then_some(word)).collect()
    }
}

/// Returns the part of a client's certificate that is its user name, if any is: all that ask for certificates take the same.
pub(crate) fn certificate_name(config: &Config) -> Option<String> {
    let part = config.tls.values().find_map(|tls| tls.username_from)?;
    Some(part.name().to_owned())
}

fn chain(proofs: &Proofs, auth: &Auth, certificate_name: Option<&str>) -> Result<Chain> {
    let mut links: Vec<Arc<dyn Link>> = Vec::new();
    if let Some(part) = certificate_name {
        links.push(Arc::new(ClientCertificate { username_from: format!("cert.{part}") }));
    }
    let proofs = proofs.links();
    let asks_nobody = proofs.is_empty();
    links.extend(proofs);
    if asks_nobody || auth.allow_anonymous {
        links.push(Arc::new(Anonymous));
    }
    Ok(Chain::new(links).with_client_ids(client_ids(auth)?))
}

fn client_ids(auth: &Auth) -> Result<ClientIdRules> {
    let rule = |it: &flux_config::ClientIds| ClientIdRule {
        user: it.user.clone(),
        client_id: it.client_id.0.clone(),
    };
    let rules: Vec<_> = auth.client_ids.iter().map(rule).collect();
    ClientIdRules::compile(&rules).context("`auth.client_ids`")
}

fn ban_settings(config: &flux_config::Bans) -> BanSettings {
    BanSettings {
        failures: config.failures,
        within: config.within.0,
        ban_for: config.ban_for.0,
        addresses: usize::try_from(config.addresses).unwrap_or(usize::MAX),
        exempt: config.exempt.0.iter().map(|range| range.0).collect(),
    }
}

/// Tells the platform of each ban.
fn bouncer(settings: BanSettings, events: &Arc<EventBus>) -> Arc<Bouncer> {
    let events = events.clone();
    let tell = move |address, length| {
        events.publish(Event::Banned { address, length });
    };
    Arc::new(Bouncer::new(settings, clock()).telling(Box::new(tell)))
}

#[expect(clippy::disallowed_methods, reason = "how long ago somebody failed is nobody else's time")]
fn clock() -> Clock {
    let start = Instant::now();
    Box::new(move || Timestamp::from_millis(0) + start.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "tokens begin and end at a time of day")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use flux_eventbus::{EventKind, EventKinds};

    use super::*;

    /// Else a rule would name what no client has, or be refused though some have it.
    #[test]
    fn rules_know_the_fields_that_certificates_have() {
        let mut certificate = flux_tls::ClientCertificate::new(flux_tls::Fingerprint([1; 32]));
        certificate.common_name = Some("a".into());
        certificate.dns_names = vec!["a".into()];
        certificate.uris = vec!["a".into()];
        certificate.emails = vec!["a".into()];
        let fields: BTreeSet<_> = certificate.fields().map(|(name, _)| name).collect();
        assert!(fields.into_iter().eq(flux_auth::CERTIFICATE_FIELDS));
    }

    #[test]
    fn a_ban_is_an_event_of_the_platform_once() {
        let events = Arc::new(EventBus::new());
        let kinds = EventKinds::of(&[EventKind::Banned]);
        let mut heard = events.subscribe(kinds, NonZeroUsize::new(8).unwrap());
        let settings = BanSettings { failures: 3, exempt: Vec::new(), ..BanSettings::default() };
        let length = settings.ban_for;
        let bouncer = bouncer(settings, &events);
        let address: std::net::IpAddr = "192.0.2.1".parse().unwrap();
        for failure in 1..=5 {
            bouncer.note_failure(address);
            assert_eq!(bouncer.turns_away(address), failure >= 3);
        }
        assert_eq!(heard.try_recv(), Some(Event::Banned { address, length }));
        assert!(heard.try_recv().is_none(), "and told once");
    }
}
