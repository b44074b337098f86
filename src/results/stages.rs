//! The stages of a gate's rule: in which of them a moment lies, which are analysed, and how their two sides are made equal.
//! Knows no unit by name and no catalog.

use super::options::{Options, Sides, StageChoice};
use super::question::{FAIL, PASS, Rule};
use super::standing::NotCounted;
use crate::event::Timestamp;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Up to this percentage stages are pooled: beyond it the side that passes is the larger one, and an equal part of it would
/// be of those who passed earlier.
pub const POOLED_UP_TO: f64 = 50.0;

/// A time during which a rule passed the same part of the same units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Its first moment; the first stage has none.
    pub start: Option<Timestamp>,
    /// The first moment after it; the last stage has none.
    pub end: Option<Timestamp>,
    /// 0 to 100; 0 also while the gate was switched off or had no such rule.
    pub pass_percentage: f64,
    /// Whether units were dealt anew at its start, so that who passed before may fail now.
    pub dealt_anew: bool,
}

impl Stage {
    fn always(pass_percentage: f64) -> Stage {
        Stage { start: None, end: None, pass_percentage, dealt_anew: false }
    }

    fn splits(&self) -> bool {
        self.pass_percentage > 0.0 && self.pass_percentage < 100.0
    }

    fn is_in_period(&self, options: &Options) -> bool {
        let is_over = self.end.zip(options.start).is_some_and(|(end, start)| end <= start);
        let is_ahead = self.start.zip(options.end).is_some_and(|(start, end)| end <= start);
        !is_over && !is_ahead
    }

    /// Whether units go on as in the stage before: by the same hash, and either the same part of them passes or a larger one
    /// of up to half.
    fn continues(&self, before: &Stage) -> bool {
        let is_same = before.pass_percentage == self.pass_percentage;
        let grew = before.pass_percentage < self.pass_percentage && self.pass_percentage <= POOLED_UP_TO;
        !self.dealt_anew && before.splits() && self.splits() && (is_same || grew)
    }

    /// The part of each side that is used if both are to be of equal size.
    fn rates(&self) -> [f64; 2] {
        let (pass, fail) = (self.pass_percentage, 100.0 - self.pass_percentage);
        let mut rates = [1.0; 2];
        rates[FAIL] = (pass / fail).min(1.0);
        rates[PASS] = (fail / pass).min(1.0);
        rates
    }
}

/// The stages of one rule with those that one analysis is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stages {
    pub all: Vec<Stage>,
    /// Those in question, by place in `all`: one, or several that follow one another. Of equal percentages if sides are whole.
    pub chosen: std::ops::Range<usize>,
    pub sides: Sides,
    /// What the sample of the larger side is drawn by.
    seed: u64,
}

impl Stages {
    /// The analyses that are asked for; none if no stage of the rule has anything to compare.
    pub fn of(gate: &str, rule: &Rule, options: &Options) -> Vec<Stages> {
        let all = if rule.stages.is_empty() { vec![Stage::always(rule.pass_percentage)] } else { rule.stages.clone() };
        let usable: Vec<usize> =
            (0..all.len()).filter(|&at| all[at].splits() && all[at].is_in_period(options)).collect();
        let seed = seed(gate, &rule.id);
        let make = |chosen: std::ops::Range<usize>, sides: Sides| Stages { all: all.clone(), chosen, sides, seed };
        let apart = options.sides.unwrap_or_default();
        match options.stage {
            StageChoice::All => usable.iter().map(|&at| make(at..at + 1, apart)).collect(),
            StageChoice::One(number) => {
                let found = usable.iter().filter(|&&at| at + 1 == number.get() as usize);
                found.map(|&at| make(at..at + 1, apart)).collect()
            }
            StageChoice::Usual => {
                let Some(&last) = usable.last() else { return Vec::new() };
                // Whole sides of unequal parts must not be pooled: units that came early mostly fail, and a trend over time
                // would show as an effect.
                let is_equal = |at: usize| all[at].pass_percentage == all[last].pass_percentage;
                let fits = |at: usize| is_equal(at) || options.sides != Some(Sides::Whole);
                let mut first = last;
                while first > 0
                    && usable.contains(&(first - 1))
                    && all[first].continues(&all[first - 1])
                    && fits(first - 1)
                {
                    first -= 1;
                }
                let usual = if is_equal(first) { Sides::Whole } else { Sides::Balanced };
                vec![make(first..last + 1, options.sides.unwrap_or(usual))]
            }
        }
    }

    /// The place of the stage that a moment lies in.
    pub fn at(&self, time: Timestamp) -> usize {
        let begun = self.all.partition_point(|stage| stage.start.is_none_or(|start| start <= time));
        begun.saturating_sub(1)
    }

