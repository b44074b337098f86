//! The exporter against a destination that answers as a test tells it to.

mod client;
mod sink;
