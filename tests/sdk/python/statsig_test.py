"""statsig-python-core against the real binary: what the SDK decides by itself, what Weir answers for the same user and what
Weir tells client SDKs agree; what the SDK logs is stored once, field by field; what changes reaches the running SDK."""

import json
import os
import time
import unittest
from collections import Counter

from statsig_python_core import (
    DynamicConfigEvaluationOptions,
    ExperimentEvaluationOptions,
    FeatureGateEvaluationOptions,
    LayerEvaluationOptions,
    Statsig,
    StatsigOptions,
    StatsigUser,
)

from statsig_events import Recorder, assert_logged, of_product
from statsig_users import user
from weir import SERVER_KEY, STATSIG_PROJECT_PATH, Weir

SEED = os.environ.get("WEIR_TEST_SEED", "weir")
USERS = 2000
FLUSH_EVERY_USERS = 50
SYNC_MS = 1000
CHANGE_DEADLINE_S = 30
SHOWN_DIFFERENCES = 10

PROJECT = json.loads(STATSIG_PROJECT_PATH.read_text(encoding="utf-8"))
GATES, CONFIGS, EXPERIMENTS, LAYERS = (
    [item["name"] for item in PROJECT[section]] for section in ("gates", "dynamicConfigs", "experiments", "layers")
)
ID_TYPES = ["userID", "stableID"] + [id_type["name"] for id_type in PROJECT["unitIdTypes"]]

SDK_NAMES = {
    "userID": "user_id",
    "appVersion": "app_version",
    "customIDs": "custom_ids",
    "privateAttributes": "private_attributes",
    "statsigEnvironment": "statsig_environment",
}
SILENT = {"statsigMetadata": {"exposureLoggingDisabled": True}}


class Sdk:
    """The SDK, pointed at Weir; ends with the `with` block."""

    def __init__(self, weir, log_to=None):
        self.statsig = Statsig(
            SERVER_KEY,
            StatsigOptions(
                specs_url=f"{weir.address}/v2/download_config_specs",
                log_event_url=f"{log_to or weir.address}/v1/log_event",
                id_lists_url=f"{weir.address}/v1/get_id_lists",
                enable_id_lists=True,
                specs_sync_interval_ms=SYNC_MS,
                id_lists_sync_interval_ms=SYNC_MS,
                disable_country_lookup=True,
                output_log_level="none",
            ),
        )

    def __enter__(self):
        self.statsig.initialize().wait()
        details = self.statsig.get_initialize_details()
        assert details.source == "Network" and details.is_id_list_ready, details.failure_details
        return self.statsig

    def __exit__(self, *_):
        self.statsig.shutdown().wait()


def sdk_user(fields):
    return StatsigUser(**{SDK_NAMES.get(name, name): value for name, value in fields.items()})


def local(statsig, person):
    """What the SDK decides by itself: value, rule, group and experiment of each."""
    gate, config = FeatureGateEvaluationOptions(True), DynamicConfigEvaluationOptions(True)
    experiment, layer = ExperimentEvaluationOptions(True), LayerEvaluationOptions(True)
    answers = {}
    for name in GATES:
        it = statsig.get_feature_gate(person, name, gate)
        answers["gate", name] = (it.value, it.rule_id)
    for name in CONFIGS:
        it = statsig.get_dynamic_config(person, name, config)
        answers["config", name] = (it.value, it.rule_id)
    for name in EXPERIMENTS:
        it = statsig.get_experiment(person, name, experiment)
        answers["config", name] = (it.value, it.rule_id, it.group_name)
    for name in LAYERS:
        it = statsig.get_layer(person, name, layer)
        answers["layer", name] = (it.get_value(), it.rule_id, it.allocated_experiment_name or "")
    return answers


def asked(weir, fields):
    """The same from Weir, one by one as its API is asked."""
    answers = {}
    gates = weir.post("/v1/check_gate", {"gateNames": GATES, "user": fields, **SILENT})
    for name in GATES:
        answers["gate", name] = (gates[name]["value"], gates[name]["rule_id"])
    for name in CONFIGS + EXPERIMENTS:
        it = weir.post("/v1/get_config", {"configName": name, "user": fields, **SILENT})
        group = (it["group_name"],) if name in EXPERIMENTS else ()
        answers["config", name] = (it["value"], it["rule_id"], *group)
    for name in LAYERS:
        it = weir.post("/v1/get_layer", {"layerName": name, "user": fields, **SILENT})
        answers["layer", name] = (it["value"], it["ruleID"], it["allocatedExperimentName"] or "")
    return answers


def told(response):
    """What a client SDK is told, by kind and name. Secondary exposures are compared as a set, for the SDKs repeat some."""
    answers = {}
    for kind in ("feature_gates", "dynamic_configs", "layer_configs"):
        for name, spec in response[kind].items():
            spec = dict(spec)
            # What no client SDK decides by, and not all say: the core gives layers their ID type; Weir says of experiments
            # whether they passed, and gives the rules of dynamic configs a group name, as the older family does.
            if kind == "layer_configs":
                spec.pop("id_type", None)
            else:
                spec.pop("passed" if "is_user_in_experiment" in spec else "group_name", None)
            for exposures in ("secondary_exposures", "undelegated_secondary_exposures"):
                if exposures in spec:
                    spec[exposures] = sorted({tuple(sorted(it.items())) for it in spec[exposures]})
            answers[kind, name] = spec
    return answers


def until(what, condition):
    deadline = time.monotonic() + CHANGE_DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {CHANGE_DEADLINE_S} s for {what}"
        time.sleep(0.05)


