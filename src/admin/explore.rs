//! Explorations: a question beside the scorecard, asked once or saved, becomes a report. Checked as the catalog's items are;
//! computes nothing itself.

use super::metric::{criterion, explored};
use super::question::{Subject, asked, word};
use super::{Admin, AdminError};
use crate::catalog::{Catalog, Exploration, Explored, ItemKind, Mistake, UnitCriterion, UnitText, read_json};
use crate::event::Place;
use crate::results::{Corrections, Report, TextFilter, UnitSet};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What an exploration that is not saved is called while it is checked.
const UNSAVED: &str = "unsaved exploration";

impl Admin {
    /// Answers a question that is not saved: the body of an exploration's `explore`, for gates with a `rule` beside it.
    pub fn explore(&self, subject: &Subject, body: &str) -> Result<Report, AdminError> {
        // Who is asked about comes first: there are no mistakes in a question about nothing.
        asked(&self.state().catalog, &self.store().snapshot()?, subject, &[])?;
        let body = read_json(body).map_err(|mistake| AdminError::invalid_item(vec![mistake]))?;
        let Value::Object(mut explore) = body else {
            let (place, message) = ("(body)".into(), "must be an object such as {\"metrics\": [...]}".into());
            let mistake = Mistake { place, message };
            return Err(AdminError::invalid_item(vec![mistake]));
        };
        let of = match subject {
            Subject::Experiment(name) => json!({"experiment": name}),
            Subject::Gate { name, rule } => {
                let rule = explore.remove("rule").or_else(|| rule.clone().map(Value::from));
                rule.map_or_else(|| json!({"gate": name}), |rule| json!({"gate": name, "rule": rule}))
            }
        };
        let document = json!({"name": UNSAVED, "of": of, "explore": explore}).to_string();
        let (catalog, item, _) = self.tried(ItemKind::Exploration, &document).map_err(bare)?;
        let found = catalog.exploration(&item.id).ok_or_else(|| AdminError::not_found("exploration", &item.id))?;
        self.explored(&catalog, found)
    }

    /// Answers a saved question from the log as it is now.
    pub fn exploration_results(&self, name: &str) -> Result<Report, AdminError> {
        let state = self.state();
        let found = state.catalog.exploration(name).ok_or_else(|| AdminError::not_found("exploration", name))?;
        self.explored(&state.catalog, found)
    }

    fn explored(&self, catalog: &Catalog, exploration: &Exploration) -> Result<Report, AdminError> {
        let explore = &exploration.explore;
        let (mut question, mut options) =
            asked(catalog, &self.store().snapshot()?, &subject(&exploration.of), &explore.options())?;
        let wrong = |message: String| AdminError::refused("invalid_item", message);
        question.metrics =
            explore.metrics.iter().map(|metric| explored(catalog, metric)).collect::<Result<_, _>>().map_err(wrong)?;
        // What one looks for is no part of the tests that were planned.
        question.corrections = Corrections::default();
        options.automatic = false;
        options.units.texts = explore.filters.iter().map(filter).collect::<Result<_, _>>().map_err(wrong)?;
        options.units.only = self.units_of(catalog, &explore.include_id_lists, "in")?;
        options.units.without = self.units_of(catalog, &explore.exclude_id_lists, "not in")?;
        self.concluded(&question, &options, &[])
    }

    /// The members of ID lists together, by their hashes in the log; `None` without any list.
    fn units_of(&self, catalog: &Catalog, lists: &[String], how: &str) -> Result<Option<UnitSet>, AdminError> {
        if lists.is_empty() {
            return Ok(None);
        }
        let snapshot = self.store().snapshot()?;
        let mut hashes = BTreeSet::new();
        for segment in lists.iter().filter_map(|list| catalog.segment(list)) {
            // A list that nobody was ever put on has no entry in the store: it is empty.
            let members = snapshot.list_members(&segment.id, 0, usize::MAX)?.unwrap_or_default();
            hashes.extend(members.iter().map(|id| snapshot.unit_hash(id)));
        }
        let words = format!("{how} ID list {}", lists.join(", "));
        Ok(Some(UnitSet { hashes: hashes.into_iter().collect(), words }))
    }
}

fn subject(of: &Explored) -> Subject {
    match (&of.experiment, &of.gate) {
        (Some(experiment), _) => Subject::Experiment(experiment.clone()),
        (None, gate) => Subject::Gate { name: gate.clone().unwrap_or_default(), rule: of.rule.clone() },
    }
}

fn filter(filter: &UnitCriterion) -> Result<TextFilter, String> {
    let of_event = criterion(&filter.of_event())?;
    let values = filter.values.join(", ");
    let words = format!("{}.{} {} {values}", word(filter.kind), filter.column, word(filter.condition));
    Ok(TextFilter {
        place: match filter.kind {
            UnitText::User => Place::User,
            UnitText::UserCustom => Place::UserCustom,
            UnitText::Sdk => Place::Sdk,
            UnitText::Metadata => Place::Metadata,
        },
        key: filter.column.clone(),
        test: of_event.test,
        missing_passes: filter.null_vacuous_override,
        words: words.trim_end().to_owned(),
    })
}

/// Mistakes with their places in the body that was sent.
fn bare(error: AdminError) -> AdminError {
    if error.mistakes.is_empty() {
        return error;
    }
    let bare = |mut mistake: Mistake| {
        for around in ["explore.", "of."] {
            if let Some(inside) = mistake.place.strip_prefix(around) {
                mistake.place = inside.to_owned();
                break;
            }
        }
        mistake
    };
    AdminError::invalid_item(error.mistakes.into_iter().map(bare).collect())
}
