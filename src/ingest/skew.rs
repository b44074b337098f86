//! When an event happened, told by our clock although it was stamped by the sender's. Pure arithmetic.

use crate::event::Timestamp;

/// Clocks that differ by less than this are taken as equal: the rest is the time that the request travelled, and an
/// accurate time that a server gave (a historical import, say) is not moved by it.
pub const TOLERATED_SKEW_MS: i64 = 3_000;

/// Segment's rule: received - (sent - given), which is the given time moved by the difference of the two clocks. Without
/// `sent` the given time stands; without `given` (absent or unreadable) the time of receipt does. Nothing happens after
/// it was received, so a result in the future is moved back to then.
pub fn corrected(given: Option<Timestamp>, sent: Option<Timestamp>, received: Timestamp) -> Timestamp {
    let Some(given) = given else { return received };
    let skew = sent.map_or(0, |sent| received.0 - sent.0);
    let moved = if skew.abs() < TOLERATED_SKEW_MS { given } else { Timestamp(given.0 + skew) };
    // A `sent` that is centuries off would move an event out of what can be printed.
    Timestamp::in_range(moved.0).unwrap_or(given).min(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_senders_clock_is_corrected_and_an_accurate_one_left_alone() {
        const NOW: i64 = 1_795_438_700_000;
        const HOUR: i64 = 3_600_000;
        let far_future = Timestamp::MAX.0;
        for (what, given, sent, time) in [
            ("clocks agree, event a second old", Some(NOW - 1_000), Some(NOW - 50), NOW - 1_000),
            ("just within the tolerance", Some(NOW - 9_000), Some(NOW - TOLERATED_SKEW_MS + 1), NOW - 9_000),
            ("at the tolerance", Some(NOW - 9_000), Some(NOW - TOLERATED_SKEW_MS), NOW - 9_000 + TOLERATED_SKEW_MS),
            ("just within, ahead", Some(NOW - 9_000), Some(NOW + TOLERATED_SKEW_MS - 1), NOW - 9_000),
            (
                "at the tolerance, ahead",
                Some(NOW - 9_000),
                Some(NOW + TOLERATED_SKEW_MS),
                NOW - 9_000 - TOLERATED_SKEW_MS,
            ),
            ("an hour behind", Some(NOW - HOUR - 500), Some(NOW - HOUR), NOW - 500),
            ("an hour ahead", Some(NOW + HOUR - 500), Some(NOW + HOUR), NOW - 500),
            ("a week of history, accurate clock", Some(NOW - 168 * HOUR), Some(NOW - 40), NOW - 168 * HOUR),
            ("no sentAt, past", Some(NOW - HOUR), None, NOW - HOUR),
            ("no sentAt, future", Some(NOW + HOUR), None, NOW),
            ("stamped later than sent", Some(NOW + HOUR), Some(NOW), NOW),
            ("slightly ahead of us", Some(NOW + 900), Some(NOW + 1_000), NOW),
            ("no timestamp", None, Some(NOW - HOUR), NOW),
            ("neither", None, None, NOW),
            ("sent in 1970", Some(NOW - 5), Some(0), NOW),
            ("sent in the year 9998", Some(NOW - 5), Some(far_future), NOW - 5),
            ("everything in the year 1", Some(Timestamp::MIN.0), Some(Timestamp::MAX.0), Timestamp::MIN.0),
        ] {
            let time = Timestamp(time);
            assert_eq!(corrected(given.map(Timestamp), sent.map(Timestamp), Timestamp(NOW)), time, "{what}");
        }
    }
}
