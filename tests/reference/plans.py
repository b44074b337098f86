"""What needs no raw units: looking early, many tests, power, impact, thresholds."""

import mpmath
import numpy as np
from gbstats.models.statistics import QuantileClusteredStatistic
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower


def sequential():
    """The definition of Statsig's page, with 60 digits: from means, variances of units and sizes."""
    mp = mpmath.mp
    for test, control, sizes in [
        ((10.4, 30.0), (10.0, 28.0), (1000, 1000)),
        ((0.31, 0.21), (0.25, 0.19), (400, 3600)),
        ((5.0, 900.0), (-3.0, 850.0), (60, 40)),
        ((1.002, 1e-4), (1.0, 1.2e-4), (50_000, 49_000)),
        ((20.0, 4.0), (10.0, 4.0), (150, 150)),
        ((2.0, 0.0), (2.1, 3.0), (500, 700)),
    ]:
        rows = []
        for level in ["0.8", "0.95", "0.99"]:
            for alternative in ["two_sided", "greater", "less"]:
                alpha = 1 - mp.mpf(level)
                tail = alpha / 2 if alternative == "two_sided" else alpha
                z = mp.sqrt(2) * mp.erfinv(1 - 2 * tail)
                (xt, st), (xc, sc) = [tuple(map(mp.mpf, arm)) for arm in (test, control)]
                v = st / sizes[0] + sc / sizes[1]
                tau = z**2 * (st + sc) / sum(sizes)
                critical = mp.sqrt((v + tau) / tau * (-2 * mp.log(tail) - mp.log(v / (v + tau))))
                sigma = critical / z
                delta = xt - xc
                score = delta / mp.sqrt(v)
                # ncdf of the negative, as 1 - ncdf would round.
                p = {
                    "two_sided": 2 * mp.ncdf(-abs(score) / sigma),
                    "greater": mp.ncdf(-score / sigma),
                    "less": mp.ncdf(score / sigma),
                }[alternative]
                half = critical * mp.sqrt(v)
                rows.append(
                    {
                        "level": float(level),
                        "alternative": alternative,
                        "critical": float(critical),
                        "inflation": float(sigma),
                        "p": float(p),
                        "ci": [
                            None if alternative == "less" else float(delta - half),
                            None if alternative == "greater" else float(delta + half),
                        ],
                    }
                )
        yield {"test": list(test), "control": list(control), "sizes": list(sizes), "intervals": rows}


def multiplicity():
    rng = np.random.default_rng(20261124)
    families = [
        [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216],
        [0.2, 0.4, 0.9],
        [0.04],
        [0.01, 0.01, 0.03, 0.03, 1.0, 1e-14],
        list(np.round(np.concatenate([rng.random(40), rng.random(15) ** 6]), 9)),
    ]
    for p_values in families:
        for rate in [0.05, 0.2]:
            rejected, benjamini_hochberg, _, _ = multipletests(p_values, rate, "fdr_bh")
            _, bonferroni, _, alpha = multipletests(p_values, rate, "bonferroni")
            yield {
                "p": [float(p) for p in p_values],
                "rate": rate,
                "rejected": [bool(r) for r in rejected],
                "benjamini_hochberg": [float(p) for p in benjamini_hochberg],
                "bonferroni": [float(p) for p in bonferroni],
                "bonferroni_alpha": float(alpha),
            }


def power():
    """statsmodels' one-sided power; a two-sided test is planned without its far tail, that is to one side at half the rate."""
    solver = NormalIndPower()
    for variance, units, share, level, target in [
        (4.0, 2000, 0.5, 0.95, 0.8),
        (0.09, 100_000, 0.1, 0.95, 0.9),
        (2500.0, 40, 0.75, 0.8, 0.6),
        (1e-6, 5_000_000, 0.5, 0.999, 0.99),
    ]:
        test, control = units * share, units * (1 - share)
        for alternative in ["two_sided", "greater"]:
            tail = (1 - level) / (2 if alternative == "two_sided" else 1)
            design = dict(alpha=tail, ratio=control / test, alternative="larger")
            z = mpmath.sqrt(2) * (mpmath.erfinv(1 - 2 * mpmath.mpf(tail)) + mpmath.erfinv(2 * mpmath.mpf(target) - 1))
            effect = float(z * mpmath.sqrt(mpmath.mpf(variance) / test + mpmath.mpf(variance) / control))
            # The solver stops early, so its own effect is only near; its power at the exact effect is the check.
            assert abs(solver.power(effect / variance**0.5, test, **design) - target) < 1e-12
            half = effect / 2
            yield {
                "variance": variance,
                "units": units,
                "share": share,
                "level": level,
                "alternative": alternative,
                "target": target,
                "effect": effect,
                "power_at_half": float(solver.power(half / variance**0.5, test, **design)),
            }


