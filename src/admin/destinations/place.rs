//! When a destination has a place in the log: from the change of the catalog that enables it, written in the same transaction, to
//! the one that disables it. What it is sent begins with that transaction's own events.

use crate::catalog::Catalog;
use crate::export::DestinationId;
use crate::store::{DocumentChange, ExportChange, ReadError, Store};
use crate::writer::Handle;

pub fn is_enabled(catalog: &Catalog, id: DestinationId) -> bool {
    let all = catalog.integrations();
    match id {
        DestinationId::Segment => all.segment.outgoing.is_enabled,
        DestinationId::Webhook => all.webhook.outgoing.is_enabled,
    }
}

/// What a change of the catalog does to destinations' places.
pub fn changes(before: &Catalog, after: &Catalog) -> Vec<DocumentChange> {
    let of = |id| match (is_enabled(before, id), is_enabled(after, id)) {
        (false, true) => Some(begin(id)),
        (true, false) => Some(end(id)),
        _ => None,
    };
    DestinationId::ALL.into_iter().filter_map(of).collect()
}

/// Gives every enabled destination its place in a store that was written before there were places, and takes it from those that
/// are disabled.
pub fn complete(catalog: &Catalog, store: &Store, writer: &Handle) -> Result<(), ReadError> {
    let snapshot = store.snapshot()?;
    let mut changes = Vec::new();
    for id in DestinationId::ALL {
        match (is_enabled(catalog, id), snapshot.cursor(id.as_str())?.is_some()) {
            (true, false) => changes.push(begin(id)),
            (false, true) => changes.push(end(id)),
            _ => {}
        }
    }
    drop(snapshot);
    if !changes.is_empty()
        && let Err(error) = writer.change(changes, None)
    {
        // Nothing is sent until the next start; everything else works.
        tracing::error!(%error, "destinations could not be given their places");
    }
    Ok(())
}

fn begin(id: DestinationId) -> DocumentChange {
    DocumentChange::Export(ExportChange::Begin { destination: id.as_str().to_owned() })
}

fn end(id: DestinationId) -> DocumentChange {
    DocumentChange::Export(ExportChange::End { destination: id.as_str().to_owned() })
}
