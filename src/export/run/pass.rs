//! What has become certain: counted, shown, and handed to the ledger. Decides nothing.

use super::{COMMIT_ROWS, Runner};
use crate::event::Sequence;
use crate::export::batch::{Batch, Purpose};
use crate::export::board::Instruments;
use crate::export::deliver::Progress;

impl Runner {
    /// Has written down what is certain, of the cursor as it was in a generation.
    pub(super) fn pass(&mut self, generation: u64, purpose: Purpose, progress: Progress) {
        // A move by hand meanwhile counts, and not what was on its way.
        let place = self.place.as_mut().filter(|place| place.generation == generation);
        let is_further = match (progress.to, &place) {
            (Some(to), Some(place)) => to > place.told,
            _ => false,
        };
        let is_news = progress.forwarded > 0 || !progress.letters.is_empty() || !progress.settled.is_empty();
        if !is_further && !is_news {
            return;
        }
        let instruments = Instruments::of(self.desk.id, &self.inner.meters);
        instruments.forwarded.add(progress.forwarded);
        let settled = progress.settled.iter().map(|sequence| sequence.0);
        match purpose {
            Purpose::Batch => {
                let letters = progress.letters.len() as u64;
                instruments.dead_letter.add(letters);
                if let (Some(to), Some(place)) = (progress.to, place) {
                    place.position = place.position.max(to);
                    place.told = place.position;
                }
            }
            _ => {
                let mut ordered = self.desk.letters();
                for sequence in settled.chain(progress.letters.iter().map(|letter| letter.sequence)) {
                    ordered.remove(&sequence);
                }
            }
        }
        self.ledger.pass(generation, progress);
    }

    /// Passes over rows of which none is to be sent. Kept in memory until it is worth a commit.
    pub(super) fn skip_over(&mut self, batch: &Batch) {
        self.filtered += batch.filtered;
        self.instruments().filtered.add(batch.filtered);
        self.reach(batch.to);
    }

    /// Passes over what the gathering under way has found empty.
    pub(super) fn skim(&mut self) {
        self.reach(self.next.empty_to());
    }

    fn reach(&mut self, to: Sequence) {
        let Some(place) = &mut self.place else { return };
        if to <= place.position {
            return;
        }
        place.position = to;
        self.ledger.reach(place.generation, to);
        if to.0 - place.told.0 >= COMMIT_ROWS {
            place.told = to;
            self.ledger.pass(place.generation, Progress { to: Some(to), ..Progress::default() });
        }
    }
}
