//! What a person relies on in a gate's report while its percentage changes: a trend over time is no effect, a unit counts
//! in one stage, and what an analysis is about is told.

use super::memory::{Memory, Row, at, gate_exposure, track};
use super::oracle::hard::{self, Random, Shape};
use super::{experiment, metric, sizes, sums};
use crate::results::*;

const DAY: i64 = 86_400_000;

/// A gate whose rule `r` had these percentages, each for so many milliseconds.
fn rolled_out(percentages: &[f64], each: i64) -> Question {
    let bound = |nth: usize| (0 < nth && nth < percentages.len()).then(|| at(nth as i64 * each));
    let stage = |(nth, &pass_percentage): (usize, &f64)| Stage {
        start: bound(nth),
        end: bound(nth + 1),
        pass_percentage,
        dealt_anew: false,
    };
    let stages: Vec<Stage> = percentages.iter().enumerate().map(stage).collect();
    let pass_percentage = percentages[percentages.len() - 1];
    let rule = Rule { id: "r".into(), name: "R".into(), pass_percentage, stages };
    Question {
        name: "g".into(),
        design: Design::Gate { rules: vec![rule], only: None },
        start: None,
        end: Some(at(percentages.len() as i64 * each)),
        ..experiment()
    }
}

fn asked(rows: &[Row], question: &Question, options: &[(&str, &str)]) -> Report {
    let options = Options::parse(options.iter().copied()).unwrap();
    conclude(&Memory::in_blocks(rows, 500), question, &options).unwrap()
}

fn analysed(rows: &[Row], question: &Question, options: &[(&str, &str)]) -> Analysis {
    asked(rows, question, options).analysis.expect("one analysis")
}

fn met(unit: &str, value: &str, ms: i64) -> Row {
    gate_exposure(unit, "g", "r", value, ms)
}

#[test]
fn a_unit_belongs_to_the_stage_that_it_was_first_met_in_and_its_events_count_until_the_next() {
    let question = rolled_out(&[10.0, 70.0, 100.0], 1000);
    let order = |unit: &str, ms: i64| track(unit, "order", ms);
    let rows = [
        // Failed at 10 %, passes at 70 %: no crossover of either stage.
        met("grown", "false", 500),
        met("grown", "true", 1500),
        order("grown", 700),
        order("grown", 999),
        order("grown", 1000),
        order("grown", 1700),
        // An earlier exposure may come later in the log.
        met("late", "true", 1200),
        met("late", "false", 100),
        order("late", 1300),
        met("pass", "true", 999),
        order("pass", 999),
        // Both sides within one stage.
        met("crossed", "true", 600),
        met("crossed", "false", 700),
        met("crossed", "true", 1700),
        met("new", "true", 1000),
        order("new", 1000),
        order("new", 2000),
        met("new fail", "false", 1999),
        met("forced", "true", 1500),
        resting_on_override("forced", 400),
        met("after", "true", 2000),
        order("after", 2100),
    ];
    let first = analysed(&rows, &question, &[("stage", "1")]);
    assert_eq!((sizes(&first), sums(&first, "order")), (vec![2, 1], vec![2.0, 1.0]));
    assert_eq!((first.crossovers, first.overridden, first.other_stages), (1, 1, 2));
    let usual = analysed(&rows, &question, &[]);
    assert_eq!((sizes(&usual), sums(&usual, "order")), (vec![1, 1], vec![0.0, 1.0]));
    assert_eq!((usual.crossovers, usual.overridden, usual.other_stages), (0, 1, 4));
    assert_eq!(usual, analysed(&rows, &question, &[("stage", "2")]));
    // All exposures: those that count, those of other stages, and those by which nothing can be compared.
    let exposures = rows.iter().filter(|row| row.subject.is_some()).count() as u64;
    for found in [&first, &usual] {
        let counted: u64 = found.groups.iter().map(|group| group.exposures).sum();
        assert_eq!(counted + found.not_counted.values().sum::<u64>(), exposures);
        assert_eq!((found.not_counted["nothing_to_compare"], found.not_counted["override"]), (1, 1));
    }
    assert_eq!((first.not_counted["other_stage"], usual.not_counted["other_stage"]), (6, 5));

    let all = asked(&rows, &question, &[("stage", "all")]);
    assert_eq!((all.analysis, all.rules), (None, vec![first, usual]));
    // Each exposure by itself is told what the report without options says.
    for (row, expected) in [(0, Err("other_stage")), (1, Ok(())), (20, Err("nothing_to_compare"))] {
        let exposure = Exposure {
            subject: rows[row].subject.as_ref().unwrap(),
            time: rows[row].time,
            environment: "production",
            has_unit: true,
        };
        assert_eq!(standing(&question, &exposure).map_err(NotCounted::as_str), expected, "{row}");
    }
}

