//! A release: the specs of one catalog at the time of its last change, from which every answer is given. Immutable; each
//! change of the catalog makes another.

use super::download::Download;
use super::{specs_v1, specs_v2};
use crate::catalog::Catalog;
use crate::evaluate::Specs;
use crate::event::Timestamp;
use std::sync::OnceLock;

/// The specs of one catalog.
#[derive(Debug)]
pub struct Release {
    /// By which SDKs know whether they have it. Later than that of every release before, and never 0, which is what SDKs say
    /// that have none.
    pub time: Timestamp,
    pub specs: Specs,
    v1: OnceLock<Download>,
    v2: OnceLock<Download>,
}

impl Release {
    /// Compiles a catalog that was changed last at `time`, which is at least 1.
    pub fn new(catalog: &Catalog, time: Timestamp) -> Release {
        Release { time, specs: Specs::compile(catalog), v1: OnceLock::new(), v2: OnceLock::new() }
    }

    /// For the older SDKs; written when it is asked for first.
    pub fn v1(&self) -> &Download {
        self.v1.get_or_init(|| Download::new(specs_v1::write(&self.specs, self.time.0)))
    }

    /// For the SDKs that share one core; written when it is asked for first.
    pub fn v2(&self) -> &Download {
        self.v2.get_or_init(|| Download::new(specs_v2::write(&self.specs, self.time.0)))
    }

    /// Whether an SDK that has what was current at `since` has this release.
    pub fn is_known_since(&self, since: f64) -> bool {
        since >= self.time.0 as f64
    }
}
