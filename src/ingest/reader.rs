//! Reads JSON by hand, in one pass over text that is UTF-8 already: intake spends most of its time here. Takes exactly what
//! serde_json takes and reads the same values (a test compares the two); where it stops, serde_json is asked for the reason.
//! Knows no event.

use super::scalar::{Scalar, Skip};
use memchr::memchr2;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error};
use serde_json::Deserializer;
use std::borrow::Cow;

/// What stands here cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop;

pub(super) type Read<T> = Result<T, Stop>;

/// What an object's entries are read into. Unlike a derived struct it lets the last of two equal keys win, as JavaScript does.
pub(super) trait Entries<'a> {
    /// Which entry a key names.
    type Key;

    fn key(&self, name: &str) -> Self::Key;

    /// Takes the value of one entry, which may nest `room` levels.
    fn entry(&mut self, key: Self::Key, reader: &mut Reader<'a>, room: u32) -> Read<()>;
}

/// A place in a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    pub at: usize,
    /// Whether the document has control characters at all: compact JSON has none, and then no string needs a look for them.
    controls: bool,
}

/// Digits that no number without an exponent needs to leave a double's range.
const SAFE_DIGITS: usize = 300;

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Reader<'a> {
        let controls =
            text.as_bytes().chunks(64).any(|chunk| chunk.iter().fold(false, |any, &byte| any | (byte < b' ')));
        Reader { text, at: 0, controls }
    }

    /// The next byte that is not white space, without taking it.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                found => return found.copied(),
            }
        }
    }

    /// Why what begins here could not be read, though it may nest `room` levels.
    pub fn reason(&self, room: u32) -> serde_json::Error {
        let mut deserializer = Deserializer::from_str(&self.text[self.at..]);
        match (Skip { room }).deserialize(&mut deserializer) {
            Err(error) => error,
            Ok(()) => {
                debug_assert!(false, "serde_json reads what this does not: {}", &self.text[self.at..]);
                serde_json::Error::custom("cannot be read")
            }
        }
    }

    /// A value as a `Scalar`; what nests may do so for `room` levels.
    pub fn scalar(&mut self, room: u32) -> Read<Scalar<'a>> {
        match self.peek() {
            Some(b'"') => Ok(Scalar::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true").map(|()| Scalar::Flag(true)),
            Some(b'f') => self.word("false").map(|()| Scalar::Flag(false)),
            Some(b'n') => self.word("null").map(|()| Scalar::Absent),
            _ => self.skip(room).map(|()| Scalar::Other),
        }
    }

    /// Passes over a value that may nest `room` levels.
    pub fn skip(&mut self, room: u32) -> Read<()> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{') => {
                let room = room.checked_sub(1).ok_or(Stop)?;
                self.at += 1;
                let mut first = true;
                while self.more(b'}', &mut first)? {
                    if self.peek() != Some(b'"') {
                        return Err(Stop);
                    }
                    self.skip_string()?;
                    self.take(b':')?;
                    self.skip(room)?;
                }
                Ok(())
            }
            Some(b'[') => {
                let room = room.checked_sub(1).ok_or(Stop)?;
                self.at += 1;
                let mut first = true;
                while self.more(b']', &mut first)? {
                    self.skip(room)?;
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(|_| ()),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(Stop),
        }
    }

    /// Passes over a value and answers its text.
    pub fn passed(&mut self, room: u32) -> Read<&'a str> {
        self.peek();
        let start = self.at;
        self.skip(room)?;
        Ok(&self.text[start..self.at])
    }

    /// Reads an object into `into`; tells whether it was one. Anything else is passed over.
    pub fn object<T: Entries<'a>>(&mut self, into: &mut T, room: u32) -> Read<bool> {
        if self.peek() != Some(b'{') {
            return self.skip(room).map(|()| false);
        }
        let room = room.checked_sub(1).ok_or(Stop)?;
        self.at += 1;
        let mut first = true;
        while self.more(b'}', &mut first)? {
            if self.peek() != Some(b'"') {
                return Err(Stop);
            }
            let key = into.key(&self.string()?);
            self.take(b':')?;
            into.entry(key, self, room)?;
        }
        Ok(true)
    }

    /// Reads an array of scalars in place of what `into` holds; anything else is no items.
    pub fn list(&mut self, into: &mut Vec<Scalar<'a>>, room: u32) -> Read<()> {
        into.clear();
        if self.peek() != Some(b'[') {
            return self.skip(room);
        }
        let room = room.checked_sub(1).ok_or(Stop)?;
        self.at += 1;
        let mut first = true;
        while self.more(b']', &mut first)? {
            into.push(self.scalar(room)?);
        }
        Ok(())
    }

    /// Whether what was opened holds another part; takes the comma before it or the closing bracket.
    #[inline]
    fn more(&mut self, close: u8, first: &mut bool) -> Read<bool> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if std::mem::take(first) => Ok(true),
            Some(b',') => {
                self.at += 1;
                if self.peek() == Some(close) { Err(Stop) } else { Ok(true) }
            }
            _ => Err(Stop),
        }
    }

    #[inline]
    fn take(&mut self, wanted: u8) -> Read<()> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(Stop)
        }
    }

    fn word(&mut self, word: &str) -> Read<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Stop)
        }
    }

    /// A string that begins here; borrowed where it has no escapes.
    #[inline]
    fn string(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        match self.plain()? {
            b'"' => Ok(Cow::Borrowed(&self.text[start..self.at - 1])),
            _ => self.escaped(start).map(Cow::Owned),
        }
    }

    #[inline]
    fn skip_string(&mut self) -> Read<()> {
        let start = self.at + 1;
        match self.plain()? {
            b'"' => Ok(()),
            _ => self.escaped(start).map(|_| ()),
        }
    }

    /// Takes a string up to and with its first quote or backslash, and tells which it was.
    #[inline]
    fn plain(&mut self) -> Read<u8> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let end = memchr2(b'"', b'\\', rest).ok_or(Stop)?;
        if self.controls && rest[..end].iter().any(|&byte| byte < b' ') {
            return Err(Stop);
        }
        self.at += end + 2;
        Ok(rest[end])
    }

    /// A string that began at `start` and whose first backslash was just taken.
    #[cold]
    fn escaped(&mut self, start: usize) -> Read<String> {
        let bytes = self.text.as_bytes();
        // What is escaped is no end, whatever it is.
        self.at += 1;
        loop {
            let rest = bytes.get(self.at..).ok_or(Stop)?;
            let end = memchr2(b'"', b'\\', rest).ok_or(Stop)?;
            self.at += end + 1;
            if rest[end] == b'"' {
                break;
            }
            self.at += 1;
        }
        String::deserialize(&mut Deserializer::from_str(&self.text[start - 1..self.at])).map_err(|_| Stop)
    }

    /// A number in JSON's grammar that a double can hold.
    fn number(&mut self) -> Read<Scalar<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let negative = bytes[start] == b'-';
        let mut at = start + usize::from(negative);
        let digits = at;
        let mut whole = Some(0u64);
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            whole = whole.and_then(|whole| whole.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            at += 1;
        }
        if at == digits || (bytes[digits] == b'0' && at > digits + 1) {
            return Err(Stop);
        }
        let mut is_whole = true;
        let mut is_safe = at - digits < SAFE_DIGITS;
        if bytes.get(at) == Some(&b'.') {
            is_whole = false;
            at = some_digits(bytes, at + 1)?;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            (is_whole, is_safe) = (false, false);
            let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
            at = some_digits(bytes, at + 1 + usize::from(signed))?;
        }
        self.at = at;
        match (is_whole, negative, whole) {
            (true, false, Some(whole)) => return Ok(Scalar::Unsigned(whole)),
            // Minus zero is a float, and so is what no i64 holds.
            (true, true, Some(whole @ 1..=0x8000_0000_0000_0000)) => {
                return Ok(Scalar::Negative((whole as i64).wrapping_neg()));
            }
            _ => {}
        }
        let number: f64 = self.text[start..at].parse().map_err(|_| Stop)?;
        if is_safe || number.is_finite() { Ok(Scalar::Float(number)) } else { Err(Stop) }
    }
}

