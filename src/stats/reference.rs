//! Checks the arithmetic against values that gbstats, tea-tasting, scipy, statsmodels and exact arithmetic gave for the same
//! data: `tests/reference/stats.json`, written by `generate.py` beside it.

use super::*;
use serde_json::Value;

mod groups;
mod plans;

const TOLERANCE: f64 = 1e-9;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/stats.json")).unwrap()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    rows(value).iter().map(|number| number.as_f64().unwrap()).collect()
}

/// `scale` is what a number is small against: an interval's end may lie near zero.
fn assert_near(what: &str, found: f64, expected: &Value, scale: f64) {
    let expected = expected.as_f64().unwrap();
    let distance = (found - expected).abs();
    assert!(distance <= TOLERANCE * expected.abs().max(scale), "{what}: {found} should be {expected}");
}

fn assert_interval(what: &str, found: Result<Interval, Undefined>, expected: &Value) {
    if expected.is_null() {
        assert_eq!(found, Err(Undefined::UNBOUNDED), "{what}");
        return;
    }
    let found = found.unwrap();
    let (low, high) = (found.low.unwrap(), found.high.unwrap());
    assert_near(what, low, &expected[0], high - low);
    assert_near(what, high, &expected[1], high - low);
}

#[test]
fn moments_tests_and_intervals_agree_with_scipy_and_statsmodels() {
    for row in rows(&reference()["comparisons"]) {
        let name = row["name"].as_str().unwrap();
        let group = |key: &str| {
            let moments: Moments = numbers(&row[key]).into_iter().collect();
            let expected = &row[format!("{key}_moments")];
            assert_eq!(Some(moments.n()), expected["n"].as_u64());
            for (what, found) in [("sum", moments.sum()), ("mean", moments.mean()), ("variance", moments.variance())] {
                assert_near(&format!("{name}, {key} {what}"), found.unwrap(), &expected[what], 0.0);
            }
            moments.estimate()
        };
        let (test, control) = (group("test"), group("control"));
        for interval in rows(&row["intervals"]) {
            let level = interval["level"].as_f64().unwrap();
            let what = |part: &str| format!("{name} at {level}: {part}");
            let absolute = difference(&test, &control, Level::new(level).unwrap(), Alternative::TwoSided);
            let inference = absolute.inference.unwrap();
            assert_eq!(inference.test.as_str(), row["method"], "{name}");
            assert_near(&what("standard error"), absolute.standard_error.unwrap(), &row["standard_error"], 0.0);
            assert_near(&what("dof"), inference.dof, &row["dof"], 0.0);
            assert_near(&what("statistic"), inference.statistic, &row["statistic"], 0.0);
            assert_near(&what("p"), inference.p, &row["p"], 0.0);
            assert_near(&what("critical"), inference.critical, &interval["critical"], 0.0);
            assert_interval(&what("interval"), Ok(inference.ci), &interval["ci"]);
            for method in Method::ALL {
                let found = relative(&test, &control, &absolute, method);
                assert_interval(&what(method.as_str()), found.ci, &interval[method.as_str()]);
            }
        }
    }
}

#[test]
fn balance_agrees_with_scipy() {
    for row in rows(&reference()["balances"]) {
        let observed: Vec<u64> = rows(&row["observed"]).iter().map(|units| units.as_u64().unwrap()).collect();
        let found = balance(&observed, Some(&numbers(&row["weights"]))).unwrap();
        assert_near(&format!("{observed:?} chi2"), found.chi2, &row["chi2"], 0.0);
        assert_near(&format!("{observed:?} p"), found.p, &row["p"], 0.0);
        assert_eq!(Some(found.dof), row["dof"].as_u64());
    }
}

#[test]
fn a_confidence_level_lies_between_a_half_and_one() {
    for (level, accepted) in
        [(0.5, false), (0.500_001, true), (0.95, true), (0.999_999, true), (1.0, false), (f64::NAN, false)]
    {
        assert_eq!(Level::new(level).is_some(), accepted, "{level}");
    }
}
