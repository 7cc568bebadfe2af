//! Certificates: what is asked of clients needs to know who signs for them.

use super::Rules;
use crate::config::{ClientCertificates, Tls};
use crate::problem::Problem;
use crate::reader::nearest;

impl Rules<'_> {
    pub(super) fn certificates(&mut self) {
        for (name, tls) in &self.config.tls {
            self.files(name, tls);
            self.clients(name, tls);
            let users = self.config.listeners.iter().map(|it| &it.tls);
            if !users.chain([&self.config.admin.tls]).any(|used| used.as_ref() == Some(name)) {
                let title = format!("no listener uses the certificates `{name}`");
                let origin = self.tree.at(&["tls", name]).map(|node| &node.origin);
                let help = format!("add `tls = \"{name}\"` to a listener, or leave them out");
                self.problems.push(Problem::warning(title).at_some(origin, "").help(help));
            }
        }
        self.names();
    }

    /// Where something depends on who the user is, a certificate that names the user is a proof. What names users on one
    /// listener must do so on all, or a certificate would prove there what nobody meant it to.
    fn names(&mut self) {
        let config = self.config;
        let has_rules = config.acl.file.is_some() || !config.auth.client_ids.is_empty();
        if !config.auth.asks_for_proof() && !has_rules {
            return;
        }
        let asks = |tls: &Tls| tls.client_certificates() != ClientCertificates::Off;
        let mut asking = config.tls.iter().filter(|(_, tls)| asks(tls));
        let Some((first, first_tls)) = asking.next() else { return };
        for (name, _) in asking.filter(|(_, tls)| tls.username_from != first_tls.username_from) {
            let title = format!(
                "`tls.{first}` and `tls.{name}` take user names from different parts of certificates"
            );
            let help = "where users have passwords, roles or client identifiers, all that ask clients for certificates have \
                        the same `username_from`, or none";
            let path = ["tls", name, "username_from"];
            self.error(&path, Problem::error(title).help(help), "");
        }
    }

    /// Who is to use certificates must name some that there are.
    pub(super) fn known_certificates(&mut self, tls: &str, path: &[&str]) {
        if self.config.tls.contains_key(tls) {
            return;
        }
        let problem = Problem::error(format!("there are no certificates `{tls}`"));
        let help = match nearest(tls, self.config.tls.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add\n[tls.{tls}]\ncert = \"...\"\nkey = \"...\""),
        };
        self.error(path, problem.help(help), "");
    }

    fn files(&mut self, name: &str, tls: &Tls) {
        let mut missing = |path: &[&str], is_empty: bool| {
            if is_empty && let Some((key, table)) = path.split_last() {
                let title = format!("`{}` has no `{key}`", table.join("."));
                let help = format!("add `{key} = \"...\"`, a file in PEM");
                self.error(path, Problem::error(title).help(help), "");
            }
        };
        missing(&["tls", name, "cert"], tls.cert.as_os_str().is_empty());
        missing(&["tls", name, "key"], tls.key.as_os_str().is_empty());
        for (number, files) in tls.further.iter().enumerate() {
            let number = number.to_string();
            missing(&["tls", name, "further", &number, "cert"], files.cert.as_os_str().is_empty());
            missing(&["tls", name, "further", &number, "key"], files.key.as_os_str().is_empty());
        }
    }

    fn clients(&mut self, name: &str, tls: &Tls) {
        let has_authority = !tls.client_ca.0.is_empty();
        let asks = tls.client_certificates() != ClientCertificates::Off;
        let mut needs = |key: &str, is_there: bool, has_it: bool, what: &str| {
            if is_there && !has_it {
                let title = format!("`tls.{name}.{key}` needs {what}");
                let help = match has_authority {
                    true => format!(
                        "ask them: client_certificates = \"required\" or \"optional\"; or leave `{key}` out"
                    ),
                    false => format!(
                        "add `client_ca = \"...\"`, the authorities of clients in PEM, or leave `{key}` out"
                    ),
                };
                self.error(&["tls", name, key], Problem::error(title).help(help), "");
            }
        };
        let authority = "a `client_ca`: who else says which certificates are right?";
        needs("client_certificates", asks, has_authority, authority);
        needs("crl", !tls.crl.0.is_empty(), has_authority, authority);
        let asking = "clients that are asked for certificates";
        needs("username_from", tls.username_from.is_some(), has_authority && asks, asking);
    }
}
