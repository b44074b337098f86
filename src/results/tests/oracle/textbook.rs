//! From the numbers of units to those of a group, by the formulas as a textbook writes them: plain sums, deviations from the
//! mean, the delta method. A number that does not exist is not finite here.
//!
//! Decisions:
//! - Units take part in a ratio or funnel if their second number is not 0, whatever the first; all others count as units of
//!   the group, and not of the metric.
//! - The cap of winsorisation is taken over the units that take part, of all groups together (a unit in two groups twice),
//!   from numbers that are not 0: the smallest rank r of m of which r / m is at least the percentile. A negative number is
//!   one of them; only what lies above the cap is cut. Of a ratio each number has its own cap.
//! - Counts, sums, numbers of values and of texts, and sums that have one of these as a part, are capped, in ratios too; so
//!   are funnels. What is 0, 1 or a share never is.
//! - What a unit did before its exposure is cut by the same caps. It has no say in who takes part.

use super::{Pair, UnitValue};
use crate::results::{Definition, Quantity};

/// A group's line of a report.
#[derive(Debug, Clone, Copy)]
pub struct GroupNumbers {
    /// That take part.
    pub units: usize,
    pub sum: f64,
    pub mean: f64,
    /// Of the units' numbers, with n - 1; of a ratio that of its linearised numbers.
    pub variance: f64,
    pub standard_error: f64,
    /// How large the terms were that these came from: what rounding is measured by.
    pub scale: Scale,
}

#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub sum: f64,
    pub mean: f64,
    pub variance: f64,
}

pub fn groups(values: &[UnitValue], groups: usize) -> Vec<GroupNumbers> {
    (0..groups).map(|group| group_numbers(&taking_part(values, group, |value| value.now))).collect()
}

fn taking_part(values: &[UnitValue], group: usize, of: impl Fn(&UnitValue) -> Pair) -> Vec<Pair> {
    values.iter().filter(|value| value.group == group && value.now.y != 0.0).map(of).collect()
}

fn group_numbers(pairs: &[Pair]) -> GroupNumbers {
    let (x, y) = columns(pairs);
    let n = pairs.len() as f64;
    let [sx, sy] = [&x, &y].map(|column| column.iter().sum::<f64>());
    let ratio = sx / sy;
    let [size_x, size_y] = [&x, &y].map(|column| column.iter().map(|number| number.abs()).sum::<f64>());
    let mean_y = sy / n;
    let squares = |column: &[f64]| column.iter().map(|number| number * number).sum::<f64>() / (n - 1.0);
    // Where all units have the same ratio, rounding may leave less than nothing.
    let variance = ratio_variance(&x, &y);
    let variance = if variance < 0.0 { 0.0 } else { variance };
    GroupNumbers {
        units: pairs.len(),
        sum: sx,
        mean: ratio,
        variance,
        standard_error: (variance / n).sqrt(),
        scale: Scale {
            sum: size_x,
            mean: size_x / sy.abs() + sx.abs() * size_y / (sy * sy),
            variance: (squares(&x) + squares(&y) * ratio * ratio) / (mean_y * mean_y),
        },
    }
}

fn columns(pairs: &[Pair]) -> (Vec<f64>, Vec<f64>) {
    pairs.iter().map(|pair| (pair.x, pair.y)).unzip()
}

pub fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len() as f64
}

/// With n - 1.
pub fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / (a.len() as f64 - 1.0)
}

/// n times the delta method's variance of a ratio of sums. With a y of 1 throughout it is the variance of x.
fn ratio_variance(x: &[f64], y: &[f64]) -> f64 {
    ratio_covariance((x, y), (x, y))
}

/// n times the delta method's covariance of two ratios of the same units. For a ratio with itself:
/// (s_xx - 2 R s_xy + R^2 s_yy) / mean(y)^2.
fn ratio_covariance((x, y): (&[f64], &[f64]), (v, w): (&[f64], &[f64])) -> f64 {
    let (r, q) = (mean(x) / mean(y), mean(v) / mean(w));
    let crossed = covariance(x, v) - q * covariance(x, w) - r * covariance(y, v) + r * q * covariance(y, w);
    crossed / (mean(y) * mean(w))
}

