//! The exporter against a destination that answers as a test tells it to.

mod client;
mod delivery;
mod faults;
mod house;
mod orders;
mod sending;
mod sink;
