//! Which part of a file is confirmed while pieces of it arrive in any order: everything before the first piece that is
//! still on its way. Writes the state file now and then.

use super::state::State;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the state file is written.
const SAVE_EVERY: Duration = Duration::from_millis(500);

struct Begun {
    end: u64,
    lines: u64,
    bad: u64,
    on_their_way: usize,
}

/// The confirmed beginning of one file, and the pieces after it.
pub struct Confirmed {
    file: PathBuf,
    /// `None` for standard input, which cannot be read again.
    state: Option<State>,
    end: u64,
    lines: u64,
    bad: u64,
    first: u64,
    begun: VecDeque<Begun>,
    saved: Instant,
}

impl Confirmed {
    pub fn starting(file: &Path, state: Option<State>) -> Confirmed {
        let (end, lines, bad) = state.as_ref().map_or((0, 0, 0), |state| (state.end, state.lines, state.bad));
        let file = file.to_owned();
        Confirmed { file, state, end, lines, bad, first: 0, begun: VecDeque::new(), saved: Instant::now() }
    }

    /// Bytes of text that are confirmed.
    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bad lines among them.
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// A piece goes on its way in so many parcels; tells its number.
    pub fn begin(&mut self, end: u64, lines: u64, bad: u64, parcels: usize) -> u64 {
        self.begun.push_back(Begun { end, lines, bad, on_their_way: parcels });
        self.advance();
        self.first + self.begun.len() as u64 - 1
    }

    /// One parcel of a piece is stored, except for so many rejected events.
    pub fn delivered(&mut self, piece: u64, rejected: u64) -> io::Result<()> {
        let place = piece.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(begun) = place.and_then(|place| self.begun.get_mut(place)) {
            begun.bad += rejected;
            begun.on_their_way -= 1;
        }
        self.advance();
        if self.saved.elapsed() >= SAVE_EVERY { self.save() } else { Ok(()) }
    }

    pub fn save(&mut self) -> io::Result<()> {
        self.saved = Instant::now();
        let Some(state) = &mut self.state else { return Ok(()) };
        (state.end, state.lines, state.bad) = (self.end, self.lines, self.bad);
        state.save(&self.file)
    }

    fn advance(&mut self) {
        while self.begun.front().is_some_and(|begun| begun.on_their_way == 0)
            && let Some(done) = self.begun.pop_front()
        {
            self.first += 1;
            self.end = done.end;
            self.lines += done.lines;
            self.bad += done.bad;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_before_the_first_gap_is_confirmed() {
        let mut confirmed = Confirmed::starting(Path::new("-"), None);
        let a = confirmed.begin(10, 1, 0, 1);
        let b = confirmed.begin(20, 1, 0, 2);
        let c = confirmed.begin(30, 1, 1, 1);
        confirmed.delivered(c, 2).unwrap();
        confirmed.delivered(b, 0).unwrap();
        assert_eq!((confirmed.end(), confirmed.lines(), confirmed.bad()), (0, 0, 0));
        confirmed.delivered(a, 0).unwrap();
        assert_eq!((confirmed.end(), confirmed.lines(), confirmed.bad()), (10, 1, 0));
        confirmed.delivered(b, 0).unwrap();
        assert_eq!((confirmed.end(), confirmed.lines(), confirmed.bad()), (30, 3, 3));
        confirmed.begin(40, 5, 5, 0);
        assert_eq!((confirmed.end(), confirmed.lines(), confirmed.bad()), (40, 8, 8), "nothing of it had to be sent");
    }
}
