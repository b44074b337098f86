// statsig-node, the older family of Statsig's SDKs, against the real binary: what the SDK decides by itself, what Weir
// answers for the same user and what Weir tells client SDKs agree; what the SDK logs is stored once, field by field; what
// changes reaches the running SDK.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync } from "node:zlib";
import { StatsigServer } from "statsig-node";
import { assertLogged, assertSameTexts, ofProduct } from "../statsig_events.mjs";
import { user } from "../statsig_users.mjs";
import { SERVER_KEY, STATSIG_PROJECT_PATH, Weir, until, within } from "../weir.mjs";

// To this SDK a day begins at midnight where it runs, to the others and to Weir at midnight UTC.
process.env.TZ = "UTC";

const SEED = process.env.WEIR_TEST_SEED ?? "weir";
const USERS = 2_000;
const FLUSH_EVERY_USERS = 50;
const SYNC_MS = 5_000; // The SDK's shortest.
const CHANGE_DEADLINE_MS = 30_000;
const SHOWN_DIFFERENCES = 10;

const PROJECT = JSON.parse(await readFile(STATSIG_PROJECT_PATH, "utf8"));
const namesOf = (section) => PROJECT[section].map((item) => item.name);
const [GATES, CONFIGS, EXPERIMENTS, LAYERS] = ["gates", "dynamicConfigs", "experiments", "layers"].map(namesOf);
const ID_TYPES = ["userID", "stableID", ...PROJECT.unitIdTypes.map((type) => type.name)];
const SILENTLY = { disableExposureLogging: true };
const SILENT = { statsigMetadata: { exposureLoggingDisabled: true } };

// Every parameter of a layer's experiments: the SDK gives a layer's values one by one only.
const PARAMETERS = Object.fromEntries(
  LAYERS.map((layer) => {
    const groups = PROJECT.experiments.filter((it) => it.layerID === layer).flatMap((it) => it.groups);
    return [layer, [...new Set(groups.flatMap((group) => Object.keys(group.parameterValues)))]];
  }),
);

/** The SDK, pointed at Weir, until the test ends; `sent` is what it logged and Weir took. */
async function start(t, weir) {
  const sent = [];
  const noted = async (url, request) => {
    const reply = await fetch(url, request);
    if (url.endsWith("/log_event") && reply.status === 202) {
      const compressed = request.headers["Content-Encoding"] === "gzip";
      sent.push(...JSON.parse(compressed ? gunzipSync(request.body) : request.body).events);
    }
    return reply;
  };
  const statsig = new StatsigServer(SERVER_KEY, {
    api: `${weir.address}/v1`,
    rulesetsSyncIntervalMs: SYNC_MS,
    initStrategyForIP3Country: "none",
    networkOverrideFunc: noted,
    logger: { warn: () => {}, error: console.error, logLevel: "error" },
  });
  t.after(() => statsig.shutdown());
  const details = await within(20_000, "the SDK to start", statsig.initializeAsync());
  assert.ok(details.success && details.source === "Network", JSON.stringify(details));
  return { statsig, sent };
}

/** What the SDK decides by itself: value, rule, group and experiment of each. */
function local(statsig, person) {
  const answers = {};
  for (const name of GATES) {
    const it = statsig.getFeatureGate(person, name, SILENTLY);
    answers[`gate ${name}`] = [it.value, it.ruleID, it.groupName];
  }
  for (const name of CONFIGS) {
    const it = statsig.getConfig(person, name, SILENTLY);
    answers[`config ${name}`] = [it.value, it.getRuleID(), it.getGroupName()];
  }
  for (const name of EXPERIMENTS) {
    const it = statsig.getExperiment(person, name, SILENTLY);
    answers[`config ${name}`] = [it.value, it.getRuleID(), it.getGroupName()];
  }
  for (const name of LAYERS) {
    const it = statsig.getLayer(person, name, SILENTLY);
    const values = PARAMETERS[name].map((parameter) => [parameter, it.getValue(parameter)]);
    const value = Object.fromEntries(values.filter(([, value]) => value !== null && value !== undefined));
    answers[`layer ${name}`] = [value, it.getRuleID(), it.getAllocatedExperimentName() ?? ""];
  }
  return answers;
}

