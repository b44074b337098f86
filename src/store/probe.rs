//! For tests of other rooms: an empty batch, and what was pushed into one. Compiled into tests only.

use super::batch::{Batch, Term};
use super::fingerprint::Keys;
use super::row::RowText;
use super::terms::Terms;
use crate::event::{Kind, Source, Subject, Timestamp};
use std::sync::Arc;

/// A pushed event with every number looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    pub source: Source,
    pub kind: Kind,
    pub name: String,
    pub message_id: String,
    pub time: Timestamp,
    pub received: Timestamp,
    pub environment: String,
    /// ID type and ID.
    pub units: Vec<(String, String)>,
    pub value: Option<f64>,
    pub subject: Option<Subject>,
    pub raw: String,
    pub shared: Option<String>,
}

impl Batch {
    /// An empty batch over the dictionaries of a new store with some more ID types.
    pub fn probe(id_types: &[&str]) -> Batch {
        let mut terms = Terms::seeded();
        for id_type in id_types {
            terms.id_types.intern(id_type);
        }
        Batch::new(Keys::from_bytes([7; 16]), Arc::new(terms))
    }

    /// As `probe`, with names that the store knows already.
    pub fn probe_with_names(id_types: &[&str], names: &[&str]) -> Batch {
        let mut terms = Batch::probe(id_types).terms().clone();
        for name in names {
            terms.names.intern(name);
        }
        Batch::new(Keys::from_bytes([7; 16]), Arc::new(terms))
    }

    /// What the rows do to ID lists: row, list, ID, whether it is a member then.
    pub fn enlisted(&self) -> Vec<(usize, &str, &str, bool)> {
        self.memberships.iter().map(|it| (it.row as usize, &*it.list, it.id.as_str(), it.is_member)).collect()
    }

    /// What was pushed, in order.
    pub fn pushed(&self) -> Vec<Pushed> {
        let terms = self.terms();
        let look_up = |term: Term, known: &super::terms::Dictionary, new: &[String]| match term {
            Term::Known(id) => known.text(id).map(str::to_owned),
            Term::New(index) => Some(new[index as usize].clone()),
        };
        let rows = self.rows.iter().map(|row| {
            let text = RowText::decode(&self.text[row.text.clone()]).expect("what was encoded decodes");
            let id_type = |id| terms.id_types.text(id).expect("a known ID type").to_owned();
            Pushed {
                source: row.numbers.source,
                kind: row.numbers.kind,
                name: look_up(row.name, &terms.names, &self.new_names.texts).expect("a name"),
                message_id: text.message_id.to_owned(),
                time: row.numbers.time,
                received: row.numbers.received,
                environment: look_up(row.environment, &terms.environments, &self.new_environments.texts)
                    .expect("an environment"),
                units: text.units().map(|(id, unit)| (id_type(id), unit.to_owned())).collect(),
                value: row.numbers.value,
                subject: look_up(row.subject, &terms.subjects, &self.new_subjects.texts)
                    .map(|subject| Subject::decode(&subject).expect("a subject")),
                raw: text.raw.to_owned(),
                shared: text.shared.map(str::to_owned),
            }
        });
        rows.collect()
    }
}
