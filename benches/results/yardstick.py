"""The yardstick: the same question answered by an ingested DuckDB file and gbstats.

    yardstick.py ingest FOLDER      exposures.csv and events.csv -> yardstick.duckdb; not measured
    yardstick.py ask FOLDER         a question as JSON on standard input -> an answer as JSON on standard output

First exposures, join, unit totals and their moments are one SQL query, as an analyst would write it; gbstats makes of
the moments what it makes of them in GrowthBook. CPU and wall are counted from opening the file to the last number;
starting Python and importing its packages are told apart.
"""

import json
import os
import resource
import sys
import time

import duckdb
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import RatioStatistic, SampleMeanStatistic


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def file(folder):
    return os.path.join(folder, "yardstick.duckdb")


def ingest(folder):
    # A half-made file must not be taken for a whole one.
    made = file(folder) + ".new"
    if os.path.exists(made):
        os.remove(made)
    columns = {
        "exposures": "{'unit': 'VARCHAR', 'time': 'BIGINT', 'grp': 'INTEGER'}",
        "events": "{'unit': 'VARCHAR', 'time': 'BIGINT', 'name': 'VARCHAR', 'value': 'DOUBLE', 'revenue': 'DOUBLE', 'category': 'VARCHAR'}",
    }
    connection = duckdb.connect(made)
    for table, types in columns.items():
        path = os.path.join(folder, table + ".csv").replace("'", "''")
        connection.execute(
            f"CREATE TABLE {table} AS SELECT * FROM read_csv('{path}', header = true, columns = {types})"
        )
    connection.close()
    os.replace(made, file(folder))


def moments(place, ratio):
    """What the inference needs of a metric: n, the sums, the sums of squares and of products."""
    m, d = f"m{place}", f"d{place}"
    if not ratio:
        return ["count(*)", f"sum({m})", f"sum({m} * {m})", "0", "0", "0"]
    parts = ["count(*)", f"sum({m})", f"sum({m} * {m})", f"sum({d})", f"sum({d} * {d})", f"sum({m} * {d})"]
    return [f"coalesce({part} FILTER ({d} <> 0), 0)" for part in parts]


def query(metrics):
    totals, sums = [], []
    for place, metric in enumerate(metrics):
        ratio = metric["denominator"] is not None
        totals.append(f"({metric['numerator']})::DOUBLE AS m{place}")
        if ratio:
            totals.append(f"({metric['denominator']})::DOUBLE AS d{place}")
        sums.extend(moments(place, ratio))
    return f"""
        WITH firsts AS (
            SELECT unit, min(time) AS t0, min(grp) AS grp
            FROM exposures WHERE time >= $start AND time <= $end
            GROUP BY unit HAVING min(grp) = max(grp)
        ), totals AS (
            SELECT f.grp, {", ".join(totals)}
            FROM firsts f LEFT JOIN events e ON e.unit = f.unit AND e.time >= f.t0 AND e.time <= $end
            GROUP BY f.grp, f.unit
        )
        SELECT grp, count(*), {", ".join(sums)} FROM totals GROUP BY grp ORDER BY grp"""


def statistic(n, m, mm, d, dd, md, ratio):
    if not ratio:
        return SampleMeanStatistic(n=n, sum=m, sum_squares=mm)
    return RatioStatistic(
        n=n,
        m_statistic=SampleMeanStatistic(n=n, sum=m, sum_squares=mm),
        d_statistic=SampleMeanStatistic(n=n, sum=d, sum_squares=dd),
        m_d_sum_of_products=md,
    )


def ask(folder, question):
    metrics = question["metrics"]
    wall, used = time.perf_counter(), cpu()
    connection = duckdb.connect(file(folder), read_only=True)
    span = {"start": question["start"], "end": question["end"]}
    rows = connection.execute(query(metrics), span).fetchall()
    answers = []
    for place, metric in enumerate(metrics):
        ratio = metric["denominator"] is not None
        groups = [row[2 + 6 * place :][:6] for row in rows]
        control, test = [statistic(*group, ratio) for group in groups]
        results = {}
        for difference in ["absolute", "relative"]:
            config = FrequentistConfig(difference_type=difference, alpha=0.05)
            result = TwoSidedTTest(control, test, config).compute_result()
            results[difference] = {"delta": result.expected, "ci": list(result.ci), "p": result.p_value}
        answers.append(
            {
                "groups": [
                    {"units": group[0], "sum": group[1], "denominator": group[3] if ratio else group[0]}
                    for group in groups
                ],
                **results,
            }
        )
    used, wall = cpu() - used, time.perf_counter() - wall
    return {
        "cpuSeconds": used,
        "wallSeconds": wall,
        "startCpuSeconds": cpu() - used,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "units": [row[1] for row in rows],
        "metrics": answers,
    }


if __name__ == "__main__":
    command, folder = sys.argv[1:]
    if command == "ingest":
        ingest(folder)
    else:
        json.dump(ask(folder, json.load(sys.stdin)), sys.stdout)
