//! The catalog: all that a person has set, except keys, which have a ring of their own. Valid by construction: a
//! [`Catalog`] and a [`ProjectFile`] exist only without mistakes. Pure: reads no file, no clock, no store.

mod allocation;
mod analysis;
mod check;
mod contents;
mod criterion;
mod digest;
mod document;
mod edit;
mod experiment;
mod exploration;
mod gate;
mod id_type;
mod instant;
mod integration;
mod item;
mod key;
mod layer;
mod metric;
mod mistake;
mod pattern;
mod plan;
mod project_file;
mod rule;
mod secret;
mod segment;
mod settings;
mod shape;
mod user_metric;

pub use allocation::BUCKETS;
pub use analysis::{Alternative, Analysis, Crossovers, Join, Relative};
pub use criterion::{Criterion, CriterionCondition, CriterionType, CriterionValues};
pub use digest::Digest;
pub use document::read_json;
pub use edit::{Edit, definitions, shape_of};
pub use experiment::{
    ConfidenceInterval, Experiment, ExperimentOverrides, Group, GroupOverride, IdOverride, Link, OverrideType, Status,
};
pub use exploration::{Balance, Exploration, Explore, Explored, Sided, UnitCriterion, UnitText, View};
pub use gate::{DynamicConfig, EnvironmentOverride, Gate, GateOverrides, Holdout, Lifetime};
pub use id_type::IdType;
pub use instant::Instant;
pub use integration::{
    Incoming, Integrations, MapIdentifier, NO_CUSTOM_EVENTS, OutgoingEvents, RudderstackIntegration,
    SegmentIntegration, SegmentOutgoing, WebhookIntegration, WebhookOutgoing, passes,
};
pub use item::{Item, ItemKind, ItemRef};
pub use key::{Key, KeyEntry, KeyPlan, KeyRing, KeyType, MAX_KEY_CHARS, MIN_KEY_CHARS, Role};
pub use layer::Layer;
pub use metric::{
    DEFAULT_FUNNEL_WINDOW_DAYS, Direction, FunnelCount, FunnelOrder, FunnelStep, FunnelStepType, Metric, MetricEvent,
    MetricEventType, MetricRef, MetricType, RollupTimeWindow,
};
pub use mistake::Mistake;
pub use pattern::Pattern;
pub use plan::{ApplyOptions, Change, Kept, Plan, WhyKept};
pub use project_file::ProjectFile;
pub use rule::{Condition, ConditionType, Operator, RolloutStep, Rule, Target};
pub use secret::{HIDDEN, Secret, with_secrets};
pub use segment::{Segment, SegmentType};
pub use settings::{DEFAULT_ENVIRONMENTS, Settings, UtcOffset};
pub use user_metric::UserMetric;

use allocation::{Allocation, buckets_of};
use contents::{Contents, Placed};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All that a person has set, at one moment. Never changes; a change makes another. The default is what a new project
/// has: the built-in ID types, three environments, incoming integrations on, outgoing ones off.
#[derive(Debug, Clone)]
pub struct Catalog {
    items: BTreeMap<ItemRef, Item>,
    id_types: Vec<IdType>,
    environments: Vec<String>,
    settings: Settings,
    integrations: Integrations,
    segments: Named<Segment>,
    gates: Named<Gate>,
    dynamic_configs: Named<DynamicConfig>,
    layers: Named<Layer>,
    holdouts: Named<Holdout>,
    experiments: Named<Experiment>,
    metrics: Vec<Metric>,
    explorations: Named<Exploration>,
    /// By the ID of the layer.
    allocations: BTreeMap<String, Allocation>,
    /// What this version finds wrong with items that an earlier one took: such a metric is not computed, and nothing is sent
    /// to such an address. Nothing else.
    tolerated: Vec<Mistake>,
    /// The internal items that differ from those that the catalog was made of.
    settled: BTreeSet<ItemRef>,
}

impl Default for Catalog {
    fn default() -> Catalog {
        Catalog::build(BTreeMap::new(), Contents::default())
    }
}

impl Catalog {
    /// The catalog of some stored items, or every mistake that they have by themselves and together.
    pub fn from_items(items: impl IntoIterator<Item = Item>) -> Result<Catalog, Vec<Mistake>> {
        let (catalog, mistakes) = Catalog::read(items);
        if mistakes.is_empty() { Ok(catalog) } else { Err(mistakes) }
    }

    /// The same of a store's items. What an earlier version took and this one would refuse must not keep a server from
    /// starting if it is only about how results are computed or where events are sent on: it is `tolerated`, until the item
    /// is changed.
    pub fn from_stored(items: impl IntoIterator<Item = Item>) -> Result<Catalog, Vec<Mistake>> {
        let (catalog, mistakes) = Catalog::read(items);
        if !mistakes.iter().all(Mistake::is_tolerable) {
            return Err(mistakes);
        }
        Ok(Catalog { tolerated: mistakes, ..catalog })
    }

