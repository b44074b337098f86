//! How results are to be computed: that each number is one that can be used.

use super::Check;
use crate::catalog::analysis::Analysis;

/// Checks the analysis of an experiment or gate, or what an exploration says of it. Only what corrects for many metrics divides the significance level.
pub(super) fn check(check: &mut Check, place: &str, analysis: &Analysis, divides_alpha: bool) {
    let outside = |number: Option<f64>, low: f64| number.is_some_and(|number| number <= low || number >= 1.0);
    if outside(analysis.level, 0.5) {
        check.wrong(format!("{place}.level"), "must be more than 0.5 and less than 1, such as 0.95");
    }
    if analysis.winsorize != Some(0.0) && outside(analysis.winsorize, 0.5) {
        check
            .wrong(format!("{place}.winsorize"), "must be 0 for none, or more than 0.5 and less than 1, such as 0.999");
    }
    if analysis.cuped_days.is_some() && analysis.cuped == Some(false) {
        check.wrong(format!("{place}.cupedDays"), "has no effect when cuped is false; remove one of them");
    }
    if analysis.cuped_days.is_some_and(|days| !(1..=90).contains(&days)) {
        check.wrong(format!("{place}.cupedDays"), "must be from 1 to 90");
    }
    if outside(analysis.power, 0.5) {
        check.wrong(format!("{place}.power"), "must be more than 0.5 and less than 1, such as 0.8");
    }
    if outside(analysis.primary_alpha_share, 0.0) {
        check.wrong(format!("{place}.primaryAlphaShare"), "must be more than 0 and less than 1, such as 0.8");
    } else if analysis.primary_alpha_share.is_some() && !divides_alpha {
        let message =
            "has no effect without bonferroniCorrectionPerMetric, which experiments have; set that or remove this";
        check.wrong(format!("{place}.primaryAlphaShare"), message);
    }
}
