//! Queries over the log: the newest events, one name, all names with their volumes, what was refused and why. Reads only.

use super::exposure::Judge;
use super::state::State;
use super::{Admin, AdminError};
use crate::event::{Outcome, Sequence, Source, TermId, Timestamp};
use crate::ingest::view;
use crate::results::NotCounted;
use crate::store::{EventFilter, RejectedSample, Snapshot, StoredEvent};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Rows of a list when none are asked for, and at most.
pub const DEFAULT_ROWS: usize = 100;
pub const MAX_ROWS: usize = 1000;
/// Days of a name's trend.
pub const TREND_DAYS: usize = 14;

/// Which events of the log are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    pub limit: Option<usize>,
    pub name: Option<String>,
    pub unit: Option<String>,
    pub source: Option<String>,
    /// A cursor from `pagination.next`: only events before this sequence.
    pub before: Option<u64>,
}

/// One event as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventRow {
    pub sequence: u64,
    /// Milliseconds as a string, as Statsig's Console API has it.
    pub timestamp: String,
    pub received_at: i64,
    pub name: String,
    pub source: &'static str,
    pub kind: &'static str,
    pub message_id: String,
    #[serde(rename = "userID")]
    pub user_id: Option<String>,
    pub units: BTreeMap<String, String>,
    pub value: Option<f64>,
    pub metadata: Map<String, Value>,
    pub user: Map<String, Value>,
    pub environment: String,
    #[schemars(with = "Map<String, Value>")]
    pub raw: Box<RawValue>,
    /// Of an exposure: the gates and holdouts on the way to it, by name where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secondary_exposures: Vec<Map<String, Value>>,
    /// Whether an exposure counts for results, as far as it can tell by itself; absent from other events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<bool>,
    /// Why an exposure does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// What the whole batch said for each of its events, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub shared: Option<Box<RawValue>>,
}

impl EventRow {
    fn of(event: StoredEvent, state: &State, judge: &mut Judge<'_>) -> Result<EventRow, AdminError> {
        let mut shown = view(event.source, event.kind, &event.raw, event.shared.as_deref());
        shown.reveal(event.kind, &state.rules.names);
        let standing = judge.standing(&event)?;
        let raw =
            |text: String| RawValue::from_string(text).map_err(|error| AdminError::broken("stored event", &error));
        let units: BTreeMap<String, String> = event.units.into_iter().collect();
        Ok(EventRow {
            sequence: event.sequence.0,
            timestamp: event.time.0.to_string(),
            received_at: event.received.0,
            source: event.source.as_str(),
            kind: event.kind.as_str(),
            message_id: event.message_id,
            user_id: units.get(crate::event::USER_ID).cloned(),
            units,
            value: event.value,
            metadata: shown.metadata,
            user: shown.user,
            secondary_exposures: shown.secondary_exposures,
            counts: standing.map(|standing| standing.is_ok()),
            why: standing.and_then(Result::err).map(NotCounted::as_str),
            environment: event.environment,
            name: event.name,
            raw: raw(event.raw)?,
            shared: event.shared.map(raw).transpose()?,
        })
    }
}

/// A page of a list that has no end.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    pub message: &'static str,
    pub data: Vec<T>,
    pub pagination: Pagination,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    pub items_per_page: usize,
    /// To be passed back as `before`; null on the last page.
    pub next: Option<u64>,
}

/// What was stored since.
#[derive(Debug)]
pub struct Since {
    pub rows: Vec<EventRow>,
    /// Where the log ends.
    pub next: Sequence,
    /// There were more wanted events than were asked for.
    pub skipped: Option<Skipped>,
}

/// Events that were left out because there were so many.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// How many; null where a filter would have to look at each of them to tell.
    pub count: Option<u64>,
}

/// One event name of one source.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameRow {
    pub name: String,
    pub source: &'static str,
    /// Stored events of all time.
    pub count: u64,
    /// Stored events whose time lies in the last 24 hours (whole hours).
    pub last_day: u64,
    /// Events of the last 24 hours that a filter kept out.
    pub filtered_last_day: u64,
    /// Sum of their values, of all time.
    pub value: f64,
    /// Stored events a UTC day, the oldest first, today last.
    pub trend: Vec<u64>,
    /// The first and last hour in which such an event happened, in ms.
    pub first_seen: Option<i64>,
    pub last_seen: Option<i64>,
}

