//! What intake has to know of the catalog, compiled into a form that costs nothing to ask. Filled elsewhere.

use super::hashed::HashedNames;
use crate::event::{STABLE_ID, TermId, USER_ID};
use hashbrown::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Bounds on what one event and one body may be. Characters are Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event as it came.
    pub event_bytes: usize,
    pub events_per_body: usize,
    pub message_id_chars: usize,
    /// Characters of an event's name without our prefix; of a gate's, config's, layer's or rule's name in an exposure.
    pub name_chars: usize,
    /// Characters of one unit's ID.
    pub id_chars: usize,
    /// Characters of an environment's name.
    pub environment_chars: usize,
    /// Levels of objects and arrays in one event, the event itself being the first. Above 127 serde_json refuses by itself.
    pub json_depth: u32,
    /// Bytes that a batch's `context` and `integrations` (or `user` and `statsigMetadata`) may add up to, counted once for
    /// each event that gets a copy: a small body must not become a huge batch.
    pub shared_bytes: usize,
    /// Entries of the store's dictionary of event names from which on new names are refused; likewise for exposure
    /// subjects. One body may overshoot by its own events.
    pub distinct_names: usize,
    /// As `distinct_names`, for environments.
    pub distinct_environments: usize,
    /// Names that no stored event has under which filtered and refused events are counted; those of more names are counted
    /// together, without a name.
    pub tallied_names: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            event_bytes: 128 * 1024,
            events_per_body: 5_000,
            message_id_chars: 100,
            name_chars: 200,
            id_chars: 512,
            environment_chars: 64,
            json_depth: 64,
            shared_bytes: 16 * 1024 * 1024,
            distinct_names: 100_000,
            distinct_environments: 1_000,
            tallied_names: 10_000,
        }
    }
}

/// The project's ID types with their numbers in the store.
#[derive(Debug, Clone, Default)]
pub struct IdTypes {
    known: Vec<(String, TermId)>,
    pub(super) user_id: TermId,
    pub(super) stable_id: TermId,
}

impl IdTypes {
    /// `known` should hold `userID` and `stableID`; without them no event gets such a unit.
    pub fn new(known: impl IntoIterator<Item = (String, TermId)>) -> IdTypes {
        let mut id_types = IdTypes { known: known.into_iter().collect(), ..IdTypes::default() };
        id_types.user_id = id_types.find(USER_ID).unwrap_or(TermId::NONE);
        id_types.stable_id = id_types.find(STABLE_ID).unwrap_or(TermId::NONE);
        id_types
    }

    /// Without regard to case, as Statsig joins them.
    pub fn find(&self, name: &str) -> Option<TermId> {
        self.known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, id)| id)
    }
}

/// What was set for one incoming integration.
#[derive(Debug, Clone)]
pub struct SourceRules {
    pub enabled: bool,
    /// Put before every event's name.
    pub prefix: String,
    /// Top-level field of an event -> the ID type that its value is an ID of; the first that has a value wins.
    pub map_identifiers: Vec<(String, TermId)>,
    /// Whether names that `events` does not list are logged.
    pub include_new: bool,
    /// Name without prefix (`page:Home` for a page) -> whether it is logged.
    pub events: HashMap<String, bool>,
}

impl SourceRules {
    /// Enabled, everything logged, nothing mapped.
    pub fn new(prefix: &str) -> SourceRules {
        SourceRules {
            enabled: true,
            prefix: prefix.to_owned(),
            map_identifiers: Vec::new(),
            include_new: true,
            events: HashMap::new(),
        }
    }
}

/// The names under which events that are not kept were counted although no stored event has them. Shared by all bodies: no
/// sender can fill the disk with names by spreading them.
#[derive(Debug, Clone, Default)]
pub(super) struct TalliedNames(Arc<Mutex<HashSet<String>>>);

impl TalliedNames {
    /// Whether the name is one of these, or there is room for it.
    pub fn admit(&self, name: &str, limit: usize) -> bool {
        // A set is whole after each of its calls, so a panic elsewhere leaves nothing half done.
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.contains(name) || (names.len() < limit && names.insert(name.to_owned()))
    }
}

/// An ID list that an audience of Segment's Engage can fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The list's ID, which is the `audience_key`.
    pub list: Arc<str>,
    /// Whose IDs the list has.
    pub id_type: TermId,
}

/// The ID lists by their `audience_key`.
#[derive(Debug, Clone, Default)]
pub struct Audiences(HashMap<Arc<str>, Audience>);

impl Audiences {
    pub fn new(audiences: impl IntoIterator<Item = Audience>) -> Audiences {
        Audiences(audiences.into_iter().map(|audience| (audience.list.clone(), audience)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn find(&self, key: &str) -> Option<&Audience> {
        self.0.get(key)
    }
}

/// All that intake goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    pub limits: Limits,
    /// Events whose messageId says that they left this store come back from a loop.
    pub store_id: String,
    pub segment: SourceRules,
    pub rudderstack: SourceRules,
    /// The generic webhook.
    pub webhook: SourceRules,
    /// Properties that can be an event's value, in order of preference.
    pub value_properties: Vec<String>,
    pub id_types: IdTypes,
    pub audiences: Audiences,
    /// Keys that are public by nature and may stay in a stored event; any other `writeKey` is blanked.
    pub client_keys: HashSet<String>,
    /// What exposures may call by its hash.
    pub names: Arc<HashedNames>,
    pub(super) tallied_names: TalliedNames,
}

impl Rules {
    /// Takes over what rules that these replace have learned: a change of the project must not make new room for names.
    pub fn follow(&mut self, before: &Rules) {
        self.tallied_names = before.tallied_names.clone();
    }

    /// Whether a messageId is one that this store gives to what it exports: `weir-<store id>-<sequence>`.
    pub(super) fn exported_here(&self, message_id: &str) -> bool {
        let rest = message_id.strip_prefix("weir-").and_then(|rest| rest.strip_prefix(self.store_id.as_str()));
        rest.is_some_and(|rest| rest.starts_with('-'))
    }

    /// The defaults of a project in which nothing was set.
    pub fn new(store_id: &str, id_types: IdTypes) -> Rules {
        Rules {
            limits: Limits::default(),
            store_id: store_id.to_owned(),
            segment: SourceRules::new("segment::"),
            rudderstack: SourceRules::new("rudderstack::"),
            webhook: SourceRules::new(""),
            value_properties: vec!["value".to_owned(), "revenue".to_owned()],
            id_types,
            audiences: Audiences::default(),
            client_keys: HashSet::new(),
            names: Arc::default(),
            tallied_names: TalliedNames::default(),
        }
    }
}
