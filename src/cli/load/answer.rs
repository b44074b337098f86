//! Reads the few things of an HTTP/1.1 answer that a load generator needs (RFC 9112). Not a general client: an answer must say
//! its length, as Weir's do; a chunked one is an error.

/// A whole answer at the front of what was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
    /// Seconds, where the server says when to come again.
    pub retry_after: Option<u32>,
    /// The server ends the connection after this.
    pub close: bool,
    /// Bytes of head and body: what follows belongs to the next answer.
    pub length: usize,
}

/// Not an answer that can be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Malformed {
    #[error("the answer does not begin with an HTTP/1.1 status line")]
    Status,
    #[error("the answer does not say its length")]
    Length,
    #[error("the answer's head is over {MAX_HEAD} bytes")]
    Head,
}

/// Far above what a server sends here; bounds what a stranger on the port can make us keep.
pub const MAX_HEAD: usize = 16 * 1024;

/// Looks for a whole answer in what has been read so far; `None` asks for more bytes.
pub fn parse(read: &[u8]) -> Result<Option<Answer<'_>>, Malformed> {
    let Some(head_end) = memchr::memmem::find(read, b"\r\n\r\n") else {
        return if read.len() > MAX_HEAD { Err(Malformed::Head) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&read[..head_end]).map_err(|_| Malformed::Status)?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.get(2..5))
        .and_then(|digits| digits.parse().ok())
        .ok_or(Malformed::Status)?;
    let (mut length, mut retry_after, mut close) = (None, None, false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("retry-after") {
            retry_after = value.parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close");
        }
    }
    let start = head_end + 4;
    let end = start.checked_add(length.ok_or(Malformed::Length)?).ok_or(Malformed::Length)?;
    Ok(read.get(start..end).map(|body| Answer { status, body, retry_after, close, length: end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 16\r\n\r\n{\"success\":true}";

    #[test]
    fn an_answer_is_found_only_when_all_of_it_is_there() {
        for cut in 0..OK.len() {
            assert_eq!(parse(&OK[..cut]), Ok(None), "after {cut} bytes");
        }
        let two = [OK, b"HTTP/1.1 503"].concat();
        let answer = parse(&two).unwrap().unwrap();
        assert_eq!((answer.status, answer.body, answer.length), (200, b"{\"success\":true}".as_slice(), OK.len()));
        assert!(!answer.close && answer.retry_after.is_none());
    }

    #[test]
    fn what_the_server_asks_for_is_read() {
        let text =
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length:0\r\n\r\n";
        let answer = parse(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.retry_after, answer.close, answer.body.len()), (503, Some(2), true, 0));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for (text, error) in [
            (b"SSH-2.0-x\r\n\r\n".as_slice(), Malformed::Status),
            (b"HTTP/1.1 abc\r\ncontent-length: 0\r\n\r\n", Malformed::Status),
            (b"HTTP/1.1\r\n\r\n", Malformed::Status),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Malformed::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n", Malformed::Length),
            (&vec![b'a'; MAX_HEAD + 1], Malformed::Head),
        ] {
            assert_eq!(parse(text), Err(error), "{:?}", String::from_utf8_lossy(&text[..text.len().min(40)]));
        }
    }
}
