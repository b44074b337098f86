//! What Statsig's SDKs ask a server for: the two downloads of specs, the answer to `initialize`, single gates, configs and
//! layers, and the exposures that these answers are. Pure: knows no HTTP, no store, no clock, and who may ask is not its affair.

mod answer;
mod asked;
mod custom_exposure;
mod document;
mod download;
mod exposure;
mod initialize;
mod release;
mod specs_v1;
mod specs_v2;

pub use answer::{Answer, check_gate, get_config, get_layer};
pub use asked::{AskError, Asked, GATES_PER_CALL, USER_BYTES};
pub use custom_exposure::custom_exposures;
pub use download::Download;
pub use initialize::initialize;
pub use release::Release;

#[cfg(test)]
mod tests;
