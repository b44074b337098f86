//! A log that grows: the report that reads on says what one from scratch says, and with little memory it says the same of the
//! units that were exposed.

use super::DAY;
use super::agreement::{asked, assert_same, each_log};
use super::hard::{Random, Shape, log, midnight};
use crate::event::{Field, Place, Sequence, Timestamp};
use crate::results::tests::memory::{Memory, Row, at, exposure, track};
use crate::results::{
    Breakdown, CriterionTest, Crossovers, Join, Log, LogError, Options, Question, Reports, TextFilter, UnitFilter,
    View, conclude,
};
use crate::store::{Terms, Visit};
use std::cell::Cell;
use std::sync::Arc;

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

/// The same rows as they may arrive: most at once, some days later, some before they happened; and as several threads stamp
/// them, so that a receipt may lie before the one that is written ahead of it.
fn arriving(rows: &[Row], random: &mut Random) -> Vec<Row> {
    let mut rows: Vec<(i64, Row)> = rows
        .iter()
        .map(|row| {
            let delay = random.pick(&[0, 0, 0, 1, 1000, 3_600_000, 2 * DAY, -1, -3_600_000, -2 * DAY]);
            let received = Timestamp(row.time.0 + delay);
            let turn = received.0 + random.pick(&[0, 0, 0, 0, 1, 2, 3_000_000]);
            (turn, Row { received, ..row.clone() })
        })
        .collect();
    rows.sort_by_key(|(turn, _)| *turn);
    rows.into_iter().map(|(_, row)| row).collect()
}

#[test]
fn an_end_that_moves_with_the_log_lets_in_what_lay_beyond_it() {
    each_log(|shape, rows, random, what| {
        let rows = arriving(rows, random);
        let question = Question { end: None, ..asked(shape) };
        let plain = Options::default();
        let unit = Breakdown::Unit(Place::User, "country".into());
        let of = [
            plain.clone(),
            Options { cuped: true, join: Join::Date, ..plain.clone() },
            Options { crossovers: Crossovers::Both, ..plain.clone() },
            Options { crossovers: Crossovers::First, breakdown: Some(unit), ..plain },
        ];
        // One of them for each log: many short steps take long.
        let nth = random.below(of.len() as u64) as usize;
        let reports = Reports::new(ROOM);
        let mut length = 1;
        while length <= rows.len() {
            let log = Memory::of(&rows[..length]);
            // A log that ends before the period begins has no report.
            if let Ok(scratch) = conclude(&log, &question, &of[nth]) {
                let onward = reports.report(&log, &question, &of[nth]).unwrap();
                let what = format!("{what}, options {nth}, {length} of {} rows", rows.len());
                assert_eq!(onward.window, scratch.window, "{what}");
                assert_same(onward.analysis.as_ref().unwrap(), scratch.analysis.as_ref().unwrap(), &what);
            }
            let most = random.pick(&[1, 3, rows.len() as u64 / 10 + 1]);
            length += 1 + random.below(most) as usize;
        }
    });
}

/// Each part of the log comes after the report of what was there before.
fn in_turn(parts: &[&[Row]], question: &Question) {
    // So much that what comes later is little beside it, and not all is computed anew.
    let many = ["view", "order"].map(|name| vec![received(5, track("somebody", name, 5)); 50]).concat();
    let reports = Reports::new(ROOM);
    for end in 1..=parts.len() {
        let log = Memory::of(&[many.clone(), parts[..end].concat()].concat());
        let [onward, scratch] = [
            (*reports.report(&log, question, &Options::default()).unwrap()).clone(),
            conclude(&log, question, &Options::default()).unwrap(),
        ];
        assert_same(&onward.analysis.unwrap(), &scratch.analysis.unwrap(), &format!("after part {end}"));
    }
}

fn received(ms: i64, row: Row) -> Row {
    Row { received: at(ms), ..row }
}

#[test]
fn a_receipt_that_steps_back_counts_nothing_twice() {
    let question = Question { end: None, ..asked(Shape::OpenEnd) };
    let first = [
        received(10, exposure("a", "grp_c", 10)),
        received(20, exposure("b", "grp_t", 20)),
        received(1000, track("a", "order", 1000)),
    ];
    // Another thread stamped this one a millisecond earlier, and wrote it later.
    let second = [received(999, track("b", "view", 30))];
    let third = [received(2000, track("a", "order", 1500))];
    in_turn(&[&first, &second, &third], &question);
}

