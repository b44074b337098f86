"""segment-analytics-python against the real binary: what the SDK uploaded and saw answered with 200 is stored once,
field by field."""

import gzip
import json
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

from segment.analytics import request as sdk_request
from segment.analytics.client import Client

from weir import SERVER_KEY, Weir, assert_stored

FLUSH_DEADLINE_S = 60
LONG_AGO = datetime.now(timezone.utc) - timedelta(days=3)

PROPERTIES = {
    "label": "Größe „XL“ 🦊 \u2028 \t end",
    "key with spaces ключ": "да",
    "count": 288,
    "big": 9007199254740991,
    "tiny": 1.5e-9,
    "negative": -0.25,
    "yes": True,
    "empty": "",
    "nothing": None,
    "nested": {"list": [1, "two", {"three": [None, False]}], "deep": {"deeper": {"deepest": "ok 漢字"}}},
}

CONTEXT = {"ip": "203.0.113.7", "locale": "en-CA", "userAgent": "Suite/1.0", "traits": {"email": "zoë@example.com"}}

CALLS = [
    ("identify", dict(user_id="u1", anonymous_id="a1", traits={"email": "zoë@example.com", "plan": "pro", "logins": 5})),
    ("track", dict(user_id="u1", event="Order Completed", properties={**PROPERTIES, "revenue": 19.99})),
    ("track", dict(user_id="u1", anonymous_id="a1", event="Produit consulté — 製品 🦊", properties=PROPERTIES)),
    ("track", dict(anonymous_id="a2", event="Signed Up")),
    ("track", dict(user_id=12345, event="Number As User", properties={"value": "12.50"})),
    ("track", dict(user_id="u2", event="Value", properties={"value": 3, "revenue": 4})),
    ("track", dict(user_id="u2", event="No Value", properties={"value": "12 apples"})),
    ("track", dict(user_id="u3", event="Imported", timestamp=LONG_AGO, properties={"from": "history"})),
    ("track", dict(user_id="u3", event="Imported Far Away", timestamp=LONG_AGO.astimezone(timezone(timedelta(hours=-7))))),
    ("track", dict(user_id="u3", event="Staged", properties={"statsigEnvironment": {"tier": "staging"}})),
    ("track", dict(user_id="u3", event="Custom", properties={"statsigCustom": ["plan", "pro", "größe", "XL"]})),
    ("track", dict(user_id="u4", event="Company", properties={"statsigCustomIDs": ["companyID", "acme", "unheardOf", "x"]})),
    ("track", dict(user_id="u5", event="With Context", context=CONTEXT)),
    ("track", dict(user_id="u5", event="Own Message ID", message_id="suite-message-1")),
    ("track", dict(user_id="u5", event="Off By Name", integrations={"Weir": False})),
    ("track", dict(user_id="u5", event="Off As Statsig", integrations={"Statsig": False})),
    ("track", dict(user_id="u5", event="Off With All", integrations={"All": False})),
    ("track", dict(user_id="u5", event="On Beside All", integrations={"All": False, "Weir": True})),
    ("track", dict(user_id="u5", event="Debug Ping")),
    ("page", dict(user_id="u1", category="Docs", name="Home", properties={"url": "https://example.com/docs?q=ä"})),
    ("page", dict(anonymous_id="a2", properties={"path": "/"})),
    ("screen", dict(user_id="u1", category="App", name="Main", properties={"variation": "blue"})),
    ("group", dict(user_id="u1", group_id="g1", traits={"name": "Initech GmbH & Co", "employees": 42})),
    ("alias", dict(user_id="u1", previous_id="a1")),
]


class SegmentTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.started_at = time.time()
        self.sent = []
        self.errors = []
        # The SDK tells of failures only; its one HTTP session tells what was uploaded and how it was answered.
        hooks = sdk_request._session.hooks["response"]
        hooks.append(self.note)
        self.addCleanup(hooks.remove, self.note)

    def note(self, response, **_):
        body = response.request.body
        if response.request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if response.status_code == 200:
            body = json.loads(body)
            self.sent.extend((event, body["sentAt"]) for event in body["batch"])

    def client(self, weir, **options):
        on_error = lambda error, batch: self.errors.append((str(error), len(batch)))
        return Client(SERVER_KEY, host=weir.address, on_error=on_error, upload_interval=0.05, **options)

    def close(self, client):
        """Flushes with a deadline: the SDK's own flush has none."""
        flushing = threading.Thread(target=client.flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_DEADLINE_S)
        self.assertFalse(flushing.is_alive(), f"flush within {FLUSH_DEADLINE_S} s; errors so far: {self.errors}")
        client.join()
        self.assertEqual(self.errors, [])

    def assert_all_stored(self, weir, count):
        self.assertEqual(len(self.sent), count)
        assert_stored(self, weir.events(), self.sent, self.started_at)
        self.assertEqual(weir.rejected(), [])

    def every_kind_of_call(self, **options):
        with Weir() as weir:
            client = self.client(weir, **options)
            for method, arguments in CALLS:
                taken, _ = getattr(client, method)(**arguments)
                self.assertTrue(taken)
            self.close(client)
            self.assert_all_stored(weir, len(CALLS))

    def test_every_kind_of_call_is_stored_once_field_by_field(self):
        self.every_kind_of_call()

    def test_every_kind_of_call_compressed_is_stored_once_field_by_field(self):
        self.every_kind_of_call(gzip=True)

    def test_events_sent_from_many_threads_are_each_stored_once(self):
        with Weir() as weir:
            clients = [self.client(weir, upload_size=size) for size in (1, 7, 100)]
            with ThreadPoolExecutor(8) as pool:
                for i in range(450):
                    properties = {**PROPERTIES, "i": i, "value": i / 8}
                    pool.submit(clients[i % 3].track, f"user-{i % 17}", f"Many {i % 11}", properties)
            for client in clients:
                self.close(client)
            self.assert_all_stored(weir, 450)


if __name__ == "__main__":
    unittest.main(verbosity=2)
