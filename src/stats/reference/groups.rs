//! Ratios, adjusted means and ratios, and tests to each side, against exact values, gbstats and tea-tasting, on groups that
//! are hard: heavy tails, mostly zeros, 0 or 1, negative, tiny, near zero, far from zero, nearly proportional.
//!
//! Where the packages differ by design, Weir follows: tea-tasting in centring adjusted means on both groups together (gbstats
//! does not); neither in the lift of adjusted means, which is relative to the adjusted control mean as in tea-tasting, but
//! with Fieller's interval (tea-tasting takes the logarithm, gbstats 0.8.0 the unadjusted mean); and Statsig in z from 100
//! degrees of freedom, so Welch's test is asked for here by name. gbstats 0.8.0 has no adjusted ratios, and its upper end of
//! the test for less subtracts where it must add.

use super::*;

/// How many numbers of each package were compared; a file that lost them would otherwise pass.
#[derive(Default)]
struct Compared {
    gbstats: usize,
    tea_tasting: usize,
    /// Means of a million in doubles leave a difference of 1 ten digits, and a p-value of 1e-12 has fifty times its error.
    ill_conditioned: bool,
}

impl Compared {
    /// Compares with every source that the reference has for a number.
    fn near(&mut self, what: &str, found: f64, known: &Value, scale: f64) {
        for (source, expected) in known.as_object().unwrap() {
            assert_near(&format!("{what}, {source}"), found, expected, scale);
            match source.as_str() {
                "gbstats" => self.gbstats += 1,
                "tea_tasting" => self.tea_tasting += 1,
                _ => {}
            }
        }
    }

    fn end(&mut self, what: &str, found: Option<f64>, known: &Value, scale: f64) {
        match found {
            Some(found) => self.near(what, found, known, scale),
            None => assert!(known.is_null(), "{what} should not be open"),
        }
    }

    fn comparison(&mut self, what: &str, test: &Estimate, control: &Estimate, expected: &Value) {
        for alternative in [Alternative::TwoSided, Alternative::Greater, Alternative::Less] {
            let row = &expected["tests"][alternative.as_str()];
            let what = format!("{what}, {}", alternative.as_str());
            let absolute = difference_by(TestRule::WelchT, test, control, Level::DEFAULT, alternative);
            let (error, found) = (absolute.standard_error.unwrap(), absolute.inference.unwrap());
            self.near(&format!("{what}: delta"), absolute.delta.unwrap(), &expected["delta"], error);
            self.near(&format!("{what}: standard error"), error, &expected["standard_error"], 0.0);
            self.near(&format!("{what}: dof"), found.dof, &expected["dof"], 0.0);
            let scale = if self.ill_conditioned { 50.0 * found.p } else { 0.0 };
            self.near(&format!("{what}: p"), found.p, &row["p"], scale);
            self.end(&format!("{what}: low"), found.ci.low, &row["ci"][0], error);
            self.end(&format!("{what}: high"), found.ci.high, &row["ci"][1], error);
            let fieller = relative(test, control, &absolute, Method::Fieller);
            match (fieller.ci, &row["fieller"]) {
                (Err(reason), Value::Null) => assert_eq!(reason, Undefined::UNBOUNDED, "{what}"),
                (found, ends) => {
                    let (found, ends) = (found.unwrap(), rows(ends));
                    let scale = error / control.mean.unwrap().abs();
                    for (found, expected) in [(found.low, &ends[0]), (found.high, &ends[1])] {
                        match found {
                            Some(found) => assert_near(&format!("{what}: fieller"), found, expected, scale),
                            None => assert!(expected.is_null(), "{what} should not be open"),
                        }
                    }
                }
            }
            if alternative == Alternative::TwoSided {
                let delta = relative(test, control, &absolute, Method::Delta).ci.unwrap();
                let scale = (delta.high.unwrap() - delta.low.unwrap()).abs();
                self.end(&format!("{what}: lift, low"), delta.low, &row["delta"][0], scale);
                self.end(&format!("{what}: lift, high"), delta.high, &row["delta"][1], scale);
            }
        }
    }