#[test]
fn a_day_is_over_with_its_last_millisecond() {
    let question = Question { end: None, ..asked(Shape::OpenEnd) };
    let midnight = midnight(2) - at(0).0;
    let noon = midnight - DAY / 2;
    let first = [
        received(10, exposure("a", "grp_c", 10)),
        received(20, exposure("b", "grp_t", 20)),
        received(30, track("a", "order", 30)),
        received(noon, track("a", "order", noon)),
    ];
    let second = [received(midnight - 1, track("b", "view", noon))];
    in_turn(&[&first, &second], &question);
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
        let roomy = Reports::new(ROOM);
        roomy.report(&log, &question, &Options::default()).unwrap();
        assert!(reports.bytes() < roomy.bytes(), "{what}: nothing is held but the report");
    });
}

/// A block of a store has thousands of rows, which are taken some at a time.
#[test]
fn the_parts_in_which_a_large_block_is_taken_do_not_show() {
    for shape in [Shape::Mixed, Shape::Companies, Shape::Gate, Shape::OpenEnd] {
        let mut random = Random(11);
        let mut rows: Vec<Row> = (0..8).flat_map(|_| log(shape, &mut random)).collect();
        random.shuffle(&mut rows);
        assert!(rows.len() > 3000, "{} rows", rows.len());
        let question = asked(shape);
        let plain = Options::default();
        let by = |breakdown| Options { breakdown: Some(breakdown), ..Options::default() };
        let unit = by(Breakdown::Unit(Place::User, "country".into()));
        for options in [plain, unit, by(Breakdown::Event("sku".into()))] {
            let expected = conclude(&Memory::of(&rows), &question, &options).unwrap().analysis.unwrap();
            let what = format!("{shape:?}, {:?}", options.breakdown);
            let reports = Reports::new(ROOM);
            // Each time the one block has become larger.
            for length in [1000, 1030, 2500, rows.len()] {
                let log = Memory::in_blocks(&rows[..length], rows.len());
                let found = reports.report(&log, &question, &options).unwrap();
                if length == rows.len() {
                    assert_same(&expected, found.analysis.as_ref().unwrap(), &what);
                }
            }
            let little = Reports::new(1).report(&Memory::in_blocks(&rows, rows.len()), &question, &options).unwrap();
            let little = little.analysis.as_ref().unwrap();
            assert_eq!((&little.groups, &little.health), (&expected.groups, &expected.health), "{what}");
            for (little, expected) in little.metrics.iter().zip(&expected.metrics) {
                assert_eq!(little.groups, expected.groups, "{} ({what})", expected.name);
            }
        }
    }
}

#[test]
fn reports_that_are_kept_count_as_memory() {
    let question = Question { end: None, ..asked(Shape::OpenEnd) };
    let rows = [
        received(10, exposure("a", "grp_c", 10)),
        received(20, exposure("b", "grp_t", 20)),
        received(300 * DAY, track("a", "order", 300 * DAY)),
    ];
    let log = Memory::of(&rows);
    let reports = Reports::new(ROOM);
    reports.report(&log, &question, &Options::default()).unwrap();
    let plain = reports.bytes();
    let by_day = Options { view: Some(View::Daily), ..Options::default() };
    let report = reports.report(&log, &question, &by_day).unwrap();
    let text = serde_json::to_string(&*report).unwrap().len();
    assert!(reports.bytes() - plain > text / 4, "{} - {plain} of {text}", reports.bytes());

    // With room for one of them only, the one that was not asked for last goes.
    let small = Reports::new(reports.bytes());
    let other = Question { name: "other".into(), ..question.clone() };
    small.report(&log, &question, &by_day).unwrap();
    let one = small.bytes();
    small.report(&log, &other, &by_day).unwrap();
    assert!(small.bytes() < one + one / 2, "{} after {one}", small.bytes());
}

#[test]
fn what_tells_units_apart_counts_as_memory() {
    let long = |nth: i64| format!("{nth:01000}");
    let exposed = |nth: i64| {
        let user = vec![("plan".into(), long(nth))];
        Row { user, ..exposure(&format!("u{nth}"), ["grp_c", "grp_t"][nth as usize % 2], nth) }
    };
    let mut rows: Vec<Row> = (0..100).map(exposed).collect();
    rows.extend((0..100).map(|nth| track(&format!("u{nth}"), "order", 1000 + nth).with("plan", &long(nth))));
    let held = |options: Options| {
        let reports = Reports::new(ROOM);
        let report = reports.report(&Memory::of(&rows), &asked(Shape::OpenEnd), &options).unwrap();
        reports.bytes() - report.bytes()
    };
    let plain = held(Options::default());
    for breakdown in [Breakdown::Unit(Place::User, "plan".into()), Breakdown::Event("plan".into())] {
        let more = held(Options { breakdown: Some(breakdown.clone()), ..Options::default() });
        // Each text is there twice: to find its code, and to be found by it.
        assert!(more > plain + 2 * 100 * 1000, "{more} by {breakdown:?}, {plain} without");
    }
    let filter = TextFilter {
        place: Place::User,
        key: "plan".into(),
        test: CriterionTest::In(vec![long(7)]),
        missing_passes: true,
        words: String::new(),
    };
    let units = UnitFilter { texts: vec![filter], ..UnitFilter::default() };
    let more = held(Options { units, ..Options::default() });
    assert!(more >= plain + 100 * 16, "{more} with a filter, {plain} without");
}

