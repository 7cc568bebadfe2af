//! Secrets are compared in a time that does not tell where they differ.

/// Returns whether both are the same. All bytes are looked at, if the lengths are equal.
pub(crate) fn are_equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_what_differs_nowhere() {
        assert!(are_equal(b"", b"") && are_equal(b"ab", b"ab"));
        assert!(!are_equal(b"ab", b"abc") && !are_equal(b"ab", b"ac") && !are_equal(b"ab", b"bb"));
    }
}
