// @statsig/js-client in Chromium against the real binary, on a page of another origin: what the SDK says to a user is what
// Weir itself answers about him, and what it reports is stored once, field by field, in each of its encodings.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { user as userOf } from "../sdk/statsig_users.mjs";
import { CLIENT_KEY, SERVER_KEY, STATSIG_PROJECT_PATH, Weir, until } from "../sdk/weir.mjs";
import { launch } from "./chromium.mjs";
import { openSite } from "./site.mjs";

const DELIVERY_DEADLINE_MS = 30_000;
const PROJECT = JSON.parse(await readFile(STATSIG_PROJECT_PATH, "utf8"));
const CONSOLE_KEY = PROJECT.keys.find(({ type }) => type === "CONSOLE").key;
const USERS = Number(process.env.WEIR_TEST_USERS ?? 500);
/** Browsers that are open at a time, and likewise questions to the binary. */
const AT_ONCE = 4;

/** `fetch` costs more than the answers that it brings. */
const agent = new Agent({ keepAlive: true });
let browser;
let site;
before(async () => {
  site = await openSite("statsig.page.js");
  browser = await launch();
});
after(async () => {
  agent.destroy();
  await browser?.close();
  site?.close();
});

// --- the page and its wire -------------------------------------------------------------------------------------------

/** Opens the page in a fresh profile and notes what it asks the binary, as the browser sends it. */
async function visit(t, weir) {
  const context = await browser.newContext({ locale: "en-CA" });
  t.after(() => context.close());
  const page = await context.newPage();
  const seen = { asked: [], answered: [], preflights: new Set(), troubles: [] };
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  network.on("Network.requestWillBeSent", ({ request }) => {
    if (request.method === "OPTIONS") seen.preflights.add(new URL(request.url).pathname);
  });
  page.on("console", (message) => message.type() === "error" && seen.troubles.push(message.text()));
  page.on("pageerror", (error) => seen.troubles.push(String(error)));
  page.on("requestfailed", (request) => seen.troubles.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin === weir.address) seen.asked.push({ url, request, ...decoded(url, request) });
    else if (url.origin !== site.origin && url.href !== "about:blank") seen.troubles.push(`asks a stranger: ${url}`);
  });
  page.on("response", (response) => {
    const { pathname, origin } = new URL(response.url());
    if (origin === weir.address) seen.answered.push(`${pathname} ${response.status()}`);
  });
  await page.goto(`${site.origin}/shop`);
  return { page, seen };
}

/** A body of the SDK, and how it was packed. */
function decoded(url, request) {
  const bytes = request.postDataBuffer() ?? Buffer.alloc(0);
  const read = (packing, text) => ({ packing, body: text === "" ? undefined : JSON.parse(text) });
  if (url.searchParams.get("gz") === "1") return read("gz", gunzipSync(bytes).toString());
  if (url.searchParams.get("se") === "1") {
    return read("se", Buffer.from(bytes.toString().split("").reverse().join(""), "base64").toString("latin1"));
  }
  return read("plain", bytes.toString());
}

const reports = (seen) => seen.asked.filter(({ url }) => url.pathname === "/v1/rgstr");
const packings = (asked) => [...new Set(asked.map(({ packing }) => packing))].sort();

/** Every event on the wire, each with what its body says of the SDK. */
function onWire(seen) {
  return reports(seen).flatMap(({ body }) => body.events.map((event) => ({ event, sdk: body.statsigMetadata })));
}
const isOfSdk = ({ event }) => OF_THE_SDK.includes(event.eventName);
/** Those of them that are to be stored. */
const reported = (seen) => onWire(seen).filter((it) => !isOfSdk(it));

/** Waits until the binary has answered every report, and fails if the page saw anything go wrong. */
async function settled({ seen }) {
  const count = (status) => seen.answered.filter((line) => line === `/v1/rgstr ${status}`).length;
  const done = () => count(202) === reports(seen).length || seen.troubles.length > 0;
  await until(DELIVERY_DEADLINE_MS, "every report to be answered", done);
  assert.deepEqual(seen.troubles, []);
}

