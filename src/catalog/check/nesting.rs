//! What asks for what: gates and segments by their conditions, experiments by their targeting and overrides, composite
//! metrics by their parts. No cycles, and not so deep that an evaluation could not follow.

use super::Check;
use super::condition::named;
use crate::catalog::contents::Placed;
use crate::catalog::experiment::{Experiment, OverrideType};
use crate::catalog::item::ItemKind;
use crate::catalog::metric::metric_id;
use crate::catalog::rule::{ConditionType, Rule};
use std::collections::BTreeMap;

/// How many gates and segments may ask for each other in a row.
pub const MAX_DEPTH: usize = 32;

type Node = (ItemKind, String);
/// Each item, and what it asks for, with the place where it does.
type Graph = BTreeMap<Node, Vec<(Node, String)>>;

pub(super) fn check(check: &mut Check) {
    let mut graph = graph(check);
    let mut depth: BTreeMap<Node, usize> = BTreeMap::new();
    // Takes out whatever asks only for what is taken out already; what is left when nothing moves is in a cycle or
    // above one.
    loop {
        let ready: Vec<(Node, usize)> = graph
            .iter()
            .filter_map(|(node, asks)| {
                let below = asks.iter().map(|(asked, _)| depth.get(asked).copied()).collect::<Option<Vec<_>>>()?;
                Some((node.clone(), below.into_iter().max().unwrap_or(0) + 1))
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        for (node, height) in ready {
            let asks = graph.remove(&node).unwrap_or_default();
            if height == MAX_DEPTH + 1
                && let Some((_, place)) = asks.first()
            {
                let message = format!("more than {MAX_DEPTH} items ask for each other in a row; must be fewer");
                check.wrong(place, message);
            }
            depth.insert(node, height);
        }
    }
    while let Some(start) = graph.keys().next().cloned() {
        let cycle = cycle_from(&graph, start);
        let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|(node, _)| &*node.1).collect();
        let message = format!("asks for itself in a circle: {}; take one of these away", names.join(" -> "));
        if let Some((_, place)) = cycle.first() {
            check.wrong(place, message);
        }
        // Without this cycle the items above it are fine; other cycles are found in their turn.
        cycle.iter().for_each(|(node, _)| drop(graph.remove(node)));
        let mut above = true;
        while above {
            let before = graph.len();
            let left: Vec<Node> = graph.keys().cloned().collect();
            graph.retain(|_, asks| asks.iter().any(|(asked, _)| left.contains(asked)));
            above = graph.len() < before;
        }
    }
}

/// Follows what is asked for until an item comes again. Every item of the graph asks for one that is still in it.
fn cycle_from(graph: &Graph, start: Node) -> Vec<(Node, String)> {
    let mut path: Vec<(Node, String)> = Vec::new();
    let mut node = start;
    loop {
        if let Some(first) = path.iter().position(|(seen, _)| *seen == node) {
            return path.split_off(first);
        }
        let asks = graph.get(&node).into_iter().flatten().find(|(asked, _)| graph.contains_key(asked));
        let Some((asked, place)) = asks.cloned() else { return path };
        path.push((node, place));
        node = asked;
    }
}

fn graph(check: &Check) -> Graph {
    let mut graph = Graph::new();
    for it in &check.contents.gates {
        graph.insert((ItemKind::Gate, it.value.id.clone()), asked_by(check, &it.place, &it.value.rules));
    }
    for it in &check.contents.segments {
        graph.insert((ItemKind::Segment, it.value.id.clone()), asked_by(check, &it.place, &it.value.rules));
    }
    for it in &check.contents.experiments {
        graph.insert((ItemKind::Experiment, it.value.id.clone()), asked_by_experiment(check, it));
    }
    for it in &check.contents.metrics {
        let parts = it.value.metric_component_metrics.iter().enumerate().map(|(index, part)| {
            let place = format!("{}.metricComponentMetrics[{index}]", it.place);
            ((ItemKind::Metric, metric_id(&part.name, part.kind)), place)
        });
        graph.insert((ItemKind::Metric, it.value.id()), parts.collect());
    }
    // What is not there has been listed as unknown already.
    let there: Vec<Node> = graph.keys().cloned().collect();
    graph.values_mut().for_each(|asks| asks.retain(|(asked, _)| there.binary_search(asked).is_ok()));
    graph
}

fn asked_by_experiment(check: &Check, it: &Placed<Experiment>) -> Vec<(Node, String)> {
    let targeting = it.value.targeting_gate_id.iter();
    let targeting = targeting.map(|gate| (ItemKind::Gate, gate, format!("{}.targetingGateID", it.place)));
    let overrides = it.value.overrides.overrides.iter().enumerate().map(|(index, one)| {
        let kind = match one.kind {
            OverrideType::Gate => ItemKind::Gate,
            OverrideType::Segment => ItemKind::Segment,
        };
        (kind, &one.id, format!("{}.overrides.overrides[{index}].id", it.place))
    });
    let asked = targeting.chain(overrides);
    asked
        .filter_map(|(kind, name, place)| Some(((kind, check.known.get(&(kind, name.clone()))?.clone()), place)))
        .collect()
}

fn asked_by(check: &Check, place: &str, rules: &[Rule]) -> Vec<(Node, String)> {
    let mut asked = Vec::new();
    for (rule_index, rule) in rules.iter().enumerate() {
        for (index, condition) in rule.conditions.iter().enumerate() {
            let kind = match condition.kind {
                ConditionType::PassesGate | ConditionType::FailsGate => ItemKind::Gate,
                ConditionType::PassesSegment | ConditionType::FailsSegment => ItemKind::Segment,
                _ => continue,
            };
            let name = condition.target_value.as_ref().map(named).unwrap_or_default();
            if let Some(id) = check.known.get(&(kind, name.to_string())) {
                let place = format!("{place}.rules[{rule_index}].conditions[{index}].targetValue");
                asked.push(((kind, id.clone()), place));
            }
        }
    }
    asked
}
