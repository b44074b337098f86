"""The harness of the Python suite: runs the real binary, reads back what it stored, and says what it should have stored
for a call that an SDK sent. Knows no SDK. tests/sdk/weir.mjs is the same for JavaScript; the rules are the contract's."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("WEIR_BIN", str(HERE.parents[2] / "target/debug/weir"))
PROJECT_PATH = HERE.parent / "project.json"
STATSIG_PROJECT_PATH = HERE.parent / "statsig.project.json"
PROJECT = json.loads(PROJECT_PATH.read_text(encoding="utf-8"))
INCOMING = PROJECT["integrations"]["segment"]["incoming"]
START_DEADLINE_S = 20
STOP_DEADLINE_S = 20
PAGE_ROWS = 100
TOLERATED_SKEW_MS = 3000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def key_of(key_type):
    return next(key["key"] for key in PROJECT["keys"] if key["type"] == key_type)


SERVER_KEY = key_of("SERVER")
CONSOLE_KEY = key_of("CONSOLE")


class Weir:
    """One `weir serve` and its data directory; both end with the `with` block."""

    def __init__(self, project=PROJECT_PATH):
        """`project`: the path of the project file that is applied at the start."""
        self.project = project
        self.connection = None

    def __enter__(self):
        self.data = tempfile.mkdtemp(prefix="weir-suite-")
        self.log = []
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--project", str(self.project)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.address = None
        ready = threading.Event()
        self.readers = [
            threading.Thread(target=self._listen, args=(ready,), daemon=True),
            threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True),
        ]
        for reader in self.readers:
            reader.start()
        if not ready.wait(START_DEADLINE_S) or self.address is None:
            self.__exit__()
            raise AssertionError("weir did not listen\n" + "".join(self.log))
        return self

    def _listen(self, ready):
        for line in self.process.stdout:
            found = re.fullmatch(r"listening on (http://\S+)\n", line)
            if found:
                self.address = found[1]
                ready.set()
        ready.set()

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_DEADLINE_S)
        finally:
            self.process.kill()
            for reader in self.readers:
                reader.join()
            self.process.stdout.close()
            self.process.stderr.close()
            shutil.rmtree(self.data, ignore_errors=True)

    def events(self, source="segment"):
        """Every event stored from a source, newest first: the log also holds the changes that applying the project made.
        Fails if a page repeats a row or breaks the order."""
        rows, before = [], None
        while True:
            page = self.read(f"/console/v1/events?source={source}&limit={PAGE_ROWS}" + (f"&before={before}" if before else ""))
            assert len(page["data"]) <= PAGE_ROWS, "a page holds no more rows than asked for"
            for row in page["data"]:
                assert not rows or row["sequence"] < rows[-1]["sequence"], "rows come newest first, each once"
                rows.append(row)
            before = page["pagination"].get("next")
            if not before:
                return rows
            assert page["data"], "an empty page has no next"

    def rejected(self):
        return self.read("/console/v1/rejected")["data"]

    def change(self, method, path, body):
        """Changes the catalog as a person does through the console API."""
        return self._ask(method, path, CONSOLE_KEY, body)

    def post(self, path, body):
        """What a server asks for."""
        return self._ask("POST", path, SERVER_KEY, body)

    def read(self, path):
        """What the console API says."""
        return self._ask("GET", path, CONSOLE_KEY, None)

    def _ask(self, method, path, key, body):
        if not self.connection:
            self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.address).netloc, timeout=20)
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"statsig-api-key": key, "content-type": "application/json"})
        reply = self.connection.getresponse()
        answer = reply.read().decode()
        assert reply.status in (200, 201), f"{method} {path} {text}: {reply.status} {answer}"
        return json.loads(answer)


def assert_stored(case, rows, sent, started_at):
    """Fails unless `rows` are exactly the events of `sent` that count for Weir, each stored once, field by field.
    `sent`: (event, sentAt) for each event of the answered requests, as it was on the wire and when its request says it
    was sent; one that was sent again stands there again."""
    wanted = {event["messageId"]: (event, sent_at) for event, sent_at in sent if counts(event)}
    stored = {row["messageId"]: row for row in rows}
    case.assertEqual(len(stored), len(rows), "a messageId is stored once")
    case.assertEqual(sorted(stored), sorted(wanted), "stored messageIds")
    for message_id, (event, sent_at) in wanted.items():
        row = stored[message_id]
        case.assertTrue(started_at * 1000 - 1 <= row["receivedAt"] <= time.time() * 1000, f"receivedAt of {message_id}")
        case.assertEqual(comparable(row, event), expected(event, sent_at, row["receivedAt"]))


def counts(event):
    """Whether an event is meant for Weir: not switched off in `integrations`, not filtered by the project."""
    switches = event["integrations"]
    mine = next((switches[name] for name in ("Weir", "Statsig", "All") if name in switches), True)
    return mine is not False and INCOMING["events"].get(event.get("event")) is not False


def comparable(row, event):
    """What is compared of a row. Metadata is text: of a value that was not text it must be the value's JSON."""
    given = fields_of(event)
    user = row["user"]
    return {
        **{name: row[name] for name in ("name", "source", "kind", "messageId", "timestamp", "units", "environment", "raw")},
        "userID": row.get("userID"),
        "value": row.get("value"),
        "metadata": {k: v if isinstance(given.get(k), str) else json.loads(v) for k, v in row["metadata"].items()},
        "user": [user.get(name) for name in ("ip", "locale", "userAgent", "email", "custom")],
    }