// --- what is expected ------------------------------------------------------------------------------------------------

const NAMES = namesIn(PROJECT);

/** What a page can ask for. A layer's parameters are those of its experiments. */
function namesIn({ gates, dynamicConfigs, experiments, layers }) {
  const parametersOf = (layer) =>
    experiments
      .filter(({ layerID }) => layerID === layer.name)
      .flatMap(({ groups }) => groups.flatMap(({ parameterValues }) => Object.keys(parameterValues)));
  return {
    gates: gates.map(({ name }) => name),
    configs: dynamicConfigs.map(({ name }) => name),
    experiments: experiments.map(({ name }) => name),
    layers: Object.fromEntries(layers.map((layer) => [layer.name, [...new Set(parametersOf(layer))]])),
  };
}

const usersOf = (seed, count) => Array.from({ length: count }, (_, n) => userOf(seed, n));

async function ask(weir, path, body, key = CLIENT_KEY) {
  const headers = { "statsig-api-key": key };
  const question = request(weir.address + path, { method: "POST", headers, agent }).end(JSON.stringify(body));
  const [reply] = await once(question, "response");
  const said = await text(reply);
  assert.equal(reply.statusCode, 200, `${path}: ${said}`);
  return JSON.parse(said);
}

async function consoleSays(weir, method, path) {
  const headers = { "statsig-api-key": CONSOLE_KEY };
  const reply = await fetch(`${weir.address}/console/v1/${path}`, { method, headers });
  assert.equal(reply.status, 200, path);
  return reply.json();
}

/** What Weir itself answers about the user of whom the SDK spoke, in the SDK's words. */
async function answersOf(weir, { user, stableID }, names) {
  const about = { user, statsigMetadata: { stableID, exposureLoggingDisabled: true } };
  // Only what the catalog does not serve, an archived experiment, has no rule.
  const reasonOf = (ruleID) => (ruleID === "" ? "Network:Unrecognized" : "Network:Recognized");
  const all = async (list, answer) => {
    const entries = [];
    for (const name of list) entries.push([name, await answer(name)]);
    return Object.fromEntries(entries);
  };
  const checked = await ask(weir, "/v1/check_gate", { ...about, gateNames: names.gates });
  const config = (name) => ask(weir, "/v1/get_config", { ...about, configName: name });
  return {
    user,
    stableID,
    gates: await all(names.gates, (name) => {
      const { value, rule_id: ruleID } = checked[name];
      return { value, ruleID, checked: value, reason: reasonOf(ruleID) };
    }),
    configs: await all(names.configs, async (name) => {
      const { value, rule_id: ruleID, group } = await config(name);
      assert.equal(group, ruleID);
      return { value, ruleID, reason: reasonOf(ruleID) };
    }),
    experiments: await all(names.experiments, async (name) => {
      const { value, rule_id: ruleID, group_name: groupName } = await config(name);
      return { value, ruleID, groupName, reason: reasonOf(ruleID) };
    }),
    layers: await all(Object.keys(names.layers), async (name) => {
      const layer = await ask(weir, "/v1/get_layer", { ...about, layerName: name });
      const { value, ruleID, allocatedExperimentName: allocated } = layer;
      const groupName = allocated === "" ? null : (await config(allocated)).group_name;
      const read = Object.fromEntries(names.layers[name].map((parameter) => [parameter, value[parameter] ?? null]));
      for (const parameter of Object.keys(value)) assert.ok(parameter in read, `${name} has no parameter ${parameter}`);
      return { value: read, ruleID, groupName, reason: reasonOf(ruleID) };
    }),
  };
}

