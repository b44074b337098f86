//! How many events are still to be sent to a destination: counted from columns when somebody asks, each row once, less what
//! was passed meanwhile. Knows no destination.

use crate::event::Sequence;

/// See the module.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Lag {
    /// Raised whenever what was counted counts no more.
    epoch: u64,
    /// The cursor's.
    generation: u64,
    /// How far the destination has got.
    position: u64,
    /// How far was counted.
    to: u64,
    /// Events to be sent, from where counting began up to `to`.
    counted: u64,
    /// Of those, settled.
    passed: u64,
}

/// Where counting goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counting {
    epoch: u64,
    pub from: Sequence,
}

impl Lag {
    pub fn position(&self) -> Sequence {
        Sequence(self.position)
    }

    /// The destination is at another place: all is to be counted anew.
    pub fn restart(&mut self, generation: u64, position: Sequence) {
        let (position, epoch) = (position.0, self.epoch + 1);
        *self = Lag { epoch, generation, position, to: position, counted: 0, passed: 0 };
    }

    /// Other events are to be sent.
    pub fn recount(&mut self) {
        self.restart(self.generation, Sequence(self.position));
    }

    /// A cursor on disk may know more: its task does not run, or has not looked yet. One that was read before the task went
    /// on does not.
    pub fn learn(&mut self, generation: u64, position: Sequence) {
        if generation > self.generation || (generation == self.generation && position.0 > self.position) {
            self.restart(generation, position);
        }
    }

    /// The destination has got further, over so many events that were to be sent.
    pub fn pass(&mut self, generation: u64, position: Sequence, events: u64) {
        // A cursor that was read just after it was written knows that already, and counting has begun behind these events.
        if generation != self.generation || position.0 <= self.position {
            return;
        }
        self.position = position.0;
        self.passed += events;
    }

    /// Begins to count what was not counted yet.
    pub fn count(&mut self) -> Counting {
        if self.to <= self.position {
            (self.to, self.counted, self.passed) = (self.position, 0, 0);
        }
        Counting { epoch: self.epoch, from: Sequence(self.to) }
    }

    /// So many events are to be sent from there up to `end`; `None` where that counts no more.
    pub fn counted(&mut self, counting: Counting, events: u64, end: Sequence) -> Option<u64> {
        if counting.epoch != self.epoch || counting.from.0 != self.to {
            return None;
        }
        (self.to, self.counted) = (end.0.max(self.to), self.counted + events);
        Some(if self.position >= self.to { 0 } else { self.counted.saturating_sub(self.passed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_counted_once_and_what_is_passed_is_subtracted() {
        let mut lag = Lag::default();
        lag.restart(0, Sequence(100));
        let counting = lag.count();
        assert_eq!(counting.from, Sequence(100));
        // Something is passed while the rows are counted.
        lag.pass(0, Sequence(110), 5);
        assert_eq!(lag.counted(counting, 50, Sequence(200)), Some(45));
        let counting = lag.count();
        assert_eq!(counting.from, Sequence(200), "only what is new");
        assert_eq!(lag.counted(counting, 10, Sequence(230)), Some(55));
        lag.pass(0, Sequence(230), 55);
        let counting = lag.count();
        assert_eq!((counting.from, lag.counted(counting, 0, Sequence(230))), (Sequence(230), Some(0)));
    }

    #[test]
    fn what_the_cursor_on_disk_has_told_is_not_subtracted_again() {
        let mut lag = Lag::default();
        lag.restart(0, Sequence(0));
        lag.learn(0, Sequence(100));
        let counting = lag.count();
        assert_eq!(lag.counted(counting, 300, Sequence(400)), Some(300));
        lag.pass(0, Sequence(99), 99);
        lag.pass(0, Sequence(100), 1);
        let counting = lag.count();
        assert_eq!(lag.counted(counting, 0, Sequence(400)), Some(300));
    }

    #[test]
    fn what_was_counted_before_a_move_does_not_count() {
        let mut lag = Lag::default();
        let counting = lag.count();
        lag.restart(1, Sequence(0));
        assert_eq!(lag.counted(counting, 7, Sequence(9)), None);
        lag.pass(0, Sequence(900), 20);
        lag.learn(0, Sequence(900));
        assert_eq!(lag.position(), Sequence(0), "nor what was on its way then");
        lag.pass(1, Sequence(500), 20);
        let counting = lag.count();
        assert_eq!((counting.from, lag.counted(counting, 3, Sequence(510))), (Sequence(500), Some(3)));
    }
}