/// A log that says when another block was handed out.
struct Watched<'a>(Memory, &'a dyn Fn());

impl Log for Watched<'_> {
    fn next_sequence(&self) -> Sequence {
        self.0.next_sequence()
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.0.as_of_time()
    }

    fn terms(&self) -> &Terms {
        self.0.terms()
    }

    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError> {
        self.0.scan(from, fields, &mut |first, columns, texts| {
            let goes_on = each(first, columns, texts);
            (self.1)();
            goes_on
        })
    }
}

/// What was gathered for one question goes while there is no room for that of another, not when that is complete.
#[test]
fn room_is_made_while_a_question_is_read() {
    let rows: Vec<Row> = (0..5000)
        .map(|nth| match nth {
            0 => exposure("a", "grp_c", 1),
            1 => exposure("b", "grp_t", 2),
            nth => track("a", "order", nth),
        })
        .collect();
    let question = asked(Shape::OpenEnd);
    let other = Question { name: "other".into(), ..question.clone() };
    for (room_for, stays) in [(3, true), (1, false)] {
        let one = Reports::new(ROOM);
        one.report(&Memory::of(&rows), &question, &Options::default()).unwrap();
        let reports = Reports::new(one.bytes() * room_for + one.bytes() / 2);
        let first = Arc::downgrade(&reports.report(&Memory::of(&rows), &question, &Options::default()).unwrap());
        let was_there = Cell::new(true);
        let watch = || was_there.set(first.strong_count() > 0);
        reports.report(&Watched(Memory::of(&rows), &watch), &other, &Options::default()).unwrap();
        assert_eq!(was_there.get(), stays, "room for {room_for}");
    }
}

/// A log that cannot be read to its end.
struct Broken(Memory);

impl Log for Broken {
    fn next_sequence(&self) -> Sequence {
        self.0.next_sequence()
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.0.as_of_time()
    }

    fn terms(&self) -> &Terms {
        self.0.terms()
    }

    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError> {
        self.0.scan(from, fields, each)?;
        Err(LogError("the disk is gone".into()))
    }
}

#[test]
fn a_reading_that_failed_leaves_nothing_that_counts_as_memory() {
    let rows: Vec<Row> = (0..100).map(|nth| track("a", "order", nth)).collect();
    let reports = Reports::new(ROOM);
    let report = |rows: &[Row]| reports.report(&Memory::of(rows), &asked(Shape::OpenEnd), &Options::default());
    let fail = || reports.report(&Broken(Memory::of(&rows)), &asked(Shape::OpenEnd), &Options::default());
    assert!(fail().is_err());
    assert_eq!(reports.bytes(), 0);
    report(&rows[..50]).unwrap();
    let weighed = reports.bytes();
    assert!(fail().is_err());
    assert!(reports.bytes() < weighed, "the report is still there: {} of {weighed}", reports.bytes());
    assert_eq!(report(&rows).unwrap().as_of.sequence, Some(99));
}

#[test]
fn an_end_in_the_future_makes_no_days_without_events() {
    let open = Question { end: None, ..asked(Shape::OpenEnd) };
    let set = Question { end: Some(at(40 * DAY)), ..open.clone() };
    let rows = [
        received(10, exposure("a", "grp_c", 10)),
        received(20, exposure("b", "grp_t", 20)),
        received(30, track("a", "order", 30)),
        received(DAY, exposure("c", "grp_c", 2 * DAY)),
        received(DAY, track("b", "order", 2 * DAY)),
    ];
    let log = Memory::of(&rows);
    let [open, set] = [open, set].map(|question| conclude(&log, &question, &Options::default()).unwrap());
    assert_same(&open.analysis.unwrap(), &set.analysis.unwrap(), "an end to come is an open one");
}
