//! Segments, which travel as gates called `segment:<id>`.

use super::super::SEGMENT_PREFIX;
use super::super::condition::{Condition, ConditionType, Operator};
use super::super::rule::Rule;
use super::super::specs::{Entity, Spec};
use super::Compiler;
use crate::catalog::{ItemKind, Segment, SegmentType};
use serde_json::Value;

impl Compiler<'_> {
    /// A list of IDs is always an ID list of the segment's ID, however short: its members may change at any time, and
    /// the specs need not.
    pub(super) fn segment(&self, segment: &Segment) -> Spec {
        let spec = self.spec(ItemKind::Segment, &segment.id, Entity::Segment, None, &segment.id_type);
        let rules = match segment.kind {
            SegmentType::RuleBased => self.rules(&segment.rules, &spec.salt, &spec.id_type),
            SegmentType::IdList => {
                let (kind, list) = (ConditionType::UnitId, segment.id.as_str().into());
                let member = Condition::new(kind, Some(Operator::InSegmentList), list, None, None, &spec.id_type);
                vec![Rule::new("id_list", vec![member], Value::Bool(true), &spec.id_type)]
            }
        };
        Spec { name: format!("{SEGMENT_PREFIX}{}", segment.id), rules, ..spec }
    }
}
