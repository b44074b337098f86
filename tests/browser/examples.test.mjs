// The example in data/examples that runs in a browser: the very page, opened as a file in Chromium, against the real binary.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { prepare } from "../sdk/example.mjs";
import { CLIENT_KEY } from "../sdk/weir.mjs";
import { launch } from "./chromium.mjs";

const PACKAGES = fileURLToPath(new URL("node_modules", import.meta.url));
const DEADLINE_MS = 30_000;

test("holdout: who is held out gets nothing new, and counts for no experiment", async (t) => {
  const { folder, readme, weir, results } = await prepare(t, "holdout", PACKAGES);
  const browser = await launch();
  t.after(() => browser.close());
  const page = await browser.newPage();
  const troubles = [];
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error)));
  const address = pathToFileURL(join(folder, "example.html"));
  address.search = new URLSearchParams({ key: CLIENT_KEY, url: weir.address });
  await page.goto(address.href);
  const summary = page.locator("#summary");
  await summary.filter({ hasNotText: "Asking" }).waitFor({ timeout: DEADLINE_MS });
  const printed = await summary.textContent();
  assert.deepEqual(troubles, []);
  assert.ok(readme.includes(printed), `the README shows what the page says: ${printed}`);

  const users = await page.locator("#users tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.equal(users.length, 40);
  const held = users.filter(([, fast]) => fast === "off");
  assert.equal(held.length, Number.parseInt(printed, 10));
  assert.ok(held.length > 0 && held.length < 20);
  assert.ok(users.every(([, fast, order]) => (fast === "off") === (order === "as before")), "held out of both or of none");

  const rows = await weir.events("statsig");
  for (const kind of ["gate_exposure", "config_exposure"]) {
    const shown = rows.filter((row) => row.kind === kind);
    assert.equal(shown.length, 40, `each user has one ${kind}`);
  }
  const shown = new Map(rows.filter((row) => row.kind === "config_exposure").map((row) => [row.userID, row]));
  for (const [user, fast] of users) {
    const { counts, why } = shown.get(user);
    assert.deepEqual([counts, why], fast === "off" ? [false, "held_out"] : [true, undefined], user);
  }

  const report = await results("result_order");
  const dealt = (order) => users.filter((user) => user[2] === order).map(([user]) => user);
  const groups = ["by price", "by rating"].map(dealt);
  assert.deepEqual(report.groups.map(({ units }) => units), groups.map((group) => group.length));
  assert.equal(report.notCounted.held_out, held.length);
  const opened = rows.filter((row) => row.name === "result_opened").map((row) => row.userID);
  assert.deepEqual(
    report.metrics[0].groups.map(({ sum }) => sum),
    groups.map((group) => opened.filter((user) => group.includes(user)).length),
  );
});
