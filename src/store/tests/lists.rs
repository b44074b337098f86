//! ID lists in the store: lines, members and files, on disk and in memory, against a plain set of IDs.

use super::{HOUR, event};
use crate::evaluate::{IdLists, ListId};
use crate::event::Timestamp;
use crate::store::tables::{CURSORS, DEAD_LETTERS, LIST_FILES, LIST_MEMBERS, LISTS};
use crate::store::*;
use proptest::prelude::*;
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{ReadableDatabase, ReadableTableMetadata, StorageBackend};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(HOUR);
/// Two IDs whose SHA-256 begin with the same 48 bits.
const ALIKE: [&str; 2] = ["ebd6c5692292", "239496131799"];

struct House {
    directory: TempDir,
    limits: ListLimits,
    store: Store,
    appender: Appender,
}

impl House {
    fn new(limits: ListLimits) -> House {
        let directory = tempfile::tempdir().unwrap();
        let (store, appender) = open(directory.path().join("weir.redb"), limits).unwrap();
        House { directory, limits, store, appender }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("weir.redb")
    }

    fn reopen(self) -> House {
        let House { directory, limits, store, appender } = self;
        drop((store, appender));
        let (store, appender) = open(directory.path().join("weir.redb"), limits).unwrap();
        House { directory, limits, store, appender }
    }

    fn change_at(&mut self, change: ListChange, now: Timestamp) -> Applied {
        let change = Change::Documents(vec![DocumentChange::List(change)]);
        self.appender.commit(vec![change], now).unwrap()[0]
    }

    fn change(&mut self, change: ListChange) -> Applied {
        self.change_at(change, NOW)
    }

    fn begin(&mut self, list: &str) {
        self.change(ListChange::Begin { list: list.into() });
    }

    fn members(&mut self, list: &str, add: &[&str], remove: &[&str]) -> Applied {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        self.change(ListChange::Members { list: list.into(), add: owned(add), remove: owned(remove) })
    }

    fn list(&self, list: &str) -> Arc<List> {
        self.store.lists().get(list).expect("the list is there")
    }

    fn file(&self, list: &str) -> String {
        text(&self.list(list))
    }

    fn listed(&self, list: &str) -> Option<BTreeSet<String>> {
        let ids = self.store.snapshot().unwrap().list_members(list, 0, usize::MAX).unwrap();
        ids.map(|ids| ids.into_iter().collect())
    }

    fn problems(&self) -> Vec<String> {
        self.store.snapshot().unwrap().check().unwrap().problems
    }

    /// Rows of lines and of members.
    fn rows(&self) -> (u64, u64) {
        let reading = self.store.shared.db.begin_read().unwrap();
        (reading.open_table(LISTS).unwrap().len().unwrap(), reading.open_table(LIST_MEMBERS).unwrap().len().unwrap())
    }
}

fn open(path: PathBuf, lists: ListLimits) -> Result<(Store, Appender), OpenError> {
    Store::open(&path, Options { lists, ..super::options() }, [7; 32])
}

fn text(list: &List) -> String {
    list.bytes(0..list.size()).iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
}

fn line(operation: char, id: &str) -> String {
    use base64::Engine;
    use sha2::Digest;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(id));
    format!("{operation}{}\n", &hash[..8])
}

fn lines(lines: &[(char, &str)]) -> String {
    lines.iter().map(|(operation, id)| line(*operation, id)).collect()
}

fn contains(store: &Store, list: &str, id: &str) -> bool {
    store.lists().contains(list, ListId::of(id).as_str())
}

