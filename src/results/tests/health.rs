//! What a person relies on in the checks of a report: each on either side of its threshold, in words and in numbers, and the
//! same in whatever order the log was written.

use super::*;
use crate::store::Terms;
use std::cell::RefCell;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn check<'a>(found: &'a Analysis, name: &str) -> &'a Check {
    let check = found.health.iter().find(|check| check.check == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(check.remedy.is_some(), check.status != Balanced::Ok, "{check:?}");
    check
}

fn says(found: &Analysis, name: &str, status: Balanced, detail: &str, remedy: &str) {
    let check = check(found, name);
    assert_eq!(check.status, status, "{check:?}");
    assert!(check.detail.contains(detail), "{check:?} does not say {detail}");
    let said = check.remedy.as_deref().unwrap_or("");
    assert!(said.contains(remedy), "{check:?} does not advise {remedy}");
}

fn group(n: usize) -> &'static str {
    if n.is_multiple_of(2) { "grp_c" } else { "grp_t" }
}

/// Units in both groups alike, exposed at one moment.
fn exposed(units: usize) -> Vec<Row> {
    (0..units).map(|n| exposure(&format!("u{n}"), group(n), 1000)).collect()
}

fn of_company(n: usize) -> Row {
    Row { company: format!("c{n}"), ..track("", "order", 2000) }
}

fn primary(event: &str) -> MetricChoice {
    MetricChoice {
        name: event.into(),
        kind: MetricKind::EventCount,
        definition: Definition::PerUnit(Quantity::Count(Measure::of(EventSource::named(event)))),
        role: Role::Primary,
        direction: None,
        hypothesis: None,
    }
}

/// Runs for ever, and every moment counts.
fn open() -> Question {
    Question { start: None, end: None, metrics: vec![primary("order")], ..experiment() }
}

/// A log in another order, by a fixed rule.
fn shuffled(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    let mut state = 88_172_645_463_325_252u64;
    for at in (1..rows.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        rows.swap(at, (state % (at as u64 + 1)) as usize);
    }
    rows
}

#[test]
fn units_without_events_are_told_which_ids_the_events_carry() {
    let many = |row: &dyn Fn(usize) -> Row, count: usize| (0..count).map(row).collect::<Vec<Row>>();
    let stranger = |n: usize| track(&format!("stranger{n}"), "order", 2000);
    let nobody = |_: usize| track("", "order", 2000);
    for (events, cause, remedy) in [
        (vec![], "no event at all arrived in production", "Send events to the environment production"),
        (
            many(&of_company, 20),
            "20 of 20 events carry no userID, and 20 of those carry a companyID instead",
            "Map the field that holds the userID under Map Identifiers, or identify units before they are exposed, or \
             randomise by companyID",
        ),
        (
            [many(&of_company, 10), many(&stranger, 10)].concat(),
            "10 of 20 events carry no userID",
            "randomise by companyID",
        ),
        ([many(&of_company, 10), many(&stranger, 11)].concat(), "11 of 21 events carry a userID, but of other", "same"),
        (many(&nobody, 3), "3 of 3 events carry no userID, and most of those carry no ID at all", "with each event"),
        (many(&stranger, 3), "3 of 3 events carry a userID, but of other units", "Send the same userID with events"),
    ] {
        let rows = [exposed(200), events].concat();
        let found = analyse(&rows);
        says(&found, "units_match", Balanced::Alert, cause, remedy);
        assert_eq!(check(&analyse(&shuffled(&rows)), "units_match"), check(&found, "units_match"));
    }

    // A staging event, an exposure and an event outside of the period are no events here.
    let mut staging = of_company(0);
    staging.environment = "staging";
    let rows = [exposed(200), vec![staging, of_company(1), of_company(2).at(at(-1).0), track("u1", "order", 1500)]];
    let found = analyse(&rows.concat());
    says(&found, "units_match", Balanced::Warning, "1 of 200 units (0.50 %)", "Map Identifiers");
    let numbers = &found.evidence.units_match;
    assert_eq!((numbers.units, numbers.matched, numbers.events, numbers.events_without_id), (200, 1, 2, 1));
    assert_eq!(numbers.carried_instead.iter().collect::<Vec<_>>(), [(&"companyID".to_owned(), &1)]);

    for (matched, status) in [(9, Balanced::Warning), (10, Balanced::Ok)] {
        let events = (0..matched).map(|n| track(&format!("u{n}"), "order", 500));
        let found = analyse(&exposed(200).into_iter().chain(events).collect::<Vec<_>>());
        assert_eq!(check(&found, "units_match").status, status, "{matched} of 200");
    }
}

