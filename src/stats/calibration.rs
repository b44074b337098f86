//! Whether the promises hold on simulated experiments: as many false positives as the level says and no more, also when
//! looking every day; intervals as narrow as theory predicts; false discoveries at their rate. Seeds are fixed and printed;
//! the bounds are what chance alone exceeds less than once in ten thousand seeds.

use super::draw::Draw;
use super::*;

const EXPERIMENTS: u64 = 2000;

/// One generator for each experiment of a test.
fn draws(test: u64) -> impl Iterator<Item = Draw> {
    let seed = 20_261_124 + test * 1_000_000;
    println!("seeds {seed} to {}", seed + EXPERIMENTS - 1);
    (seed..seed + EXPERIMENTS).map(Draw::new)
}

fn group<const N: usize>(units: usize, mut unit: impl FnMut() -> [f64; N]) -> CoMoments<N> {
    (0..units).map(|_| unit()).collect()
}

fn p(test: &Estimate, control: &Estimate, alternative: Alternative) -> f64 {
    difference(test, control, Level::DEFAULT, alternative).inference.unwrap().p
}

/// The p-values are uniform: Kolmogorov's distance is below its 1 - 1e-4 quantile, and 5 % are below 0.05.
fn assert_uniform(what: &str, mut p_values: Vec<f64>) {
    p_values.sort_unstable_by(f64::total_cmp);
    let n = p_values.len() as f64;
    let distance = p_values.iter().enumerate().fold(0.0f64, |most, (at, p)| {
        let (below, above) = (at as f64 / n, (at + 1) as f64 / n);
        most.max(p - below).max(above - p)
    });
    // P(√n·distance > x) is about 2·exp(-2x²).
    let most = ((2.0f64 / 1e-4).ln() / 2.0).sqrt() / n.sqrt();
    assert!(distance < most, "{what}: Kolmogorov's distance is {distance}, at most {most}");
    let positives = p_values.iter().filter(|p| **p < 0.05).count() as f64 / n;
    let noise = 3.9 * (0.05 * 0.95 / n).sqrt();
    assert!((positives - 0.05).abs() < noise, "{what}: {positives} false positives");
}

#[test]
fn without_an_effect_p_is_uniform_and_one_in_twenty_is_positive() {
    let (mut means, mut small, mut conversions, mut ratios, mut adjusted, mut above) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for mut draw in draws(1) {
        let mut arm = |n| group(n, || [draw.exponential()]).estimate(0);
        let (test, control) = (arm(200), arm(150));
        means.push(p(&test, &control, Alternative::TwoSided));
        above.push(p(&test, &control, Alternative::Greater));

        let mut arm = |n, spread: f64| group(n, || [spread * draw.normal()]).estimate(0);
        small.push(p(&arm(9, 1.0), &arm(12, 3.0), Alternative::TwoSided));

        let mut arm = |n| group(n, || [f64::from(u8::from(draw.chance(0.4)))]).estimate(0);
        conversions.push(p(&arm(400), &arm(400), Alternative::TwoSided));

        // Events of a unit are alike, so that only the delta method sees how uncertain the ratio is.
        let mut unit = || {
            let (events, own) = (1 + draw.bits() % 9, draw.normal());
            [(0..events).map(|_| 2.0 + own + draw.normal()).sum(), events as f64]
        };
        let (test, control) = (group(150, &mut unit), group(150, &mut unit));
        ratios.push(p(&ratio(&test), &ratio(&control), Alternative::TwoSided));

        let mut unit = || {
            let before = draw.exponential();
            [before + draw.exponential(), before]
        };
        let found = cuped(&group(150, &mut unit), &group(150, &mut unit)).unwrap();
        adjusted.push(p(&found.test, &found.control, Alternative::TwoSided));
    }
    assert_uniform("means", means);
    assert_uniform("small groups", small);
    assert_uniform("ratios", ratios);
    assert_uniform("adjusted means", adjusted);
    assert_uniform("one side", above);
    assert_steps("conversions", &conversions);
}

/// Conversions have ties, so p comes in steps that Kolmogorov's distance would see; the share of positives still holds.
fn assert_steps(what: &str, p_values: &[f64]) {
    let positives = p_values.iter().filter(|p| **p < 0.05).count() as f64 / p_values.len() as f64;
    assert!((0.031..0.069).contains(&positives), "{what}: {positives} false positives");
}

/// Of experiments without an effect, the shares that are found at least once in 28 daily looks: with the fixed interval,
/// the sequential one, and the sequential one-sided one; and of experiments with this effect, the share not found by then.
fn looked_at_daily(test: u64, units_a_day: usize, rule: TestRule, effect: f64) -> [f64; 4] {
    let mut counts = [0; 4];
    for mut draw in draws(test) {
        let [mut control, mut same, mut better] = [Moments::default(); 3];
        let mut ever = [false; 4];
        for _ in 0..28 {
            for _ in 0..units_a_day {
                control.push(draw.normal());
                let unit = draw.normal();
                same.push(unit);
                better.push(unit + effect);
            }
            let control = control.estimate();
            let find = |test: &Estimate, alternative| {
                let absolute = difference_by(rule, test, &control, Level::DEFAULT, alternative);
                let early = sequential(&absolute, test, &control, Level::DEFAULT, alternative).unwrap();
                (!absolute.inference.unwrap().ci.contains(0.0), !early.ci.contains(0.0))
            };
            let (now, early) = find(&same.estimate(), Alternative::TwoSided);
            ever[0] |= now;
            ever[1] |= early;
            ever[2] |= find(&same.estimate(), Alternative::Greater).1;
            ever[3] |= find(&better.estimate(), Alternative::TwoSided).1;
        }
        ever[3] = !ever[3];
        counts.iter_mut().zip(ever).for_each(|(count, ever)| *count += u64::from(ever));
    }
    let shares = counts.map(|count| count as f64 / EXPERIMENTS as f64);
    println!("{units_a_day} units a day, {rule:?}: fixed, sequential, one-sided find {shares:?}; the last misses");
    shares
}

