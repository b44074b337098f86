//! Single gates, configs and layers, the exposures that go with the answers, and what cannot be answered.

use super::*;

fn check(release: &Release, body: &Value) -> (Value, Vec<Value>) {
    split(ask(release, body, |asked, evaluation| check_gate(asked, evaluation).unwrap()))
}

fn split(answer: Answer) -> (Value, Vec<Value>) {
    let log = answer.exposures.map(|log| json_of(&log)["events"].as_array().unwrap().clone());
    (json_of(answer.json.as_bytes()), log.unwrap_or_default())
}

#[test]
fn a_gate_is_answered_and_exposed_as_an_sdk_would() {
    let release = release();
    let (answer, events) = check(&release, &json!({"gateName": "half", "user": {"userID": "boss"}}));
    let rule = "pass:userID:id_override";
    assert_eq!(answer, json!({"name": "half", "value": true, "rule_id": rule, "group_name": null}));
    let metadata = json!({"gate": "half", "gateValue": "true", "ruleID": rule, "configVersion": "1", "reason": "Network:Recognized"});
    assert_eq!(
        events,
        [json!({"eventName": "statsig::gate_exposure", "metadata": metadata, "secondaryExposures": []})]
    );
    let (answer, events) = check(&release, &json!({"gateName": "nowhere", "user": {"userID": "boss"}}));
    assert_eq!(answer, json!({"name": "nowhere", "value": false, "rule_id": "", "group_name": null}));
    let metadata = json!({"gate": "nowhere", "gateValue": "false", "ruleID": "", "reason": "Network:Unrecognized"});
    assert_eq!(events[0]["metadata"], metadata);
    // What is asked on the way is a secondary exposure, under its name.
    let (_, events) = check(&release, &json!({"gateName": "nested", "user": {"userID": "boss"}}));
    let secondary: Vec<&Value> =
        events[0]["secondaryExposures"].as_array().unwrap().iter().map(|it| &it["gate"]).collect();
    assert_eq!(secondary, ["quarter", "half"]);
}

