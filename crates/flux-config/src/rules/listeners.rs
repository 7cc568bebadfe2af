//! Listeners: each has a name and an address of its own, and the certificates that its transport needs.

use std::collections::HashSet;

use super::Rules;
use crate::config::Listener;
use crate::problem::Problem;
use crate::value::Bind;

impl Rules<'_> {
    pub(super) fn listeners(&mut self) {
        let listeners = &self.config.listeners;
        if listeners.is_empty() {
            let problem = Problem::error("nobody can connect: there is no listener");
            self.error(&["listener"], problem.help("leave `listener` out for one on loopback"), "");
        }
        let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
        for (number, listener) in listeners.iter().enumerate() {
            let number = number.to_string();
            let path = |key| ["listener", &number, key];
            if listener.name.is_empty() {
                let problem = Problem::error("a listener has no name");
                self.error(&path("name"), problem.help("add `name = \"...\"`"), "");
            } else if !names.insert(&listener.name) {
                let title = format!("two listeners are called `{}`", listener.name);
                let problem = Problem::error(title).help("give each a name of its own");
                self.error(&path("name"), problem, "the second one");
            }
            if listener.bind.0.is_empty() {
                let title = format!("listener `{}` listens nowhere", listener.name);
                let problem = Problem::error(title).help("add `bind = \"loopback:1883\"`");
                self.error(&path("bind"), problem, "");
            }
            for bind in &listener.bind.0 {
                let is_taken_once = match bind {
                    Bind::Loopback(port) => *port != 0,
                    Bind::Address(address) => address.port() != 0,
                    Bind::Unix(_) => true,
                };
                if is_taken_once && !addresses.insert(bind.to_string()) {
                    let title = format!("two listeners listen on {bind}");
                    let problem =
                        Problem::error(title).help("choose another port, address or path");
                    self.error(&path("bind"), problem, "the second one");
                }
            }
            self.proxies_of(listener, &number);
            self.certificates_of(listener, &number);
            self.websocket_of(listener, &number);
        }
    }

    /// Proxies are told by their addresses, which nobody has who comes by a Unix socket.
    fn proxies_of(&mut self, listener: &Listener, number: &str) {
        let Listener { name, bind, proxy_from, forwarded_by, .. } = listener;
        let is_unix = |bind: &Bind| matches!(bind, Bind::Unix(_));
        if bind.0.is_empty() || !bind.0.iter().all(is_unix) {
            return;
        }
        for (key, ranges) in [("proxy_from", proxy_from), ("forwarded_by", forwarded_by)] {
            if !ranges.0.is_empty() {
                let title = format!(
                    "listener `{name}` has `{key}`, and nobody comes to it from an address"
                );
                let help = "let the proxy connect to a `bind` on loopback, or leave it out";
                self.error(&["listener", number, key], Problem::error(title).help(help), "");
            }
        }
    }

    fn websocket_of(&mut self, listener: &Listener, number: &str) {
        let Listener { name, path, origins, forwarded_by, .. } = listener;
        if listener.transport.has_websocket() {
            if !path.starts_with('/') && path != "*" {
                let problem =
                    Problem::error(format!("the path of listener `{name}` has no `/` before it"));
                let help = format!("write `path = \"/{path}\"`, or \"*\" for every path");
                self.error(&["listener", number, "path"], problem.help(help), "");
            }
            return;
        }
        let default = Listener::default();
        for (key, is_default) in [
            ("path", *path == default.path),
            ("origins", origins.0.is_empty()),
            ("forwarded_by", forwarded_by.0.is_empty()),
        ] {
            if !is_default {
                let title = format!("listener `{name}` has `{key}`, which is for WebSocket");
                let help = "choose `transport = \"ws\"` or `transport = \"wss\"`, or leave it out";
                self.error(&["listener", number, key], Problem::error(title).help(help), "");
            }
        }
    }

    fn certificates_of(&mut self, listener: &Listener, number: &str) {
        let path = |key| ["listener", number, key];
        let Listener { name, .. } = listener;
        match (&listener.tls, listener.transport.has_tls()) {
            (None, false) => {}
            (None, true) => {
                let problem = Problem::error(format!("listener `{name}` has no certificates"));
                let help = match self.config.tls.keys().next() {
                    Some(known) => format!("add `tls = \"{known}\"`"),
                    None => format!(
                        "add `tls = \"{name}\"`, and\n[tls.{name}]\ncert = \"...\"\nkey = \"...\""
                    ),
                };
                self.error(&path("transport"), problem.help(help), "this one needs some");
            }
            (Some(_), false) => {
                let title = format!("listener `{name}` has certificates that it does not use");
                let other = if listener.transport.has_websocket() { "wss" } else { "mqtts" };
                let help = format!("choose `transport = \"{other}\"`, or leave `tls` out");
                self.error(&path("tls"), Problem::error(title).help(help), "");
            }
            (Some(tls), true) => self.known_certificates(tls, &path("tls")),
        }
    }
}
