//! What must never move, under random changes: who passed goes on passing when a percentage rises, who has a group keeps
//! it when an allocation grows, and a running experiment's slice is its own whatever becomes of the others.

use super::*;
use crate::catalog::{BUCKETS, Item, ItemKind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn raising_a_percentage_never_removes_a_unit(low in 0u32..=10_000, high in 0u32..=10_000, seed in 0u32..1_000) {
        let (low, high) = (low.min(high), low.max(high));
        let with = |hundredths: u32| specs(&json!({"gates": [{"name": "g", "rules": [{"name": "r",
            "passPercentage": f64::from(hundredths) / 100.0, "conditions": [{"type": "public"}]}]}]}));
        let (before, after) = (with(low), with(high));
        for n in 0..200 {
            let user = user(&format!("u{seed}-{n}"));
            prop_assert!(gate(&after, &user, "g").0 || !gate(&before, &user, "g").0, "u{}-{} fell out", seed, n);
            prop_assert!(gate(&before, &user, "g").0 || low < 10_000);
            prop_assert!(!gate(&before, &user, "g").0 || low > 0);
        }
    }

    #[test]
    fn a_unit_keeps_its_group_when_the_allocation_grows(low in 0u32..=1_000, high in 0u32..=1_000, seed in 0u32..1_000) {
        let (low, high) = (low.min(high), low.max(high));
        let with = |tenths: u32| specs(&json!({"experiments": [{"name": "e", "status": "active",
            "allocation": f64::from(tenths) / 10.0,
            "groups": [{"name": "a", "size": 20}, {"name": "b", "size": 30}, {"name": "c", "size": 50}]}]}));
        let (before, after) = (with(low), with(high));
        for n in 0..200 {
            let user = user(&format!("u{seed}-{n}"));
            let was = before.evaluate(&user, &NoLists, NOW).config("e");
            let is = after.evaluate(&user, &NoLists, NOW).config("e");
            prop_assert!(!was.is_experiment_group || was.rule_id == is.rule_id, "{} became {}", was.rule_id, is.rule_id);
        }
    }
}

