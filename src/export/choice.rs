//! Which events go out to a destination, told from columns alone. Knows no unit: whether an exposure is a unit's first is told
//! by `Firsts`.

use super::destination::DestinationId;
use crate::catalog::{OutgoingEvents, passes};
use crate::event::{Kind, Source, Subject};
use crate::store::{Columns, Terms};
use std::collections::BTreeMap;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// It goes out.
    Goes,
    /// It could go out, and the settings leave it out: counted as filtered.
    Filtered,
    /// It is none of those that can go out: it did not arise here, or it would go back to where events come from.
    NotOurs,
}

/// The settings of one destination, and what they say of the names and subjects that were met.
#[derive(Debug, Clone)]
pub struct Choice {
    destination: DestinationId,
    exposures: bool,
    first_exposures_only: bool,
    config_changes: bool,
    include_new: bool,
    events: BTreeMap<String, bool>,
    /// By the name's number: whether custom events of this name are sent.
    names: Vec<bool>,
    /// By the subject's number: whether it is of something that a destination has a name for.
    subjects: Vec<bool>,
}

impl Choice {
    pub(super) fn new(destination: DestinationId, settings: OutgoingEvents<'_>) -> Choice {
        Choice {
            destination,
            exposures: settings.exposures,
            first_exposures_only: settings.first_exposures_only,
            config_changes: settings.config_changes,
            include_new: settings.include_new_events,
            events: settings.events.clone(),
            names: Vec::new(),
            subjects: Vec::new(),
        }
    }

    /// Whether of a unit's exposures to one thing only the first goes out, which is for `Firsts` to tell.
    pub fn first_exposures_only(&self) -> bool {
        self.exposures && self.first_exposures_only
    }

    /// What becomes of a row. `terms` must know its numbers: those of the snapshot that the columns are from.
    pub fn wants(&mut self, columns: &Columns, row: usize, terms: &Terms) -> Chosen {
        let (Some(source), Some(kind)) = (Source::from_code(columns.source[row]), Kind::from_code(columns.kind[row]))
        else {
            return Chosen::NotOurs;
        };
        if !self.destination.sources().contains(&source) {
            return Chosen::NotOurs;
        }
        let goes = match kind {
            Kind::GateExposure | Kind::ConfigExposure | Kind::LayerExposure => {
                self.exposures && self.names_subject(columns.subject[row], terms)
            }
            Kind::ConfigChange => self.config_changes,
            Kind::Custom => self.sends(columns.name[row], terms),
            _ => return Chosen::NotOurs,
        };
        if goes { Chosen::Goes } else { Chosen::Filtered }
    }

    fn sends(&mut self, name: u32, terms: &Terms) -> bool {
        if name as usize >= self.names.len() {
            let known = self.names.len();
            if known == 0 {
                self.names.push(false);
            }
            for (_, text) in terms.names.iter().skip(known.saturating_sub(1)) {
                self.names.push(passes(&self.events, self.include_new, text));
            }
        }
        self.names.get(name as usize).copied().unwrap_or(self.include_new)
    }

    fn names_subject(&mut self, subject: u32, terms: &Terms) -> bool {
        if subject as usize >= self.subjects.len() {
            let known = self.subjects.len();
            if known == 0 {
                self.subjects.push(true);
            }
            for (_, text) in terms.subjects.iter().skip(known.saturating_sub(1)) {
                self.subjects.push(Subject::decode(text).is_none_or(|subject| has_name(&subject)));
            }
        }
        self.subjects.get(subject as usize).copied().unwrap_or(true)
    }
}

/// Layers have no exposure event of their own outside: what is told is the experiment that a parameter was read from.
fn has_name(subject: &Subject) -> bool {
    subject.kind != Kind::LayerExposure || !subject.allocated.is_empty()
}

#[cfg(test)]
mod tests;