#[test]
fn units_in_both_groups_are_matched_once() {
    let rows = [
        exposure("x", "grp_c", 1000),
        exposure("x", "grp_t", 2000),
        exposure("u", "grp_t", 1000),
        track("x", "order", 3000),
    ];
    let found = answer(&rows, &experiment(), &Options { crossovers: Crossovers::Both, ..Options::default() });
    let numbers = (&found.evidence.units_match, &found.evidence.arrival);
    assert_eq!((numbers.0.units, numbers.0.matched, numbers.1.events), (2, 1, 1));
}

#[test]
fn exposures_that_are_lost_are_told_from_those_that_are_kept_out() {
    let of = |rule: &str, count: usize| (0..count).map(|_| exposure("other", rule, 1000)).collect::<Vec<_>>();
    let lost = |basis, count: usize| (0..count).map(move |_| resting_on(basis, exposure("other", "grp_t", 1000)));
    // 5 of 100 are not more than the share that is tolerated, 6 of 101 are.
    for (count, status) in [(5, Balanced::Ok), (6, Balanced::Warning)] {
        for (basis, what, remedy) in [
            (Basis::NoValues, "are defaults of an SDK that had no values yet", "only when it is initialised"),
            (Basis::Unrecognized, "are of something that the SDK did not know", "Check the name"),
            (Basis::OtherUser, "got values that were made for another user", "same user and stableID"),
        ] {
            let rows: Vec<Row> = exposed(95).into_iter().chain(lost(basis, count)).collect();
            let remedy = if status == Balanced::Ok { "" } else { remedy };
            says(&analyse(&rows), "exposures", status, &format!("{count} {what}"), remedy);
        }
    }
    let found = analyse(&[exposed(95), of("grp_of_another", 6)].concat());
    says(&found, "exposures", Balanced::Warning, "6 are by a rule or group that the catalog does not have", "Bring");
    for rule in ["layerAssignment", "targetingGate", "q3_holdout", "default", "grp_t:userID:id_override", "prestart"] {
        assert_eq!(check(&analyse(&[exposed(10), of(rule, 90)].concat()), "exposures").status, Balanced::Ok, "{rule}");
    }
    let without = |row: Row, company: &str| Row { unit: String::new(), company: company.into(), ..row };
    let anonymous = exposed(6).into_iter().map(|row| without(row, "c1"));
    let found = analyse(&exposed(95).into_iter().chain(anonymous).collect::<Vec<_>>());
    says(&found, "exposures", Balanced::Warning, "6 no_unit", "Most of these carry a companyID.");

    // Where nothing counts, the most frequent reason is the one to look at, whichever it is.
    let staging = |n: usize| exposed(n).into_iter().map(|row| Row { environment: "staging", ..row });
    let rows: Vec<Row> = staging(3).chain(of("layerAssignment", 2)).collect();
    says(&analyse(&rows), "exposures", Balanced::Alert, "3 came from another environment", "option `environment`");
    let rows: Vec<Row> = staging(2).chain(of("layerAssignment", 3)).collect();
    says(&analyse(&rows), "exposures", Balanced::Alert, "3 are outside of the allocation", "raise it");
    says(
        &analyse(&[]),
        "exposures",
        Balanced::Alert,
        "0 exposures count; none for Control, Test",
        "asks for experiment",
    );
    let rows: Vec<Row> = (0..5).map(|n| exposure(&format!("u{n}"), "grp_c", 1000)).collect();
    says(&analyse(&rows), "exposures", Balanced::Alert, "none for Test", "asks for experiment `button`");
}

/// Notes which fields each scan asked for.
struct Watched {
    log: Memory,
    scans: RefCell<Vec<usize>>,
}

impl Log for Watched {
    fn next_sequence(&self) -> Sequence {
        self.log.next_sequence()
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.log.as_of_time()
    }

    fn terms(&self) -> &Terms {
        self.log.terms()
    }

    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError> {
        self.scans.borrow_mut().push(fields.len());
        self.log.scan(from, fields, each)
    }
}

