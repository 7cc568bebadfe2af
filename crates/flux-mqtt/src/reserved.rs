//! Topics that are the broker's own.

/// Only the broker and the process it runs in publish to this topic and to those below it. Whether
/// clients may is left to the server (section 4.7.2); what they read there is to be the truth.
const RESERVED: &str = "$SYS";

/// Returns whether no client may publish to this topic.
pub(crate) fn is_reserved(topic: &str) -> bool {
    let rest = topic.strip_prefix(RESERVED);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sys_and_what_is_below_it_is_reserved_and_nothing_else() {
        for topic in ["$SYS", "$SYS/", "$SYS/broker/clients"] {
            assert!(is_reserved(topic), "{topic}");
        }
        for topic in ["$SYSTEM", "$sys/a", "$other/a", "SYS", "/$SYS", "a/$SYS", "$", ""] {
            assert!(!is_reserved(topic), "{topic}");
        }
    }
}
