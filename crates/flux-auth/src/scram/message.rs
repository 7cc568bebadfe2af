//! The client's messages (RFC 5802 section 7).

/// `n,,n=user,r=nonce`
pub(super) struct ClientFirst<'a> {
    /// What precedes the rest, to be repeated by client-final.
    pub(super) gs2_header: &'a str,
    /// The rest.
    pub(super) bare: &'a str,
    pub(super) username: String,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    /// Reads a message without channel binding and without extensions that would have to be understood.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let bare = text.strip_prefix("n,").or_else(|| text.strip_prefix("y,"))?;
        let (authzid, bare) = bare.split_once(',')?;
        let gs2_header = text.strip_suffix(bare)?;
        // Nobody acts for another.
        if !authzid.is_empty() {
            return None;
        }
        let mut attributes = bare.split(',');
        let username = unescaped(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        Some(Self { gs2_header, bare, username, nonce })
    }
}

/// `c=biws,r=nonce,p=proof`
pub(super) struct ClientFinal<'a> {
    /// All but the proof.
    pub(super) without_proof: &'a str,
    /// The header of client-first, in base64.
    pub(super) channel_binding: &'a str,
    pub(super) nonce: &'a str,
    /// In base64.
    pub(super) proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let channel_binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        Some(Self { without_proof, channel_binding, nonce, proof })
    }
}

/// `=2C` is a comma, `=3D` an equals sign, and no other `=` may be there.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut unescaped = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match part.strip_prefix("2C") {
            Some(rest) => (',', rest),
            None => ('=', part.strip_prefix("3D")?),
        };
        unescaped.push(character);
        unescaped.push_str(rest);
    }
    (!unescaped.is_empty()).then_some(unescaped)
}

fn is_nonce(text: &str) -> bool {
    let is_printable = |byte| matches!(byte, b'!'..=b'~') && byte != b',';
    (1..=LONGEST_NONCE).contains(&text.len()) && text.bytes().all(is_printable)
}

/// In bytes. It is sent back, and kept until the exchange ends.
const LONGEST_NONCE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        assert_eq!(unescaped("a=2Cb=3D").as_deref(), Some("a,b="));
        for wrong in ["", "a=", "=2c", "=41"] {
            assert_eq!(unescaped(wrong), None);
        }
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let is_read = |text| ClientFirst::parse(text).is_some();
        assert!(is_read("n,,n=user,r=abc") && is_read("y,,n=user,r=abc"));
        for wrong in [
            "",
            "n,",
            "p=tls-exporter,,n=user,r=abc",
            "n,a=other,n=user,r=abc",
            "n,,m=x,n=user,r=abc",
            "n,,n=user",
            "n,,n=user,r=",
            "n,,n=user,r=a b",
            "n,,r=abc,n=user",
            "n=user,r=abc",
        ] {
            assert!(!is_read(wrong), "{wrong}");
        }
        let of_len =
            |len| ClientFirst::parse(&format!("n,,n=user,r={}", "x".repeat(len))).is_some();
        assert!(of_len(LONGEST_NONCE) && !of_len(LONGEST_NONCE + 1));
    }
}
