//! The PROXY protocol, versions 1 and 2: a load balancer says who a connection is really from, before anything
//! else (haproxy.org, `doc/proxy-protocol.txt`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Why what a connection began with says nothing of where it is from.
#[derive(Debug, Error)]
pub(super) enum ProxyError {
    /// The network failed, or the connection ended.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins as no version does.
    #[error(
        "the connection does not begin with a PROXY header, which was expected of this address"
    )]
    Missing,
    /// It begins as a version, and goes on as none.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    /// It is longer than is sensible.
    #[error("the PROXY header is {len} bytes long, the limit is {MAX_LEN}")]
    TooLong {
        /// What it says of itself.
        len: u16,
    },
}

/// Reads a header, and nothing behind it. Returns where the connection is from; `None` if the load balancer
/// speaks for itself, or does not know.
pub(super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, ProxyError> {
    let mut head = [0; SHORTEST];
    from.read_exact(&mut head).await?;
    if head.starts_with(&SIGNATURE) {
        read_binary(from, head).await
    } else if head.starts_with(b"PROXY ") {
        read_text(from, head).await
    } else {
        Err(ProxyError::Missing)
    }
}

/// The shortest header of either version is as long, or longer: `PROXY UNKNOWN\r\n`.
const SHORTEST: usize = 15;

/// Version 1: a line.
async fn read_text(
    from: &mut (impl AsyncRead + Unpin),
    head: [u8; SHORTEST],
) -> Result<Option<SocketAddr>, ProxyError> {
    let mut line = head.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_LINE {
            return Err(ProxyError::Malformed("the line does not end"));
        }
        // One at a time: what follows is not ours.
        line.push(from.read_u8().await?);
    }
    let line = str::from_utf8(&line).map_err(|_| ProxyError::Malformed("it is not text"))?;
    let words: Vec<&str> = line.trim_end_matches("\r\n").split(' ').collect();
    match words[..] {
        [_, "UNKNOWN", ..] => Ok(None),
        [_, "TCP4", source, destination, port, destination_port] => {
            let is_address = destination.parse::<Ipv4Addr>().is_ok();
            let source = source.parse::<Ipv4Addr>().ok().filter(|_| is_address);
            text_source(source.map(IpAddr::V4), port, destination_port).map(Some)
        }
        [_, "TCP6", source, destination, port, destination_port] => {
            let is_address = destination.parse::<Ipv6Addr>().is_ok();
            let source = source.parse::<Ipv6Addr>().ok().filter(|_| is_address);
            text_source(source.map(IpAddr::V6), port, destination_port).map(Some)
        }
        _ => Err(ProxyError::Malformed("it is not two addresses and two ports")),
    }
}

fn text_source(
    address: Option<IpAddr>,
    port: &str,
    destination_port: &str,
) -> Result<SocketAddr, ProxyError> {
    let address = address.ok_or(ProxyError::Malformed("an address is none of its family"))?;
    match (port.parse(), destination_port.parse::<u16>()) {
        (Ok(port), Ok(_)) => Ok(SocketAddr::new(address, port)),
        _ => Err(ProxyError::Malformed("a port is none")),
    }
}

/// `PROXY TCP6` with the longest addresses and ports.
const LONGEST_LINE: usize = 107;

/// Version 2: binary.
async fn read_binary(
    from: &mut (impl AsyncRead + Unpin),
    head: [u8; SHORTEST],
) -> Result<Option<SocketAddr>, ProxyError> {
    let [.., version_and_command, family, high] = head;
    let len = u16::from_be_bytes([high, from.read_u8().await?]);
    if len > MAX_LEN {
        return Err(ProxyError::TooLong { len });
    }
    let mut rest = vec![0; usize::from(len)];
    from.read_exact(&mut rest).await?;
    match (version_and_command, family) {
        // The load balancer looks whether we live.
        (0x20, _) => Ok(None),
        (0x21, TCP_OVER_IPV4) => source::<4>(&rest).map(Some),
        (0x21, TCP_OVER_IPV6) => source::<16>(&rest).map(Some),
        // Unix sockets, datagrams, and what is not specified: there is no address for us.
        (0x21, _) => Ok(None),
        (version_and_command, _) if version_and_command >> 4 != 2 => {
            Err(ProxyError::Malformed("its version is not 2"))
        }
        _ => Err(ProxyError::Malformed("its command is neither LOCAL nor PROXY")),
    }
}

