// The harness of the JavaScript suites: runs the real binary, reads back what it stored, and says what it should have
// stored for a call that an SDK sent. Knows no SDK.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.WEIR_BIN ?? fileURLToPath(new URL("../../target/debug/weir", import.meta.url));
const PROJECT_PATH = fileURLToPath(new URL("project.json", import.meta.url));
export const STATSIG_PROJECT_PATH = fileURLToPath(new URL("statsig.project.json", import.meta.url));
const PROJECT = JSON.parse(await readFile(PROJECT_PATH, "utf8"));
const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 20_000;
const PAGE_ROWS = 100;
const TOLERATED_SKEW_MS = 3_000;

const keyOf = (type) => PROJECT.keys.find((key) => key.type === type).key;
export const SERVER_KEY = keyOf("SERVER");
export const CLIENT_KEY = keyOf("CLIENT");
const CONSOLE_KEY = keyOf("CONSOLE");

/** One `weir serve` and its data directory; both end with the test `t`. */
export class Weir {
  #child;
  #log = "";

  static async start(t, project = PROJECT_PATH) {
    const weir = new Weir();
    weir.project = project;
    weir.data = await mkdtemp(join(tmpdir(), "weir-suite-"));
    t.after(async () => {
      await weir.#end("SIGKILL");
      await rm(weir.data, { recursive: true, force: true });
    });
    await weir.#launch("127.0.0.1:0");
    return weir;
  }

  /** SIGTERM, wait for a clean exit, then start again on the same port and the same data. */
  async restart() {
    await this.stop();
    await this.#launch(new URL(this.address).host);
  }

  async stop() {
    const code = await this.#end("SIGTERM");
    assert.equal(code, 0, `weir left with ${code} after SIGTERM\n${this.#log}`);
  }

  async #launch(listen) {
    const child = spawn(BINARY, ["serve", "--data", this.data, "--listen", listen, "--project", this.project], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text) => (this.#log += text));
    const lines = createInterface({ input: child.stdout });
    const said = (pattern) =>
      new Promise((resolve) => {
        lines.on("line", (line) => {
          const found = pattern.exec(line);
          if (found) resolve(found[1]);
        });
      });
    const failed = new Promise((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`weir ended (${code ?? signal}) before it listened`)));
    });
    /** The link that signs in to the pages; printed after the address, and good for one use. */
    this.consoleLink = said(/^console: (http:\/\/\S+)/);
    const ready = Promise.race([said(/^listening on (http:\/\/\S+)$/), failed]);
    try {
      this.address = await within(START_DEADLINE_MS, "weir to listen", ready);
    } catch (error) {
      throw new Error(`${error.message}\n${this.#log}`);
    }
  }

  async #end(signal) {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode;
    const exited = once(child, "exit");
    child.kill(signal);
    const [code] = await within(STOP_DEADLINE_MS, `weir to end after ${signal}`, exited);
    return code;
  }

  /**
   * Every event stored from one source, newest first: the log also holds the changes that applying the project made.
   * Fails if a page repeats a row or breaks the order.
   */
  async events(source = "segment") {
    const rows = [];
    let before;
    do {
      const query = new URLSearchParams({ source, limit: PAGE_ROWS, ...(before === undefined ? {} : { before }) });
      const page = await this.#read(`/console/v1/events?${query}`);
      assert.ok(page.data.length <= PAGE_ROWS, "a page holds no more rows than asked for");
      for (const row of page.data) {
        assert.ok(rows.length === 0 || row.sequence < rows.at(-1).sequence, "rows come newest first, each once");
        rows.push(row);
      }
      before = page.pagination.next ?? undefined;
      assert.ok(before === undefined || page.data.length > 0, "an empty page has no next");
    } while (before !== undefined);
    return rows;
  }

  async rejected() {
    return (await this.#read("/console/v1/rejected")).data;
  }

  /** Changes the catalog as a person does through the console API. */
  change(method, path, body) {
    return this.#ask(method, path, CONSOLE_KEY, body);
  }

  /** What a server asks for. */
  post(path, body) {
    return this.#ask("POST", path, SERVER_KEY, body);
  }

  #read(path) {
    return this.#ask("GET", path, CONSOLE_KEY);
  }

  async #ask(method, path, key, body) {
    const headers = { "statsig-api-key": key, "content-type": "application/json" };
    const reply = await fetch(this.address + path, { method, headers, body: JSON.stringify(body) });
    const text = await reply.text();
    assert.ok([200, 201].includes(reply.status), `${method} ${path} ${reply.status}: ${text}`);
    return JSON.parse(text);
  }
}

/** The events of a request's body, each with the time at which the request says it was sent. */
export function eventsOf(body) {
  return (body.batch ?? [body]).map((event) => ({ event, sentAt: body.sentAt }));
}