def impact():
    """The definitions of Statsig's page; slopes by numeric differentiation of them, not by formula."""
    mp = mpmath.mp
    rng = np.random.default_rng(7)
    for name, sizes, totals, factor, days in [
        ("large topline", (160, 150), (9.0e5, 4.0e5), 1, 14),
        ("launch", (160, 150), (9.0e5, 4.0e5), 6.5, 14),
        ("most units are in the experiment", (200, 200), (2600.0, 1200.0), 2, 30),
    ]:
        arms = []
        for n, shift in zip(sizes, [0.6, 0.0]):
            below = rng.poisson(2.5, n)
            arms.append(np.round(np.column_stack([below * 2 + rng.normal(shift, 1.5, n), below]), 3))
        means = [[mp.fsum(map(mp.mpf, column)) / len(column) for column in arm.T.tolist()] for arm in arms]
        cov = []
        for arm, mean in zip(arms, means):
            columns = [[mp.mpf(v) - m for v in column] for column, m in zip(arm.T.tolist(), mean)]
            cov.append([[mp.fsum(a * b for a, b in zip(x, y)) / (len(arm) - 1) / len(arm) for y in columns] for x in columns])
        units, (tx, ty), m = len(arms[0]), map(mp.mpf, totals), mp.mpf(factor)
        dx, dy = means[0][0] - means[1][0], means[0][1] - means[1][1]
        now = lambda dx: dx * units / days
        baseline = lambda dx, dy: (tx - dx * units) / (ty - dy * units)
        projected = lambda dx, dy: (tx + (m - 1) * dx * units) / (ty + (m - 1) * dy * units)
        values = {
            "count_absolute": lambda dx, dy: now(dx) * m,
            "count_relative": lambda dx, dy: now(dx) * m / (tx / days - now(dx)),
            "ratio_absolute": lambda dx, dy: projected(dx, dy) - baseline(dx, dy),
            "ratio_relative": lambda dx, dy: (projected(dx, dy) - baseline(dx, dy)) / baseline(dx, dy),
        }
        z = mp.sqrt(2) * mp.erfinv(mp.mpf("0.95"))
        row = {"name": name, "test": arms[0].tolist(), "control": arms[1].tolist(), "totals": list(totals), "factor": factor, "days": days}
        for what, value in values.items():
            slopes = [mp.diff(lambda d: value(d, dy), dx), mp.diff(lambda d: value(dx, d), dy)]
            variance = sum(slopes[i] * slopes[j] * (cov[0][i][j] + cov[1][i][j]) for i in range(2) for j in range(2))
            middle, half = value(dx, dy), z * mp.sqrt(variance)
            row[what] = {"value": float(middle), "ci": [float(middle - half), float(middle + half)]}
        yield row


def thresholds():
    rng = np.random.default_rng(11)
    values = np.round(rng.lognormal(2, 1.5, 1500), 3) * np.where(rng.random(1500) < 0.1, -1, 1)
    yield {
        "values": values.tolist(),
        # numpy's inverted_cdf is the nearest rank.
        "percentiles": {str(p): float(np.percentile(values, p, method="inverted_cdf")) for p in [1, 50, 90, 99, 99.9, 100]},
    }


def quantiles():
    """gbstats' clustered quantile, with order statistics by nearest rank. Its variance of one event has n - 1 where the
    paper has n; that factor is taken out."""
    rng = np.random.default_rng(20261124)
    units = [np.round(rng.lognormal(rng.normal(1, 0.8), 0.5, 1 + rng.poisson(2)), 3) for _ in range(220)]
    events = np.concatenate(units)
    n = len(events)
    rows = []
    for q in [0.25, 0.5, 0.9]:
        half = stats.norm.ppf(0.975) * (q * (1 - q) / n) ** 0.5
        low, value, high = [float(np.quantile(events, share, method="inverted_cdf")) for share in (q - half, q, q + half)]
        below, all_events = np.array([(unit <= value).sum() for unit in units]), np.array([len(unit) for unit in units])
        found = QuantileClusteredStatistic(
            n=n,
            n_star=n,
            nu=q,
            quantile_hat=value,
            quantile_lower=low,
            quantile_upper=high,
            main_sum=float(below.sum()),
            main_sum_squares=float((below**2).sum()),
            denominator_sum=float(all_events.sum()),
            denominator_sum_squares=float((all_events**2).sum()),
            main_denominator_sum_product=float((below * all_events).sum()),
            n_clusters=len(units),
        )
        variance = float(found.variance) / (n - 1)
        rows.append({"quantile": q, "low": low, "value": value, "high": high, "variance": variance})
    yield {"units": [unit.tolist() for unit in units], "quantiles": rows}
