//! The incoming valve: an integration that is off turns deliveries away and counts them; the event filter shows what comes to it
//! and what it costs, is changed name by name or at once, and is obeyed from the next request on.

use super::{SUCCESS, list, only, rejected, rows, status};
use crate::running::{CLIENT_KEY, CONSOLE_KEY, Server, VIEWER_KEY, project};
use serde_json::{Value, json};

/// Asks below `/console/v1/integrations/` with the admin's key.
fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/console/v1/integrations/{path}");
    let answer = server.ask(method, &path, &[("statsig-api-key", CONSOLE_KEY)], body);
    (answer.status, answer.json())
}

fn set(server: &Server, integration: &str, fields: &Value) {
    let (status, answer) = ask(server, "PATCH", integration, fields);
    assert_eq!(status, 200, "{integration} {fields}: {answer}");
}

fn select(server: &Server, integration: &str, selection: &Value) -> Value {
    let (status, answer) = ask(server, "POST", &format!("{integration}/events"), selection);
    assert_eq!(status, 200, "{integration} {selection}: {answer}");
    answer["data"].clone()
}

/// The rows of an integration's names.
fn names(server: &Server, integration: &str, query: &str) -> Vec<Value> {
    let (status, answer) = ask(server, "GET", &format!("{integration}/events?{query}"), &Value::Null);
    assert_eq!(status, 200, "{integration} {query}: {answer}");
    list(&answer)
}

/// Their names only.
fn called(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["name"].as_str().expect("a name")).collect()
}

/// Name, whether it passes, whether it was chosen and seen, and what was stored, filtered and rejected.
fn told(rows: &[Value]) -> Vec<(&str, [bool; 3], [u64; 3])> {
    let flag = |row: &Value, field: &str| row[field].as_bool().unwrap_or_else(|| panic!("{field}: {row}"));
    let count = |row: &Value, field: &str| row[field].as_u64().unwrap_or_else(|| panic!("{field}: {row}"));
    let row = |row| {
        let flags = ["isSelected", "isChosen", "isSeen"].map(|field| flag(row, field));
        (flags, ["lastDay", "filteredLastDay", "rejectedLastDay"].map(|field| count(row, field)))
    };
    rows.iter().zip(called(rows)).map(|(it, name)| (name, row(it).0, row(it).1)).collect()
}

fn metric(server: &Server, sample: &str) -> u64 {
    let text = server.ask("GET", "/metrics", &[], "").body;
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().expect("a number")
}

fn track(event: &str) -> String {
    json!({"type": "track", "event": event, "userId": "u"}).to_string()
}

