//! What an action makes of an item's document: a gate is enabled, a rule changed, an experiment started or decided. Pure;
//! whether the outcome is valid is the catalog's to say.

use super::overrides;
use crate::admin::AdminError;
use crate::catalog::{ItemKind, Mistake, shape_of};
use crate::event::Timestamp;
use serde_json::{Map, Value, json};

type Document = Map<String, Value>;

/// What can be done with an item beside making, changing and removing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Enable,
    Disable,
    /// Everyone passes, whatever the other rules say.
    Launch,
    Archive,
    Unarchive,
    AddRule,
    ChangeRule,
    RemoveRule,
    SetRules,
    SetOverrides,
    AddOverrides,
    RemoveOverrides,
    Start,
    MakeDecision,
    Abandon,
    Reset,
}

/// What an action is done with.
pub(super) struct With<'a> {
    pub kind: ItemKind,
    pub id: &'a str,
    /// The rule's ID, for actions on one rule.
    pub rule: &'a str,
    /// What came with the request; null if nothing did.
    pub body: &'a Value,
    pub now: Timestamp,
    /// Unpredictable text, for what needs some.
    pub fresh: &'a dyn Fn() -> String,
}

/// The ID of the rule that launching puts first.
const LAUNCHED: &str = "launched";

pub(super) fn act(action: Action, mut document: Document, with: &With<'_>) -> Result<Document, AdminError> {
    match action {
        Action::Enable => {
            not_archived(&document, with, "enabled")?;
            document.insert("isEnabled".into(), true.into());
        }
        Action::Disable => drop(document.insert("isEnabled".into(), false.into())),
        Action::Launch => launch(&mut document, with)?,
        Action::Archive if with.kind == ItemKind::Experiment => become_status(&mut document, "archived", with)?,
        Action::Archive => {
            document.insert("isEnabled".into(), false.into());
            document.insert("isArchived".into(), true.into());
        }
        Action::Unarchive => drop(document.remove("isArchived")),
        Action::AddRule => add_rule(&mut document, with)?,
        Action::ChangeRule => {
            let change = object(with.body)?;
            if change.get("id").is_some_and(|id| id != with.rule) {
                return Err(fixed("id"));
            }
            merge(rule(&mut document, with)?, change);
        }
        Action::RemoveRule => {
            rule(&mut document, with)?;
            if let Some(rules) = document.get_mut("rules").and_then(Value::as_array_mut) {
                rules.retain(|rule| rule["id"] != with.rule);
            }
        }
        Action::SetRules => {
            if document.get("type").is_some_and(|kind| kind == "id_list") {
                let message = "this segment is a list of IDs and has no rules; change it by .../id_list";
                return Err(AdminError::conflict("wrong_type", message));
            }
            document.insert("rules".into(), with.body.clone());
        }
        Action::SetOverrides => drop(document.insert("overrides".into(), with.body.clone())),
        Action::AddOverrides => overrides::add(overrides_of(&mut document), object(with.body)?),
        // Without saying which, all of them.
        Action::RemoveOverrides if with.body.is_null() => drop(document.remove("overrides")),
        Action::RemoveOverrides => {
            let what = object(with.body)?;
            // A field that does not exist would take nothing away, and the answer would say that it was done.
            let named =
                Document::from_iter(document.clone().into_iter().chain([("overrides".into(), with.body.clone())]));
            shape_of(with.kind, with.id, &named.into()).map_err(AdminError::invalid_item)?;
            overrides::remove(overrides_of(&mut document), what);
        }
        Action::Start => {
            // Taking up again what was stopped is no start: it keeps the time of its first one.
            if status(&document) != "setup" {
                return Err(wrong_status(&document, "started", with));
            }
            document.insert("status".into(), "active".into());
            document.insert("startTime".into(), with.now.to_string().into());
        }
        Action::MakeDecision => decide(&mut document, with)?,
        Action::Abandon => {
            let said = known(with.body, &["decisionReason"])?;
            become_status(&mut document, "abandoned", with)?;
            document.extend(said);
        }
        Action::Reset => {
            for field in ["startTime", "endTime", "launchedGroupID", "decisionReason"] {
                document.remove(field);
            }
            document.insert("status".into(), "setup".into());
            document.insert("salt".into(), (with.fresh)().into());
        }
    }
    Ok(document)
}