    /// The catalog of this one's items after some were changed. Mistakes that are tolerated may stay, in other items than those.
    fn changed_to(&self, items: BTreeMap<ItemRef, Item>, changed: &[ItemRef]) -> Result<Catalog, Vec<Mistake>> {
        let places: Vec<String> = changed.iter().map(|item| item.kind.place(&item.id)).collect();
        let (catalog, mistakes) = Catalog::read(items.into_values());
        let is_tolerated = |mistake: &Mistake| {
            self.tolerated.contains(mistake) && !places.iter().any(|place| mistake.place.starts_with(place))
        };
        if mistakes.iter().all(is_tolerated) {
            return Ok(Catalog { tolerated: mistakes, ..catalog });
        }
        Err(mistakes.into_iter().filter(|mistake| !is_tolerated(mistake)).collect())
    }

    /// What is wrong with items and tolerated, because an earlier version took it.
    pub fn tolerated(&self) -> &[Mistake] {
        &self.tolerated
    }

    fn read(items: impl IntoIterator<Item = Item>) -> (Catalog, Vec<Mistake>) {
        let (mut contents, mut mistakes, mut kept) = (Contents::default(), Vec::new(), BTreeMap::new());
        for item in items {
            let place = item.kind.place(&item.id);
            let read = contents.add(item.kind, &item.id, &item.document, &place, &mut mistakes);
            if let Some((id, _)) = read
                && id != item.id
            {
                mistakes.push(Mistake::new(
                    &place,
                    format!("has the ID \"{id}\" in its document; must have that of the item"),
                ));
            }
            let item_ref = ItemRef { kind: item.kind, id: item.id.clone() };
            if kept.insert(item_ref, item).is_some() {
                mistakes.push(Mistake::new(place, "is there twice"));
            }
        }
        check::all(&contents, &mut mistakes);
        let (allocations, settled) = allocation::settle(&contents, &mut kept, &mut mistakes);
        (Catalog { allocations, settled, ..Catalog::build(kept, contents) }, mistakes)
    }

    /// Of use only where the mistakes of the contents are none, or tolerated.
    fn build(items: BTreeMap<ItemRef, Item>, contents: Contents) -> Catalog {
        let own = contents.id_types.into_iter().map(|placed| placed.value);
        Catalog {
            items,
            id_types: id_type::built_in().chain(own).collect(),
            environments: contents.environments.0,
            settings: contents.settings,
            integrations: contents.integrations,
            segments: Named::new(contents.segments, |it| (&it.id, &it.name)),
            gates: Named::new(contents.gates, |it| (&it.id, &it.name)),
            dynamic_configs: Named::new(contents.dynamic_configs, |it| (&it.id, &it.name)),
            layers: Named::new(contents.layers, |it| (&it.id, &it.name)),
            holdouts: Named::new(contents.holdouts, |it| (&it.id, &it.name)),
            experiments: Named::new(contents.experiments, |it| (&it.id, &it.name)),
            metrics: contents.metrics.into_iter().map(|placed| placed.value).collect(),
            explorations: Named::new(contents.explorations, |it| (&it.id, &it.name)),
            allocations: BTreeMap::new(),
            settled: BTreeSet::new(),
            tolerated: Vec::new(),
        }
    }

    /// The items as they are stored.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// One item as it is stored, by its ID.
    pub fn item(&self, kind: ItemKind, id: &str) -> Option<&Item> {
        self.items.get(&ItemRef { kind, id: id.to_string() })
    }

    /// All ID types: `userID`, `stableID`, then the custom ones.
    pub fn id_types(&self) -> &[IdType] {
        &self.id_types
    }

    /// The name of an ID type as it was defined, found without regard to case, as SDKs do.
    pub fn id_type(&self, name: &str) -> Option<&str> {
        self.id_types
            .iter()
            .map(|it| &*it.name)
            .find(|known| *known == name || known.to_lowercase() == name.to_lowercase())
    }

    /// The environments; `production` is always among them.
    pub fn environments(&self) -> &[String] {
        &self.environments
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn integrations(&self) -> &Integrations {
        &self.integrations
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments.list
    }

    /// By name or ID, like each of the following.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.get(name)
    }

    pub fn gates(&self) -> &[Gate] {
        &self.gates.list
    }

    pub fn gate(&self, name: &str) -> Option<&Gate> {
        self.gates.get(name)
    }

    pub fn dynamic_configs(&self) -> &[DynamicConfig] {
        &self.dynamic_configs.list
    }

    pub fn dynamic_config(&self, name: &str) -> Option<&DynamicConfig> {
        self.dynamic_configs.get(name)
    }

