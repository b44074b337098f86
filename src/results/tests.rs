//! What a person relies on in a report: who counts, what counts, and that the order of the log does not matter.

mod filters;
mod health;
mod memory;
mod oracle;
mod stages;
mod tables;

use super::*;
use crate::event::{Basis, Kind};
use crate::stats::Balanced;
use memory::{Memory, Row, at, exposure, gate_exposure, layer_exposure, resting_on, track};

/// Two groups of equal size, `control` first, over an hour.
fn experiment() -> Question {
    let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), size: 50.0 };
    Question {
        name: "button".into(),
        aliases: vec!["1234567".into(), "The Button".into()],
        holdouts: vec!["q3_holdout".into()],
        id_type: "userID".into(),
        design: Design::Experiment {
            groups: vec![group("grp_c", "Control"), group("grp_t", "Test")],
            control: Some("grp_c".into()),
        },
        start: Some(at(0)),
        end: Some(at(3_600_000)),
        planned_end: None,
        sequential: false,
        target_units: None,
        corrections: Corrections::default(),
        allocation: 1.0,
        metrics: vec![],
    }
}

fn answer(rows: &[Row], question: &Question, options: &Options) -> Analysis {
    conclude(&Memory::of(rows), question, options).unwrap().analysis.expect("one split")
}

fn analyse(rows: &[Row]) -> Analysis {
    answer(rows, &experiment(), &Options::default())
}

fn metric<'a>(analysis: &'a Analysis, name: &str, kind: MetricKind) -> &'a Metric {
    analysis.metrics.iter().find(|metric| metric.name == name && metric.kind == kind).expect("the metric is reported")
}

fn sums(analysis: &Analysis, name: &str) -> Vec<f64> {
    metric(analysis, name, MetricKind::EventCount).groups.iter().map(|group| group.sum.unwrap()).collect()
}

fn sizes(analysis: &Analysis) -> Vec<u64> {
    analysis.groups.iter().map(|group| group.units).collect()
}

#[test]
fn events_from_the_first_exposure_on_count_and_units_without_any_are_zeros() {
    let rows = [
        track("u1", "before", 999),
        exposure("u1", "grp_c", 1000),
        track("u1", "at", 1000),
        track("u1", "after", 1001),
        track("u1", "after", 2000),
        exposure("u2", "grp_c", 1000),
        exposure("u3", "grp_t", 1000),
        track("u3", "after", 5000),
        track("stranger", "after", 5000),
        track("", "after", 5000),
    ];
    let found = analyse(&rows);
    assert_eq!(sizes(&found), [2, 1]);
    assert_eq!(
        (sums(&found, "at"), sums(&found, "after"), sums(&found, "before")),
        (vec![1.0, 0.0], vec![2.0, 1.0], vec![0.0, 0.0])
    );
    let count = metric(&found, "after", MetricKind::EventCount);
    assert_eq!((count.groups[0].units, count.groups[0].mean, count.groups[0].variance), (2, Some(1.0), Some(2.0)));
    let users = metric(&found, "after", MetricKind::EventUser);
    assert_eq!((users.groups[0].sum, users.groups[0].mean, users.groups[1].mean), (Some(1.0), Some(0.5), Some(1.0)));
    assert_eq!(users.comparisons[0].absolute.delta, Some(0.5));
}

#[test]
fn a_late_exposure_lets_earlier_rows_in_and_the_earliest_one_decides() {
    let rows = [
        track("u1", "order", 1500),
        exposure("u1", "grp_t", 2000),
        exposure("u1", "grp_t", 1000),
        exposure("u2", "grp_c", 1000),
    ];
    let found = analyse(&rows);
    assert_eq!((sizes(&found), sums(&found, "order")), (vec![1, 1], vec![0.0, 1.0]));
    assert_eq!(found.groups[1].exposures, 2);
}

