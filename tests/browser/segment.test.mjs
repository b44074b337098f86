// @segment/analytics-next in Chromium against the real binary: what the browser sent and saw answered with 200 is stored
// once, field by field. The page comes from another origin, so that the browser asks for CORS and preflights.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLIENT_KEY, Weir, assertStored, eventsOf, until } from "../sdk/weir.mjs";
import { launch } from "./chromium.mjs";
import { openSite } from "./site.mjs";

const DELIVERY_DEADLINE_MS = 30_000;
const LONG_AGO = new Date(Date.now() - 3 * 86_400_000).toISOString();

let browser;
let site;

before(async () => {
  site = await openSite("segment.page.js");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  site?.close();
});

/** Opens the page in a fresh profile and notes every event that a request carried and a 200 answered. */
async function visit(t) {
  const context = await browser.newContext({ locale: "en-CA", userAgent: "Mozilla/5.0 (Suite) Größe/1.0" });
  t.after(() => context.close());
  const page = await context.newPage();
  const seen = { sent: [], preflights: new Set(), troubles: [] };
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  network.on("Network.requestWillBeSent", ({ request }) => {
    if (request.method === "OPTIONS") seen.preflights.add(new URL(request.url).pathname);
  });
  page.on("console", (message) => message.type() === "error" && seen.troubles.push(message.text()));
  page.on("pageerror", (error) => seen.troubles.push(String(error)));
  page.on("requestfailed", (request) => seen.troubles.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    const request = response.request();
    if (request.method() !== "POST" || request.url().endsWith("/m") || response.status() !== 200) return;
    seen.sent.push(...eventsOf(JSON.parse(request.postData())));
  });
  await page.goto(`${site.origin}/shop?q=%C3%A4&utm_source=suite`);
  return { page, seen };
}

/** Runs the calls in the page until `count` events are on the wire and answered; returns what the SDK reported. */
async function send({ page, seen }, weir, calls, count, deliveryStrategy) {
  const delivered = await page.evaluate((suite) => window.suite(suite), {
    address: weir.address,
    writeKey: CLIENT_KEY,
    deliveryStrategy,
    calls,
  });
  const settled = () => seen.sent.length >= count || seen.troubles.length > 0;
  await until(DELIVERY_DEADLINE_MS, `${count} events to be answered`, settled);
  assert.deepEqual(seen.troubles, []);
  assert.equal(seen.sent.length, count);
  return delivered;
}

const PROPERTIES = {
  label: "Größe „XL“ 🦊 \u2028 end",
  "key ключ": "да",
  count: 288,
  tiny: 1.5e-9,
  yes: true,
  empty: "",
  nothing: null,
  nested: { list: [1, "two", { three: [null, false] }], deep: { deeper: "ok 漢字" } },
};
const off = (integrations) => ({ integrations });

const CALLS = [
  ["track", "Seen Anonymously", { step: 1 }],
  ["page"],
  ["page", "Docs", "Home", { section: "ä", ...PROPERTIES }],
  ["identify", "u1", { email: "zoë@example.com", plan: "pro", logins: 5 }],
  ["track", "Order Completed", { ...PROPERTIES, revenue: 19.99 }],
  ["track", "Produit consulté — 製品 🦊", { value: "12.50" }],
  ["track", "Imported", { from: "history" }, { timestamp: LONG_AGO }],
  ["track", "Company", { statsigCustomIDs: ["companyID", "acme", "unheardOf", "x"] }],
  ["track", "Custom", { statsigCustom: ["plan", "pro"] }],
  ["track", "Staged", { statsigEnvironment: { tier: "staging" } }],
  ["track", "Off By Name", {}, off({ Weir: false })],
  ["track", "Off As Statsig", {}, off({ Statsig: false })],
  ["track", "Off With All", {}, off({ All: false, "Segment.io": true })],
  ["track", "On Beside All", {}, off({ All: false, "Segment.io": true, Weir: true })],
  ["track", "Debug Ping"],
  ["screen", "App", "Main", { variation: "blue" }],
  ["group", "g1", { name: "Initech GmbH & Co", employees: 42 }],
  ["alias", "u1-new", "u1"],
];

test("every kind of call from a page of another origin is stored once, field by field", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const visitor = await visit(t);
  const delivered = await send(visitor, weir, CALLS, CALLS.length);
  assert.deepEqual(delivered.sort(), visitor.seen.sent.map(({ event }) => event.messageId).sort());
  const paths = ["/v1/a", "/v1/g", "/v1/i", "/v1/p", "/v1/s", "/v1/t"];
  assert.deepEqual([...visitor.seen.preflights].sort(), paths, "the browser asked before it sent");
  assertStored(await weir.events(), visitor.seen.sent, startedAt);
  assert.deepEqual(await weir.rejected(), []);
});

test("many events at once, one request each, are each stored once", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const visitor = await visit(t);
  const calls = Array.from({ length: 300 }, (_, i) => ["track", `Many ${i % 11}`, { i, value: i / 8 }]);
  const delivered = await send(visitor, weir, calls, 300);
  assert.equal(new Set(delivered).size, 300);
  assertStored(await weir.events(), visitor.seen.sent, startedAt);
});

test("many events in batches are each stored once", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const visitor = await visit(t);
  const calls = Array.from({ length: 305 }, (_, i) => ["track", `Many ${i % 11}`, { i, value: i / 8, ...PROPERTIES }]);
  const deliveryStrategy = { strategy: "batching", config: { size: 20, timeout: 300 } };
  await send(visitor, weir, calls, 305, deliveryStrategy);
  assertStored(await weir.events(), visitor.seen.sent, startedAt);
});