/// Puts the fields of a change in place of those that were there; null takes one away, so that its default holds.
pub(super) fn merge(document: &mut Document, change: &Document) {
    for (name, value) in change {
        match value {
            Value::Null => drop(document.remove(name)),
            value => drop(document.insert(name.clone(), value.clone())),
        }
    }
}

/// Moves an experiment to another status, if it can get there, and notes when it started or ended.
pub(super) fn become_status(document: &mut Document, to: &str, with: &With<'_>) -> Result<(), AdminError> {
    let from = status(document);
    if from == to {
        return Ok(());
    }
    if !next(from).contains(&to) {
        return Err(wrong_status(document, to, with));
    }
    if to == "decision_made" && !document.contains_key("launchedGroupID") {
        let wrong = mistake("launchedGroupID", "is missing; a decision needs the ID of the group to ship");
        return Err(AdminError::invalid_item(vec![wrong]));
    }
    match to {
        "active" => drop(document.entry("startTime").or_insert_with(|| with.now.to_string().into())),
        "experiment_stopped" | "decision_made" | "abandoned" => {
            document.entry("endTime").or_insert_with(|| with.now.to_string().into());
        }
        _ => {}
    }
    document.insert("status".into(), to.into());
    Ok(())
}

fn status(document: &Document) -> &str {
    document.get("status").and_then(Value::as_str).unwrap_or("setup")
}

fn wrong_status(document: &Document, wanted: &str, with: &With<'_>) -> AdminError {
    let from = status(document);
    let can = match next(from) {
        [] => "nothing".to_owned(),
        next => next.join(", "),
    };
    let message = format!(
        "experiment {:?} is {from} and cannot be {wanted}; it can become {can}, and PUT .../reset sets it up anew",
        with.id
    );
    AdminError::conflict("wrong_status", message)
}

/// Where an experiment can go from a status, resetting apart.
fn next(from: &str) -> &'static [&'static str] {
    match from {
        "setup" => &["active", "archived"],
        "active" => &["assignment_stopped", "experiment_stopped", "decision_made", "abandoned"],
        "assignment_stopped" => &["active", "experiment_stopped", "decision_made", "abandoned"],
        "experiment_stopped" => &["decision_made", "abandoned", "archived"],
        "decision_made" | "abandoned" => &["archived"],
        _ => &[],
    }
}

fn decide(document: &mut Document, with: &With<'_>) -> Result<(), AdminError> {
    let said = known(with.body, &["id", "decisionReason", "removeTargeting"])?;
    let Some(group) = said.get("id").filter(|id| id.is_string()) else {
        return Err(AdminError::invalid_item(vec![mistake("id", "is missing; must be the ID of the group to ship")]));
    };
    if status(document) == "decision_made" {
        return Err(wrong_status(document, "decided", with));
    }
    document.insert("launchedGroupID".into(), group.clone());
    become_status(document, "decision_made", with)?;
    match said.get("decisionReason") {
        Some(reason) => drop(document.insert("decisionReason".into(), reason.clone())),
        None => drop(document.remove("decisionReason")),
    }
    match said.get("removeTargeting") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(Value::Bool(true)) => drop(document.remove("targetingGateID")),
        Some(_) => {
            let wrong = mistake("removeTargeting", "must be true or false");
            return Err(AdminError::invalid_item(vec![wrong]));
        }
    }
    Ok(())
}