#[test]
fn crossovers_are_left_out_kept_in_the_first_group_or_kept_in_both() {
    let rows = [
        exposure("x", "grp_t", 3000),
        exposure("x", "grp_c", 1000),
        track("x", "order", 2000),
        track("x", "order", 4000),
        exposure("c", "grp_c", 1000),
        track("c", "order", 1000),
        exposure("t", "grp_t", 1000),
    ];
    for (crossovers, units, totals) in [
        (Crossovers::Exclude, vec![1, 1], vec![1.0, 0.0]),
        (Crossovers::First, vec![2, 1], vec![3.0, 0.0]),
        (Crossovers::Both, vec![2, 2], vec![3.0, 1.0]),
    ] {
        let found = answer(&rows, &experiment(), &Options { crossovers, ..Options::default() });
        assert_eq!((sizes(&found), sums(&found, "order"), found.crossovers), (units, totals, 1), "{crossovers:?}");
    }
}

/// Every way in which an exposure to `button` may not count, with its reason.
fn uncounted() -> Vec<(Row, &'static str)> {
    let mut staging = exposure("u8", "grp_t", 1000);
    staging.environment = "staging";
    let mut forced_in_staging = exposure("u9", "grp_t:userID:id_override", 1000);
    forced_in_staging.environment = "staging";
    let answered = |basis| resting_on(basis, exposure("u3", "grp_t", 1000));
    vec![
        (exposure("u3", "layerAssignment", 1000), "not_allocated"),
        (exposure("u3", "targetingGate", 1000), "not_targeted"),
        (exposure("u3", "inlineTargetingRules", 1000), "not_targeted"),
        (exposure("u3", "prestart", 1000), "not_started"),
        (exposure("u3", "launchedGroup", 1000), "decided"),
        (exposure("u3", "abandoned", 1000), "abandoned"),
        (exposure("u3", "default", 1000), "no_rule"),
        (exposure("u3", "disabled", 1000), "disabled"),
        (exposure("u3", "disabledGroup", 1000), "disabled_group"),
        (exposure("u3", "", 1000), "unrecognized"),
        (exposure("u3", "q3_holdout", 1000), "held_out"),
        (exposure("u3", "holdout:q3_holdout", 1000), "held_out"),
        (exposure("u3", "holdout:gone", 1000), "held_out"),
        (exposure("u3", "grp_of_another", 1000), "unknown_rule"),
        (exposure("u4", "grp_t:userID:id_override", 1000), "override"),
        (exposure("u4", "override", 1000), "override"),
        (answered(Basis::LocalOverride), "local_override"),
        (answered(Basis::NoValues), "no_values"),
        (answered(Basis::Unrecognized), "unrecognized"),
        (answered(Basis::OtherUser), "invalid_bootstrap"),
        (staging, "non_production"),
        (forced_in_staging, "non_production"),
        (exposure("u5", "grp_t", -1), "outside_window"),
        (exposure("u5", "grp_t", 3_600_000), "outside_window"),
        (exposure("", "grp_t", 1000), "no_unit"),
    ]
}

#[test]
fn exposures_that_do_not_count_are_counted_by_reason() {
    let mut rows = vec![
        exposure("u1", "grp_c", 1000),
        exposure("u6", "grp_t", 3_599_999),
        gate_exposure("u7", "button", "grp_t", "true", 1000),
    ];
    let mut expected: Vec<(String, u64)> = Vec::new();
    for (row, reason) in uncounted() {
        // By the same rule one exposure is told by itself.
        let exposure = Exposure {
            subject: row.subject.as_ref().unwrap(),
            time: row.time,
            environment: row.environment,
            has_unit: !row.unit.is_empty(),
        };
        let alone = standing(&experiment(), &exposure);
        assert_eq!(alone.map_err(NotCounted::as_str), Err(reason), "{row:?}");
        match expected.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => expected.push((reason.to_owned(), 1)),
        }
        rows.push(row);
    }
    expected.sort();
    let found = analyse(&rows);
    assert_eq!(found.not_counted.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((found.groups[0].units, found.groups[1].units, found.overridden), (1, 1, 2), "u3 and u4 were forced");
}

#[test]
fn an_experiment_is_known_by_its_names_and_their_hashes() {
    let named = |name: &str| {
        let mut row = exposure(name, "grp_c", 1000);
        row.subject.as_mut().unwrap().name = name.into();
        row
    };
    let rows = [
        named("button"),
        named("The Button"),
        named("1234567"),
        named("7654321"),
        named(""),
        layer_exposure("u1", "checkout", "grp_t", "1234567", 1000),
        layer_exposure("u2", "checkout", "grp_t", "button", 1000),
        layer_exposure("u3", "button", "grp_t", "7654321", 1000),
    ];
    let found = analyse(&rows);
    assert_eq!((sizes(&found), found.not_counted.len()), (vec![3, 2], 0));
}

