//! The dictionaries: text that recurs (event names, exposure subjects, environments, ID types, fields) as small numbers.
//! An entry is never removed and never changes its number. Holds no file; `appender` writes new entries.

use crate::event::{STABLE_ID, Subject, TermId, USER_ID};
use hashbrown::HashMap;
use std::sync::Arc;

/// One dictionary. Numbers start at 1 and are dense; 0 means none.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    by_text: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Dictionary {
    pub fn find(&self, text: &str) -> Option<TermId> {
        self.by_text.get(text).map(|&id| TermId(id))
    }

    /// The text behind a number; `None` for 0 and for numbers that were never given out.
    pub fn text(&self, id: TermId) -> Option<&str> {
        let index = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.texts.get(index).map(AsRef::as_ref)
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (TermId, &str)> {
        self.texts.iter().zip(1u32..).map(|(text, id)| (TermId(id), text.as_ref()))
    }

    /// The number of a text, new or known.
    pub(crate) fn intern(&mut self, text: &str) -> TermId {
        if let Some(found) = self.find(text) {
            return found;
        }
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        let id = u32::try_from(self.texts.len()).expect("a dictionary is bounded far below 2^32");
        self.by_text.insert(text, id);
        TermId(id)
    }
}

/// All dictionaries of a store, as one immutable snapshot.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    pub names: Dictionary,
    /// Entries are `Subject::encode`.
    pub subjects: Dictionary,
    pub environments: Dictionary,
    pub id_types: Dictionary,
    /// Fields whose columns are kept; entries are `Field::encode`. Their numbers are sets of columns.
    pub fields: Dictionary,
}

impl Terms {
    /// What every store starts with.
    pub(super) fn seeded() -> Terms {
        let mut terms = Terms::default();
        terms.id_types.intern(USER_ID);
        terms.id_types.intern(STABLE_ID);
        terms
    }

    /// Subjects that a condition picks, with their numbers.
    pub fn subjects_where(&self, mut wanted: impl FnMut(&Subject) -> bool) -> Vec<(TermId, Subject)> {
        self.subjects
            .iter()
            .filter_map(|(id, text)| Subject::decode(text).map(|subject| (id, subject)))
            .filter(|(_, subject)| wanted(subject))
            .collect()
    }

    /// The number of an ID type, found without regard to case as Statsig's own join does.
    pub fn id_type(&self, name: &str) -> Option<TermId> {
        self.id_types
            .find(name)
            .or_else(|| self.id_types.iter().find(|(_, text)| text.eq_ignore_ascii_case(name)).map(|(id, _)| id))
    }
}
