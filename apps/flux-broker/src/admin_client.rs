//! Asking a broker that runs, over its admin listener.

use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the broker's admin listener is.
#[derive(Args, Debug)]
pub(crate) struct AdminClient {
    /// Where the broker serves metrics and health
    #[arg(long, env = "FLUX_ADMIN", value_name = "ADDRESS", default_value = "127.0.0.1:9883")]
    admin: SocketAddr,

    /// File with the token that it asks for
    #[arg(long, env = "FLUX_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl AdminClient {
    /// Asks, and returns status and body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
        let admin = self.admin;
        let mut socket = TcpStream::connect_timeout(&admin, PATIENCE).with_context(|| {
            format!("no broker serves {admin}: was it started with --admin {admin}?")
        })?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n");
        if let Some(file) = &self.admin_token_file {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            head.push_str(&format!("Authorization: Bearer {}\r\n", token.trim()));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes())?;
        let mut answer = String::new();
        socket.take(LONGEST).read_to_string(&mut answer).context("the broker does not answer")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("this is not HTTP")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context("this is not HTTP")?;
        if status == 401 {
            bail!("the broker asks for its token: --admin-token-file FILE");
        }
        Ok((status, body.to_owned()))
    }

    /// Asks whether the broker can serve: `/readyz`.
    pub(crate) fn is_ready(&self, out: &mut impl Write) -> anyhow::Result<bool> {
        let (status, body) = self.ask("GET", "/readyz")?;
        write!(out, "{body}")?;
        Ok(status == 200)
    }
}

/// Reads an answer in JSON.
pub(crate) fn parse<T: DeserializeOwned>((status, body): (u16, String)) -> anyhow::Result<T> {
    if status != 200 {
        return Err(unexpected(status, &body));
    }
    serde_json::from_str(&body).context("the broker's answer is not what this version knows")
}

/// Says that an answer is none that was asked for.
pub(crate) fn unexpected(status: u16, body: &str) -> anyhow::Error {
    anyhow!("the broker answers {status}: {}", body.trim())
}

/// Writes JSON, one line.
pub(crate) fn write_json(entry: &impl Serialize, out: &mut impl Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", serde_json::to_string(entry)?)?)
}

/// Writes a text so that it can stand in a query.
pub(crate) fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

const PATIENCE: Duration = Duration::from_secs(5);
/// No answer is longer.
const LONGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_query_is_escaped() {
        assert_eq!(escaped("a-1/b c&ü"), "a-1%2Fb%20c%26%C3%BC");
    }
}