#[test]
fn a_word_stands_for_one_reason_and_is_explained() {
    let words: std::collections::BTreeSet<&str> = NotCounted::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words.len(), NotCounted::ALL.len());
    let readme = include_str!("../../README.md");
    for word in words {
        assert!(readme.contains(&format!("| `{word}` |")), "README.md does not say what {word} means");
    }
}

#[test]
fn a_unit_that_an_override_reached_first_takes_no_part() {
    let rows = [
        exposure("forced", "grp_t:userID:id_override", 1000),
        exposure("forced", "grp_t", 2000),
        exposure("later", "grp_t", 1000),
        exposure("later", "grp_t:userID:id_override", 2000),
        exposure("u1", "grp_c", 1000),
    ];
    let found = analyse(&rows);
    assert_eq!((sizes(&found), found.overridden, found.crossovers), (vec![1, 1], 1, 0));
    let rows = [
        resting_on(Basis::LocalOverride, exposure("forced", "grp_t", 1000)),
        exposure("forced", "grp_c", 2000),
        exposure("u1", "grp_c", 1000),
    ];
    let found = analyse(&rows);
    assert_eq!((sizes(&found), found.overridden), (vec![1, 0], 1), "an override in the application is one too");
}

#[test]
fn only_production_events_of_metric_kinds_inside_the_window_count() {
    let mut staging = track("u1", "order", 2000);
    staging.environment = "staging";
    let of_kind = |kind: Kind, name: &'static str| Row { kind, ..track("u1", name, 2000) };
    let rows = [
        exposure("u1", "grp_c", 1000),
        exposure("u2", "grp_t", 1000),
        staging,
        track("u1", "order", 3_599_999),
        track("u1", "order", 3_600_000),
        of_kind(Kind::Identify, "segment::identify"),
        of_kind(Kind::Alias, "segment::alias"),
        of_kind(Kind::ConfigChange, "statsig::config_change"),
        of_kind(Kind::Custom, "custom"),
        of_kind(Kind::Page, "segment::page"),
        of_kind(Kind::Screen, "segment::screen"),
        of_kind(Kind::Group, "segment::group"),
    ];
    let found = analyse(&rows);
    assert_eq!(sums(&found, "order"), [1.0, 0.0]);
    let names: Vec<&str> = found.metrics.iter().map(|metric| metric.name.as_str()).step_by(2).collect();
    assert_eq!(names, ["custom", "order", "segment::group", "segment::page", "segment::screen"]);
}

#[test]
fn an_open_window_ends_with_the_last_receipt() {
    let question = Question { start: None, end: None, ..experiment() };
    let mut last = track("u1", "order", 9000);
    last.received = at(9000);
    let mut future = track("u1", "order", 9001);
    future.received = at(9000);
    let rows = [exposure("u1", "grp_c", 1000), exposure("u2", "grp_t", 1000), last, future];
    let report = conclude(&Memory::of(&rows), &question, &Options::default()).unwrap();
    assert_eq!((report.window.start, report.window.end), (None, Some(at(9000).0)));
    assert_eq!((report.as_of.sequence, report.as_of.time), (Some(3), Some(at(9000).0)));
    assert_eq!(sums(report.analysis.as_ref().unwrap(), "order"), [1.0, 0.0]);
}

#[test]
fn a_layers_exposure_counts_for_the_experiment_it_was_allocated_to() {
    let rows = [
        layer_exposure("u1", "checkout", "grp_c", "button", 1000),
        layer_exposure("u2", "checkout", "grp_t", "button", 1000),
        layer_exposure("u3", "checkout", "grp_t", "another", 1000),
        layer_exposure("u4", "button", "grp_t", "", 1000),
    ];
    let found = analyse(&rows);
    assert_eq!((sizes(&found), found.not_counted.len()), (vec![1, 1], 0));
}

