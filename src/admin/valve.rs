//! The valve of an integration: which event names pass it, how much of each came in the last day, and choosing them, one by one
//! or all that a search finds. The valve itself is the integration's `events` and `includeNewEvents`; this only shows and
//! changes them.

use super::item::{Deed, ItemChange};
use super::{Admin, AdminError, State, read_object};
use crate::catalog::{ItemKind, NO_CUSTOM_EVENTS, Settings, passes};
use crate::event::{Outcome, Source, TermId};
use crate::export::DestinationId;
use crate::ingest;
use crate::store::Snapshot;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// Names that the `events` of an integration can come to by selecting; every version of it holds them all.
pub const CHOSEN_NAMES: usize = 10_000;
/// What the stored name of a page or screen call has before the sender's own: `screen:`.
const KIND_CHARS: usize = 7;
/// How names that arise in Weir begin.
const OWN: &str = "statsig::";

/// Which names are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValveQuery {
    /// Part of the name, without regard to case.
    pub search: Option<String>,
    /// Only names that pass, or only those that do not.
    pub selected: Option<bool>,
}

/// An event name at the valve of an integration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValveName {
    /// As it stands in `events`: without the source's prefix, `page:Home` for a page call.
    pub name: String,
    /// As stored events are called, prefix included.
    pub stored_name: String,
    /// Whether events of this name pass.
    pub is_selected: bool,
    /// Whether the name has an entry of its own in `events`; without one it passes if `includeNewEvents` is on.
    pub is_chosen: bool,
    /// Whether an event of this name ever came; a name may also stand in `events` only.
    pub is_seen: bool,
    /// Stored events whose time lies in the last 24 hours (whole hours).
    pub last_day: u64,
    /// Events of the last 24 hours that the filter kept out; only of incoming integrations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered_last_day: Option<u64>,
    /// Events of the last 24 hours that were wrong, whatever the filter says; only of incoming integrations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_last_day: Option<u64>,
}

/// Which names shall pass or not: `names`, or `all` that there are, or `all` that a `search` finds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// Whether events of these names shall pass.
    pub is_selected: bool,
    /// As they stand in `events`, without a prefix.
    pub names: Option<Vec<String>>,
    /// True means every name that the list shows. `includeNewEvents` goes on deciding about names that are new.
    #[serde(default)]
    pub all: bool,
    /// With `all`: only names that have this in them, without regard to case.
    pub search: Option<String>,
}

/// What a selection came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    pub is_selected: bool,
    /// Names that were meant. Each has an entry of its own in `events` from now on.
    pub matched: usize,
    /// Those that pass from now on and did not before, or the other way round.
    pub changed: Vec<String>,
    /// The integration's version now; the same as before where each had this entry already.
    pub version: u64,
}

/// The valve of one integration as it is set.
struct Valve<'s> {
    /// Whose events come to it.
    sources: &'static [Source],
    /// Those of an incoming integration; an outgoing one sees events under the names under which they are stored.
    incoming: Option<&'s ingest::SourceRules>,
    include_new: bool,
    events: &'s BTreeMap<String, bool>,
}

impl<'s> Valve<'s> {
    fn of(state: &'s State, id: &str) -> Result<Valve<'s>, AdminError> {
        use Source::{Rudderstack, Segment, Webhook};
        let (all, rules) = (state.catalog.integrations(), &state.rules);
        let (sources, incoming, include_new, events): (&'static [Source], _, _, _) = match id {
            "segment.incoming" => {
                let it = &all.segment.incoming;
                (&[Segment], Some(&rules.segment), it.include_new_events, &it.events)
            }
            "rudderstack.incoming" => {
                let it = &all.rudderstack.incoming;
                (&[Rudderstack], Some(&rules.rudderstack), it.include_new_events, &it.events)
            }
            "webhook.incoming" => {
                let it = &all.webhook.incoming;
                (&[Webhook], Some(&rules.webhook), it.include_new_events, &it.events)
            }
            "segment.outgoing" => {
                let it = &all.segment.outgoing;
                (DestinationId::Segment.sources(), None, it.include_new_events, &it.events)
            }
            "webhook.outgoing" => {
                let it = &all.webhook.outgoing;
                (DestinationId::Webhook.sources(), None, it.include_new_events, &it.events)
            }
            _ => return Err(AdminError::not_found(ItemKind::Integration.as_str(), id)),
        };
        Ok(Valve { sources, incoming, include_new, events })
    }

    fn passes(&self, name: &str) -> bool {
        passes(self.events, self.include_new, name)
    }

    /// What is put before a name where it is stored.
    fn prefix(&self) -> &'s str {
        self.incoming.map_or("", |rules| rules.prefix.as_str())
    }