#[test]
fn looking_every_day_finds_too_much_with_the_fixed_interval_and_not_with_the_sequential_one() {
    let [fixed, both_sides, one_side, missed] = looked_at_daily(2, 30, TestRule::ByDof, 0.3);
    assert!(fixed > 0.15, "the fixed interval finds {fixed}");
    assert!(both_sides <= 0.05, "the sequential interval finds {both_sides}");
    assert!(one_side <= 0.05, "the one-sided sequential interval finds {one_side}");
    // It does not keep its promise by being blind: an effect that is there is found before the end.
    assert!(missed < 0.05, "the sequential interval misses {missed}");
}

#[test]
fn looking_from_the_second_unit_on_takes_students_t() {
    let [fixed, both_sides, one_side, _] = looked_at_daily(5, 2, TestRule::ByDof, 0.0);
    assert!(fixed > 0.15, "the fixed interval finds {fixed}");
    assert!(both_sides <= 0.05, "the sequential interval finds {both_sides}");
    assert!(one_side <= 0.05, "the one-sided sequential interval finds {one_side}");
    let [_, normal, _, _] = looked_at_daily(5, 2, TestRule::Z, 0.0);
    assert!(normal > 0.05, "with z it finds {normal}");
}

#[test]
fn adjustment_leaves_the_part_of_the_variance_that_theory_predicts() {
    for correlation in [0.3, 0.6, 0.9] {
        let (mut deltas, mut promised) = (Moments::default(), Moments::default());
        let mut plain = Moments::default();
        for mut draw in draws(3) {
            let noise = f64::sqrt(1.0 - correlation * correlation);
            let mut unit = || {
                let before = draw.normal();
                [5.0 + correlation * before + noise * draw.normal(), 3.0 + before]
            };
            let (test, control) = (group(100, &mut unit), group(100, &mut unit));
            let found = cuped(&test, &control).unwrap();
            deltas.push(found.test.mean.unwrap() - found.control.mean.unwrap());
            plain.push(test.mean(0).unwrap() - control.mean(0).unwrap());
            promised.push(1.0 - found.variance_reduction.unwrap());
        }
        // What is left, by theory; what the adjusted differences do vary; and what the report says of it.
        let left = 1.0 - correlation * correlation;
        let varies = deltas.variance().unwrap() / plain.variance().unwrap();
        let says = promised.mean().unwrap();
        println!("correlation {correlation}: {left} left by theory, differences {varies}, reported {says}");
        // The quotient of two variances of 2,000 differences is uncertain by 4 to 5 %, less where they are alike.
        assert!((varies / left - 1.0).abs() < 0.18, "correlation {correlation}: {varies}");
        assert!((says / left - 1.0).abs() < 0.02, "correlation {correlation}: {says}");
    }
}

#[test]
fn false_discoveries_stay_at_their_rate_where_uncorrected_tests_do_not() {
    const RATE: f64 = 0.1;
    let share = |false_ones: usize, found: usize| false_ones as f64 / found.max(1) as f64;
    let (mut corrected, mut uncorrected) = (Moments::default(), Moments::default());
    let (mut any_false, mut found_true) = (0, 0);
    for mut draw in draws(4) {
        // Forty metrics, of which ten move.
        let p_values: Vec<Option<f64>> = (0..40)
            .map(|metric| {
                let estimate = |mean| Estimate { n: 10_000, mean: Ok(mean), variance: Ok(0.5) };
                let effect = if metric < 10 { 3.0 } else { 0.0 };
                Some(p(&estimate(effect + draw.normal()), &estimate(0.0), Alternative::TwoSided))
            })
            .collect();
        let found = benjamini_hochberg(&p_values, RATE);
        let count =
            |limit: f64, from: usize, to: usize| p_values[from..to].iter().flatten().filter(|p| **p <= limit).count();
        corrected.push(share(count(found.alpha, 10, 40), count(found.alpha, 0, 40)));
        uncorrected.push(share(count(RATE, 10, 40), count(RATE, 0, 40)));
        found_true += count(found.alpha, 0, 10);
        let each = Bonferroni { arms: 40, metrics: None }.alphas(RATE).primary.unwrap();
        any_false += u64::from(count(each, 10, 40) > 0);
    }
    let (corrected, uncorrected) = (corrected.mean().unwrap(), uncorrected.mean().unwrap());
    println!("false discoveries: {corrected} corrected, {uncorrected} not; {found_true} true ones found");
    // Theory: the rate times the share of metrics that do not move, 0.075.
    assert!((corrected - 0.075).abs() < 0.01, "{corrected}");
    assert!(uncorrected > 0.2, "{uncorrected}");
    assert!(found_true as u64 > 5 * EXPERIMENTS, "{found_true}");
    // Bonferroni keeps the chance of even one false discovery below the rate.
    assert!(any_false as f64 / EXPERIMENTS as f64 <= RATE, "{any_false}");
}