/// Units of four SDK versions, three countries and five days; `lost` says whose exposures did not arrive. Every unit is
/// exposed twice, the second time by another version.
fn fleet(lost: impl Fn(usize, &str, &str, usize) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut state = 1u64;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides
    };
    for n in 0..4000 {
        let version = ["3.0.0", "3.1.0", "3.2.0", "4.0.0"][dice(4)];
        let country = [Some("US"), Some("DE"), None][dice(3)];
        let day = dice(5);
        if lost(n, version, country.unwrap_or("none"), day) {
            continue;
        }
        let mut row = exposure(&format!("u{n}"), group(n), day as i64 * DAY);
        row.sdk = vec![("sdkType".into(), "javascript-client".into()), ("sdkVersion".into(), version.into())];
        row.user = country.map(|country| ("country".into(), country.into())).into_iter().collect();
        let mut again = row.clone().at(row.time.0 + 1);
        again.sdk[1].1 = "9.9.9".into();
        rows.extend([again, row]);
    }
    rows.iter_mut().for_each(|row| row.received = at(14 * DAY));
    rows
}

fn fortnight() -> Question {
    Question { end: Some(at(14 * DAY)), ..experiment() }
}

#[test]
fn a_sample_ratio_that_is_off_in_one_part_names_it() {
    let is_test = |n: usize| !n.is_multiple_of(2);
    let rows = fleet(|n, version, _, _| is_test(n) && version == "3.1.0" && n % 3 == 0);
    let found = answer(&rows, &fortnight(), &Options::default());
    assert_eq!(found.srm.status, Some(Balanced::Warning).max(found.srm.status));
    assert_ne!(found.srm.status, Some(Balanced::Ok));
    let [suspect] = found.srm.suspects.as_slice() else { panic!("{:?}", found.srm) };
    assert_eq!((suspect.by.as_str(), suspect.value.as_deref()), ("sdk.sdkVersion", Some("3.1.0")));
    let by_version = |group: &str| {
        let is_it =
            |row: &&Row| row.sdk[1].1 == "3.1.0" && row.subject.as_ref().is_some_and(|subject| subject.rule == group);
        rows.iter().filter(is_it).count() as u64
    };
    assert_eq!(suspect.units, [by_version("grp_c"), by_version("grp_t")]);
    let own = crate::stats::balance(&suspect.units, None).unwrap().p;
    assert!(own < suspect.p && suspect.p < 0.01, "{own} is made up for: {suspect:?}");
    let srm = check(&found, "srm");
    assert!(srm.detail.contains("; off in sdk.sdkVersion 3.1.0 (Control "), "{srm:?}");
    assert!(srm.remedy.as_ref().unwrap().ends_with("Begin with sdk.sdkVersion 3.1.0: what is different there?"));

    assert_eq!(answer(&shuffled(&rows), &fortnight(), &Options::default()), found, "the order of the log shows");
    let memory = Watched { log: Memory::of(&rows), scans: RefCell::default() };
    let asked = fortnight();
    let mut state = State::new(state::Basis::of(memory.terms(), &asked, &Options::default()).unwrap());
    let little = state.report(&memory, &asked, &Options::default(), &|bytes| bytes <= 1).unwrap().analysis.unwrap();
    assert_eq!((little.srm, &little.health[2]), (found.srm.clone(), srm), "with little memory it is the same");

    for (part, lost) in [
        ("user.country", fleet(|n, _, country, _| is_test(n) && country == "none" && n % 3 == 0)),
        ("day", fleet(|n, _, _, day| !is_test(n) && day == 3 && n % 3 != 1)),
    ] {
        let found = answer(&lost, &fortnight(), &Options::default());
        assert_eq!(found.srm.suspects.len(), 1, "{part}: {:?}", found.srm);
        let suspect = &found.srm.suspects[0];
        let day: String = at(3 * DAY).to_string().chars().take(10).collect();
        let value = if part == "day" { Some(day.as_str()) } else { None };
        assert_eq!((suspect.by.as_str(), suspect.value.as_deref()), (part, value));
    }
    // Two versions lose: without either alone the rest is still off, without both it is fine.
    let two = fleet(|n, version, _, _| {
        is_test(n) && version.starts_with("3.") && version != "3.0.0" && n % 2 == 1 && n % 3 == 0
    });
    let found = answer(&two, &fortnight(), &Options::default());
    let mut values: Vec<_> = found.srm.suspects.iter().map(|suspect| suspect.value.as_deref().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, ["3.1.0", "3.2.0"]);
}

