"""Writes stats.json: reference values for src/stats, from gbstats, tea-tasting, scipy and statsmodels.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install -r requirements.txt
    /tmp/reference/bin/python generate.py > stats.json

Moments are exact (rational arithmetic); tests and intervals are statsmodels' (unequal variances); Fieller's interval is
found from its defining quadratic with 60 digits, not from the formula that the product uses. `units.py` and `plans.py` say
how the rest is found.
"""

import json
import sys
from fractions import Fraction

import mpmath
import numpy as np
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

import plans
import units

LEVELS = [0.8, 0.95, 0.999]
STUDENT_BELOW_DOF = 100


def exact_moments(values):
    exact = [Fraction(v) for v in values]
    n = len(exact)
    mean = sum(exact) / n
    variance = sum((v - mean) ** 2 for v in exact) / (n - 1)
    return {"n": n, "sum": float(sum(exact)), "mean": float(mean), "variance": float(variance)}


def fieller(test, control, critical):
    """Roots L of (xt - (1+L) xc)^2 = crit^2 (Vt + (1+L)^2 Vc); None if they enclose everything."""
    with mpmath.workdps(60):
        crit = mpmath.mpf(critical)

        def group(values):
            vs = [mpmath.mpf(v) for v in values]
            n = len(vs)
            mean = mpmath.fsum(vs) / n
            return mean, mpmath.fsum((v - mean) ** 2 for v in vs) / (n - 1) / n

        (xt, vt), (xc, vc) = group(test), group(control)
        a = xc**2 - crit**2 * vc
        if a <= 0:
            return None
        b = -2 * xt * xc
        c = xt**2 - crit**2 * vt
        root = mpmath.sqrt(b * b - 4 * a * c)
        return [float((-b - root) / (2 * a) - 1), float((-b + root) / (2 * a) - 1)]


def delta_method(test, control, critical):
    xt, xc = np.mean(test), np.mean(control)
    vt, vc = np.var(test, ddof=1) / len(test), np.var(control, ddof=1) / len(control)
    half = critical * np.sqrt(vt / xc**2 + xt**2 * vc / xc**4)
    return [float(xt / xc - 1 - half), float(xt / xc - 1 + half)]


def comparison(name, test, control):
    means = CompareMeans(DescrStatsW(test), DescrStatsW(control))
    dof = float(means.dof_satt())
    small = dof < STUDENT_BELOW_DOF
    if small:
        statistic, p, _ = means.ttest_ind(usevar="unequal")
    else:
        statistic, p = means.ztest_ind(usevar="unequal")
    intervals = []
    for level in LEVELS:
        alpha = 1 - level
        if small:
            ci = means.tconfint_diff(alpha=alpha, usevar="unequal")
            critical = float(stats.t.isf(alpha / 2, dof))
        else:
            ci = means.zconfint_diff(alpha=alpha, usevar="unequal")
            critical = float(stats.norm.isf(alpha / 2))
        intervals.append(
            {
                "level": level,
                "critical": critical,
                "ci": [float(ci[0]), float(ci[1])],
                "fieller": fieller(test, control, critical),
                "delta": delta_method(test, control, critical),
            }
        )
    return {
        "name": name,
        "test": [float(v) for v in test],
        "control": [float(v) for v in control],
        "test_moments": exact_moments(test),
        "control_moments": exact_moments(control),
        "method": "welch_t" if small else "z",
        "dof": dof,
        "statistic": float(statistic),
        "standard_error": float(means.std_meandiff_separatevar),
        "p": float(p),
        "intervals": intervals,
    }


def comparisons():
    rng = np.random.default_rng(20261123)
    rounded = lambda values: np.round(values, 4)
    yield comparison("tiny groups", rounded(rng.normal(5, 2, 4)), rounded(rng.normal(4, 1, 3)))
    yield comparison("small groups", rounded(rng.normal(11, 3, 12)), rounded(rng.normal(10, 2, 9)))
    yield comparison("uneven variances", rounded(rng.normal(30, 12, 40)), rounded(rng.normal(25, 1, 150)))
    yield comparison("conversion", (rng.random(160) < 0.3) * 1.0, (rng.random(150) < 0.22) * 1.0)
    yield comparison("heavy tail", rounded(rng.lognormal(1, 1.6, 130)), rounded(rng.lognormal(1, 1.5, 140)))
    yield comparison("counts with zeros", rng.poisson(0.4, 120) * 1.0, rng.poisson(0.3, 125) * 1.0)
    yield comparison("certain effect, z", rounded(rng.normal(14.5, 1, 80)), rounded(rng.normal(10, 1, 85)))
    yield comparison("certain effect, t", rounded(rng.normal(30, 1, 20)), rounded(rng.normal(10, 1, 20)))
    yield comparison("mean far from zero", rng.integers(0, 9, 90) + 1e6, rng.integers(0, 8, 95) + 1e6)
    yield comparison("control near zero", rounded(rng.normal(0.4, 1, 70)), rounded(rng.normal(0.05, 1, 70)))
    yield comparison("negative means", rounded(rng.normal(-12, 2, 60)), rounded(rng.normal(-10, 2, 70)))


def balances():
    for observed, weights in [
        ([500, 500], [1, 1]),
        ([1000, 1130], [50, 50]),
        ([1000, 1160], [50, 50]),
        ([90_210, 9_790], [90, 10]),
        ([333, 340, 360], [1, 1, 1]),
        ([50_000, 26_000, 24_900, 1_020], [50, 25, 25, 1]),
        ([60_000, 40_000], [50, 50]),
        ([3, 9], [50, 50]),
    ]:
        share = np.array(weights) / np.sum(weights)
        found = stats.chisquare(observed, np.sum(observed) * share)
        yield {
            "observed": observed,
            "weights": weights,
            "chi2": float(found.statistic),
            "dof": len(observed) - 1,
            "p": float(found.pvalue),
        }


if __name__ == "__main__":
    document = {
        "comparisons": list(comparisons()),
        "balances": list(balances()),
        "groups": list(units.groups()),
        "sequential": list(plans.sequential()),
        "multiplicity": list(plans.multiplicity()),
        "power": list(plans.power()),
        "impact": list(plans.impact()),
        "thresholds": list(plans.thresholds()),
        "quantiles": list(plans.quantiles()),
    }
    json.dump(document, sys.stdout, allow_nan=False)
    sys.stdout.write("\n")
