//! Brokers to measure, from a file.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::contender::Contender;

/// Reads the brokers that a TOML file lists, each as `[[broker]]` with `name`, `command` and, where something
/// must be done before each start, `setup`; both are lists of words in which `{port}` stands for the port.
///
/// # Errors
///
/// When the file cannot be read or is not understood, or a command does not say where the port goes.
pub(super) fn read(path: &Path) -> Result<Vec<Contender>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not understood", path.display()))
}

fn parse(text: &str) -> Result<Vec<Contender>> {
    let peers: Peers = toml::from_str(text)?;
    let contender = |broker: Broker| Contender::new(broker.name, broker.command, broker.setup);
    peers.broker.into_iter().map(contender).collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peers {
    broker: Vec<Broker>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Broker {
    name: String,
    command: Vec<String>,
    #[serde(default)]
    setup: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_brokers() {
        let text = r#"
            [[broker]]
            name = "one"
            command = ["one", "-p", "{port}"]

            [[broker]]
            name = "two"
            setup = ["sh", "-c", "echo port {port} > two.conf"]
            command = ["two", "--config", "two.conf"]
        "#;
        let peers = parse(text).unwrap();
        let names: Vec<_> = peers.iter().map(Contender::name).collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let check = |text: &str, named: &str| {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(named), "{error}");
        };
        check("[[broker]]\nname = \"a\"\ncommand = [\"b\"]", "{port}");
        check("[[broker]]\nname = \"a\"\ncommand = []", "no program");
        check("[[broker]]\nname = \"a\"\nport = 1", "port");
    }
}