#[test]
fn a_ratio_that_is_off_everywhere_accuses_nobody_and_one_that_is_fine_costs_nothing() {
    let everywhere = fleet(|n, _, _, _| n % 12 == 1);
    let found = answer(&everywhere, &fortnight(), &Options::default());
    assert_ne!(found.srm.status, Some(Balanced::Ok));
    assert!(found.srm.suspects.is_empty(), "{:?}", found.srm);
    assert!(check(&found, "srm").detail.ends_with("; no SDK, version, browser, country, system or day stands out"));

    for (rows, scans) in [(everywhere, vec![0, 9]), (fleet(|_, _, _, _| false), vec![0])] {
        let log = Watched { log: Memory::of(&rows), scans: RefCell::default() };
        let found = conclude(&log, &fortnight(), &Options::default()).unwrap();
        assert_eq!(*log.scans.borrow(), scans);
        let json = serde_json::to_value(&found).unwrap();
        assert!(json["srm"].get("suspects").is_none());
    }
}

#[test]
fn groups_that_differed_before_the_exposure_are_named() {
    // Each unit has 0 to 2 orders in the days before; of `more` units of Test one more.
    let rows = |more: usize| -> Vec<Row> {
        let mut rows = exposed(400);
        for n in 0..400 {
            let extra = usize::from(n % 2 == 1 && n / 2 < more);
            rows.extend((0..(n / 2) % 3 + extra).map(|_| track(&format!("u{n}"), "order", -HOUR)));
            rows.push(track(&format!("u{n}"), "visit", -HOUR));
            rows.push(track(&format!("u{n}"), "order", 2000));
        }
        rows
    };
    let question = Question { metrics: vec![primary("order"), primary("visit"), primary("never")], ..experiment() };
    let found = answer(&rows(60), &question, &Options::default());
    says(&found, "pre_experiment_bias", Balanced::Warning, "order of Test by +30.2 %", "`cuped=true`");
    let [order] = found.evidence.pre_experiment.as_slice() else { panic!("{:?}", found.evidence) };
    assert_eq!((order.metric.as_str(), order.group.as_str(), order.control.as_str()), ("order", "Test", "Control"));
    assert!((order.delta.unwrap() - 0.3).abs() < 0.01, "{order:?}");
    assert_eq!(order.p, order.adjusted_p, "the others do not differ at all, so there is but one test");

    let cuped = answer(&rows(60), &question, &Options { cuped: true, ..Options::default() });
    assert_eq!(cuped.evidence.pre_experiment, found.evidence.pre_experiment);
    says(&answer(&rows(10), &question, &Options::default()), "pre_experiment_bias", Balanced::Ok, "no group", "");
    // Before the look-back it does not count, and without a line on the scorecard nobody looks.
    for question in [Question { metrics: vec![], ..question.clone() }, Question { start: Some(at(0)), ..question }] {
        let late: Vec<Row> = rows(60)
            .into_iter()
            .map(|row| if row.time < at(0) { row.clone().at(row.time.0 - 7 * DAY) } else { row })
            .collect();
        let found = answer(&late, &question, &Options::default());
        assert!(found.evidence.pre_experiment.is_empty());
        assert!(found.health.iter().all(|check| check.check != "pre_experiment_bias"));
    }
}

#[test]
fn a_ratio_before_the_exposure_is_over_those_who_took_part_then() {
    let ratio = MetricChoice {
        definition: Definition::Ratio(
            Quantity::Sum(Measure::of(EventSource { taken: Taken::Value, ..EventSource::named("order") })),
            Quantity::Count(Measure::of(EventSource::named("order"))),
        ),
        kind: MetricKind::Mean,
        ..primary("order")
    };
    let mut rows = exposed(8);
    // Nobody of them orders after the exposure, so nobody takes part then.
    for (n, value) in [(0, 1.0), (2, 2.0), (4, 4.0), (1, 10.0), (3, 20.0)] {
        rows.push(track(&format!("u{n}"), "order", -1).valued(value));
    }
    let found = answer(&rows, &Question { metrics: vec![ratio], ..experiment() }, &Options::default());
    let before = &found.evidence.pre_experiment[0];
    assert!((before.delta.unwrap() - (15.0 - 7.0 / 3.0)).abs() < 1e-12, "{before:?}");
    assert!((before.relative.unwrap() - (15.0 - 7.0 / 3.0) / (7.0 / 3.0)).abs() < 1e-12);
}

