//! A Prometheus, and its HTTP API.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::site::Site;
use super::{DEADLINE, wait_for};
use crate::background::Background;
use crate::http::get;

/// A running Prometheus; it ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    _process: Background,
    address: SocketAddr,
}

impl Server {
    /// Starts it on a port that the system chooses.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not say where it listens; the message holds its log.
    pub(super) fn start(site: &Site, admin: SocketAddr) -> Result<Self> {
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", site.scrape(admin)?.display()))
            .arg(format!("--storage.tsdb.path={}", site.file("series").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null());
        let process = Background::start(&mut command)?;
        let address = process.wait_for(DEADLINE, |lines| {
            let line = lines.iter().find(|line| line.contains("msg=\"Listening on\""))?;
            line.rsplit_once("address=")?.1.trim().parse().ok()
        });
        let address = address.with_context(|| format!("no address in:\n{}", process.text()))?;
        Ok(Self { _process: process, address })
    }

    /// Asks again and again until an expression holds of a series.
    ///
    /// # Errors
    ///
    /// When it never does.
    pub(super) fn wait(&self, expression: &str) -> Result<()> {
        let holds = || self.numbers(expression).is_ok_and(|numbers| !numbers.is_empty());
        wait_for(expression, holds)
    }

    /// Returns the numbers that an expression has now, one for each series.
    ///
    /// # Errors
    ///
    /// When Prometheus does not answer, or does not understand it.
    pub(super) fn numbers(&self, expression: &str) -> Result<Vec<f64>> {
        let answer = self.ask(&format!("/api/v1/query?query={}", encoded(expression)))?;
        let series = answer.pointer("/data/result").and_then(Value::as_array);
        let series = series.with_context(|| format!("no series in {answer}"))?;
        let number = |it: &Value| it.pointer("/value/1")?.as_str()?.parse().ok();
        let numbers =
            series.iter().map(|it| number(it).with_context(|| format!("no number: {it}")));
        numbers.collect()
    }

    /// Says whether each rule was evaluated without an error.
    ///
    /// # Errors
    ///
    /// When one was not, or there is none.
    pub(super) fn rules_are_healthy(&self) -> Result<()> {
        let answer = self.ask("/api/v1/rules")?;
        let groups = answer.pointer("/data/groups").and_then(Value::as_array);
        let rules = groups.into_iter().flatten().filter_map(|group| group.get("rules")?.as_array());
        let rules: Vec<_> = rules.flatten().collect();
        ensure!(!rules.is_empty(), "there are none: {answer}");
        match rules.iter().find(|rule| rule.get("health").is_none_or(|it| it != "ok")) {
            Some(rule) => bail!("{rule}"),
            None => Ok(()),
        }
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let text = get(self.address, path)?;
        let answer: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(answer.get("status").is_some_and(|it| it == "success"), "{answer}");
        Ok(answer)
    }
}

/// Writes text as a value of a query (RFC 3986).
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let write = |byte: u8| match keep(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_may_not_hold_is_written_in_hexadecimal() {
        assert_eq!(encoded("a_b{c=~\".*\"}[1m] + 1"), "a_b%7Bc%3D~%22.%2A%22%7D%5B1m%5D%20%2B%201");
    }
}