    /// Whether the valve decides about events of a name. What begins as Statsig's own names do never comes in this way.
    fn concerns(&self, name: &str) -> bool {
        match self.incoming {
            Some(_) => !name.starts_with(OWN),
            None => !NO_CUSTOM_EVENTS.contains(&name),
        }
    }

    fn empty_row(&self, name: &str) -> ValveName {
        ValveName {
            name: name.to_owned(),
            stored_name: format!("{}{name}", self.prefix()),
            is_selected: self.passes(name),
            is_chosen: self.events.contains_key(name),
            is_seen: false,
            last_day: 0,
            filtered_last_day: self.incoming.map(|_| 0),
            rejected_last_day: self.incoming.map(|_| 0),
        }
    }
}

impl Admin {
    /// The event names of an integration, most volume of the last day first, then by name.
    pub fn valve_names(&self, integration: &str, query: &ValveQuery) -> Result<Vec<ValveName>, AdminError> {
        let state = self.state();
        let valve = Valve::of(&state, integration)?;
        let mut rows = self.rows_at(&valve, &self.store().snapshot()?)?;
        let search = query.search.as_deref().unwrap_or_default().to_lowercase();
        rows.retain(|row| {
            query.selected.is_none_or(|wanted| row.is_selected == wanted) && row.name.to_lowercase().contains(&search)
        });
        let volume = |row: &ValveName| row.last_day + row.filtered_last_day.unwrap_or(0);
        rows.sort_by(|a, b| volume(b).cmp(&volume(a)).then_with(|| a.name.cmp(&b.name)));
        Ok(rows)
    }

    /// Lets event names pass an integration or not, whatever else is changed at the same time. `version` is that of the
    /// integration for which the selection was thought out; any if `None`.
    pub fn select_names(
        &self,
        integration: &str,
        text: &str,
        version: Option<u64>,
        author: &str,
    ) -> Result<Selected, AdminError> {
        let selection: Selection = read_object(text).map_err(|error| {
            let shape = r#"send {"isSelected": false, "names": ["..."]}, or "all": true in place of names"#;
            AdminError::refused("invalid_selection", format!("{error}; {shape}"))
        })?;
        // A panic while it was held changed nothing: a change is one transaction.
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let valve = Valve::of(&state, integration)?;
        let rows = self.rows_at(&valve, &self.store().snapshot()?)?;
        let names = meant(&selection, &valve, rows, self.inner.limits.name_chars)?;
        let is_selected = selection.is_selected;
        let mut events = valve.events.clone();
        events.extend(names.iter().map(|name| (name.clone(), is_selected)));
        if events.len() > CHOSEN_NAMES.max(valve.events.len()) {
            let message = format!(
                "{} names would have an entry of their own; {CHOSEN_NAMES} can: decide about all others by includeNewEvents",
                events.len()
            );
            return Err(AdminError { status: 413, ..AdminError::refused("filter_full", message) });
        }
        let matched = names.len();
        let changed = names.into_iter().filter(|name| valve.passes(name) != is_selected).collect();
        let change = ItemChange {
            kind: ItemKind::Integration,
            item: integration.to_owned(),
            deed: Deed::Merge,
            rule: String::new(),
            body: String::new(),
            version,
            author: author.to_owned(),
        };
        let item = self.change_alone(&change, json!({ "events": events }))?;
        Ok(Selected { is_selected, matched, changed, version: item["version"].as_u64().unwrap_or_default() })
    }

