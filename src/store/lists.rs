//! ID lists as readers see them: the bytes that SDKs download, and the hashes by which a unit is found in a list. Lives in
//! memory and is changed by the appender alone, after the commit that holds the change; touches no file.
//!
//! One more line costs the same whatever the list holds: ten bytes at the end of its last piece and one entry of a set. Only
//! beginning or ending a list replaces the table of lists, which readers hold without a lock.

use crate::evaluate::{IdLists, ListId};
use crate::event::Timestamp;
use arc_swap::ArcSwap;
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of a line: an operation, eight characters, an end.
pub const LINE_BYTES: usize = 10;
/// Lines of a full piece of a file. Readers share full pieces and copy what is behind them.
const PIECE_LINES: usize = 6400;
const PIECE_BYTES: usize = PIECE_LINES * LINE_BYTES;
/// Parts of a set, each behind a lock of its own: what one writer holds up is a part, and no part grows large.
const SHARDS: usize = 64;

/// How large ID lists may become. A member takes ten bytes in its list's file and up to eighteen in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Members of one list.
    pub members: u64,
    /// Members of all lists together.
    pub members_in_all: u64,
    /// A file that has more lines than this for each member, and `spare_lines` besides, begins anew with one for each: members
    /// who come and go must not fill the memory.
    pub lines_a_member: u64,
    pub spare_lines: u64,
}

impl Default for ListLimits {
    fn default() -> Self {
        ListLimits { members: 2_000_000, members_in_all: 5_000_000, lines_a_member: 4, spare_lines: 20_000 }
    }
}

/// A hash as a number, for the table's key and the choice of a shard.
pub(super) fn key_of(hash: ListId) -> u64 {
    hash.as_str().bytes().fold(0, |number, byte| number << 8 | u64::from(byte))
}

/// One line of a list's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub hash: ListId,
    /// Whether the ID is in the list from here on.
    pub is_member: bool,
}

impl Line {
    fn bytes(self) -> [u8; LINE_BYTES] {
        let mut bytes = [b'\n'; LINE_BYTES];
        bytes[0] = if self.is_member { b'+' } else { b'-' };
        bytes[1..9].copy_from_slice(self.hash.as_str().as_bytes());
        bytes
    }
}

/// The lines of a file: full pieces, which never change, and the last one.
#[derive(Debug, Default)]
struct File {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl File {
    fn len(&self) -> usize {
        self.full.len() * PIECE_BYTES + self.last.len()
    }

    fn push(&mut self, line: Line) {
        self.last.extend_from_slice(&line.bytes());
        if self.last.len() == PIECE_BYTES {
            self.full.push(std::mem::take(&mut self.last).into());
        }
    }

    fn pieces(&self, range: Range<usize>) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let (index, from) = (at / PIECE_BYTES, at % PIECE_BYTES);
            let to = (from + range.end - at).min(PIECE_BYTES);
            pieces.push(match self.full.get(index) {
                Some(piece) => piece.slice(from..to),
                None => Bytes::copy_from_slice(&self.last[from..to]),
            });
            at += to - from;
        }
        pieces
    }
}

/// Who is in a list, by hash.
#[derive(Debug)]
struct Members {
    shards: [RwLock<HashSet<ListId>>; SHARDS],
    count: AtomicU64,
}

impl Members {
    fn new() -> Members {
        Members { shards: std::array::from_fn(|_| RwLock::default()), count: AtomicU64::new(0) }
    }

    fn shard(&self, hash: ListId) -> &RwLock<HashSet<ListId>> {
        // The characters are few and not even; Fibonacci hashing spreads them.
        &self.shards[(key_of(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SHARDS]
    }

    fn contains(&self, hash: ListId) -> bool {
        // A set is whole after each of its calls, so a panic elsewhere leaves nothing half done.
        self.shard(hash).read().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }

    fn take(&self, line: Line) {
        let mut shard = self.shard(line.hash).write().unwrap_or_else(PoisonError::into_inner);
        if line.is_member {
            shard.insert(line.hash);
        } else {
            shard.remove(&line.hash);
        }
    }

    /// In the order of the hashes: a file that begins anew must be the same after each start.
    fn sorted(&self) -> Vec<ListId> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.read().unwrap_or_else(PoisonError::into_inner).iter().copied());
        }
        all.sort_unstable();
        all
    }
}

