//! What exposures are about, as the catalog knows it: by name, by ID or by hash. Knows no wire and no log.

use crate::catalog::{Catalog, Experiment, Group};
use crate::event::{Kind, Sequence, Subject};
use crate::ingest::HashedNames;
use std::sync::Arc;

/// The catalog, the way back from hashes to its names, and whose events go out.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub catalog: Arc<Catalog>,
    pub names: Arc<HashedNames>,
    pub store_id: Arc<str>,
}

/// The gate, experiment or dynamic config of an exposure; of a layer's exposure the experiment that it allocated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct About<'a> {
    pub is_gate: bool,
    /// As exposures call it, but never a hash whose name is known.
    pub name: &'a str,
    /// What tells it apart: the ID where the catalog has it, else the name.
    pub id: &'a str,
    /// Who meets it; `None` where the catalog does not have it.
    pub id_type: Option<&'a str>,
    pub experiment: Option<&'a Experiment>,
}

impl Known {
    /// What an event is called outside: the same at each attempt, so that the other side can drop a repetition, and known to
    /// Weir's own doors.
    pub fn message_id(&self, sequence: Sequence) -> String {
        format!("weir-{}-{}", self.store_id, sequence.0)
    }

    /// What an exposure is about; `None` of a layer's parameter that no experiment sets.
    pub fn about<'a>(&'a self, subject: &'a Subject) -> Option<About<'a>> {
        let given = match subject.kind {
            Kind::LayerExposure => subject.allocated.as_str(),
            _ => subject.name.as_str(),
        };
        if given.is_empty() {
            return None;
        }
        let name = self.names.name_of(given).unwrap_or(given);
        let is_gate = subject.kind == Kind::GateExposure;
        let catalog = &self.catalog;
        let experiment = catalog.experiment(name).filter(|_| !is_gate);
        let found = match experiment {
            Some(it) => Some((&it.id, &it.id_type)),
            None if is_gate => catalog.gate(name).map(|it| (&it.id, &it.id_type)),
            None => catalog.dynamic_config(name).map(|it| (&it.id, &it.id_type)),
        };
        let (id, id_type) = found.map_or((name, None), |(id, id_type)| (id.as_str(), Some(id_type.as_str())));
        Some(About { is_gate, name, id, id_type, experiment })
    }
}

/// The group that a rule of an experiment gave, be it by chance, by an override or by the decision.
pub(super) fn group_of<'a>(experiment: &'a Experiment, rule: &str) -> Option<&'a Group> {
    let by_id = |id: &str| experiment.groups.iter().find(|group| group.id == id);
    match rule {
        "launchedGroup" => experiment.group(experiment.launched_group_id.as_deref()?),
        // `<group>:...override`, and an ID may have colons of its own.
        _ if rule.ends_with("override") => {
            rule.match_indices(':').rev().find_map(|(colon, _)| rule.get(..colon).and_then(by_id))
        }
        _ => by_id(rule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::probe::setup;
    use serde_json::json;

    #[test]
    fn the_group_of_an_override_is_told_though_ids_have_colons() {
        let setup = setup(|project| {
            project["experiments"][0]["groups"][0]["id"] = json!("grp:a");
            project["experiments"][0]["controlGroupID"] = json!("grp:a");
        });
        let experiment = setup.known().catalog.experiment("button_color").unwrap();
        for (rule, group) in [
            ("grp:a", Some("Control")),
            ("grp_test", Some("Test")),
            ("grp:a:userID:id_override", Some("Control")),
            ("grp_test:production:beta:segment_override", Some("Test")),
            ("grp:b:userID:id_override", None),
            ("override", None),
            ("grp", None),
            ("", None),
            // Nothing was decided.
            ("launchedGroup", None),
            // A name is no rule.
            ("Test", None),
        ] {
            assert_eq!(group_of(experiment, rule).map(|it| it.name.as_str()), group, "{rule}");
        }
    }
}