const KINDS: [(&str, &str); 6] = [
    ("track", r#"{"type":"track","event":"e","userId":"u"}"#),
    ("identify", r#"{"type":"identify","userId":"u"}"#),
    ("page", r#"{"type":"page","userId":"u"}"#),
    ("screen", r#"{"type":"screen","userId":"u"}"#),
    ("group", r#"{"type":"group","userId":"u","groupId":"g"}"#),
    ("alias", r#"{"type":"alias","userId":"u","previousId":"p"}"#),
];

#[test]
fn each_integration_is_switched_off_by_itself_and_counts_what_it_turned_away() {
    let mut server = Server::start(&project());
    let mut segment: Vec<(String, String)> = Vec::new();
    for (call, body) in KINDS {
        segment.push((format!("/v1/{call}"), body.to_owned()));
        segment.push((format!("/v1/{}", &call[..1]), body.to_owned()));
    }
    let batch = format!(r#"{{"batch":[{}]}}"#, KINDS.map(|(_, body)| body).join(","));
    for path in ["batch", "b", "import", "import/"] {
        segment.push((format!("/v1/{path}"), batch.clone()));
    }
    let webhook = |path: &str, event: &str| {
        [event.to_owned(), format!("[{event},{event}]")].map(|body| (format!("/v1/webhooks/{path}"), body)).to_vec()
    };
    segment.extend(webhook("segment_webhook", KINDS[0].1));
    let families = [
        ("segment", segment),
        ("rudderstack", webhook("rudderstack", KINDS[0].1)),
        ("webhook", webhook("event_webhook", r#"{"event":"e","user":{"userID":"u"}}"#)),
    ];
    let mut turned_away = json!({"segment": 0, "rudderstack": 0, "webhook": 0});
    assert_eq!(status(&server)["turnedAway"], turned_away);
    for (off, _) in &families {
        set(&server, &format!("{off}.incoming"), &json!({"isEnabled": false}));
        let (before, stored) = (status(&server), rows(&server, "source=console").len());
        let had = rows(&server, &format!("source={off}&limit=1000")).len();
        for (family, calls) in &families {
            for (path, body) in calls {
                let answer = server.post(path, body);
                if family == off {
                    assert_eq!((answer.status, answer.code()), (403, "integration_disabled".to_owned()), "{path}");
                } else {
                    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{path}: {}", answer.body);
                }
            }
        }
        assert_eq!(rows(&server, &format!("source={off}&limit=1000")).len(), had, "nothing is stored");
        let (now, sent) = (status(&server), families.iter().find(|(family, _)| family == off).unwrap().1.len());
        turned_away[off] = sent.into();
        assert_eq!(now["turnedAway"], turned_away, "{off}");
        let grown = |field: &str| now[field].as_u64().unwrap() - before[field].as_u64().unwrap();
        assert_eq!(grown("rejected"), sent as u64, "a delivery that was not looked into counts once");
        let ends = ["stored", "duplicate", "filtered", "rejected"].map(grown);
        assert_eq!(grown("received"), ends.iter().sum::<u64>());
        assert_eq!(
            metric(&server, &format!("weir_deliveries_turned_away_total{{source=\"{off}\"}}")),
            sent as u64,
            "{off}"
        );
        set(&server, &format!("{off}.incoming"), &json!({"isEnabled": true}));
        assert_eq!(rows(&server, "source=console").len(), stored + 1, "switching is told");
    }
    assert!(rejected(&server).is_empty(), "nothing of what was turned away is kept");

    // A sender that is known by its body is turned away and counted like any other; a stranger is not counted.
    set(&server, "segment.incoming", &json!({"isEnabled": false}));
    let stored = rows(&server, "source=segment&limit=1000").len();
    let own = format!(r#"{{"batch":[{}],"writeKey":"{CLIENT_KEY}"}}"#, KINDS[0].1);
    let answer = server.ask("POST", "/v1/b", &[], own);
    assert_eq!((answer.status, answer.code()), (403, "integration_disabled".to_owned()));
    assert_eq!(server.ask("POST", "/v1/b", &[], &batch).status, 401);
    turned_away["segment"] = json!(turned_away["segment"].as_u64().unwrap() + 1);
    assert_eq!(status(&server)["turnedAway"], turned_away);
    assert_eq!(rows(&server, "source=segment&limit=1000").len(), stored);
    // A page that loads analytics.js goes on working.
    let settings = server.ask("GET", &format!("/v1/projects/{CLIENT_KEY}/settings"), &[], "");
    assert_eq!((settings.status, &settings.json()["integrations"]["Segment.io"]["apiKey"]), (200, &json!(CLIENT_KEY)));
    assert_eq!(server.post("/v1/m", r#"{"series":[]}"#).status, 200);

    server.kill();
    server.restart();
    assert_eq!(status(&server)["turnedAway"], turned_away, "it outlives the process");
    assert_eq!(server.post("/v1/track", KINDS[0].1).status, 403);
}

#[test]
fn the_filter_shows_every_name_with_what_it_costs() {
    let mut file = project();
    file["integrations"] = json!({"segment": {"incoming": {"events": {"Debug Ping": false, "Never Sent": true}}}});
    let mut server = Server::start(&file);
    let page = |name: &str| json!({"type": "page", "name": name, "userId": "u"}).to_string();
    let off = r#"{"type":"track","event":"Elsewhere","userId":"u","integrations":{"All":false}}"#;
    let nobodys = r#"{"type":"track","event":"Broken"}"#;
    let old = r#"{"type":"track","event":"Old","userId":"u","timestamp":"2020-01-01T00:00:00Z"}"#;
    let looped = r#"{"type":"track","event":"statsig::gate_exposure","userId":"u"}"#;
    let (ping, order) = (track("Debug Ping"), track("Order Completed"));
    let batch =
        [&ping, &ping, &ping, &order, &order, &page("Home"), off, nobodys, old, looped].map(|it| it.to_string());
    assert_eq!(server.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, batch.join(","))).status, 200);
    assert_eq!(server.post("/v1/webhooks/rudderstack", track("Of Another")).status, 200);
    let expected = vec![
        ("Debug Ping", [false, true, true], [0, 3, 0]),
        ("Order Completed", [true, false, true], [2, 0, 0]),
        ("page:Home", [true, false, true], [1, 0, 0]),
        ("Broken", [true, false, true], [0, 0, 1]),
        ("Elsewhere", [true, false, true], [0, 0, 0]),
        ("Never Sent", [true, true, false], [0, 0, 0]),
        ("Old", [true, false, true], [0, 0, 0]),
    ];
    let all = names(&server, "segment.incoming", "");
    assert_eq!(told(&all), expected);
    assert_eq!(all[2]["storedName"], "segment::page:Home");
    assert_eq!(told(&names(&server, "rudderstack.incoming", "")), [("Of Another", [true, false, true], [1, 0, 0])]);
    assert_eq!(names(&server, "webhook.incoming", "").len(), 0);
    for (query, found) in [
        ("search=PING", &["Debug Ping"][..]),
        ("search=segment::", &[]),
        ("selected=false", &["Debug Ping"]),
        ("selected=true&search=e", &["Order Completed", "page:Home", "Broken", "Elsewhere", "Never Sent"]),
        ("limit=2", &["Debug Ping", "Order Completed"]),
        ("limit=2&page=4", &["Old"]),
        ("page=2", &[]),
    ] {
        assert_eq!(called(&names(&server, "segment.incoming", query)), found, "{query}");
    }
    let (_, answer) =
        ask(&server, "GET", "segment.incoming/events?limit=1&page=2&search=e&selected=true", &Value::Null);
    let path = "/console/v1/integrations/segment.incoming/events";
    assert_eq!(
        answer["pagination"],
        json!({"itemsPerPage": 1, "pageNumber": 2, "totalItems": 5,
            "nextPage": format!("{path}?page=3&limit=1&search=e&selected=true"),
            "previousPage": format!("{path}?page=1&limit=1&search=e&selected=true"),
            "all": format!("{path}?search=e&selected=true")})
    );
    for (query, code) in [
        ("selected=maybe", "invalid_query"),
        ("limit=0", "invalid_limit"),
        ("limit=1001", "invalid_limit"),
        ("page=0", "invalid_page"),
    ] {
        let (status, answer) = ask(&server, "GET", &format!("segment.incoming/events?{query}"), &Value::Null);
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{query}");
    }
    assert_eq!(ask(&server, "GET", "nobody.incoming/events", &Value::Null).0, 404);

    // New names that start unselected are counted by name too, and everything outlives the process and a new prefix.
    set(&server, "segment.incoming", &json!({"includeNewEvents": false}));
    let prefix = json!({"eventPrefix": "s/"}).to_string();
    let key = [("statsig-api-key", CONSOLE_KEY)];
    assert_eq!(server.ask("PATCH", "/console/v1/settings", &key, prefix).status, 200);
    assert_eq!(server.post("/v1/track", track("Brand New")).body, SUCCESS);
    assert_eq!(server.post("/v1/track", track("Never Sent")).body, SUCCESS);
    for _ in 0..2 {
        let all = names(&server, "segment.incoming", "");
        let row = |name: &str| told(&all).into_iter().find(|row| row.0 == name).unwrap();
        assert_eq!(row("Brand New"), ("Brand New", [false, false, true], [0, 1, 0]));
        assert_eq!(row("Never Sent"), ("Never Sent", [true, true, true], [1, 0, 0]));
        assert_eq!(row("Order Completed"), ("Order Completed", [false, false, true], [2, 0, 0]));
        assert_eq!(all.len(), 8);
        server.kill();
        server.restart();
    }
}

#[test]
fn a_selection_takes_effect_with_the_next_request_whatever_brings_it() {
    let server = Server::start(&project());
    let mut connection = server.connect();
    for (integration, paths, event, source) in [
        ("segment.incoming", &["/v1/track", "/v1/batch", "/v1/webhooks/segment_webhook"][..], track("e"), "segment"),
        ("rudderstack.incoming", &["/v1/webhooks/rudderstack"], track("e"), "rudderstack"),
        (
            "webhook.incoming",
            &["/v1/webhooks/event_webhook"],
            r#"{"event":"e","user":{"userID":"u"}}"#.to_owned(),
            "webhook",
        ),
    ] {
        for path in paths {
            let body = if *path == "/v1/batch" { format!(r#"{{"batch":[{event}]}}"#) } else { event.clone() };
            for is_selected in [false, true, false] {
                let before = (rows(&server, &format!("source={source}")).len(), status(&server)["filtered"].as_u64());
                let done = select(&server, integration, &json!({"isSelected": is_selected, "names": ["e"]}));
                assert_eq!(done["matched"], 1);
                let key = ("statsig-api-key", crate::running::SERVER_KEY);
                let answer = connection.ask("POST", path, &[key], body.as_bytes()).expect("an answer");
                assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{path}");
                let after = (rows(&server, &format!("source={source}")).len(), status(&server)["filtered"].as_u64());
                let expected =
                    if is_selected { (before.0 + 1, before.1) } else { (before.0, before.1.map(|had| had + 1)) };
                assert_eq!(after, expected, "{path}, selected: {is_selected}");
            }
        }
        let sample = format!("weir_events_filtered_total{{source=\"{source}\",reason=\"event_filter\"}}");
        assert_eq!(metric(&server, &sample), 2 * paths.len() as u64);
    }
}

#[test]
fn names_are_selected_one_by_one_all_at_once_or_by_a_search() {
    let server = Server::start(&project());
    let integration = "segment.incoming";
    for event in ["Debug Ping", "Debug Pong", "Order Completed"] {
        assert_eq!(server.post("/v1/track", track(event)).body, SUCCESS);
    }
    let events = |server: &Server| ask(server, "GET", integration, &Value::Null).1["data"]["events"].clone();
    let changes = |server: &Server| rows(server, "name=statsig::config_change&limit=1000").len();
    let before = changes(&server);
    let done = select(&server, integration, &json!({"isSelected": false, "names": ["Debug Ping", "Unheard Of"]}));
    let expected = json!({"isSelected": false, "matched": 2, "changed": ["Debug Ping", "Unheard Of"], "version": 1});
    assert_eq!(done, expected);
    // What was chosen before stays, a name that passed by default is held from now on, and repeating it changes nothing.
    let search = json!({"isSelected": true, "all": true, "search": "P"});
    let expected = json!({"isSelected": true, "matched": 3, "changed": ["Debug Ping"], "version": 2});
    assert_eq!(select(&server, integration, &search), expected);
    assert_eq!(
        events(&server),
        json!({"Debug Ping": true, "Debug Pong": true, "Order Completed": true, "Unheard Of": false})
    );
    let again = json!({"isSelected": true, "matched": 3, "changed": [], "version": 2});
    assert_eq!(select(&server, integration, &search), again);
    assert_eq!(changes(&server), before + 2);
    let event = rows(&server, "name=statsig::config_change&limit=1").remove(0);
    assert_eq!(event["metadata"]["description"], "integration segment.incoming updated: events");
    assert_eq!(
        event["raw"]["metadata"]["changes"]["events"]["from"],
        json!({"Debug Ping": false, "Unheard Of": false})
    );
    // All of them: every name there is has its own entry; new ones go on as `includeNewEvents` says.
    let done = select(&server, integration, &json!({"isSelected": false, "all": true}));
    assert_eq!((&done["matched"], done["changed"].as_array().unwrap().len()), (&json!(4), 3));
    assert_eq!(called(&names(&server, integration, "selected=true")), Vec::<&str>::new());
    for (event, is_stored) in [("Debug Pong", false), ("Afterwards", true)] {
        let stored = rows(&server, "source=segment").len();
        assert_eq!(server.post("/v1/track", track(event)).body, SUCCESS);
        assert_eq!(rows(&server, "source=segment").len(), stored + usize::from(is_stored), "{event}");
    }

    for (body, code) in [
        (json!({"isSelected": true, "names": []}), "invalid_selection"),
        (json!({"isSelected": true}), "invalid_selection"),
        (json!({"names": ["a"]}), "invalid_selection"),
        (json!({"isSelected": "yes", "names": ["a"]}), "invalid_selection"),
        (json!({"isSelected": true, "names": ["a"], "colour": "red"}), "invalid_selection"),
        (json!({"isSelected": true, "names": ["segment::Debug Ping"]}), "invalid_selection"),
        (json!({"isSelected": true, "names": ["x".repeat(208)]}), "name_too_long"),
        (json!([true, ["a"], false, null]), "invalid_selection"),
    ] {
        let (status, answer) = ask(&server, "POST", "segment.incoming/events", &body);
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{body}: {answer}");
    }
    // Exposures and changes are no custom events: nobody shall think that they are held back by name.
    for name in ["statsig::gate_exposure", "statsig::config_change"] {
        let body = json!({"isSelected": false, "names": [name]});
        let (status, answer) = ask(&server, "POST", "segment.outgoing/events", &body);
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_selection")), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains("exposures or configChanges"), "{answer}");
    }
    assert_eq!(ask(&server, "POST", "nobody.incoming/events", &json!({"isSelected": true, "all": true})).0, 404);
    let path = "/console/v1/integrations/segment.incoming/events";
    let body = json!({"isSelected": true, "all": true}).to_string();
    let headers = [("statsig-api-key", CONSOLE_KEY), ("if-match", "1")];
    let answer = server.ask("POST", path, &headers, &body);
    assert_eq!((answer.status, answer.code()), (409, "version_conflict".to_owned()));
    let answer = server.ask("POST", path, &[("statsig-api-key", VIEWER_KEY)], &body);
    assert_eq!((answer.status, answer.code()), (403, "role_not_allowed".to_owned()));
    assert_eq!(server.ask("GET", path, &[("statsig-api-key", VIEWER_KEY)], "").status, 200);
}

#[test]
fn a_filter_holds_ten_thousand_names_and_no_more() {
    let server = Server::start(&project());
    let named = |range: std::ops::Range<usize>| range.map(|n| format!("Event {n}")).collect::<Vec<_>>();
    let path = "webhook.incoming/events";
    let too_many = json!({"isSelected": false, "names": named(0..10_001)});
    let (status, answer) = ask(&server, "POST", path, &too_many);
    assert_eq!((status, &answer["code"]), (413, &json!("filter_full")));
    let done = select(&server, "webhook.incoming", &json!({"isSelected": false, "names": named(0..10_000)}));
    assert_eq!((&done["matched"], done["changed"].as_array().unwrap().len()), (&json!(10_000), 10_000));
    let one_more = json!({"isSelected": false, "names": ["One More"]});
    let (status, answer) = ask(&server, "POST", path, &one_more);
    assert_eq!((status, &answer["code"]), (413, &json!("filter_full")));
    let done = select(&server, "webhook.incoming", &json!({"isSelected": true, "names": ["Event 7"]}));
    assert_eq!(done["changed"], json!(["Event 7"]), "those that it holds can be changed");
}

#[test]
fn selections_at_the_same_time_are_all_kept() {
    let server = Server::start(&project());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for n in 0..5 {
                    let name = format!("e{writer}-{n}");
                    select(server, "segment.incoming", &json!({"isSelected": false, "names": [name]}));
                }
            });
        }
    });
    assert_eq!(names(&server, "segment.incoming", "selected=false").len(), 20);
}

#[test]
fn a_thousand_names_are_listed_and_selected_at_once() {
    let server = Server::start(&project());
    let events: Vec<String> = (0..1_000).map(|n| track(&format!("Event {n:03}"))).collect();
    let answer = server.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, events.join(",")));
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
    let all = names(&server, "segment.incoming", "limit=1000");
    assert_eq!((all.len(), &all[999]["name"]), (1_000, &json!("Event 999")));
    let done = select(&server, "segment.incoming", &json!({"isSelected": false, "all": true, "search": "event 00"}));
    assert_eq!(done["matched"], 10);
    assert_eq!(names(&server, "segment.incoming", "selected=false").len(), 10);
    // What came since is added to what was known.
    assert_eq!(server.post("/v1/track", track("Event 1000")).body, SUCCESS);
    assert_eq!(called(&names(&server, "segment.incoming", "search=1000")), ["Event 1000"]);
}

#[test]
fn what_goes_out_is_shown_and_selected_the_same_way() {
    let server = Server::start(&project());
    let logged = json!({"events": [
        {"eventName": "purchase", "user": {"userID": "u"}},
        {"eventName": "signup", "user": {"userID": "u"}},
        {"eventName": "signup", "user": {"userID": "v"}},
        {"eventName": "statsig::gate_exposure", "user": {"userID": "u"},
         "metadata": {"gate": "g", "gateValue": "true", "ruleID": "r"}},
    ]});
    assert_eq!(server.post("/v1/log_event", logged.to_string()).status, 202);
    assert_eq!(server.post("/v1/webhooks/event_webhook", r#"{"event":"purchase","user":{"userID":"w"}}"#).status, 200);
    assert_eq!(server.post("/v1/webhooks/event_webhook", r#"{"event":"refund","user":{"userID":"w"}}"#).status, 200);
    assert_eq!(server.post("/v1/track", track("From Segment")).status, 200);
    let volumes = |integration: &str| -> Vec<(String, u64)> {
        let row = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["lastDay"].as_u64().unwrap());
        names(&server, integration, "").iter().map(row).collect()
    };
    let expect = |rows: &[(&str, u64)]| rows.iter().map(|&(name, n)| (name.to_owned(), n)).collect::<Vec<_>>();
    assert_eq!(volumes("segment.outgoing"), expect(&[("purchase", 2), ("signup", 2), ("refund", 1)]));
    assert_eq!(volumes("webhook.outgoing"), expect(&[("signup", 2), ("purchase", 1)]));
    let row = names(&server, "webhook.outgoing", "search=sign").remove(0);
    assert_eq!((&row["storedName"], row.get("filteredLastDay")), (&json!("signup"), None));
    let done = select(&server, "segment.outgoing", &json!({"isSelected": false, "names": ["signup"]}));
    assert_eq!(done["changed"], json!(["signup"]));
    assert_eq!(called(&names(&server, "segment.outgoing", "selected=false")), ["signup"]);
    assert_eq!(called(&names(&server, "webhook.outgoing", "selected=false")), Vec::<&str>::new());
    assert_eq!(names(&server, "segment.outgoing", "").len(), 3, "its own changes are no events of the product");
}

#[test]
fn identifiers_are_mapped_for_every_sender() {
    let mut file = project();
    file["unitIdTypes"] = json!([{"name": "companyID"}, {"name": "deviceID"}]);
    let rows = json!([
        {"field": "accountId", "idType": "companyID"}, {"field": "teamId", "idType": "companyID"},
        {"field": "anonymousId", "idType": "deviceID"}, {"field": "login", "idType": "userID"},
    ]);
    let mapped = json!({"incoming": {"mapIdentifiers": rows}});
    file["integrations"] = json!({"segment": mapped, "rudderstack": mapped, "webhook": mapped});
    let server = Server::start(&file);
    for (path, own) in [
        ("segment_webhook", r#""type":"track","properties":{"statsigCustomIDs":["companyID","own"]}"#),
        ("rudderstack", r#""type":"track","properties":{"statsigCustomIDs":["companyID","own"]}"#),
        ("event_webhook", r#""user":{"customIDs":{"companyID":"own"}}"#),
    ] {
        let kind = if path == "event_webhook" { "" } else { r#","type":"track""# };
        for (nth, (fields, units)) in [
            (
                format!(r#""login":"{path}-0","accountId":7{kind}"#),
                json!({"userID": format!("{path}-0"), "companyID": "7"}),
            ),
            (
                format!(r#""login":"{path}-1","teamId":"t","accountId":null,"anonymousId":""{kind}"#),
                json!({"userID": format!("{path}-1"), "companyID": "t"}),
            ),
            (
                format!(r#""login":"{path}-2","accountId":"a","teamId":"t","anonymousId":"d",{own}"#),
                json!({"userID": format!("{path}-2"), "companyID": "own", "deviceID": "d"}),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = server.post(&format!("/v1/webhooks/{path}"), format!(r#"{{"event":"e",{fields}}}"#));
            assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{path} {fields}: {}", answer.body);
            assert_eq!(only(&server, &format!("{path}-{nth}"))["units"], units, "{path} {fields}");
        }
        let answer =
            server.post(&format!("/v1/webhooks/{path}"), r#"{"type":"track","event":"e","accountId":{"id":1}}"#);
        assert_eq!((answer.status, answer.code()), (400, "invalid_id".to_owned()), "{path}");
    }
}

#[test]
fn a_project_file_and_the_api_say_the_same_and_each_change_is_told() {
    let mut server = Server::start(&project());
    let told = |server: &Server| rows(server, "name=statsig::config_change&limit=1").remove(0);
    let row = json!([{"field": "anonymousId", "idType": "stableID"}]);
    for family in ["segment", "rudderstack", "webhook"] {
        let integration = format!("{family}.incoming");
        for (field, value) in [
            ("isEnabled", json!(false)),
            ("includeNewEvents", json!(false)),
            ("mapIdentifiers", row.clone()),
            ("events", json!({"Debug Ping": false})),
        ] {
            set(&server, &integration, &json!({ field: value }));
            let event = told(&server);
            assert_eq!((&event["metadata"]["name"], &event["kind"]), (&json!(integration), &json!("config_change")));
            assert_eq!(event["raw"]["metadata"]["changes"][field]["to"], value, "{integration} {field}");
        }
    }
    let incoming = json!({"incoming": {"isEnabled": true, "includeNewEvents": false, "mapIdentifiers": row,
        "events": {"Debug Ping": true, "page:Home": false}}});
    let mut file = project();
    file["integrations"] = json!({"segment": incoming, "rudderstack": incoming, "webhook": incoming});
    std::fs::write(server.folder().join("project.json"), file.to_string()).unwrap();
    let output = server.command(&["apply", "project.json", "--force"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for family in ["segment", "rudderstack", "webhook"] {
        let (_, answer) = ask(&server, "GET", &format!("{family}.incoming"), &Value::Null);
        for (field, value) in incoming["incoming"].as_object().unwrap() {
            assert_eq!(&answer["data"][field], value, "{family} {field}");
        }
    }
    let updated: Vec<Value> = rows(&server, "name=statsig::config_change&limit=3")
        .into_iter()
        .map(|event| event["metadata"]["name"].clone())
        .collect();
    for family in ["segment", "rudderstack", "webhook"] {
        assert!(updated.contains(&json!(format!("{family}.incoming"))), "{updated:?}");
    }
    server.kill();
    server.restart();
    assert_eq!(called(&names(&server, "rudderstack.incoming", "")), ["Debug Ping", "page:Home"]);
}