fn resting_on_override(unit: &str, ms: i64) -> Row {
    gate_exposure(unit, "g", "pass:userID:id_override", "true", ms)
}

#[test]
fn a_report_tells_its_stages() {
    let told = |question: &Question, options: &[(&str, &str)]| {
        let found = analysed(&[], question, options);
        let rule = serde_json::to_value(found.rule.unwrap()).unwrap();
        let used: Vec<bool> = rule["stages"].as_array().unwrap().iter().map(|stage| stage["used"] == true).collect();
        (rule["stage"].to_string(), rule["balance"].as_str().unwrap().to_owned(), used)
    };
    let grown = rolled_out(&[0.0, 10.0, 50.0], DAY);
    assert_eq!(told(&grown, &[]), ("\"pooled\"".into(), "balanced".into(), vec![false, true, true]));
    assert_eq!(told(&grown, &[("balance", "whole")]), ("3".into(), "whole".into(), vec![false, false, true]));
    assert_eq!(told(&grown, &[("stage", "2")]), ("2".into(), "whole".into(), vec![false, true, false]));
    let rule = serde_json::to_value(analysed(&[], &grown, &[]).rule.unwrap()).unwrap();
    assert_eq!(rule["passPercentage"], 50.0);
    let second = serde_json::json!({"start": at(DAY).0, "end": at(2 * DAY).0, "passPercentage": 10.0, "used": true});
    assert_eq!(rule["stages"][1], second);
    assert!(rule["stages"][0]["start"].is_null() && rule["stages"][2]["end"].is_null());
    let text = render(&asked(&[], &grown, &[]), 200);
    let lines = ["stage 1: 0 %, stage 2: 10 % from ", "(analysed), stage 3: 50 % from ", "Groups of equal size"];
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");
    let always = rolled_out(&[50.0], DAY);
    assert!(!render(&asked(&[], &always, &[]), 200).contains("stage"));
    assert_eq!(told(&always, &[]), ("1".into(), "whole".into(), vec![true]));

    for (question, options, code) in [
        (&grown, ("stage", "1"), "nothing_to_compare"),
        (&grown, ("stage", "4"), "nothing_to_compare"),
        (&experiment(), ("stage", "1"), "invalid_option"),
        (&experiment(), ("balance", "whole"), "invalid_option"),
    ] {
        let error = conclude(&Memory::of(&[]), question, &Options::parse([options]).unwrap()).unwrap_err();
        assert_eq!(error.code(), code, "{options:?}: {error}");
    }
}

/// What units do while a gate goes from 10 % to 50 %, ten days each: they come, some come again, and by then everybody orders
/// more than before. `effect`: so many orders a visit does the gate add.
fn growing(seed: u64, effect: u64) -> Vec<Row> {
    let mut random = Random(seed);
    let mut rows = Vec::new();
    for unit in 0..2000 {
        let unit = format!("u{unit}");
        let bucket = random.below(1000);
        let come = random.below(20 * DAY as u64) as i64;
        let again = come + 1 + random.below((20 * DAY - come) as u64) as i64;
        let visits = if random.below(2) == 0 { vec![come] } else { vec![come, again] };
        for visit in visits.into_iter().filter(|visit| *visit < 20 * DAY) {
            let (percentage, usual) = if visit < 10 * DAY { (100, 0) } else { (500, 3) };
            let passes = bucket < percentage;
            rows.push(met(&unit, if passes { "true" } else { "false" }, visit));
            let orders = usual + random.below(3) + if passes { effect } else { 0 };
            rows.extend((0..orders).map(|_| track(&unit, "order", visit)));
        }
    }
    rows.into_iter().map(|row| Row { received: at(20 * DAY), ..row }).collect()
}

fn p(analysis: &Analysis) -> f64 {
    metric(analysis, "order", MetricKind::EventCount).comparisons[0].absolute.p.expect("there is a p-value")
}

