//! [`excerpt`]: names of any length, for people.

use std::borrow::Cow;

/// Returns what to write down of a client identifier, user name or topic: all of it, or the first 256 bytes of a longer one, with
/// how long it is.
///
/// A name may have 65,535 bytes (MQTT 5.0 section 1.5.4), each up to six in JSON: whoever makes up such names would fill the disk
/// with a log that has them whole.
///
/// ```
/// assert_eq!(flux_eventbus::excerpt("meter-7"), "meter-7");
/// let long = flux_eventbus::excerpt(&"x".repeat(65_535)).into_owned();
/// assert_eq!(long, format!("{}... (65535 bytes)", "x".repeat(256)));
/// ```
#[must_use]
pub fn excerpt(name: &str) -> Cow<'_, str> {
    let begins = name.get(..name.floor_char_boundary(MOST)).unwrap_or_default();
    match begins.len() == name.len() {
        true => name.into(),
        false => format!("{begins}... ({} bytes)", name.len()).into(),
    }
}

/// So many bytes of a name are written down.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_two_characters() {
        #[track_caller]
        fn check(name: &str, expected: &str) {
            assert_eq!(excerpt(name), expected);
        }
        check("", "");
        let fits = "x".repeat(256);
        check(&fits, &fits);
        check(&format!("{fits}y"), &format!("{fits}... (257 bytes)"));
        // The 256th byte is the first of a character.
        let begins = "x".repeat(255);
        check(&format!("{begins}\u{e9}"), &format!("{begins}... (257 bytes)"));
    }
}