#[test]
fn who_enters_and_leaves_makes_a_line_and_all_of_it_survives_reopening() {
    let mut house = House::new(ListLimits::default());
    house.begin("vips");
    assert_eq!((house.file("vips"), house.list("vips").count()), (String::new(), 0));
    house.members("vips", &["a", "b", "a"], &["c"]);
    house.members("vips", &["b"], &["a"]);
    house.members("vips", &["a", "ü\n+"], &[]);
    // A list that is there already does not begin again, and one that is not there takes nobody.
    house.begin("vips");
    house.members("others", &["a"], &[]);
    let expected = lines(&[('+', "a"), ('+', "b"), ('-', "a"), ('+', "a"), ('+', "ü\n+")]);
    let file = house.list("vips").file_id().to_owned();
    assert!(file.len() == 32 && file.bytes().all(|byte| byte.is_ascii_hexdigit()), "{file}");
    for _ in 0..2 {
        assert_eq!(house.file("vips"), expected);
        let list = house.list("vips");
        assert_eq!((list.count(), list.created(), list.file_id()), (3, NOW, file.as_str()));
        assert!(["a", "b", "ü\n+"].iter().all(|id| contains(&house.store, "vips", id)));
        assert!(!contains(&house.store, "vips", "c") && !contains(&house.store, "others", "a"));
        assert_eq!(house.listed("vips"), Some(["a", "b", "ü\n+"].map(str::to_owned).into()));
        assert_eq!(house.listed("others"), None);
        assert_eq!(house.problems(), Vec::<String>::new());
        assert_eq!(house.store.snapshot().unwrap().check().unwrap().members, 3);
        house = house.reopen();
    }
    house.members("vips", &["d"], &[]);
    assert_eq!(house.file("vips"), expected + &line('+', "d"));
    // A page at a time, each ID once.
    let snapshot = house.store.snapshot().unwrap();
    let pages: Vec<Vec<String>> =
        (0..3).map(|page| snapshot.list_members("vips", 2 * page, 2).unwrap().unwrap()).collect();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 0]);
    assert_eq!(pages.concat().into_iter().collect::<BTreeSet<_>>(), house.listed("vips").unwrap());
}

#[test]
fn an_event_changes_a_list_if_it_is_stored_and_only_then() {
    let mut house = House::new(ListLimits::default());
    house.begin("vips");
    let list: Arc<str> = "vips".into();
    let submit = |house: &mut House, events: &[(u64, &str, bool)]| {
        let mut batch = house.store.new_batch();
        for (number, id, is_member) in events {
            batch.push(&event(*number));
            batch.enlist(&list, id, *is_member);
        }
        // One without an effect on lists stands between.
        batch.push(&event(999));
        house.appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], NOW).unwrap()[0]
    };
    let applied = submit(&mut house, &[(1, "a", true), (2, "b", true), (1, "a", false)]);
    assert_eq!((applied.stored, applied.duplicates), (3, 1));
    assert_eq!(house.file("vips"), lines(&[('+', "a"), ('+', "b")]));
    // Sent again, it changes nothing, although its unit left meanwhile.
    house.members("vips", &[], &["a"]);
    assert_eq!(submit(&mut house, &[(1, "a", true)]).stored, 0);
    submit(&mut house, &[(3, "b", false), (4, "c", true)]);
    let expected = lines(&[('+', "a"), ('+', "b"), ('-', "a"), ('-', "b"), ('+', "c")]);
    assert_eq!(house.file("vips"), expected);
    assert_eq!(house.reopen().file("vips"), expected);
}

#[test]
fn of_two_ids_that_share_a_hash_one_can_leave_without_the_other() {
    let mut house = House::new(ListLimits::default());
    house.begin("vips");
    assert_eq!(line('+', ALIKE[0]), line('+', ALIKE[1]));
    house.members("vips", &ALIKE, &[]);
    assert_eq!(house.list("vips").count(), 2);
    house.members("vips", &[], &[ALIKE[0]]);
    // Whoever knows hashes only is told at once that one of them is still there.
    let expected = lines(&[('+', ALIKE[0]), ('+', ALIKE[1]), ('-', ALIKE[0]), ('+', ALIKE[1])]);
    for _ in 0..2 {
        assert_eq!((house.file("vips"), house.list("vips").count()), (expected.clone(), 1));
        assert!(contains(&house.store, "vips", ALIKE[1]));
        assert_eq!(house.listed("vips"), Some([ALIKE[1].to_owned()].into()));
        assert_eq!(house.problems(), Vec::<String>::new());
        house = house.reopen();
    }
    house.members("vips", &[], &[ALIKE[1]]);
    assert_eq!(house.file("vips"), expected + &line('-', ALIKE[1]));
    assert!(!contains(&house.store, "vips", ALIKE[1]));
}

