//! An event that a destination will not take, with what it said: the document that the store keeps. Sends nothing.

use crate::event::{Sequence, Timestamp};
use crate::store::{Letter, StoredEvent};
use hyper::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is kept of a reply, in bytes: enough to see what it says.
pub const REPLY_KEPT: usize = 1 << 10;

/// An event that a destination will not take, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The event's place in the log.
    pub sequence: u64,
    /// The event's name.
    pub event: String,
    /// When it became one, or was refused again: milliseconds since the epoch.
    pub time: i64,
    /// `no_id`, `too_large`, `refused`.
    pub code: String,
    /// The destination's answer; none where it was not asked.
    pub status: Option<u16>,
    /// Says what to do.
    pub message: String,
    /// The beginning of the reply's body, at most 1,024 bytes.
    pub reply: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
}

impl DeadLetter {
    pub(super) fn refused(
        sequence: Sequence,
        event: &str,
        now: Timestamp,
        status: StatusCode,
        reply: &[u8],
        attempts: u32,
    ) -> DeadLetter {
        let status = status.as_u16();
        DeadLetter {
            sequence: sequence.0,
            event: event.to_owned(),
            time: now.0,
            code: "refused".to_owned(),
            status: Some(status),
            message: format!(
                "the destination refused this event with {status}; its reply may say why. Send it again when the cause is \
                 removed, or discard it"
            ),
            reply: excerpt(reply),
            attempts,
        }
    }

    pub(super) fn unsendable(event: &StoredEvent, now: Timestamp, why: super::Unsendable, attempts: u32) -> DeadLetter {
        DeadLetter {
            sequence: event.sequence.0,
            event: event.name.clone(),
            time: now.0,
            code: why.code.to_owned(),
            status: None,
            message: why.message,
            reply: None,
            attempts,
        }
    }

    pub(super) fn letter(&self) -> Letter {
        let document = serde_json::to_vec(self).expect("plain data always serialises");
        Letter { sequence: Sequence(self.sequence), document }
    }

    pub(super) fn read(letter: &Letter) -> Result<DeadLetter, serde_json::Error> {
        serde_json::from_slice(&letter.document)
    }
}

/// The beginning of a reply, as text.
pub(super) fn excerpt(reply: &[u8]) -> Option<String> {
    let kept = &reply[..reply.len().min(REPLY_KEPT)];
    let mut text = String::from_utf8_lossy(kept).into_owned();
    if reply.len() > REPLY_KEPT && text.ends_with(char::REPLACEMENT_CHARACTER) {
        // A character that the bound cut in two.
        text.pop();
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_kept_up_to_a_bound_and_no_character_is_cut() {
        assert_eq!(excerpt(b""), None);
        assert_eq!(excerpt(b"{\"error\":1}").as_deref(), Some("{\"error\":1}"));
        for (length, kept) in [(REPLY_KEPT, REPLY_KEPT), (REPLY_KEPT + 1, REPLY_KEPT)] {
            assert_eq!(excerpt(&vec![b'x'; length]).map(|text| text.len()), Some(kept));
        }
        let text = format!("x{}", "é".repeat(REPLY_KEPT));
        assert_eq!(excerpt(text.as_bytes()), Some(format!("x{}", "é".repeat((REPLY_KEPT - 1) / 2))));
        assert_eq!(excerpt(&[0xff, b'a']).as_deref(), Some("\u{fffd}a"));
    }

    #[test]
    fn a_letter_comes_back_as_it_was() {
        let letter = DeadLetter::refused(Sequence(7), "e", Timestamp(1), StatusCode::BAD_REQUEST, b"no", 1);
        assert_eq!(DeadLetter::read(&letter.letter()).expect("it is one"), letter);
        assert_eq!((letter.status, letter.reply.as_deref()), (Some(400), Some("no")));
    }
}
