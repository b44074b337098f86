//! What an event may be called and how long its texts may be. Knows no wire and no store.

use super::rules::Limits;
use super::scalar::Scalar;
use crate::event::PRODUCTION;
use std::borrow::Cow;

/// Why one event is not taken: a stable code and a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: &'static str,
    pub message: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, message: message.into() }
    }
}

/// Statsig drops events whose name holds one of these, because its metrics could not be written over them.
const FORBIDDEN: &[u8] = b"\"\\[]{}<>#=;&$%|\0\n\r";

/// How the names begin of what Statsig's SDKs and this house itself log.
pub(super) const SDK_PREFIX: &str = "statsig::";

const IS_FORBIDDEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < FORBIDDEN.len() {
        table[FORBIDDEN[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether text has more characters than `limit`; counts only where the bytes leave it open.
pub(super) fn longer_than(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}

/// Checks a name as the sender gave it, without our prefix.
pub(super) fn check_name(name: &str, limits: &Limits) -> Result<(), Refusal> {
    if let Some(&found) = name.as_bytes().iter().find(|&&byte| IS_FORBIDDEN[byte as usize]) {
        let found = char::from(found).escape_default();
        return Err(Refusal::new(
            "forbidden_character",
            format!(
                "the name holds `{found}`; rename the event without any of \" \\ [ ] {{ }} < > # = ; & $ % | NUL LF CR"
            ),
        ));
    }
    if longer_than(name, limits.name_chars) {
        return Err(Refusal::new(
            "name_too_long",
            format!(
                "the name is over {} characters; shorten it and put what varies into a property",
                limits.name_chars
            ),
        ));
    }
    Ok(())
}

/// The environment that a tier names; production where it names none.
pub(super) fn environment<'m>(tier: &'m Scalar<'_>, limits: &Limits) -> Result<&'m str, Refusal> {
    match tier.text() {
        None | Some("") => Ok(PRODUCTION),
        Some(tier) if longer_than(tier, limits.environment_chars) => Err(Refusal::new(
            "environment_too_long",
            format!("the environment's tier is over {} characters; shorten it", limits.environment_chars),
        )),
        Some(tier) => Ok(tier),
    }
}

/// Checks a messageId; `None` where there is none and one has to be made.
pub(super) fn check_message_id<'m>(message_id: &'m Scalar<'_>, limits: &Limits) -> Result<Option<&'m str>, Refusal> {
    match message_id {
        Scalar::Absent => Ok(None),
        Scalar::Text(text) if text.is_empty() => Ok(None),
        Scalar::Text(text) if longer_than(text, limits.message_id_chars) => Err(Refusal::new(
            "message_id_too_long",
            format!("`messageId` is over {} characters; shorten it, for example to a UUID", limits.message_id_chars),
        )),
        Scalar::Text(text) => Ok(Some(text)),
        _ => Err(Refusal::new("invalid_message_id", "`messageId` must be a string, or be left out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forbidden_character_is_named() {
        let limits = Limits::default();
        for &byte in FORBIDDEN {
            let name = format!("a{}b", char::from(byte));
            let refusal = check_name(&name, &limits).unwrap_err();
            assert_eq!(refusal.code, "forbidden_character", "{name:?}");
            assert!(refusal.message.contains(&char::from(byte).escape_default().to_string()), "{}", refusal.message);
        }
        for name in ["Order Completed", "naïve – ✓ 🦊", "a:b/c.d-e_f(g)!?*+@~^`'", "\t\u{7f}"] {
            assert_eq!(check_name(name, &limits), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_measured_in_characters() {
        let limits = Limits::default();
        for character in ["a", "é", "🦊"] {
            assert_eq!(check_name(&character.repeat(limits.name_chars), &limits), Ok(()));
            let refusal = check_name(&character.repeat(limits.name_chars + 1), &limits).unwrap_err();
            assert_eq!(refusal.code, "name_too_long");
        }
    }
}