    /// A row for every name that came to the valve, and for those that only its settings name.
    fn rows_at(&self, valve: &Valve<'_>, snapshot: &Snapshot) -> Result<Vec<ValveName>, AdminError> {
        let mut prefixes = BTreeSet::from([valve.prefix().to_owned()]);
        if valve.incoming.is_some() && valve.sources == [Source::Segment] {
            prefixes.extend(earlier_prefixes(snapshot)?);
        }
        let bare = |stored: &str| -> Option<String> {
            let of = |prefix: &&String| stored.starts_with(prefix.as_str());
            let cut = prefixes.iter().filter(of).map(String::len).max().unwrap_or(0);
            Some(stored[cut..].to_owned()).filter(|name| valve.concerns(name))
        };
        let mut rows: BTreeMap<String, ValveName> = BTreeMap::new();
        for name in self.inner.seen_names.of(valve.sources, snapshot)?.iter().filter_map(|stored| bare(stored)) {
            rows.entry(name).or_insert_with_key(|name| valve.empty_row(name)).is_seen = true;
        }
        for name in valve.events.keys() {
            rows.entry(name.clone()).or_insert_with_key(|name| valve.empty_row(name));
        }
        let is_own = |source: u8| valve.sources.iter().any(|own| own.code() == source);
        let this_hour = self.now().hour();
        for ((hour, source, name), (count, _)) in snapshot.volumes_from(this_hour - 23)? {
            let stored = snapshot.terms().names.text(TermId(name)).unwrap_or_default();
            if hour <= this_hour
                && is_own(source)
                && let Some(row) = bare(stored).and_then(|name| rows.get_mut(&name))
            {
                row.last_day += count;
            }
        }
        if valve.incoming.is_none() {
            return Ok(rows.into_values().collect());
        }
        for (tally, count) in snapshot.tallies_from(this_hour - 23)? {
            if !is_own(tally.source) {
                continue;
            }
            let Some(row) = bare(&tally.name).and_then(|name| rows.get_mut(&name)) else { continue };
            let slot = match Outcome::from_code(tally.outcome) {
                Some(Outcome::Filtered) if tally.reason == "event_filter" => &mut row.filtered_last_day,
                Some(Outcome::Rejected) => &mut row.rejected_last_day,
                _ => continue,
            };
            *slot = slot.map(|had| had + count);
        }
        Ok(rows.into_values().collect())
    }
}

/// What `settings.eventPrefix` ever was: an event keeps its name when it changes.
fn earlier_prefixes(snapshot: &Snapshot) -> Result<BTreeSet<String>, AdminError> {
    let mut prefixes = BTreeSet::from([Settings::default().event_prefix]);
    let settings = ItemKind::Settings.as_str();
    for (_, document) in snapshot.versions(settings, settings)? {
        let item: Value = serde_json::from_slice(&document).map_err(|error| AdminError::broken("history", &error))?;
        prefixes.extend(item["document"]["eventPrefix"].as_str().map(str::to_owned));
    }
    Ok(prefixes)
}

