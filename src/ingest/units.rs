//! Whom an event is about: IDs checked and put under their ID types, the first claim to a type winning. Knows no wire.

use super::ledger::UnknownIdTypes;
use super::naming::{Refusal, longer_than};
use super::rules::Rules;
use super::scalar::Scalar;
use crate::event::{TermId, Unit};
use std::borrow::Cow;

/// The units of one event while they are gathered, most telling source first.
pub(super) struct Units<'m, 'r> {
    rules: &'r Rules,
    found: Vec<Unit<'m>>,
}

impl<'m, 'r> Units<'m, 'r> {
    pub fn new(rules: &'r Rules) -> Units<'m, 'r> {
        Units { rules, found: Vec::with_capacity(2) }
    }

    /// Claims an ID type for the ID in a field, if there is one and the type has none yet. Tells whether there was an ID.
    pub fn claim(&mut self, id_type: TermId, field: &str, value: &'m Scalar<'_>) -> Result<bool, Refusal> {
        let Some(id) = id(field, value, self.rules)? else { return Ok(false) };
        if id_type != TermId::NONE && !self.found.iter().any(|unit| unit.id_type == id_type) {
            self.found.push(Unit { id_type, id });
        }
        Ok(true)
    }

    /// As `claim`, for an ID type that the sender named. One that the project does not have is noted and left out.
    pub fn claim_named(
        &mut self,
        name: &str,
        value: &'m Scalar<'_>,
        unknown: &mut UnknownIdTypes,
    ) -> Result<bool, Refusal> {
        match self.rules.id_types.find(name) {
            Some(id_type) => self.claim(id_type, name, value),
            None => {
                unknown.note(name);
                Ok(!matches!(value, Scalar::Absent))
            }
        }
    }

    pub fn into_vec(self) -> Vec<Unit<'m>> {
        self.found
    }
}

/// The ID in a field.
pub(super) fn id<'m>(field: &str, value: &'m Scalar<'_>, rules: &Rules) -> Result<Option<Cow<'m, str>>, Refusal> {
    let limit = rules.limits.id_chars;
    match value.id() {
        Ok(Some(id)) if longer_than(&id, limit) => Err(Refusal::new(
            "id_too_long",
            format!("`{}` is over {limit} characters; send a shorter ID", shown(field)),
        )),
        Ok(id) => Ok(id),
        Err(_) => Err(Refusal::new(
            "invalid_id",
            format!("`{}` must be a string, a number of at most 15 digits, or null", shown(field)),
        )),
    }
}

/// A field's name as far as a message should carry it.
fn shown(field: &str) -> String {
    field.chars().take(50).collect()
}
