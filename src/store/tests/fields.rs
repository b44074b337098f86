//! Columns of fields: worked out once, kept, gone when their block is sealed again, and noticed when they are damaged.

use super::*;
use crate::event::{Field, Place, TermId};
use std::borrow::Cow;
use std::ops::ControlFlow;

const NAMES: u64 = 3;

/// What event `number` says under a key of its text: nothing, empty text, one of few, and one of its own.
fn said(number: u64, key: &str) -> Option<String> {
    match (key, number % 5) {
        ("few", 0) | ("own", 1) => None,
        ("few", 1) => Some(String::new()),
        ("few", _) => Some(format!("naïve \u{1F98A} {}", number % 4)),
        ("own", _) => Some(format!("{number}.50")),
        _ => None,
    }
}

fn telling(number: u64) -> Event<'static> {
    let mut raw = serde_json::Map::new();
    raw.insert("noise".into(), format!("{:x}", u128::from(number + 1).wrapping_mul(u128::MAX / 7_654_321)).into());
    for key in ["few", "own"] {
        if let Some(text) = said(number, key) {
            raw.insert(key.into(), text.into());
        }
    }
    Event {
        name: format!("segment::Event {}", number % NAMES).into(),
        raw: serde_json::to_string(&raw).unwrap().into(),
        shared: number.is_multiple_of(2).then(|| "shared".into()),
        ..event(number)
    }
}

fn read<'r>(
    _: Source,
    _: Kind,
    raw: &'r str,
    shared: Option<&'r str>,
    place: Place,
    key: &str,
) -> Option<Cow<'r, str>> {
    if place == Place::Sdk {
        return shared.map(Cow::Borrowed);
    }
    let value: serde_json::Value = serde_json::from_str(raw).unwrap();
    value.get(key).and_then(|text| text.as_str()).map(|text| Cow::Owned(text.to_owned()))
}

fn anew<'r>(_: Source, _: Kind, _: &'r str, _: Option<&'r str>, _: Place, _: &str) -> Option<Cow<'r, str>> {
    Some("anew".into())
}

/// A field's text for each row of its name.
type Texts = Vec<Option<String>>;

/// What a scan gave: for each block or tail its first sequence, its rows and the texts of each field; and what was to be kept.
#[derive(Default)]
struct Seen {
    parts: Vec<(u64, usize, Vec<Texts>)>,
    batches: Vec<Vec<NewColumn>>,
}

impl Seen {
    /// All texts of a field, in order.
    fn texts(&self, field: usize) -> Texts {
        self.parts.iter().flat_map(|(_, _, fields)| fields[field].iter().cloned()).collect()
    }

    fn new_columns(self) -> Vec<NewColumn> {
        self.batches.into_iter().flatten().collect()
    }
}

impl House {
    fn tell(&mut self, numbers: std::ops::Range<u64>) {
        append_events(self, numbers.map(telling));
    }

    fn field(&self, name: u64, place: Place, key: &str) -> Field {
        let name = self.store.terms().names.find(&format!("segment::Event {name}")).unwrap_or(TermId(9999));
        Field { name, place, key: key.into() }
    }

    fn try_scan(&self, from: u64, fields: &[Field], extract: Extract) -> Result<Seen, ReadError> {
        let mut seen = Seen::default();
        let fields = Fields { wanted: fields, extract, keep: &mut |columns| seen.batches.push(columns) };
        let each = &mut |first: Sequence, columns: &Columns, found: &[FieldColumn]| {
            let text = |column: &FieldColumn| -> Texts {
                column.rows.iter().map(|&entry| column.text(entry).map(str::to_owned)).collect()
            };
            seen.parts.push((first.0, columns.len(), found.iter().map(text).collect()));
            ControlFlow::Continue(())
        };
        self.store.snapshot().unwrap().scan_columns_from(Sequence(from), &mut |_| true, fields, each)?;
        Ok(seen)
    }

    fn scan(&self, fields: &[Field], extract: Extract) -> Seen {
        self.try_scan(0, fields, extract).unwrap()
    }

    fn keep(&mut self, columns: Vec<NewColumn>) {
        self.appender.commit(vec![Change::KeepColumns(columns)], Timestamp(HOUR)).unwrap();
    }

    fn kept(&self) -> u64 {
        self.sound().field_columns
    }

