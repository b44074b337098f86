//! A metric made ready to be computed: its sources in the places of a walk. Computes nothing.

use super::definition::{Definition, EventSource, Measure, Quantity};
use super::entries::{Entries, Walk};
use super::funnel::Steps;
use super::quantity::Lanes;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// Each once; a lane of the walk for each.
    pub sources: Vec<EventSource>,
    pub makes: Makes,
}

/// What a unit's events make.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Makes {
    PerUnit(Quantity<Lanes>),
    Ratio(Quantity<Lanes>, Quantity<Lanes>),
    Funnel(Steps),
}

impl Plan {
    pub fn of(definition: &Definition) -> Plan {
        let mut sources = Vec::new();
        let mut lanes = |measure: &Measure| Lanes {
            places: measure.sources.iter().map(|source| place(&mut sources, source)).collect(),
            cap_per_day: measure.cap_per_day,
        };
        let makes = match definition {
            Definition::PerUnit(quantity) => Makes::PerUnit(quantity.map(&mut lanes)),
            Definition::Ratio(numerator, denominator) => {
                Makes::Ratio(numerator.map(&mut lanes), denominator.map(&mut lanes))
            }
            Definition::Funnel(funnel) => Makes::Funnel(Steps {
                places: funnel.steps.iter().map(|source| place(&mut sources, source)).collect(),
                order: funnel.order,
                counts: funnel.counts,
            }),
        };
        Plan { sources, makes }
    }

    /// A walk over the plan's sources.
    pub fn walk<'a>(&self, entries: impl FnMut(&EventSource) -> &'a Entries) -> Walk<'a> {
        Walk::over(self.sources.iter().map(entries))
    }
}

fn place(sources: &mut Vec<EventSource>, source: &EventSource) -> usize {
    match sources.iter().position(|known| known == source) {
        Some(at) => at,
        None => {
            sources.push(source.clone());
            sources.len() - 1
        }
    }
}
