//! The log as results read it, and which columns of fields are kept for the next reader. Computes nothing.

use super::{Admin, AdminError};
use crate::catalog::{Catalog, Criterion, CriterionType};
use crate::event::{Field, Place};
use crate::ingest;
use crate::results::StoredLog;
use crate::store::{FIELDS_KEPT, Terms};
use hashbrown::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// So many fields are kept of whatever anybody asks for. The rest is left to the metrics of the catalog: a store knows a field
/// for ever, and whoever may only read could fill it with questions.
pub const FIELDS_FOR_ANYBODY: usize = FIELDS_KEPT / 2;

impl Admin {
    /// The log as it is now. Columns that a reader has to work out are kept for the next one.
    pub(super) fn log(&self) -> Result<StoredLog, AdminError> {
        let writer = self.writer().clone();
        let terms = self.store().terms();
        let wanted = fields(&self.state().catalog, &terms);
        let room = Room { terms, wanted, new: Mutex::default() };
        let keep = move |mut columns: Vec<crate::store::NewColumn>| {
            columns.retain(|column| room.is_for(column.field()));
            if !columns.is_empty() {
                writer.keep(columns);
            }
        };
        let log = StoredLog::new(self.store().snapshot()?, ingest::field, keep);
        log.map_err(|error| AdminError::broken("log", &error))
    }
}

/// Whose columns one reader may have kept.
struct Room {
    terms: Arc<Terms>,
    wanted: HashSet<Field>,
    /// What this reader had kept beside those.
    new: Mutex<HashSet<Field>>,
}

impl Room {
    fn is_for(&self, field: &Field) -> bool {
        let known = &self.terms.fields;
        if self.wanted.contains(field) || known.find(&field.encode()).is_some() {
            return true;
        }
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.contains(field) || (known.len() + new.len() < FIELDS_FOR_ANYBODY && new.insert(field.clone()))
    }
}

/// The fields that the metrics of the catalog read, of events that have come already.
fn fields(catalog: &Catalog, terms: &Terms) -> HashSet<Field> {
    let mut fields = HashSet::new();
    let mut add = |event: &str, place: Place, key: &Option<String>| {
        if let (Some(name), Some(key)) = (terms.names.find(event), key) {
            fields.insert(Field { name, place, key: key.clone() });
        }
    };
    let mut of = |event: &str, key: &Option<String>, criteria: &[Criterion]| {
        add(event, Place::Metadata, key);
        for criterion in criteria {
            let place = match criterion.kind {
                CriterionType::Value => continue,
                CriterionType::Metadata => Place::Metadata,
                CriterionType::User => Place::User,
                CriterionType::UserCustom => Place::UserCustom,
            };
            add(event, place, &criterion.column);
        }
    };
    for metric in catalog.metrics() {
        metric.metric_events.iter().for_each(|event| of(&event.name, &event.metadata_key, &event.criteria));
        for step in &metric.funnel_event_list {
            let named = catalog.metric_of_step(step).map(|metric| metric.metric_events.as_slice()).unwrap_or_default();
            // A step's own criteria are of whatever event it is taken from.
            named.iter().for_each(|event| of(&event.name, &None, &step.criteria));
            of(&step.name, &None, &step.criteria);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ApplyOptions, ProjectFile};
    use crate::event::Timestamp;
    use serde_json::json;

    #[test]
    fn whoever_asks_leaves_room_for_the_metrics_of_the_catalog() {
        let project = json!({"metrics": [
            {"name": "spent", "type": "sum", "metricEvents": [{"name": "order", "type": "metadata", "metadataKey": "price",
                "criteria": [{"type": "user", "column": "country", "condition": "non_null"}]}]},
            {"name": "paid", "type": "funnel", "funnelEventList": [{"name": "order"},
                {"name": "pay", "criteria": [{"type": "user_custom", "column": "plan", "condition": "non_null"}]}]},
            {"name": "gone", "type": "sum", "metricEvents": [{"name": "nobody sends it", "type": "metadata", "metadataKey": "k"}]},
        ]});
        let file = ProjectFile::parse(&project.to_string()).unwrap();
        let new = Catalog::default();
        let plan = new.plan(&file, ApplyOptions { force: false, prune: false });
        let catalog = new.after(&plan, "a", Timestamp(1)).unwrap();
        let mut terms = Terms::default();
        let [order, pay] = ["order", "pay"].map(|name| terms.names.intern(name));
        let field = |name, place, key: &str| Field { name, place, key: key.to_owned() };
        let wanted = [
            field(order, Place::Metadata, "price"),
            field(order, Place::User, "country"),
            field(pay, Place::UserCustom, "plan"),
        ];
        assert_eq!(fields(&catalog, &terms), wanted.iter().cloned().collect());
        let some = |at: usize| field(order, Place::Metadata, &format!("key {at}"));
        terms.fields.intern(&some(0).encode());
        let room = |terms: &Terms| Room {
            terms: Arc::new(terms.clone()),
            wanted: fields(&catalog, terms),
            new: Mutex::default(),
        };
        let of_one = room(&terms);
        let kept = (0..2 * FIELDS_KEPT).filter(|at| of_one.is_for(&some(*at))).count();
        assert_eq!(kept, FIELDS_FOR_ANYBODY);
        assert!(of_one.is_for(&some(1)), "what one reader has kept is kept for all blocks");
        for at in 0..FIELDS_FOR_ANYBODY {
            terms.fields.intern(&some(at).encode());
        }
        let of_next = room(&terms);
        assert!(of_next.is_for(&some(1)) && !of_next.is_for(&some(FIELDS_FOR_ANYBODY)));
        assert!(wanted.iter().all(|field| of_next.is_for(field)));
    }
}
