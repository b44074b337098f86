//! What the task of a destination is to do, by its cursor, its settings and what was ordered. Sends nothing.

use super::{Orders, Place, Runner, blocking};
use crate::export::batch::Batch;
use crate::store::{Cursor, ReadError};

impl Runner {
    /// What a person or a change of settings asks for; reads the cursor if something may have changed.
    pub(super) async fn obey(&mut self) -> Orders {
        if *self.stop.borrow() {
            return Orders::Stop;
        }
        if !self.bell.has_changed().unwrap_or(true) {
            return Orders::GoOn;
        }
        self.bell.mark_unchanged();
        let revision = self.desk.revision();
        let cursor = loop {
            match self.cursor().await {
                Ok(cursor) => break cursor,
                Err(error) => self.cannot_read(&error).await,
            }
            if *self.stop.borrow() {
                return Orders::Stop;
            }
        };
        let Some(cursor) = cursor.filter(|_| self.desk.reader.destination().is_some()) else {
            self.place = None;
            return Orders::Rest;
        };
        let before = self.place.filter(|place| place.generation == cursor.generation);
        let position = before.map_or(cursor.position, |place| place.position.max(cursor.position));
        let is_same = before.is_some_and(|place| place.position == position) && self.revision == revision;
        if before.is_none_or(|place| place.position != position) {
            let told = before.map_or(position, |place| place.told.max(cursor.position));
            self.place = Some(Place { generation: cursor.generation, position, told });
            let mut shown = self.desk.board.shown();
            shown.lag.restart(cursor.generation, position);
            shown.oldest = None;
        }
        self.revision = revision;
        if !is_same {
            self.refused_in_a_row = 0;
        }
        match (cursor.pause.is_some(), is_same) {
            (true, _) => {
                // What is in hand when it is resumed is gathered anew.
                self.revision = revision.wrapping_sub(1);
                Orders::Rest
            }
            (false, true) => Orders::GoOn,
            (false, false) => Orders::Anew,
        }
    }

    async fn cursor(&self) -> Result<Option<Cursor>, ReadError> {
        let (store, id) = (self.inner.store.clone(), self.desk.id);
        blocking(move || store.snapshot()?.cursor(id.as_str())).await
    }

    /// A batch of dead letters that were ordered to be sent again.
    pub(super) async fn ordered_letters(&mut self) -> Option<Batch> {
        let ordered: Vec<u64> = {
            let letters = self.desk.letters();
            let most = self.desk.reader.destination()?.limits().events;
            letters.iter().copied().take(most).collect()
        };
        if ordered.is_empty() {
            return None;
        }
        let desk = self.desk.clone();
        match blocking(move || desk.reader.gather_letters(&ordered)).await {
            Ok(batch) => batch,
            Err(error) => {
                self.cannot_read(&error).await;
                None
            }
        }
    }
}
