//! Generated logs, concluded twice: by the product, and by a plain rereading of the rules that looks at one unit and one
//! metric at a time and sums in the textbook's way.

use super::memory::{Memory, Row, at, exposure, layer_exposure, track};
use super::{Analysis, Crossovers, MetricKind, Options, Question, conclude, experiment};
use std::collections::BTreeSet;

/// A small generator (SplitMix64), so that a seed in a failure's text is enough to see it again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

const GROUPS: [&str; 2] = ["grp_c", "grp_t"];

/// Units of every sort in one log, in random order; times fall on few values so that ties are common.
fn generate(random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::new();
    for unit in 0..40 + random.below(200) {
        let id = format!("unit {unit}");
        let home = GROUPS[(unit % 2) as usize];
        for _ in 0..random.below(4) {
            let rule = match random.below(30) {
                0 => random.pick(&GROUPS),
                1 => "layerAssignment",
                2 => "grp_t:userID:id_override",
                _ => home,
            };
            let time = random.below(40) as i64 * 100_000 - 200_000;
            let mut row = match random.below(3) {
                0 => layer_exposure(&id, "layer", rule, "button", time),
                _ => exposure(&id, rule, time),
            };
            row.environment = random.pick(&["production", "production", "production", "staging"]);
            rows.push(row);
        }
        for _ in 0..random.below(12) {
            let name = random.pick(&["view", "view", "view", "order", "refund"]);
            let mut row = track(&id, name, random.below(40) as i64 * 100_000 - 200_000);
            row.environment = random.pick(&["production", "production", "development"]);
            rows.push(row);
        }
    }
    rows.extend((0..5).map(|n| track("", "view", n)));
    random.shuffle(&mut rows);
    rows
}

/// The groups of one unit, each with the time from which its events count.
fn memberships(rows: &[Row], unit: &str, question: &Question, crossovers: Crossovers) -> Vec<(usize, i64)> {
    let mut met: Vec<(i64, i32)> = rows
        .iter()
        .filter(|row| row.unit == unit && row.environment == "production")
        .filter(|row| question.start.unwrap() <= row.time && row.time < question.end.unwrap())
        .filter_map(|row| {
            let rule = &row.subject.as_ref()?.rule;
            let group = GROUPS.iter().position(|group| group == rule).map(|group| group as i32);
            Some((row.time.0, group.or(rule.contains("override").then_some(-1))?))
        })
        .collect();
    met.sort();
    if met.first().is_none_or(|first| first.1 == -1) {
        return vec![];
    }
    let mut firsts: Vec<(usize, i64)> = Vec::new();
    for (time, group) in met {
        if group >= 0 && firsts.iter().all(|first| first.0 != group as usize) {
            firsts.push((group as usize, time));
        }
    }
    match crossovers {
        Crossovers::Exclude if firsts.len() > 1 => vec![],
        Crossovers::First => firsts[..1].to_vec(),
        _ => firsts,
    }
}

/// n, sum, mean, variance of each group, for one metric.
fn expected(rows: &[Row], question: &Question, crossovers: Crossovers, name: &str, kind: MetricKind) -> Vec<[f64; 4]> {
    let units: BTreeSet<&str> = rows.iter().map(|row| row.unit.as_str()).filter(|unit| !unit.is_empty()).collect();
    let mut values = vec![Vec::new(); GROUPS.len()];
    for unit in units {
        for (group, since) in memberships(rows, unit, question, crossovers) {
            let events = rows.iter().filter(|row| {
                row.unit == unit
                    && row.name == name
                    && row.environment == "production"
                    && row.time.0 >= since
                    && row.time < question.end.unwrap()
            });
            let count = events.count() as f64;
            values[group].push(if kind == MetricKind::EventUser { count.min(1.0) } else { count });
        }
    }
    values
        .into_iter()
        .map(|values: Vec<f64>| {
            let n = values.len() as f64;
            let sum: f64 = values.iter().sum();
            let scatter: f64 = values.iter().map(|value| (value - sum / n).powi(2)).sum();
            [n, sum, sum / n, scatter / (n - 1.0)]
        })
        .collect()
}

