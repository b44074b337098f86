// The examples in data/examples that run in Node: the very files, with the real SDKs, against the real binary.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { prepare } from "../example.mjs";
import { SERVER_KEY } from "../weir.mjs";

const PACKAGES = fileURLToPath(new URL("node_modules", import.meta.url));
const DEADLINE_MS = 60_000;

/** What `node example.mjs` prints; nothing goes to standard error. */
async function run({ folder, weir }) {
  const env = { PATH: process.env.PATH, HOME: folder, WEIR_URL: weir.address, SERVER_KEY };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder, env, timeout: DEADLINE_MS });
  assert.equal(stderr, "");
  return stdout.trim();
}

const exposures = async (weir) => (await weir.events("statsig")).filter((row) => row.kind.endsWith("_exposure"));
const groupOf = (rows, field = "userID") => new Map(rows.map((row) => [row[field], row.metadata.ruleID]));
const unitsOf = (report) => Object.fromEntries(report.groups.map(({ id, units }) => [id, units]));
const sumsOf = (metric, groups) => Object.fromEntries(metric.groups.map(({ sum }, at) => [groups[at].id, sum]));

/** How many of `units` each group of `groups` (unit to group) has. */
function tally(units, groups) {
  const counts = {};
  for (const unit of units) counts[groups.get(unit)] = (counts[groups.get(unit)] ?? 0) + 1;
  return counts;
}

test("ab-test-user: Segment's events are counted for the groups that Statsig's SDK dealt", async (t) => {
  const example = await prepare(t, "ab-test-user", PACKAGES);
  const printed = await run(example);
  assert.ok(example.readme.includes(printed), `the README shows what is printed: ${printed}`);
  const [blue, green] = printed.match(/\d+/g).map(Number);
  assert.equal(blue + green, 600);

  const shown = await exposures(example.weir);
  assert.equal(shown.length, 600, "each user is exposed once");
  assert.ok(shown.every((row) => row.counts));
  const groups = groupOf(shown);
  const orders = await example.weir.events("segment");
  assert.ok(orders.length > 180 && orders.every((row) => row.name === "segment::Order Completed" && row.value === 19.99));

  const report = await example.results("button_color");
  assert.deepEqual(unitsOf(report), { blue, green });
  const [primary] = report.metrics;
  assert.deepEqual([primary.name, primary.role], ["segment::Order Completed", "primary"]);
  assert.deepEqual(sumsOf(primary, report.groups), tally(orders.map((row) => row.userID), groups));
  const [{ absolute, relative }] = primary.comparisons;
  assert.ok(absolute.p < 0.05 && relative.ci[0] > 0, "more users order with the green button");
  assert.deepEqual(await example.weir.rejected(), []);
});

test("layer: no user takes part in two experiments, and each experiment counts its own users", async (t) => {
  const example = await prepare(t, "layer", PACKAGES);
  const printed = await run(example);
  assert.ok(example.readme.includes(printed), `the README shows what is printed: ${printed}`);
  const [text, height, both, none] = printed.match(/\d+/g).map(Number);
  assert.equal(both, 0);
  assert.equal(text + height + none, 900);

  const shown = (await exposures(example.weir)).filter((row) => row.counts);
  const takers = (name) => new Set(shown.filter((row) => row.metadata.allocatedExperiment === name).map((row) => row.userID));
  const [texts, heights] = [takers("banner_text"), takers("banner_height")];
  assert.deepEqual([texts.size, heights.size], [text, height]);
  assert.deepEqual([...texts].filter((user) => heights.has(user)), []);

  const groups = groupOf(shown);
  const clicks = (await example.weir.events("statsig")).filter((row) => row.name === "banner_clicked").map((row) => row.userID);
  for (const [name, users] of [["banner_text", texts], ["banner_height", heights]]) {
    const report = await example.results(name);
    const dealt = tally(users, groups);
    assert.deepEqual(unitsOf(report), dealt);
    const counted = tally(clicks.filter((user) => users.has(user)), groups);
    assert.deepEqual(sumsOf(report.metrics[0], report.groups), counted);
  }
  assert.deepEqual(await example.weir.rejected(), []);
});
