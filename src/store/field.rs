//! Columns of fields: a text that events of one name carry, as a number for each of a block's rows of that name. Derived
//! from the rows, and kept so that they are read for it once. Knows no file, and not where in an event a text stands.

use super::block::{Damage, Frame, Packer, fixed, pack_value, unpack_value};
use super::columns::Columns;
use super::picked::picked_rows;
use crate::event::{Field, Kind, Place, Source};
use hashbrown::HashMap;
use std::borrow::Cow;

/// Of so many fields the columns are kept. A store knows a field for ever, as it does a name; any further one is read from the
/// rows each time.
pub const FIELDS_KEPT: usize = 1000;

/// Finds the text of a place and key in an event: its source, its kind, its text and what its batch shared.
pub type Extract = for<'r> fn(Source, Kind, &'r str, Option<&'r str>, Place, &str) -> Option<Cow<'r, str>>;

/// The fields that a reader wants beside the columns.
pub struct Fields<'a> {
    pub wanted: &'a [Field],
    /// Reads a field of an event, where its column is not kept.
    pub extract: Extract,
    /// Takes columns that had to be worked out, a few at a time, to have them kept (`Change::KeepColumns`).
    pub keep: &'a mut dyn FnMut(Vec<NewColumn>),
}

/// A field of consecutive rows, as far as they have the field's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct FieldColumn {
    /// Each text once, in the order in which they occur.
    pub texts: Vec<String>,
    /// An entry for each row that has the field's name, in their order: 0 if the event has no such text, else the place of its
    /// text in `texts`, counted from 1.
    pub rows: Vec<u32>,
}

impl FieldColumn {
    /// The text of an entry of `rows`.
    pub fn text(&self, entry: u32) -> Option<&str> {
        let index = usize::try_from(entry).ok()?.checked_sub(1)?;
        self.texts.get(index).map(String::as_str)
    }

    /// Length of the text when inflated (u32), zstd frame, checksum: as the base columns.
    pub(super) fn encode(&self, packer: &mut Packer) -> std::io::Result<Vec<u8>> {
        let plain = bincode::encode_to_vec(self, fixed()).expect("writing to memory cannot fail");
        pack_value(&plain, packer)
    }

    /// Reads the column of a block that has so many rows of the field's name.
    pub(super) fn decode(bytes: &[u8], rows: usize, first: u64) -> Result<FieldColumn, Damage> {
        let damage = |why: &str| Damage { what: WHAT, first, why: why.to_owned() };
        let plain = unpack_value(bytes, WHAT, first)?;
        let (column, used): (FieldColumn, usize) =
            bincode::decode_from_slice(&plain, fixed()).map_err(|error| damage(&error.to_string()))?;
        if used != plain.len() {
            return Err(damage("bytes left over"));
        }
        if column.rows.len() != rows {
            return Err(damage("another number of rows than the block has of that name"));
        }
        if column.rows.iter().any(|&entry| entry as usize > column.texts.len()) {
            return Err(damage("a text that is not there"));
        }
        Ok(column)
    }
}

const WHAT: &str = "field";

/// A block's column of a field as a reader worked it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    pub(super) first: u64,
    /// Rows of the block: another number, and the block is another one.
    pub(super) rows: u64,
    pub(super) field: Field,
    pub(super) bytes: Vec<u8>,
}

impl NewColumn {
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// How much it weighs in memory, nearly.
    pub fn bytes(&self) -> usize {
        size_of::<NewColumn>() + self.field.key.len() + self.bytes.len()
    }
}

/// How many rows have a field's name.
pub(super) fn rows_named(columns: &Columns, field: &Field) -> usize {
    columns.name.iter().filter(|&&name| name == field.name.0).count()
}

