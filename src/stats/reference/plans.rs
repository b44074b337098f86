//! Sequential tests against their definition with 60 digits, corrections for many tests and power against statsmodels,
//! impact against numeric differentiation of its definition, thresholds against numpy, quantiles against gbstats.
//!
//! statsmodels plans a two-sided test with its far tail; Statsig and Weir without, that is to one side at half the rate.

use super::*;

fn alternative(row: &Value) -> Alternative {
    serde_json::from_value(row["alternative"].clone()).unwrap()
}

fn level(row: &Value) -> Level {
    Level::new(row["level"].as_f64().unwrap()).unwrap()
}

#[test]
fn sequential_tests_are_as_defined() {
    for row in rows(&reference()["sequential"]) {
        let arm = |key: &str, at: usize| {
            let n = row["sizes"][at].as_u64().unwrap();
            let (mean, variance) = (row[key][0].as_f64().unwrap(), row[key][1].as_f64().unwrap());
            Estimate { n, mean: Ok(mean), variance: Ok(variance / n as f64) }
        };
        let (test, control) = (arm("test", 0), arm("control", 1));
        for expected in rows(&row["intervals"]) {
            let (level, alternative) = (level(expected), alternative(expected));
            // The page has z only; below 100 degrees of freedom Weir would take Welch's t.
            let absolute = difference_by(TestRule::Z, &test, &control, level, alternative);
            let found = sequential(&absolute, &test, &control, level, alternative).unwrap();
            let what = format!("{test:?} {}", alternative.as_str());
            assert_near(&what, found.critical, &expected["critical"], 0.0);
            assert_near(&what, found.inflation, &expected["inflation"], 0.0);
            assert_near(&what, found.p, &expected["p"], 0.0);
            for (found, expected) in [(found.ci.low, &expected["ci"][0]), (found.ci.high, &expected["ci"][1])] {
                match found {
                    Some(found) => assert_near(&what, found, expected, absolute.standard_error.unwrap()),
                    None => assert!(expected.is_null(), "{what} should not be open"),
                }
            }
        }
    }
}

#[test]
fn corrections_for_many_tests_agree_with_statsmodels() {
    for row in rows(&reference()["multiplicity"]) {
        let (p_values, rate) = (numbers(&row["p"]), row["rate"].as_f64().unwrap());
        let made: Vec<Option<f64>> = p_values.iter().copied().map(Some).collect();
        let found = benjamini_hochberg(&made, rate);
        let alphas = Bonferroni { arms: p_values.len() as u64, metrics: None }.alphas(rate);
        let alpha = alphas.primary.unwrap();
        assert_near("bonferroni alpha", alpha, &row["bonferroni_alpha"], 0.0);
        for (at, &p) in p_values.iter().enumerate() {
            let what = format!("{p} of {}", p_values.len());
            assert_near(&what, found.p[at].unwrap(), &row["benjamini_hochberg"][at], 0.0);
            assert_eq!(Some(p <= found.alpha), row["rejected"][at].as_bool(), "{what}");
            assert_near(&what, bonferroni(p, rate, alpha), &row["bonferroni"][at], 0.0);
        }
    }
}

#[test]
fn power_agrees_with_statsmodels() {
    for row in rows(&reference()["power"]) {
        let number = |key: &str| row[key].as_f64().unwrap();
        let plan = Plan::new(number("variance"), number("share"), level(row), alternative(row)).unwrap();
        let (units, power) = (row["units"].as_u64().unwrap(), Power::new(number("target")).unwrap());
        let effect = plan.detectable(units, power).unwrap();
        assert_near("effect", effect, &row["effect"], 0.0);
        assert_near("power", plan.power(units, effect).unwrap(), &row["target"], 0.0);
        assert_near("power at half", plan.power(units, effect / 2.0).unwrap(), &row["power_at_half"], 0.0);
        assert_eq!(plan.units(effect * (1.0 + 1e-12), power), Ok(units));
    }
}

#[test]
fn impact_agrees_with_its_definition_differentiated_numerically() {
    for row in rows(&reference()["impact"]) {
        let units = |key: &str| -> CoMoments<2> {
            rows(&row[key]).iter().map(|unit| <[f64; 2]>::try_from(numbers(unit)).unwrap()).collect()
        };
        let (test, control, totals) = (units("test"), units("control"), numbers(&row["totals"]));
        let factor = row["factor"].as_f64().unwrap();
        let scope = Scope { test_units: test.n(), days: row["days"].as_f64().unwrap(), factor };
        let (test_mean, control_mean) = (test.estimate(0), control.estimate(0));
        let absolute = difference(&test_mean, &control_mean, Level::DEFAULT, Alternative::TwoSided);
        let count = impact(&absolute, Ok(totals[0]), scope);
        let totals = [totals[0], totals[1]];
        let ratio = ratio_impact(&test, &control, totals, scope, Level::DEFAULT, Alternative::TwoSided);
        for (what, value, ci) in [
            ("count_absolute", count.absolute, count.absolute_ci),
            ("count_relative", count.relative, count.relative_ci),
            ("ratio_absolute", ratio.absolute, ratio.absolute_ci),
            ("ratio_relative", ratio.relative, ratio.relative_ci),
        ] {
            let expected = &row[what];
            let width = expected["ci"][1].as_f64().unwrap() - expected["ci"][0].as_f64().unwrap();
            let what = format!("{}: {what}", row["name"]);
            assert_near(&what, value.unwrap(), &expected["value"], width);
            assert_interval(&what, ci, &expected["ci"]);
        }
    }
}

#[test]
fn thresholds_agree_with_numpy() {
    for row in rows(&reference()["thresholds"]) {
        for (percentile, expected) in row["percentiles"].as_object().unwrap() {
            let found = threshold(&mut numbers(&row["values"]), percentile.parse().unwrap());
            assert_eq!(found, expected.as_f64(), "{percentile}");
        }
    }
}

#[test]
fn quantiles_agree_with_gbstats() {
    for row in rows(&reference()["quantiles"]) {
        let events: Vec<Vec<f64>> = rows(&row["units"]).iter().map(numbers).collect();
        for expected in rows(&row["quantiles"]) {
            let quantile = Quantile::new(expected["quantile"].as_f64().unwrap()).unwrap();
            let ranked = quantile.rank(&mut events.concat()).unwrap();
            for (what, found) in [("low", ranked.low), ("value", ranked.value), ("high", ranked.high)] {
                assert_eq!(Some(found), expected[what].as_f64(), "{what}");
            }
            let below = |unit: &Vec<f64>| unit.iter().filter(|event| **event <= ranked.value).count() as f64;
            let counts = events.iter().map(|unit| [below(unit), unit.len() as f64]).collect();
            let found = quantile.estimate(&ranked, &counts);
            assert_near("variance", found.variance.unwrap(), &expected["variance"], 0.0);
        }
    }
}
