//! Starting, stopping, being killed, starting again: what was acknowledged is there.

use crate::running::{Server, project};

#[test]
fn what_was_acknowledged_is_there_after_a_stop_and_after_a_kill() {
    let mut server = Server::start(&project());
    let send = |server: &Server, id: &str| {
        let body = format!(r#"{{"userId":"u1","event":"Signed Up","messageId":"{id}"}}"#);
        let answer = server.post("/v1/track", body);
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#));
    };
    let stored = |server: &Server| {
        let page = server.get("/console/v1/events?name=segment::Signed%20Up").json();
        page["data"].as_array().expect("rows").iter().map(|row| row["messageId"].clone()).collect::<Vec<_>>()
    };
    send(&server, "m-1");
    assert_eq!(server.stop().code(), Some(0));
    server.restart();
    send(&server, "m-2");
    // A repetition is known after both ends.
    send(&server, "m-1");
    server.kill();
    server.restart();
    send(&server, "m-2");
    assert_eq!(stored(&server), ["m-2", "m-1"]);
}
