//! A row's text: what a tail and a block store of one event beside its numbers. The only place that knows bincode's form of it.

use crate::event::{Event, TermId};
use bincode::config::{Configuration, standard};

const CONFIG: Configuration = standard();

/// The text of one stored event. Borrows from the block it was read from.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::BorrowDecode)]
pub(super) struct RowText<'a> {
    pub message_id: &'a str,
    /// ID type and ID, in the order of the event's units.
    pub units: Vec<(u32, &'a str)>,
    pub shared: Option<&'a str>,
    pub raw: &'a str,
}

impl<'a> RowText<'a> {
    pub fn encode(event: &Event<'_>, into: &mut Vec<u8>) {
        let row = RowText {
            message_id: &event.message_id,
            units: event.units.iter().map(|unit| (unit.id_type.0, unit.id.as_ref())).collect(),
            shared: event.shared.as_deref(),
            raw: &event.raw,
        };
        bincode::encode_into_std_write(row, into, CONFIG).expect("writing to memory cannot fail");
    }

    /// Reads one row, which takes up all of the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<RowText<'a>, bincode::error::DecodeError> {
        let (row, used) = bincode::borrow_decode_from_slice(bytes, CONFIG)?;
        match used == bytes.len() {
            true => Ok(row),
            false => Err(bincode::error::DecodeError::Other("bytes left over")),
        }
    }

    pub fn units(&self) -> impl Iterator<Item = (TermId, &'a str)> + '_ {
        self.units.iter().map(|&(id_type, id)| (TermId(id_type), id))
    }
}
