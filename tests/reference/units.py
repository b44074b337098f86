"""Groups of raw units, and what packages make of them: ratios, adjusted means and ratios, one-sided tests.

A quantity is written as {"exact": ..., "gbstats": ..., "tea_tasting": ...}: from its definition with 60 digits, and from each
package that defines it the same way. The packages must agree with the exact value to 1e-10; only where the data are said to
be "ill_conditioned" may a package, which subtracts sums of squares in doubles, be left out for having lost its digits.
"""

import mpmath
import numpy as np
import pandas as pd
import tea_tasting as tt
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.frequentist.tests import (
    FrequentistConfig,
    OneSidedTreatmentGreaterTTest,
    OneSidedTreatmentLesserTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)
from scipy import stats

LEVEL = 0.95
COLUMNS = ["value", "denominator", "pre", "pre_denominator"]
AGREE = 1e-10
mpmath.mp.dps = 60


# Data: four columns a unit, control first.


def group(rng, size, value, base=lambda rng: rng.normal(), follow=1.0):
    """Units with something of their own that shows before and after; a third have no earlier data."""
    rows = []
    for _ in range(size):
        own = base(rng)
        denominator = 1 + rng.poisson(3)
        had = rng.random() > 0.33
        pre_denominator = 1 + rng.poisson(2) if had else 0
        pre = sum(value(rng, follow * own) for _ in range(pre_denominator)) if had else 0.0
        rows.append([sum(value(rng, own) for _ in range(denominator)), denominator, pre, pre_denominator])
    return np.round(rows, 4)


def datasets():
    rng = np.random.default_rng(20261124)
    normal = lambda mean, sd: lambda rng, own: rng.normal(mean + own, sd)
    heavy = lambda mean: lambda rng, own: rng.lognormal(mean + 0.7 * own, 1.6)
    zeros = lambda p: lambda rng, own: rng.lognormal(2 + 0.5 * own, 1) if rng.random() < p else 0.0
    yield "heavy tails, three arms", False, [group(rng, n, heavy(m)) for n, m in [(260, 1), (240, 1.1), (250, 1.3)]]
    yield "mostly zeros", False, [group(rng, 300, zeros(0.04)), group(rng, 280, zeros(0.05))]
    yield "negative values", False, [group(rng, 120, normal(-4, 3)), group(rng, 140, normal(-5, 2))]
    yield "tiny groups", False, [group(rng, 4, normal(5, 1)), group(rng, 5, normal(6, 2)), group(rng, 3, normal(5, 1))]
    yield "control near zero", False, [group(rng, 150, normal(0.02, 1)), group(rng, 150, normal(0.3, 1))]
    conversions = []
    for n, p in [(200, 0.2), (190, 0.3), (210, 0.25)]:
        pre = (rng.random(n) < 0.25) * 1.0
        value = (rng.random(n) < p + 0.4 * pre) * 1.0
        conversions.append(np.column_stack([value, np.ones(n), pre, np.ones(n)]))
    yield "0 or 1, three arms", False, conversions
    offset = []
    for n, shift in [(150, 0), (160, 1)]:
        own = rng.normal(0, 3, n)
        columns = [1e6 + own + rng.normal(shift, 1, n), 2e5 + rng.normal(0, 1, n), 1e6 + own, 2e5 + rng.normal(0, 1, n)]
        offset.append(np.round(np.column_stack(columns), 4))
    yield "far from zero", True, offset
    alike = []
    for n, noise in [(130, 1e-3), (120, 2e-3)]:
        below = np.round(rng.lognormal(5, 1, n), 2)
        alike.append(np.round(np.column_stack([3 * below + rng.normal(0, noise, n), below, 2 * below, below + 1]), 4))
    yield "nearly the same ratio everywhere", True, alike


# Definitions, with 60 digits.


