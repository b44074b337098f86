//! What senders would notice of intake, by tables, by recorded requests and by bodies made at random.

mod audiences;
mod captures;
mod field;
mod fuzz;
mod glance;
mod limits;
mod segment;
mod statsig;
mod view;

use super::*;
use crate::event::{Outcome, Source};
use crate::store::{Batch, Pushed};

const ID_TYPES: [&str; 2] = ["companyID", "segmentAnonymousId"];
const STORE_ID: &str = "5f3c";
/// 2026-11-23T12:58:20.000Z
pub(super) const NOW: Timestamp = Timestamp(1_795_438_700_000);

fn batch() -> Batch {
    Batch::probe(&ID_TYPES)
}

/// A project with two ID types beside the built-in ones, `anonymousId` mapped, and one client key.
fn rules() -> Rules {
    let terms = batch().terms().clone();
    let known = terms.id_types.iter().map(|(id, name)| (name.to_owned(), id));
    let mut rules = Rules::new(STORE_ID, IdTypes::new(known));
    let anonymous = rules.id_types.find("segmentAnonymousId").unwrap();
    rules.segment.map_identifiers = vec![("anonymousId".into(), anonymous)];
    rules.client_keys.insert("client-1".into());
    rules
}

fn arrival() -> Arrival {
    Arrival::new(NOW, 0xfeed)
}

fn segment_batch(events: &str, rules: &Rules) -> Intake {
    segment(format!("{{\"batch\":[{events}]}}").as_bytes(), Call::Many, &arrival(), rules, batch()).unwrap()
}

fn statsig_events(events: &str, rules: &Rules) -> Intake {
    statsig_log_event(format!("{{\"events\":[{events}]}}").as_bytes(), &arrival(), rules, batch()).unwrap()
}

/// The one event of an intake, which must have been kept.
fn only(intake: &Intake) -> Pushed {
    assert_eq!((intake.received, &intake.rejected), (1, &vec![]), "{:?}", intake.submission.tallies);
    intake.submission.batch.pushed().remove(0)
}

/// How the one event of an intake ended: `kept`, `filtered REASON`, `rejected CODE`, or `away CODE` where the sender is not told.
fn fate(intake: &Intake) -> String {
    assert_eq!(intake.received, 1);
    assert_conserved(intake);
    match intake.submission.tallies.as_slice() {
        [] => "kept".to_owned(),
        [(tally, 1)] if tally.outcome == Outcome::Filtered => {
            assert!(intake.submission.samples.is_empty() && intake.rejected.is_empty());
            format!("filtered {}", tally.reason)
        }
        [(tally, 1)] => {
            assert_eq!(tally.outcome, Outcome::Rejected);
            assert_eq!(intake.submission.samples[0].code, tally.reason);
            match intake.rejected.as_slice() {
                [] => format!("away {}", tally.reason),
                [rejected] => {
                    assert_eq!((rejected.index, rejected.code), (0, tally.reason));
                    assert!(!rejected.message.is_empty());
                    format!("rejected {}", tally.reason)
                }
                more => panic!("{more:?}"),
            }
        }
        more => panic!("{more:?}"),
    }
}

/// Every event that arrived ended in exactly one count.
fn assert_conserved(intake: &Intake) {
    let kept = intake.submission.batch.len() as u64;
    let tallied: u64 = intake.submission.tallies.iter().map(|(_, count)| count).sum();
    assert_eq!(kept + tallied, intake.received);
}

fn units(event: &Pushed) -> Vec<(&str, &str)> {
    event.units.iter().map(|(id_type, id)| (id_type.as_str(), id.as_str())).collect()
}

fn error_of(result: Result<Intake, BodyError>) -> BodyError {
    match result {
        Err(error) => error,
        Ok(_) => panic!("the body was taken"),
    }
}