#[test]
fn a_full_list_takes_nobody_and_the_rest_goes_on() {
    let mut house = House::new(ListLimits { members: 3, members_in_all: 5, ..ListLimits::default() });
    for list in ["one", "two", "three"] {
        house.begin(list);
    }
    assert_eq!(house.members("one", &["a", "b", "c"], &[]).unlisted, 0);
    assert_eq!(house.members("one", &["d", "a", "e"], &[]).unlisted, 2, "a is in already");
    assert_eq!(house.members("one", &["d"], &["a"]).unlisted, 0, "who leaves makes room");
    assert_eq!(house.members("two", &["a", "b", "c"], &[]).unlisted, 1, "two are left for all lists");
    // An event whose unit finds no room is stored all the same.
    let mut batch = house.store.new_batch();
    batch.push(&event(1));
    batch.enlist(&"three".into(), "a", true);
    let applied = house.appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], NOW).unwrap()[0];
    assert_eq!((applied.stored, applied.unlisted), (1, 1));
    let counts = |house: &House| ["one", "two", "three"].map(|list| house.list(list).count());
    assert_eq!(counts(&house), [3, 2, 0]);
    let mut house = house.reopen();
    assert_eq!((counts(&house), house.store.lists().count()), ([3, 2, 0], 5));
    assert_eq!(house.members("three", &["a"], &[]).unlisted, 1);
    house.change(ListChange::End { list: "one".into() });
    assert_eq!(house.members("three", &["a", "b", "c"], &[]).unlisted, 0);
    assert_eq!(house.problems(), Vec::<String>::new());
}

#[test]
fn members_who_come_and_go_do_not_make_a_file_long_for_ever() {
    let limits = ListLimits { lines_a_member: 2, spare_lines: 4, ..ListLimits::default() };
    let mut house = House::new(limits);
    house.begin("vips");
    house.members("vips", &["a", "b", "c"], &[]);
    let first = house.list("vips");
    for _ in 0..3 {
        house.members("vips", &[], &["a"]);
        house.members("vips", &["a"], &[]);
    }
    // Ten lines are not reached while there are three members; nine are no more than is allowed.
    assert_eq!((house.file("vips").len(), house.list("vips").file_id()), (90, first.file_id()));
    house.members("vips", &[], &["a"]);
    let mut anew = [line('+', "b"), line('+', "c")];
    anew.sort();
    assert_eq!(house.file("vips"), anew.concat());
    let second = house.list("vips");
    assert_ne!(second.file_id(), first.file_id());
    assert!(second.created() > first.created(), "SDKs read the new file from its beginning");
    assert!(house.store.lists().by_file(first.file_id()).is_none());
    house.members("vips", &["d"], &["b"]);
    let expected = anew.concat() + &lines(&[('-', "b"), ('+', "d")]);
    for _ in 0..2 {
        assert_eq!((house.file("vips"), house.list("vips").file_id()), (expected.clone(), second.file_id()));
        assert_eq!(house.listed("vips"), Some(["c", "d"].map(str::to_owned).into()));
        assert_eq!(house.problems(), Vec::<String>::new());
        house = house.reopen();
    }
}