fn close(found: f64, expected: f64) -> bool {
    found == expected || (found - expected).abs() <= 1e-12 * expected.abs().max(found.abs())
}

fn run(rows: &[Row], question: &Question, crossovers: Crossovers) -> Analysis {
    let options = Options { crossovers, ..Options::default() };
    conclude(&Memory::of(rows), question, &options).unwrap().analysis.unwrap()
}

#[test]
fn units_and_moments_agree_with_a_naive_reading_of_the_rules() {
    let question = experiment();
    for seed in 0..30 {
        let rows = generate(&mut Random(seed));
        for crossovers in [Crossovers::Exclude, Crossovers::First, Crossovers::Both] {
            let found = run(&rows, &question, crossovers);
            assert!(!found.metrics.is_empty(), "seed {seed}");
            for metric in &found.metrics {
                let what = format!("seed {seed}, {crossovers:?}, {} {:?}", metric.name, metric.kind);
                let groups = expected(&rows, &question, crossovers, &metric.name, metric.kind);
                for (group, [n, sum, mean, variance]) in metric.groups.iter().zip(groups) {
                    assert_eq!((group.units as f64, group.sum), (n, Some(sum)), "{what}");
                    assert!(group.mean.is_some_and(|found| close(found, mean)), "{what}: {group:?} {mean}");
                    assert!(group.variance.is_some_and(|found| close(found, variance)), "{what}: {group:?} {variance}");
                }
            }
            let all = rows.iter().filter(|row| row.subject.is_some()).count() as u64;
            let counted: u64 = found.groups.iter().map(|group| group.exposures).sum();
            assert_eq!(counted + found.not_counted.values().sum::<u64>(), all, "seed {seed}");
        }
    }
}

#[test]
fn the_order_of_the_log_does_not_show() {
    let question = experiment();
    for seed in 100..120 {
        let mut random = Random(seed);
        let mut rows = generate(&mut random);
        let before = run(&rows, &question, Crossovers::Both);
        assert_eq!(before, run(&rows, &question, Crossovers::Both), "seed {seed}: the same log, the same report");
        random.shuffle(&mut rows);
        assert_eq!(before, run(&rows, &question, Crossovers::Both), "seed {seed}: shuffled");
    }
}

#[test]
fn more_events_than_are_gathered_at_once_are_all_counted() {
    let question = Question { end: Some(at(i64::from(u32::MAX))), ..experiment() };
    let mut rows = vec![exposure("u1", "grp_c", 0), exposure("u2", "grp_t", 0)];
    // Rows are bulky, so one block is scanned many times over instead.
    rows.extend((0..1000).map(|n| track(["u1", "u2", "u2"][n % 3], ["view", "order"][n % 2], n as i64)));
    let log = Repeated { log: Memory::of(&rows), times: 2200 };
    let found = conclude(&log, &question, &Options::default()).unwrap().analysis.unwrap();
    let sums: f64 = found
        .metrics
        .iter()
        .filter(|metric| metric.kind == MetricKind::EventCount)
        .flat_map(|metric| &metric.groups)
        .filter_map(|group| group.sum)
        .sum();
    assert_eq!(sums, 2_200_000.0);
    assert_eq!(found.metrics[0].groups[0].sum.unwrap() + found.metrics[2].groups[0].sum.unwrap(), 734_800.0);
}

/// The same log several times over.
struct Repeated {
    log: Memory,
    times: usize,
}

impl super::Log for Repeated {
    fn next_sequence(&self) -> crate::event::Sequence {
        self.log.next_sequence()
    }

    fn as_of_time(&self) -> Option<crate::event::Timestamp> {
        self.log.as_of_time()
    }

    fn terms(&self) -> &crate::store::Terms {
        self.log.terms()
    }

    fn scan(
        &self,
        each: &mut dyn FnMut(crate::event::Sequence, &crate::store::Columns) -> std::ops::ControlFlow<()>,
    ) -> Result<(), super::LogError> {
        (0..self.times).try_for_each(|_| self.log.scan(each))
    }
}
