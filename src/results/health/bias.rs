//! Whether groups differed already before the exposure, when only chance can tell them apart.

use super::check;
use crate::results::compare::estimate;
use crate::results::evidence::PreExperiment;
use crate::results::question::{MetricChoice, Role, Split};
use crate::results::report::Check;
use crate::results::tally::Sums;
use crate::stats::{self, Alternative, Balanced, Level};

/// Below this p-value, after correction for the number of metrics, groups were different before.
pub const BIAS_WARNING_P: f64 = 0.01;

/// Whether a metric is looked at: those of the scorecard are, so that a report of 200 names does not take longer for it.
pub(in crate::results) fn before(role: Role) -> bool {
    matches!(role, Role::Primary | Role::Secondary | Role::Monitoring)
}

/// Each group against control in the days before the exposure; without those that have nothing to compare.
pub(in crate::results) fn compare<'a>(
    split: &Split,
    metrics: impl Iterator<Item = (&'a MetricChoice, &'a Sums)>,
) -> Vec<PreExperiment> {
    let mut found = Vec::new();
    for (choice, sums) in metrics {
        for at in (0..split.groups.len()).filter(|at| *at != split.control) {
            let (test, control) = (estimate(sums, at), estimate(sums, split.control));
            let difference = stats::difference(&test, &control, Level::DEFAULT, Alternative::TwoSided);
            let Ok(inference) = difference.inference else { continue };
            let delta = difference.delta.ok();
            let relative = delta.zip(control.mean.ok()).filter(|(_, control)| *control != 0.0);
            found.push(PreExperiment {
                metric: choice.name.clone(),
                kind: choice.kind,
                group: split.groups[at].name.clone(),
                control: split.groups[split.control].name.clone(),
                delta,
                relative: relative.map(|(delta, control)| delta / control),
                p: Some(inference.p),
                adjusted_p: None,
            });
        }
    }
    let p_values: Vec<Option<f64>> = found.iter().map(|one| one.p).collect();
    let adjusted = stats::benjamini_hochberg(&p_values, BIAS_WARNING_P).p;
    for (one, p) in found.iter_mut().zip(adjusted) {
        one.adjusted_p = p;
    }
    found
}

pub(super) fn check_bias(found: &[PreExperiment], days: u32) -> Option<Check> {
    if found.is_empty() {
        return None;
    }
    let is_biased = |one: &&PreExperiment| one.adjusted_p.is_some_and(|p| p < BIAS_WARNING_P);
    let told = |one: &PreExperiment| {
        let by = one.relative.map_or_else(
            || format!("by {:+.4}", one.delta.unwrap_or(0.0)),
            |relative| format!("by {:+.1} %", relative * 100.0),
        );
        format!("{} of {} {by} (p {:.1e})", one.metric, one.group, one.adjusted_p.unwrap_or(1.0))
    };
    let biased: Vec<String> = found.iter().filter(is_biased).map(told).collect();
    let (status, detail) = match biased.len() {
        0 => (
            Balanced::Ok,
            format!("no group differed from control in the {days} days before, in {} tests", found.len()),
        ),
        _ => (
            Balanced::Warning,
            format!("different from control already in the {days} days before: {}", biased.join(", ")),
        ),
    };
    Some(check(
        "pre_experiment_bias",
        status,
        detail,
        "Read these metrics with `cuped=true`, which takes out what was there before; if the group was reused from an \
         earlier experiment or the salt was kept, reset the experiment so that units are shuffled anew.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::definition::{Definition, EventSource, Measure, Quantity};
    use crate::results::question::{Group, MetricKind};
    use crate::stats::CoMoments;

    fn one(adjusted_p: f64) -> PreExperiment {
        PreExperiment {
            metric: "order".into(),
            kind: MetricKind::EventCount,
            group: "Test".into(),
            control: "Control".into(),
            delta: Some(-0.25),
            relative: None,
            p: Some(adjusted_p / 2.0),
            adjusted_p: Some(adjusted_p),
        }
    }

    #[test]
    fn it_goes_by_the_p_value_after_correction() {
        let status = |p: f64| check_bias(&[one(0.5), one(p)], 7).unwrap().status;
        assert_eq!((status(0.009_99), status(0.01)), (Balanced::Warning, Balanced::Ok));
        let detail = check_bias(&[one(0.001)], 14).unwrap().detail;
        assert_eq!(detail, "different from control already in the 14 days before: order of Test by -0.2500 (p 1.0e-3)");
        assert_eq!(check_bias(&[], 7), None);
    }

    /// Twenty metrics that do not differ: one scorecard in a hundred may be warned of, not one in five.
    #[test]
    fn a_scorecard_of_twenty_does_not_cry_wolf() {
        let group = |name: &str| Group { id: name.into(), name: name.into(), size: 50.0 };
        let split = Split { rule: None, stages: None, groups: vec![group("c"), group("t")], control: 0 };
        let choice = MetricChoice {
            name: "order".into(),
            kind: MetricKind::EventCount,
            definition: Definition::PerUnit(Quantity::Count(Measure::of(EventSource::named("order")))),
            role: Role::Primary,
            direction: None,
            hypothesis: None,
        };
        let mut state = 20_261_124u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut sums = || {
            let mut sums = vec![CoMoments::<1>::default(); 2];
            for group in &mut sums {
                (0..150).for_each(|_| group.push([uniform()]));
            }
            Sums::One(sums)
        };
        let mut warned = 0;
        for _ in 0..300 {
            let card: Vec<Sums> = (0..20).map(|_| sums()).collect();
            let found = compare(&split, card.iter().map(|sums| (&choice, sums)));
            assert_eq!(found.len(), 20);
            warned += u32::from(check_bias(&found, 7).unwrap().status != Balanced::Ok);
        }
        // Of 300 scorecards 3 are expected; 12 or more come about once in ten thousand times.
        assert!(warned < 12, "{warned} of 300");
    }
}