/// One ID list. What it holds grows and shrinks while it is read.
///
/// SDKs know an ID by 48 bits, and two IDs can share them; a list of a million has such a pair with a probability of 0.2 %. A
/// list that has one of the two has the other too in the eyes of every SDK, until the last of them is gone.
#[derive(Debug)]
pub struct List {
    id: String,
    file_id: String,
    created: Timestamp,
    file: RwLock<File>,
    members: Arc<Members>,
}

impl List {
    pub(super) fn new(id: &str, file_id: String, created: Timestamp) -> List {
        List { id: id.to_owned(), file_id, created, file: RwLock::default(), members: Arc::new(Members::new()) }
    }

    /// The segment's ID, by which conditions name the list.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// 32 hexadecimal digits that nobody can guess: whoever knows them may read the file. SDKs forget what they read of a list
    /// when its file has another ID.
    pub fn file_id(&self) -> &str {
        &self.file_id
    }

    /// When the file was begun; later than that of any earlier file of a list of this name.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Bytes of the file. It only grows, by whole lines.
    pub fn size(&self) -> usize {
        self.file.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A part of the file in pieces that are not empty. The range must lie within the size.
    pub fn bytes(&self, range: Range<usize>) -> Vec<Bytes> {
        self.file.read().unwrap_or_else(PoisonError::into_inner).pieces(range)
    }

    /// IDs in the list.
    pub fn count(&self) -> u64 {
        self.members.count.load(Ordering::Relaxed)
    }

    pub fn contains(&self, unit: ListId) -> bool {
        self.members.contains(unit)
    }

    pub(super) fn take(&self, lines: &[Line], count: u64) {
        lines.iter().for_each(|&line| self.members.take(line));
        self.members.count.store(count, Ordering::Relaxed);
        let mut file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        lines.iter().for_each(|&line| file.push(line));
    }

    /// The same list with a new file that has one line for each member.
    pub(super) fn begun_anew(&self, file_id: String, created: Timestamp) -> List {
        let mut file = File::default();
        self.members.sorted().into_iter().for_each(|hash| file.push(Line { hash, is_member: true }));
        List { id: self.id.clone(), file_id, created, file: RwLock::new(file), members: self.members.clone() }
    }
}

/// One step of what a commit did to the lists.
pub(super) enum Step {
    Begin(List),
    End { list: String },
    Lines { list: String, lines: Vec<Line>, count: u64 },
    BeginAnew { list: String, file_id: String, created: Timestamp },
}

#[derive(Debug, Clone, Default)]
struct Table {
    by_id: HashMap<String, Arc<List>>,
    by_file: HashMap<String, Arc<List>>,
}

impl Table {
    fn insert(&mut self, list: List) {
        let list = Arc::new(list);
        self.remove(&list.id);
        self.by_file.insert(list.file_id.clone(), list.clone());
        self.by_id.insert(list.id.clone(), list);
    }

    fn remove(&mut self, id: &str) {
        if let Some(old) = self.by_id.remove(id) {
            self.by_file.remove(&old.file_id);
        }
    }
}

/// All ID lists as of the last commit.
#[derive(Debug, Default)]
pub struct Lists {
    table: ArcSwap<Table>,
    limits: ListLimits,
}

impl Lists {
    pub(super) fn new(lists: Vec<List>, limits: ListLimits) -> Lists {
        let mut table = Table::default();
        lists.into_iter().for_each(|list| table.insert(list));
        Lists { table: ArcSwap::from_pointee(table), limits }
    }

    pub fn limits(&self) -> &ListLimits {
        &self.limits
    }

    pub fn get(&self, id: &str) -> Option<Arc<List>> {
        self.table.load().by_id.get(id).cloned()
    }

    pub fn by_file(&self, file_id: &str) -> Option<Arc<List>> {
        self.table.load().by_file.get(file_id).cloned()
    }

