//! When events arrive: late ones, which move results after the fact, duplicates, and clocks that run ahead.

use super::{Subject, Survey, check, percent, share};
use crate::event::Timestamp;
use crate::results::calendar::DAY;
use crate::results::census::LATE_AFTER;
use crate::results::evidence::Arrival;
use crate::results::report::Check;
use crate::stats::Balanced;

/// If a larger share of events than this is late, results still move well after the day.
pub const LATE_WARNING: f64 = 0.05;
/// If a larger share than this is late, the history was imported: it is complete, and nothing is expected to come.
pub const IMPORTED: f64 = 0.5;
/// A larger share of duplicates than this says that something is sent twice.
pub const DUPLICATES_WARNING: f64 = 0.05;
/// A larger share than this of events or exposures that are received before they happen says that a clock is wrong.
pub const AHEAD_WARNING: f64 = 0.001;

impl Subject<'_> {
    pub(super) fn arrival(&self, survey: &Survey) -> Arrival {
        let census = self.scene.gathered.census();
        Arrival {
            events: survey.events,
            late: survey.late,
            newest_late: survey.newest.map(|newest| newest.received),
            newest_delay: survey.newest.map(|newest| newest.delay),
            ahead: census.events_ahead + census.exposures_ahead,
        }
    }

    pub(super) fn late_events(&self, found: &Arrival) -> Check {
        let late = share(found.late, found.events);
        let status = if late > LATE_WARNING && late <= IMPORTED { Balanced::Warning } else { Balanced::Ok };
        let mut detail = format!(
            "{} of {} events of its units ({}) arrived more than {} h after they happened",
            found.late,
            found.events,
            percent(late),
            LATE_AFTER / (DAY / 24)
        );
        if let (Some(received), Some(delay)) = (found.newest_late, found.newest_delay) {
            let days = delay as f64 / DAY as f64;
            detail.push_str(&format!("; the newest of them took {days:.1} days, until {}", Timestamp(received)));
        }
        if late > IMPORTED {
            detail.push_str("; so many that the history seems to have been imported");
        }
        check(
            "late_events",
            status,
            detail,
            "Before deciding wait as long after the end as events take. Check what delays them: queues of devices that \
             are offline, retries, or clocks that are wrong.",
        )
    }

    pub(super) fn clock(&self, found: &Arrival) -> Check {
        let census = self.scene.gathered.census();
        let events = share(census.events_ahead, census.events);
        let exposures = share(census.exposures_ahead, census.exposures);
        let status = if events.max(exposures) > AHEAD_WARNING { Balanced::Warning } else { Balanced::Ok };
        let mut detail = match found.ahead {
            0 => "nothing was received before it happened".to_owned(),
            _ => format!(
                "{} of {} events ({}) and {} of {} exposures ({}) were received before they happened",
                census.events_ahead,
                census.events,
                percent(events),
                census.exposures_ahead,
                census.exposures,
                percent(exposures)
            ),
        };
        match self.scene.gathered.ahead().len() {
            0 => {}
            waiting => detail.push_str(&format!("; {waiting} exposures lie in the future and do not count yet")),
        }
        check("clock", status, detail, "Set the clocks of this server and of those who send, and send `sentAt`.")
    }
}

/// How many of all events that ever arrived were duplicates. They were not counted twice: it tells of the senders.
pub fn duplicates(duplicates: u64, stored: u64) -> Check {
    let found = share(duplicates, duplicates + stored);
    let status = if found > DUPLICATES_WARNING { Balanced::Warning } else { Balanced::Ok };
    check(
        "duplicates",
        status,
        format!(
            "{duplicates} of {} events that ever arrived, of the whole project, were duplicates ({}) and count once",
            duplicates + stored,
            percent(found)
        ),
        "Find who sends events twice: retries after time-outs, two integrations that forward the same source, or an \
         import that was repeated. What reaches here twice under two different message IDs is not found.",
    )
}
