//! Out: events that arose here go on to destinations, one loop each, from a place in the log that moves only with what the
//! destination confirmed. Never changes the store but through the writer, and never sends back what came from Segment.

mod choice;
mod destination;
mod firsts;
mod known;
mod outward;
#[cfg(test)]
mod probe;
mod request;
mod segment;
mod setup;
mod webhook;

pub use choice::{Choice, Chosen};
pub use destination::{BatchLimits, Call, Destination, DestinationId, Unsendable};
pub use firsts::{FIRSTS_KEPT, Firsts};
pub use setup::Setup;
