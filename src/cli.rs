//! The roof: what a person types. Parses the command line, runs one command, turns its outcome into an exit code. Every
//! command is one file below; none of them knows another.

mod client;
mod deliver;
mod demo;
#[cfg(test)]
mod fake_server;
mod import;
mod place;
mod progress;
