//! One destination's trouble is no other's, and not the senders' either.

use super::fake::Fault;
use super::hook::{SIGNING_SECRET, receiver};
use super::segment::segment;
use super::*;

/// Everything but config changes to a webhook.
fn posting(project: &mut Value, url: &str) {
    project["integrations"]["webhook"] = json!({"outgoing": {"isEnabled": true, "url": url,
        "signingSecret": SIGNING_SECRET, "configChanges": false}});
}

#[test]
fn a_destination_that_is_down_holds_up_neither_the_other_nor_who_sends() {
    let (segment, webhook) = (segment(), receiver());
    let mut project = exporting(&segment);
    posting(&mut project, &webhook.url());
    let server = Server::start_with(&project, &["--export-timeout", "2s", "--export-backoff", "20ms"]);
    for (down, up, fake, other) in
        [("webhook", "segment", &webhook, &segment), ("segment", "webhook", &segment, &webhook)]
    {
        fake.always(Some(Fault::BlackHole));
        let before = fake.books().taken.len();
        let goal = other.books().taken.len() + 500;
        for nth in 0..5 {
            let from = goal as u64 + nth * 100;
            log_orders(&server, from..from + 100);
        }
        drained(&server, up);
        assert_eq!(other.books().taken.len(), goal);
        let told = status(&server, down);
        assert_eq!(fake.books().taken.len(), before);
        assert_eq!((&told["lag"]["events"], &told["pause"]), (&json!(500), &Value::Null), "{told}");
        assert!(matches!(told["state"].as_str(), Some("sending" | "waiting")), "{told}");
        // It comes back, and so does everything.
        fake.always(None);
        done(&server, "POST", &format!("destinations/{down}/pause"), Value::Null);
        done(&server, "POST", &format!("destinations/{down}/resume"), Value::Null);
        drained(&server, down);
        assert_eq!(fake.books().taken.len(), goal);
    }
    for fake in [&segment, &webhook] {
        fake.books().assert_clean();
    }
}

#[test]
fn a_webhook_gets_what_arose_here_signed_and_in_statsigs_shape() {
    let webhook = receiver();
    let mut project = project();
    posting(&mut project, &format!("{}/a/path?of=mine", webhook.url()));
    let server = Server::start_with(&project, &BRISK);
    let custom = json!({"eventName": "Order", "time": BEGIN, "value": 19.5, "metadata": {"sku": "a"},
        "user": {"userID": "u", "email": "u@example.com", "privateAttributes": {"secret": "hush"}},
        "statsigMetadata": {"stableID": "s-1", "sdkType": "js-client"}});
    let exposure = json!({"eventName": "statsig::gate_exposure", "time": BEGIN + 1, "user": {"userID": "u"},
        "metadata": {"gate": "g", "gateValue": "true", "ruleID": "r"}});
    log(&server, &[custom, exposure]);
    // What came by a webhook does not go out by one: a ring of programs would turn for ever.
    let hooked = r#"{"user":{"userID":"u"},"event":"Hooked","timestamp":1767225600000}"#;
    assert_eq!(server.post("/v1/webhooks/event_webhook", hooked).status, 200);
    drained(&server, "webhook");
    let books = webhook.books();
    books.assert_clean();
    assert_eq!(books.names(), ["Order", "statsig::gate_exposure"]);
    assert!(books.received.iter().all(|received| received.path == "/a/path?of=mine"), "{:?}", books.received);
    let sent = books.taken[0].json();
    for (field, expected) in
        [("userID", json!("u")), ("timestamp", json!(BEGIN)), ("value", json!(19.5)), ("metadata", json!({"sku": "a"}))]
    {
        assert_eq!(sent[field], expected, "{field} of {sent}");
    }
    assert_eq!(
        (&sent["user"]["email"], &sent["statsigMetadata"]["stableID"]),
        (&json!("u@example.com"), &json!("s-1"))
    );
    assert!(!books.taken[0].text.contains("hush"), "{sent}");
    let sent = books.taken[1].json();
    assert_eq!((&sent["metadata"]["gate"], &sent["unitID"]), (&json!("g"), &json!("userID")), "{sent}");
}