class Exact:
    def __init__(self, units):
        self.n = len(units)
        self.columns = [[mpmath.mpf(float(v)) for v in column] for column in units.T]
        self.means = [mpmath.fsum(column) / self.n for column in self.columns]

    def covariance(self, i, j):
        pairs = zip(self.columns[i], self.columns[j])
        return mpmath.fsum((a - self.means[i]) * (b - self.means[j]) for a, b in pairs) / (self.n - 1)

    def linearised(self, above, below):
        """What each unit adds to the ratio of two means, to first order."""
        ratio = self.means[above] / self.means[below]
        return [(a - ratio * b) / self.means[below] for a, b in zip(self.columns[above], self.columns[below])]


def covariance(left, right):
    n = len(left)
    left_mean, right_mean = mpmath.fsum(left) / n, mpmath.fsum(right) / n
    return mpmath.fsum((a - left_mean) * (b - right_mean) for a, b in zip(left, right)) / (n - 1)


def exact_ratio(units):
    exact = Exact(units)
    parts = exact.linearised(0, 1)
    return exact.means[0] / exact.means[1], covariance(parts, parts) / exact.n


def exact_adjusted(test, control, value, covariate):
    """theta, then mean and variance of each group; value and covariate are (column) or (above, below)."""

    def read(units, what):
        exact = Exact(units)
        if len(what) == 1:
            return exact.means[what[0]], exact.columns[what[0]]
        return exact.means[what[0]] / exact.means[what[1]], exact.linearised(*what)

    both = np.vstack([test, control])
    centre, before = read(both, covariate)
    _, after = read(both, value)
    theta = covariance(after, before) / covariance(before, before)
    groups = []
    for units in (test, control):
        mean, after = read(units, value)
        pre_mean, before = read(units, covariate)
        left = [a - theta * b for a, b in zip(after, before)]
        groups.append((mean - theta * (pre_mean - centre), covariance(left, left) / len(units)))
    return theta, groups


# Packages.


def sample(column):
    return SampleMeanStatistic(n=len(column), sum=float(column.sum()), sum_squares=float((column**2).sum()))


def gb_ratio(units):
    return RatioStatistic(
        n=len(units),
        m_statistic=sample(units[:, 0]),
        d_statistic=sample(units[:, 1]),
        m_d_sum_of_products=float((units[:, 0] * units[:, 1]).sum()),
    )


def gb_adjusted(test, control):
    def of(units):
        return RegressionAdjustedStatistic(
            n=len(units),
            post_statistic=sample(units[:, 0]),
            pre_statistic=sample(units[:, 2]),
            post_pre_sum_of_products=float((units[:, 0] * units[:, 2]).sum()),
            theta=0,
        )

    test, control = of(test), of(control)
    test.theta = control.theta = compute_theta(control, test)
    return test, control


GB_TESTS = {
    "two_sided": TwoSidedTTest,
    "greater": OneSidedTreatmentGreaterTTest,
    "less": OneSidedTreatmentLesserTTest,
}


def frame(test, control):
    data = pd.DataFrame(np.vstack([control, test]), columns=COLUMNS)
    data["variant"] = [0] * len(control) + [1] * len(test)
    return data


def analyze(metric, test, control, **options):
    metric = metric(alternative=options.pop("alternative", "two-sided"), confidence_level=LEVEL, **options)
    return metric.analyze(frame(test, control), control=0, treatment=1, variant="variant")


def quantity(what, ill_conditioned, exact, scale=None, **packages):
    """The exact value, beside those of the packages that kept their digits."""
    known = {"exact": float(exact)}
    for name, value in packages.items():
        distance = abs(float(value) - float(exact)) / abs(float(scale if scale is not None else exact))
        if distance <= AGREE:
            known[name] = float(value)
        elif not ill_conditioned:
            raise AssertionError(f"{what}: {name} has {value}, not {exact}")
    return known


def fieller_bound(test, control, critical, alternative):
    """One root of (xt - r xc)^2 = crit^2 (Vt + r^2 Vc), less 1: [low, high] with None where it is open."""
    (xt, vt), (xc, vc) = test, control
    a, b, c = xc**2 - critical**2 * vc, -2 * xt * xc, xt**2 - critical**2 * vt
    if a <= 0:
        return None
    root = mpmath.sqrt(b * b - 4 * a * c)
    low, high = (-b - root) / (2 * a) - 1, (-b + root) / (2 * a) - 1
    # A rise over a negative control mean is a negative lift.
    low_known = alternative == "two_sided" or (alternative == "greater") == (xc > 0)
    high_known = alternative == "two_sided" or (alternative == "less") == (xc > 0)
    return [float(low) if low_known else None, float(high) if high_known else None]