/// The cap of some numbers; `None` where all are 0.
pub fn cap(numbers: &[f64], percentile: f64) -> Option<f64> {
    let mut ranked: Vec<f64> = numbers.iter().copied().filter(|number| *number != 0.0).collect();
    ranked.sort_by(f64::total_cmp);
    let rank = (1..=ranked.len()).find(|rank| *rank as f64 / ranked.len() as f64 >= percentile)?;
    Some(ranked[rank - 1])
}

/// The same units with what lies above the caps cut.
pub fn winsorized(values: &[UnitValue], definition: &Definition, percentile: f64) -> Vec<UnitValue> {
    let [caps_x, caps_y] = match definition {
        Definition::PerUnit(quantity) => [is_capped(quantity), false],
        Definition::Ratio(x, y) => [is_capped(x), is_capped(y)],
        Definition::Funnel(_) => [true, true],
    };
    let taking_part: Vec<&UnitValue> = values.iter().filter(|value| value.now.y != 0.0).collect();
    let cap_of = |wanted: bool, of: &dyn Fn(&UnitValue) -> f64| {
        let numbers: Vec<f64> = taking_part.iter().map(|value| of(value)).collect();
        if wanted { cap(&numbers, percentile).unwrap_or(f64::INFINITY) } else { f64::INFINITY }
    };
    let (x, y) = (cap_of(caps_x, &|value| value.now.x), cap_of(caps_y, &|value| value.now.y));
    let cut = |pair: Pair| Pair { x: pair.x.min(x), y: pair.y.min(y) };
    values.iter().map(|value| UnitValue { now: cut(value.now), before: cut(value.before), ..value.clone() }).collect()
}

pub fn is_capped(quantity: &Quantity) -> bool {
    match quantity {
        Quantity::Count(_) | Quantity::Sum(_) | Quantity::Valued(_) | Quantity::Distinct(_) => true,
        Quantity::SumOf(parts) => parts.iter().any(is_capped),
        _ => false,
    }
}

/// Means of two groups, adjusted by what their units did before.
#[derive(Debug, Clone, Copy)]
pub struct Adjusted {
    pub theta: f64,
    /// Control's and test's.
    pub means: [f64; 2],
    pub standard_errors: [f64; 2],
}

/// CUPED for one pair of groups. The slope is taken over both groups as one sample, so that each pair has its own; where
/// nobody did anything before (or all did the same) it is 0.
pub fn adjusted(values: &[UnitValue], control: usize, test: usize) -> Adjusted {
    let of = |group: usize| {
        let now = columns(&taking_part(values, group, |value| value.now));
        (now, columns(&taking_part(values, group, |value| value.before)))
    };
    let arms = [of(control), of(test)];
    let pooled = |pick: &dyn Fn(&Arm) -> &Vec<f64>| -> Vec<f64> { arms.iter().flat_map(pick).copied().collect() };
    let (x, y) = (pooled(&|arm| &arm.0.0), pooled(&|arm| &arm.0.1));
    let (v, w) = (pooled(&|arm| &arm.1.0), pooled(&|arm| &arm.1.1));
    let before = ratio_variance(&v, &w);
    // Where every unit has the same ratio, rounding leaves next to nothing of what is nothing; so it does of a slope.
    let rounding =
        1e-13 * group_numbers(&v.iter().zip(&w).map(|(x, y)| Pair { x: *x, y: *y }).collect::<Vec<_>>()).scale.variance;
    let theta = if before > rounding { ratio_covariance((&x, &y), (&v, &w)) / before } else { 0.0 };
    let theta = if theta.abs() < 1e-9 { 0.0 } else { theta };
    let overall = mean(&v) / mean(&w);
    let adjusted = |((x, y), (v, w)): &Arm| {
        let shift = if theta == 0.0 { 0.0 } else { theta * (mean(v) / mean(w) - overall) };
        let lowered = if theta == 0.0 {
            0.0
        } else {
            theta * theta * ratio_variance(v, w) - 2.0 * theta * ratio_covariance((x, y), (v, w))
        };
        (mean(x) / mean(y) - shift, ((ratio_variance(x, y) + lowered) / x.len() as f64).sqrt())
    };
    let [control, test] = [adjusted(&arms[0]), adjusted(&arms[1])];
    Adjusted { theta, means: [control.0, test.0], standard_errors: [control.1, test.1] }
}

type Arm = ((Vec<f64>, Vec<f64>), (Vec<f64>, Vec<f64>));
