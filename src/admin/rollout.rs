//! How a gate's rules were rolled out: from the versions of the gate to the stages of each rule. Analyses nothing.

use super::AdminError;
use crate::catalog::{Gate, ItemKind};
use crate::event::Timestamp;
use crate::results::Stage;
use crate::store::{Snapshot, StoredVersion};
use serde::Deserialize;
use serde_json::Value;

/// A gate as it stood from a moment on.
#[derive(Debug)]
pub(super) struct Standing {
    since: Timestamp,
    /// `None` once the gate was removed.
    gate: Option<GateThen>,
}

/// A gate of any version, also of one whose other fields are no longer known.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GateThen {
    #[serde(default = "yes")]
    is_enabled: bool,
    #[serde(default)]
    is_archived: bool,
    salt: Option<String>,
    id_type: Option<String>,
    #[serde(default)]
    rules: Vec<RuleThen>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleThen {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    pass_percentage: f64,
    #[serde(default)]
    conditions: Value,
    #[serde(default)]
    environments: Value,
}

impl RuleThen {
    fn id(&self) -> &str {
        if self.id.is_empty() { &self.name } else { &self.id }
    }
}

impl GateThen {
    /// What decides who meets a rule: its conditions and those of the rules before it. Segments and other gates that they ask
    /// have histories of their own, which are not looked at.
    fn reach(&self, rule: &str) -> Vec<(&Value, &Value)> {
        let last = self.rules.iter().position(|found| found.id() == rule).map_or(0, |at| at + 1);
        self.rules[..last].iter().map(|rule| (&rule.conditions, &rule.environments)).collect()
    }
}

fn yes() -> bool {
    true
}

/// A version as it is stored.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    removed: bool,
    document: Option<GateThen>,
    time: crate::catalog::Instant,
}

/// The versions of a gate, the oldest first.
pub(super) fn history(snapshot: &Snapshot, gate: &Gate) -> Result<Vec<Standing>, AdminError> {
    snapshot.versions(ItemKind::Gate.as_str(), &gate.id)?.iter().map(standing).collect()
}

fn standing((_, document): &StoredVersion) -> Result<Standing, AdminError> {
    let stored: Stored = serde_json::from_slice(document).map_err(|error| AdminError::broken("history", &error))?;
    Ok(Standing { since: stored.time.0, gate: stored.document.filter(|_| !stored.removed) })
}