#[test]
fn late_events_are_told_apart_from_an_imported_history() {
    // `late` of 100 events of units that take part, and one of somebody else.
    let rows = |late: usize, delay: i64| -> Vec<Row> {
        let mut rows = exposed(100);
        for n in 0..100 {
            let row = track(&format!("u{n}"), "order", 2000);
            let received = if n < late { row.time.0 + delay } else { row.time.0 };
            rows.push(Row { received: Timestamp(received), ..row });
        }
        rows.push(Row { received: at(90 * DAY), ..track("stranger", "order", 2000) });
        rows
    };
    for (late, status, detail) in [
        (0, Balanced::Ok, "0 of 100 events of its units (0.00 %)"),
        (5, Balanced::Ok, "5 of 100"),
        (6, Balanced::Warning, "6 of 100 events of its units (6.00 %) arrived more than 24 h after"),
        (50, Balanced::Warning, "the newest of them took 3.0 days, until"),
        (51, Balanced::Ok, "seems to have been imported"),
    ] {
        let found = analyse(&rows(late, 3 * DAY));
        let remedy = if status == Balanced::Ok { "" } else { "as long after the end as events take" };
        says(&found, "late_events", status, detail, remedy);
        assert_eq!((found.evidence.arrival.events, found.evidence.arrival.late), (100, late as u64));
    }
    assert_eq!(analyse(&rows(20, DAY)).evidence.arrival.late, 0, "a day is not late yet");
    let mut mixed = rows(20, DAY + 1);
    mixed.push(Row { received: at(2000 + 2 * DAY), ..track("u3", "order", 2000) });
    mixed.push(Row { received: at(2000 + 2 * DAY), ..track("u4", "order", 1000) });
    let arrival = analyse(&mixed).evidence.arrival;
    assert_eq!((arrival.late, arrival.newest_late), (22, Some(at(2000 + 2 * DAY).0)));
    assert_eq!(arrival.newest_delay, Some(1000 + 2 * DAY), "of two received at once the later one");
    assert_eq!(analyse(&shuffled(&mixed)).evidence.arrival, arrival);
}

#[test]
fn what_is_received_before_it_happens_says_that_a_clock_is_wrong() {
    for (ahead, status) in [(1, Balanced::Ok), (2, Balanced::Warning)] {
        for of in ["events", "exposures"] {
            let mut rows = exposed(1000);
            rows.extend((0..1000).map(|n| track(&format!("u{n}"), "order", 2000)));
            let first = if of == "events" { 1000 } else { 0 };
            for row in &mut rows[first..first + ahead] {
                row.received = Timestamp(row.time.0 - 1);
            }
            let found = analyse(&rows);
            says(&found, "clock", status, &format!("{ahead} of 1000 {of}"), "");
            assert_eq!(found.evidence.arrival.ahead, ahead as u64);
        }
    }
    says(&analyse(&exposed(10)), "clock", Balanced::Ok, "nothing was received before it happened", "");
    let rows = [exposed(4), vec![Row { received: at(5000), ..exposure("u9", "grp_c", 6000) }]].concat();
    let rows: Vec<Row> = rows.into_iter().map(|row| Row { received: at(5000), ..row }).collect();
    says(&answer(&rows, &open(), &Options::default()), "clock", Balanced::Warning, "1 exposures lie in the future", "");
}

#[test]
fn duplicates_are_a_share_of_all_that_arrived() {
    for (duplicate, stored, status) in
        [(0, 0, Balanced::Ok), (5, 95, Balanced::Ok), (6, 94, Balanced::Warning), (1, 0, Balanced::Warning)]
    {
        let found = duplicates(duplicate, stored);
        assert_eq!((found.check.as_str(), found.status), ("duplicates", status), "{found:?}");
        assert!(found.detail.contains(&format!("{duplicate} of {} events", duplicate + stored)), "{found:?}");
    }
}

/// A day of 100 units in each group, of which one in `each` orders.
fn ordering(each: usize) -> Vec<Row> {
    let mut rows = exposed(200);
    let orders = (0..200).filter(|n| (n / 2) % each == 0);
    rows.extend(orders.map(|n| track(&format!("u{n}"), "order", 2000)));
    rows.iter_mut().for_each(|row| row.received = at(DAY + 1000));
    rows
}

