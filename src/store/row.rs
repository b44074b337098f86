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
        // Field by field in the derived form's order, which a test holds fast: a list of units made only to be written would
        // cost each event an allocation.
        put(event.message_id.as_ref(), into);
        put(event.units.len() as u64, into);
        for unit in &event.units {
            put((unit.id_type.0, unit.id.as_ref()), into);
        }
        put(event.shared.as_deref(), into);
        put(event.raw.as_ref(), into);
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

fn put(value: impl bincode::Encode, into: &mut Vec<u8>) {
    bincode::encode_into_std_write(value, into, CONFIG).expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Source, Timestamp, Unit};

    #[test]
    fn a_row_is_written_as_it_is_read() {
        for units in [0, 1, 300] {
            let event = Event {
                source: Source::Segment,
                kind: Kind::Track,
                name: "n".into(),
                message_id: "m\u{1F98A}".into(),
                time: Timestamp(0),
                received: Timestamp(0),
                environment: "production".into(),
                units: (0..units).map(|n| Unit { id_type: TermId(n * 1000), id: format!("u{n}").into() }).collect(),
                value: None,
                subject: None,
                raw: "{}".into(),
                shared: (units == 1).then(|| "{\"context\":{}}".into()),
            };
            let mut bytes = Vec::new();
            RowText::encode(&event, &mut bytes);
            let row = RowText::decode(&bytes).unwrap();
            assert_eq!(bytes, bincode::encode_to_vec(&row, CONFIG).unwrap());
            assert_eq!(
                (row.message_id, row.raw, row.shared),
                (&*event.message_id, &*event.raw, event.shared.as_deref())
            );
            assert!(row.units().eq(event.units.iter().map(|unit| (unit.id_type, unit.id.as_ref()))));
        }
    }
}
