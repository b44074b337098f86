// @segment/analytics-node against the real binary: what the SDK reports as delivered is stored once, field by field.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Analytics } from "@segment/analytics-node";
import { SERVER_KEY, Weir, assertStored, eventsOf, until } from "../weir.mjs";

const FLUSH_DEADLINE_MS = 60_000;
const LONG_AGO = new Date(Date.now() - 3 * 86_400_000);

/** An SDK instance that keeps what it sent and was answered, and what it told its caller. */
class Sender {
  sent = [];
  delivered = [];
  failures = [];
  requests = 0;
  retries = 0;

  constructor(address, options = {}) {
    this.analytics = new Analytics({ writeKey: SERVER_KEY, host: address, flushInterval: 50, ...options });
    this.analytics.on("http_request", ({ headers }) => {
      this.requests += 1;
      if (headers["X-Retry-Count"]) this.retries += 1;
    });
    this.analytics.on("http_response", ({ status, body }) => {
      if (status === 200) this.sent.push(...eventsOf(JSON.parse(body)));
    });
  }

  /** `call("track", {...})`: what the SDK's own callback says is kept. */
  call(method, message) {
    this.analytics[method](message, (error, context) => {
      if (error) this.failures.push(error);
      else this.delivered.push(context.event.messageId);
    });
  }

  async close() {
    await this.analytics.closeAndFlush({ timeout: FLUSH_DEADLINE_MS });
    assert.deepEqual(this.failures, []);
    const ids = new Set(this.sent.map(({ event }) => event.messageId));
    assert.deepEqual(new Set(this.delivered), ids, "the SDK reports as delivered what was answered with 200");
  }
}

const PROPERTIES = {
  label: "Größe „XL“ 🦊 \u2028 \t end",
  "key with spaces ключ": "да",
  count: 288,
  big: 9007199254740991,
  tiny: 1.5e-9,
  negative: -0.25,
  yes: true,
  no: false,
  empty: "",
  nothing: null,
  nested: { list: [1, "two", { three: [null, false] }], deep: { deeper: { deepest: "ok 漢字" } } },
  products: [{ sku: "a-1", price: 9.5 }, { sku: "b-2", price: 10 }],
};

const COMPANY_IDS = ["companyID", "acme", "unheardOf", "x"];
const OWN_ID = ["segmentAnonymousId", "own"];
const CONTEXT = { ip: "203.0.113.7", locale: "en-CA", userAgent: "Suite/1.0", traits: { email: "zoë@example.com" } };
const DOCS = { url: "https://example.com/docs?q=ä", title: "Docs" };

const CALLS = [
  ["identify", { userId: "u1", anonymousId: "a1", traits: { email: "zoë@example.com", plan: "pro", logins: 5 } }],
  ["track", { userId: "u1", event: "Order Completed", properties: { ...PROPERTIES, revenue: 19.99 } }],
  ["track", { userId: "u1", anonymousId: "a1", event: "Produit consulté — 製品 🦊", properties: PROPERTIES }],
  ["track", { anonymousId: "a2", event: "Signed Up" }],
  ["track", { userId: "u2", event: "Value", properties: { value: 3, revenue: 4 } }],
  ["track", { userId: "u2", event: "Value As Text", properties: { value: "12.50" } }],
  ["track", { userId: "u2", event: "No Value", properties: { value: "12 apples" } }],
  ["track", { userId: "u2", event: "Free", properties: { revenue: 0 } }],
  ["track", { userId: "u3", event: "Imported", timestamp: LONG_AGO, properties: { from: "history" } }],
  ["track", { userId: "u3", event: "Staged", properties: { statsigEnvironment: { tier: "staging" } } }],
  ["track", { userId: "u3", event: "Custom", properties: { statsigCustom: ["plan", "pro", "größe", "XL"] } }],
  ["track", { userId: "u4", event: "Company", properties: { statsigCustomIDs: COMPANY_IDS } }],
  ["track", { userId: "u4", anonymousId: "a4", event: "Own ID", properties: { statsigCustomIDs: OWN_ID } }],
  ["track", { userId: "u5", event: "With Context", context: CONTEXT }],
  ["track", { userId: "u5", event: "Own Message ID", messageId: "suite-message-1" }],
  ["track", { userId: "u5", event: "Off By Name", integrations: { Weir: false } }],
  ["track", { userId: "u5", event: "Off As Statsig", integrations: { Statsig: false } }],
  ["track", { userId: "u5", event: "Off With All", integrations: { All: false } }],
  ["track", { userId: "u5", event: "On Beside All", integrations: { All: false, Weir: true } }],
  ["track", { userId: "u5", event: "Other Off", integrations: { Mixpanel: false } }],
  ["track", { userId: "u5", event: "Debug Ping" }],
  ["page", { userId: "u1", category: "Docs", name: "Home", properties: DOCS }],
  ["page", { anonymousId: "a2", properties: { path: "/" } }],
  ["screen", { userId: "u1", category: "App", name: "Main", properties: { variation: "blue" } }],
  ["screen", { anonymousId: "a2" }],
  ["group", { userId: "u1", groupId: "g1", traits: { name: "Initech GmbH & Co", employees: 42 } }],
  ["alias", { userId: "u1", previousId: "a1" }],
];

