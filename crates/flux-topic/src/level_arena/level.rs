//! [`Level`]: the text on a branch, without an allocation while it is short.

/// A topic level, which is seldom longer than a word: mostly it stands in the node itself, so that
/// comparing it touches no other memory.
///
/// **Invariant:** `bytes` up to `len` are a text.
pub(super) enum Level {
    Short { len: u8, bytes: [u8; Self::SHORT] },
    Long(Box<str>),
}

impl Level {
    /// The most bytes that make the type no larger than the long form needs.
    const SHORT: usize = 22;

    pub(super) fn new(text: &str) -> Self {
        let mut bytes = [0; Self::SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(head), Ok(len)) => {
                head.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }

    /// Returns the text; of a short one it is checked again that it is one.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_text_that_it_was_made_of() {
        for len in [0, 1, 21, 22, 23, 300] {
            let text = "x".repeat(len);
            let level = Level::new(&text);
            assert_eq!((level.as_str(), level.as_bytes()), (&*text, text.as_bytes()));
            assert_eq!(matches!(level, Level::Short { .. }), len <= Level::SHORT);
        }
        assert_eq!(Level::new("温度").as_str(), "温度");
        assert_eq!(size_of::<Level>(), 24);
    }
}