def expected(event, sent_at, received_at):
    properties = event.get("properties") or {}
    context = event["context"]
    return {
        "name": PROJECT["settings"]["eventPrefix"] + name_of(event),
        "source": "segment",
        "kind": event["type"],
        "messageId": event["messageId"],
        "timestamp": str(time_of(event, sent_at, received_at)),
        "units": units_of(event),
        "environment": properties.get("statsigEnvironment", {}).get("tier", "production"),
        "raw": event,
        "userID": event.get("userId"),
        "value": value_of(properties),
        "metadata": fields_of(event),
        "user": [context.get("ip"), context.get("locale"), context.get("userAgent"), email_of(event), custom_of(properties)],
    }


def milliseconds(text):
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def time_of(event, sent_at, received_at):
    """The given time; what was long on its way is moved by that, for the sender's clock may be off."""
    given = milliseconds(event["timestamp"])
    late = received_at - milliseconds(sent_at)
    return given if abs(late) < TOLERATED_SKEW_MS else min(given + late, received_at)


def name_of(event):
    kind, name = event["type"], event.get("name")
    if kind == "track":
        return event["event"]
    return f"{kind}:{name}" if kind in ("page", "screen") and name else kind


def units_of(event):
    """userId, then the mapped identifiers, then `statsigCustomIDs`, which win; unknown ID types stay out."""
    units = {"userID": event["userId"]} if event.get("userId") else {}
    for mapping in INCOMING["mapIdentifiers"]:
        if event.get(mapping["field"]):
            units[mapping["idType"]] = event[mapping["field"]]
    pairs = (event.get("properties") or {}).get("statsigCustomIDs", [])
    known = [id_type["name"] for id_type in PROJECT["unitIdTypes"]]
    units.update((name, unit) for name, unit in zip(pairs[::2], pairs[1::2]) if name in known)
    return units


def value_of(properties):
    for name in PROJECT["settings"]["valueProperties"]:
        value = properties.get(name)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            try:
                return float(value)
            except ValueError:
                pass
    return None


def fields_of(event):
    """What becomes metadata; null says nothing and is left out."""
    fields = event.get("properties") or event.get("traits") or {}
    return {name: value for name, value in fields.items() if value is not None}


def email_of(event):
    own = event.get("traits", {}).get("email") if event["type"] != "group" else None
    return own or event["context"].get("traits", {}).get("email")


def custom_of(properties):
    pairs = properties.get("statsigCustom", [])
    return dict(zip(pairs[::2], pairs[1::2])) or None