/// Two addresses and two ports; more may follow.
fn source<const N: usize>(bytes: &[u8]) -> Result<SocketAddr, ProxyError>
where
    IpAddr: From<[u8; N]>,
{
    let too_short = ProxyError::Malformed("it has no room for its addresses");
    let (Some((address, rest)), true) = (bytes.split_first_chunk::<N>(), bytes.len() >= 2 * N + 4)
    else {
        return Err(too_short);
    };
    let Some((port, _)) = rest.get(N..).and_then(|ports| ports.split_first_chunk()) else {
        return Err(too_short);
    };
    Ok(SocketAddr::new(IpAddr::from(*address), u16::from_be_bytes(*port)))
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
/// Addresses take 36 bytes; load balancers add some about TLS.
const MAX_LEN: u16 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a header with something behind it, which must stay.
    #[track_caller]
    fn outcome(header: &[u8]) -> String {
        let bytes = [header, b"\x10\x0d"].concat();
        let mut rest = &bytes[..];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match runtime.block_on(read(&mut rest)) {
            Ok(source) => {
                assert_eq!(rest, b"\x10\x0d", "what follows is not part of it");
                source.map_or_else(|| "unknown".to_owned(), |source| source.to_string())
            }
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn check(header: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(outcome(header.as_ref()), expected);
    }

    fn binary(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version_and_command, family], &len, rest].concat()
    }

    #[test]
    fn a_line_says_where_a_connection_is_from() {
        check("PROXY TCP4 192.0.2.7 198.51.100.1 56324 1883\r\n", "192.0.2.7:56324");
        check("PROXY TCP6 2001:db8::7 2001:db8::1 56324 1883\r\n", "[2001:db8::7]:56324");
        let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let header = format!("PROXY TCP6 {long} {long} 65535 65535\r\n");
        check(header, &format!("[{long}]:65535"));
        check("PROXY UNKNOWN\r\n", "unknown");
        check("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "unknown");
    }

    #[test]
    fn a_line_that_is_wrong_says_nothing() {
        let malformed = |why| format!("the PROXY header is malformed: {why}");
        let family = malformed("an address is none of its family");
        check("PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n", &family);
        check("PROXY TCP4 192.0.2.7 nowhere 1 2\r\n", &family);
        check("PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", &family);
        let port = malformed("a port is none");
        check("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n", &port);
        check("PROXY TCP4 192.0.2.7 198.51.100.1 1 x\r\n", &port);
        let words = malformed("it is not two addresses and two ports");
        check("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n", &words);
        check("PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", &words);
        check("PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n", &words);
        check([b"PROXY ", &[b'x'; 200][..]].concat(), &malformed("the line does not end"));
        check(b"PROXY TCP4 \xFF 198.51.100.1 1 2\r\n", &malformed("it is not text"));
    }

    #[test]
    fn a_binary_header_says_where_a_connection_is_from() {
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 4, 0x07, 0x5B];
        check(binary(0x21, 0x11, &four), "192.0.2.7:56324");
        // About TLS, say.
        check(binary(0x21, 0x11, &[&four[..], &[0x20, 0, 1, 7]].concat()), "192.0.2.7:56324");
        let mut six = [0; 36];
        (six[15], six[33]) = (1, 9);
        check(binary(0x21, 0x21, &six), "[::1]:9");
        check(binary(0x20, 0x00, &[]), "unknown");
        check(binary(0x20, 0x11, &four), "unknown");
        check(binary(0x21, 0x00, &[1, 2, 3]), "unknown");
        check(binary(0x21, 0x31, &[0; 216]), "unknown");
    }

    #[test]
    fn a_binary_header_that_is_wrong_says_nothing() {
        let malformed = |why| format!("the PROXY header is malformed: {why}");
        let room = malformed("it has no room for its addresses");
        check(binary(0x21, 0x11, &[0; 11]), &room);
        check(binary(0x21, 0x21, &[0; 35]), &room);
        check(binary(0x31, 0x11, &[0; 12]), &malformed("its version is not 2"));
        let command = malformed("its command is neither LOCAL nor PROXY");
        check(binary(0x22, 0x11, &[0; 12]), &command);
        let too_long = "the PROXY header is 4097 bytes long, the limit is 4096";
        check(binary(0x21, 0x11, &[0; 4097]), too_long);
    }

    #[test]
    fn without_a_header_there_is_none() {
        let missing =
            "the connection does not begin with a PROXY header, which was expected of this address";
        check(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a", missing);
        check("GET / HTTP/1.1\r\n\r\n", missing);
        check("PROXY", "early eof");
    }
}
