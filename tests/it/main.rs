//! The integration tests: one binary, one module a subject. Each test asserts what a user would notice.

mod command_line;
mod commands;
mod contract;
mod export;
mod faults;
mod front_door;
mod house;
mod kill;
mod running;