#[test]
fn many_gates_are_answered_by_name_and_each_is_exposed_once() {
    let release = release();
    let (answer, events) =
        check(&release, &json!({"gateNames": ["half", "off", "half", "nowhere"], "user": {"userID": "boss"}}));
    assert_eq!(keys(&answer), BTreeSet::from(["half", "off", "nowhere"]));
    assert_eq!(answer["off"], json!({"name": "off", "value": false, "rule_id": "disabled", "group_name": null}));
    let exposed: Vec<&Value> = events.iter().map(|event| &event["metadata"]["gate"]).collect();
    assert_eq!(exposed, ["half", "off", "nowhere"]);
    let names = |count: usize| json!({"gateNames": (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>()});
    assert_eq!(check(&release, &names(GATES_PER_CALL)).1.len(), GATES_PER_CALL);
    let refused = ask(&release, &names(GATES_PER_CALL + 1), |asked, it| check_gate(asked, it).unwrap_err());
    assert_eq!((refused.code(), refused), ("too_many_gates", AskError::TooManyGates));
    assert_eq!(check(&release, &json!({"gateNames": []})), (json!({}), vec![]));
}

#[test]
fn a_config_is_answered_and_exposed_as_an_sdk_would() {
    let release = release();
    let config = |name: &str| {
        let body = json!({"configName": name, "user": {"userID": "u1"}});
        split(ask(&release, &body, |asked, evaluation| get_config(asked, evaluation).unwrap()))
    };
    let (answer, events) = config("won");
    let expected = json!({"name": "won", "value": {"color": "red"}, "group": "launchedGroup", "rule_id": "launchedGroup", "group_name": "Test"});
    assert_eq!(answer, expected);
    assert_eq!(events[0]["eventName"], "statsig::config_exposure");
    let metadata = json!({"config": "won", "ruleID": "launchedGroup", "rulePassed": "true", "configVersion": "1", "reason": "Network:Recognized"});
    assert_eq!(events[0]["metadata"], metadata);
    let (answer, events) = config("nowhere");
    assert_eq!(answer, json!({"name": "nowhere", "value": {}, "group": "", "rule_id": "", "group_name": null}));
    assert_eq!(events[0]["metadata"]["reason"], "Network:Unrecognized");
}

#[test]
fn a_layer_is_one_exposure_of_the_experiment_that_decides() {
    let release = release();
    let mut seen = BTreeSet::new();
    for user in users() {
        let body = json!({"layerName": "shop", "user": user});
        let answer = ask(&release, &body, |asked, evaluation| get_layer(asked, evaluation).unwrap().unwrap());
        let (answer, events) = split(answer);
        assert_eq!(keys(&answer), BTreeSet::from(["name", "value", "ruleID", "allocatedExperimentName"]));
        let metadata = &events[0]["metadata"];
        assert_eq!((&metadata["config"], &metadata["ruleID"]), (&json!("shop"), &answer["ruleID"]));
        assert_eq!(metadata["allocatedExperiment"], answer["allocatedExperimentName"]);
        let is_allocated = answer["allocatedExperimentName"] != "";
        assert_eq!(metadata["isExplicitParameter"], is_allocated.to_string());
        assert_eq!(events.len(), 1);
        seen.insert(answer["allocatedExperimentName"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, BTreeSet::from(["", "left", "right"].map(str::to_owned)));
    let unknown = json!({"layerName": "nowhere", "user": {}});
    assert_eq!(ask(&release, &unknown, |asked, evaluation| get_layer(asked, evaluation).unwrap()), None);
}

#[test]
fn exposures_go_with_the_user_and_the_metadata_of_the_request_unless_they_are_not_wanted() {
    let release = release();
    let user = json!({"userID": "boss", "privateAttributes": {"a": 1}});
    let body = |metadata: Value| json!({"gateName": "half", "user": user, "statsigMetadata": metadata});
    let log = |metadata: Value| ask(&release, &body(metadata), |asked, it| check_gate(asked, it).unwrap()).exposures;
    let sent = json!({"sdkType": "mine", "stableID": "s1", "exposureLoggingDisabled": false});
    let logged = json_of(&log(sent.clone()).unwrap());
    // The intake takes out what is private, as it does for every SDK.
    assert_eq!((&logged["user"], &logged["statsigMetadata"]), (&user, &sent));
    assert_eq!(log(json!({"exposureLoggingDisabled": true})), None);
    assert_eq!(log(json!({"exposureLoggingDisabled": "true"})), None);
}

#[test]
fn a_reported_exposure_is_told_by_the_ids_that_count() {
    const MOST: usize = 8;
    let catalog = catalog(&project());
    let body = json!({"exposures": [
        {"user": {"userID": "a"}, "experimentName": "button", "group": "Test", "time": 1_795_438_000_000_i64},
        {"user": {"userID": "b"}, "experimentName": "button", "group": "b_c"},
        {"user": {"userID": "c"}, "experimentName": "b1", "ruleID": "b_t", "group": "Control"},
        {"user": {"userID": "d"}, "experimentName": "button", "group": "Purple"},
        {"user": {"userID": "e"}, "gateName": "half", "passes": true, "group": "fifty"},
        {"user": {"userID": "f"}, "gateName": "half", "passes": false},
        {"user": {"userID": "g"}, "gateName": "half"},
        {"user": {"userID": "h"}},
    ], "statsigMetadata": {"sdkType": "mine"}})
    .to_string();
    let asked = Asked::read(body.as_bytes()).unwrap();
    let log = json_of(&custom_exposures(&asked, &catalog, MOST).unwrap());
    let told: Vec<Value> = (log["events"].as_array().unwrap().iter())
        .map(|event| {
            let it = &event["metadata"];
            assert_eq!(it["isManualExposure"], "true");
            json!([
                event["user"]["userID"],
                event["eventName"].as_str().unwrap().replace("statsig::", ""),
                it["config"],
                it["gate"],
                it["ruleID"],
                it["gateValue"]
            ])
        })
        .collect();
    let expected = [
        json!(["a", "config_exposure", "button", null, "b_t", null]),
        json!(["b", "config_exposure", "button", null, "b_c", null]),
        json!(["c", "config_exposure", "b1", null, "b_t", null]),
        json!(["d", "config_exposure", "button", null, "Purple", null]),
        json!(["e", "gate_exposure", null, "half", "fifty", "true"]),
        json!(["f", "gate_exposure", null, "half", "", "false"]),
        json!(["g", "gate_exposure", null, "half", "", null]),
        json!(["h", "config_exposure", null, null, "", null]),
    ];
    assert_eq!(told, expected);
    let times: Vec<&Value> = log["events"].as_array().unwrap().iter().filter_map(|event| event.get("time")).collect();
    assert_eq!(times, [&json!(1_795_438_000_000_i64)]);
    assert_eq!(log["statsigMetadata"], json!({"sdkType": "mine"}));
    let empty = Asked::read(b"{}").unwrap();
    assert_eq!(custom_exposures(&empty, &catalog, MOST), Err(AskError::NothingAsked { field: "exposures" }));
}

#[test]
fn of_a_list_that_is_too_long_only_the_beginning_is_kept() {
    let exposures = |count: usize| format!("{{\"exposures\": [{}]}}", vec!["{}"; count].join(","));
    for (count, expected) in [(1, 1), (2, 2), (3, 3), (4, 3), (100_000, 3)] {
        let body = exposures(count);
        let log = json_of(&custom_exposures(&Asked::read(body.as_bytes()).unwrap(), &catalog(&project()), 2).unwrap());
        assert_eq!(log["events"].as_array().unwrap().len(), expected, "of {count}");
    }
    // Text that is not kept has to be JSON all the same.
    let torn = Asked::read(br#"{"exposures": [{}, {}, {}, {]}"#).map(|_| ()).unwrap_err();
    assert_eq!(torn.code(), "malformed_json");
    let names: Vec<Value> = (0..=GATES_PER_CALL).map(|n| json!(format!("g{n}"))).chain([json!(7)]).collect();
    let body = json!({"gateNames": names});
    assert_eq!(ask(&release(), &body, |asked, it| check_gate(asked, it).unwrap_err()), AskError::TooManyGates);
    let odd = Asked::read(br#"{"exposures": {}}"#).map(|asked| custom_exposures(&asked, &catalog(&project()), 2));
    assert_eq!(odd.unwrap().unwrap_err().code(), "malformed_json");
}

#[test]
fn a_body_that_cannot_be_answered_says_what_to_send() {
    let code = |body: &[u8]| Asked::read(body).map(|_| "taken").unwrap_or_else(|error| error.code());
    for (body, expected) in [
        (&b""[..], "taken"),
        (b"{}", "taken"),
        (b" {\"user\": null, \"sinceTime\": null, \"more\": [1, {}]} ", "taken"),
        (b"\xff", "not_utf8"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b"{", "malformed_json"),
        (b"{} x", "malformed_json"),
        (b"{\"gateName\": 7}", "malformed_json"),
        (b"{\"gateNames\": \"half\"}", "malformed_json"),
        (b"{\"user\": \"u1\"}", "not_an_object"),
        (b"{\"statsigMetadata\": []}", "not_an_object"),
    ] {
        assert_eq!(code(body), expected, "{}", String::from_utf8_lossy(body));
    }
    let deep = format!("{{\"user\": {{\"a\": {}1{}}}}}", "[".repeat(500), "]".repeat(500));
    assert_eq!(code(deep.as_bytes()), "malformed_json");
    let sized = |field: &str, bytes: usize| {
        let empty = json!({"a": ""}).to_string().len();
        format!("{{\"{field}\": {{\"a\":\"{}\"}}}}", "x".repeat(bytes - empty))
    };
    for field in ["user", "statsigMetadata"] {
        assert_eq!(code(sized(field, USER_BYTES).as_bytes()), "taken");
        assert_eq!(code(sized(field, USER_BYTES + 1).as_bytes()), "user_too_large");
    }
    let release = release();
    let nothing = ask(&release, &json!({"user": {}}), |asked, it| {
        [check_gate(asked, it).unwrap_err(), get_config(asked, it).unwrap_err(), get_layer(asked, it).unwrap_err()]
    });
    assert_eq!(
        nothing.map(|error| error.to_string()),
        [
            "say by `gateName` what is asked for",
            "say by `configName` what is asked for",
            "say by `layerName` what is asked for",
        ]
    );
}
