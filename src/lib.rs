//! Weir: one binary that stands in a product's event stream and measures it. This file is the map.
//!
//! A room is `name.rs` (its door: what others may use) with its furniture in the private folder `name/`. A room imports
//! only from the floors below it; `tests/it/house.rs` reads the sources and fails on an arrow that runs up or sideways.
//!
//! Invariants that hold everywhere:
//! - An event is acknowledged only after the commit that holds it is on disk.
//! - Every event that arrives ends in exactly one count: stored, duplicate, filtered, or rejected with a reason.
//! - Only `writer` changes the store; only `store` names redb and bincode; only `clock` reads the wall clock.
//! - `Event` and `Report` know no wire format; wire structs stay in the file that speaks that wire.

// Floor 0: words and arithmetic, no I/O, no async.
pub mod clock;
pub mod event;
pub mod meters;
pub mod stats;
// Floor 1: what we were told.
pub mod catalog;
// Floor 2: deciding.
pub mod evaluate;
// Floor 3: the only room that names redb.
pub mod store;
// Floor 4: the one who writes, the one who concludes.
pub mod results;
pub mod writer;
// Floor 5: in, and what is served.
pub mod ingest;
pub mod sdk;
// Floor 6: out.
pub mod export;
// Floor 7: what people and programs may ask and do.
pub mod admin;
// Floor 8: the front door.
pub mod http;
// Floor 9: how the house is set up.
pub mod config;
// Floor 10: the house itself.
pub mod server;
// Floor 11: the roof.
pub mod cli;
