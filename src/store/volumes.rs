//! Volumes: events and their values per hour, source and name. A view of the log; kept for sealed blocks, added up for tails.

use super::columns::Columns;
use std::collections::BTreeMap;

/// (Hour since the epoch, source, name) -> (events, sum of their values).
pub type Volumes = BTreeMap<(i64, u8, u32), (u64, f64)>;

/// The volumes of some rows, by the time the events happened.
pub(super) fn volumes_of(columns: &Columns) -> Volumes {
    let mut volumes = Volumes::new();
    add_volumes(&mut volumes, columns);
    volumes
}

pub(super) fn add_volumes(volumes: &mut Volumes, columns: &Columns) {
    for row in 0..columns.len() {
        let key = (columns.time[row].div_euclid(3_600_000), columns.source[row], columns.name[row]);
        let entry = volumes.entry(key).or_default();
        entry.0 += 1;
        let value = columns.value[row];
        if !value.is_nan() {
            entry.1 += value;
        }
    }
}