    /// What being in a stage is to an exposure that met one of the rule's sides.
    pub fn standing(&self, at: usize) -> Result<(), NotCounted> {
        match self.all.get(at) {
            Some(stage) if !stage.splits() => Err(NotCounted::NothingToCompare),
            _ if self.chosen.contains(&at) => Ok(()),
            _ => Err(NotCounted::OtherStage),
        }
    }

    /// The first moment after a stage: a unit's treatment may change then.
    pub fn end(&self, at: usize) -> Timestamp {
        self.all.get(at).and_then(|stage| stage.end).unwrap_or(Timestamp::MAX)
    }

    /// From when to when the analysis is.
    pub fn period(&self) -> (Option<Timestamp>, Timestamp) {
        (self.all[self.chosen.start].start, self.end(self.chosen.end - 1))
    }

    pub fn is_pooled(&self) -> bool {
        self.chosen.len() > 1
    }

    /// Whether a unit that met a side in a stage is used: all of the smaller side, and of the larger one a part of equal
    /// size. The part is drawn by the unit alone, so that neither the log's order nor other units decide.
    pub fn uses(&self, at: usize, side: usize, unit: u64) -> bool {
        let rate = self.all[at].rates()[side];
        self.sides == Sides::Whole || rate >= 1.0 || self.draw(unit) < rate
    }