class StatsigTest(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        print(f"users of seed {SEED!r}; WEIR_TEST_SEED sets it")

    def assert_same(self, what, index, left, right, differences):
        """Notes where two sets of answers differ."""
        self.assertEqual(left.keys(), right.keys(), what)
        differences.extend(
            f"{what}, user {index}, {key}: {left[key]} is not {right[key]}" for key in left if left[key] != right[key]
        )
        return len(left)

    def test_what_the_sdk_decides_what_weir_answers_and_what_clients_are_told_agree(self):
        differences, compared, values = [], 0, {}
        with Weir(STATSIG_PROJECT_PATH) as weir, Sdk(weir) as statsig:
            for index in range(USERS):
                fields = user(SEED, index)
                person = sdk_user(fields)
                decided = local(statsig, person)
                compared += self.assert_same("decided and answered", index, decided, asked(weir, fields), differences)
                for name in ("none", "djb2") if index % 2 else ("none",):
                    here = told(json.loads(statsig.get_client_initialize_response(person, hash=name)))
                    there = told(weir.post("/v1/initialize", {"user": fields, "hash": name}))
                    compared += self.assert_same(f"initialize with {name}", index, here, there, differences)
                for key, answer in decided.items():
                    values.setdefault(key, set()).add(answer[1])
        print(f"{USERS} users, {compared} comparisons, {len(differences)} differences")
        self.assertEqual(differences[:SHOWN_DIFFERENCES], [])
        # A catalog whose rules nobody meets would agree with anything.
        self.assertGreater(sum(len(rules) for rules in values.values()), 2 * len(values))

    def test_what_the_sdk_logs_is_stored_once_field_by_field(self):
        wanted = Counter()
        with Weir(STATSIG_PROJECT_PATH) as weir, Recorder(weir.address) as recorder:
            with Sdk(weir, recorder.address) as statsig:
                for index in range(USERS):
                    self.use(statsig, index, wanted)
                    if index % FLUSH_EVERY_USERS == 0:
                        statsig.flush_events().wait()
                statsig.flush_events().wait()
            rows = weir.events("statsig")
            self.assertEqual(weir.rejected(), [])
        logged = Counter(map(summary, of_product(recorder.sent)))
        self.assertEqual((wanted - logged, logged - wanted), (Counter(), Counter()), "calls not logged, and logged uncalled")
        assert_logged(self, rows, recorder.sent, ID_TYPES)
        print(f"{len(rows)} events stored of {len(recorder.sent)} sent")

    def use(self, statsig, index, wanted):
        """What a product does with a user: a gate, a config, an experiment, a layer's parameters, an event."""
        person = sdk_user(user(SEED, index))
        gate, config, experiment, layer = (names[index % len(names)] for names in (GATES, CONFIGS, EXPERIMENTS, LAYERS))
        it = statsig.get_feature_gate(person, gate)
        wanted["statsig::gate_exposure", gate, it.rule_id, str(it.value).lower()] += 1
        for name, it in (
            (config, statsig.get_dynamic_config(person, config)),
            (experiment, statsig.get_experiment(person, experiment)),
        ):
            wanted["statsig::config_exposure", name, it.rule_id, ""] += 1
        it = statsig.get_layer(person, layer)
        for parameter, value in it.get_value().items():
            self.assertEqual(it.get(parameter), value)
            wanted["statsig::layer_exposure", layer, it.rule_id, parameter] += 1
        value = [2.5, "7", "seven", None, 0][index % 5]
        statsig.log_event(person, f"Bought {index % 7} 🦊", value, {"index": str(index), "text": "Größe „XL“"})
        wanted[f"Bought {index % 7} 🦊", str(index), "", value] += 1

    def test_a_running_sdk_sees_new_members_and_changes_of_the_catalog(self):
        with Weir(STATSIG_PROJECT_PATH) as weir, Sdk(weir) as statsig:
            crowd = [user(SEED, index) for index in range(100)]
            joins = {"userID": "newcomer"}

            def agrees():
                for fields in crowd + [joins]:
                    self.assertEqual(local(statsig, sdk_user(fields)), asked(weir, fields))

            def rule(name, of=statsig.get_feature_gate):
                return of(sdk_user(joins), name).rule_id

            self.assertNotEqual(rule("empty_list"), "default")
            weir.change("PATCH", "/console/v1/segments/nobody_yet/id_list", {"ids": ["newcomer", "user-1"]})
            until("the list's first members", lambda: rule("empty_list") == "default")
            agrees()
            weir.change("PATCH", "/console/v1/segments/vips/id_list", {"ids": ["newcomer"]})
            until("one more member", lambda: rule("segments") == "list")
            agrees()

            self.assertFalse(statsig.check_gate(sdk_user(joins), "nobody"))
            weir.change("PATCH", "/console/v1/gates/nobody/rules/none", {"passPercentage": 100})
            until("a gate's rollout", lambda: statsig.check_gate(sdk_user(joins), "nobody"))
            weir.change("PUT", "/console/v1/experiments/not_started/start", {})
            until("an experiment's start", lambda: rule("not_started", statsig.get_experiment) in ("ns_control", "ns_test"))
            agrees()


def summary(event):
    """An event in the words of the call that it came from."""
    name, metadata = event["eventName"], event["metadata"]
    if not name.startswith("statsig::"):
        return name, metadata["index"], "", event.get("value")
    about = metadata.get("gateValue") or metadata.get("parameterName") or ""
    return name, metadata.get("gate") or metadata["config"], metadata["ruleID"], about


if __name__ == "__main__":
    unittest.main(verbosity=2)