fn launch(document: &mut Document, with: &With<'_>) -> Result<(), AdminError> {
    not_archived(document, with, "launched")?;
    document.insert("isEnabled".into(), true.into());
    if !is_launched(document) {
        let everyone = json!({
            "id": LAUNCHED, "name": "Launched", "passPercentage": 100.0, "conditions": [{"type": "public"}]
        });
        let rules = document.entry("rules").or_insert_with(|| json!([]));
        if let Some(rules) = rules.as_array_mut() {
            // One of an earlier launch that somebody moved or narrowed.
            rules.retain(|rule| rule["id"] != LAUNCHED);
            rules.insert(0, everyone);
        }
    }
    Ok(())
}

/// Whether everyone passes by the first rule.
fn is_launched(document: &Document) -> bool {
    let Some(rule) = document.get("rules").and_then(|rules| rules.get(0)) else { return false };
    let is_public = |condition: &Value| condition["type"] == "public";
    rule["passPercentage"].as_f64() == Some(100.0)
        && rule["environments"].is_null()
        && rule["conditions"].as_array().is_some_and(|conditions| conditions.iter().all(is_public))
}

/// Statsig's word for how a gate stands.
pub(super) fn gate_status(document: &Document) -> &'static str {
    let is = |field: &str| document.get(field) == Some(&Value::Bool(true));
    match (is("isArchived"), is("isEnabled")) {
        (true, _) => "Archived",
        (false, false) => "Disabled",
        (false, true) if is_launched(document) => "Launched",
        (false, true) => "In Progress",
    }
}

fn not_archived(document: &Document, with: &With<'_>, what: &str) -> Result<(), AdminError> {
    if document.get("isArchived") == Some(&Value::Bool(true)) {
        let message = format!("{} {:?} is archived and cannot be {what}; PUT .../unarchive first", with.kind, with.id);
        return Err(AdminError::conflict("wrong_status", message));
    }
    Ok(())
}

fn add_rule(document: &mut Document, with: &With<'_>) -> Result<(), AdminError> {
    let new = object(with.body)?.clone();
    let rules = document.entry("rules").or_insert_with(|| json!([]));
    let Some(rules) = rules.as_array_mut() else { return Ok(()) };
    let name = new.get("id").filter(|id| *id != "").or(new.get("name")).cloned().unwrap_or_default();
    if let Some(there) = rules.iter().find(|rule| rule["id"] == name || Some(&rule["name"]) == new.get("name")) {
        let message = format!("there is a rule {} here already; PATCH .../rules/{{ruleID}} changes it", there["id"]);
        return Err(AdminError::conflict("name_in_use", message));
    }
    rules.push(Value::Object(new));
    Ok(())
}

fn rule<'d>(document: &'d mut Document, with: &With<'_>) -> Result<&'d mut Document, AdminError> {
    let rules = document.get_mut("rules").and_then(Value::as_array_mut);
    let found = rules.and_then(|rules| rules.iter_mut().find(|rule| rule["id"] == with.rule));
    found.and_then(Value::as_object_mut).ok_or_else(|| AdminError::not_found("rule", with.rule))
}

fn overrides_of(document: &mut Document) -> &mut Document {
    let overrides = document.entry("overrides").or_insert_with(|| json!({}));
    if !overrides.is_object() {
        *overrides = json!({});
    }
    overrides.as_object_mut().expect("made one just now")
}

pub(super) fn object(body: &Value) -> Result<&Document, AdminError> {
    body.as_object().ok_or_else(|| AdminError::invalid_item(vec![mistake("(body)", "must be a JSON object")]))
}

/// The fields of a body that may be left out and may have these fields only.
fn known(body: &Value, names: &[&str]) -> Result<Document, AdminError> {
    if body.is_null() {
        return Ok(Document::new());
    }
    let fields = object(body)?;
    let unknown = fields.keys().filter(|name| !names.contains(&name.as_str()));
    let mistakes: Vec<Mistake> =
        unknown.map(|name| mistake(name, &format!("is no field here; known are {}", names.join(", ")))).collect();
    if mistakes.is_empty() { Ok(fields.clone()) } else { Err(AdminError::invalid_item(mistakes)) }
}