/** Runs `work` over the items, some at a time. */
async function each(items, work) {
  const waiting = items.entries();
  const worker = async () => {
    for (const [n, item] of waiting) await work(item, n);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Text's hash by which a browser knows a gate: 31 times what was before, plus the UTF-16 unit, in 32 bits. */
function djb2(text) {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return String(hash >>> 0);
}
const sha256 = (text) => createHash("sha256").update(text).digest("base64");

const ITEMS = [...PROJECT.gates, ...PROJECT.holdouts, ...PROJECT.experiments];
const NAME_OF = new Map(ITEMS.map(({ name }) => [djb2(name), name]));
const named = (text) => NAME_OF.get(text) ?? text;
/** What the SDK tells about itself is no event of the product. */
const OF_THE_SDK = ["statsig::diagnostics", "statsig::non_exposed_checks"];
const ID_TYPES = ["stableID", ...PROJECT.unitIdTypes.map(({ name }) => name)];
const KINDS = {
  "statsig::gate_exposure": "gate_exposure",
  "statsig::config_exposure": "config_exposure",
  "statsig::layer_exposure": "layer_exposure",
};

/** The row that an event should have become. */
function expectedRow({ event, sdk }) {
  const { userID, customIDs = {}, statsigEnvironment } = event.user;
  const idType = (given) => ID_TYPES.find((name) => name.toLowerCase() === given.toLowerCase());
  const custom = Object.entries(customIDs).map(([given, value]) => [idType(given), value]);
  const metadata = Object.entries(event.metadata ?? {}).filter(([, value]) => value !== null);
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const read = (key, value) => (key === "allocatedExperiment" ? named(value) : text(value));
  return {
    name: event.eventName,
    source: "statsig",
    kind: KINDS[event.eventName] ?? "custom",
    timestamp: String(event.time),
    userID: userID ?? null,
    units: { ...(userID && { userID }), stableID: sdk.stableID, ...Object.fromEntries(custom) },
    value: numberIn(event.value),
    metadata: Object.fromEntries(metadata.map(([key, value]) => [key, read(key, value)])),
    secondaryExposures: (event.secondaryExposures ?? []).map((it) => ({ ...it, gate: named(it.gate) })),
    environment: statsigEnvironment?.tier ?? "production",
    raw: event,
  };
}

const numberIn = (value) =>
  value !== null && value !== undefined && value !== "" && Number.isFinite(Number(value)) ? Number(value) : null;

const comparable = (row) => ({
  name: row.name,
  source: row.source,
  kind: row.kind,
  timestamp: row.timestamp,
  userID: row.userID ?? null,
  units: row.units,
  value: row.value ?? null,
  metadata: row.metadata,
  secondaryExposures: row.secondaryExposures ?? [],
  environment: row.environment,
  raw: row.raw,
});

/** Fails unless the stored rows are exactly the reported events, each as often as it was reported. */
function assertStored(rows, events, startedAt) {
  const key = (it) => JSON.stringify(it.raw ?? it.event);
  const sorted = (list) => list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  assert.equal(rows.length, events.length, "as many are stored as were reported");
  assert.equal(new Set(rows.map(({ messageId }) => messageId)).size, rows.length, "no messageId twice");
  const wanted = sorted(events);
  for (const [n, row] of sorted(rows).entries()) {
    assert.ok(row.receivedAt >= startedAt && row.receivedAt <= Date.now(), "receivedAt");
    assert.deepEqual(comparable(row), expectedRow(wanted[n]));
  }
}

// --- tests -----------------------------------------------------------------------------------------------------------

test("what the SDK says to a user is what Weir answers about him, whatever the names' hash", async (t) => {
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const visitors = await Promise.all(Array.from({ length: AT_ONCE }, () => visit(t, weir)));
  const users = usersOf("browser", USERS);
  const said = {};
  for (const hash of ["djb2", "none"]) {
    const setup = { address: weir.address, key: CLIENT_KEY, options: { networkConfig: { initializeHashAlgorithm: hash } } };
    const parts = visitors.map(({ page }, part) => {
      const mine = users.filter((_, n) => n % AT_ONCE === part);
      return page.evaluate((given) => window.answersTo(...given), [mine, NAMES, setup]);
    });
    said[hash] = (await Promise.all(parts)).flat();
  }
  for (const visitor of visitors) await settled(visitor);
  assert.equal(said.djb2.length, USERS);
  let compared = 0;
  await each(said.djb2, async (answers, n) => {
    const expected = await answersOf(weir, answers, NAMES);
    assert.deepEqual(answers, expected);
    assert.deepEqual(said.none[n], expected);
    for (const part of ["gates", "configs", "experiments", "layers"]) compared += 2 * Object.keys(expected[part]).length;
  });
  const asked = visitors.flatMap(({ seen }) => seen.asked.filter(({ url }) => url.pathname === "/v1/initialize"));
  assert.equal(asked.length, 2 * USERS);
  assert.deepEqual(packings(asked), ["plain", "se"], "names beyond Latin-1 go unpacked");
  for (const { seen } of visitors) assert.deepEqual([...seen.preflights], ["/v1/rgstr"]);
  assert.deepEqual(await weir.events("statsig"), [], "nobody wanted exposures");

  const [{ page }] = visitors;
  for (const user of users.slice(0, 50)) {
    const initialize = async (hash) => {
      const url = `${weir.address}/v1/initialize?k=${CLIENT_KEY}`;
      const request = { method: "POST", body: JSON.stringify({ user, hash }) };
      const [status, text] = await page.evaluate((given) => window.reach(...given), [url, request]);
      assert.equal(status, 200);
      return JSON.parse(text);
    };
    const [plain, hashed] = [await initialize("none"), await initialize("sha256")];
    for (const part of ["feature_gates", "dynamic_configs", "layer_configs"]) {
      const answers = Object.entries(plain[part]);
      assert.deepEqual(Object.keys(hashed[part]).sort(), answers.map(([name]) => sha256(name)).sort());
      for (const [name, { value, rule_id, group_name }] of answers) {
        const other = hashed[part][sha256(name)];
        assert.deepEqual([other.value, other.rule_id, other.group_name], [value, rule_id, group_name]);
        compared += 1;
      }
    }
  }
  t.diagnostic(`${USERS} users, ${compared} answers`);
});

const DEEDS = [
  ["Order Completed", 19.99, { currency: "CAD", coupon: "Größe „XL“ 🦊 \u2028 end", "key ключ": "да" }],
  ["Order Completed", 19.99, { currency: "CAD", coupon: "Größe „XL“ 🦊 \u2028 end", "key ключ": "да" }],
  ["Searched", "12.50", { nothing: null, empty: "" }],
  ["Named", "twelve"],
  ["Produit consulté — 製品 🦊"],
];

for (const [packing, options] of Object.entries({ plain: {}, gz: { logEventCompressionMode: "f" } })) {
  test(`what a page reports is stored once, field by field (${packing})`, async (t) => {
    const startedAt = Date.now();
    const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
    const visitor = await visit(t, weir);
    const { page, seen } = visitor;
    const setup = { address: weir.address, key: CLIENT_KEY, options: { loggingBufferMaxSize: 1000, ...options } };
    // Whose devices only the SDK knows: no stableID of the page's own.
    const withoutDevice = ({ customIDs: { stableID: _, ...customIDs }, ...user }) => ({ ...user, customIDs });
    const users = usersOf("page", 60).map(withoutDevice);
    await page.evaluate((given) => window.start(...given), [{ userID: "first" }, setup]);
    const said = [];
    for (const user of users) said.push(await page.evaluate((given) => window.become(...given), [user, NAMES, DEEDS]));
    // While one flush of the SDK is under way, another one leaves to it what was logged last.
    const deeds = () => reported(seen).filter(({ event }) => !(event.eventName in KINDS)).length;
    let delivered;
    await until(DELIVERY_DEADLINE_MS, "everything that was logged to be sent and answered", async () => {
      delivered = await page.evaluate(() => window.finish());
      return deeds() >= users.length * DEEDS.length && onWire(seen).length === delivered;
    });
    await settled(visitor);

    const events = reported(seen);
    assert.equal(onWire(seen).length, delivered);
    assert.deepEqual(packings(reports(seen)), [packing]);
    assert.ok(seen.preflights.has("/v1/rgstr"), "the browser asked before it sent");
    assert.equal(deeds(), users.length * DEEDS.length);
    const [stableID, ...others] = new Set(said.map((answers) => answers.stableID));
    assert.deepEqual(others, [], "one browser is one device");
    assert.ok(events.every(({ sdk }) => sdk.stableID === stableID));
    const hashed = ({ event }) => event.secondaryExposures?.some(({ gate }) => NAME_OF.has(gate));
    assert.ok(events.some(hashed), "the SDK knows gates by their hashes");
    assert.ok(events.some(({ event }) => NAME_OF.has(event.metadata?.allocatedExperiment)), "and experiments of layers");
    assertStored(await weir.events("statsig"), events, startedAt);
    assert.deepEqual(await weir.rejected(), []);
    assert.equal(await filtered(weir), onWire(seen).filter(isOfSdk).length);
    // One in a layer, which is also asked for by its own name, and one without.
    for (const experiment of ["shop_search", "button_color"]) await assertCounted(weir, experiment, events);
    t.diagnostic(`${events.length} events`);
  });
}

/** How many events arrived that are none of the product. */
async function filtered(weir) {
  const text = await (await fetch(`${weir.address}/metrics`)).text();
  const [, count] = /^weir_events_total\{outcome="filtered"\} (\d+)$/m.exec(text) ?? assert.fail(text);
  return Number(count);
}

/**
 * Fails unless the report has each exposure of the experiment in its group, and the users that they are of. Those of users
 * outside production are told as not counted.
 */
async function assertCounted(weir, experiment, events) {
  const { groups, layerID } = PROJECT.experiments.find(({ name }) => name === experiment);
  const isOf = ({ config, allocatedExperiment = "" }) => config === experiment || named(allocatedExperiment) === experiment;
  const all = events.filter(({ event }) => event.eventName in KINDS && isOf(event.metadata) && event.user.userID);
  const isProduction = ({ event }) => (event.user.statsigEnvironment?.tier ?? "production") === "production";
  const exposures = all.filter(isProduction);
  const ofLayer = exposures.filter(({ event }) => event.metadata.config === layerID);
  assert.equal(ofLayer.length > 0, layerID !== undefined, `${experiment} has exposures of its layer`);
  const report = await consoleSays(weir, "GET", `experiments/${experiment}/results`);
  const expected = groups.map(({ id }) => {
    const mine = exposures.filter(({ event }) => event.metadata.ruleID === id);
    return { id, exposures: mine.length, units: new Set(mine.map(({ event }) => event.user.userID)).size };
  });
  assert.ok(expected.every(({ units }) => units > 0), `${experiment} has users in each group`);
  assert.deepEqual(report.groups.map(({ id, exposures, units }) => ({ id, exposures, units })), expected);
  assert.ok(report.notCounted.non_production > 0 && exposures.length < all.length, "some users are not in production");
}

test("what is left when the page goes is sent by beacon and stored once", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const { page, seen } = await visit(t, weir);
  const setup = { address: weir.address, key: CLIENT_KEY, options: {} };
  await page.evaluate((given) => window.start(...given), [{ userID: "leaving" }, setup]);
  await page.evaluate(() => window.keepBeacons());
  // In one turn, so that the SDK's own timers send nothing before.
  await page.evaluate(() => {
    window.client.checkGate("nested");
    window.client.getLayer("look").get("theme", "");
    window.client.logEvent("Left — 離", 3, { how: "navigation" });
    window.location.href = "about:blank";
  });
  await page.waitForURL("about:blank");
  let rows = [];
  const deadline = Date.now() + DELIVERY_DEADLINE_MS;
  while (rows.length < 3 && Date.now() < deadline) rows = await weir.events("statsig");
  await page.goto(`${site.origin}/shop`);
  const bodies = (await page.evaluate(() => window.beacons())).map((text) => JSON.parse(text));
  assert.equal(bodies.length, 1);
  const [{ events, statsigMetadata: sdk }] = bodies;
  const sent = events.map((event) => ({ event, sdk })).filter((it) => !isOfSdk(it));
  assertStored(rows, sent, startedAt);
  assert.deepEqual(seen.troubles, []);
  assert.deepEqual(
    rows.map(({ name }) => name).sort(),
    ["Left — 離", "statsig::gate_exposure", "statsig::layer_exposure"],
  );
});

test("a user who comes again gets what has changed, and nothing where nothing has", async (t) => {
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const { page, seen } = await visit(t, weir);
  // One who is held out of nothing.
  const answerTo = (user) => ask(weir, "/v1/check_gate", { user, gateName: "everybody" });
  let user;
  for (let n = 0; user === undefined; n++) {
    const one = { userID: `again-${n}` };
    if ((await answerTo(one)).value) user = one;
  }
  await page.evaluate((given) => window.start(...given), [user, { address: weir.address, key: CLIENT_KEY, options: {} }]);
  const gate = async () => {
    const { gates } = await page.evaluate((given) => window.become(...given), [user, NAMES, []]);
    return gates.everybody;
  };
  const initialized = () => seen.answered.filter((line) => line.startsWith("/v1/initialize"));
  assert.deepEqual(await gate(), { value: true, ruleID: "all", checked: true, reason: "NetworkNotModified:Recognized" });
  assert.deepEqual(initialized(), ["/v1/initialize 200", "/v1/initialize 204"]);
  await consoleSays(weir, "PUT", "gates/everybody/disable");
  assert.deepEqual(await gate(), { value: false, ruleID: "disabled", checked: false, reason: "Network:Recognized" });
  assert.deepEqual(seen.troubles, []);
});

test("a page with a client key reaches neither specs nor lists nor the console", async (t) => {
  const weir = await Weir.start(t, STATSIG_PROJECT_PATH);
  const { page } = await visit(t, weir);
  const lists = await ask(weir, "/v1/get_id_lists", {}, SERVER_KEY);
  const [list] = Object.values(lists);
  const file = new URL(new URL(list.url).pathname, weir.address).pathname;
  const withServerKey = await fetch(weir.address + file, { headers: { "statsig-api-key": SERVER_KEY } });
  assert.equal(withServerKey.status, 200);
  const headers = { "statsig-api-key": CLIENT_KEY };
  const post = { method: "POST", headers, body: "{}" };
  for (const [path, request] of [
    [`/v1/download_config_specs/${CLIENT_KEY}.json`, { headers }],
    [`/v2/download_config_specs/${CLIENT_KEY}.json`, { headers }],
    ["/v1/download_config_specs", post],
    ["/v1/get_id_lists", post],
    [file, { headers }],
    ["/console/v1/events", { headers }],
    ["/console/v1/stream", { headers }],
    ["/console/v1/gates", { headers }],
    ["/console/v1/gates", post],
    ["/console/v1/experiments/button_color/results", { headers }],
  ]) {
    const [seenByPage, text] = await page.evaluate((given) => window.reach(...given), [weir.address + path, request]);
    const reply = await fetch(weir.address + path, request);
    assert.ok([401, 403].includes(reply.status), `${path}: ${reply.status}`);
    assert.ok(["kept from the page", reply.status].includes(seenByPage), `${path}: the page sees ${seenByPage} ${text}`);
    // Even an answer that a key could open is the console's own: no page of another origin may read it.
    if (path.startsWith("/console/")) assert.equal(seenByPage, "kept from the page", path);
  }
  const url = `${weir.address}/v1/check_gate`;
  const allowed = { method: "POST", headers, body: JSON.stringify({ gateName: "everybody", user: { userID: "u" } }) };
  assert.equal((await page.evaluate((given) => window.reach(...given), [url, allowed]))[0], 200, "a gate it may ask for");
});