    pub fn layers(&self) -> &[Layer] {
        &self.layers.list
    }

    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.get(name)
    }

    pub fn holdouts(&self) -> &[Holdout] {
        &self.holdouts.list
    }

    pub fn holdout(&self, name: &str) -> Option<&Holdout> {
        self.holdouts.get(name)
    }

    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments.list
    }

    pub fn experiment(&self, name: &str) -> Option<&Experiment> {
        self.experiments.get(name)
    }

    /// The buckets, ascending, of the units that take part in an experiment: of its layer, or of its own if it is in none.
    /// Empty once it has ended.
    pub fn buckets(&self, experiment: &Experiment) -> Vec<usize> {
        let layer = experiment.layer_id.as_deref().and_then(|layer| self.layer(layer));
        match layer {
            _ if !experiment.status.holds_allocation() => Vec::new(),
            Some(layer) => self.allocations.get(&layer.id).map(|it| it.buckets(&experiment.id)).unwrap_or_default(),
            None => (0..buckets_of(experiment.allocation)).collect(),
        }
    }

    pub fn explorations(&self) -> &[Exploration] {
        &self.explorations.list
    }

    pub fn exploration(&self, name: &str) -> Option<&Exploration> {
        self.explorations.get(name)
    }

    /// The metrics that are defined. Those that every event name has are not among them.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The defined metric of this name and type.
    pub fn metric(&self, name: &str, kind: MetricType) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name && metric.kind == kind)
    }

    /// What is wrong with the definition of a metric, where that is tolerated.
    pub fn mistake_in(&self, metric: &Metric) -> Option<&Mistake> {
        self.mistake_at(&ItemKind::Metric.place(&metric.id()))
    }

    /// What is wrong with an integration such as `segment.outgoing`, where that is tolerated.
    pub fn mistake_in_integration(&self, id: &str) -> Option<&Mistake> {
        self.mistake_at(&ItemKind::Integration.place(id))
    }

    fn mistake_at(&self, place: &str) -> Option<&Mistake> {
        self.tolerated.iter().find(|mistake| mistake.place.starts_with(place))
    }

    /// The metric that a step of a funnel is taken from; `None` if it is taken from an event.
    pub fn metric_of_step(&self, step: &FunnelStep) -> Option<&Metric> {
        let (name, kind) = step.metric(|name, kind| self.metric(name, kind).is_some())?;
        self.metric(name, kind)
    }

    /// The places that name this defined metric.
    pub fn uses_of_metric(&self, name: &str, kind: MetricType) -> Vec<String> {
        let mut lists: Vec<(String, &[MetricRef])> = Vec::new();
        for it in self.gates() {
            lists.push((format!("{}.monitoringMetrics", ItemKind::Gate.place(&it.id)), &it.monitoring_metrics));
        }
        for it in self.experiments() {
            let place = ItemKind::Experiment.place(&it.id);
            lists.push((format!("{place}.primaryMetrics"), &it.primary_metrics));
            lists.push((format!("{place}.secondaryMetrics"), &it.secondary_metrics));
            lists.push((format!("{place}.otherMetrics"), &it.other_metrics));
        }
        let mut places = Vec::new();
        let mut definitions: Vec<(String, &Metric)> =
            self.metrics().iter().map(|it| (ItemKind::Metric.place(&it.id()), it)).collect();
        for it in self.explorations() {
            let place = format!("{}.explore.metrics", ItemKind::Exploration.place(&it.id));
            for (index, metric) in it.explore.metrics.iter().enumerate() {
                match metric.as_reference() {
                    Some(named) if named.name == name && named.kind == kind => {
                        places.push(format!("{place}[{index}].name"));
                    }
                    Some(_) => {}
                    None => definitions.push((format!("{place}[{index}]"), metric)),
                }
            }
        }
        for (place, it) in definitions {
            lists.push((format!("{place}.metricComponentMetrics"), &it.metric_component_metrics));
            for (index, step) in it.funnel_event_list.iter().enumerate() {
                if self.metric_of_step(step).is_some_and(|metric| metric.name == name && metric.kind == kind) {
                    places.push(format!("{place}.funnelEventList[{index}].name"));
                }
            }
        }
        for (place, list) in lists {
            let named = list.iter().enumerate().filter(|(_, metric)| metric.name == name && metric.kind == kind);
            places.extend(named.map(|(index, _)| format!("{place}[{index}].name")));
        }
        places
    }
}

/// Things that are found by their ID and by their name, which the checks keep apart.
#[derive(Debug, Clone)]
struct Named<T> {
    list: Vec<T>,
    index: HashMap<String, usize>,
}

impl<T> Named<T> {
    fn new(placed: Vec<Placed<T>>, names: fn(&T) -> (&String, &String)) -> Named<T> {
        let list: Vec<T> = placed.into_iter().map(|placed| placed.value).collect();
        let mut index = HashMap::new();
        for (position, it) in list.iter().enumerate() {
            let (id, name) = names(it);
            index.insert(id.clone(), position);
            index.insert(name.clone(), position);
        }
        Named { list, index }
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.index.get(name).map(|position| &self.list[*position])
    }
}

#[cfg(test)]
mod tests;
