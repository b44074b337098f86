//! Days: 24 hours of UTC. Knows no event and no unit.

/// Milliseconds of a day.
pub(super) const DAY: i64 = 24 * 60 * 60 * 1000;

/// The number of the UTC day that a moment lies in, counted from 1970-01-01.
pub(super) fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY)
}

/// The first moment of a day.
pub(super) fn start_of(day: i64) -> i64 {
    day * DAY
}

/// A part of a unit's time: from `from` on, before `until`; what is counted "after exposure" starts at `since`, and what
/// happened is known up to `known`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub since: i64,
    pub from: i64,
    pub until: i64,
    pub known: i64,
}

impl Span {
    pub fn is_empty(&self) -> bool {
        self.from >= self.until
    }

    /// First and last UTC day, both with at least a moment in the span.
    pub fn days(&self) -> (i64, i64) {
        (day_of(self.from), day_of(self.until - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_also_before_1970() {
        for (ms, day) in [(0, 0), (DAY - 1, 0), (DAY, 1), (-1, -1), (-DAY, -1), (-DAY - 1, -2)] {
            assert_eq!(day_of(ms), day, "{ms}");
        }
        assert_eq!(start_of(day_of(5 * DAY + 1)), 5 * DAY);
        let span = |from, until| Span { since: from, from, until, known: until };
        assert_eq!(span(DAY - 1, DAY).days(), (0, 0));
        assert_eq!(span(DAY - 1, DAY + 1).days(), (0, 1));
        assert!(span(5, 5).is_empty() && !span(5, 6).is_empty());
    }
}
