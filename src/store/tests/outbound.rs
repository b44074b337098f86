//! Cursors, dead letters and picked events: what a destination is owed, whatever it does and whatever a person orders.

use super::{HOUR, House, all, event, options};
use crate::event::{Event, Source, Timestamp};
use crate::store::tables::{BLOCKS, CURSORS, DEAD_LETTERS};
use crate::store::*;
use redb::{ReadableDatabase, ReadableTableMetadata, WriteTransaction};
use std::ops::ControlFlow;

const SEGMENT: &str = "segment";

fn begin(destination: &str) -> ExportChange {
    ExportChange::Begin { destination: destination.into() }
}

fn end(destination: &str) -> ExportChange {
    ExportChange::End { destination: destination.into() }
}

fn advance(generation: u64, to: u64) -> ExportChange {
    did(generation, to, 0, &[], &[])
}

fn did(generation: u64, to: u64, forwarded: u64, letters: &[(u64, &str)], settled: &[u64]) -> ExportChange {
    ExportChange::Advance {
        destination: SEGMENT.into(),
        generation,
        to: Sequence(to),
        forwarded,
        letters: letters.iter().map(|(sequence, document)| letter(*sequence, document)).collect(),
        settled: settled.iter().copied().map(Sequence).collect(),
    }
}

fn letter(sequence: u64, document: &str) -> Letter {
    Letter { sequence: Sequence(sequence), document: document.as_bytes().to_vec() }
}

fn move_to(to: Option<u64>) -> ExportChange {
    ExportChange::Move { destination: SEGMENT.into(), to: to.map(Sequence) }
}

fn discard(letters: Option<&[u64]>) -> ExportChange {
    let letters = letters.map(|letters| letters.iter().copied().map(Sequence).collect());
    ExportChange::Discard { destination: SEGMENT.into(), letters }
}

impl House {
    fn with_cursor(events: u64) -> House {
        let mut house = House::new();
        house.export([begin(SEGMENT)]);
        house.append(0..events);
        house
    }

    fn export(&mut self, changes: impl IntoIterator<Item = ExportChange>) {
        let changes = changes.into_iter().map(DocumentChange::Export).collect();
        self.appender.commit(vec![Change::Documents(changes)], Timestamp(HOUR)).unwrap();
    }

    fn cursor(&self) -> Option<Cursor> {
        self.store.snapshot().unwrap().cursor(SEGMENT).unwrap()
    }

    /// Position and generation.
    fn place(&self) -> (u64, u64) {
        let cursor = self.cursor().expect("a cursor");
        (cursor.position.0, cursor.generation)
    }

    /// Sequences of the dead letters, newest first, after comparing them with their count.
    fn letters(&self) -> Vec<u64> {
        let snapshot = self.store.snapshot().unwrap();
        let letters = snapshot.dead_letters(SEGMENT, None, usize::MAX).unwrap();
        assert_eq!(snapshot.dead_letter_count(SEGMENT).unwrap(), letters.len() as u64);
        letters.iter().map(|letter| letter.sequence.0).collect()
    }

    fn problems(&self) -> Vec<String> {
        self.store.snapshot().unwrap().check().unwrap().problems
    }

    fn damage(&mut self, damage: impl FnOnce(&WriteTransaction)) {
        let transaction = self.store.shared.db.begin_write().unwrap();
        damage(&transaction);
        transaction.commit().unwrap();
    }
}

#[test]
fn a_cursor_begins_at_the_end_of_the_log_once_and_before_what_is_stored_with_it() {
    let mut house = House::new();
    house.append(0..10);
    let mut batch = house.store.new_batch();
    batch.push(&event(10));
    let changes = vec![
        Change::Documents(vec![DocumentChange::Export(begin(SEGMENT))]),
        Change::Append(Box::new(Submission::empty(batch))),
    ];
    house.appender.commit(changes, Timestamp(HOUR)).unwrap();
    let first = Cursor { position: Sequence(10), generation: 0, forwarded: 0, dead: 0, dropped: 0, pause: None };
    assert_eq!((house.store.next_sequence().0, house.cursor()), (11, Some(first.clone())));
    house.append(11..20);
    house.export([begin(SEGMENT), begin("webhook")]);
    let second = Cursor { position: Sequence(20), ..first.clone() };
    let both = [(SEGMENT.to_owned(), first), ("webhook".to_owned(), second)];
    let house = house.reopen();
    assert_eq!(house.store.snapshot().unwrap().cursors().unwrap(), both);
    let report = house.sound();
    assert_eq!((report.cursors, report.dead_letters), (2, 0));
}