    /// In the order of their IDs.
    pub fn all(&self) -> Vec<Arc<List>> {
        let mut all: Vec<Arc<List>> = self.table.load().by_id.values().cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// IDs in all lists.
    pub fn count(&self) -> u64 {
        self.table.load().by_id.values().map(|list| list.count()).sum()
    }

    /// Shows readers what a commit did, once it is on disk.
    pub(super) fn publish(&self, steps: Vec<Step>) {
        for step in steps {
            let Step::Lines { list, lines, count } = step else {
                let mut table = Table::clone(&self.table.load());
                match step {
                    Step::Begin(list) => table.insert(list),
                    Step::End { list } => table.remove(&list),
                    Step::BeginAnew { list, file_id, created } => {
                        if let Some(list) = self.get(&list) {
                            table.insert(list.begun_anew(file_id, created));
                        }
                    }
                    Step::Lines { .. } => {}
                }
                self.table.store(Arc::new(table));
                continue;
            };
            if let Some(list) = self.get(&list) {
                list.take(&lines, count);
            }
        }
    }
}

impl IdLists for Lists {
    fn contains(&self, list: &str, unit: &ListId) -> bool {
        self.table.load().by_id.get(list).is_some_and(|list| list.contains(*unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(list: &List, range: Range<usize>) -> String {
        list.bytes(range).iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
    }

    fn join(id: u64) -> Line {
        Line { hash: ListId::of(&format!("user-{id}")), is_member: true }
    }

    #[test]
    fn any_part_of_a_file_can_be_read_across_its_pieces() {
        let list = List::new("vips", "f".into(), Timestamp(1));
        let lines: Vec<Line> = (0..2 * PIECE_LINES as u64 + 3).map(join).collect();
        list.take(&lines, lines.len() as u64);
        let whole: String = lines.iter().map(|line| String::from_utf8(line.bytes().to_vec()).unwrap()).collect();
        assert_eq!((list.size(), list.count()), (whole.len(), lines.len() as u64));
        for range in [
            0..whole.len(),
            0..0,
            whole.len()..whole.len(),
            5..PIECE_BYTES,
            PIECE_BYTES - 1..PIECE_BYTES + 1,
            PIECE_BYTES..2 * PIECE_BYTES,
            2 * PIECE_BYTES - 7..whole.len() - 1,
            whole.len() - 10..whole.len(),
        ] {
            assert_eq!(text(&list, range.clone()), whole[range.clone()], "{range:?}");
        }
    }

    #[test]
    fn one_more_line_leaves_what_is_there_where_it_is() {
        let list = List::new("vips", "f".into(), Timestamp(1));
        let lines: Vec<Line> = (0..1_000_000).map(join).collect();
        list.take(&lines, 1_000_000);
        let places = |list: &List| -> Vec<*const u8> {
            let whole = list.size() / PIECE_BYTES * PIECE_BYTES;
            list.bytes(0..whole).iter().map(|piece| piece.as_ptr()).collect()
        };
        let before = places(&list);
        assert_eq!(before.len(), 1_000_000 / PIECE_LINES);
        list.take(&[join(1_000_000)], 1_000_001);
        assert_eq!(list.size(), 10_000_010);
        assert!(list.contains(join(1_000_000).hash) && !list.contains(join(1_000_001).hash));
        // A reader shares the pieces; none was copied or moved for the new line.
        assert_eq!(places(&list), before);
        let largest = list.members.shards.iter().map(|shard| shard.read().unwrap().len()).max().unwrap();
        assert!(largest < 2 * 1_000_000 / SHARDS, "a part of the set is {largest} large");
    }

    #[test]
    fn a_list_that_begins_anew_has_one_line_for_each_member() {
        let lists = Lists::default();
        lists.publish(vec![
            Step::Begin(List::new("vips", "f1".into(), Timestamp(1))),
            Step::Lines { list: "vips".into(), lines: vec![join(1), join(2), join(3)], count: 3 },
            Step::Lines { list: "vips".into(), lines: vec![Line { is_member: false, ..join(2) }], count: 2 },
        ]);
        let old = lists.by_file("f1").unwrap();
        assert_eq!(old.size(), 4 * LINE_BYTES);
        lists.publish(vec![Step::BeginAnew { list: "vips".into(), file_id: "f2".into(), created: Timestamp(2) }]);
        let new = lists.get("vips").unwrap();
        assert_eq!((new.file_id(), new.size(), new.count(), new.created()), ("f2", 2 * LINE_BYTES, 2, Timestamp(2)));
        assert!(lists.by_file("f1").is_none());
        let mut expected = [join(1), join(3)];
        expected.sort_by_key(|line| line.hash);
        let expected: String = expected.iter().map(|line| String::from_utf8(line.bytes().to_vec()).unwrap()).collect();
        assert_eq!(text(&new, 0..new.size()), expected);
        lists.publish(vec![Step::End { list: "vips".into() }]);
        assert!(lists.get("vips").is_none() && lists.by_file("f2").is_none() && lists.all().is_empty());
        assert!(!lists.contains("vips", &join(1).hash));
    }
}