pub(super) fn fixed(field: &str) -> AdminError {
    AdminError::invalid_item(vec![mistake(field, "cannot be changed; make another and remove this one")])
}

pub(super) fn mistake(place: &str, message: &str) -> Mistake {
    Mistake { place: place.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_438_699_353);
    const TIME: &str = "2026-11-23T12:58:19.353Z";

    fn done(kind: ItemKind, action: Action, document: &Value, body: &Value) -> Result<Value, AdminError> {
        let fresh = || "fresh".to_owned();
        let with = With { kind, id: "x", rule: "r", body, now: NOW, fresh: &fresh };
        act(action, document.as_object().unwrap().clone(), &with).map(Value::Object)
    }

    #[test]
    fn an_experiment_moves_only_where_its_status_lets_it() {
        use Action::*;
        let all =
            ["setup", "active", "assignment_stopped", "experiment_stopped", "decision_made", "abandoned", "archived"];
        let running = ["active", "assignment_stopped", "experiment_stopped"];
        let table: [(Action, &[&str], &str); 5] = [
            (Start, &["setup"], "active"),
            (MakeDecision, &running, "decision_made"),
            (Abandon, &["active", "assignment_stopped", "experiment_stopped", "abandoned"], "abandoned"),
            (Archive, &["setup", "experiment_stopped", "decision_made", "abandoned", "archived"], "archived"),
            (Reset, &all, "setup"),
        ];
        for (action, from, to) in table {
            for status in all {
                let body = if action == MakeDecision { json!({"id": "t"}) } else { Value::Null };
                let outcome = done(ItemKind::Experiment, action, &json!({"status": status}), &body);
                let told =
                    outcome.map(|document| document["status"].clone()).map_err(|error| (error.status, error.code));
                let expected = if from.contains(&status) { Ok(json!(to)) } else { Err((409, "wrong_status")) };
                assert_eq!(told, expected, "{action:?} from {status}");
            }
        }
    }

    #[test]
    fn actions_on_experiments_note_what_happened_and_when() {
        use Action::*;
        let running = json!({"status": "active", "startTime": "s", "targetingGateID": "g", "salt": "old"});
        let decided = json!({"status": "decision_made", "startTime": "s", "endTime": "e", "launchedGroupID": "t"});
        for (action, document, body, expected) in [
            (Start, json!({}), Value::Null, json!({"status": "active", "startTime": TIME})),
            (
                MakeDecision,
                running.clone(),
                json!({"id": "t", "decisionReason": "won", "removeTargeting": true}),
                json!({"status": "decision_made", "startTime": "s", "endTime": TIME, "launchedGroupID": "t",
                    "decisionReason": "won", "salt": "old"}),
            ),
            (
                MakeDecision,
                running.clone(),
                json!({"id": "t"}),
                json!({"status": "decision_made", "startTime": "s", "endTime": TIME, "launchedGroupID": "t",
                    "targetingGateID": "g", "salt": "old"}),
            ),
            (
                Abandon,
                running,
                json!({"decisionReason": "lost"}),
                json!({"status": "abandoned", "startTime": "s", "endTime": TIME, "decisionReason": "lost",
                    "targetingGateID": "g", "salt": "old"}),
            ),
            (Reset, decided, Value::Null, json!({"status": "setup", "salt": "fresh"})),
        ] {
            assert_eq!(done(ItemKind::Experiment, action, &document, &body), Ok(expected), "{action:?}");
        }
        for (body, place) in [
            (json!({}), "id"),
            (json!({"id": 7}), "id"),
            (json!({"id": "t", "removeTargeting": "yes"}), "removeTargeting"),
            (json!({"id": "t", "because": "x"}), "because"),
            (json!([]), "(body)"),
        ] {
            let error = done(ItemKind::Experiment, MakeDecision, &json!({"status": "active"}), &body).unwrap_err();
            assert_eq!((error.code, error.mistakes[0].place.as_str()), ("invalid_item", place), "{body}");
        }
    }

    #[test]
    fn a_gate_has_the_status_that_its_switches_and_rules_give() {
        let rule =
            |pass: u32| json!({"id": "r", "name": "R", "passPercentage": pass, "conditions": [{"type": "public"}]});
        let gate = json!({"isEnabled": true, "rules": [rule(10)]});
        let status = |document: &Value| gate_status(document.as_object().unwrap());
        assert_eq!(status(&gate), "In Progress");
        let of = |action, document: &Value| done(ItemKind::Gate, action, document, &Value::Null).unwrap();
        let launched = of(Action::Launch, &of(Action::Disable, &gate));
        assert_eq!(status(&launched), "Launched");
        assert_eq!(launched["rules"].as_array().unwrap().len(), 2, "the other rules stay");
        assert_eq!(of(Action::Launch, &launched), launched, "twice is once");
        let archived = of(Action::Archive, &launched);
        assert_eq!((status(&archived), &archived["isEnabled"]), ("Archived", &json!(false)));
        assert_eq!(status(&of(Action::Disable, &archived)), "Archived");
        for action in [Action::Enable, Action::Launch] {
            let error = done(ItemKind::Gate, action, &archived, &Value::Null).unwrap_err();
            assert_eq!((error.status, error.code), (409, "wrong_status"), "{action:?}");
        }
        let back = of(Action::Unarchive, &archived);
        assert_eq!(status(&back), "Disabled");
        assert_eq!(of(Action::Enable, &back), launched);
        assert_eq!(status(&json!({"isEnabled": true, "rules": [rule(100)]})), "Launched");
        let mut somewhere = rule(100);
        somewhere["environments"] = json!(["staging"]);
        assert_eq!(status(&json!({"isEnabled": true, "rules": [somewhere]})), "In Progress");
    }

    #[test]
    fn rules_are_added_changed_and_removed_by_their_ids() {
        let rule = |id: &str, pass: u32| json!({"id": id, "name": id, "passPercentage": pass, "conditions": []});
        let gate = json!({"rules": [rule("q", 1), rule("r", 5)]});
        let of = |action, body: Value| done(ItemKind::Gate, action, &gate, &body);
        let changed = of(Action::ChangeRule, json!({"passPercentage": 20, "environments": null})).unwrap();
        assert_eq!(changed, json!({"rules": [rule("q", 1), rule("r", 20)]}));
        assert_eq!(of(Action::RemoveRule, Value::Null).unwrap(), json!({"rules": [rule("q", 1)]}));
        let added = of(Action::AddRule, rule("s", 7)).unwrap();
        assert_eq!(added, json!({"rules": [rule("q", 1), rule("r", 5), rule("s", 7)]}));
        for there in
            [rule("r", 7), json!({"name": "r"}), json!({"id": "new", "name": "r"}), json!({"id": "", "name": "q"})]
        {
            let error = of(Action::AddRule, there.clone()).unwrap_err();
            assert_eq!((error.status, error.code), (409, "name_in_use"), "{there}");
        }
        assert_eq!(of(Action::ChangeRule, json!({"id": "q"})).unwrap_err().mistakes[0].place, "id");
        let none = json!({"rules": [rule("q", 1)]});
        for action in [Action::ChangeRule, Action::RemoveRule] {
            let error = done(ItemKind::Gate, action, &none, &json!({})).unwrap_err();
            assert_eq!((error.status, error.code), (404, "not_found"), "{action:?}");
        }
        let list = done(ItemKind::Segment, Action::SetRules, &json!({"type": "id_list"}), &json!([])).unwrap_err();
        assert_eq!((list.status, list.code), (409, "wrong_type"));
    }
}
