//! Reads a file line by line with bounded memory, plain or gzip by its first bytes, and knows where each line ends.
//! Knows nothing about events.

use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// A longer line is no event: the server's largest body is 4 MiB by default, its largest event far smaller.
pub const LINE_BYTES: usize = 1 << 20;
const BUFFER_BYTES: usize = 256 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    Text(Vec<u8>),
    /// Longer than [`LINE_BYTES`]; skipped without keeping it.
    TooLong,
}

/// One line without its end, and where the next one starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The first line is 1.
    pub number: u64,
    pub content: Content,
    /// Bytes of inflated text up to and including this line.
    pub end: u64,
}

/// Lines of a file, from wherever an earlier run stopped.
pub struct Lines {
    text: Box<dyn BufRead>,
    consumed: Rc<Cell<u64>>,
    number: u64,
    end: u64,
}

impl Lines {
    /// Starts at the first line of `file`.
    pub fn open(file: impl Read + 'static) -> io::Result<Lines> {
        let consumed = Rc::new(Cell::new(0));
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, Counted { file, read: consumed.clone() });
        // Two bytes arrive together in practice; a lone first one is read as plain text.
        let magic = raw.fill_buf()?;
        let text: Box<dyn BufRead> = if magic.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        Ok(Lines { text, consumed, number: 0, end: 0 })
    }

    /// Passes over what an earlier run has confirmed: `end` bytes of text that held `lines` lines. An error if the text
    /// is shorter.
    pub fn skip(&mut self, end: u64, lines: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.text.by_ref().take(end), &mut io::sink())?;
        if skipped < end {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than what was imported of it",
            ));
        }
        (self.end, self.number) = (end, lines);
        Ok(())
    }

    /// Bytes read from the file itself so far (compressed ones of a gzip file).
    pub fn consumed(&self) -> u64 {
        self.consumed.get()
    }

    /// The next line, or `None` at the end of the file. A last line without an end counts.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut content = Content::Text(Vec::new());
        let start = self.end;
        loop {
            let buffer = match self.text.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if buffer.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', buffer);
            let piece = &buffer[..newline.unwrap_or(buffer.len())];
            if let Content::Text(text) = &mut content {
                if text.len() + piece.len() > LINE_BYTES {
                    content = Content::TooLong;
                } else {
                    text.extend_from_slice(piece);
                }
            }
            let taken = piece.len() + usize::from(newline.is_some());
            self.text.consume(taken);
            self.end += taken as u64;
            if newline.is_some() {
                break;
            }
        }
        if self.end == start {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, content, end: self.end }))
    }
}

struct Counted<R> {
    file: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{Cursor, Write};

    fn all(mut lines: Lines) -> Vec<(u64, String, u64)> {
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let Content::Text(text) = line.content else { panic!("line {} is too long", line.number) };
            read.push((line.number, String::from_utf8(text).unwrap(), line.end));
        }
        read
    }

    fn zipped(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzip_read_alike_even_in_several_members() {
        let expected = vec![(1, "a".to_owned(), 2), (2, String::new(), 3), (3, "bc".to_owned(), 5)];
        let members = [zipped("a\n\n"), zipped("bc")].concat();
        for bytes in [b"a\n\nbc".to_vec(), zipped("a\n\nbc"), members] {
            assert_eq!(all(Lines::open(Cursor::new(bytes)).unwrap()), expected);
        }
        assert_eq!(all(Lines::open(Cursor::new("")).unwrap()), vec![]);
        assert_eq!(all(Lines::open(Cursor::new("x")).unwrap()), vec![(1, "x".to_owned(), 1)]);
    }

    #[test]
    fn it_goes_on_where_it_stopped() {
        for bytes in [b"one\ntwo\nthree\n".to_vec(), zipped("one\ntwo\nthree\n")] {
            let mut lines = Lines::open(Cursor::new(bytes)).unwrap();
            lines.skip(4, 1).unwrap();
            assert_eq!(all(lines), vec![(2, "two".to_owned(), 8), (3, "three".to_owned(), 14)]);
        }
        assert!(Lines::open(Cursor::new("short")).unwrap().skip(6, 1).is_err());
    }

    #[test]
    fn a_line_may_have_just_so_many_bytes() {
        let text = format!("{}\n{}\nlast\n", "a".repeat(LINE_BYTES), "b".repeat(LINE_BYTES + 1));
        let mut lines = Lines::open(Cursor::new(text)).unwrap();
        let mut next = || lines.next().unwrap().unwrap();
        assert!(matches!(next().content, Content::Text(text) if text.len() == LINE_BYTES));
        assert_eq!(next().content, Content::TooLong);
        assert_eq!(
            next(),
            Line { number: 3, content: Content::Text(b"last".to_vec()), end: 2 * LINE_BYTES as u64 + 8 }
        );
    }

    #[test]
    fn a_cut_gzip_file_is_an_error_and_no_end() {
        let mut bytes = zipped(&"some text\n".repeat(100));
        bytes.truncate(bytes.len() - 6);
        let mut lines = Lines::open(Cursor::new(bytes)).unwrap();
        let mut outcome = lines.next();
        while let Ok(Some(_)) = outcome {
            outcome = lines.next();
        }
        assert!(outcome.is_err());
    }
}