#[test]
fn the_smallest_effect_that_can_be_found_is_told_and_when_it_will_be_smaller() {
    // Of 2.8 standard errors: with every third unit ordering 56 % of the mean, with every second 40 %.
    let found = answer(&ordering(3), &open(), &Options::default());
    says(&found, "detectable_effect", Balanced::Warning, "order 55.", "more units");
    says(&answer(&ordering(2), &open(), &Options::default()), "detectable_effect", Balanced::Ok, "order 39.", "");

    let mut hoped = open();
    for (effect, status) in
        [(0.39, Balanced::Warning), (0.41, Balanced::Ok), (-0.41, Balanced::Ok), (0.0, Balanced::Ok)]
    {
        hoped.metrics[0].hypothesis = Some(effect);
        let found = answer(&ordering(2), &hoped, &Options::default());
        assert_eq!(check(&found, "detectable_effect").status, status, "{effect}");
    }
    hoped.metrics[0].hypothesis = Some(0.1);
    hoped.planned_end = Some(at(4 * DAY));
    hoped.target_units = Some(5000);
    let found = answer(&ordering(2), &hoped, &Options::default());
    let mde = found.metrics[0].comparisons[0].mde.as_ref().unwrap().relative.unwrap();
    let needed = 200.0 * (mde / 0.1) * (mde / 0.1);
    for part in [
        "(hoped for: 10.0 %)".to_owned(),
        format!(
            "for 10.0 % about {needed:.0} units are needed: at the present 200 a day in {:.0} days",
            (needed - 200.0) / 200.0
        ),
        format!("by the planned end in 3 days {:.1} %", mde * 50.0),
        "200 of the 5000 planned units are there".to_owned(),
    ] {
        says(&found, "detectable_effect", Balanced::Warning, &part, "");
    }
    let silent = answer(&exposed(200), &open(), &Options::default());
    assert!(silent.health.iter().all(|check| check.check != "detectable_effect"), "there is nothing to reckon with");
}

#[test]
fn it_is_told_how_long_it_runs_and_how_many_come() {
    let mut rows = exposed(100);
    rows.extend((100..150).map(|n| exposure(&format!("u{n}"), group(n), 8 * DAY)));
    let until = |ms: i64| Question { end: Some(at(ms)), ..experiment() };
    let progress = |ms: i64| {
        let found = answer(&rows, &until(ms), &Options { end: Some(at(ms)), ..Options::default() });
        (found.evidence.progress.clone(), check(&found, "run_length").detail.clone())
    };
    // The log was received within the first hour, so that is how far it goes.
    let (found, detail) = progress(3_600_000);
    assert_eq!(found.units_per_day, None, "an hour tells nothing of a day");
    assert!(detail.contains("0.0 days: less than a full week"), "{detail}");
    rows.iter_mut().for_each(|row| row.received = at(30 * DAY));
    for (days, per_day) in [(0.999, None), (1.0, Some(100.0))] {
        let found = answer(&rows, &until((days * DAY as f64) as i64 + 1000), &Options::default());
        assert_eq!(found.evidence.progress.units_per_day, per_day, "{days}");
    }
    for (days, per_day, short) in [(6.999, 100.0 / 6.999, true), (7.0, 100.0 / 7.0, false), (9.0, 50.0 / 7.0, false)] {
        let found = answer(&rows, &until((days * DAY as f64) as i64 + 1000), &Options::default());
        let progress = &found.evidence.progress;
        assert!((progress.days.unwrap() - days).abs() < 1e-6, "{progress:?}");
        assert!((progress.units_per_day.unwrap() - per_day).abs() < 1e-3, "{progress:?} {per_day}");
        assert_eq!(check(&found, "run_length").detail.contains("less than a full week"), short, "{days}");
    }
    assert_eq!(check(&analyse(&[]), "run_length").detail, "nobody was exposed yet");
}