    /// Changes the file behind the store's back.
    fn tamper(&self, change: impl FnOnce(&mut redb::Table<'_, (u64, u16), &'static [u8]>)) {
        let transaction = self.store.shared.db.begin_write().unwrap();
        change(&mut transaction.open_table(tables::COLUMNS).unwrap());
        transaction.commit().unwrap();
    }
}

fn expected(numbers: std::ops::Range<u64>, name: u64, key: &str) -> Texts {
    numbers.filter(|number| number % NAMES == name).map(|number| said(number, key)).collect()
}

#[test]
fn a_field_is_read_from_the_rows_once_and_from_its_column_ever_after() {
    let mut house = House::new();
    (0..30).for_each(|round| house.tell(round * 100..round * 100 + 100));
    house.settle();
    let sealed = house.store.snapshot().unwrap().sealed().0;
    house.tell(3000..3050);
    let fields = [
        house.field(1, Place::Metadata, "few"),
        house.field(2, Place::User, "own"),
        house.field(2, Place::Metadata, "nowhere"),
        house.field(0, Place::Sdk, ""),
        house.field(99, Place::Metadata, "few"),
    ];
    let check = |seen: &Seen, sealed: u64| {
        let of = |name, key| {
            let tail = expected(sealed..3050, name, key).len();
            let anew = if sealed < 3050 { vec![Some("anew".to_owned()); tail] } else { Vec::new() };
            [expected(0..sealed, name, key), anew].concat()
        };
        assert_eq!(seen.texts(0), of(1, "few"));
        assert_eq!(seen.texts(1), of(2, "own"));
        assert_eq!(seen.texts(2), of(2, "nowhere"));
        assert_eq!(seen.texts(3)[..3], [Some("shared".to_owned()), None, Some("shared".to_owned())]);
        assert_eq!(seen.texts(4), Vec::<Option<String>>::new(), "no row has that name");
    };
    let seen = house.scan(&fields, read);
    check(&seen, 3050);
    let blocks = house.store.snapshot().unwrap().digests().unwrap().len();
    assert!(blocks > 3);
    let new = seen.new_columns();
    assert_eq!(new.len(), blocks * 4, "of each block, and of no tail");
    assert_eq!(house.kept(), 0, "a reader changes nothing");
    house.keep(new);
    for _ in 0..2 {
        assert_eq!(house.kept(), blocks as u64 * 4);
        let seen = house.scan(&fields, anew);
        check(&seen, sealed);
        assert!(seen.batches.is_empty(), "nothing was worked out of what is kept");
        house = house.reopen();
    }
    assert_eq!(house.store.terms().fields.len(), 4);
    // Blocks that come later are worked out when somebody asks, and only they.
    (31..60).for_each(|round| house.tell(round * 100..round * 100 + 100));
    house.settle();
    let seen = house.scan(&fields[..1], read);
    let later = expected(3100..6000, 1, "few");
    assert_eq!(seen.texts(0), [expected(0..3050, 1, "few"), later].concat());
    let all = house.store.snapshot().unwrap().digests().unwrap().len();
    let new = seen.new_columns();
    assert!(!new.is_empty() && new.len() <= all - blocks + 1, "{} of {all} blocks", new.len());
    house.keep(new);
    assert!(house.scan(&fields[..1], read).batches.is_empty());
}

#[test]
fn what_was_kept_of_a_block_goes_when_it_is_sealed_again() {
    let mut house = House::new();
    for number in 0..4 {
        house.tell(number * 3..number * 3 + 3);
    }
    house.settle();
    let fields = [house.field(0, Place::Metadata, "own"), house.field(1, Place::Metadata, "own")];
    let early = house.scan(&fields, read).new_columns();
    house.keep(early.clone());
    assert_eq!(house.kept(), 2);
    for number in 4..8 {
        house.tell(number * 3..number * 3 + 3);
    }
    house.settle();
    let digests = house.store.snapshot().unwrap().digests().unwrap();
    assert_eq!((digests.len(), digests[0].1.rows), (1, 24), "the block was joined");
    assert_eq!(house.kept(), 0);
    // Who had read the block as it was comes too late.
    house.keep(early.clone());
    assert_eq!(house.kept(), 0);
    let seen = house.scan(&fields, read);
    assert_eq!(seen.texts(1), expected(0..24, 1, "own"));
    let late = seen.new_columns();
    house.keep([late, early].concat());
    assert_eq!(house.kept(), 2);
    assert_eq!(house.scan(&fields, anew).texts(0), expected(0..24, 0, "own"));
    let nowhere =
        NewColumn { first: 5, ..house.scan(&[house.field(2, Place::User, "x")], read).new_columns().remove(0) };
    house.keep(vec![nowhere]);
    assert_eq!(house.kept(), 2, "there is no such block");
}