#[test]
fn a_gate_compares_the_two_sides_of_each_rule_that_splits() {
    let rule = |id: &str, pass_percentage: f64| Rule {
        id: id.into(),
        name: id.to_uppercase(),
        pass_percentage,
        stages: Vec::new(),
    };
    let gate = |rules: Vec<Rule>| Question {
        name: "checkout".into(),
        design: Design::Gate { rules, only: None },
        ..experiment()
    };
    let rows = [
        gate_exposure("u1", "checkout", "ca", "true", 1000),
        track("u1", "order", 2000),
        gate_exposure("u2", "checkout", "ca", "false", 1000),
        gate_exposure("u3", "checkout", "all", "true", 1000),
        gate_exposure("u4", "checkout", "pass:all:id_override", "true", 1000),
        gate_exposure("u5", "checkout", "default", "false", 1000),
        gate_exposure("u6", "another", "ca", "true", 1000),
        gate_exposure("u7", "checkout", "every", "true", 1000),
        gate_exposure("u8", "checkout", "q3_holdout", "false", 1000),
    ];
    let log = Memory::of(&rows);
    let rules = vec![rule("ca", 50.0), rule("all", 10.0), rule("none", 0.0), rule("every", 100.0)];
    let whole = conclude(&log, &gate(rules.clone()), &Options::default()).unwrap();
    assert!(whole.analysis.is_none());
    let found: Vec<_> = whole.rules.iter().map(|rule| (rule.rule.as_ref().unwrap().id.as_str(), sizes(rule))).collect();
    assert_eq!(found, [("ca", vec![1, 1]), ("all", vec![0, 1])]);

    let one = Question { design: Design::Gate { rules, only: Some("ca".into()) }, ..gate(Vec::new()) };
    let single = conclude(&log, &one, &Options::default()).unwrap().analysis.unwrap();
    assert_eq!(single, whole.rules[0], "a rule by itself is concluded as among the others");
    assert_eq!(single.rule.as_ref().unwrap().pass_percentage, 50.0);
    assert_eq!(
        (single.groups[0].control, single.groups[0].id.as_str(), single.groups[1].id.as_str()),
        (true, "fail", "pass")
    );
    assert_eq!(sums(&single, "order"), [0.0, 1.0]);
    let reasons: Vec<(&str, u64)> = single.not_counted.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(reasons, [("held_out", 1), ("no_rule", 1), ("other_rule", 2), ("override", 1)]);

    // By itself an exposure is asked about the whole gate.
    let question = gate(
        whole
            .rules
            .iter()
            .map(|found| rule(&found.rule.as_ref().unwrap().id, 50.0))
            .chain([rule("every", 100.0)])
            .collect(),
    );
    let alone = rows.iter().filter_map(|row| row.subject.as_ref()).map(|subject| {
        let exposure = Exposure { subject, time: at(1000), environment: "production", has_unit: true };
        standing(&question, &exposure).err().map(NotCounted::as_str)
    });
    let expected = [
        None,
        None,
        None,
        Some("override"),
        Some("no_rule"),
        Some("not_in_catalog"),
        Some("nothing_to_compare"),
        Some("held_out"),
    ];
    assert_eq!(alone.collect::<Vec<_>>(), expected);

    let error = conclude(&log, &gate(vec![rule("every", 100.0)]), &Options::default()).unwrap_err();
    assert_eq!(error.code(), "nothing_to_compare");
}

