//! The names and key shapes of every table in the file, and the format version. Reads and writes nothing itself.

use redb::TableDefinition;

/// Raised when the version before could not read what this one writes. Format 1 had one frame in a tail and no count of them;
/// such tails are still read. Format 2 had no fields: it knows no dictionary of them, and would seal a block again without
/// removing what was kept of it.
pub(super) const FORMAT: u32 = 3;

/// `format`, `store_id`, `hash_key`, and `CATALOG_TIME` once the catalog was changed.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// When the catalog was changed last, in ms; each change has a later time than the one before.
pub(super) const CATALOG_TIME: &str = "catalog_time";
/// First sequence -> a tail: what one commit appended, not yet sealed.
pub(super) const TAILS: TableDefinition<u64, &[u8]> = TableDefinition::new("tails");
/// First sequence -> the compressed rows of a sealed block.
pub(super) const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks");
/// (First sequence, column set) -> numbers of a sealed block. Set 0 holds the columns that every block has; any other is the
/// number of a field, whose column is kept once a reader has worked it out.
pub(super) const COLUMNS: TableDefinition<(u64, u16), &[u8]> = TableDefinition::new("columns");
/// First sequence -> what a scan needs to know to skip a sealed block.
pub(super) const DIGESTS: TableDefinition<u64, &[u8]> = TableDefinition::new("digests");
/// (Dictionary, number) -> text.
pub(super) const TERMS: TableDefinition<(u8, u32), &str> = TableDefinition::new("terms");
/// (Hour, source, name) -> (events, sum of their values), of sealed blocks only; tails are added when read.
pub(super) const VOLUMES: TableDefinition<(i64, u8, u32), (u64, f64)> = TableDefinition::new("volumes");
/// (Hour, source, outcome, reason, name) -> events that were not stored.
pub(super) const TALLIES: TableDefinition<(i64, u8, u8, &str, &str), u64> = TableDefinition::new("tallies");
/// (Source, outcome, reason) -> the same, of all time.
pub(super) const TOTALS: TableDefinition<(u8, u8, &str), u64> = TableDefinition::new("totals");
/// Running number -> a refused event as JSON; bounded.
pub(super) const SAMPLES: TableDefinition<u64, &[u8]> = TableDefinition::new("samples");
/// (Kind, ID) -> a catalog item as JSON.
pub(super) const ITEMS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("items");
/// (Kind, ID, version) -> the item as it was.
pub(super) const HISTORY: TableDefinition<(&str, &str, u64), &[u8]> = TableDefinition::new("history");
/// Key ID -> the key as JSON, hashed unless it is a client key.
pub(super) const KEYS: TableDefinition<&str, &[u8]> = TableDefinition::new("keys");
/// Run -> what is known of a sorted run of fingerprints.
pub(super) const RUNS: TableDefinition<u64, &[u8]> = TableDefinition::new("runs");
/// (Run, part) -> sorted fingerprints, 16 bytes each.
pub(super) const RUN_KEYS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("run_keys");
/// (Run, part) -> a piece of the run's filter.
pub(super) const RUN_FILTERS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("run_filters");
/// (List, place) -> `+` or `-` and an ID: who entered a list and who left it. Only grows while the list is there.
pub(super) const LISTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("lists");
/// (List, the ID's hash, ID) -> nothing: who is in a list.
pub(super) const LIST_MEMBERS: TableDefinition<(u64, u64, &str), ()> = TableDefinition::new("list_members");
/// Name of a list -> (its number, the place at which its present file begins, that file's time, whether the list is over).
pub(super) const LIST_FILES: TableDefinition<&str, (u64, u64, i64, bool)> = TableDefinition::new("list_files");
/// Destination -> how far it has got (`CursorRow`). The row stays when the destination is switched off.
pub(super) const CURSORS: TableDefinition<&str, &[u8]> = TableDefinition::new("cursors");
/// (Destination, the event's sequence) -> a dead letter as JSON; bounded.
pub(super) const DEAD_LETTERS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("dead_letters");

/// Numbers of the dictionaries in `TERMS`.
pub(super) const NAMES: u8 = 1;
pub(super) const SUBJECTS: u8 = 2;
pub(super) const ENVIRONMENTS: u8 = 3;
pub(super) const ID_TYPES: u8 = 4;
pub(super) const FIELDS: u8 = 5;