#[test]
fn a_block_that_is_sealed_again_in_the_same_commit_keeps_nothing_of_before() {
    let mut house = House::new();
    for number in 0..4 {
        house.tell(number * 3..number * 3 + 3);
    }
    house.settle();
    let early = house.scan(&[house.field(0, Place::Metadata, "own")], read).new_columns();
    for number in 4..8 {
        house.tell(number * 3..number * 3 + 3);
    }
    let job = house.appender.next_job(true).unwrap();
    let snapshot = house.store.snapshot().unwrap();
    let (appender, mut commits) = (&mut house.appender, 0);
    job.run::<ReadError>(&snapshot, |prepared| {
        commits += 1;
        let changes = vec![Change::KeepColumns(early.clone()), prepared.into(), Change::KeepColumns(early.clone())];
        appender.commit(changes, Timestamp(HOUR)).unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!((commits, house.kept()), (1, 0));
}

#[test]
fn a_thousand_fields_are_kept_and_the_next_is_worked_out_each_time() {
    let mut house = House::new();
    (0..3).for_each(|round| house.tell(round * 10..round * 10 + 10));
    house.settle();
    let fields: Vec<Field> = (0..FIELDS_KEPT).map(|at| house.field(0, Place::User, &format!("key {at}"))).collect();
    let one_more = house.field(1, Place::Metadata, "own");
    let mut new = house.scan(&fields, read).new_columns();
    assert_eq!(new.len(), FIELDS_KEPT);
    let last = house.scan(std::slice::from_ref(&one_more), read).new_columns();
    assert_eq!(last.len(), 1, "there is room as far as this reader knows");
    new.extend(last.clone());
    house.keep(new.split_off(FIELDS_KEPT / 2));
    assert_eq!(house.kept(), FIELDS_KEPT as u64 / 2 + 1);
    house.keep(new);
    assert_eq!(house.kept(), FIELDS_KEPT as u64);
    let full = house.scan(&fields[FIELDS_KEPT / 2 - 1..FIELDS_KEPT / 2], read);
    assert!(full.batches.is_empty(), "nobody is bothered with what would not be kept");
    assert_eq!(full.texts(0), vec![None; 10]);
    let mut house = house.reopen();
    assert_eq!(house.kept(), FIELDS_KEPT as u64);
    // A field that is known goes on being kept.
    (0..600).for_each(|round| house.tell(100 + round * 10..110 + round * 10));
    house.settle();
    let new = house.scan(std::slice::from_ref(&one_more), read).new_columns();
    let blocks = house.store.snapshot().unwrap().digests().unwrap().len();
    assert!(blocks > 3 && new.len() >= blocks - 1);
    house.keep(new);
    assert!(house.scan(std::slice::from_ref(&one_more), read).batches.is_empty());
}

#[test]
fn a_scan_begins_with_the_block_or_tail_that_holds_its_first_event() {
    let mut house = House::new();
    (0..25).for_each(|round| house.tell(round * 100..round * 100 + 100));
    house.settle();
    (25..29).for_each(|round| house.tell(round * 100..round * 100 + 100));
    let fields = [house.field(1, Place::Metadata, "own")];
    let all = house.scan(&fields, read).parts;
    assert!(all.len() > 6, "blocks and tails");
    let next = house.store.next_sequence().0;
    let around = all.iter().flat_map(|(first, _, _)| [first.saturating_sub(1), *first, first + 1]);
    for from in around.chain([next - 1, next, next + 1, u64::MAX]) {
        let seen = house.try_scan(from, &fields, read).unwrap().parts;
        let wanted = all.iter().skip_while(|(first, rows, _)| first + *rows as u64 <= from);
        assert!(seen.iter().eq(wanted), "from {from}");
    }
    // Whoever has enough stops, and what was worked out up to there is not lost.
    let mut kept = 0;
    let asked = Fields { wanted: &fields, extract: read, keep: &mut |columns| kept += columns.len() };
    let mut parts = 0;
    let each = &mut |_: Sequence, _: &Columns, _: &[FieldColumn]| {
        parts += 1;
        if parts == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    house.store.snapshot().unwrap().scan_columns_from(Sequence(0), &mut |_| true, asked, each).unwrap();
    assert_eq!((parts, kept), (2, 2));
}

#[test]
fn blocks_that_are_not_wanted_are_passed_over() {
    let mut house = House::new();
    (0..25).for_each(|round| house.tell(round * 100..round * 100 + 100));
    house.settle();
    let fields = [house.field(1, Place::Metadata, "own")];
    let mut seen = Vec::new();
    let asked = Fields { wanted: &fields, extract: read, keep: &mut |_| {} };
    let each = &mut |first: Sequence, columns: &Columns, _: &[FieldColumn]| {
        seen.push((first, columns.len() as u64));
        ControlFlow::Continue(())
    };
    let snapshot = house.store.snapshot().unwrap();
    let digests = snapshot.digests().unwrap();
    let late = digests[1].1.time.1;
    snapshot.scan_columns_from(Sequence(0), &mut |digest| digest.time.1 >= late, asked, each).unwrap();
    let wanted: Vec<_> =
        digests.iter().filter(|(_, it)| it.time.1 >= late).map(|(first, it)| (*first, it.rows)).collect();
    assert!(!wanted.is_empty() && wanted.len() < digests.len());
    assert!(seen.starts_with(&wanted));
}

#[test]
fn what_is_to_be_kept_comes_in_pieces() {
    let mut house = House::new();
    let own = |number: u64| Event {
        name: "segment::Event 0".into(),
        raw: format!(
            r#"{{"own":"{}"}}"#,
            (1..5).map(|n| format!("{:016x}", noise(number * 4 + n))).collect::<String>()
        )
        .into(),
        ..event(number)
    };
    (0..10).for_each(|round| append_events(&mut house, (round * 1000..round * 1000 + 1000).map(own)));
    house.settle();
    let fields = [Place::Metadata, Place::User, Place::UserCustom].map(|place| house.field(0, place, "own"));
    let seen = house.scan(&fields, read);
    let weights: Vec<usize> = seen.batches.iter().map(|batch| batch.iter().map(NewColumn::bytes).sum()).collect();
    let most = seen.batches.iter().flatten().map(NewColumn::bytes).max().unwrap();
    assert!(weights.len() > 1 && weights.iter().all(|&weight| weight < (1 << 20) + most), "{weights:?}");
    house.keep(seen.new_columns());
    assert!(house.scan(&fields, anew).batches.is_empty());
}

fn noise(number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[test]
fn a_damaged_column_is_told_and_never_read_as_good() {
    let problems = |house: &House| house.store.snapshot().unwrap().check().unwrap().problems;
    let house = || {
        let mut house = House::new();
        (0..20).for_each(|round| house.tell(round * 50..round * 50 + 50));
        house.settle();
        let fields = [house.field(1, Place::Metadata, "own")];
        let new = house.scan(&fields, read).new_columns();
        house.keep(new);
        (house, fields)
    };
    let get = |table: &mut redb::Table<'_, (u64, u16), &'static [u8]>, key: (u64, u16)| {
        redb::ReadableTable::get(table, key).unwrap().unwrap().value().to_vec()
    };

    let (flipped, fields) = house();
    flipped.tamper(|table| {
        let mut bytes = get(table, (0, 1));
        bytes[9] ^= 4;
        table.insert((0, 1), bytes.as_slice()).unwrap();
    });
    assert!(matches!(
        flipped.try_scan(0, &fields, read),
        Err(ReadError::Damage(Damage { what: "field", first: 0, .. }))
    ));
    assert_eq!(problems(&flipped), ["damaged field at sequence 0: the checksum does not match (set 1)"]);

    let (short, fields) = house();
    short.tamper(|table| {
        let one = FieldColumn { texts: vec![], rows: vec![0] }.encode(&mut Packer::new(1).unwrap()).unwrap();
        table.insert((0, 1), one.as_slice()).unwrap();
    });
    assert!(short.try_scan(0, &fields, read).is_err());
    let told = problems(&short);
    assert!(told.len() == 1 && told[0].contains("another number of rows"), "{told:?}");

    let (strange, _) = house();
    strange.tamper(|table| {
        let bytes = get(table, (0, 1));
        table.insert((0, 7), bytes.as_slice()).unwrap();
        table.insert((1, 1), bytes.as_slice()).unwrap();
    });
    assert_eq!(
        problems(&strange),
        ["block 0: set 7 of its columns is in no dictionary", "columns 1, set 1: there is no such block"]
    );
}