#[test]
fn the_scorecard_comes_first_then_the_largest_names_or_those_asked_for() {
    let names: Vec<String> = (0..=TOP_NAMES).map(|n| format!("event {n:03}")).collect();
    let mut rows = vec![exposure("u1", "grp_c", 1000), exposure("u2", "grp_t", 1000)];
    for (volume, name) in names.iter().enumerate() {
        rows.extend((0..=volume).map(|_| Row { name: name.clone(), ..track("u1", "", 2000) }));
    }
    let primary = MetricChoice {
        name: "conversion".into(),
        kind: MetricKind::EventUser,
        definition: Definition::PerUnit(Quantity::Any(Measure::of(EventSource::named("event 000")))),
        role: Role::Primary,
        direction: None,
        hypothesis: None,
    };
    let question = Question { metrics: vec![primary], ..experiment() };
    let all = answer(&rows, &question, &Options::default());
    assert_eq!(all.metrics.len(), 1 + 2 * TOP_NAMES);
    assert_eq!(
        (all.metrics[0].name.as_str(), all.metrics[0].role, all.metrics[0].groups[0].sum),
        ("conversion", Role::Primary, Some(1.0))
    );
    assert_eq!((all.metrics[1].name.as_str(), all.metrics[1].role), ("event 200", Role::Other));
    assert!(all.metrics.iter().all(|metric| metric.name != "event 000"));

    let options = Options { metrics: vec!["event 000, event 007".into(), "never seen".into()], ..Options::default() };
    let chosen = answer(&rows, &question, &options);
    let listed: Vec<&str> = chosen.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(listed, ["conversion", "event 000", "event 000", "event 007", "event 007", "never seen", "never seen"]);
    assert_eq!((sums(&chosen, "event 007"), sums(&chosen, "never seen")), (vec![8.0, 0.0], vec![0.0, 0.0]));
}

#[test]
fn a_group_that_should_get_nobody_has_no_projected_impact() {
    let mut question = Question {
        metrics: vec![MetricChoice { role: Role::Primary, ..MetricChoice::automatic("order")[0].clone() }],
        ..experiment()
    };
    if let Design::Experiment { groups, .. } = &mut question.design {
        groups[1].size = 0.0;
    }
    let rows = ["a", "b", "c", "d"].map(|unit| exposure(unit, if unit < "c" { "grp_c" } else { "grp_t" }, 10));
    let orders = ["a", "c", "c"].map(|unit| track(unit, "order", 20));
    let analysis = answer(&[&rows[..], &orders[..]].concat(), &question, &Options::default());
    let impact = analysis.metrics[0].comparisons[0].impact.clone().unwrap();
    assert!(impact.topline.absolute.is_some());
    assert_eq!((impact.projected.absolute, impact.projected.reason.as_deref()), (None, Some("no_allocation")));
}

#[test]
fn health_tells_what_is_wrong_and_what_to_do() {
    let status = |found: &Analysis, name: &str| {
        let check = found.health.iter().find(|check| check.check == name).expect("the check is listed");
        assert_eq!(check.remedy.is_some(), check.status != Balanced::Ok, "{check:?}");
        check.status
    };
    let empty = analyse(&[]);
    assert_eq!(status(&empty, "exposures"), Balanced::Alert);
    assert_eq!(empty.srm.reason.as_deref(), Some("no_units"));

    let ids: Vec<String> = (0..1000).map(|n| format!("u{n}")).collect();
    let exposed = |to: &dyn Fn(usize) -> &'static str| -> Vec<Row> {
        ids.iter().enumerate().map(|(n, id)| exposure(id, to(n), 1000)).collect()
    };
    let mut sound = exposed(&|n| if n % 2 == 0 { "grp_c" } else { "grp_t" });
    let silent = analyse(&sound);
    assert_eq!(status(&silent, "units_match"), Balanced::Alert);
    sound.extend(ids.iter().take(49).map(|id| track(id, "order", 2000)));
    assert_eq!(status(&analyse(&sound), "units_match"), Balanced::Warning);
    sound.push(track(&ids[50], "order", 500));
    let found = analyse(&sound);
    for name in ["exposures", "units_match", "srm", "crossovers", "enough_data"] {
        assert_eq!(status(&found, name), Balanced::Ok, "{name}");
    }

    let uneven = analyse(&exposed(&|n| if n % 12 == 0 { "grp_c" } else { "grp_t" }));
    assert_eq!((status(&uneven, "srm"), status(&uneven, "enough_data")), (Balanced::Alert, Balanced::Warning));

    for (crossed, verdict) in
        [(1, Balanced::Ok), (2, Balanced::Warning), (10, Balanced::Warning), (11, Balanced::Alert)]
    {
        let mut rows = sound.clone();
        rows.extend(ids.iter().take(crossed).flat_map(|id| [exposure(id, "grp_c", 1500), exposure(id, "grp_t", 1500)]));
        assert_eq!(status(&analyse(&rows), "crossovers"), verdict, "{crossed} of 1000");
    }
}