/** The same from Weir, one by one as its API is asked. */
async function asked(weir, person) {
  const answers = {};
  const ask = (path, what) => weir.post(`/v1/${path}`, { ...what, user: person, ...SILENT });
  const gates = async () => {
    for (const [name, it] of Object.entries(await ask("check_gate", { gateNames: GATES }))) {
      answers[`gate ${name}`] = [it.value, it.rule_id, it.group_name];
    }
  };
  const config = async (configName) => {
    const it = await ask("get_config", { configName });
    answers[`config ${configName}`] = [it.value, it.rule_id, it.group_name];
  };
  const layer = async (layerName) => {
    const it = await ask("get_layer", { layerName });
    answers[`layer ${layerName}`] = [it.value, it.ruleID, it.allocatedExperimentName ?? ""];
  };
  await Promise.all([gates(), ...[...CONFIGS, ...EXPERIMENTS].map(config), ...LAYERS.map(layer)]);
  return answers;
}

/** What a client SDK is told, by kind and name. Secondary exposures are compared as a set, for the SDKs repeat some. */
function told(response) {
  const answers = {};
  const set = (exposures) => [...new Set(exposures.map((it) => [it.gate, it.gateValue, it.ruleID].join()))].sort();
  for (const kind of ["feature_gates", "dynamic_configs", "layer_configs"]) {
    for (const [name, given] of Object.entries(response[kind])) {
      const spec = JSON.parse(JSON.stringify(given));
      // No client SDK decides by it; this SDK leaves it out.
      delete spec.passed;
      for (const exposures of ["secondary_exposures", "undelegated_secondary_exposures"]) {
        if (spec[exposures]) spec[exposures] = set(spec[exposures]);
      }
      answers[`${kind} ${name}`] = spec;
    }
  }
  return answers;
}

/** Notes where two sets of answers differ, and says how many were compared. */
function compare(what, left, right, differences) {
  assert.deepEqual(Object.keys(left).sort(), Object.keys(right).sort(), what);
  for (const [key, answer] of Object.entries(left)) {
    if (!isDeepStrictEqual(answer, right[key])) {
      differences.push(`${what}, ${key}: ${JSON.stringify(answer)} is not ${JSON.stringify(right[key])}`);
    }
  }
  return Object.keys(left).length;
}

test("what the SDK decides, what Weir answers and what clients are told agree", async (t) => {
  t.diagnostic(`users of seed "${SEED}"; WEIR_TEST_SEED sets it`);
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const { statsig } = await start(t, weir);
  const differences = [];
  const rules = {};
  let compared = 0;
  for (let index = 0; index < USERS; index += 1) {
    const person = user(SEED, index);
    const decided = local(statsig, person);
    compared += compare(`decided and answered, user ${index}`, decided, await asked(weir, person), differences);
    for (const hash of index % 2 ? ["none", "djb2"] : ["none"]) {
      const here = told(statsig.getClientInitializeResponse(person, undefined, { hash }));
      const there = told(await weir.post("/v1/initialize", { user: person, hash }));
      compared += compare(`initialize with ${hash}, user ${index}`, here, there, differences);
    }
    for (const [key, [, rule]] of Object.entries(decided)) (rules[key] ??= new Set()).add(rule);
  }
  t.diagnostic(`${USERS} users, ${compared} comparisons, ${differences.length} differences`);
  assert.deepEqual(differences.slice(0, SHOWN_DIFFERENCES), []);
  // A catalog whose rules nobody meets would agree with anything.
  const met = Object.values(rules).reduce((sum, of) => sum + of.size, 0);
  assert.ok(met > 2 * Object.keys(rules).length, `${met} rules met`);
});

