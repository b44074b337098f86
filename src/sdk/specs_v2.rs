//! `/v2/download_config_specs`, for the SDKs that share one core: objects by name, whose rules name conditions that stand
//! together in one map.

use super::document::{Document, WrittenCondition, WrittenSpec};
use super::download::fingerprint;
use crate::evaluate::{Condition, ConditionType, SpecMap, Specs};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

type Section<'a> = BTreeMap<&'a str, WrittenSpec<'a, String>>;

pub(super) fn write(specs: &Specs, time: i64) -> Vec<u8> {
    let mut conditions = BTreeMap::new();
    let sections = [&specs.gates, &specs.configs, &specs.layers].map(|section| by_name(section, &mut conditions));
    let mut document = Document::of(specs, time, sections);
    document.response_format = Some("dcs-v2");
    document.condition_map = Some(conditions);
    document.checksum = Some(fingerprint(&json(&document)));
    json(&document)
}

fn json(document: &Document<'_, Section<'_>>) -> Vec<u8> {
    serde_json::to_vec(document).expect("a document always serialises")
}

fn by_name<'a>(specs: &'a SpecMap, conditions: &mut BTreeMap<String, WrittenCondition<'a>>) -> Section<'a> {
    let mut key_of = |condition: &'a Condition| {
        let mut written = WrittenCondition::of(condition);
        written.target_value = target(condition);
        // By content: conditions that are alike are one, and what does not change keeps its key.
        let key = fingerprint(&serde_json::to_vec(&written).expect("a condition always serialises"));
        conditions.entry(key.clone()).or_insert(written);
        key
    };
    specs.iter().map(|spec| (spec.name.as_str(), WrittenSpec::of(spec, None, &mut key_of))).collect()
}

/// Here a list of buckets is an object, `{"12": true}`, in which the core looks one up.
fn target(condition: &Condition) -> Cow<'_, Value> {
    match &condition.target {
        Value::Array(buckets) if condition.kind == ConditionType::UserBucket => {
            let buckets = buckets.iter().filter_map(Value::as_str);
            Cow::Owned(Value::Object(
                buckets.map(|bucket| (bucket.to_owned(), Value::Bool(true))).collect::<Map<_, _>>(),
            ))
        }
        target => Cow::Borrowed(target),
    }
}
