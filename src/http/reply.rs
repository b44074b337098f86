//! What goes back: status, headers, and a body of known length or a stream. Knows the shapes that SDKs insist on, and
//! nothing about why a request failed.
//!
//! - Success is exactly `{"success":true}` with status 200: some SDKs repeat what is answered 202, 204 or with an empty body.
//! - An error carries `code`, `message` and `error`: one SDK fails on an error without `code` and repeats the call for
//!   ever, another shows `error` alone.
//! - `Retry-After` is a whole number of seconds: few SDKs read a date.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SUCCESS: Bytes = Bytes::from_static(br#"{"success":true}"#);

/// An answer on its way out.
#[derive(Debug)]
pub struct Reply(Response<ReplyBody>);

#[derive(Serialize)]
struct ErrorBody<'a> {
    success: bool,
    code: &'a str,
    message: &'a str,
    error: &'a str,
}

impl Reply {
    pub fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<ReplyBody>) -> Reply {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Reply(response)
    }

    /// 200 `{"success":true}`, exactly. Allocates nothing but the header map's own table.
    pub fn success() -> Reply {
        Reply::new(StatusCode::OK, JSON, SUCCESS)
    }

    /// 204 without a body or a content type. Never for an event path's POST.
    pub fn no_content() -> Reply {
        let mut response = Response::new(ReplyBody::from(Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        Reply(response)
    }

    /// JSON that is already written.
    pub fn json(status: StatusCode, body: impl Into<ReplyBody>) -> Reply {
        Reply::new(status, JSON, body)
    }

    /// `{"success":false, code, message, error}`. The code is stable; the message says what to do.
    pub fn error(status: StatusCode, code: &str, message: &str) -> Reply {
        let body = ErrorBody { success: false, code, message, error: message };
        Reply::json(status, serde_json::to_vec(&body).expect("strings always serialise"))
    }

    pub fn not_found() -> Reply {
        Reply::error(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this path; check the address the SDK was given",
        )
    }

    pub fn method_not_allowed(allow: &'static str) -> Reply {
        let message = format!("this path takes {allow} only");
        Reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message)
            .header(ALLOW, HeaderValue::from_static(allow))
    }

    /// A mistake of ours.
    pub fn internal_error() -> Reply {
        let message = "the server made a mistake on this request; nothing of it was stored, and it may be sent again";
        Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    /// A body that lies in pieces, none of them empty; they are sent one after the other and not copied together.
    pub fn pieces(status: StatusCode, content_type: HeaderValue, pieces: Vec<Bytes>) -> Reply {
        Reply::new(status, content_type, ReplyBody(Content::Pieces(pieces.into())))
    }

    /// A body without an end in sight: each item is sent as it comes. The stream ends early when the server stops.
    pub fn stream(content_type: HeaderValue, stream: impl Stream<Item = Bytes> + 'static) -> Reply {
        Reply::new(StatusCode::OK, content_type, ReplyBody(Content::Stream(Box::pin(stream))))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// Asks the client to come back after so many seconds.
    pub fn retry_after(self, seconds: u32) -> Reply {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Tells the client that the connection ends here, because its body was not read to the end.
    pub fn closing(self) -> Reply {
        self.header(CONNECTION, HeaderValue::from_static("close"))
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Reply {
        self.0.headers_mut().insert(name, value);
        self
    }

    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }

    pub fn status(&self) -> StatusCode {
        self.0.status()
    }
}

impl From<Reply> for Response<ReplyBody> {
    fn from(reply: Reply) -> Self {
        reply.0
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct ReplyBody(Content);

enum Content {
    /// Sent at once, with its length.
    Whole(Bytes),
    /// The same in pieces that are not empty.
    Pieces(VecDeque<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = Bytes>>>),
    Done,
}

/// Lengths only: an answer may carry a key that was just made.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Content::Pieces(pieces) => write!(f, "Pieces({} bytes)", total(pieces)),
            Content::Stream(_) => f.write_str("Stream"),
            Content::Done => f.write_str("Done"),
        }
    }
}

fn total(pieces: &VecDeque<Bytes>) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

impl ReplyBody {
    /// Ends a stream; leaves a whole body alone, which is on its way already.
    pub(super) fn end_stream(&mut self) {
        if matches!(self.0, Content::Stream(_)) {
            self.0 = Content::Done;
        }
    }
}

impl<T: Into<Bytes>> From<T> for ReplyBody {
    fn from(bytes: T) -> Self {
        ReplyBody(Content::Whole(bytes.into()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Content::Done;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream(stream) => {
                let item = std::task::ready!(stream.poll_next_unpin(cx));
                if item.is_none() {
                    self.0 = Content::Done;
                }
                Poll::Ready(item.map(|bytes| Ok(Frame::data(bytes))))
            }
            Content::Done => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Pieces(pieces) => pieces.is_empty(),
            Content::Stream(_) => false,
            Content::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(pieces) => SizeHint::with_exact(total(pieces)),
            Content::Stream(_) => SizeHint::default(),
            Content::Done => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn text(reply: Reply) -> (u16, String) {
        let response = Response::from(reply);
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("cannot fail").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    #[tokio::test]
    async fn success_is_exactly_what_every_sdk_takes_for_one() {
        let reply = Reply::success();
        assert_eq!(reply.0.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(reply.0.body().size_hint().exact(), Some(16));
        assert_eq!(text(reply).await, (200, r#"{"success":true}"#.to_owned()));
    }

    #[tokio::test]
    async fn an_error_carries_its_code_and_says_it_twice() {
        let reply = Reply::error(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "say \"later\"").retry_after(1);
        assert_eq!(reply.0.headers()[RETRY_AFTER], "1");
        let (status, body) = text(reply).await;
        assert_eq!(status, 503);
        assert_eq!(body, r#"{"success":false,"code":"overloaded","message":"say \"later\"","error":"say \"later\""}"#);
    }

    #[tokio::test]
    async fn a_stream_has_no_length_and_can_be_ended() {
        let items = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let content_type = HeaderValue::from_static("text/event-stream");
        let whole = Reply::stream(content_type.clone(), futures_util::stream::iter(items.clone()));
        assert_eq!(whole.0.body().size_hint().exact(), None);
        assert_eq!(text(whole).await.1, "ab");

        let mut cut = Reply::stream(content_type, futures_util::stream::iter(items));
        cut.0.body_mut().end_stream();
        assert_eq!(text(cut).await.1, "");
    }
}
