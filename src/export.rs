//! Out: events that arose here go on to destinations, one loop each, from a place in the log that moves only with what the
//! destination confirmed. Never changes the store but through the writer, and never sends back what came from Segment.

mod destination;

pub use destination::{BatchLimits, Call, Destination, DestinationId, Unsendable};