#[test]
fn a_list_that_begins_again_has_another_file_of_a_later_time() {
    let mut house = House::new(ListLimits::default());
    house.begin("vips");
    house.begin("others");
    let ids: Vec<String> = (0..1500).map(|number| format!("user-{number}")).collect();
    house.change(ListChange::Members { list: "vips".into(), add: ids.clone(), remove: Vec::new() });
    house.members("others", &["a"], &[]);
    let first = house.list("vips");
    house.change(ListChange::End { list: "vips".into() });
    assert!(house.store.lists().get("vips").is_none() && house.store.lists().by_file(first.file_id()).is_none());
    assert_eq!((house.listed("vips"), contains(&house.store, "vips", "user-1")), (None, false));
    // What is left of it goes little by little, with whatever is committed, also after a restart.
    let (lines, members) = house.rows();
    assert!(lines + members > 2 && lines + members <= 3002 - 2000, "{lines} {members}");
    let mut house = house.reopen();
    // The clock may even have been set back.
    house.change_at(ListChange::Begin { list: "vips".into() }, Timestamp(5));
    let second = house.list("vips");
    assert_eq!((second.size(), second.count()), (0, 0));
    assert!(second.created() > first.created() && second.file_id() != first.file_id());
    house.members("vips", &["user-1"], &[]);
    assert_eq!(house.rows(), (2, 2));
    let house = house.reopen();
    assert_eq!(house.file("vips"), line('+', "user-1"));
    assert_eq!((house.list("vips").created(), house.file("others")), (second.created(), line('+', "a")));
    assert_eq!(house.problems(), Vec::<String>::new());
}