/// The stages of one rule: another begins when another part of the units passes, when units are dealt anew, and when others
/// may meet the rule, because those who no longer do are treated otherwise. The first one is open to the past: exposures from
/// before the gate was known here belong to it.
pub(super) fn stages(history: &[Standing], rule: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut dealt_by = None;
    let mut reach = None;
    for standing in history {
        let found = standing.gate.as_ref().and_then(|gate| {
            let found = gate.rules.iter().find(|found| found.id() == rule)?;
            Some((gate, found))
        });
        let pass_percentage = match found {
            Some((gate, rule)) if gate.is_enabled && !gate.is_archived => rule.pass_percentage,
            Some(_) => 0.0,
            // Before the rule was there nobody met it.
            None if stages.is_empty() => continue,
            None => 0.0,
        };
        let deals_by = found.map(|(gate, _)| (gate.salt.clone(), gate.id_type.clone()));
        let dealt_anew = deals_by.is_some() && dealt_by.is_some() && deals_by != dealt_by;
        dealt_by = deals_by.or(dealt_by);
        let reaches = found.map(|(gate, _)| gate.reach(rule));
        let splits = pass_percentage > 0.0 && pass_percentage < 100.0;
        let moved = splits && reaches != reach;
        reach = reaches;
        match stages.last_mut() {
            Some(last) if last.pass_percentage == pass_percentage && !dealt_anew && !moved => continue,
            // What was changed again in the same moment was never served.
            Some(last) if last.start == Some(standing.since) => {
                last.pass_percentage = pass_percentage;
                last.dealt_anew |= dealt_anew;
                continue;
            }
            Some(last) => last.end = Some(standing.since),
            None => {}
        }
        let start = (!stages.is_empty()).then_some(standing.since);
        stages.push(Stage { start, end: None, pass_percentage, dealt_anew });
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(percentage: f64) -> Value {
        json!({"id": "r", "name": "R", "passPercentage": percentage, "conditions": [{"type": "public"}]})
    }

    /// A version each second, from its document; `null` for a removal.
    fn history(documents: &[Value]) -> Vec<Standing> {
        let stored = |(nth, document): (usize, &Value)| {
            let time = format!("1970-01-01T00:00:{nth:02}Z");
            let version = match document {
                Value::Null => json!({"removed": true, "author": "a", "time": time}),
                document => json!({"kind": "gate", "id": "g", "document": document, "version": nth + 1,
                    "author": "a", "time": time}),
            };
            standing(&(nth as u64 + 1, version.to_string().into_bytes())).unwrap()
        };
        documents.iter().enumerate().map(stored).collect()
    }

    fn told(documents: &[Value]) -> Vec<String> {
        let second = |time: Option<Timestamp>| time.map_or(String::new(), |time| (time.0 / 1000).to_string());
        let told = |stage: &Stage| {
            let anew = if stage.dealt_anew { " anew" } else { "" };
            format!("{}-{}: {}{anew}", second(stage.start), second(stage.end), stage.pass_percentage)
        };
        stages(&history(documents), "r").iter().map(told).collect()
    }

    #[test]
    fn a_stage_begins_when_who_passes_or_who_meets_the_rule_changes() {
        let gate = |rules: Vec<Value>| json!({"name": "g", "idType": "userID", "rules": rules});
        let with = |field: &str, value: Value, percentage: f64| {
            let mut gate = gate(vec![rule(percentage)]);
            gate[field] = value;
            gate
        };
        let mut narrower = rule(10.0);
        narrower["conditions"] = json!([{"type": "country", "operator": "any", "targetValue": ["NL"]}]);
        let other = |percentage: u32| json!({"id": "o", "passPercentage": percentage, "conditions": []});
        let at = |percentage: f64| gate(vec![rule(percentage)]);
        let cases: [(&str, Vec<Value>, &[&str]); 12] = [
            ("one version", vec![at(10.0)], &["-: 10"]),
            ("a roll-out", vec![at(10.0), at(50.0), at(100.0)], &["-1: 10", "1-2: 50", "2-: 100"]),
            ("a rollback", vec![at(10.0), at(5.0), at(10.0)], &["-1: 10", "1-2: 5", "2-: 10"]),
            ("another field", vec![at(10.0), with("description", json!("x"), 10.0), at(20.0)], &["-2: 10", "2-: 20"]),
            ("conditions", vec![at(10.0), gate(vec![narrower])], &["-1: 10", "1-: 10"]),
            (
                "another rule before it",
                vec![at(10.0), gate(vec![other(7), rule(10.0)]), gate(vec![other(9), rule(10.0)])],
                &["-1: 10", "1-: 10"],
            ),
            ("another rule after it", vec![at(10.0), gate(vec![rule(10.0), other(7)])], &["-: 10"]),
            (
                "off and on",
                vec![at(10.0), with("isEnabled", json!(false), 10.0), at(10.0)],
                &["-1: 10", "1-2: 0", "2-: 10"],
            ),
            ("archived", vec![at(10.0), with("isArchived", json!(true), 10.0)], &["-1: 10", "1-: 0"]),
            (
                "a new salt",
                vec![at(10.0), with("salt", json!("s"), 10.0), with("salt", json!("s"), 20.0)],
                &["-1: 10", "1-2: 10 anew", "2-: 20"],
            ),
            ("added later", vec![gate(vec![]), at(10.0)], &["-: 10"]),
            (
                "removed and made again",
                vec![at(10.0), Value::Null, gate(vec![]), at(10.0)],
                &["-1: 10", "1-3: 0", "3-: 10"],
            ),
        ];
        for (what, documents, expected) in cases {
            assert_eq!(told(&documents), expected, "{what}");
        }
        assert_eq!(told(&[at(10.0), gate(vec![])]), ["-1: 10", "1-: 0"]);
    }
}