    fn estimates(&mut self, what: &str, found: [Estimate; 2], expected: &Value) {
        for (at, found) in found.iter().enumerate() {
            let (mean, variance) = (found.mean.unwrap(), found.variance.unwrap());
            self.near(&format!("{what}: mean {at}"), mean, &expected["means"][at], variance.sqrt());
            self.near(&format!("{what}: variance {at}"), variance, &expected["variances"][at], 0.0);
        }
        self.comparison(what, &found[0], &found[1], expected);
    }
}

fn units(group: &Value) -> CoMoments<4> {
    rows(group).iter().map(|unit| <[f64; 4]>::try_from(numbers(unit)).unwrap()).collect()
}

#[test]
fn ratios_and_adjusted_values_agree_with_gbstats_and_tea_tasting() {
    let mut compared = Compared::default();
    for row in rows(&reference()["groups"]) {
        let name = row["name"].as_str().unwrap();
        compared.ill_conditioned = row["ill_conditioned"] == true;
        let groups: Vec<CoMoments<4>> = rows(&row["groups"]).iter().map(units).collect();
        for (group, expected) in groups.iter().zip(rows(&row["covariances"])) {
            for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
                let scale = (group.variance(i).unwrap() * group.variance(j).unwrap()).sqrt();
                let what = format!("{name}: covariance {i} {j}");
                assert_near(&what, group.covariance(i, j).unwrap(), &expected[i][j], scale);
            }
        }
        let control = &groups[0];
        for (test, pair) in groups[1..].iter().zip(rows(&row["pairs"])) {
            compared.comparison(name, &test.estimate(0), &control.estimate(0), &pair["plain"]);

            let ratios = [ratio(&test.part([0, 1])), ratio(&control.part([0, 1]))];
            compared.estimates(&format!("{name}, ratio"), ratios, &pair["ratio"]);

            let found = cuped(&test.part([0, 2]), &control.part([0, 2])).unwrap();
            compared.near(&format!("{name}: theta"), found.theta, &pair["cuped"]["theta"], 0.0);
            compared.estimates(&format!("{name}, cuped"), [found.test, found.control], &pair["cuped"]);

            let found = cuped_ratio(test, control).unwrap();
            let expected = &pair["cuped_ratio"];
            compared.near(&format!("{name}: ratio theta"), found.theta, &expected["theta"], 0.0);
            compared.estimates(&format!("{name}, cuped ratio"), [found.test, found.control], expected);
        }
    }
    assert!(compared.gbstats > 250 && compared.tea_tasting > 500, "{} {}", compared.gbstats, compared.tea_tasting);
}

#[test]
fn posteriors_agree_with_gbstats() {
    for row in rows(&reference()["groups"]) {
        let name = row["name"].as_str().unwrap();
        let group = |at: usize| units(&row["groups"][at]).estimate(0);
        let (test, control) = (group(1), group(0));
        let absolute = difference(&test, &control, Level::DEFAULT, Alternative::TwoSided);
        for expected in rows(&row["bayesian"]) {
            let (effect, variance) = if expected["relative"] == true {
                (relative(&test, &control, &absolute, Method::Delta).delta, relative_variance(&test, &control))
            } else {
                (absolute.delta, absolute.standard_error.map(|error| error * error))
            };
            let prior = match &expected["prior"] {
                Value::Null => None,
                prior => Prior::new(prior[0].as_f64().unwrap(), prior[1].as_f64().unwrap()),
            };
            let found = posterior(effect, variance, prior, Level::DEFAULT).unwrap();
            let near = |what: &str, found: f64, expected: &Value, scale: f64| {
                assert_near(&format!("{name}: {what}"), found, expected, scale);
            };
            let deviation = found.standard_deviation;
            near("mean", found.mean, &expected["mean"], deviation);
            near("standard deviation", deviation, &expected["standard_deviation"], 0.0);
            near("above zero", found.above_zero, &expected["above_zero"], 0.0);
            near("risk of control", found.risk_of_control, &expected["risk"][0], deviation);
            near("risk of test", found.risk_of_test, &expected["risk"][1], deviation);
            assert_interval(name, Ok(found.ci), &expected["ci"]);
        }
    }
}
