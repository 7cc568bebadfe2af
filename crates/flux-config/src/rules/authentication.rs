//! What proves who somebody is.

use std::net::IpAddr;

use super::Rules;
use crate::config::{AclDefault, HttpCallback, Jwt};
use crate::problem::Problem;

impl Rules<'_> {
    pub(super) fn authentication(&mut self) {
        let jwt = &self.config.auth.jwt;
        let sources: Vec<_> = jwt.sources().collect();
        match sources.as_slice() {
            [] if *jwt != Jwt::default() => {
                let problem = Problem::error("there is no key for tokens").help(
                    "say where keys are with key_file, secret_file, jwks_file or jwks_url, or leave [auth.jwt] out",
                );
                self.error(&["auth", "jwt"], problem, "");
            }
            [first, second, ..] => {
                let title = format!("keys for tokens are in `{first}` and in `{second}`");
                let problem =
                    Problem::error(title).help("one place: a key set may have keys of every kind");
                self.error(&["auth", "jwt", second], problem, "");
            }
            [] | [_] => {}
        }
        if jwt.username_claim.is_empty() {
            let problem = Problem::error("`auth.jwt.username_claim` has no name")
                .help("write the claim that names the user, such as \"sub\"");
            self.error(&["auth", "jwt", "username_claim"], problem, "");
        }
        let http = &self.config.auth.http;
        if http.url.is_none() && *http != HttpCallback::default() {
            let problem = Problem::error("there is no address to ask about clients")
                .help("say which with url, or leave [auth.http] out");
            self.error(&["auth", "http"], problem, "");
        }
        self.users();
        self.address(&["auth", "http", "url"], http.url.as_deref(), "passwords");
        self.address(&["auth", "jwt", "jwks_url"], jwt.jwks_url.as_deref(), "keys");
    }

    /// Looks whether anybody can have a name that rules are written for, and whether there are rules that let anybody do anything.
    fn users(&mut self) {
        let config = self.config;
        if config.acl.file.is_some() && !config.has_users() {
            let problem = Problem::warning("there are rules, and nobody can prove a user name")
                .help("clients that give one are refused, and what is bound to users or claims never holds: add a \
                       password_file, jwt or http to [auth]");
            let origin = self.place(&["acl", "file"]).cloned();
            self.problems.push(problem.at_some(origin.as_ref(), ""));
        }
        if config.acl.file.is_none() && config.acl_default() == AclDefault::Deny {
            let problem =
                Problem::warning("nobody may do anything, nor connect: no rule says who may").help(
                    "add a file of roles (or start with --roles FILE), or let all who get in do everything \
                     (or start with --acl-default allow)\n[acl]\nfile = \"/etc/flux/roles.toml\"\n# or\ndefault = \"allow\"",
                );
            let origin = self.place(&["acl", "default"]).cloned();
            self.problems.push(problem.at_some(origin.as_ref(), ""));
        }
    }

    /// Looks at an address over which something goes that must not be read, or written, on the way.
    pub(super) fn address(&mut self, path: &[&str], url: Option<&str>, what: &str) {
        let Some(url) = url else { return };
        let name = path.join(".");
        let rest = url.strip_prefix("http://");
        if rest.is_none() && !url.starts_with("https://") {
            let problem =
                Problem::error(format!("`{name}` begins neither with https:// nor http://"));
            self.error(path, problem.help("write it as \"https://host:port/path\""), "");
        } else if rest.is_some_and(|rest| !is_loopback(rest)) {
            let title = format!(
                "{what} go to or come from `{name}` without protection: it is not https://"
            );
            let origin = self.place(path).cloned();
            let problem = Problem::warning(title)
                .help("let it begin with https://, or send through something on this machine that protects it");
            self.problems.push(problem.at_some(origin.as_ref(), ""));
        }
    }
}

/// Returns whether what follows the scheme of an address names this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(ip) => ip.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
