//! Whether a stored exposure counts, by itself, for the gate or experiment that it is of. Reports decide the same by the
//! same rules, and know the unit's other exposures too.

use super::question::{of_experiment, of_gate};
use super::state::State;
use crate::event::Kind;
use crate::results::{Exposure, NotCounted, Question, standing};
use crate::store::StoredEvent;
use hashbrown::HashMap;

/// Judges the exposures of one list; what they are of is looked up once.
pub(super) struct Judge<'s> {
    state: &'s State,
    questions: HashMap<(Kind, String), Result<Question, NotCounted>>,
}

impl<'s> Judge<'s> {
    pub fn new(state: &'s State) -> Judge<'s> {
        Judge { state, questions: HashMap::new() }
    }

    /// `None` for what is no exposure.
    pub fn standing(&mut self, event: &StoredEvent) -> Option<Result<(), NotCounted>> {
        let subject = event.subject.as_ref()?;
        let state = self.state;
        let about = if subject.kind == Kind::LayerExposure { &subject.allocated } else { &subject.name };
        let question = self
            .questions
            .entry((subject.kind, about.clone()))
            .or_insert_with(|| question(state, subject.kind, about))
            .as_ref();
        Some(question.map_err(|reason| *reason).and_then(|question| {
            let has_unit = event.units.iter().any(|(id_type, _)| id_type.eq_ignore_ascii_case(&question.id_type));
            standing(question, &Exposure { subject, time: event.time, environment: &event.environment, has_unit })
        }))
    }
}

fn question(state: &State, kind: Kind, about: &str) -> Result<Question, NotCounted> {
    let catalog = &state.catalog;
    if about.is_empty() {
        return Err(NotCounted::NoExperiment);
    }
    // Exposures that came before their experiment was known still carry its hash.
    let name = state.rules.names.name_of(about).unwrap_or(about);
    if kind == Kind::GateExposure {
        let gate = catalog.gate(name).ok_or(NotCounted::NotInCatalog)?;
        return of_gate(catalog, gate, None).map_err(|_| NotCounted::NotInCatalog);
    }
    match catalog.experiment(name) {
        Some(experiment) => Ok(of_experiment(catalog, experiment)),
        None if catalog.dynamic_config(name).is_some() => Err(NotCounted::NoExperiment),
        None => Err(NotCounted::NotInCatalog),
    }
}
