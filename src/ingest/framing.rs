//! Steps through the outer shape of a JSON document and hands out each value together with the exact text it came from.
//! Knows JSON's punctuation and nothing of what the values mean; `reader` reads them, and serde_json what nobody asks for.

use super::body_error::BodyError;
use super::reader::{Read, Reader};
use super::scalar::Scalar;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;
use std::borrow::Cow;

/// A place in a document.
pub(super) struct Cursor<'a> {
    text: &'a str,
    reader: Reader<'a>,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, reader: Reader::new(text) }
    }

    /// The next byte that is not white space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        self.reader.peek()
    }

    /// Takes one byte of punctuation.
    pub fn take(&mut self, wanted: u8) -> Result<(), BodyError> {
        match self.peek() {
            Some(byte) if byte == wanted => {
                self.reader.at += 1;
                Ok(())
            }
            found => Err(self.malformed(self.reader.at, &expected(&format!("`{}`", char::from(wanted)), found))),
        }
    }

    /// The next key of an object that has been opened, up to and with its colon; `None` when the object ends.
    pub fn next_key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, BodyError> {
        if !self.more(b'}', first)? {
            return Ok(None);
        }
        let start = self.reader.at;
        if self.peek() != Some(b'"') {
            let found = self.peek();
            return Err(self.malformed(self.reader.at, &expected("a key in double quotes", found)));
        }
        // A key has no depth, so none is allowed for.
        match self.read(0, |reader| reader.scalar(0)) {
            Ok((_, Scalar::Text(key))) => {
                self.take(b':')?;
                Ok(Some(key))
            }
            Ok(_) => Err(self.malformed(start, "expected a key in double quotes")),
            Err(error) => Err(self.locate(&error)),
        }
    }

    /// Whether an array that has been opened holds another item; takes the comma before it or the closing bracket.
    pub fn next_item(&mut self, first: &mut bool) -> Result<bool, BodyError> {
        self.more(b']', first)
    }

    fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, BodyError> {
        let found = self.peek();
        if found == Some(close) {
            self.reader.at += 1;
            return Ok(false);
        }
        if std::mem::take(first) {
            return Ok(true);
        }
        if found != Some(b',') {
            return Err(self.malformed(self.reader.at, &expected(&format!("`,` or `{}`", char::from(close)), found)));
        }
        self.reader.at += 1;
        match self.peek() {
            Some(byte) if byte == close => Err(self.malformed(self.reader.at, "trailing comma")),
            _ => Ok(true),
        }
    }

    /// Reads the next value, which may nest `room` levels. Moves on only where that succeeds, so that the caller may skip what
    /// it could not read.
    pub fn read<T>(
        &mut self,
        room: u32,
        read: impl FnOnce(&mut Reader<'a>) -> Read<T>,
    ) -> Result<(&'a str, T), serde_json::Error> {
        self.peek();
        let mut reader = self.reader;
        let value = read(&mut reader).map_err(|_| self.reader.reason(room))?;
        let start = std::mem::replace(&mut self.reader, reader).at;
        Ok((&self.text[start..self.reader.at], value))
    }

    /// Passes over the next value, checking only its syntax.
    pub fn skip(&mut self) -> Result<&'a str, BodyError> {
        self.peek();
        let rest = &self.text[self.reader.at..];
        let mut deserializer = Deserializer::from_str(rest);
        IgnoredAny::deserialize(&mut deserializer).map_err(|error| self.locate(&error))?;
        let length = deserializer.into_iter::<IgnoredAny>().byte_offset();
        self.reader.at += length;
        Ok(&rest[..length])
    }

    /// The error of a document that is something else than an object; where it is no JSON, the error says that instead.
    pub fn not_an_object(&mut self, also: &'static str) -> BodyError {
        match self.peek() {
            None => BodyError::NotAnObject { hint: ", and this one is empty" },
            Some(_) => self.skip().err().unwrap_or(BodyError::NotAnObject { hint: also }),
        }
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), BodyError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.malformed(self.reader.at, "unexpected text after the end of the document")),
        }
    }

    /// An error of serde_json counts its lines from where the value began.
    fn locate(&self, error: &serde_json::Error) -> BodyError {
        let (line, column) = self.place(self.reader.at);
        let detail = error.to_string();
        let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
        if error.line() <= 1 {
            BodyError::Malformed { line, column: column + error.column().saturating_sub(1), detail }
        } else {
            BodyError::Malformed { line: line + error.line() - 1, column: error.column(), detail }
        }
    }

    fn malformed(&self, at: usize, detail: &str) -> BodyError {
        let (line, column) = self.place(at);
        BodyError::Malformed { line, column, detail: detail.to_owned() }
    }

    /// Line and column of the next value.
    pub fn here(&mut self) -> (usize, usize) {
        self.peek();
        self.place(self.reader.at)
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + before.len() - memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        (line, column)
    }
}

fn expected(wanted: &str, found: Option<u8>) -> String {
    match found {
        None => format!("the document ends where {wanted} is expected"),
        Some(_) => format!("expected {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Result<Vec<(String, String)>, BodyError> {
        let mut cursor = Cursor::new(text);
        let mut entries = Vec::new();
        cursor.take(b'{')?;
        let mut first = true;
        while let Some(key) = cursor.next_key(&mut first)? {
            let key = key.into_owned();
            entries.push((key, cursor.skip()?.to_owned()));
        }
        cursor.end()?;
        Ok(entries)
    }

    #[test]
    fn values_come_with_the_exact_text_they_had() {
        let found = entries(" {\"a\" : [1, {\"b\":2} ] ,\n\"\\u0063\":\"d\\\"\", \"n\":-1e5}  ").unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        assert_eq!(found, [("a", "[1, {\"b\":2} ]"), ("c", "\"d\\\"\""), ("n", "-1e5")]);
        assert_eq!(entries("{}").unwrap(), []);
    }

    #[test]
    fn what_is_malformed_is_placed() {
        for (text, place) in [
            ("", (1, 1)),
            ("x", (1, 1)),
            ("{", (1, 2)),
            ("{\"a\"", (1, 5)),
            ("{\"a\" 1}", (1, 6)),
            ("{\"a\":}", (1, 6)),
            ("{\"a\":1", (1, 7)),
            ("{\"a\":1,}", (1, 8)),
            ("{\"a\":1 \"b\":2}", (1, 8)),
            ("{a:1}", (1, 2)),
            ("{1:1}", (1, 2)),
            ("{\"a\":\n tru}", (2, 5)),
            ("{\"a\":1}\n }", (2, 2)),
            ("{\"a\":[1,\n2,\n x]}", (3, 2)),
        ] {
            match entries(text) {
                Err(BodyError::Malformed { line, column, .. }) => assert_eq!((line, column), place, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