def tests_of(name, ill, test, control, groups, metric, gb, relative, **options):
    """Welch's test of (mean, variance) pairs to each side, with the packages' own numbers for it."""
    (test_mean, test_variance), (control_mean, control_variance) = groups
    whole = test_variance + control_variance
    delta, error = test_mean - control_mean, mpmath.sqrt(whole)
    dof = whole**2 / (test_variance**2 / (len(test) - 1) + control_variance**2 / (len(control) - 1))
    written = {}
    for alternative, gb_test in GB_TESTS.items():
        tail = (1 - LEVEL) / (2 if alternative == "two_sided" else 1)
        critical = mpmath.mpf(float(stats.t.isf(tail, float(dof))))
        half = critical * error
        statistic = float(delta / error)
        p = {
            "two_sided": 2 * stats.t.sf(abs(statistic), float(dof)),
            "greater": stats.t.sf(statistic, float(dof)),
            "less": stats.t.cdf(statistic, float(dof)),
        }[alternative]
        found = analyze(metric, test, control, alternative=alternative.replace("_", "-"), use_t=True, equal_var=False, **options)
        low = {"tea_tasting": found.effect_size_ci_lower}
        high = {"tea_tasting": found.effect_size_ci_upper}
        if gb is not None:
            absolute = gb_test(gb[1], gb[0], FrequentistConfig(alpha=1 - LEVEL, difference_type="absolute"))
            low["gbstats"], high["gbstats"] = absolute.confidence_interval
            if alternative == "less":
                # The package subtracts the width where it says "less than"; its end is the other test's.
                del high["gbstats"]
        lift = (test_mean - control_mean) / control_mean
        lift_error = mpmath.sqrt(test_variance / control_mean**2 + test_mean**2 * control_variance / control_mean**4)
        row = {
            "p": quantity(f"{name} p", ill, p, tea_tasting=found.pvalue),
            "ci": [
                None if alternative == "less" else quantity(f"{name} low", ill, delta - half, half, **low),
                None if alternative == "greater" else quantity(f"{name} high", ill, delta + half, half, **high),
            ],
            "fieller": fieller_bound(*groups, critical, alternative),
        }
        if alternative == "two_sided":
            ends = {}
            if gb is not None and relative:
                lifts = gb_test(gb[1], gb[0], FrequentistConfig(alpha=1 - LEVEL, difference_type="relative"))
                ends = {"gbstats": lifts.confidence_interval}
            row["delta"] = [
                quantity(f"{name} lift", ill, lift + sign * critical * lift_error, critical * lift_error, **{k: v[at] for k, v in ends.items()})
                for at, sign in enumerate([-1, 1])
            ]
        written[alternative] = row
    scipy_or_gb = {"gbstats": gb_test(gb[1], gb[0], FrequentistConfig(difference_type="absolute")).dof} if gb else {}
    return {
        "delta": quantity(f"{name} delta", ill, delta, error, tea_tasting=found.effect_size),
        "standard_error": quantity(f"{name} error", ill, error, tea_tasting=found.effect_size / found.statistic),
        "dof": quantity(f"{name} dof", ill, dof, **scipy_or_gb),
        "tests": written,
    }


