//! What a destination's reply means for what was sent: it has it, send it again, it refuses it, or it does not know us.
//! Reads a reply's head; sends and waits for nothing.

use crate::event::Timestamp;
use hyper::header::RETRY_AFTER;
use hyper::{HeaderMap, StatusCode};
use std::time::Duration;

/// The longest time for which a destination may ask to be left alone; Segment's own SDKs obey no longer one.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Seconds until the limit on requests is lifted, as Segment says it with a 429.
const RATE_LIMIT_RESET: &str = "x-ratelimit-reset";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has it.
    Delivered,
    /// It may take it later: not before `after`, if it said so.
    Again { after: Option<Duration> },
    /// It will never take it as it is.
    Refused,
    /// It takes nothing from us until somebody does something.
    Unauthorized,
}

impl Verdict {
    /// What a status says. 501 and 505 say that the request is wrong, not that the server is busy; a redirect is not followed,
    /// because it would carry events and a key to where nobody told us to send them.
    pub fn of(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Verdict {
        match status.as_u16() {
            200..=299 => Verdict::Delivered,
            401 | 403 => Verdict::Unauthorized,
            501 | 505 => Verdict::Refused,
            408 | 410 | 429 | 500.. => Verdict::Again { after: retry_after(status, headers, now) },
            _ => Verdict::Refused,
        }
    }
}

/// For how long the destination asks to be left alone. A time that is over already says nothing: without a wait it would be
/// asked as fast as it answers.
fn retry_after(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than a number holds is long in any case.
        digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
    };
    let date = |text: &str| {
        let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(at.saturating_sub(Duration::from_millis(u64::try_from(now.0).unwrap_or(0))))
    };
    let asked = text(RETRY_AFTER.as_str()).and_then(|text| seconds(text).or_else(|| date(text)));
    let reset = || {
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        limited.then(|| text(RATE_LIMIT_RESET).and_then(seconds)).flatten()
    };
    asked.or_else(reset).map(|wait| wait.min(LONGEST_WAIT)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    /// 2026-11-24T00:00:00Z.
    const NOW: Timestamp = Timestamp(1_795_478_400_000);

    fn headers(said: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        said.iter().map(pair).collect()
    }

    fn verdict(status: u16, said: &[(&'static str, &str)]) -> Verdict {
        Verdict::of(StatusCode::from_u16(status).unwrap(), &headers(said), NOW)
    }

    #[test]
    fn every_status_has_one_meaning() {
        let again = Verdict::Again { after: None };
        for status in 100..=999 {
            let expected = match status {
                200..=299 => Verdict::Delivered,
                401 | 403 => Verdict::Unauthorized,
                408 | 410 | 429 => again,
                501 | 505 => Verdict::Refused,
                500..=999 => again,
                _ => Verdict::Refused,
            };
            assert_eq!(verdict(status, &[]), expected, "{status}");
        }
    }

    #[test]
    fn a_wait_is_read_in_every_form_and_bounded() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (status, said, after) in [
            (429, vec![("retry-after", "7")], seconds(7)),
            (503, vec![("retry-after", " 7 ")], seconds(7)),
            (408, vec![("retry-after", "1")], seconds(1)),
            (429, vec![("retry-after", "300")], seconds(300)),
            (429, vec![("retry-after", "301")], seconds(300)),
            (429, vec![("retry-after", "99999999999999999999999")], seconds(300)),
            (429, vec![("retry-after", "0")], None),
            (429, vec![("retry-after", "-1")], None),
            (429, vec![("retry-after", "1.5")], None),
            (429, vec![("retry-after", "")], None),
            (429, vec![("retry-after", "soon")], None),
            (503, vec![("retry-after", "Tue, 24 Nov 2026 00:00:30 GMT")], seconds(30)),
            (503, vec![("retry-after", "Tue, 24 Nov 2026 09:00:00 GMT")], seconds(300)),
            (503, vec![("retry-after", "Mon, 23 Nov 2026 23:59:59 GMT")], None),
            (503, vec![("retry-after", "Sun, 01 Jan 1601 00:00:00 GMT")], None),
            (429, vec![("x-ratelimit-reset", "9")], seconds(9)),
            (429, vec![("x-ratelimit-reset", "1795478460")], seconds(300)),
            (429, vec![("retry-after", "2"), ("x-ratelimit-reset", "9")], seconds(2)),
            (429, vec![("retry-after", "soon"), ("x-ratelimit-reset", "9")], seconds(9)),
            (503, vec![("x-ratelimit-reset", "9")], None),
        ] {
            assert_eq!(verdict(status, &said), Verdict::Again { after }, "{status} {said:?}");
        }
        assert_eq!(verdict(400, &[("retry-after", "7")]), Verdict::Refused, "no wait makes a refusal good");
    }
}