    /// A number from 0 to below 1 that has nothing to do with whether the unit passes.
    fn draw(&self, unit: u64) -> f64 {
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0);
        hasher.write_u64(unit);
        (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The configured sizes of the two sides, in percent.
    pub fn sizes(&self) -> [f64; 2] {
        let mut sizes = [50.0; 2];
        if self.sides == Sides::Whole {
            let pass = self.all[self.chosen.start].pass_percentage;
            (sizes[FAIL], sizes[PASS]) = (100.0 - pass, pass);
        }
        sizes
    }

    /// The part of all units that passed, on average over the stages' time from one moment to another.
    pub fn passing(&self, from: i64, until: i64) -> f64 {
        let stages = &self.all[self.chosen.clone()];
        let lasted = |stage: &Stage| {
            let start = stage.start.map_or(from, |start| start.0.max(from));
            (stage.end.map_or(until, |end| end.0.min(until)) - start).max(0) as f64
        };
        let all: f64 = stages.iter().map(lasted).sum();
        if stages.len() == 1 || all == 0.0 {
            return stages[stages.len() - 1].pass_percentage / 100.0;
        }
        stages.iter().map(|stage| lasted(stage) * stage.pass_percentage / 100.0).sum::<f64>() / all
    }
}

/// Two rules draw independent samples.
fn seed(gate: &str, rule: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(gate.as_bytes());
    hasher.write_u8(0);
    hasher.write(rule.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages of these percentages, each a second long; `!` before one: units are dealt anew.
    fn rule(percentages: &str) -> Rule {
        let words: Vec<&str> = percentages.split_whitespace().collect();
        let bound = |at: usize| (0 < at && at < words.len()).then_some(Timestamp(at as i64 * 1000));
        let stage = |(at, word): (usize, &&str)| Stage {
            start: bound(at),
            end: bound(at + 1),
            pass_percentage: word.trim_start_matches('!').parse().unwrap(),
            dealt_anew: word.starts_with('!'),
        };
        let stages: Vec<Stage> = words.iter().enumerate().map(stage).collect();
        let pass_percentage = stages.last().map_or(50.0, |stage| stage.pass_percentage);
        Rule { id: "r".into(), name: "R".into(), pass_percentage, stages }
    }

    fn chosen(percentages: &str, asked: &[(&str, &str)]) -> Vec<String> {
        let options = Options::parse(asked.iter().copied()).unwrap();
        let told = |stages: &Stages| {
            let sides = if stages.sides == Sides::Balanced { "balanced" } else { "whole" };
            format!("{}-{} {sides}", stages.chosen.start + 1, stages.chosen.end)
        };
        Stages::of("g", &rule(percentages), &options).iter().map(told).collect()
    }

    #[test]
    fn stages_that_stay_equal_or_grow_up_to_half_are_pooled_and_the_last_one_stands_alone_otherwise() {
        for (percentages, expected) in [
            ("30", "1-1 whole"),
            ("10 20", "1-2 balanced"),
            ("10 20 50", "1-3 balanced"),
            ("0 10 20", "2-3 balanced"),
            ("10 50 100", "1-2 balanced"),
            ("10 50.01", "2-2 whole"),
            ("10 70", "2-2 whole"),
            ("10 5", "2-2 whole"),
            ("10 5 20", "2-3 balanced"),
            ("10 0 10", "3-3 whole"),
            ("10 !10", "2-2 whole"),
            ("10 !20 30", "2-3 balanced"),
            ("50 100 0", "1-1 whole"),
            ("60 70", "2-2 whole"),
            ("10 10", "1-2 whole"),
            ("60 60", "1-2 whole"),
            ("10 10 20", "1-3 balanced"),
            ("10 50 50 100", "1-3 balanced"),
            ("40 70 70", "2-3 whole"),
            ("70 !70", "2-2 whole"),
        ] {
            assert_eq!(chosen(percentages, &[]), [expected], "{percentages}");
        }
        for nothing in ["0", "100", "0 100"] {
            assert_eq!(chosen(nothing, &[]), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn stages_are_asked_for_one_by_one_and_sides_as_they_are_or_of_equal_size() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: [Case<'_>; 8] = [
            (&[("stage", "1")], &["1-1 whole"]),
            (&[("stage", "3")], &["3-3 whole"]),
            (&[("stage", "4")], &[]),
            (&[("stage", "5")], &[]),
            (&[("stage", "all")], &["1-1 whole", "2-2 whole", "3-3 whole"]),
            (&[("stage", "2"), ("balance", "balanced")], &["2-2 balanced"]),
            (&[("balance", "whole")], &["3-3 whole"]),
            // The third stage begins where the period ends.
            (&[("start", "1000"), ("end", "2000")], &["2-2 whole"]),
        ];
        for (asked, expected) in cases {
            assert_eq!(chosen("10 20 50 100", asked), expected, "{asked:?}");
        }
        assert_eq!(chosen("70", &[("balance", "balanced")]), ["1-1 balanced"]);
        assert_eq!(chosen("70 70", &[("balance", "balanced")]), ["1-2 balanced"]);
        assert_eq!(chosen("10 20 20", &[("balance", "whole")]), ["2-3 whole"]);
    }

    #[test]
    fn a_moment_lies_in_one_stage_from_its_start_to_before_its_end() {
        let stages = &Stages::of("g", &rule("0 20 50"), &Options::default())[0];
        for (time, stage, standing) in [
            (-1, 0, Err(NotCounted::NothingToCompare)),
            (999, 0, Err(NotCounted::NothingToCompare)),
            (1000, 1, Ok(())),
            (1999, 1, Ok(())),
            (2000, 2, Ok(())),
            (i64::MAX, 2, Ok(())),
        ] {
            let at = stages.at(Timestamp(time));
            assert_eq!((at, stages.standing(at)), (stage, standing), "{time}");
        }
        assert_eq!((stages.end(1), stages.end(2)), (Timestamp(2000), Timestamp::MAX));
        assert_eq!(stages.period(), (Some(Timestamp(1000)), Timestamp::MAX));
        let alone = Options::parse([("stage", "2")]).unwrap();
        let alone = &Stages::of("g", &rule("0 20 50"), &alone)[0];
        assert_eq!((alone.standing(1), alone.standing(2)), (Ok(()), Err(NotCounted::OtherStage)));
        // One second at 20 %, three at 50 %.
        assert!((stages.passing(1000, 5000) - (0.2 + 3.0 * 0.5) / 4.0).abs() < 1e-12);
        assert_eq!(alone.passing(1000, 5000), 0.2);
    }

    #[test]
    fn of_the_larger_side_a_part_of_equal_size_is_used_and_the_same_one_each_time() {
        for (percentage, used) in [("20", [0.25, 1.0]), ("50", [1.0, 1.0]), ("80", [1.0, 0.25])] {
            let options = Options::parse([("balance", "balanced")]).unwrap();
            let stages = &Stages::of("g", &rule(percentage), &options)[0];
            let again = &Stages::of("g", &rule(percentage), &options)[0];
            for (side, expected) in used.into_iter().enumerate() {
                let units = 1..=100_000u64;
                let found = units.clone().filter(|&unit| stages.uses(0, side, unit)).count() as f64 / 1e5;
                assert!((found - expected).abs() < 0.006, "{percentage} %: {found} of side {side}");
                assert!(units.clone().all(|unit| stages.uses(0, side, unit) == again.uses(0, side, unit)));
            }
            let whole = &Stages::of("g", &rule(percentage), &Options::default())[0];
            assert!((1..1000).all(|unit| whole.uses(0, FAIL, unit) && whole.uses(0, PASS, unit)));
        }
        // Another rule draws another sample: a quarter of the quarter is in both.
        let options = Options::parse([("balance", "balanced")]).unwrap();
        let of = |gate: &str| Stages::of(gate, &rule("20"), &options).remove(0);
        let (one, other) = (of("g"), of("h"));
        let both = (1..=100_000u64).filter(|&unit| one.uses(0, FAIL, unit) && other.uses(0, FAIL, unit)).count();
        assert!((both as f64 / 1e5 - 0.0625).abs() < 0.004, "{both}");
    }
}