test("what the SDK logs is stored once, field by field", async (t) => {
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const { statsig, sent } = await start(t, weir);
  const wanted = [];
  for (let index = 0; index < USERS; index += 1) {
    use(statsig, index, wanted);
    if (index % FLUSH_EVERY_USERS === 0) await statsig.flush();
  }
  await statsig.flush();
  assertSameTexts(ofProduct(sent).map(summary), wanted);
  assertLogged(await weir.events("statsig"), sent, ID_TYPES);
  assert.deepEqual(await weir.rejected(), []);
  t.diagnostic(`${sent.length} events sent and stored`);
});

/** What a product does with a user: a gate, a config, an experiment, a layer's parameters, an event. */
function use(statsig, index, wanted) {
  const person = user(SEED, index);
  const [gate, config, experiment, layer] = [GATES, CONFIGS, EXPERIMENTS, LAYERS].map((names) => names[index % names.length]);
  const note = (...words) => wanted.push(words.join("|"));
  const checked = statsig.getFeatureGate(person, gate);
  note("statsig::gate_exposure", gate, checked.ruleID, checked.value);
  note("statsig::config_exposure", config, statsig.getConfig(person, config).getRuleID(), "");
  note("statsig::config_exposure", experiment, statsig.getExperiment(person, experiment).getRuleID(), "");
  const it = statsig.getLayer(person, layer);
  for (const parameter of PARAMETERS[layer]) {
    const value = it.getValue(parameter);
    // A parameter that the unit's experiment does not set is not read, and not exposed.
    if (value !== null && value !== undefined) note("statsig::layer_exposure", layer, it.getRuleID(), parameter);
  }
  const value = [2.5, "7", "seven", null, 0][index % 5];
  statsig.logEvent(person, `Bought ${index % 7} 🦊`, value, { index: String(index), text: "Größe „XL“", nested: { n: [1] } });
  note(`Bought ${index % 7} 🦊`, index, "", value);
}

/** An event in the words of the call that it came from. */
function summary({ eventName, metadata, value }) {
  if (!eventName.startsWith("statsig::")) return [eventName, metadata.index, "", value].join("|");
  const about = metadata.gateValue ?? metadata.parameterName ?? "";
  return [eventName, metadata.gate ?? metadata.config, metadata.ruleID, about].join("|");
}

test("a running SDK sees new members of a list and changes of the catalog", async (t) => {
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const { statsig } = await start(t, weir);
  const joins = { userID: "newcomer" };
  const crowd = [joins, ...Array.from({ length: 100 }, (_, index) => user(SEED, index))];
  const agrees = async () => {
    for (const person of crowd) assert.deepEqual(local(statsig, person), await asked(weir, person));
  };
  const gate = (name) => statsig.getFeatureGate(joins, name, SILENTLY);

  assert.notEqual(gate("empty_list").ruleID, "default");
  await weir.change("PATCH", "/console/v1/segments/nobody_yet/id_list", { ids: ["newcomer", "user-1"] });
  // The SDK polls lists every 30 s or slower; here it is told to ask now.
  await statsig.syncStoreIdLists();
  assert.equal(gate("empty_list").ruleID, "default");
  await weir.change("PATCH", "/console/v1/segments/vips/id_list", { ids: ["newcomer"] });
  await statsig.syncStoreIdLists();
  assert.equal(gate("segments").ruleID, "list");
  await agrees();

  assert.equal(gate("nobody").value, false);
  await weir.change("PATCH", "/console/v1/gates/nobody/rules/none", { passPercentage: 100 });
  await weir.change("PUT", "/console/v1/experiments/not_started/start", {});
  await until(CHANGE_DEADLINE_MS, "the gate's rollout", () => gate("nobody").value);
  const group = () => statsig.getExperiment(joins, "not_started", SILENTLY).getRuleID();
  await until(CHANGE_DEADLINE_MS, "the experiment's start", () => ["ns_control", "ns_test"].includes(group()));
  await agrees();
});
