//! What goes together in a config and what does not.

mod anonymity;
mod authentication;
mod certificates;
mod listeners;
mod otlp;

use std::path::{Path, PathBuf};

use crate::config::{ClientCertificates, Config, Durability, MqttVersion, Tls};
use crate::node::{Node, Origin, Value};
use crate::problem::{Problem, Source};
use crate::surroundings::Surroundings;
use crate::value::{Bind, OneOrMore, Period};

/// Returns all that is wrong with a config as a whole. What stands in `broken` tables may follow from what is known.
pub(crate) fn check(config: &Config, tree: &Node, broken: &[String]) -> Vec<Problem> {
    let mut rules = Rules { config, tree, broken, problems: Vec::new() };
    rules.listeners();
    rules.certificates();
    rules.authentication();
    rules.anonymity();
    rules.metrics();
    rules.otlp();
    rules.storage();
    rules.protocol();
    rules.problems
}

struct Rules<'a> {
    config: &'a Config,
    tree: &'a Node,
    broken: &'a [String],
    problems: Vec<Problem>,
}

impl Rules<'_> {
    /// Adds an error about what a path leads to, or about what is around it, unless the table it is in is broken.
    fn error(&mut self, path: &[&str], problem: Problem, label: &str) {
        let table = path.split_last().map_or(&[][..], |(_, table)| table);
        if self.broken.iter().any(|broken| *broken == table.join(".")) {
            return;
        }
        self.problems.push(problem.at_some(self.place(path), label));
    }

    fn place(&self, path: &[&str]) -> Option<&Origin> {
        // Sections and lists of sections have spans of their own only where they are written.
        (1..=path.len()).rev().find_map(|length| {
            let node = self.tree.at(path.get(..length)?)?;
            Some(&node.origin)
        })
    }

    fn storage(&mut self) {
        let storage = &self.config.storage;
        match (&storage.data_dir, storage.durability) {
            (None, Some(Durability::Disk | Durability::Os)) => {
                let problem = Problem::error("there is nowhere to keep what is acknowledged").help(
                    "say where with data_dir (--data-dir DIR), or leave durability (--durability) \
                     out to have everything in memory",
                );
                self.error(&["storage", "durability"], problem, "");
            }
            (Some(directory), Some(Durability::None)) => {
                let title = format!(
                    "with durability \"none\" nothing would be kept in {}",
                    directory.display()
                );
                let problem = Problem::error(title).help(
                    "choose disk or os, or leave data_dir (--data-dir) out to have everything in memory",
                );
                self.error(&["storage", "durability"], problem, "");
            }
            (None, None | Some(Durability::None))
            | (Some(_), None | Some(Durability::Disk | Durability::Os)) => {}
        }
    }

    fn metrics(&mut self) {
        let admin = &self.config.admin;
        if let Some(tls) = &admin.tls {
            self.known_certificates(tls, &["admin", "tls"]);
        }
        let Some(bind) = &admin.bind else { return };
        if let Bind::Unix(_) = bind {
            let problem = Problem::error(
                "metrics are served over TCP: a Unix socket cannot be their address",
            )
            .help("write an address with a port, such as \"loopback:9883\"");
            self.error(&["admin", "bind"], problem, "");
            return;
        }
        let tls = admin.tls.as_ref().and_then(|name| self.config.tls.get(name));
        let asks = |tls: &Tls| tls.client_certificates() == ClientCertificates::Required;
        if bind.is_local() || tls.is_some_and(asks) {
            return;
        }
        if admin.token.as_deref().is_none_or(|token| token.trim().is_empty()) {
            let title = format!("there is no token for metrics on {bind}, which is not loopback");
            let help = "add (or start with --admin-token-file FILE, or choose `tls` that requires certificates of clients)\n\
                        [admin]\ntoken = \"${file:/etc/flux/metrics-token}\"";
            self.error(&["admin", "bind"], Problem::error(title).help(help), "");
        }
    }

    fn protocol(&mut self) {
        let protocol = &self.config.protocol;
        let numbers: Vec<_> =
            (0..self.config.listeners.len()).map(|number| number.to_string()).collect();
        let mut whole = vec![(vec!["session", "max_expiry"], self.config.session.max_expiry)];
        let (min, max) = (protocol.min_keep_alive, protocol.max_keep_alive);
        self.spoken(&["protocol"], &protocol.versions, (min, max), &mut whole);
        for (number, listener) in numbers.iter().zip(&self.config.listeners) {
            let versions = listener.versions.as_ref().unwrap_or(&protocol.versions);
            let own = (listener.min_keep_alive, listener.max_keep_alive);
            let keep_alive = (own.0.or(min), own.1.or(max));
            self.spoken(&["listener", number], versions, keep_alive, &mut whole);
            whole.push((
                vec!["listener", number, "max_session_expiry"],
                listener.max_session_expiry,
            ));
        }
        self.in_whole_seconds(&whole);
        if let Some(text) = &protocol.response_information
            && text.len() > usize::from(u16::MAX)
        {
            let title = format!(
                "`protocol.response_information` is {} bytes long, the limit is 65535",
                text.len()
            );
            let problem = Problem::error(title).help("write less, or leave it out");
            self.error(&["protocol", "response_information"], problem, "");
        }
    }
}

