//! Explorations: that what is explored is there, and that it can be asked.

use super::{Check, analysis, criterion, metric};
use crate::catalog::exploration::{Explore, Explored, UnitText};
use crate::catalog::instant::Instant;
use crate::catalog::item::ItemKind;
use crate::catalog::mistake::one_of;
use crate::catalog::rule::word;
use crate::catalog::segment::SegmentType;

/// The most metrics of an exploration.
pub const MAX_METRICS: usize = 100;
/// The most ID lists that are put together.
pub const MAX_ID_LISTS: usize = 20;

pub(super) fn check(check: &mut Check) {
    for it in &check.contents.explorations {
        let id_type = explored(check, &format!("{}.of", it.place), &it.value.of);
        explore(check, &format!("{}.explore", it.place), &it.value.explore, id_type);
        sides(check, &format!("{}.explore", it.place), &it.value.explore, it.value.of.gate.is_some());
    }
}

/// Whose ID is randomised by what is explored; `None` if there is none.
fn explored(check: &mut Check, place: &str, of: &Explored) -> Option<String> {
    let contents = check.contents;
    match (&of.experiment, &of.gate) {
        (Some(experiment), None) => {
            if of.rule.is_some() {
                check.wrong(format!("{place}.rule"), "is only for gates; remove it");
            }
            let id = check.refers(ItemKind::Experiment, &format!("{place}.experiment"), experiment)?;
            let found = contents.experiments.iter().find(|it| it.value.id == id)?;
            Some(found.value.id_type.clone())
        }
        (None, Some(gate)) => {
            let id = check.refers(ItemKind::Gate, &format!("{place}.gate"), gate)?;
            let found = contents.gates.iter().find(|it| it.value.id == id)?;
            if let Some(rule) = &of.rule
                && !found.value.rules.iter().any(|it| it.id == *rule)
            {
                let known = one_of(found.value.rules.iter().map(|it| it.id.as_str()));
                check.wrong(format!("{place}.rule"), format!("unknown rule \"{rule}\"; must be {known}"));
            }
            Some(found.value.id_type.clone())
        }
        _ => {
            check.wrong(place, "must name either an experiment or a gate");
            None
        }
    }
}

fn explore(check: &mut Check, place: &str, explore: &Explore, id_type: Option<String>) {
    let id_types: Vec<String> = id_type.into_iter().collect();
    let count = explore.metrics.len();
    if !(1..=MAX_METRICS).contains(&count) {
        check.wrong(format!("{place}.metrics"), format!("has {count} entries; must have 1 to {MAX_METRICS}"));
    }
    for (index, it) in explore.metrics.iter().enumerate() {
        let place = format!("{place}.metrics[{index}]");
        match it.as_reference() {
            Some(named) => check.metric(&format!("{place}.name"), &named, &id_types, "this exploration"),
            None => metric::definition(check, &place, it),
        }
        let same = |other: &&crate::catalog::Metric| other.id() == it.id();
        if explore.metrics[..index].iter().any(|other| same(&other)) {
            check.wrong(format!("{place}.name"), format!("\"{}\" of this type is there already", it.name));
        }
    }
    let filters: Vec<_> = explore.filters.iter().map(|filter| filter.of_event()).collect();
    criterion::criteria(check, &format!("{place}.filters"), &filters);
    for (field, lists) in [("includeIdLists", &explore.include_id_lists), ("excludeIdLists", &explore.exclude_id_lists)]
    {
        if lists.len() > MAX_ID_LISTS {
            let message = format!("has {} entries; may have at most {MAX_ID_LISTS}", lists.len());
            check.wrong(format!("{place}.{field}"), message);
            continue;
        }
        for (index, list) in lists.iter().enumerate() {
            id_list(check, &format!("{place}.{field}[{index}]"), list, &id_types);
        }
    }
    analysis::check(check, place, &explore.analysis(), false);
    if let Some(environment) = &explore.environment {
        check.environment(&format!("{place}.environment"), environment);
    }
    span(check, place, ("start", explore.start), ("end", explore.end));
    span(check, place, ("exposedFrom", explore.exposed_from), ("exposedUntil", explore.exposed_until));
    if let Some(breakdown) = &explore.breakdown {
        let mut places = vec!["event".to_owned()];
        places.extend([UnitText::User, UnitText::UserCustom, UnitText::Sdk, UnitText::Metadata].map(word));
        let parts = breakdown.split_once('.');
        if !parts.is_some_and(|(place, key)| places.iter().any(|known| known == place) && !key.trim().is_empty()) {
            let known = one_of(places.iter().map(String::as_str));
            let message = format!("must be such as user.country: {known}, then a dot and a key");
            check.wrong(format!("{place}.breakdown"), message);
        }
    }
}

/// What only gates have.
fn sides(check: &mut Check, place: &str, explore: &Explore, of_gate: bool) {
    for (field, is_there) in [("balance", explore.balance.is_some()), ("stage", explore.stage.is_some())] {
        if is_there && !of_gate {
            check.wrong(format!("{place}.{field}"), "is only for gates; remove it");
        }
    }
    let is_stage = |stage: &String| stage == "all" || stage.parse::<u32>().is_ok_and(|number| number > 0);
    if explore.stage.as_ref().is_some_and(|stage| !is_stage(stage)) {
        check.wrong(format!("{place}.stage"), "must be the number of a stage, such as \"1\", or all");
    }
}

fn id_list(check: &mut Check, place: &str, name: &str, id_types: &[String]) {
    let contents = check.contents;
    let Some(id) = check.refers(ItemKind::Segment, place, name) else { return };
    let Some(found) = contents.segments.iter().find(|it| it.value.id == id) else { return };
    if found.value.kind != SegmentType::IdList {
        check.wrong(place, "is made of rules; must name a segment of type id_list");
    } else if let Some(id_type) = id_types.iter().find(|id_type| **id_type != found.value.id_type) {
        let message = format!("lists IDs of type {}, and {id_type} is explored", found.value.id_type);
        check.wrong(place, message);
    }
}

fn span(check: &mut Check, place: &str, from: (&str, Option<Instant>), until: (&str, Option<Instant>)) {
    if let (Some(start), Some(end)) = (from.1, until.1)
        && end <= start
    {
        check.wrong(format!("{place}.{}", until.0), format!("must be after {}", from.0));
    }
}