test("every kind of call is stored once, field by field", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const sender = new Sender(weir.address);
  for (const [method, message] of CALLS) sender.call(method, message);
  await sender.close();
  assert.equal(sender.sent.length, CALLS.length);
  assertStored(await weir.events(), sender.sent, startedAt);
  assert.deepEqual(await weir.rejected(), []);
});

test("many events from several instances at once are each stored once", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const senders = [1, 7, 100].map((flushAt) => new Sender(weir.address, { flushAt }));
  for (let i = 0; i < 200; i += 1) {
    senders.forEach((sender, s) => {
      const properties = { i, sender: s, value: i / 8 };
      sender.call("track", { userId: `user-${i % 17}`, anonymousId: `anon-${i % 5}`, event: `Many ${i % 11}`, properties });
    });
  }
  await Promise.all(senders.map((sender) => sender.close()));
  const sent = senders.flatMap((sender) => sender.sent);
  assert.equal(sent.length, 600);
  assertStored(await weir.events(), sent, startedAt);
});

test("an event that is sent again under its messageId is stored once", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const sender = new Sender(weir.address, { flushAt: 4 });
  const message = { userId: "u1", event: "Twice", messageId: "suite-twice", timestamp: LONG_AGO };
  for (let i = 0; i < 20; i += 1) sender.call("track", message);
  await sender.close();
  assert.equal(sender.sent.length, 20);
  assertStored(await weir.events(), sender.sent, startedAt);
});

test("a restart while the SDK sends loses nothing and stores nothing twice", async (t) => {
  const startedAt = Date.now();
  const weir = await Weir.start(t);
  const sender = new Sender(weir.address, { flushAt: 5 });
  let tracked = 0;
  let stop = false;
  const producer = (async () => {
    while (!stop) {
      if (tracked - sender.delivered.length < 300) {
        sender.call("track", { userId: `user-${tracked % 17}`, event: "Through A Restart", properties: { tracked } });
        tracked += 1;
      }
      await new Promise(setImmediate);
    }
  })();
  await until(20_000, "the first 100 deliveries", () => sender.delivered.length >= 100);
  await weir.stop();
  const requestsBefore = sender.requests;
  await until(20_000, "requests that meet no server", () => sender.requests > requestsBefore);
  await weir.restart();
  const deliveredBefore = sender.delivered.length;
  await until(20_000, "100 deliveries after the restart", () => sender.delivered.length >= deliveredBefore + 100);
  stop = true;
  await producer;
  await sender.close();
  assert.ok(sender.retries > 0, "the SDK had to send something again");
  assert.equal(sender.delivered.length, tracked);
  assertStored(await weir.events(), sender.sent, startedAt);
});
