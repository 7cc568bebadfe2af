//! Who may connect, and what they may do: the files of users and roles, read at the start and again when told.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use flux_auth::{
    AllowAll, Anonymous, Authentication, Authenticator, Authorizer, BanSettings, Bans, Chain,
    ClientCertificate, Clock, Credentials, HashPool, Link, PasswordAuthenticator, RoleAuthorizer,
    SimpleAuthenticator, Users,
};
use flux_config::Config;
use flux_mqtt::IpNet;
use flux_session::Timestamp;

use crate::acl;

/// Authenticator and authorizer, and the files they are made of.
pub(crate) struct Access {
    pub(crate) gate: Arc<Gate>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    users: Option<(PathBuf, Arc<PasswordAuthenticator>)>,
    roles: Option<(PathBuf, Arc<RoleAuthorizer>)>,
}

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
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let users = config.auth.password_file.as_deref().map(open_users).transpose()?;
        let roles = config.acl.file.as_deref().map(open_roles).transpose()?;
        let gate = if users.is_none() && roles.is_none() {
            Gate::Open(SimpleAuthenticator::new())
        } else {
            let name = certificate_name(config);
            Gate::Guarded(chain(users.as_ref(), config.auth.allow_anonymous, name.as_deref()))
        };
        let authorizer: Arc<dyn Authorizer> = match &roles {
            Some((_, roles)) => roles.clone(),
            None => Arc::new(AllowAll),
        };
        Ok(Self { gate: Arc::new(gate), authorizer, users, roles })
    }

    /// Reads the files again: both take effect, or neither.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or says what makes no sense. Then all is as it was.
    pub(crate) fn reload(&self) -> Result<()> {
        let users = self.users.as_ref().map(|(path, _)| Users::load(path)).transpose()?;
        let roles = self.roles.as_ref().map(|(path, _)| acl::load(path)).transpose()?;
        if let (Some((_, authenticator)), Some(users)) = (&self.users, users) {
            authenticator.replace(users)?;
        }
        if let (Some((_, authorizer)), Some(roles)) = (&self.roles, roles) {
            authorizer.replace(roles);
        }
        Ok(())
    }

    /// Says in a word or two who gets in.
    pub(crate) fn words(&self) -> &'static str {
        match (&*self.gate, &self.roles) {
            (Gate::Open(_), _) => "anonymous",
            (Gate::Guarded(_), None) => "with passwords",
            (Gate::Guarded(_), Some(_)) if self.users.is_none() => "with roles",
            (Gate::Guarded(_), Some(_)) => "with passwords and roles",
        }
    }
}

/// Returns the part of a client's certificate that is its user name, if any is: all that ask for certificates take the same.
fn certificate_name(config: &Config) -> Option<String> {
    let part = config.tls.values().find_map(|tls| tls.username_from)?;
    Some(part.name().to_owned())
}

fn open_users(path: &Path) -> Result<(PathBuf, Arc<PasswordAuthenticator>)> {
    // Half of the processors at most: the others go on serving whoever is in.
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN);
    let pool = Arc::new(HashPool::start(threads, WAITING_PASSWORDS)?);
    let users = PasswordAuthenticator::new(Users::load(path)?, pool)?;
    Ok((path.to_owned(), Arc::new(users)))
}

fn open_roles(path: &Path) -> Result<(PathBuf, Arc<RoleAuthorizer>)> {
    Ok((path.to_owned(), Arc::new(RoleAuthorizer::new(acl::load(path)?))))
}

fn chain(
    users: Option<&(PathBuf, Arc<PasswordAuthenticator>)>,
    allow_anonymous: bool,
    certificate_name: Option<&str>,
) -> Chain {
    let mut links: Vec<Arc<dyn Link>> = Vec::new();
    if let Some(part) = certificate_name {
        links.push(Arc::new(ClientCertificate { username_from: format!("cert.{part}") }));
    }
    if let Some((_, users)) = users {
        links.push(users.clone());
    }
    if users.is_none() || allow_anonymous {
        links.push(Arc::new(Anonymous));
    }
    let loopback = ["127.0.0.0/8", "::1/128"].iter().filter_map(|it| it.parse::<IpNet>().ok());
    let settings = BanSettings { exempt: loopback.collect(), ..BanSettings::default() };
    Chain::new(links).with_bans(Arc::new(Bans::new(settings)), clock())
}

#[expect(clippy::disallowed_methods, reason = "how long ago somebody failed is nobody else's time")]
fn clock() -> Clock {
    let start = Instant::now();
    Box::new(move || Timestamp::from_millis(0) + start.elapsed())
}

/// So many wait at most until their password is hashed; others are told that the server is unavailable.
const WAITING_PASSWORDS: usize = 1_024;
