//! Audiences of Segment's Engage: which ID lists a message puts its unit into or takes it out of. Speaks Segment's wire; does
//! not decide whether the message is stored, without which nothing of it counts.
//!
//! Segment tells of an audience in two ways: an identify call with a boolean trait named by the audience's key, and a track call
//! `Audience Entered` or `Audience Exited` with the key as the property `audience_key`. Messages count in the order in which
//! they arrive, whatever their times say: an event that is late by more than the next change of its unit is rare, and to know it
//! would take a time for every ID that ever was in a list.

use super::ledger::Ledger;
use super::message::Message;
use super::reader::{Entries, Read, Reader};
use super::rules::Audiences;
use super::scalar::Scalar;
use crate::event::{Event, Kind};
use std::sync::Arc;

const ENTERED: &str = "Audience Entered";
const EXITED: &str = "Audience Exited";

/// What a message says about audiences.
#[derive(Debug, Default)]
pub(super) struct Signals<'a> {
    /// Boolean traits that are named like a list.
    pub traits: Vec<(Arc<str>, bool)>,
    pub audience_key: Scalar<'a>,
}

/// `traits` being read: those that name a list and are true or false.
pub(super) struct TraitsEntries<'x> {
    pub audiences: &'x Audiences,
    pub traits: &'x mut Vec<(Arc<str>, bool)>,
}

impl<'a> Entries<'a> for TraitsEntries<'_> {
    type Key = Option<Arc<str>>;

    fn key(&self, name: &str) -> Option<Arc<str>> {
        self.audiences.find(name).map(|audience| audience.list.clone())
    }

    fn entry(&mut self, key: Self::Key, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        let Some(list) = key else { return reader.skip(room) };
        // The last of two equal traits counts, also when it is no flag.
        self.traits.retain(|(known, _)| *known != list);
        if let Scalar::Flag(is_member) = reader.scalar(room)? {
            self.traits.push((list, is_member));
        }
        Ok(())
    }
}

/// Lets the event, which is the one kept last, change the lists that its message names. An event without a unit of the list's
/// ID type changes none.
pub(super) fn enlist(
    signals: &Signals<'_>,
    message: &Message<'_>,
    event: &Event<'_>,
    audiences: &Audiences,
    ledger: &mut Ledger<'_>,
) {
    let mut change = |key: &str, is_member: bool| {
        let Some(audience) = audiences.find(key) else { return };
        if let Some(unit) = event.units.iter().find(|unit| unit.id_type == audience.id_type) {
            ledger.enlist(&audience.list, &unit.id, is_member);
        }
    };
    match event.kind {
        Kind::Identify => signals.traits.iter().for_each(|(list, is_member)| change(list, *is_member)),
        Kind::Track => match (message.event.text(), signals.audience_key.text()) {
            (Some(ENTERED), Some(key)) => change(key, true),
            (Some(EXITED), Some(key)) => change(key, false),
            _ => {}
        },
        _ => {}
    }
}
