// The page at `/` in Chromium against the real binary: what a person who opens the printed link sees, and that the page
// keeps to its own content security policy.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLIENT_KEY, Weir, until } from "../sdk/weir.mjs";
import { launch } from "./chromium.mjs";

const SHOWN_WITHIN_MS = 10_000;
const STREAMED_WITHIN_MS = 2_000;
const WIDTHS = [1200, 360];

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

/** A fresh profile's tab, and everything that went wrong in it. */
async function tab(t, options) {
  const context = await browser.newContext({ locale: "en-CA", ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error)));
  return { page, troubles };
}

/** What the counters say, once they are there. */
async function counts(page) {
  await page.waitForSelector("#counts dd", { timeout: SHOWN_WITHIN_MS });
  const texts = await page.$$eval("#counts div", (boxes) => boxes.map((box) => [...box.children].map((c) => c.textContent)));
  return Object.fromEntries(texts.map(([name, count]) => [name, Number(count.replaceAll(",", ""))]));
}

const cells = (page, table) =>
  page.$$eval(`#${table} tr`, (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));

/** Waits until a row of `table` has a cell `text`; returns its cells. */
async function rowWith(page, table, text, ms = SHOWN_WITHIN_MS) {
  const row = page.locator(`#${table} tr`, { has: page.locator(`td:text-is(${JSON.stringify(text)})`) });
  await row.first().waitFor({ timeout: ms });
  assert.equal(await row.count(), 1, `${text} is listed once`);
  return row.locator("td").allTextContents();
}

async function send(weir, path, body) {
  const headers = { authorization: `Basic ${btoa(`${CLIENT_KEY}:`)}` };
  const reply = await fetch(weir.address + path, { method: "POST", headers, body: JSON.stringify(body) });
  return [reply.status, await reply.json()];
}

async function track(weir, event, properties, userId = "u1") {
  assert.deepEqual(await send(weir, "/v1/track", { userId, event, properties }), [200, { success: true }]);
}

test("the link signs in once, and the page tells what arrived and what became of it", async (t) => {
  const weir = await Weir.start(t);
  await track(weir, "Order Completed", { revenue: 19.99, size: "XL" });
  const again = { userId: "u1", event: "Twice", messageId: "suite-twice" };
  await send(weir, "/v1/track", again);
  await send(weir, "/v1/track", again);
  await track(weir, "Debug Ping");
  assert.equal((await send(weir, "/v1/track", { event: "Nobody's" }))[0], 400);

  const link = await weir.consoleLink;
  const { page, troubles } = await tab(t);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  const reply = await page.goto(link);
  assert.equal(page.url(), `${weir.address}/`, "the token leaves the address bar");
  assert.match(reply.headers()["content-security-policy"], /^default-src 'none'; .*script-src 'nonce-[0-9a-f]{32}'/);

  const shown = await counts(page);
  assert.deepEqual([shown.Duplicates, shown.Filtered, shown.Rejected], [1, 1, 1]);
  assert.equal(shown.Received, shown.Stored + shown.Duplicates + shown.Filtered + shown.Rejected);
  assert.deepEqual(await rowWith(page, "names", "segment::Order Completed"), [
    "segment::Order Completed",
    "segment",
    "1",
    "1",
    "0",
  ]);
  const [, name, unit, value, metadata] = await rowWith(page, "events", "segment::Order Completed");
  assert.deepEqual([name, unit, value], ["segment::Order Completed", "u1", "19.99"]);
  assert.deepEqual(JSON.parse(metadata), { revenue: "19.99", size: "XL" });
  const [, source, code, message] = await rowWith(page, "rejected", "missing_id");
  assert.deepEqual([source, code], ["segment", "missing_id"]);
  assert.match(message, /userId/);
  await page.getByText("Taking events").waitFor({ timeout: SHOWN_WITHIN_MS });

  await page.reload();
  await counts(page);
  assert.deepEqual(troubles, []);
  const strangers = requests.filter((url) => !url.startsWith(`${weir.address}/`));
  assert.deepEqual(strangers, [], "the page asks nobody else");

  const stranger = await tab(t);
  assert.equal((await stranger.page.goto(link)).status(), 401, "the link works once");
  assert.equal((await stranger.page.goto(weir.address)).status(), 401);
  await stranger.page.getByRole("heading", { name: "Sign in to Weir" }).waitFor();
});

