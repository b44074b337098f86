"""What an SDK of Statsig logged: takes its requests on their way to Weir, and says what has to be stored of each event.
Knows no SDK. tests/sdk/statsig_events.mjs says the same in JavaScript."""

import gzip
import http.client
import json
import threading
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSED_ON = ("content-type", "content-encoding", "statsig-api-key")
KINDS = {
    "statsig::gate_exposure": "gate_exposure",
    "statsig::config_exposure": "config_exposure",
    "statsig::layer_exposure": "layer_exposure",
}
# What an SDK logs about itself; Weir counts it and leaves it out.
ABOUT_ITSELF = ("statsig::diagnostics", "statsig::non_exposed_checks", "statsig::log_line")


def of_product(sent):
    """The events of `sent` that are the product's."""
    return [event for event in sent if event["eventName"] not in ABOUT_ITSELF]


class Recorder:
    """Stands between an SDK and Weir, and keeps the events of each request that Weir took: the SDK itself tells nobody
    what it sent. Ends with the `with` block."""

    def __init__(self, address):
        self.weir = urllib.parse.urlsplit(address).netloc
        self.sent = []

    def __enter__(self):
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_reply(*recorder.pass_on(self.path, self.headers, body))

            def send_reply(self, status, answer):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def pass_on(self, path, headers, body):
        weir = http.client.HTTPConnection(self.weir, timeout=20)
        try:
            weir.request("POST", path, body, {name: headers[name] for name in PASSED_ON if headers[name]})
            reply = weir.getresponse()
            answer = reply.read()
        finally:
            weir.close()
        if reply.status == 202:
            text = gzip.decompress(body) if headers["content-encoding"] == "gzip" else body
            self.sent.extend(json.loads(text)["events"])
        return reply.status, answer


def canonical(event):
    return json.dumps(event, sort_keys=True, ensure_ascii=False)


def assert_logged(case, rows, sent, id_types):
    """Fails unless `rows` are exactly the product's events of `sent`, each stored once, field by field. They have no ID of
    their own, so each is known by all that it holds; of two that are alike both must be there."""
    case.assertEqual(len({row["messageId"] for row in rows}), len(rows), "a messageId is stored once")
    stored, wanted = (Counter(map(canonical, events)) for events in ([row["raw"] for row in rows], of_product(sent)))
    case.assertEqual((wanted - stored, stored - wanted), (Counter(), Counter()), "events missing, and events too many")
    for row in rows:
        case.assertEqual(comparable(row), expected(row["raw"], id_types))
        case.assertEqual("counts" in row, row["name"] in KINDS, "an exposure says whether it counts")


def comparable(row):
    """What is compared of a row. Metadata is text: of a value that was not text it must be the value's JSON."""
    given = row["raw"].get("metadata") or {}
    return {
        **{name: row[name] for name in ("name", "source", "kind", "timestamp", "units", "environment", "value")},
        "userID": row.get("userID"),
        "metadata": {k: v if isinstance(given.get(k), str) else json.loads(v) for k, v in row["metadata"].items()},
        "user": {name: value for name, value in row["user"].items() if value is not None},
        "secondaryExposures": row.get("secondaryExposures") or [],
    }


def expected(event, id_types):
    user = event["user"]
    given = {"userID": user.get("userID"), **user.get("customIDs", {})}
    names = {name.lower(): name for name in id_types}
    return {
        "name": event["eventName"],
        "source": "statsig",
        "kind": KINDS.get(event["eventName"], "custom"),
        "timestamp": str(event["time"]),
        "units": {names[name.lower()]: unit for name, unit in given.items() if unit},
        "environment": user.get("statsigEnvironment", {}).get("tier", "production"),
        "value": number(event.get("value")),
        "userID": user.get("userID") or None,
        "metadata": {name: value for name, value in (event.get("metadata") or {}).items() if value is not None},
        "user": {name: value for name, value in user.items() if value is not None},
        "secondaryExposures": event.get("secondaryExposures") or [],
    }


def number(value):
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