/// Works fields out from the rows of a tail or block, all of them in one pass.
pub(super) fn work_out(
    fields: &[&Field],
    extract: Extract,
    columns: &Columns,
    lengths: &[u32],
    frames: &[Frame],
    first: u64,
) -> Result<Vec<FieldColumn>, Damage> {
    let mut by_name: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, field) in fields.iter().enumerate() {
        by_name.entry(field.name.0).or_default().push(at);
    }
    let mut building: Vec<Builder> = fields.iter().map(|_| Builder::default()).collect();
    let wanted = |row: usize| by_name.contains_key(&columns.name[row]);
    picked_rows(frames, lengths, first, wanted, |row, text| {
        let damage = |why: &str| Damage { what: "row", first: first + row as u64, why: why.to_owned() };
        let source = Source::from_code(columns.source[row]).ok_or_else(|| damage("unknown source"))?;
        let kind = Kind::from_code(columns.kind[row]).ok_or_else(|| damage("unknown kind"))?;
        for &at in by_name.get(&columns.name[row]).into_iter().flatten() {
            let Field { place, key, .. } = fields[at];
            building[at].push(extract(source, kind, text.raw, text.shared, *place, key));
        }
        Ok(())
    })?;
    Ok(building.into_iter().map(Builder::finish).collect())
}

/// A column in the making.
#[derive(Default)]
struct Builder {
    texts: HashMap<String, u32>,
    rows: Vec<u32>,
}

impl Builder {
    fn push(&mut self, text: Option<Cow<'_, str>>) {
        let entry = match text {
            None => 0,
            Some(text) => match self.texts.get(&*text) {
                Some(&known) => known,
                None => {
                    let new = self.texts.len() as u32 + 1;
                    self.texts.insert(text.into_owned(), new);
                    new
                }
            },
        };
        self.rows.push(entry);
    }

    fn finish(self) -> FieldColumn {
        let mut texts: Vec<(String, u32)> = self.texts.into_iter().collect();
        texts.sort_unstable_by_key(|(_, entry)| *entry);
        FieldColumn { texts: texts.into_iter().map(|(text, _)| text).collect(), rows: self.rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(texts: &[&str], rows: &[u32]) -> FieldColumn {
        FieldColumn { texts: texts.iter().map(|&text| text.to_owned()).collect(), rows: rows.to_vec() }
    }

    #[test]
    fn each_text_stands_once_in_the_order_in_which_it_came() {
        let mut builder = Builder::default();
        for text in [Some("b"), None, Some(""), Some("a"), Some("b"), Some("\u{1F98A}"), Some("")] {
            builder.push(text.map(Cow::Borrowed));
        }
        let column = builder.finish();
        assert_eq!(column, self::column(&["b", "", "a", "\u{1F98A}"], &[1, 0, 2, 3, 1, 4, 2]));
        let read: Vec<Option<&str>> = column.rows.iter().map(|&entry| column.text(entry)).collect();
        assert_eq!(read, [Some("b"), None, Some(""), Some("a"), Some("b"), Some("\u{1F98A}"), Some("")]);
        assert_eq!(column.text(5), None);
    }

    #[test]
    fn a_column_comes_back_as_it_was_and_no_damage_passes() {
        let mut packer = Packer::new(1).unwrap();
        let many: Vec<String> = (0..20_000).map(|n| format!("{n}.{n}")).collect();
        let many = FieldColumn { rows: (1..=20_000).collect(), texts: many };
        for column in [column(&[], &[]), column(&[], &[0, 0]), column(&["", "é\0"], &[2, 0, 1]), many] {
            let bytes = column.encode(&mut packer).unwrap();
            assert_eq!(FieldColumn::decode(&bytes, column.rows.len(), 7), Ok(column.clone()));
            let damage = FieldColumn::decode(&bytes, column.rows.len() + 1, 7).unwrap_err();
            assert_eq!((damage.what, damage.first), ("field", 7));
        }
        let bytes = column(&["a"], &[1]).encode(&mut packer).unwrap();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(FieldColumn::decode(&bad, 1, 0).is_err(), "byte {at}");
        }
        let beyond = column(&["a"], &[2]).encode(&mut packer).unwrap();
        assert!(FieldColumn::decode(&beyond, 1, 0).is_err(), "a number without a text");
    }
}