test("an event is in the log stream within two seconds of its answer; Pause holds the stream, Resume catches up", async (t) => {
  const weir = await Weir.start(t);
  const { page, troubles } = await tab(t);
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  const streamed = [];
  network.on("Network.eventSourceMessageReceived", ({ data }) => streamed.push(JSON.parse(data).name));
  await page.goto(await weir.consoleLink);
  await counts(page);

  const markup = "<img src=x onerror=alert(1)> & 製品 🦊";
  await track(weir, "Produit consulté 🦊", { value: 3, markup }, markup);
  const row = await rowWith(page, "events", "segment::Produit consulté 🦊", STREAMED_WITHIN_MS);
  assert.deepEqual(row.slice(2, 4), [markup, "3"]);
  assert.deepEqual((await cells(page, "events"))[0], row, "the newest event stands first");

  await page.getByRole("button", { name: "Pause" }).click();
  await track(weir, "While Paused");
  const arrived = () => streamed.includes("segment::While Paused");
  await until(STREAMED_WITHIN_MS, "the stream to bring the event", arrived);
  assert.ok(!(await cells(page, "events")).flat().includes("segment::While Paused"), "a paused list stands still");

  await page.getByRole("button", { name: "Resume" }).click();
  await rowWith(page, "events", "segment::While Paused", STREAMED_WITHIN_MS);
  await track(weir, "After Resume");
  await rowWith(page, "events", "segment::After Resume", STREAMED_WITHIN_MS);
  await rowWith(page, "events", "segment::While Paused");
  await rowWith(page, "events", "segment::Produit consulté 🦊");
  assert.deepEqual(troubles, []);
});

test("the list holds the last hundred events, and the page fits a telephone", async (t) => {
  const weir = await Weir.start(t);
  const { page, troubles } = await tab(t, { colorScheme: "dark" });
  await page.goto(await weir.consoleLink);
  await counts(page);
  const batch = Array.from({ length: 150 }, (_, i) => ({
    type: "track",
    userId: `user-with-a-rather-long-identifier-${i}`,
    event: `Many ${i}`,
    properties: { text: "långt ".repeat(50) },
  }));
  assert.deepEqual(await send(weir, "/v1/batch", { batch }), [200, { success: true }]);
  await rowWith(page, "events", "segment::Many 149", STREAMED_WITHIN_MS);
  const names = (await cells(page, "events")).map(([, name]) => name);
  assert.deepEqual(names, Array.from({ length: 100 }, (_, i) => `segment::Many ${149 - i}`));
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 740 });
    const [content, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(content <= room, `${content} px of content in ${room} px`);
  }
  assert.deepEqual(troubles, []);
});

test("the page tells how each destination stands: what is to be sent, and what it would not take", async (t) => {
  const weir = await Weir.start(t);
  const settings = { isEnabled: true, writeKey: "suite", baseUrl: "http://127.0.0.1:9", configChanges: false };
  await weir.change("PATCH", "/console/v1/integrations/segment.outgoing", settings);
  // Segment takes no event without an ID, so nothing is sent for this one.
  await weir.post("/v1/webhooks/event_webhook", { event: "Nobody's" });
  const { page, troubles } = await tab(t);
  await page.goto(await weir.consoleLink);
  const says = (text) => page.getByText(text, { exact: true }).waitFor({ timeout: SHOWN_WITHIN_MS });
  await says("Taking events; segment idle, 0 to send, 1 dead letter");
  await weir.change("POST", "/console/v1/destinations/segment/pause");
  await weir.post("/v1/webhooks/event_webhook", { event: "Somebody's", user: { userID: "u1" } });
  await says("Taking events; segment paused, 1 to send, 1 dead letter");
  assert.deepEqual(troubles, []);
});
