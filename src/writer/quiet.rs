//! Notices when the stream has gone quiet. Only tells how long to wait and whether there is something to settle.

use std::time::Duration;

/// When nothing at all happens the writer still looks up now and then, for jobs to retry.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Quiet {
    after: Duration,
    dirty: bool,
}

impl Quiet {
    pub fn new(after: Duration) -> Quiet {
        Quiet { after, dirty: false }
    }

    /// Something was committed.
    pub fn touched(&mut self) {
        self.dirty = true;
    }

    /// How long to wait for the next command.
    pub fn wait(&self) -> Duration {
        if self.dirty { self.after } else { IDLE.max(self.after) }
    }

    /// Whether anything was committed since it was last settled.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub fn settled(&mut self) {
        self.dirty = false;
    }
}
