//! Destinations: when each has a place in the log.

mod place;

pub(super) use place::{changes, complete};

#[cfg(test)]
mod tests;
