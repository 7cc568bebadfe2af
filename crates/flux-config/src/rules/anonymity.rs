//! Nobody gets in from other machines whom nobody asked for.

use super::Rules;
use crate::config::{ClientCertificates, Listener};
use crate::problem::Problem;

impl Rules<'_> {
    pub(super) fn anonymity(&mut self) {
        let auth = &self.config.auth;
        let admits_anyone = !auth.asks_for_proof() || auth.allow_anonymous;
        for (number, listener) in self.config.listeners.iter().enumerate() {
            let number = number.to_string();
            if !admits_anyone {
                if listener.allow_anonymous {
                    let title =
                        format!("listener `{}` cannot allow what `auth` forbids", listener.name);
                    let help = "where there is a password file or the like, `allow_anonymous = true` belongs to [auth], too: it \
                                holds for all listeners";
                    let path = ["listener", &number, "allow_anonymous"];
                    self.error(&path, Problem::error(title).help(help), "");
                }
                continue;
            }
            let outside = listener.bind.0.iter().find(|bind| !bind.is_local());
            let Some(outside) = outside.filter(|_| !listener.allow_anonymous) else { continue };
            if self.demands_certificates(listener) {
                continue;
            }
            let title = format!(
                "refusing to listen on {outside}: it is not loopback and anybody may connect"
            );
            let name = &listener.name;
            let problem = Problem::error(title)
                .help("to ask for passwords, add (or start with --passwords FILE)\n[auth]\npassword_file = \"/etc/flux/users\"")
                .help("to ask for certificates (TLS), add `client_ca` to what its `tls` names")
                .help(format!(
                    "to let anybody in, add to listener `{name}` (or start with --allow-anonymous)\n\
                     allow_anonymous = true"
                ));
            self.error(&["listener", &number, "bind"], problem, "reached from other machines");
        }
    }

    fn demands_certificates(&self, listener: &Listener) -> bool {
        let tls = listener.tls.as_ref().and_then(|name| self.config.tls.get(name));
        listener.transport.has_tls()
            && tls.is_some_and(|tls| tls.client_certificates() == ClientCertificates::Required)
    }
}
