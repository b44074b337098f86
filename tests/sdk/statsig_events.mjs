// What has to be stored of each event that an SDK of Statsig logged. Knows no SDK. python/statsig_events.py says the same.

import assert from "node:assert/strict";

const KINDS = {
  "statsig::gate_exposure": "gate_exposure",
  "statsig::config_exposure": "config_exposure",
  "statsig::layer_exposure": "layer_exposure",
};

/** What an SDK logs about itself; Weir counts it and leaves it out. */
const ABOUT_ITSELF = ["statsig::diagnostics", "statsig::non_exposed_checks", "statsig::log_line"];

/** The events of `sent` that are the product's. */
export function ofProduct(sent) {
  return sent.filter((event) => !ABOUT_ITSELF.includes(event.eventName));
}

/**
 * Fails unless `rows` are exactly the product's events of `sent`, each stored once, field by field. They have no ID of their own, so
 * each is known by all that it holds; of two that are alike both must be there.
 */
export function assertLogged(rows, sent, idTypes) {
  assert.equal(new Set(rows.map((row) => row.messageId)).size, rows.length, "a messageId is stored once");
  assertSameTexts(rows.map((row) => canonical(row.raw)), ofProduct(sent).map(canonical));
  for (const row of rows) {
    assert.deepEqual(comparable(row), expected(row.raw, idTypes), `the row of ${JSON.stringify(row.raw)}`);
    assert.equal("counts" in row, row.name in KINDS, "an exposure says whether it counts");
  }
}

/** Fails unless both lists hold the same texts as often, and shows the first that they do not. */
export function assertSameTexts(actual, expected) {
  const counts = new Map();
  for (const text of actual) counts.set(text, (counts.get(text) ?? 0) + 1);
  for (const text of expected) counts.set(text, (counts.get(text) ?? 0) - 1);
  const surplus = [...counts].filter(([, count]) => count !== 0);
  assert.deepEqual(surplus.slice(0, 10), [], "texts that are there too often, or (below zero) not often enough");
}

/** Text that is the same for values that are equal. */
function canonical(value) {
  return JSON.stringify(value, (_, it) =>
    it === null || typeof it !== "object" || Array.isArray(it)
      ? it
      : Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}

/** What is compared of a row. Metadata is text: of a value that was not text it must be the value's JSON. */
function comparable(row) {
  const given = row.raw.metadata ?? {};
  const read = ([name, text]) => [name, typeof given[name] === "string" ? text : JSON.parse(text)];
  return {
    name: row.name,
    source: row.source,
    kind: row.kind,
    timestamp: row.timestamp,
    units: row.units,
    environment: row.environment,
    value: row.value,
    userID: row.userID ?? null,
    metadata: Object.fromEntries(Object.entries(row.metadata).map(read)),
    user: present(row.user),
    secondaryExposures: row.secondaryExposures ?? [],
  };
}

function expected(event, idTypes) {
  const { user } = event;
  const ids = Object.entries({ userID: user.userID, ...user.customIDs }).filter(([, unit]) => unit);
  const names = Object.fromEntries(idTypes.map((name) => [name.toLowerCase(), name]));
  return {
    name: event.eventName,
    source: "statsig",
    kind: KINDS[event.eventName] ?? "custom",
    timestamp: String(event.time),
    units: Object.fromEntries(ids.map(([name, unit]) => [names[name.toLowerCase()], unit])),
    environment: user.statsigEnvironment?.tier ?? "production",
    value: numberOf(event.value),
    userID: user.userID || null,
    metadata: present(event.metadata ?? {}),
    user: present(user),
    secondaryExposures: event.secondaryExposures ?? [],
  };
}

const isGiven = (value) => value !== null && value !== undefined;

const present = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => isGiven(value)));

const numberOf = (value) => (isGiven(value) && Number.isFinite(Number(value)) ? Number(value) : null);
