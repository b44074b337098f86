//! An item: one thing of the catalog as it is stored, a JSON document with who changed it and when. Checks nothing.

use super::digest::Digest;
use super::instant::iso;
use super::secret::without_secrets;
use crate::event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What sort of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    IdType,
    /// One item, `environments`: the list of names.
    Environments,
    /// One item, `settings`.
    Settings,
    /// Five items: `segment.incoming`, `segment.outgoing`, `rudderstack.incoming`, `webhook.incoming`,
    /// `webhook.outgoing`.
    Integration,
    Segment,
    Gate,
    DynamicConfig,
    Layer,
    Holdout,
    Experiment,
    /// Its ID is `name::type`.
    Metric,
    Exploration,
    /// Which buckets of a layer belong to which experiment; its ID is that of the layer. Kept by the catalog itself.
    Allocation,
}

impl ItemKind {
    pub const ALL: [ItemKind; 13] = [
        ItemKind::IdType,
        ItemKind::Environments,
        ItemKind::Settings,
        ItemKind::Integration,
        ItemKind::Segment,
        ItemKind::Gate,
        ItemKind::DynamicConfig,
        ItemKind::Layer,
        ItemKind::Holdout,
        ItemKind::Experiment,
        ItemKind::Metric,
        ItemKind::Exploration,
        ItemKind::Allocation,
    ];

    /// The word for the stored key, answers and change events.
    pub fn as_str(self) -> &'static str {
        match self {
            ItemKind::IdType => "id_type",
            ItemKind::Environments => "environments",
            ItemKind::Settings => "settings",
            ItemKind::Integration => "integration",
            ItemKind::Segment => "segment",
            ItemKind::Gate => "gate",
            ItemKind::DynamicConfig => "dynamic_config",
            ItemKind::Layer => "layer",
            ItemKind::Holdout => "holdout",
            ItemKind::Experiment => "experiment",
            ItemKind::Metric => "metric",
            ItemKind::Exploration => "exploration",
            ItemKind::Allocation => "allocation",
        }
    }

    pub fn from_word(word: &str) -> Option<ItemKind> {
        ItemKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// A document of this kind without its secrets.
    pub fn shown(self, document: &Value) -> Value {
        match self {
            ItemKind::Integration => without_secrets(document),
            _ => document.clone(),
        }
    }

    /// The project file's section that holds items of this kind; for internal ones only where a mistake is.
    pub fn section(self) -> &'static str {
        match self {
            ItemKind::IdType => "unitIdTypes",
            ItemKind::Environments => "environments",
            ItemKind::Settings => "settings",
            ItemKind::Integration => "integrations",
            ItemKind::Segment => "segments",
            ItemKind::Gate => "gates",
            ItemKind::DynamicConfig => "dynamicConfigs",
            ItemKind::Layer => "layers",
            ItemKind::Holdout => "holdouts",
            ItemKind::Experiment => "experiments",
            ItemKind::Metric => "metrics",
            ItemKind::Exploration => "explorations",
            ItemKind::Allocation => "allocations",
        }
    }

    /// Whether items of this kind follow from others, and are in no project file: nobody sets or removes them.
    pub fn is_internal(self) -> bool {
        self == ItemKind::Allocation
    }

    /// Where a mistake in a stored item is: `experiments["button_color"]`, `settings`, `integrations.segment.incoming`.
    pub(super) fn place(self, id: &str) -> String {
        match self {
            ItemKind::Environments | ItemKind::Settings => self.section().to_string(),
            ItemKind::Integration => format!("{}.{id}", self.section()),
            _ => format!("{}[{id:?}]", self.section()),
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemRef {
    pub kind: ItemKind,
    pub id: String,
}

/// One thing of the catalog, as it is stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    pub kind: ItemKind,
    /// Unique among the items of a kind.
    pub id: String,
    /// In the shape of the project file. May hold secrets: show [`Item::shown`].
    pub document: Value,
    /// 1 when it is made, one more with every change.
    pub version: u64,
    /// Who changed it last.
    pub author: String,
    /// When it was changed last.
    #[serde(with = "iso")]
    pub time: Timestamp,
    /// The document's digest when a project file last set it; none if it was never in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Digest>,
}

impl Item {
    /// The document without its secrets.
    pub fn shown(&self) -> Value {
        self.kind.shown(&self.document)
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({} {:?} v{} {})", self.kind, self.id, self.version, self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in ItemKind::ALL {
            assert_eq!(ItemKind::from_word(kind.as_str()), Some(kind));
            assert_eq!(super::super::rule::word(kind), kind.as_str());
        }
        assert_eq!(ItemKind::from_word("key"), None);
    }

    #[test]
    fn an_item_survives_its_stored_form_but_does_not_show_secrets() {
        let item = Item {
            kind: ItemKind::Integration,
            id: "segment.outgoing".into(),
            document: serde_json::json!({
                "writeKey": "very-secret", "more": [{"signingSecret": "also-secret"}], "url": "https://x.test/T0K3N"
            }),
            version: 3,
            author: "someone".into(),
            time: Timestamp(1_795_438_699_353),
            applied: Some(Digest::of(b"x")),
        };
        let stored = serde_json::to_string(&item).unwrap();
        assert_eq!(serde_json::from_str::<Item>(&stored).unwrap(), item);
        for shown in [format!("{item:?}"), item.shown().to_string()] {
            assert!(
                shown.contains("x.test")
                    && !["very-secret", "also-secret", "T0K3N"].iter().any(|it| shown.contains(it)),
                "{shown}"
            );
        }
    }
}
