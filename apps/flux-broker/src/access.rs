//! Who may connect, and what they may do: the files of users, keys and roles, read at the start and again when told.

mod http;
mod passwords;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use flux_auth::{
    AllowAll, Anonymous, Authentication, Authenticator, Authorizer, BanSettings, Bouncer, Chain,
    ClientCertificate, ClientIdRule, ClientIdRules, Clock, Credentials, Exchange, Link,
    RoleAuthorizer, SimpleAuthenticator,
};
use flux_config::{Auth, Config};
use flux_eventbus::{Event, EventBus};
use flux_session::Timestamp;

use self::http::Callback;
use self::passwords::Passwords;
use self::tokens::Tokens;
use crate::acl;

/// Authenticator and authorizer, and the files they are made of.
pub(crate) struct Access {
    pub(crate) gate: Arc<Gate>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) bouncer: Arc<Bouncer>,
    proofs: Proofs,
    roles: Option<(PathBuf, Arc<RoleAuthorizer>)>,
}

/// What clients prove with who they are, in the order in which it is looked at.
struct Proofs {
    tokens: Option<Tokens>,
    passwords: Option<Passwords>,
    callback: Option<Callback>,
}

/// What was read again, to take effect with all else.
type Change = Box<dyn FnOnce() -> Result<()>>;

/// Who gets in.
#[derive(Debug)]
pub(crate) enum Gate {
    /// Anybody, under any name.
    Open(SimpleAuthenticator),
    /// Who proves who it is.
    Guarded(Chain),
}

impl Authenticator for Gate {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        match self {
            Self::Open(simple) => simple.authenticate(credentials).await,
            Self::Guarded(chain) => chain.authenticate(credentials).await,
        }
    }

    fn begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        match self {
            Self::Open(simple) => simple.begin(method, credentials),
            Self::Guarded(chain) => chain.begin(method, credentials),
        }
    }

    fn admits_anyone(&self) -> bool {
        match self {
            Self::Open(simple) => simple.admits_anyone(),
            Self::Guarded(chain) => chain.admits_anyone(),
        }
    }
}

impl Access {
    /// Reads the files that the config names.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or says what makes no sense.
    pub(crate) fn open(config: &Config, events: &Arc<EventBus>) -> Result<Self> {
        let bouncer = bouncer(&config.auth.bans, events);
        let open = |path| Passwords::open(path, &bouncer);
        let passwords = config.auth.password_file.as_deref().map(open).transpose()?;
        let callback = Callback::open(&config.auth.http)?;
        let proofs = Proofs { tokens: Tokens::open(&config.auth.jwt)?, passwords, callback };
        let roles = config.acl.file.as_deref().map(open_roles).transpose()?;
        let gate =
            if proofs.words().is_empty() && roles.is_none() && config.auth.client_ids.is_empty() {
                Gate::Open(SimpleAuthenticator::new())
            } else {
                let name = certificate_name(config);
                let chain = chain(&proofs, &config.auth, name.as_deref())?;
                Gate::Guarded(chain.with_bans(bouncer.clone()))
            };
        let authorizer: Arc<dyn Authorizer> = match &roles {
            Some((_, roles)) => roles.clone(),
            None => Arc::new(AllowAll),
        };
        Ok(Self { gate: Arc::new(gate), authorizer, bouncer, proofs, roles })
    }

    /// Reads the files again: all take effect, or none.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or says what makes no sense. Then all is as it was.
    pub(crate) fn reload(&self) -> Result<()> {
        let changes = self.proofs.read_again()?;
        let roles = self.roles.as_ref().map(|(path, _)| acl::load(path)).transpose()?;
        for change in changes {
            change()?;
        }
        if let (Some((_, authorizer)), Some(roles)) = (&self.roles, roles) {
            authorizer.replace(roles);
        }
        Ok(())
    }

    /// Says in a word or two who gets in.
    pub(crate) fn words(&self) -> String {
        let mut words = self.proofs.words();
        words.extend(self.roles.is_some().then_some("roles"));
        match words.split_last() {
            None => "anonymous".to_owned(),
            Some((last, [])) => format!("with {last}"),
            Some((last, first)) => format!("with {} and {last}", first.join(", ")),
        }
    }
}

impl Proofs {
    fn links(&self) -> Vec<Arc<dyn Link>> {
        let tokens = self.tokens.as_ref().map(Tokens::link);
        let passwords = self.passwords.as_ref().map(Passwords::link);
        let callback = self.callback.as_ref().map(Callback::link);
        [tokens, passwords, callback].into_iter().flatten().collect()
    }

    fn read_again(&self) -> Result<Vec<Change>> {
        let tokens = self.tokens.as_ref().map(Tokens::read_again);
        let passwords = self.passwords.as_ref().map(Passwords::read_again);
        let callback = self.callback.as_ref().map(Callback::read_again);
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

fn open_roles(path: &Path) -> Result<(PathBuf, Arc<RoleAuthorizer>)> {
    Ok((path.to_owned(), Arc::new(RoleAuthorizer::new(acl::load(path)?))))
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

/// Tells the log and the platform of each ban.
fn bouncer(config: &flux_config::Bans, events: &Arc<EventBus>) -> Arc<Bouncer> {
    let settings = BanSettings {
        failures: config.failures,
        within: config.within.0,
        ban_for: config.ban_for.0,
        addresses: usize::try_from(config.addresses).unwrap_or(usize::MAX),
        exempt: config.exempt.0.iter().map(|range| range.0).collect(),
    };
    let events = events.clone();
    let tell = move |address, length| {
        tracing::warn!(%address, ?length, "banned: it failed too often to prove who it is");
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
