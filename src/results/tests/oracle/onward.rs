//! A log that grows: the report that reads on says what one from scratch says, and with little memory it says the same of the
//! units that were exposed.

use super::agreement::{asked, assert_same, each_log};
use crate::results::tests::memory::Memory;
use crate::results::{Options, Question, Reports, conclude};

/// Room for all that a test gathers.
const ROOM: usize = 1 << 30;

#[test]
fn a_report_that_reads_on_says_what_one_from_scratch_says() {
    each_log(|shape, rows, random, what| {
        let closed = asked(shape);
        let open = Question { end: None, ..closed.clone() };
        for (question, end) in [(closed, "closed"), (open, "open")] {
            for options in [Options::default(), Options { cuped: true, ..Options::default() }] {
                let reports = Reports::new(ROOM);
                let mut length = rows.len() / 2;
                while length <= rows.len() {
                    let log = Memory::of(&rows[..length]);
                    let onward = reports.report(&log, &question, &options).unwrap();
                    let scratch = conclude(&log, &question, &options).unwrap();
                    assert_eq!(onward.as_of, scratch.as_of);
                    let what = format!("{what}, {end}, cuped {}, {length} of {} rows", options.cuped, rows.len());
                    assert_same(onward.analysis.as_ref().unwrap(), scratch.analysis.as_ref().unwrap(), &what);
                    // Now a few rows, now many.
                    let most = random.pick(&[3, rows.len() as u64 / 3]);
                    length += 1 + random.below(most) as usize;
                }
            }
        }
    });
}

#[test]
fn a_report_of_an_unchanged_log_is_the_same_one() {
    each_log(|shape, rows, _, what| {
        let (log, question) = (Memory::of(rows), asked(shape));
        let reports = Reports::new(ROOM);
        let first = reports.report(&log, &question, &Options::default()).unwrap();
        let again = reports.report(&log, &question, &Options::default()).unwrap();
        assert!(std::sync::Arc::ptr_eq(&first, &again), "{what}");
        let older = Memory::of(&rows[..rows.len() / 2]);
        let cuped = Options { cuped: true, ..Options::default() };
        let of_older = reports.report(&older, &question, &cuped).unwrap();
        assert_eq!(of_older.as_of.sequence, Some(rows.len() as u64 / 2 - 1), "{what}: a reader of an older log");
    });
}

#[test]
fn with_little_memory_the_exposed_units_come_to_the_same() {
    each_log(|shape, rows, _, what| {
        let (log, question) = (Memory::of(rows), asked(shape));
        let reports = Reports::new(1);
        let little = reports.report(&log, &question, &Options::default()).unwrap();
        let much = conclude(&log, &question, &Options::default()).unwrap();
        let [little, much] = [&*little, &much].map(|report| report.analysis.clone().unwrap());
        assert_eq!(
            (&little.groups, little.crossovers, &little.not_counted),
            (&much.groups, much.crossovers, &much.not_counted)
        );
        for (little, much) in little.metrics.iter().zip(&much.metrics) {
            assert_eq!(little.groups, much.groups, "{} ({what})", much.name);
            for (little, much) in little.comparisons.iter().zip(&much.comparisons) {
                assert_eq!((&little.absolute, &little.relative), (&much.absolute, &much.relative), "{what}");
                let total = little.impact.as_ref().and_then(|impact| impact.topline.relative);
                assert_eq!(total, None, "{what}: the total over all units is not known");
            }
        }
        assert_eq!(reports.bytes(), 0, "{what}");
    });
}
