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
    segment: Made,
    webhook: Made,
}

/// A destination that is enabled, or why nothing can be sent to it as it is set; `None` where it is disabled.
type Made = Option<Result<Arc<dyn Destination>, String>>;

/// Nothing that the checks of the catalog let through ends here.
const CANNOT_STAND: &str = "the address or the key cannot stand in a request; set others";

impl Setup {
    /// `names` leads back from the hashes of this catalog's names; `store_id` says whose events go out.
    pub fn new(catalog: Arc<Catalog>, names: Arc<HashedNames>, store_id: &str) -> Setup {
        let known = Known { catalog, names, store_id: store_id.into() };
        let integrations = known.catalog.integrations();
        let (segment, webhook) = (&integrations.segment.outgoing, &integrations.webhook.outgoing);
        let made = |is_enabled: bool, id: &str, make: &dyn Fn() -> Option<Arc<dyn Destination>>| {
            is_enabled.then(|| match known.catalog.mistake_in_integration(id) {
                Some(mistake) => Err(mistake.to_string()),
                None => make().ok_or_else(|| CANNOT_STAND.to_owned()),
            })
        };
        let segment =
            made(segment.is_enabled, "segment.outgoing", &|| Some(Arc::new(Segment::new(segment, known.clone())?)));
        let webhook =
            made(webhook.is_enabled, "webhook.outgoing", &|| Some(Arc::new(Webhook::new(webhook, known.clone())?)));
        Setup { segment, webhook, known }
    }

    fn made(&self, id: DestinationId) -> &Made {
        match id {
            DestinationId::Segment => &self.segment,
            DestinationId::Webhook => &self.webhook,
        }
    }

    /// `None` where it is disabled, or cannot be sent to.
    pub fn destination(&self, id: DestinationId) -> Option<Arc<dyn Destination>> {
        self.made(id).as_ref()?.as_ref().ok().cloned()
    }

    /// Why nothing can be sent to a destination that is enabled.
    pub fn problem(&self, id: DestinationId) -> Option<&str> {
        self.made(id).as_ref()?.as_ref().err().map(String::as_str)
    }

    /// What goes there; `None` where it is disabled.
    pub fn choice(&self, id: DestinationId) -> Option<Choice> {
        self.made(id).as_ref()?;
        let integrations = self.known.catalog.integrations();
        Some(match id {
            DestinationId::Segment => Choice::new(id, integrations.segment.outgoing.chosen()),
            DestinationId::Webhook => Choice::new(id, integrations.webhook.outgoing.chosen()),
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