#[test]
fn looking_early_is_warned_of_where_it_may_mislead() {
    let mut clear = exposed(200);
    clear.extend((0..200).step_by(4).map(|n| track(&format!("u{n}"), "order", 2000)));
    let has = |rows: &[Row], question: &Question, options: &Options| {
        let found = answer(rows, question, options);
        found.health.into_iter().find(|check| check.check == "peeking").map(|check| (check.status, check.detail))
    };
    let planned = |ms: i64| Question { planned_end: Some(at(ms)), ..open() };
    // The last receipt is after an hour.
    let usual = Options::default();
    let (status, detail) = has(&clear, &planned(DAY), &usual).unwrap();
    assert_eq!(status, Balanced::Warning);
    assert!(detail.ends_with("significant at present: order"), "{detail}");
    let sequential = Options { sequential: Some(true), ..Options::default() };
    for (question, options, rows, status) in [
        (planned(2 * DAY), &usual, &ordering(2), Some(Balanced::Ok)),
        (planned(DAY), &sequential, &clear, Some(Balanced::Ok)),
        (open(), &usual, &clear, Some(Balanced::Ok)),
        (planned(3_600_000), &usual, &clear, None),
        (planned(3_600_002), &usual, &clear, Some(Balanced::Warning)),
        (Question { end: Some(at(3_600_000)), ..planned(DAY) }, &usual, &clear, None),
    ] {
        let planned = question.planned_end;
        assert_eq!(has(rows, &question, options).map(|found| found.0), status, "{planned:?}");
    }
}

/// A log that every check has something to say about, in an order of its own.
fn troubled() -> Vec<Row> {
    let mut rows = fleet(|n, version, _, _| n % 2 == 1 && version == "3.1.0" && n % 3 == 0);
    for n in 0..1500 {
        let row = track(&format!("u{n}"), "order", (n as i64 % 9 - 3) * DAY);
        let delay = if n % 7 == 0 { 2 * DAY + n as i64 } else { n as i64 % 3 - 1 };
        rows.push(Row { received: Timestamp(row.time.0 + delay), ..row.clone() });
        rows.push(Row { unit: String::new(), company: format!("c{n}"), ..row });
        rows.push(resting_on(Basis::NoValues, exposure(&format!("u{n}"), "grp_t", n as i64)));
    }
    let mut rows = shuffled(&rows);
    rows.push(Row { received: at(20 * DAY), ..track("last", "order", 0) });
    rows
}

#[test]
fn what_was_read_in_parts_is_judged_as_what_was_read_at_once() {
    let rows = troubled();
    let question = Question { end: None, ..open() };
    let options = Options::default();
    let whole = conclude(&Memory::of(&rows), &question, &options).unwrap();
    let found = whole.analysis.as_ref().unwrap();
    assert!(!found.srm.suspects.is_empty() && !found.evidence.pre_experiment.is_empty(), "{:?}", found.evidence);
    assert!(found.evidence.arrival.late > 0 && found.evidence.arrival.ahead > 0, "{:?}", found.evidence);
    let readme = include_str!("../../../README.md");
    for check in &found.health {
        assert!(readme.contains(&format!("| `{}` |", check.check)), "README.md does not say what {} is", check.check);
    }
    let mut state = State::new(state::Basis::of(Memory::of(&rows).terms(), &question, &options).unwrap());
    for end in [3, 1000, 1001, rows.len() / 2, rows.len()] {
        let log = Memory::of(&rows[..end]);
        let found = state.report(&log, &question, &options, &|_| true).unwrap();
        assert_eq!(found, conclude(&log, &question, &options).unwrap(), "{end} rows");
    }
    let little = State::new(state::Basis::of(Memory::of(&rows).terms(), &question, &options).unwrap())
        .report(&Memory::of(&rows), &question, &options, &|bytes| bytes <= 1)
        .unwrap()
        .analysis
        .unwrap();
    assert_eq!((&little.health, &little.evidence), (&found.health, &found.evidence), "with little memory");
}

#[test]
fn the_two_sides_of_a_gate_have_suspects_too() {
    let mut rows = fleet(|n, version, _, _| n % 2 == 1 && version == "3.1.0" && n % 3 == 0);
    for row in &mut rows {
        let subject = row.subject.as_mut().unwrap();
        let value = if subject.rule == "grp_t" { "true" } else { "false" };
        let gate = gate_exposure(&row.unit, "checkout", "half", value, 0);
        (row.kind, row.name, row.subject) = (gate.kind, gate.name, gate.subject);
    }
    let rule = Rule { id: "half".into(), name: "Half".into(), pass_percentage: 50.0, stages: vec![] };
    let design = Design::Gate { rules: vec![rule], only: None };
    let found = answer(&rows, &Question { name: "checkout".into(), design, ..fortnight() }, &Options::default());
    assert_eq!(found.srm.suspects.len(), 1, "{:?}", found.srm);
    assert_eq!(found.srm.suspects[0].value.as_deref(), Some("3.1.0"));
}
