//! What was told to the house, ready to be asked: catalog, keys, and the intake rules compiled from both. Immutable; a
//! change makes another.

use super::LoadError;
use crate::catalog::{Catalog, Incoming, Item, Key, KeyRing, SegmentType};
use crate::event::Timestamp;
use crate::export::Setup;
use crate::ingest::{Audience, Audiences, HashedNames, IdTypes, Limits, Rules, SourceRules};
use crate::sdk::Release;
use crate::store::{Store, Terms};
use std::sync::Arc;

#[derive(Debug)]
pub struct State {
    pub catalog: Arc<Catalog>,
    pub keys: KeyRing,
    pub rules: Rules,
    /// What SDKs are served.
    pub release: Arc<Release>,
}

impl State {
    /// `before` is the state that this one follows, if there is one: it need not be compiled anew while the catalog is the same.
    pub(super) fn load(store: &Store, limits: &Limits, before: Option<&State>) -> Result<State, LoadError> {
        let snapshot = store.snapshot()?;
        let mut items = Vec::new();
        for (kind, id, document) in snapshot.items()? {
            let item: Item = serde_json::from_slice(&document)
                .map_err(|error| LoadError::Catalog(format!("item {kind} {id:?}: {error}")))?;
            items.push(item);
        }
        let mut keys = Vec::new();
        for (id, document) in snapshot.key_documents()? {
            let key: Key = serde_json::from_slice(&document)
                .map_err(|error| LoadError::Catalog(format!("key {id:?}: {error}")))?;
            keys.push(key);
        }
        let catalog = Catalog::from_stored(items).map_err(|mistakes| {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            LoadError::Catalog(all.join("; "))
        })?;
        if before.is_none() {
            for mistake in catalog.tolerated() {
                tracing::warn!(
                    "{mistake}; an earlier version took it: nothing is computed from it or sent to it until it is changed"
                );
            }
        }
        store.remember_for(catalog.settings().deduplication_hours.map(|hours| i64::from(hours) * 3_600_000));
        let keys = KeyRing::new(keys);
        let mut rules = rules(&catalog, &keys, snapshot.terms(), store.id(), limits);
        if let Some(before) = before {
            rules.follow(&before.rules);
        }
        let time = time(&catalog, snapshot.catalog_time()?);
        let same = before.filter(|before| before.release.time == time);
        let release = match same {
            Some(before) => before.release.clone(),
            None => Arc::new(Release::new(&catalog, time)),
        };
        Ok(State { catalog: Arc::new(catalog), keys, rules, release })
    }
}

impl State {
    /// What the exporter needs of it.
    pub(super) fn setup(&self, store: &Store) -> Arc<Setup> {
        Arc::new(Setup::new(self.catalog.clone(), self.rules.names.clone(), store.id()))
    }
}

/// When the catalog was changed last. A store in which that was not yet written down has it from its items.
fn time(catalog: &Catalog, stored: Option<Timestamp>) -> Timestamp {
    let of_items = || catalog.items().map(|item| item.time).max();
    stored.or_else(of_items).unwrap_or(Timestamp(1)).max(Timestamp(1))
}

fn rules(catalog: &Catalog, keys: &KeyRing, terms: &Terms, store_id: &str, limits: &Limits) -> Rules {
    let known = catalog.id_types().iter().filter_map(|it| Some((it.name.clone(), terms.id_types.find(&it.name)?)));
    let id_types = IdTypes::new(known);
    let mut rules = Rules::new(store_id, id_types.clone());
    rules.limits = limits.clone();
    let settings = catalog.settings();
    rules.value_properties = settings.value_properties.clone();
    rules.segment.prefix = settings.event_prefix.clone();
    let integrations = catalog.integrations();
    take(&mut rules.segment, &integrations.segment.incoming, &id_types);
    take(&mut rules.rudderstack, &integrations.rudderstack.incoming, &id_types);
    take(&mut rules.webhook, &integrations.webhook.incoming, &id_types);
    let lists = catalog.segments().iter().filter(|segment| segment.kind == SegmentType::IdList);
    rules.audiences = Audiences::new(lists.filter_map(|segment| {
        Some(Audience { list: segment.id.as_str().into(), id_type: id_types.find(&segment.id_type)? })
    }));
    rules.client_keys = keys.keys().iter().filter_map(|key| key.client_text.clone()).collect();
    rules.names = Arc::new(HashedNames::new(names(catalog)));
    rules
}

/// What SDKs may call by its hash.
fn names(catalog: &Catalog) -> impl Iterator<Item = &str> {
    let gates = catalog.gates().iter().map(|it| [&it.name, &it.id]);
    let configs = catalog.dynamic_configs().iter().map(|it| [&it.name, &it.id]);
    let experiments = catalog.experiments().iter().map(|it| [&it.name, &it.id]);
    let layers = catalog.layers().iter().map(|it| [&it.name, &it.id]);
    let segments = catalog.segments().iter().map(|it| [&it.name, &it.id]);
    let holdouts = catalog.holdouts().iter().map(|it| [&it.name, &it.id]);
    let all = gates.chain(configs).chain(experiments).chain(layers).chain(segments).chain(holdouts);
    all.flatten().map(String::as_str)
}

fn take(rules: &mut SourceRules, incoming: &Incoming, id_types: &IdTypes) {
    rules.enabled = incoming.is_enabled;
    rules.include_new = incoming.include_new_events;
    rules.events = incoming.events.iter().map(|(name, &taken)| (name.clone(), taken)).collect();
    rules.map_identifiers = incoming
        .map_identifiers
        .iter()
        .filter_map(|map| Some((map.field.clone(), id_types.find(&map.id_type)?)))
        .collect();
}