/// The names that a selection means, each once.
fn meant(
    selection: &Selection,
    valve: &Valve<'_>,
    rows: Vec<ValveName>,
    name_chars: usize,
) -> Result<BTreeSet<String>, AdminError> {
    let refused = |message: &str| Err(AdminError::refused("invalid_selection", message));
    let names = match &selection.names {
        Some(_) if selection.all => return refused("names and all exclude each other; send one of them"),
        Some(_) if selection.search.is_some() => return refused("search goes with all; send no names with it"),
        None if !selection.all => return refused("nothing is named; send names, or all: true"),
        None => {
            let search = selection.search.as_deref().unwrap_or_default().to_lowercase();
            let found = rows.into_iter().map(|row| row.name).filter(|name| name.to_lowercase().contains(&search));
            return Ok(found.collect());
        }
        Some(names) if names.is_empty() => return refused("names is empty; send at least one"),
        Some(names) => names,
    };
    let is_seen = |name: &str| rows.iter().any(|row| row.is_seen && row.name == name);
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return refused(&format!("name {index} is empty; leave it out"));
        }
        if name.len() > name_chars + KIND_CHARS && name.chars().count() > name_chars + KIND_CHARS {
            let message = format!("name {index} is longer than any event's name; shorten it");
            return Err(AdminError::refused("name_too_long", message));
        }
        // Such names would never let pass or hold back anything, and nobody would notice.
        if !valve.concerns(name) {
            return refused(&match valve.incoming {
                Some(_) => {
                    format!("{name:?} never comes in here: names that begin with {OWN} arise in Weir; leave it out")
                }
                None => {
                    format!("{name:?} is no custom event; set exposures or configChanges of the integration instead")
                }
            });
        }
        let prefix = valve.prefix();
        if let Some(bare) = name.strip_prefix(prefix).filter(|_| !prefix.is_empty() && !is_seen(name)) {
            return refused(&format!("names stand here without the prefix {prefix:?}; send {bare:?}"));
        }
    }
    Ok(names.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_means_names_or_all_or_what_a_search_finds() {
        let rules = ingest::SourceRules::new("segment::");
        let events = BTreeMap::from([("Debug Ping".to_owned(), false), ("page:Home".to_owned(), true)]);
        let valve = Valve { sources: &[Source::Segment], incoming: Some(&rules), include_new: true, events: &events };
        let rows = ["Debug Ping", "Order Completed", "page:Home", "segment::odd"];
        let rows = rows.map(|name| ValveName { is_seen: true, ..valve.empty_row(name) });
        let longest = "é".repeat(207);
        let too_long = "é".repeat(208);
        for (text, expected) in [
            (json!({"names": ["b", "a", "b"]}), Ok(vec!["a", "b"])),
            (json!({"names": ["segment::odd"]}), Ok(vec!["segment::odd"])),
            (json!({"names": [longest]}), Ok(vec![longest.as_str()])),
            (json!({"all": true}), Ok(rows.iter().map(|row| row.name.as_str()).collect())),
            (json!({"all": true, "search": "pING"}), Ok(vec!["Debug Ping"])),
            (json!({"all": true, "search": "nothing"}), Ok(vec![])),
            (json!({"all": false, "names": ["a"]}), Ok(vec!["a"])),
            (json!({}), Err("invalid_selection")),
            (json!({"search": "ping"}), Err("invalid_selection")),
            (json!({"names": []}), Err("invalid_selection")),
            (json!({"names": ["a", ""]}), Err("invalid_selection")),
            (json!({"names": ["a"], "all": true}), Err("invalid_selection")),
            (json!({"names": ["a"], "search": "a"}), Err("invalid_selection")),
            (json!({"names": ["segment::Debug Ping"]}), Err("invalid_selection")),
            (json!({"names": ["a", "statsig::gate_exposure"]}), Err("invalid_selection")),
            (json!({"names": ["statsig::session"]}), Err("invalid_selection")),
            (json!({"names": [too_long]}), Err("name_too_long")),
        ] {
            let mut whole = text.clone();
            whole["isSelected"] = false.into();
            let selection: Selection = serde_json::from_value(whole).unwrap();
            let found = meant(&selection, &valve, rows.to_vec(), 200);
            let found = found.map(|names| names.into_iter().collect::<Vec<_>>()).map_err(|error| error.code);
            assert_eq!(found, expected.map(|names| names.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }

    #[test]
    fn a_valve_concerns_what_can_come_to_it() {
        let (rules, events) = (ingest::SourceRules::new(""), BTreeMap::new());
        let valve = |incoming| Valve { sources: &[], incoming, include_new: true, events: &events };
        let (incoming, outgoing) = (valve(Some(&rules)), valve(None));
        for (name, comes_in, goes_out) in [
            ("Order Completed", true, true),
            ("statsig::gate_exposure", false, false),
            ("statsig::experiment_exposure", false, false),
            ("statsig::config_change", false, false),
            ("statsig::session", false, true),
        ] {
            assert_eq!((incoming.concerns(name), outgoing.concerns(name)), (comes_in, goes_out), "{name}");
        }
    }
}
