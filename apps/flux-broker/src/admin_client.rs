//! Asking a broker that runs, over its admin listener.

mod tls;

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::tls::{AdminTls, Either};

/// Where the broker's admin listener is.
#[derive(Args, Debug)]
pub(crate) struct AdminClient {
    /// Where the broker serves metrics and health
    #[arg(long, env = "FLUX_ADMIN", value_name = "HOST:PORT", default_value = "127.0.0.1:9883")]
    admin: String,

    /// File with the token that it asks for
    #[arg(long, env = "FLUX_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,

    #[command(flatten)]
    tls: AdminTls,
}

impl AdminClient {
    /// Asks, and returns status and body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
        let admin = &self.admin;
        let socket = connect(admin).with_context(|| {
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
        let answer = match self.tls.over(socket, admin)? {
            Either::Plain(socket) => exchange(socket, &head),
            Either::Tls(stream) => exchange(stream, &head),
        };
        let answer = answer.context("the broker does not answer")?;
        let (head, body) = answer.split_once("\r\n\r\n").context(NO_HTTP)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context(NO_HTTP)?;
        if status == 401 {
            bail!("the broker asks for its token: --admin-token-file FILE");
        }
        Ok((status, body.to_owned()))
    }

    /// Has something ended; returns whether it was there.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<bool> {
        match self.ask("DELETE", path)? {
            (204, _) => Ok(true),
            (404, _) => Ok(false),
            (status, body) => Err(unexpected(status, &body)),
        }
    }

    /// Asks whether the broker can serve: `/readyz`.
    pub(crate) fn is_ready(&self, out: &mut impl Write) -> anyhow::Result<bool> {
        let (status, body) = self.ask("GET", "/readyz")?;
        write!(out, "{body}")?;
        Ok(status == 200)
    }
}

fn connect(admin: &str) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::NotFound.into();
    for address in admin.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut stream: impl Read + Write, head: &str) -> io::Result<String> {
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    match stream.take(LONGEST).read_to_string(&mut answer) {
        // A server that says nothing at the end of TLS has said all that Content-Length announced.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(_) | Err(_) => Ok(answer),
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

const NO_HTTP: &str = "this is not HTTP: if it is TLS, say who signed for it with --admin-ca FILE";
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
