//! All cases, chapter by chapter.

mod alias;
mod capabilities;
mod closing;
mod connect;
mod delivery;
mod expiry;
mod headers;
mod malformed;
mod malformed_connect;
mod message;
mod packet_size;
mod quota;
mod redelivery;
mod retained;
mod session;
mod shared;
mod strings;
mod subscription;
mod topic;
mod violation;
mod will;

use crate::{Case, Chapter};

/// Names chapters after their modules.
macro_rules! chapters {
    ($($name:ident),+ $(,)?) => {
        &[$(Chapter { name: stringify!($name), cases: $name::CASES }),+]
    };
}

/// The chapters, in the order of the standard.
pub const CHAPTERS: &[Chapter] = chapters![
    strings,
    headers,
    malformed_connect,
    malformed,
    connect,
    session,
    will,
    packet_size,
    alias,
    quota,
    message,
    retained,
    expiry,
    delivery,
    redelivery,
    subscription,
    topic,
    shared,
    closing,
    capabilities,
];

/// Returns all cases.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CHAPTERS.iter().flat_map(|chapter| chapter.cases)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_cases_have_the_same_name() {
        let mut names = HashSet::new();
        for case in cases() {
            assert!(names.insert(case.name), "{} is there twice", case.name);
        }
    }
}