def pair(name, ill, test, control):
    exact = [(Exact(units).means[0], Exact(units).covariance(0, 0) / len(units)) for units in (test, control)]
    ratios = [exact_ratio(units) for units in (test, control)]
    gb_ratios = [gb_ratio(units) for units in (test, control)]
    theta, adjusted = exact_adjusted(test, control, (0,), (2,))
    gb = gb_adjusted(test, control)
    ratio_theta, adjusted_ratios = exact_adjusted(test, control, (0, 1), (2, 3))
    total = pd.concat([frame(test, control)])
    plain_ratio = analyze(tt.RatioOfMeans, test, control, numer="value", denom="denominator")
    tt_cuped = dict(value="value", covariate="pre")
    tt_ratio = dict(numer="value", denom="denominator", numer_covariate="pre", denom_covariate="pre_denominator")
    found = analyze(tt.Mean, test, control, **tt_cuped)
    found_ratio = analyze(tt.RatioOfMeans, test, control, **tt_ratio)
    assert len(total) == len(test) + len(control)
    return {
        "plain": tests_of(name, ill, test, control, exact, tt.Mean, [sample(u[:, 0]) for u in (test, control)], True, value="value"),
        "ratio": {
            "means": [
                quantity(f"{name} ratio", ill, mean, gbstats=gb.mean, tea_tasting=theirs)
                for (mean, _), gb, theirs in zip(ratios, gb_ratios, [plain_ratio.treatment, plain_ratio.control])
            ],
            "variances": [
                quantity(f"{name} ratio variance", ill, variance, gbstats=gb.variance / gb.n)
                for (_, variance), gb in zip(ratios, gb_ratios)
            ],
            **tests_of(name, ill, test, control, ratios, tt.RatioOfMeans, gb_ratios, True, numer="value", denom="denominator"),
        },
        # Means: tea-tasting centres on both groups together, as Weir does; gbstats does not centre.
        # Relative intervals: gbstats 0.8.0 divides by the unadjusted control mean, so it is left out there.
        "cuped": {
            "theta": quantity(f"{name} theta", ill, theta, gbstats=gb[0].theta),
            "means": [
                quantity(f"{name} adjusted", ill, mean, tea_tasting=theirs)
                for (mean, _), theirs in zip(adjusted, [found.treatment, found.control])
            ],
            "variances": [
                quantity(f"{name} adjusted variance", ill, variance, gbstats=one.variance / one.n)
                for (_, variance), one in zip(adjusted, gb)
            ],
            **tests_of(name, ill, test, control, adjusted, tt.Mean, gb, False, **tt_cuped),
        },
        # gbstats 0.8.0 has no adjusted ratios.
        "cuped_ratio": {
            "theta": quantity(f"{name} ratio theta", ill, ratio_theta),
            "means": [
                quantity(f"{name} adjusted ratio", ill, mean, tea_tasting=theirs)
                for (mean, _), theirs in zip(adjusted_ratios, [found_ratio.treatment, found_ratio.control])
            ],
            "variances": [
                quantity(f"{name} adjusted ratio variance", ill, variance) for _, variance in adjusted_ratios
            ],
            **tests_of(name, ill, test, control, adjusted_ratios, tt.RatioOfMeans, None, False, **tt_ratio),
        },
    }


def bayesian(test, control):
    """GrowthBook's reading of the plain means: flat and proper prior, difference and lift."""
    arms = [sample(units[:, 0]) for units in (control, test)]
    for difference_type in ["absolute", "relative"]:
        for prior in [GaussianPrior(), GaussianPrior(mean=0.1, variance=0.3**2, proper=True)]:
            config = EffectBayesianConfig(
                difference_type=difference_type, prior_type=difference_type, prior_effect=prior, alpha=1 - LEVEL
            )
            found = EffectBayesianABTest(*arms, config).compute_result()
            assert found.error_message is None
            yield {
                "relative": difference_type == "relative",
                "prior": [prior.mean, prior.variance] if prior.proper else None,
                "mean": float(found.expected),
                "standard_deviation": float(found.uplift.stddev),
                "above_zero": float(found.chance_to_win),
                "ci": [float(end) for end in found.ci],
                "risk": [float(risk) for risk in found.risk],
            }


def groups():
    for name, ill_conditioned, arms in datasets():
        control = arms[0]
        yield {
            "name": name,
            "ill_conditioned": ill_conditioned,
            "groups": [[[float(v) for v in unit] for unit in arm] for arm in arms],
            "pairs": [pair(name, ill_conditioned, arm, control) for arm in arms[1:]],
            "bayesian": [] if ill_conditioned else list(bayesian(arms[1], control)),
            "covariances": [
                [[float(Exact(arm).covariance(i, j)) for j in range(4)] for i in range(4)] for arm in arms
            ],
        }