#[test]
fn a_report_keeps_its_names_and_an_undefined_number_is_null_with_a_reason() {
    let rows = [exposure("u1", "grp_c", 1000), exposure("u2", "grp_t", 1000), track("u2", "order", 2000)];
    let report = conclude(&Memory::of(&rows), &experiment(), &Options::default()).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let keys = |pointer: &str| -> Vec<String> {
        let object = json.pointer(pointer).and_then(|value| value.as_object()).unwrap_or_else(|| panic!("{pointer}"));
        object.keys().cloned().collect()
    };
    for (pointer, names) in [
        ("", "version kind name idType asOf window options groups crossovers notCounted srm health metrics"),
        ("/asOf", "sequence time"),
        ("/window", "start end"),
        ("/options", "level crossovers relative join winsorize cuped start end metrics"),
        ("/groups/0", "name id control units exposures"),
        ("/srm", "chi2 dof p status"),
        ("/health/0", "check status detail remedy"),
        ("/metrics/0", "name type role groups comparisons"),
        ("/metrics/0/groups/0", "name units sum mean variance standardError reason"),
        ("/metrics/0/comparisons/0", "group control variant absolute relative sequential adjusted"),
        ("/metrics/0/comparisons/0/absolute", "delta standardError ci p test dof reason"),
        ("/metrics/0/comparisons/0/relative", "delta ci method reason"),
    ] {
        for name in names.split(' ') {
            assert!(keys(pointer).iter().any(|key| key == name), "{pointer} has no {name}: {:?}", keys(pointer));
        }
    }
    let at = |pointer: &str| json.pointer(pointer).unwrap();
    assert_eq!((at("/version"), at("/kind"), at("/srm/status")), (&1.into(), &"experiment".into(), &"ok".into()));
    assert_eq!((at("/metrics/0/type"), at("/metrics/1/type")), (&"event_count".into(), &"event_user".into()));
    assert_eq!((at("/options/join"), at("/options/cuped")), (&"timestamp".into(), &false.into()));
    assert_eq!(at("/options/winsorize"), 0.0);
    assert!(at("/metrics/0/groups/0/variance").is_null());
    assert_eq!(at("/metrics/0/groups/0/reason"), "too_few_units");
    assert_eq!(at("/metrics/0/comparisons/0/absolute/delta"), 1.0);
    assert!(at("/metrics/0/comparisons/0/absolute/p").is_null());
    assert_eq!(at("/metrics/0/comparisons/0/relative/reason"), "control_mean_zero");
    let back: Report = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(back, report);
}

#[test]
fn what_cannot_be_answered_says_why() {
    let log = Memory::of(&[]);
    let mut lonely = experiment();
    if let Design::Experiment { groups, .. } = &mut lonely.design {
        groups.truncate(1);
    }
    assert_eq!(conclude(&log, &lonely, &Options::default()).unwrap_err().code(), "nothing_to_compare");
    let options = Options { start: Some(at(3_600_000)), ..Options::default() };
    let error = conclude(&log, &experiment(), &options).unwrap_err();
    assert_eq!(error.code(), "empty_window");
    let empty = conclude(&log, &experiment(), &Options::default()).unwrap();
    assert_eq!((empty.as_of.sequence, sizes(&empty.analysis.unwrap())), (None, vec![0, 0]));
}

/// Whoever may read can ask in as many ways as there are environments, whether or not there is anything in them.
#[test]
fn reports_that_gathered_nothing_weigh_too() {
    let log = Memory::of(&[exposure("u1", "grp_c", 1000), exposure("u2", "grp_t", 1000)]);
    let asked = |nth: usize| Options { environment: format!("e{nth}"), ..Options::default() };
    let size = serde_json::to_vec(&conclude(&log, &experiment(), &asked(0)).unwrap()).unwrap().len();
    let reports = Reports::new(10 * size + size / 2);
    let made: Vec<_> = (0..50)
        .map(|nth| std::sync::Arc::downgrade(&reports.report(&log, &experiment(), &asked(nth)).unwrap()))
        .collect();
    let kept = made.iter().filter(|report| report.strong_count() > 0).count();
    assert!((1..=11).contains(&kept), "{kept} of 50");
    assert!(made[49].strong_count() > 0, "the last one stays");
}