#[test]
fn a_file_of_before_there_were_lists_opens_and_takes_them() {
    let mut house = House::new(ListLimits::default());
    let mut batch = house.store.new_batch();
    batch.push(&event(1));
    house.appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], NOW).unwrap();
    {
        let transaction = house.store.shared.db.begin_write().unwrap();
        transaction.delete_table(LISTS).unwrap();
        transaction.delete_table(LIST_MEMBERS).unwrap();
        transaction.delete_table(LIST_FILES).unwrap();
        transaction.delete_table(CURSORS).unwrap();
        transaction.delete_table(DEAD_LETTERS).unwrap();
        transaction.commit().unwrap();
    }
    let mut house = house.reopen();
    assert_eq!(house.store.next_sequence().0, 1);
    house.begin("vips");
    house.members("vips", &["a"], &[]);
    assert_eq!(house.file("vips"), line('+', "a"));
    assert_eq!(house.problems(), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_list_is_told() {
    let damaged = |damage: &dyn Fn(&redb::WriteTransaction)| {
        let mut house = House::new(ListLimits::default());
        house.begin("vips");
        house.members("vips", &["a", "b"], &[]);
        house.members("vips", &[], &["a"]);
        let transaction = house.store.shared.db.begin_write().unwrap();
        damage(&transaction);
        transaction.commit().unwrap();
        house
    };
    let told = |damage: &dyn Fn(&redb::WriteTransaction)| damaged(damage).problems();
    let put = |place: u64, line: &'static [u8]| {
        move |transaction: &redb::WriteTransaction| {
            transaction.open_table(LISTS).unwrap().insert((0, place), line).unwrap();
        }
    };
    assert_eq!(told(&|_| {}), Vec::<String>::new());
    let problems = told(&|transaction| {
        let hash = crate::store::lists::IdHash::of("b").0;
        transaction.open_table(LIST_MEMBERS).unwrap().remove((0, hash, "b")).unwrap();
    });
    assert_eq!(problems, [r#"ID list "vips": its 0 members are not the 1 of its lines"#]);
    let problems = told(&put(3, b"-a"));
    assert_eq!(problems, [r#"ID list "vips": line 3 about "a" changes nothing"#]);
    let problems = told(&put(3, b"+b"));
    assert_eq!(problems, [r#"ID list "vips": line 3 about "b" changes nothing"#]);
    let problems = told(&|transaction| {
        transaction.open_table(LIST_FILES).unwrap().insert("vips", (0, 4, HOUR, false)).unwrap();
    });
    assert_eq!(problems, [r#"ID list "vips": its file begins after its last line"#]);
    let problems = told(&|transaction| {
        transaction.open_table(LIST_FILES).unwrap().insert("zz", (0, 0, HOUR, true)).unwrap();
    });
    assert_eq!(problems, [r#"ID list "zz": another list has its number"#]);
    // What cannot be read at all keeps the store from opening, because SDKs would be told nonsense.
    for (damage, why) in [
        (put(4, b"+c"), "lines 3 to 4 are missing"),
        (put(1, b"?b"), "line 1 neither adds nor removes"),
        (put(1, b""), "line 1 neither adds nor removes"),
        (put(1, b"+\xff"), "line 1 is not UTF-8"),
    ] {
        let house = damaged(&damage);
        assert!(house.problems()[0].contains(why), "{:?}", house.problems());
        let (path, limits) = (house.path(), house.limits);
        let House { directory, store, appender, .. } = house;
        drop((store, appender));
        let error = open(path, limits).err().expect("it does not open").to_string();
        assert!(error.contains(why), "{error}");
        drop(directory);
    }
}

/// A disk in memory that counts what is written to it.
#[derive(Debug)]
struct Counting {
    disk: InMemoryBackend,
    written: Arc<AtomicU64>,
}

impl StorageBackend for Counting {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.disk.write(offset, data)
    }
}

/// IDs of the large list; `WEIR_LIST_IDS=1000000` takes most of a minute in a build for tests.
fn many() -> u64 {
    std::env::var("WEIR_LIST_IDS").ok().and_then(|ids| ids.parse().ok()).unwrap_or(100_000)
}

#[test]
fn one_more_id_writes_as_much_into_a_large_list_as_into_a_small_one() {
    let written = Arc::new(AtomicU64::new(0));
    let disk = Counting { disk: InMemoryBackend::new(), written: written.clone() };
    let (store, mut appender) = Store::open_on(disk, super::options(), [7; 32]).unwrap();
    let mut change = |change: ListChange| {
        let before = written.load(Ordering::Relaxed);
        appender.commit(vec![Change::Documents(vec![DocumentChange::List(change)])], NOW).unwrap();
        written.load(Ordering::Relaxed) - before
    };
    let ids = |from: u64, to: u64| (from..to).map(|number| format!("user-{number}")).collect::<Vec<_>>();
    let add = |add: Vec<String>| ListChange::Members { list: "vips".into(), add, remove: Vec::new() };
    change(ListChange::Begin { list: "vips".into() });
    let bytes = |size: u64, change: &mut dyn FnMut(ListChange) -> u64| {
        let had = store.lists().get("vips").unwrap().count();
        for from in (had..size).step_by(100_000) {
            change(add(ids(from, size.min(from + 100_000))));
        }
        // The largest of several: a page may just have been full.
        (0..8).map(|more| change(add(vec![format!("more-{size}-{more}")]))).max().unwrap()
    };
    let small = bytes(1_000, &mut change);
    let large = bytes(many(), &mut change);
    assert!(store.lists().get("vips").unwrap().count() >= many());
    // A tree a thousand times as large is at most two levels deeper, in each of the two tables.
    assert!(large <= small + 2 * 2 * 2 * 4096 && large < 200_000, "{small} bytes became {large}");
}

#[derive(Debug, Clone)]
enum Step {
    Members { list: usize, add: Vec<u8>, remove: Vec<u8> },
    Event { list: usize, id: u8, is_member: bool },
    Again,
    Reopen,
    BeginAgain { list: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let list = 0..2usize;
    let ids = || proptest::collection::vec(0..12u8, 0..6);
    let step = prop_oneof![
        4 => (list.clone(), ids(), ids()).prop_map(|(list, add, remove)| Step::Members { list, add, remove }),
        4 => (list.clone(), 0..12u8, any::<bool>()).prop_map(|(list, id, is_member)| Step::Event { list, id, is_member }),
        1 => Just(Step::Again),
        1 => Just(Step::Reopen),
        1 => list.prop_map(|list| Step::BeginAgain { list }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Some of the names share a hash.
fn named(id: u8) -> String {
    ALIKE.get(usize::from(id)).map_or_else(|| format!("user-{id}"), |id| (*id).to_owned())
}

/// What an SDK that reads a file from its beginning takes for the members.
fn read_as_sdks_do(file: &str) -> BTreeSet<String> {
    let mut members = BTreeSet::new();
    for line in file.lines() {
        let (operation, hash) = line.split_at(1);
        match operation {
            "+" => members.insert(hash.to_owned()),
            _ => members.remove(hash),
        };
    }
    members
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_a_set_of_ids_whatever_is_done_to_it(steps in steps()) {
        let limits = ListLimits { lines_a_member: 2, spare_lines: 12, ..ListLimits::default() };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weir.redb");
        // Without waiting for a disk: this is about what is stored, not about power cuts.
        let disk = || {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
            Unsynced(FileBackend::new(file).unwrap())
        };
        let options = Options { lists: limits, ..super::options() };
        let (mut store, mut appender) = Store::open_on(disk(), options, [7; 32]).unwrap();
        let names = ["one", "two"];
        for list in names {
            let begin = DocumentChange::List(ListChange::Begin { list: list.into() });
            appender.commit(vec![Change::Documents(vec![begin])], NOW).unwrap();
        }
        let mut sets = [BTreeSet::new(), BTreeSet::new()];
        let mut sent = 0;
        for step in steps {
            match step {
                Step::Members { list, add, remove } => {
                    sets[list].retain(|id| !remove.iter().any(|gone| named(*gone) == *id));
                    sets[list].extend(add.iter().map(|id| named(*id)));
                    let all = |ids: Vec<u8>| ids.into_iter().map(named).collect();
                    let change = ListChange::Members { list: names[list].into(), add: all(add), remove: all(remove) };
                    appender.commit(vec![Change::Documents(vec![DocumentChange::List(change)])], NOW).unwrap();
                }
                Step::Event { list, id, is_member } => {
                    let mut batch = store.new_batch();
                    batch.push(&event(sent));
                    batch.enlist(&names[list].into(), &named(id), is_member);
                    appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], NOW).unwrap();
                    if is_member { sets[list].insert(named(id)) } else { sets[list].remove(&named(id)) };
                    sent += 1;
                }
                Step::Again if sent > 0 => {
                    let mut batch = store.new_batch();
                    batch.push(&event(sent - 1));
                    batch.enlist(&names[0].into(), "nobody", true);
                    appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], NOW).unwrap();
                }
                Step::Again => {}
                Step::Reopen => {
                    let before = names.map(|list| store.lists().get(list).map(|list| (list.file_id().to_owned(), text(&list))));
                    drop((store, appender));
                    (store, appender) = Store::open_on(disk(), options, [7; 32]).unwrap();
                    let after = names.map(|list| store.lists().get(list).map(|list| (list.file_id().to_owned(), text(&list))));
                    prop_assert_eq!(before, after);
                }
                Step::BeginAgain { list } => {
                    let end = DocumentChange::List(ListChange::End { list: names[list].into() });
                    let begin = DocumentChange::List(ListChange::Begin { list: names[list].into() });
                    appender.commit(vec![Change::Documents(vec![end, begin])], NOW).unwrap();
                    sets[list].clear();
                }
            }
            for (list, set) in names.iter().zip(&sets) {
                let found = store.lists().get(list).unwrap();
                prop_assert_eq!(found.count(), set.len() as u64);
                let hashes: BTreeSet<String> = set.iter().map(|id| line('+', id)[1..9].to_owned()).collect();
                let file = text(&found);
                prop_assert_eq!(read_as_sdks_do(&file), hashes.clone());
                let bound = limits.lines_a_member * set.len() as u64 + limits.spare_lines;
                prop_assert!(file.len() as u64 <= 10 * bound, "{} bytes", file.len());
                prop_assert!((0..12).all(|id| contains(&store, list, &named(id)) == hashes.contains(&line('+', &named(id))[1..9])));
                let ids = store.snapshot().unwrap().list_members(list, 0, usize::MAX).unwrap().unwrap();
                prop_assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), set.clone());
            }
            prop_assert_eq!(store.lists().count(), appender.list_members());
        }
        prop_assert_eq!(store.snapshot().unwrap().check().unwrap().problems, Vec::<String>::new());
    }
}

/// A file that is never synced.
#[derive(Debug)]
struct Unsynced(FileBackend);

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
