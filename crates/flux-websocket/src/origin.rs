//! Whose pages may connect: a browser carries pages from anywhere to whatever it can reach, loopback too.

use std::net::IpAddr;

/// Whose pages may connect. Clients that are no browsers say nothing of an origin, and are not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Everybody's.
    Any,
    /// Those of this machine, from `localhost` or a loopback address, and those of the host as which the client
    /// knows us (`Host`), whatever their ports.
    Near,
    /// Those of these origins, as browsers write them: `https://example.org`.
    Listed(Vec<String>),
}

impl Origins {
    /// Says whether pages of an origin may connect who ask this host, as they write it in `Host`.
    pub(crate) fn admit(&self, origin: &str, host: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.iter().any(|it| it.eq_ignore_ascii_case(origin)),
            Self::Near => {
                let Some((_, authority)) = origin.split_once("://") else { return false };
                let Some(from) = without_port(authority) else { return false };
                let to = host.and_then(without_port);
                is_loopback(from) || to.is_some_and(|to| to.eq_ignore_ascii_case(from))
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Returns a host without port, and without the brackets of IPv6. `None` if there is anything else.
fn without_port(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    let has_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let is_all = rest.is_empty() || rest.strip_prefix(':').is_some_and(has_port);
    (is_all && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(origin: &str, host: &str, expected: bool) {
        let host = Some(host).filter(|it| !it.is_empty());
        assert_eq!(Origins::Near.admit(origin, host), expected, "{origin} asks {host:?}");
        assert!(Origins::Any.admit(origin, host));
    }

    #[test]
    fn pages_of_this_machine_are_near() {
        for origin in [
            "http://localhost",
            "https://LocalHost:3000",
            "http://app.localhost:8080",
            "http://127.0.0.1:5173",
            "http://127.1.2.3",
            "http://[::1]",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]",
        ] {
            check(origin, "", true);
            check(origin, "broker.example:8083", true);
        }
    }

    #[test]
    fn pages_of_the_same_host_are_near_whatever_their_port() {
        check("http://broker.example", "Broker.example:8083", true);
        check("https://broker.example:8443", "broker.example", true);
        check("http://192.0.2.7:80", "192.0.2.7:8083", true);
        check("http://[2001:db8::1]", "[2001:db8::1]:8083", true);
    }

    #[test]
    fn others_are_not() {
        for origin in [
            "https://evil.example",
            "https://localhost.evil.example",
            "https://evillocalhost",
            "https://broker.example.evil.example",
            "https://www.broker.example",
            "http://localhost@evil.example",
            "http://localhost:80@evil.example",
            "http://[::1]evil.example",
            "http://localhost/",
            "http://128.0.0.1",
            "http://[2001:db8::1]",
            "localhost",
            "http://",
            "null",
            "",
        ] {
            check(origin, "broker.example:8083", false);
            check(origin, "", false);
        }
    }
}
