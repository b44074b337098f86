"""The examples in data/examples that run in Python: the very files, with the real SDK, against the real binary."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from weir import HERE, PROJECT, SERVER_KEY, Weir

EXAMPLES = HERE.parents[2] / "data/examples"
DEADLINE_S = 60


class Examples(unittest.TestCase):
    def example(self, name):
        """Weir with the example's project, and the numbers that its script prints."""
        folder = Path(tempfile.mkdtemp(prefix="weir-example-"))
        self.addCleanup(shutil.rmtree, folder)
        project = json.loads((EXAMPLES / name / "project.json").read_text(encoding="utf-8"))
        # A newcomer's keys are made at the first start; the suite brings its own.
        (folder / "project.json").write_text(json.dumps({**project, "keys": PROJECT["keys"]}), encoding="utf-8")
        weir = self.enterContext(Weir(folder / "project.json"))
        environment = {**os.environ, "WEIR_URL": weir.address, "SERVER_KEY": SERVER_KEY}
        script = [sys.executable, str(EXAMPLES / name / "example.py")]
        ran = subprocess.run(script, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=DEADLINE_S)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        printed = ran.stdout.strip()
        readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
        self.assertIn(printed, readme, "the README shows what is printed")
        self.assertEqual(weir.rejected(), [])
        return weir, printed, [int(number) for number in re.findall(r"\d+", printed)]

    def exposures(self, weir):
        rows = [row for row in weir.events("statsig") if row["kind"].endswith("_exposure")]
        self.assertTrue(all(row["counts"] for row in rows if row["metadata"]["ruleID"] != "staff"))
        return rows

    def test_gate_rollout_shows_who_passes_and_what_they_do(self):
        weir, printed, (passed, users) = self.example("gate-rollout")
        self.assertEqual(users, 1000)
        self.assertTrue(printed.endswith("for staff: True"))
        rows = self.exposures(weir)
        self.assertEqual(len(rows), 1001, "each user is exposed once")
        groups = {row["userID"]: row["metadata"]["gateValue"] for row in rows if row["metadata"]["ruleID"] == "everyone"}
        self.assertEqual(Counter(groups.values()), {"true": passed, "false": users - passed})

        report = weir.read("/console/v1/gates/new_checkout/results?rule=everyone")
        self.assertEqual([group["units"] for group in report["groups"]], [users - passed, passed])
        orders = Counter(groups[row["userID"]] for row in weir.events("statsig") if row["name"] == "order_completed")
        metric = report["metrics"][0]
        self.assertEqual((metric["name"], metric["role"]), ("order_completed", "monitoring"))
        self.assertEqual([group["sum"] for group in metric["groups"]], [orders["false"], orders["true"]])
        self.assertLess(metric["comparisons"][0]["absolute"]["p"], 0.05)

    def test_ab_test_company_counts_companies(self):
        weir, _, (sharing, other, both) = self.example("ab-test-company")
        self.assertEqual((sharing + other, both), (300, 0))
        rows = self.exposures(weir)
        self.assertEqual(len(rows), 900, "each person of each company is exposed once")
        groups = {row["units"]["companyID"]: row["metadata"]["ruleID"] for row in rows}
        self.assertEqual(Counter(groups.values()), {"own": other, "shared": sharing})

        report = weir.read("/console/v1/experiments/team_inbox/results")
        self.assertEqual(report["idType"], "companyID")
        self.assertEqual([(group["id"], group["units"]) for group in report["groups"]], [("own", other), ("shared", sharing)])
        written = [row for row in weir.events("statsig") if row["name"] == "report_created"]
        reports = Counter(groups[row["units"]["companyID"]] for row in written)
        metric = report["metrics"][0]
        self.assertEqual((metric["name"], metric["role"]), ("report_created", "primary"))
        self.assertEqual([group["sum"] for group in metric["groups"]], [reports["own"], reports["shared"]])
        self.assertLess(metric["comparisons"][0]["absolute"]["p"], 0.05)


if __name__ == "__main__":
    unittest.main()
