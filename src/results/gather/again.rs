//! Reading exposures once more, for texts that nobody asked for when they were gathered. Changes nothing of what is gathered.

use super::Gathered;
use super::reading::exposure_names;
use crate::event::{Field, Place, Sequence, TermId, Timestamp};
use crate::results::units::Exposures;
use crate::results::{Log, LogError};
use std::ops::ControlFlow;

/// An exposure of a unit to a group, with texts in the order in which they were asked for.
pub(in crate::results) struct Seen<'a> {
    pub unit: u32,
    pub time: Timestamp,
    pub texts: Vec<Option<&'a str>>,
}

impl Gathered {
    /// Hands out the exposures to groups in the environment, at any time, of units that are known.
    pub fn read_exposures<L: Log + ?Sized>(
        &self,
        log: &L,
        exposures: &Exposures,
        wanted: &[(Place, &str)],
        each: &mut dyn FnMut(&Seen<'_>),
    ) -> Result<(), LogError> {
        let terms = log.terms();
        let (id_type, environment) =
            (terms.id_type(&self.order.id_type), terms.environments.find(&self.order.environment));
        let names: Vec<TermId> = exposure_names(terms).collect();
        let field = |&name| wanted.iter().map(move |&(place, key)| Field { name, place, key: key.to_owned() });
        let fields: Vec<Field> = names.iter().flat_map(field).collect();
        log.scan(Sequence(0), &fields, &mut |_, columns, texts| {
            let Some(units) = id_type.and_then(|id_type| columns.units_of(id_type)) else {
                return ControlFlow::Continue(());
            };
            // Of each name: how many rows lie behind.
            let mut passed = vec![0; names.len()];
            for (row, &hash) in units.iter().enumerate() {
                let Some(at) = names.iter().position(|name| name.0 == columns.name[row]) else { continue };
                let nth = passed[at];
                passed[at] += 1;
                let is_there = environment == Some(TermId(columns.environment[row]));
                if hash == 0 || !is_there || !exposures.is_of_a_group(columns.subject[row]) {
                    continue;
                }
                if let Some(unit) = self.roster.find(hash) {
                    let own = &texts[at * wanted.len()..(at + 1) * wanted.len()];
                    let texts = own.iter().map(|column| column.text(column.rows[nth])).collect();
                    each(&Seen { unit, time: Timestamp(columns.time[row]), texts });
                }
            }
            ControlFlow::Continue(())
        })
    }
}