/** `promise`, or an error that names what was waited for. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Resolves when `condition()` is true; asks again after every turn of the event loop. */
export async function until(ms, what, condition) {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * Fails unless `rows` are exactly the events of `sent` that count for Weir, each stored once, field by field.
 * `sent`: `{event, sentAt}` for each event of the answered requests, as it was on the wire and when its request says it
 * was sent; one that was sent again stands there again.
 */
export function assertStored(rows, sent, startedAt) {
  const byId = new Map(sent.map((one) => [one.event.messageId, one]));
  const wanted = [...byId.values()].filter(({ event }) => counts(event));
  const stored = new Map(rows.map((row) => [row.messageId, row]));
  assert.equal(stored.size, rows.length, "a messageId is stored once");
  assert.deepEqual([...stored.keys()].sort(), wanted.map(({ event }) => event.messageId).sort(), "stored messageIds");
  for (const { event, sentAt } of wanted) {
    const row = stored.get(event.messageId);
    assert.ok(row.receivedAt >= startedAt && row.receivedAt <= Date.now(), `receivedAt of ${row.messageId}`);
    assert.deepEqual(comparable(row, event), expected(event, sentAt, row.receivedAt), `the row of ${JSON.stringify(event)}`);
  }
}

const SEGMENT_SOURCE = PROJECT.integrations.segment.incoming;

/** Whether an event is meant for Weir: not switched off in `integrations`, not filtered by the project. */
function counts(event) {
  const switches = event.integrations ?? {};
  const mine = switches.Weir ?? switches.Statsig ?? switches.All ?? true;
  return mine !== false && SEGMENT_SOURCE.events[event.event] !== false;
}

/** What is compared of a row. Metadata is text: of a value that was not text it must be the value's JSON. */
function comparable(row, event) {
  const { writeKey: _, ...raw } = row.raw;
  const given = fieldsOf(event);
  const read = ([key, text]) => {
    assert.equal(typeof text, "string", `metadata ${key} of ${row.messageId} is text`);
    return [key, typeof given[key] === "string" ? text : JSON.parse(text)];
  };
  return {
    name: row.name,
    source: row.source,
    kind: row.kind,
    messageId: row.messageId,
    timestamp: row.timestamp,
    userID: row.userID ?? null,
    units: row.units,
    value: row.value ?? null,
    metadata: Object.fromEntries(Object.entries(row.metadata).map(read)),
    environment: row.environment,
    user: USER_FIELDS.map((name) => row.user[name]),
    raw,
  };
}

const USER_FIELDS = ["ip", "locale", "userAgent", "email", "custom"];

function expected(event, sentAt, receivedAt) {
  const { writeKey: _, ...raw } = event;
  const properties = event.properties ?? {};
  return {
    name: PROJECT.settings.eventPrefix + nameOf(event),
    source: "segment",
    kind: event.type,
    messageId: event.messageId,
    timestamp: String(timeOf(event, sentAt, receivedAt)),
    userID: event.userId ?? null,
    units: unitsOf(event),
    value: valueOf(properties),
    metadata: fieldsOf(event),
    environment: properties.statsigEnvironment?.tier ?? "production",
    user: [event.context.ip, event.context.locale, event.context.userAgent, emailOf(event), customOf(properties)],
    raw,
  };
}

/** The given time; what was long on its way is moved by that, for the sender's clock may be off. */
function timeOf({ timestamp }, sentAt, receivedAt) {
  const given = Date.parse(timestamp);
  const late = receivedAt - Date.parse(sentAt);
  return Math.abs(late) < TOLERATED_SKEW_MS ? given : Math.min(given + late, receivedAt);
}

function nameOf({ type, event, name }) {
  if (type === "track") return event;
  return (type === "page" || type === "screen") && name ? `${type}:${name}` : type;
}

/** userId, then the mapped identifiers, then `statsigCustomIDs`, which win; ID types the project does not know stay out. */
function unitsOf(event) {
  const units = {};
  if (event.userId) units.userID = event.userId;
  for (const { field, idType } of SEGMENT_SOURCE.mapIdentifiers) if (event[field]) units[idType] = event[field];
  const pairs = event.properties?.statsigCustomIDs ?? [];
  const known = PROJECT.unitIdTypes.map((type) => type.name);
  for (let i = 0; i + 1 < pairs.length; i += 2) if (known.includes(pairs[i])) units[pairs[i]] = pairs[i + 1];
  return units;
}

function valueOf(properties) {
  for (const name of PROJECT.settings.valueProperties) {
    const value = properties[name];
    if (typeof value === "number") return value;
    if (typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value))) return Number(value);
  }
  return null;
}

/** What becomes metadata; null says nothing and is left out. */
function fieldsOf(event) {
  const entries = Object.entries(event.properties ?? event.traits ?? {});
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

const emailOf = ({ type, traits, context }) => (type !== "group" && traits?.email) || context.traits?.email;

function customOf({ statsigCustom: pairs }) {
  return pairs && Object.fromEntries(pairs.flatMap((key, i) => (i % 2 === 0 ? [[key, pairs[i + 1]]] : [])));
}