impl Admin {
    /// Stored events, newest first.
    pub fn events(&self, query: &EventsQuery) -> Result<Page<EventRow>, AdminError> {
        let limit = query.limit.unwrap_or(DEFAULT_ROWS);
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(AdminError::refused("invalid_limit", format!("limit must be from 1 to {MAX_ROWS}")));
        }
        let filter = filter_of(query)?;
        let snapshot = self.store().snapshot()?;
        let events = snapshot.events(&filter, limit + 1)?;
        let more = events.len() > limit;
        let data = self.rows(&snapshot, events.into_iter().take(limit))?;
        let next = if more { data.last().map(|row| row.sequence) } else { None };
        Ok(Page { message: "Events listed.", data, pagination: Pagination { items_per_page: limit, next } })
    }

    /// Whether a query can be answered at all.
    pub fn check_events_query(&self, query: &EventsQuery) -> Result<(), AdminError> {
        filter_of(query).map(|_| ())
    }

    /// Events that were stored from a sequence on, oldest first, at most the newest `limit`.
    pub fn events_since(&self, query: &EventsQuery, from: Sequence, limit: usize) -> Result<Since, AdminError> {
        let mut filter = filter_of(query)?;
        let is_filtered = query.name.is_some() || query.unit.is_some() || query.source.is_some();
        filter.from = Some(from);
        let snapshot = self.store().snapshot()?;
        let events = snapshot.events(&filter, limit + 1)?;
        let more = events.len() > limit;
        let mut rows = self.rows(&snapshot, events.into_iter().take(limit))?;
        rows.reverse();
        let skipped = match rows.first() {
            Some(oldest) if more => Some(Skipped { count: (!is_filtered).then(|| oldest.sequence - from.0) }),
            _ => None,
        };
        Ok(Since { rows, next: snapshot.next_sequence(), skipped })
    }

    pub(super) fn rows(
        &self,
        snapshot: &Snapshot,
        events: impl Iterator<Item = StoredEvent>,
    ) -> Result<Vec<EventRow>, AdminError> {
        let state = self.state();
        let mut judge = Judge::new(&state, snapshot);
        events.map(|event| EventRow::of(event, &state, &mut judge)).collect()
    }

    /// All event names with their volumes, most of the last day first.
    pub fn event_names(&self) -> Result<Page<NameRow>, AdminError> {
        let snapshot = self.store().snapshot()?;
        let mut data = self.name_rows(&snapshot)?;
        data.sort_by(|a, b| {
            let volume = |row: &NameRow| row.last_day + row.filtered_last_day;
            volume(b).cmp(&volume(a)).then(b.count.cmp(&a.count)).then_with(|| a.name.cmp(&b.name))
        });
        let items_per_page = data.len();
        Ok(Page { message: "Event names listed.", data, pagination: Pagination { items_per_page, next: None } })
    }

    /// One name, in every source that sent it.
    pub fn event_name(&self, name: &str) -> Result<Vec<NameRow>, AdminError> {
        let snapshot = self.store().snapshot()?;
        let mut rows = self.name_rows(&snapshot)?;
        rows.retain(|row| row.name == name);
        if rows.is_empty() {
            return Err(AdminError::not_found("event_name", name));
        }
        Ok(rows)
    }

    fn name_rows(&self, snapshot: &Snapshot) -> Result<Vec<NameRow>, AdminError> {
        let now = self.now();
        let (this_hour, today) = (now.hour(), now.day());
        let mut rows: BTreeMap<(String, u8), NameRow> = BTreeMap::new();
        for ((hour, source, name), (count, value)) in snapshot.volumes()? {
            let name = snapshot.terms().names.text(TermId(name)).unwrap_or_default();
            let Some(row) = entry(&mut rows, name, source) else { continue };
            row.count += count;
            row.value += value;
            let start = hour * 3_600_000;
            row.first_seen = Some(row.first_seen.map_or(start, |seen| seen.min(start)));
            row.last_seen = Some(row.last_seen.map_or(start, |seen| seen.max(start)));
            if (this_hour - 23..=this_hour).contains(&hour) {
                row.last_day += count;
            }
            let age = today - Timestamp(start).day();
            if let Some(at) = usize::try_from(age).ok().and_then(|age| (TREND_DAYS - 1).checked_sub(age)) {
                row.trend[at] += count;
            }
        }
        for (tally, count) in snapshot.tallies_from(this_hour - 23)? {
            if tally.outcome == Outcome::Filtered.code()
                && !tally.name.is_empty()
                && let Some(row) = entry(&mut rows, &tally.name, tally.source)
            {
                row.filtered_last_day += count;
            }
        }
        Ok(rows.into_values().collect())
    }

    /// What was refused and why, newest first.
    pub fn rejected(&self, limit: Option<usize>) -> Result<Page<RejectedSample>, AdminError> {
        let limit = limit.unwrap_or(DEFAULT_ROWS);
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(AdminError::refused("invalid_limit", format!("limit must be from 1 to {MAX_ROWS}")));
        }
        let data = self.store().snapshot()?.rejected(limit)?;
        Ok(Page {
            message: "Rejected events listed.",
            data,
            pagination: Pagination { items_per_page: limit, next: None },
        })
    }
}

fn entry<'a>(rows: &'a mut BTreeMap<(String, u8), NameRow>, name: &str, source: u8) -> Option<&'a mut NameRow> {
    let word = Source::from_code(source)?.as_str();
    Some(rows.entry((name.to_owned(), source)).or_insert_with(|| NameRow {
        name: name.to_owned(),
        source: word,
        count: 0,
        last_day: 0,
        filtered_last_day: 0,
        value: 0.0,
        trend: vec![0; TREND_DAYS],
        first_seen: None,
        last_seen: None,
    }))
}

fn filter_of(query: &EventsQuery) -> Result<EventFilter, AdminError> {
    let source = match &query.source {
        None => None,
        Some(word) => Some(Source::from_word(word).ok_or_else(|| {
            let known: Vec<&str> = Source::ALL.iter().map(|source| source.as_str()).collect();
            AdminError::refused("unknown_source", format!("source must be one of {}", known.join(", ")))
        })?),
    };
    Ok(EventFilter {
        name: query.name.clone(),
        source,
        unit: query.unit.clone(),
        before: query.before.map(Sequence),
        from: None,
    })
}