/// A change to the experiments of a layer.
#[derive(Debug, Clone)]
enum Step {
    /// Makes an experiment, or gives it another allocation, in tenths of a percent.
    Allocate(usize, u32),
    Status(usize, &'static str),
    Remove(usize),
    /// Closes the store and opens it again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    const STATUSES: [&str; 6] = ["setup", "active", "assignment_stopped", "decision_made", "abandoned", "archived"];
    prop_oneof![
        4 => (0..5usize, 0..=1_000u32).prop_map(|(which, tenths)| Step::Allocate(which, tenths)),
        2 => (0..5usize, prop::sample::select(&STATUSES[..])).prop_map(|(which, status)| Step::Status(which, status)),
        1 => (0..5usize).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

fn project(experiments: &BTreeMap<usize, (u32, &str)>) -> Value {
    // In another order each time there are others, because positions must not matter.
    let list = experiments.iter().rev().map(|(which, (tenths, status))| {
        json!({"name": format!("e{which}"), "layerID": "l", "status": status, "allocation": f64::from(*tenths) / 10.0,
            "groups": [{"name": "a", "size": 50}, {"name": "b", "size": 50}]})
    });
    json!({"layers": [{"name": "l", "idType": "userID"}], "experiments": list.collect::<Vec<_>>()})
}

/// What is written with a change, as the store then has it.
fn write(store: &mut BTreeMap<(ItemKind, String), Item>, before: &Catalog, after: &Catalog) {
    let key = |item: &Item| (item.kind, item.id.clone());
    store.retain(|(kind, id), _| kind.is_internal() || after.item(*kind, id).is_some());
    for item in after.items().filter(|item| !item.kind.is_internal()) {
        store.insert(key(item), item.clone());
    }
    let (put, removed) = after.settled_since(before);
    removed.into_iter().for_each(|item| drop(store.remove(&key(item))));
    put.into_iter().for_each(|item| drop(store.insert(key(item), item.clone())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn slices_of_a_layer_are_disjoint_and_stay_where_they_are(steps in prop::collection::vec(step(), 1..25)) {
        let mut experiments: BTreeMap<usize, (u32, &'static str)> = BTreeMap::new();
        let mut catalog = catalog(&project(&experiments));
        let mut store = BTreeMap::new();
        write(&mut store, &Catalog::default(), &catalog);
        for step in steps {
            let mut next = experiments.clone();
            match step {
                Step::Allocate(which, tenths) => next.entry(which).or_insert((0, "active")).0 = tenths,
                Step::Status(which, status) => {
                    next.entry(which).and_modify(|it| it.1 = status);
                }
                Step::Remove(which) => drop(next.remove(&which)),
                Step::Reopen => catalog = Catalog::from_items(store.values().cloned()).unwrap(),
            }
            let holds = |status: &str| ["setup", "active", "assignment_stopped"].contains(&status);
            let total: u32 = next.values().filter(|it| holds(it.1)).map(|it| it.0).sum();
            if total > 1_000 {
                continue;
            }
            let after = changed(&catalog, &project(&next));
            write(&mut store, &catalog, &after);
            let mut taken = BTreeSet::new();
            for (which, (tenths, status)) in &next {
                let name = format!("e{which}");
                let buckets = after.buckets(after.experiment(&name).unwrap());
                prop_assert_eq!(buckets.len(), if holds(status) { *tenths as usize } else { 0 });
                for bucket in &buckets {
                    prop_assert!(*bucket < BUCKETS && taken.insert(*bucket), "bucket {} is taken twice", bucket);
                }
                let Some(was) = catalog.experiment(&name).map(|it| catalog.buckets(it)) else { continue };
                let kept = was.iter().filter(|bucket| buckets.binary_search(bucket).is_ok()).count();
                prop_assert_eq!(kept, was.len().min(buckets.len()), "{} moved from {:?} to {:?}", name, was, buckets);
            }
            let stored = Catalog::from_items(store.values().cloned()).unwrap();
            for experiment in after.experiments() {
                let reopened = stored.experiment(&experiment.name).unwrap();
                prop_assert_eq!(stored.buckets(reopened), after.buckets(experiment));
            }
            (catalog, experiments) = (after, next);
        }
    }
}

#[test]
fn growing_and_shrinking_back_gives_the_same_slice() {
    let slice = |catalog: &Catalog, name: &str| catalog.buckets(catalog.experiment(name).unwrap());
    let with = |before: &Catalog, first: u32, second: u32| {
        changed(before, &project(&BTreeMap::from([(0, (first, "active")), (1, (second, "active"))])))
    };
    let before = with(&Catalog::default(), 100, 200);
    assert_eq!(slice(&before, "e0"), (0..100).collect::<Vec<_>>());
    assert_eq!(slice(&before, "e1"), (100..300).collect::<Vec<_>>());
    let grown = with(&before, 150, 200);
    assert_eq!(slice(&grown, "e0"), (0..100).chain(300..350).collect::<Vec<_>>());
    assert_eq!(slice(&grown, "e1"), slice(&before, "e1"));
    let back = with(&grown, 100, 200);
    assert_eq!(slice(&back, "e0"), slice(&before, "e0"));
}

#[test]
fn a_store_from_before_there_were_slices_gets_the_same_ones_at_each_opening() {
    let made = catalog(&project(&BTreeMap::from([(0, (300, "active")), (1, (200, "active"))])));
    let old: Vec<Item> = made.items().filter(|item| !item.kind.is_internal()).cloned().collect();
    let (first, second) = (Catalog::from_items(old.clone()).unwrap(), Catalog::from_items(old).unwrap());
    for name in ["e0", "e1"] {
        assert_eq!(first.buckets(first.experiment(name).unwrap()), second.buckets(second.experiment(name).unwrap()));
    }
    // The next change writes them, also one that has nothing to do with the layer.
    let mut project = project(&BTreeMap::from([(0, (300, "active")), (1, (200, "active"))]));
    project["gates"] = json!([{"name": "g"}]);
    let after = changed(&first, &project);
    let (put, removed) = after.settled_since(&first);
    assert_eq!(
        put.iter().map(|item| (item.kind, &*item.id, item.version)).collect::<Vec<_>>(),
        [(ItemKind::Allocation, "l", 1)]
    );
    assert!(removed.is_empty());
    // Once written they are only written again when they change, and go with their layer.
    let stored = Catalog::from_items(after.items().cloned()).unwrap();
    let renamed = changed(&stored, &json!({"layers": project["layers"], "experiments": project["experiments"]}));
    assert!(renamed.settled_since(&stored).0.is_empty());
    let gone = changed(&stored, &json!({}));
    assert_eq!(gone.settled_since(&stored).1.len(), 1);
}

#[test]
fn a_stored_allocation_that_gives_a_bucket_twice_is_refused() {
    let made = catalog(&project(&BTreeMap::from([(0, (300, "active"))])));
    for (document, told) in [
        (json!({"experiments": {"e0": [[0, 300]], "e1": [[299, 1]]}}), "bucket 299"),
        (json!({"experiments": {"e0": [[900, 101]]}}), "beyond the last one"),
        (json!({"experiments": {"e0": [[900]]}}), "invalid length"),
        (json!({"slices": {}}), "unknown field"),
    ] {
        let mut items: Vec<Item> = made.items().cloned().collect();
        let allocation = items.iter_mut().find(|item| item.kind == ItemKind::Allocation).unwrap();
        allocation.document = document;
        let mistakes = Catalog::from_items(items).unwrap_err();
        let text = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(text.contains(told) && text.contains("allocations[\"l\"]"), "{text}");
    }
}