#[test]
fn a_trend_over_time_is_no_effect_of_a_gate_that_grew() {
    const SEEDS: u64 = 60;
    let staged = rolled_out(&[10.0, 50.0], 10 * DAY);
    let mut mixed = staged.clone();
    if let Design::Gate { rules, .. } = &mut mixed.design {
        rules[0].stages.clear();
    }
    // How often there seems to be an effect at 5 %: with all time in one, pooled, and in the stages by themselves.
    let mut found = [0u64; 4];
    for seed in 0..SEEDS {
        let rows = growing(seed, 0);
        let ways = [(&mixed, None), (&staged, None), (&staged, Some("1")), (&staged, Some("2"))];
        for (count, (question, stage)) in found.iter_mut().zip(ways) {
            let options = stage.map(|stage| ("stage", stage));
            *count += u64::from(p(&analysed(&rows, question, options.as_slice())) < 0.05);
        }
        let pooled = analysed(&rows, &staged, &[]);
        let rule = pooled.rule.as_ref().unwrap();
        assert_eq!(
            (rule.balance, rule.stage),
            (Sides::Balanced, AnalysedStage::Several(Pooled::Pooled)),
            "seed {seed}"
        );
        assert!(pooled.srm.p.unwrap() > 1e-4, "seed {seed}: {:?}", pooled.groups);
        assert_eq!((pooled.crossovers, pooled.other_stages), (0, 0), "seed {seed}");
        let [fail, pass] = [0, 1].map(|group: usize| (pooled.groups[group].units, pooled.groups[group].unused));
        assert_eq!((fail.0 + fail.1 + pass.0, pass.1), (2000, 0), "seed {seed}: every unit is in one place");
        assert!(fail.1 > 600, "seed {seed}: most who failed at 10 % are not used");
        assert_eq!((pooled.groups[0].size, pooled.groups[1].size), (50.0, 50.0));
    }
    assert_eq!(found[0], SEEDS, "the trend is strong enough to be seen as an effect where stages are mixed");
    // Of 60 at 5 %: more than 10 with a probability of one in 1,500.
    assert!(found[1..].iter().all(|found| *found <= 10), "{found:?}");

    let effective = analysed(&growing(1, 1), &staged, &[]);
    let comparison = &metric(&effective, "order", MetricKind::EventCount).comparisons[0].absolute;
    // One order more on each visit of the stage that a unit belongs to.
    let [low, high] = comparison.ci.unwrap().map(Option::unwrap);
    assert!(comparison.p.unwrap() < 1e-6 && low < 1.2 && high > 1.1, "{comparison:?}");
}

#[test]
fn neither_the_order_of_the_log_nor_its_blocks_show_in_pooled_stages() {
    let question = rolled_out(&[10.0, 50.0], 10 * DAY);
    let mut rows = growing(3, 1);
    rows.truncate(3000);
    let all: [&[(&str, &str)]; 3] = [
        &[("view", "daily"), ("cuped", "true"), ("winsorize", "0.99")],
        &[("view", "cumulative"), ("stage", "all"), ("balance", "balanced")],
        &[("view", "days_since_exposure"), ("crossovers", "both"), ("join", "date")],
    ];
    for options in all {
        let expected = asked(&rows, &question, options);
        let mut shuffled = rows.clone();
        Random(5).shuffle(&mut shuffled);
        assert_eq!(asked(&shuffled, &question, options), expected, "{options:?}");
    }
}