#[test]
fn what_the_exporter_did_moves_the_cursor_on_and_never_back_nor_beyond_the_log() {
    let mut house = House::with_cursor(100);
    house.export([did(0, 30, 25, &[], &[])]);
    assert_eq!(house.place(), (30, 0));
    house.export([did(0, 20, 3, &[], &[]), did(0, 31, 0, &[], &[])]);
    assert_eq!(house.place(), (31, 0));
    house.export([advance(0, 1_000_000)]);
    let cursor = house.cursor().unwrap();
    assert_eq!((cursor.position.0, cursor.forwarded), (100, 28));
    house.sound();
}

#[test]
fn a_move_by_hand_is_not_undone_by_an_advance_that_was_under_way() {
    let mut house = House::with_cursor(100);
    house.export([advance(0, 80), move_to(Some(10))]);
    assert_eq!(house.place(), (10, 1));
    house.export([did(0, 90, 7, &[(85, "{}")], &[])]);
    let cursor = house.cursor().unwrap();
    assert_eq!((cursor.position.0, cursor.forwarded, cursor.dead), (10, 7, 1), "only the place does not count");
    house.export([advance(1, 20)]);
    assert_eq!(house.place(), (20, 1));
    let mut batch = house.store.new_batch();
    batch.push(&event(100));
    let skip = vec![
        Change::Append(Box::new(Submission::empty(batch))),
        Change::Documents(vec![DocumentChange::Export(move_to(None))]),
    ];
    house.appender.commit(skip, Timestamp(HOUR)).unwrap();
    assert_eq!(house.place(), (100, 2), "to the log's end without the event that tells of it");
    house.export([move_to(Some(5)), move_to(Some(1_000))]);
    assert_eq!(house.place(), (101, 4));
    house.sound();
}

#[test]
fn an_advance_of_a_cursor_that_is_over_does_not_move_a_later_one() {
    let mut house = House::with_cursor(50);
    house.export([move_to(Some(0)), did(1, 20, 20, &[(3, "{}"), (4, "{}")], &[])]);
    let pause = Pause { code: "by_hand".into(), message: "paused".into(), since: Timestamp(5) };
    house.export([ExportChange::Pause { destination: SEGMENT.into(), pause: Some(pause) }, end(SEGMENT)]);
    assert_eq!(house.cursor(), None);
    assert_eq!(house.letters(), Vec::<u64>::new());
    assert_eq!(house.store.snapshot().unwrap().cursors().unwrap(), []);
    assert_eq!(house.sound().cursors, 0);
    let mut house = house.reopen();
    house.export([begin(SEGMENT), move_to(Some(0)), advance(1, 40)]);
    let cursor = house.cursor().unwrap();
    assert_eq!((cursor.position.0, cursor.forwarded, cursor.dead, cursor.pause), (0, 0, 0, None));
    assert!(cursor.generation > 1);
    house.sound();
}

#[test]
fn nothing_happens_to_a_destination_without_a_cursor() {
    let mut house = House::new();
    house.append(0..10);
    for round in 0..2 {
        let pause = Pause { code: "by_hand".into(), message: String::new(), since: Timestamp(5) };
        house.export([
            did(0, 5, 5, &[(4, "{}")], &[]),
            move_to(Some(3)),
            ExportChange::Pause { destination: SEGMENT.into(), pause: Some(pause) },
            discard(None),
            end(SEGMENT),
        ]);
        let snapshot = house.store.snapshot().unwrap();
        assert_eq!((snapshot.cursor(SEGMENT).unwrap(), snapshot.dead_letter_count(SEGMENT).unwrap()), (None, 0));
        assert_eq!(snapshot.dead_letters(SEGMENT, None, 10).unwrap(), []);
        house.sound();
        if round == 0 {
            house.export([begin(SEGMENT), end(SEGMENT)]);
        }
    }
}

#[test]
fn a_pause_stays_until_it_is_taken_away() {
    let mut house = House::with_cursor(10);
    let pause = Pause { code: "unauthorized".into(), message: "Check the write key.".into(), since: Timestamp(77) };
    house.export([ExportChange::Pause { destination: SEGMENT.into(), pause: Some(pause.clone()) }, advance(0, 4)]);
    let mut house = house.reopen();
    assert_eq!(house.cursor().unwrap().pause, Some(pause));
    house.export([ExportChange::Pause { destination: SEGMENT.into(), pause: None }]);
    assert_eq!((house.place(), house.cursor().unwrap().pause), ((4, 0), None));
}

