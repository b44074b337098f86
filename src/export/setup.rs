//! What the exporter needs of the catalog, as of one moment: the destinations that are switched on, and what goes to each.
//! Never changes; a change of the catalog makes another.

use super::choice::Choice;
use super::destination::{Destination, DestinationId};
use super::known::Known;
use super::segment::Segment;
use super::webhook::Webhook;
use crate::catalog::Catalog;
use crate::ingest::HashedNames;
use std::sync::Arc;

/// See the module.
pub struct Setup {
    known: Known,
    segment: Option<Arc<dyn Destination>>,
    webhook: Option<Arc<dyn Destination>>,
}

impl Setup {
    /// `names` leads back from the hashes of this catalog's names; `store_id` says whose events go out.
    pub fn new(catalog: Arc<Catalog>, names: Arc<HashedNames>, store_id: &str) -> Setup {
        let known = Known { catalog, names, store_id: store_id.into() };
        let integrations = known.catalog.integrations();
        let (segment, webhook) = (&integrations.segment.outgoing, &integrations.webhook.outgoing);
        let segment = segment.is_enabled.then(|| Segment::new(segment, known.clone())).flatten();
        let webhook = webhook.is_enabled.then(|| Webhook::new(webhook, known.clone())).flatten();
        Setup {
            segment: segment.map(|it| Arc::new(it) as Arc<dyn Destination>),
            webhook: webhook.map(|it| Arc::new(it) as Arc<dyn Destination>),
            known,
        }
    }

    /// `None` where it is disabled.
    pub fn destination(&self, id: DestinationId) -> Option<Arc<dyn Destination>> {
        match id {
            DestinationId::Segment => self.segment.clone(),
            DestinationId::Webhook => self.webhook.clone(),
        }
    }

    /// What goes there; `None` where it is disabled.
    pub fn choice(&self, id: DestinationId) -> Option<Choice> {
        self.destination(id)?;
        let integrations = self.known.catalog.integrations();
        Some(match id {
            DestinationId::Segment => Choice::of_segment(&integrations.segment.outgoing),
            DestinationId::Webhook => Choice::of_webhook(&integrations.webhook.outgoing),
        })
    }

    /// Whether the destination's own settings are the same in another setup, whatever else of the catalog is not.
    pub fn same(&self, id: DestinationId, other: &Setup) -> bool {
        let (ours, theirs) = (self.known.catalog.integrations(), other.known.catalog.integrations());
        match id {
            DestinationId::Segment => ours.segment.outgoing == theirs.segment.outgoing,
            DestinationId::Webhook => ours.webhook.outgoing == theirs.webhook.outgoing,
        }
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }
}

#[cfg(test)]
mod tests;