impl Rules<'_> {
    /// Checks what the protocol knows in seconds.
    fn in_whole_seconds(&mut self, periods: &[(Vec<&str>, Option<Period>)]) {
        for (path, period) in periods {
            // What a listener takes over is told where it stands.
            if period.is_some_and(|period| period.0.subsec_nanos() != 0)
                && self.tree.at(path).is_some()
            {
                let title = format!("`{}` is to be in whole seconds", path.join("."));
                let problem = Problem::error(title).help("write it as `90s` or `5min`");
                self.error(path, problem, "");
            }
        }
    }

    /// Checks what may stand in `protocol` and in each listener.
    fn spoken<'a>(
        &mut self,
        table: &[&'a str],
        versions: &OneOrMore<MqttVersion>,
        (min, max): (Option<Period>, Option<Period>),
        whole: &mut Vec<(Vec<&'a str>, Option<Period>)>,
    ) {
        let (name, path) = (table.join("."), |key| [table, &[key]].concat());
        whole.extend([(path("min_keep_alive"), min), (path("max_keep_alive"), max)]);
        if let (Some(min), Some(max)) = (min, max)
            && min > max
            // Told where it is written, not at each listener that takes it over.
            && let Some(key) = ["min_keep_alive", "max_keep_alive"]
                .into_iter()
                .find(|key| self.tree.at(&path(key)).is_some())
        {
            let title =
                format!("the shortest keep alive, {min}, is longer than the longest, {max}");
            let problem = Problem::error(title).help("lower the shortest, or raise the longest");
            self.error(&path(key), problem, "");
        }
        if versions.0.is_empty() {
            let problem =
                Problem::error(format!("`{name}.versions` has none: nobody could connect"))
                    .help("name some of \"3.1\", \"3.1.1\" and \"5.0\", or leave it out for all");
            self.error(&path("versions"), problem, "");
        }
    }
}

/// Returns a warning for each file with secrets that everybody may read.
pub(crate) fn readable_secrets(
    config: &Config,
    tree: &Node,
    sources: &[Source],
    put_in: &[(PathBuf, Origin)],
    surroundings: &dyn Surroundings,
) -> Vec<Problem> {
    let warning = |path: &Path, what: &str, origin: Option<&Origin>| {
        let name = path.display();
        let title = format!("every user of this machine can read {name}, {what}");
        let problem = Problem::warning(title).at_some(origin, "");
        let help = format!(
            "run `chmod o= {name}`; first `chgrp` it to the broker's group, if the broker is not its owner"
        );
        surroundings.is_for_all(path).then(|| problem.help(help))
    };
    let written = |path: &[&str]| {
        let node = tree.at(path)?;
        let node = match &node.value {
            Value::List(items) => items.first()?,
            _one => node,
        };
        let Value::Text(text) = &node.value else { return None };
        match sources.get(node.origin.source)? {
            Source::File { path, .. } if text.written.is_none() => {
                warning(Path::new(path), "which has a secret in it", Some(&node.origin))
            }
            Source::File { .. } | Source::Flag(_) => None,
        }
    };
    let tokens = [&["admin", "token"][..], &["auth", "http", "token"], &["otlp", "headers"]];
    let tokens = tokens.into_iter().filter_map(written);
    let auth = &config.auth;
    let files: [(&Option<PathBuf>, &[&str], _); 2] = [
        (&auth.password_file, &["auth", "password_file"], "which has hashes of passwords"),
        (&auth.jwt.secret_file, &["auth", "jwt", "secret_file"], "which has a secret in it"),
    ];
    let files = files.iter().filter_map(|(path, at, what)| {
        warning(path.as_deref()?, what, tree.at(at).map(|node| &node.origin))
    });
    let put_in = put_in.iter().filter_map(|(path, origin)| {
        warning(path, "whose text is put in here as a secret", Some(origin))
    });
    tokens.chain(files).chain(put_in).collect()
}
