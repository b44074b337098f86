//! Whether a stored exposure counts, by itself, for the gate or experiment that it is of. Reports decide the same by the
//! same rules, and know the unit's other exposures too.

use super::AdminError;
use super::question::{of_experiment, of_gate};
use super::rollout::history;
use super::state::State;
use crate::event::Kind;
use crate::results::{Exposure, NotCounted, Question, standing};
use crate::store::{Snapshot, StoredEvent};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Judges the exposures of one list; what they are of is looked up once.
pub(super) struct Judge<'s> {
    state: &'s State,
    snapshot: &'s Snapshot,
    questions: HashMap<(Kind, String), Result<Question, NotCounted>>,
}

impl<'s> Judge<'s> {
    pub fn new(state: &'s State, snapshot: &'s Snapshot) -> Judge<'s> {
        Judge { state, snapshot, questions: HashMap::new() }
    }

    /// `None` for what is no exposure.
    pub fn standing(&mut self, event: &StoredEvent) -> Result<Option<Result<(), NotCounted>>, AdminError> {
        let Some(subject) = &event.subject else { return Ok(None) };
        let about = if subject.kind == Kind::LayerExposure { &subject.allocated } else { &subject.name };
        let question = match self.questions.entry((subject.kind, about.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(question(self.state, self.snapshot, subject.kind, about)?),
        };
        Ok(Some(question.as_ref().map_err(|reason| *reason).and_then(|question| {
            let has_unit = event.units.iter().any(|(id_type, _)| id_type.eq_ignore_ascii_case(&question.id_type));
            standing(question, &Exposure { subject, time: event.time, environment: &event.environment, has_unit })
        })))
    }
}

fn question(
    state: &State,
    snapshot: &Snapshot,
    kind: Kind,
    about: &str,
) -> Result<Result<Question, NotCounted>, AdminError> {
    let catalog = &state.catalog;
    if about.is_empty() {
        return Ok(Err(NotCounted::NoExperiment));
    }
    // Exposures that came before their experiment was known still carry its hash.
    let name = state.rules.names.name_of(about).unwrap_or(about);
    if kind == Kind::GateExposure {
        let Some(gate) = catalog.gate(name) else { return Ok(Err(NotCounted::NotInCatalog)) };
        return of_gate(catalog, gate, &history(snapshot, gate)?, None).map(Ok);
    }
    Ok(match catalog.experiment(name) {
        Some(experiment) => Ok(of_experiment(catalog, experiment)),
        None if catalog.dynamic_config(name).is_some() => Err(NotCounted::NoExperiment),
        None => Err(NotCounted::NotInCatalog),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ApplyOptions, Catalog, ProjectFile};
    use crate::evaluate::{Entity, Specs};
    use crate::event::{Basis, PRODUCTION, Subject, Timestamp};
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp(1_795_438_699_353);

    fn catalog(project: &Value) -> Catalog {
        let file = ProjectFile::parse(&project.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let before = Catalog::default();
        let plan = before.plan(&file, ApplyOptions { force: true, prune: true });
        before.after(&plan, "someone", NOW).unwrap()
    }

    /// All that can decide about a unit: holdouts, overrides, allocation, targeting, groups, rules of every percentage.
    fn project(status: &str, layer: Option<&str>) -> Value {
        let rule = |id: &str, percentage: f64| json!({"name": id, "passPercentage": percentage, "conditions": [{"type": "public"}]});
        let group = |id: &str, size: f64| json!({"id": id, "name": id, "size": size, "disabled": id == "off"});
        let mut experiment = json!({
            "id": "e-1", "name": "experiment", "status": status, "allocation": 50, "targetingGateID": "gate",
            "groups": [group("control", 40.0), group("test", 40.0), group("off", 20.0)],
            "overrides": {"userIDOverrides": [{"groupID": "test", "ids": ["u"]}],
                "overrides": [{"type": "gate", "id": "gate", "groupID": "test"}]},
        });
        if status == "decision_made" {
            experiment["launchedGroupID"] = json!("test");
        }
        if let Some(layer) = layer {
            experiment["layerID"] = json!(layer);
        }
        json!({
            "layers": [{"name": "layer", "idType": "userID"}],
            "holdouts": [{"name": "holdout", "isGlobal": true, "passPercentage": 10}],
            "gates": [
                {"id": "g-1", "name": "gate", "rules": [rule("none", 0.0), rule("some", 30.0), rule("all", 100.0)],
                    "overrides": {"passingUserIDs": ["u"], "failingUserIDs": ["v"]}},
                {"name": "off", "isEnabled": false, "rules": [rule("some", 30.0)]},
            ],
            "experiments": [experiment],
        })
    }

    /// Whether an exposure to a rule counts; every rule that the evaluation can name is known.
    fn counts(question: &Question, kind: Kind, name: &str, rule: &str) -> bool {
        let (allocated, about) = if kind == Kind::LayerExposure { (name, "layer") } else { ("", name) };
        let subject = Subject {
            kind,
            name: about.to_owned(),
            rule: rule.to_owned(),
            value: "true".to_owned(),
            allocated: allocated.to_owned(),
            basis: Basis::Rules,
        };
        let exposure = Exposure { subject: &subject, time: NOW, environment: PRODUCTION, has_unit: true };
        let found = standing(question, &exposure);
        assert!(
            !matches!(found, Err(NotCounted::UnknownRule | NotCounted::NotInCatalog)),
            "{kind} of {name} by {rule:?}: {found:?}"
        );
        found.is_ok()
    }

    #[test]
    fn every_rule_that_can_decide_is_a_group_or_has_its_reason() {
        let statuses =
            ["setup", "active", "assignment_stopped", "experiment_stopped", "decision_made", "abandoned", "archived"];
        for (status, layer) in statuses.iter().flat_map(|status| [(status, None), (status, Some("layer"))]) {
            let catalog = catalog(&project(status, layer));
            let specs = Specs::compile(&catalog);
            let mut groups = 0;
            for spec in specs.configs.iter() {
                let question = of_experiment(&catalog, catalog.experiment(&spec.name).expect("an experiment"));
                for rule in &spec.rules {
                    for kind in [Kind::ConfigExposure, Kind::LayerExposure] {
                        let counted = counts(&question, kind, &spec.name, &rule.id);
                        assert_eq!(counted, rule.is_experiment_group, "{status} {layer:?} {}", rule.id);
                    }
                    groups += usize::from(rule.is_experiment_group);
                }
                for rule in ["default", "disabled", ""] {
                    assert!(!counts(&question, Kind::ConfigExposure, &spec.name, rule), "{rule:?}");
                }
            }
            assert_eq!(groups, if *status == "active" { 2 } else { 0 }, "{status}");
            let mut splitting = Vec::new();
            for spec in specs.gates.iter().filter(|spec| spec.entity == Entity::FeatureGate) {
                let question =
                    of_gate(&catalog, catalog.gate(&spec.name).expect("a gate"), &[], None).expect("a question");
                let rules = spec.rules.iter().map(|rule| rule.id.as_str()).chain(["default", "disabled", ""]);
                splitting.extend(rules.filter(|rule| counts(&question, Kind::GateExposure, &spec.name, rule)));
            }
            assert_eq!(splitting, ["some"]);
        }
    }
}
