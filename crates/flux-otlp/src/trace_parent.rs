//! [`TraceParent`]: where a trace comes from, as W3C Trace Context writes it.

/// What `traceparent` says (W3C Trace Context, level 1, section 3.2).
///
/// It is read without a map of headers, a context or an allocation, for it is read of messages that nobody follows, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// Whether whoever began the trace follows it.
    pub(crate) is_sampled: bool,
}

impl TraceParent {
    /// Returns what the text says; `None` if it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('-')?;
        let (trace_id, rest) = rest.split_once('-')?;
        let (span_id, rest) = rest.split_once('-')?;
        // Later versions may have more behind the flags.
        let (flags, more) = rest.split_at_checked(2)?;
        let version = hex(version, 2)?;
        let is_well_ended = more.is_empty() || (version > 0 && more.starts_with('-'));
        if version == 0xff || !is_well_ended {
            return None;
        }
        let (trace_id, span_id) = (hex(trace_id, 32)?, hex(span_id, 16)?);
        let is_sampled = hex(flags, 2)? & 1 != 0;
        if trace_id == 0 || span_id == 0 {
            return None;
        }
        let span_id = u64::try_from(span_id).ok()?.to_be_bytes();
        Some(Self { trace_id: trace_id.to_be_bytes(), span_id, is_sampled })
    }
}

/// Reads so many digits, in small letters.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_hex = text.len() == digits && text.bytes().all(is_digit);
    if is_hex { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_right_is_read() {
        let parent = TraceParent::parse(RIGHT).unwrap();
        assert_eq!(parent.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!(parent.span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = format!("{}{flags}", RIGHT.strip_suffix("01").unwrap());
            assert_eq!(TraceParent::parse(&text).unwrap().is_sampled, is_sampled, "{flags}");
        }
        for later in [RIGHT.replacen("00", "cc", 1), RIGHT.replacen("00", "01", 1) + "-what-comes"]
        {
            assert_eq!(TraceParent::parse(&later), Some(parent), "{later}");
        }
    }

    #[test]
    fn what_is_malformed_is_none() {
        let wrong = [
            String::new(),
            "x".repeat(65_535),
            "-".repeat(65_535),
            RIGHT.to_uppercase(),
            RIGHT.replacen("00", "ff", 1),
            RIGHT.replacen("00", "0", 1),
            RIGHT.replacen("00-", "", 1),
            RIGHT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            RIGHT.replace("b7ad6b7169203331", &"0".repeat(16)),
            RIGHT.replace("b7ad6b7169203331", "+7ad6b7169203331"),
            RIGHT.replace("b7ad6b7169203331", "b7ad6b716920333"),
            RIGHT.replace("319c", "319c0"),
            RIGHT.to_owned() + "-",
            RIGHT.to_owned() + "-more",
            RIGHT.to_owned() + "0",
            RIGHT.replacen("00", "01", 1) + "more",
            RIGHT.strip_suffix('1').unwrap().to_owned(),
            RIGHT.strip_suffix("01").unwrap().to_owned() + "0é",
            format!(" {RIGHT}"),
        ];
        for text in wrong {
            assert_eq!(TraceParent::parse(&text), None, "{text}");
        }
    }
}
