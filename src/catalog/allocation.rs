//! Which units take part in an experiment: all units fall into a thousand buckets, and each experiment of a layer has
//! buckets that no other has. Kept with the catalog, because it depends on what was there before: a running experiment
//! keeps its buckets whatever becomes of the others. Computes no hash.

use super::contents::Contents;
use super::item::{Item, ItemKind, ItemRef};
use super::mistake::Mistake;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Into how many buckets units fall: a tenth of a percent each.
pub const BUCKETS: usize = 1_000;

/// How many buckets a percentage has. What is left over of a tenth of a percent is not given to anyone, so that
/// percentages that add up to 100 never have more than all buckets.
pub(super) fn buckets_of(percentage: f64) -> usize {
    // A little more, because decimal fractions are not exact: 0.3 * 10 is less than 3.
    let buckets = (percentage * 10.0 + 1e-6).floor();
    (buckets as usize).min(BUCKETS)
}

/// The buckets of a layer's experiments. Its document is one item, `allocation`, with the ID of the layer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Allocation {
    /// By the experiment's ID, in the order in which it got them.
    experiments: BTreeMap<String, Vec<Span>>,
}

/// Buckets in a row: the first one, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span(usize, usize);

impl Allocation {
    /// Reads a stored document, or says what is wrong with it.
    pub fn read(document: &Value) -> Result<Allocation, String> {
        let read: Allocation = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
        let mut taken = [false; BUCKETS];
        for (experiment, Span(first, count)) in read.spans() {
            let end = first.checked_add(count).filter(|end| *end <= BUCKETS);
            let Some(end) = end else {
                return Err(format!("gives \"{experiment}\" a bucket beyond the last one, {}", BUCKETS - 1));
            };
            for (bucket, taken) in (first..end).zip(&mut taken[first..end]) {
                if std::mem::replace(taken, true) {
                    return Err(format!("gives bucket {bucket} to \"{experiment}\" though it is taken already"));
                }
            }
        }
        Ok(read)
    }

    fn spans(&self) -> impl Iterator<Item = (&str, Span)> {
        self.experiments.iter().flat_map(|(experiment, spans)| spans.iter().map(|span| (&**experiment, *span)))
    }

    /// An experiment's buckets, ascending.
    pub fn buckets(&self, experiment: &str) -> Vec<usize> {
        let spans = self.experiments.get(experiment).into_iter().flatten();
        let mut buckets: Vec<usize> = spans.flat_map(|Span(first, count)| *first..first + count).collect();
        buckets.sort_unstable();
        buckets
    }

    /// What becomes of it when the layer's experiments want these numbers of buckets: who is gone gives all of them
    /// back, who shrinks gives those back that it got last, and only then who grows takes the lowest that are free.
    fn settled(&self, wanted: &BTreeMap<String, usize>) -> Allocation {
        let mut next = Allocation::default();
        let mut taken = [false; BUCKETS];
        for (experiment, &wanted) in wanted {
            let kept = next.experiments.entry(experiment.clone()).or_default();
            let mut left = wanted;
            for &Span(first, count) in self.experiments.get(experiment).into_iter().flatten() {
                let count = count.min(left);
                left -= count;
                if count > 0 {
                    taken[first..first + count].fill(true);
                    kept.push(Span(first, count));
                }
            }
        }
        let mut free = (0..BUCKETS).filter(|bucket| !taken[*bucket]);
        for (experiment, spans) in &mut next.experiments {
            let has: usize = spans.iter().map(|Span(_, count)| count).sum();
            let missing = wanted.get(experiment).map_or(0, |wanted| wanted.saturating_sub(has));
            for bucket in free.by_ref().take(missing) {
                match spans.last_mut() {
                    Some(Span(first, count)) if *first + *count == bucket => *count += 1,
                    _ => spans.push(Span(bucket, 1)),
                }
            }
        }
        next
    }

    fn document(&self) -> Value {
        serde_json::to_value(self).expect("text keys and whole numbers always serialise")
    }
}

/// Brings the allocation items up to the contents. Where nothing has to change, an item stays as it is; otherwise it is
/// as if the newest change among the items had made it. Gives the allocations by layer, and the items that changed.
pub(super) fn settle(
    contents: &Contents,
    items: &mut BTreeMap<ItemRef, Item>,
    mistakes: &mut Vec<Mistake>,
) -> (BTreeMap<String, Allocation>, BTreeSet<ItemRef>) {
    let (mut allocations, mut changed) = (BTreeMap::new(), BTreeSet::new());
    let newest = items.values().filter(|item| !item.kind.is_internal()).max_by_key(|item| item.time);
    let newest = newest.map(|item| (item.author.clone(), item.time));
    items.retain(|item, _| {
        item.kind != ItemKind::Allocation || contents.layers.iter().any(|layer| layer.value.id == item.id)
    });
    for layer in &contents.layers {
        let id = &layer.value.id;
        let is_in_it = |layer_id: &String| layer_id == id || *layer_id == layer.value.name;
        let members = contents.experiments.iter().map(|it| &it.value).filter(|experiment| {
            experiment.status.holds_allocation() && experiment.layer_id.as_ref().is_some_and(is_in_it)
        });
        let wanted = members.map(|experiment| (experiment.id.clone(), buckets_of(experiment.allocation))).collect();
        let item_ref = ItemRef { kind: ItemKind::Allocation, id: id.clone() };
        let before = match items.get(&item_ref).map(|item| Allocation::read(&item.document)) {
            Some(Ok(before)) => Some(before),
            Some(Err(why)) => {
                mistakes.push(Mistake::new(item_ref.kind.place(id), why));
                continue;
            }
            None => None,
        };
        let after = before.clone().unwrap_or_default().settled(&wanted);
        if before.as_ref() != Some(&after)
            && let Some((author, time)) = &newest
        {
            let version = items.get(&item_ref).map_or(0, |item| item.version) + 1;
            let (author, time, document) = (author.clone(), *time, after.document());
            let item = Item { kind: item_ref.kind, id: id.clone(), document, version, author, time, applied: None };
            items.insert(item_ref.clone(), item);
            changed.insert(item_ref);
        }
        allocations.insert(id.clone(), after);
    }
    (allocations, changed)
}