/// The place behind at least one digit.
fn some_digits(bytes: &[u8], from: usize) -> Read<usize> {
    let digits = bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { Err(Stop) } else { Ok(from + digits) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const ROOM: u32 = 4;

    /// How far serde_json reads, or nothing where it refuses.
    fn serde_end(text: &str) -> Option<usize> {
        let mut deserializer = Deserializer::from_str(text);
        (Skip { room: ROOM }).deserialize(&mut deserializer).ok()?;
        Some(deserializer.into_iter::<Value>().byte_offset())
    }

    fn agree(text: &str) -> Result<(), String> {
        let mut skipped = Reader::new(text);
        let skipped = skipped.skip(ROOM).ok().map(|()| skipped.at);
        let mut read = Reader::new(text);
        let value = read.scalar(ROOM);
        let expected = serde_end(text);
        if skipped != expected || value.as_ref().ok().map(|_| read.at) != expected {
            return Err(format!("{text:?}: serde_json to {expected:?}, skipped to {skipped:?}, read {value:?}"));
        }
        let Some(end) = expected else { return Ok(()) };
        let same = match (serde_json::from_str::<Value>(&text[..end]), value) {
            (Ok(Value::Null), Ok(Scalar::Absent)) => true,
            (Ok(Value::Bool(a)), Ok(Scalar::Flag(b))) => a == b,
            (Ok(Value::String(a)), Ok(Scalar::Text(b))) => a == b,
            (Ok(Value::Array(_) | Value::Object(_)), Ok(Scalar::Other)) => true,
            (Ok(Value::Number(a)), Ok(b)) => match b {
                Scalar::Unsigned(b) => a.as_u64() == Some(b),
                Scalar::Negative(b) => a.as_i64() == Some(b) && b < 0,
                Scalar::Float(b) => a.is_f64() && a.as_f64().map(f64::to_bits) == Some(b.to_bits()),
                _ => false,
            },
            _ => false,
        };
        if same { Ok(()) } else { Err(format!("{text:?} is read as another value")) }
    }

    #[test]
    fn what_serde_json_takes_is_taken_and_nothing_else() {
        for text in [
            "",
            " ",
            "\"",
            "\"\\",
            "\"\\\"",
            "\"a\"",
            " \"\" ",
            "\"\\u00e9\"",
            "\"\\ud83e\\udd8a\"",
            "\"\\ud83e\"",
            "\"\\q\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "\"\u{1f}\"",
            "\"\u{7f}\"",
            "\"é\\\\\"",
            "0",
            "-0",
            "-",
            "00",
            "01",
            "-01",
            "1.",
            ".5",
            "1.5",
            "-1.5e3",
            "1e",
            "1e+",
            "1e+2",
            "1E-2",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999999999999",
            "0e99999999999999999999",
            "1e-99999999999999999999",
            "\"\\é\"",
            "\"a\\n\u{1}\"",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "0.8372346832746283",
            "tru",
            "true",
            "truex",
            "nul",
            "null",
            "false",
            "{",
            "{}",
            "{ }",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{,}",
            "{\"a\":1,\"a\":2}",
            "{1:2}",
            "[",
            "[]",
            "[,]",
            "[1,]",
            "[1 2]",
            "[1,2]",
            "[1}",
            "[[[[]]]]",
            "[[[[[]]]]]",
            "{\"a\":{\"b\":{\"c\":{}}}}",
            "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}",
            "[\"\\ud800\"]",
            "{\"\\ud800\":1}",
            "\u{feff}1",
        ] {
            agree(text).unwrap();
        }
        let long = format!("{}1", "9".repeat(309));
        agree(&long).unwrap();
        agree(&format!("{}.5", "9".repeat(SAFE_DIGITS))).unwrap();
    }

    /// JSON, or nearly: parts that go together and parts that do not.
    fn nearly_json() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\\", "\"a\"", "\"\\u0041\"", "\"\\ud800\"", "\"\\ud83e\\udd8a\"", "null", "true",
                "false", "0", "-", "1", "12.5", "1e3", "e", ".", "1e999", " ", "\n", "\t", "\u{1}", "{\"a\":1}", "[1,2]", "\"k\":",
            ]).prop_map(str::to_owned),
            1 => "[ -~é]{0,6}",
        ];
        prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(6, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect::<Value>()),
            ]
        });
        (value, any::<bool>()).prop_map(|(value, pretty)| {
            if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn it_agrees_with_serde_json_on_what_is_nearly_json(text in nearly_json()) {
            agree(&text).map_err(TestCaseError::fail)?;
        }

        #[test]
        fn it_agrees_with_serde_json_on_json_and_on_json_cut_short(text in json(), cut in any::<prop::sample::Index>()) {
            agree(&text).map_err(TestCaseError::fail)?;
            let mut end = cut.index(text.len() + 1);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            agree(&text[..end]).map_err(TestCaseError::fail)?;
        }
    }
}
