//! `/v1/download_config_specs`, for the SDKs that were written anew for each language: lists of specs that carry their names,
//! with the conditions in the rules.

use super::document::{Document, WrittenCondition, WrittenSpec};
use crate::evaluate::{SpecMap, Specs};

pub(super) fn write(specs: &Specs, time: i64) -> Vec<u8> {
    let sections = [&specs.gates, &specs.configs, &specs.layers].map(list);
    serde_json::to_vec(&Document::of(specs, time, sections)).expect("a document always serialises")
}

fn list(specs: &SpecMap) -> Vec<WrittenSpec<'_, WrittenCondition<'_>>> {
    specs.iter().map(|spec| WrittenSpec::of(spec, Some(&spec.name), WrittenCondition::of)).collect()
}