#[test]
fn the_days_of_pooled_stages_add_up_to_the_whole() {
    let question = rolled_out(&[10.0, 50.0], 10 * DAY);
    let rows = growing(4, 0);
    let total = |points: &[Point], day: usize| -> Vec<f64> {
        points[day].groups.iter().map(|group| group.sum.unwrap()).collect()
    };
    let whole = analysed(&rows, &question, &[("view", "cumulative")]);
    let count = metric(&whole, "order", MetricKind::EventCount);
    assert_eq!(total(&count.series, count.series.len() - 1), sums(&whole, "order"));
    assert_eq!(count.series.last().unwrap().comparisons[0].absolute.p, count.comparisons[0].absolute.p);

    let daily = analysed(&rows, &question, &[("view", "daily")]);
    let series = &metric(&daily, "order", MetricKind::EventCount).series;
    let added = (0..series.len()).map(|day| total(series, day)).fold(vec![0.0; 2], |mut sums, day| {
        sums.iter_mut().zip(day).for_each(|(sum, of_day)| *sum += of_day);
        sums
    });
    assert_eq!(added, sums(&daily, "order"));
    // When the second stage begins nobody of the first is left: a day has those who came since.
    let second = (at(10 * DAY).0 / DAY + 1) * DAY;
    let on = series.iter().find(|point| point.day == second).expect("the day is in the series");
    let since: u64 = daily
        .exposure_days
        .iter()
        .filter(|day| at(10 * DAY).0 - DAY < day.start && day.start <= second)
        .map(|day| day.units.iter().sum::<u64>())
        .sum();
    let units: u64 = on.groups.iter().map(|group| group.units).sum();
    assert!(units <= since, "{units} of {since}");
}

#[test]
fn a_stage_by_itself_is_the_report_of_its_time() {
    let border = at(3 * DAY);
    let stage = |start, end, pass_percentage| Stage { start, end, pass_percentage, dealt_anew: false };
    let half = hard::question(Shape::Gate);
    let mut staged = half.clone();
    if let Design::Gate { rules, .. } = &mut staged.design {
        rules[0].stages = vec![stage(None, Some(border), 50.0), stage(Some(border), None, 80.0)];
    }
    let views = ["", "daily", "cumulative", "days_since_exposure"];
    for (seed, view) in (0..8).flat_map(|seed| views.map(|view| (seed, view))) {
        let rows = hard::log(Shape::Gate, &mut Random(seed));
        let options = [("view", view), ("cuped", "true"), ("winsorize", "0.9"), ("crossovers", "both")];
        let one = analysed(&rows, &staged, &[options.as_slice(), &[("stage", "1")]].concat());
        let end = border.0.to_string();
        let alone = analysed(&rows, &half, &[options.as_slice(), &[("end", &end)]].concat());
        assert_eq!((&one.groups, one.overridden, &one.srm), (&alone.groups, alone.overridden, &alone.srm));
        let scored = |analysis: &Analysis| -> Vec<Metric> {
            analysis.metrics.iter().filter(|metric| metric.role != Role::Other).cloned().collect()
        };
        assert_eq!(scored(&one), scored(&alone), "seed {seed}, {view}");
        assert!(one.metrics.len() > 10 && one.other_stages > 0, "seed {seed}: there are units of both stages");
    }
}

#[test]
fn units_that_a_filter_keeps_out_are_neither_used_nor_left_over() {
    let question = rolled_out(&[10.0, 50.0], 10 * DAY);
    let rows = growing(2, 0);
    let border = at(10 * DAY).0.to_string();
    let counts = |found: &Analysis| -> Vec<(u64, u64)> {
        found.groups.iter().map(|group| (group.units, group.unused)).collect()
    };
    let early = analysed(&rows, &question, &[("exposedUntil", &border)]);
    let first = analysed(&rows, &question, &[("stage", "1"), ("balance", "balanced")]);
    assert_eq!(counts(&early), counts(&first));
    assert!(counts(&first)[0].1 > 0);
    let late = analysed(&rows, &question, &[("exposedFrom", &border)]);
    assert_eq!(counts(&late)[0].1, 0, "at 50 % nobody is left over");
}

#[test]
fn pooled_stages_add_up_from_their_equal_parts() {
    let question = rolled_out(&[10.0, 20.0, 50.0], 7 * DAY);
    for seed in 0..5 {
        let rows = growing(seed, 1);
        let pooled = analysed(&rows, &question, &[]);
        let parts = asked(&rows, &question, &[("stage", "all"), ("balance", "balanced")]).rules;
        assert_eq!(parts.len(), 3);
        let numbers = |analysis: &Analysis| -> Vec<f64> {
            let units = analysis.groups.iter().flat_map(|group| [group.units, group.unused, group.exposures]);
            sums(analysis, "order").into_iter().chain(units.map(|count| count as f64)).collect()
        };
        let added = parts.iter().map(numbers).fold(vec![0.0; 8], |mut sums, part| {
            sums.iter_mut().zip(part).for_each(|(sum, of_part)| *sum += of_part);
            sums
        });
        assert_eq!(numbers(&pooled), added, "seed {seed}");
    }
}
