//! One filter against another: whether it covers it, whether both can match the same topic.

#[cfg(test)]
mod tests;

use crate::filter::{TopicFilter, pattern_start};
use crate::levels::Levels;

/// Returns whether every topic name that the filter `narrow` matches is matched by the filter `wide`
/// too; `false` when either is not valid. MQTT 5.0 section 4.7.
///
/// `$share/{name}/` is no part of the comparison. Who already holds a [`TopicFilter`] asks
/// [`TopicFilter::covers`].
///
/// ```
/// use flux_topic::covers;
///
/// assert!(covers("fleet/17/#", "fleet/17/+/cmd"));
/// assert!(covers("fleet/17/#", "fleet/17"));
/// assert!(!covers("fleet/+", "fleet/#"));
/// assert!(!covers("#", "$SYS/#"));
/// ```
#[must_use]
pub fn covers(wide: &str, narrow: &str) -> bool {
    pattern_of(wide)
        .zip(pattern_of(narrow))
        .is_some_and(|(wide, narrow)| pattern_covers(wide, narrow))
}

impl TopicFilter {
    /// Returns whether every topic name that `narrow` matches is matched by this filter too. MQTT 5.0
    /// section 4.7, `[MQTT-4.7.2-1]`.
    ///
    /// This is the question of a rule that allows: a subscription lies within what is allowed when
    /// one allowed filter covers it. Several may cover together what none covers alone; that is not
    /// seen here. Of shared filters the patterns count.
    ///
    /// ```
    /// use flux_topic::TopicFilter;
    ///
    /// let allowed = TopicFilter::parse("fleet/17/#")?;
    /// assert!(allowed.covers(&TopicFilter::parse("$share/group/fleet/17/+/cmd")?));
    /// assert!(!allowed.covers(&TopicFilter::parse("fleet/+/cmd")?));
    /// # Ok::<(), flux_topic::ParseFilterError>(())
    /// ```
    #[must_use]
    pub fn covers(&self, narrow: &Self) -> bool {
        pattern_covers(self.pattern(), narrow.pattern())
    }

    /// Returns whether some topic name is matched by both filters. MQTT 5.0 section 4.7,
    /// `[MQTT-4.7.2-1]`.
    ///
    /// This is the question of a rule that denies: a subscription touches what is denied when it
    /// overlaps a denied filter. Of shared filters the patterns count. That a name has at most
    /// [`MAX_TOPIC_BYTES`](crate::MAX_TOPIC_BYTES) is left out of account: two filters overlap even
    /// if every name that both match is longer.
    ///
    /// ```
    /// use flux_topic::TopicFilter;
    ///
    /// let denied = TopicFilter::parse("fleet/+/secret/#")?;
    /// assert!(denied.overlaps(&TopicFilter::parse("fleet/17/#")?));
    /// assert!(!denied.overlaps(&TopicFilter::parse("fleet/17/state")?));
    /// # Ok::<(), flux_topic::ParseFilterError>(())
    /// ```
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        pattern_overlaps(self.pattern(), other.pattern())
    }
}

fn pattern_of(filter: &str) -> Option<&str> {
    filter.get(pattern_start(filter).ok()?..)
}

/// Level by level: what `narrow` leaves open, `wide` must leave open. Names have no end of levels to
/// choose from, so a literal level never covers a wildcard.
fn pattern_covers(wide: &str, narrow: &str) -> bool {
    if is_hidden(wide, narrow) {
        return false;
    }
    let mut narrows = Levels::of(with_least_levels(narrow));
    for level in Levels::of(wide) {
        match (level, narrows.next()) {
            ("#", _) => return true,
            (_, None | Some("#")) => return false,
            ("+", Some(_)) => {}
            (level, Some(narrow)) if level == narrow => {}
            _ => return false,
        }
    }
    narrows.is_finished()
}

/// Level by level: a name for both exists as long as no two literal levels differ.
fn pattern_overlaps(a: &str, b: &str) -> bool {
    if is_hidden(a, b) || is_hidden(b, a) {
        return false;
    }
    let (mut a, mut b) = (Levels::of(with_least_levels(a)), Levels::of(with_least_levels(b)));
    loop {
        match (a.next(), b.next()) {
            // `#` matches the level before it too (section 4.7.1.2): the other may be at its end.
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Returns a pattern that matches the same names, and has no more levels before its `#` than the
/// shortest of them.
///
/// A name has at least one level, and is not empty `[MQTT-4.7.3-1]`: `#` matches nothing without a
/// level, and `/#` not the level before its `#` alone.
fn with_least_levels(pattern: &str) -> &str {
    match pattern {
        "#" => "+/#",
        "/#" => "/+/#",
        other => other,
    }
}

/// Returns whether `pattern` matches names that `wild` does not see because it starts with a
/// wildcard, `[MQTT-4.7.2-1]`.
fn is_hidden(wild: &str, pattern: &str) -> bool {
    wild.starts_with(['+', '#']) && pattern.starts_with('$')
}