#[test]
fn dead_letters_are_replaced_settled_and_thrown_away() {
    let mut house = House::with_cursor(100);
    house.export([did(0, 50, 0, &[(3, "1"), (7, "2"), (20, "3"), (33, "4")], &[])]);
    house.export([begin("webhook")]);
    let snapshot = house.store.snapshot().unwrap();
    let found = |before: Option<u64>, limit| snapshot.dead_letters(SEGMENT, before.map(Sequence), limit).unwrap();
    assert_eq!(found(None, 2), [letter(33, "4"), letter(20, "3")]);
    assert_eq!(found(Some(20), 10), [letter(7, "2"), letter(3, "1")]);
    assert_eq!(found(Some(3), 10), []);
    assert_eq!(snapshot.dead_letter_sequences(SEGMENT).unwrap(), [3, 7, 20, 33].map(Sequence));
    assert_eq!(snapshot.dead_letter_sequences("webhook").unwrap(), []);
    assert_eq!(snapshot.dead_letter(SEGMENT, Sequence(7)).unwrap(), Some(letter(7, "2")));
    assert_eq!(snapshot.dead_letter(SEGMENT, Sequence(8)).unwrap(), None);
    assert_eq!(snapshot.dead_letter("webhook", Sequence(7)).unwrap(), None);
    // Tried again: one was taken, one was refused once more.
    house.export([did(0, 0, 1, &[(7, r#""again""#)], &[3, 4])]);
    assert_eq!(house.letters(), [33, 20, 7]);
    let again = house.store.snapshot().unwrap().dead_letter(SEGMENT, Sequence(7)).unwrap();
    assert_eq!(again, Some(letter(7, r#""again""#)));
    house.export([discard(Some(&[20, 21, 7]))]);
    assert_eq!(house.letters(), [33]);
    let mut house = house.reopen();
    house.export([discard(None), discard(None)]);
    assert_eq!(house.letters(), Vec::<u64>::new());
    let cursor = house.cursor().unwrap();
    assert_eq!((cursor.position.0, cursor.forwarded, cursor.dead, cursor.dropped), (50, 1, 4, 0));
    house.sound();
}

#[test]
fn of_too_many_dead_letters_the_oldest_events_are_dropped_and_counted() {
    assert_eq!(Options::default().dead_letters, 10_000);
    let mut house = House::with_cursor(200);
    house.export([begin("webhook")]);
    let bound = options().dead_letters;
    let numbered = |range: std::ops::Range<u64>| range.map(|at| (at, "{}")).collect::<Vec<_>>();
    house.export([did(0, bound, 0, &numbered(0..bound), &[])]);
    assert_eq!((house.letters().len() as u64, house.cursor().unwrap().dropped), (bound, 0));
    // As many as are settled in the same breath find room.
    house.export([did(0, bound, 0, &numbered(bound..bound + 2), &[0, 1])]);
    assert_eq!((house.letters().len() as u64, house.cursor().unwrap().dropped), (bound, 0));
    house.export([did(0, bound + 5, 0, &numbered(bound + 2..bound + 5), &[])]);
    let letters = house.letters();
    assert_eq!((letters.len() as u64, *letters.last().unwrap(), letters[0]), (bound, 5, bound + 4));
    let cursor = house.cursor().unwrap();
    assert_eq!((cursor.dead, cursor.dropped), (bound + 5, 3));
    assert_eq!(house.sound().dead_letters, bound);
}

#[test]
fn a_change_of_cursors_is_none_of_the_log_nor_of_the_catalog() {
    let mut house = House::with_cursor(100);
    let tails = |house: &House| {
        let transaction = house.store.shared.db.begin_read().unwrap();
        transaction.open_table(tables::TAILS).unwrap().len().unwrap()
    };
    let before = tails(&house);
    for to in 0..50 {
        let empty = Change::Append(Box::new(Submission::empty(house.store.new_batch())));
        let change = Change::Documents(vec![DocumentChange::Export(advance(0, to))]);
        let answers = house.appender.commit(vec![change, empty], Timestamp(HOUR)).unwrap();
        assert_eq!(answers[1], Applied { next: 100, ..Applied::default() });
    }
    assert_eq!((tails(&house), house.place()), (before, (49, 0)));
    assert_eq!(house.store.snapshot().unwrap().catalog_time().unwrap(), None);
}

#[test]
fn a_file_of_before_there_were_cursors_opens_and_takes_them() {
    let mut house = House::new();
    house.append(0..5);
    house.damage(|transaction| {
        transaction.delete_table(CURSORS).unwrap();
        transaction.delete_table(DEAD_LETTERS).unwrap();
    });
    let mut house = house.reopen();
    assert_eq!((house.cursor(), house.letters()), (None, Vec::new()));
    house.export([begin(SEGMENT), did(0, 5, 0, &[(2, "{}")], &[])]);
    assert_eq!((house.place(), house.letters()), ((5, 0), vec![2]));
    house.sound();
}

#[test]
fn what_is_wrong_with_a_cursor_is_told_and_stops_nobody_who_writes() {
    let told = |damage: &dyn Fn(&WriteTransaction)| {
        let mut house = House::with_cursor(10);
        house.export([did(0, 5, 0, &[(3, "{}")], &[])]);
        house.damage(damage);
        (house.problems(), house)
    };
    let put = |key: (&'static str, u64), document: &'static [u8]| {
        move |transaction: &WriteTransaction| {
            transaction.open_table(DEAD_LETTERS).unwrap().insert(key, document).unwrap();
        }
    };
    assert_eq!(told(&|_| {}).0, Vec::<String>::new());
    assert_eq!(told(&put((SEGMENT, 3), b"{")).0, ["dead letter 3 of segment: it is not JSON"]);
    assert_eq!(told(&put((SEGMENT, 4), b"{}")).0, ["cursor of segment: 1 dead letters, and 2 are there"]);
    assert_eq!(told(&put(("webhook", 4), b"{}")).0, ["dead letters of webhook: it has no cursor"]);
    let problems = told(&|transaction| {
        let mut letters = transaction.open_table(DEAD_LETTERS).unwrap();
        letters.remove((SEGMENT, 3)).unwrap();
        letters.insert((SEGMENT, 10), b"{}".as_slice()).unwrap();
    });
    assert_eq!(problems.0, ["dead letter 10 of segment: there is no such event"]);
    let ahead = cursor::CursorRow { letters: 1, ..cursor::CursorRow::new(11, 0) }.encode();
    let problems = told(&|transaction| {
        transaction.open_table(CURSORS).unwrap().insert(SEGMENT, ahead.as_slice()).unwrap();
    });
    assert_eq!(problems.0, ["cursor of segment: it is at 11, and the log ends at 10"]);

    let (problems, mut house) = told(&|transaction| {
        transaction.open_table(CURSORS).unwrap().insert(SEGMENT, b"damaged".as_slice()).unwrap();
    });
    assert_eq!(problems, ["damaged cursor at sequence 0: the checksum does not match (of segment)"]);
    assert!(house.store.snapshot().unwrap().cursor(SEGMENT).is_err());
    house.export([advance(0, 8), begin(SEGMENT)]);
    assert!(house.store.snapshot().unwrap().cursor(SEGMENT).is_err(), "nobody takes it for another place");
    house.append(10..20);
    // Switching the destination off and on mends it.
    house.export([end(SEGMENT), begin(SEGMENT)]);
    assert_eq!((house.place().0, house.letters()), (20, Vec::new()));
    house.sound();
}

/// The end of the log of `mixed`.
const END: u64 = 1500;

/// Sealed blocks and unsealed tails.
fn mixed() -> House {
    let mut house = House::new();
    for round in 0..14 {
        house.append(round * 100..round * 100 + 100);
    }
    house.settle();
    house.append(1400..1450);
    house.append(1450..END);
    let snapshot = house.store.snapshot().unwrap();
    let blocks = snapshot.digests().unwrap().len();
    assert!(blocks > 2 && snapshot.sealed().0 <= 1450, "{blocks} blocks up to {:?}", snapshot.sealed());
    house
}

#[test]
fn events_are_picked_by_their_columns_from_anywhere_to_anywhere() {
    let house = mixed();
    let snapshot = house.store.snapshot().unwrap();
    let (everything, sealed) = (all(&house.store), snapshot.sealed().0);
    let second = snapshot.digests().unwrap()[1].0.0;
    let borders = [1, second, sealed, 1450, END];
    let places: Vec<u64> = borders.into_iter().flat_map(|at| [at - 1, at, at + 1]).collect();
    for &from in &places {
        for until in places.iter().copied().chain([u64::MAX]) {
            for every in [1, 3, 400] {
                let mut asked = Vec::new();
                let mut picked = Vec::new();
                let end = snapshot.pick_events(
                    Sequence(from),
                    Sequence(until),
                    &mut |sequence, columns, row| {
                        assert_eq!(columns.time[row], sequence.0 as i64 * 60_000, "the row is that event's");
                        asked.push(sequence.0);
                        sequence.0.is_multiple_of(every)
                    },
                    &mut |event| {
                        picked.push(event);
                        ControlFlow::Continue(())
                    },
                );
                let to = until.min(END);
                assert_eq!(end.unwrap(), Sequence(to));
                assert!(asked.iter().copied().eq(from..to), "each row once and in order");
                let wanted = |event: &&StoredEvent| {
                    let at = event.sequence.0;
                    (from..to).contains(&at) && at.is_multiple_of(every)
                };
                assert!(picked.iter().eq(everything.iter().filter(wanted)), "{from}..{until}, each {every}th");
            }
        }
    }
}

#[test]
fn picking_ends_at_the_event_that_was_not_taken_and_asks_for_none_behind_it() {
    let house = mixed();
    let snapshot = house.store.snapshot().unwrap();
    for refused in [0, 3, 300, 897, 1398, 1401, 1452, 1497] {
        let mut last_asked = 0;
        let mut taken = Vec::new();
        let end = snapshot.pick_events(
            Sequence(0),
            Sequence(u64::MAX),
            &mut |sequence, _, _| {
                last_asked = sequence.0;
                sequence.0.is_multiple_of(3)
            },
            &mut |event| {
                if event.sequence.0 == refused {
                    return ControlFlow::Break(());
                }
                taken.push(event.sequence.0);
                ControlFlow::Continue(())
            },
        );
        assert_eq!((end.unwrap().0, last_asked), (refused, refused));
        assert!(taken.into_iter().eq((0..refused).step_by(3)));
    }
}

#[test]
fn one_event_is_read_by_its_sequence() {
    let house = mixed();
    let snapshot = house.store.snapshot().unwrap();
    let everything = all(&house.store);
    for at in [0, 1, 450, 1399, 1400, 1449, 1450, END - 1] {
        assert_eq!(snapshot.event(Sequence(at)).unwrap().as_ref(), Some(&everything[at as usize]));
    }
    assert_eq!(snapshot.event(Sequence(END)).unwrap(), None);
    assert_eq!(snapshot.event(Sequence(u64::MAX)).unwrap(), None);
    assert_eq!(House::new().store.snapshot().unwrap().event(Sequence(0)).unwrap(), None);
}

#[test]
fn of_a_block_without_a_picked_row_no_text_is_read() {
    let mut house = mixed();
    let second = house.store.snapshot().unwrap().digests().unwrap()[1].0.0;
    house.damage(|transaction| {
        transaction.open_table(BLOCKS).unwrap().insert(second, b"damaged".as_slice()).unwrap();
    });
    let snapshot = house.store.snapshot().unwrap();
    let pick = |wanted: u64| {
        let each = &mut |_| ControlFlow::Continue(());
        snapshot.pick_events(Sequence(0), Sequence(END), &mut |sequence, _, _| sequence.0 == wanted, each)
    };
    assert_eq!(pick(second - 1).unwrap().0, END);
    assert!(matches!(pick(second), Err(ReadError::Damage(damage)) if damage.what == "block"));
}

#[test]
fn the_end_of_what_arose_here_is_told_and_is_the_logs_end_after_opening() {
    let mut house = House::new();
    assert_eq!(house.store.own_end().0, 0);
    let append = |house: &mut House, sources: &[Source], from: u64| {
        let mut batch = house.store.new_batch();
        for (number, &source) in (from..).zip(sources) {
            batch.push(&Event { source, ..event(number) });
        }
        let change = Change::Append(Box::new(Submission::empty(batch)));
        house.appender.commit(vec![change], Timestamp(HOUR)).unwrap();
        house.store.own_end().0
    };
    use Source::{Console, Rudderstack, Segment, Statsig, Webhook};
    assert_eq!(append(&mut house, &[Segment, Rudderstack], 0), 0);
    assert_eq!(append(&mut house, &[Segment, Statsig, Segment, Rudderstack], 2), 4);
    assert_eq!(append(&mut house, &[Segment], 6), 4);
    assert_eq!(append(&mut house, &[Webhook, Console], 7), 9);
    assert_eq!(append(&mut house, &[Console, Segment], 8), 9, "one that is stored already is nothing new");
    // Several tails of one commit, the last of them without any.
    let many: Vec<Source> = (0..500).map(|at| if at == 20 { Statsig } else { Segment }).collect();
    let before = house.store.next_sequence().0;
    assert_eq!(append(&mut house, &many, 100), before + 21);
    house.settle();
    let house = house.reopen();
    assert_eq!(house.store.own_end(), house.store.next_sequence());
}
