//! The store: one redb file with the log and everything kept beside it. The only room that names redb and bincode.
//! Never knows a wire format; nobody but `writer` changes it.

mod batch;
mod columns;
mod fingerprint;
#[cfg(test)]
mod probe;
mod row;
mod terms;

pub use batch::{Batch, RejectedSample, Submission};
pub use columns::{Columns, Numbers, Tally, UnitColumn};
#[cfg(test)]
pub use probe::Pushed;
pub use terms::{Dictionary, Terms};
