//! Destinations by HTTP: which one, which page, what is to be done; the room `admin` does the rest.

use super::{Wrapped, answer, blocking, number, refuse};
use crate::admin::{AdminError, Skipped};
use crate::http::app::House;
use crate::http::app::stream::{PORTION, Told, follow, last_seen, left_out, message};
use crate::http::query;
use crate::http::reply::Reply;
use crate::http::route::console::{Call, Endpoint, Steering};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::Serialize;

impl House {
    /// What only reads. `part` is the second parameter of the path.
    pub(super) async fn read_destinations(
        &self,
        endpoint: &Endpoint,
        name: String,
        part: String,
        parts: &Parts,
    ) -> Reply {
        let admin = self.admin.clone();
        let asked = |name: &str| query::value(parts.uri.query(), name).map(|value| value.into_owned());
        match endpoint.call {
            Call::Destinations => answer(blocking(move || admin.destinations()).await),
            Call::Destination => answer(blocking(move || admin.destination(&name)).await.map(Wrapped::found)),
            Call::Attempts => match (number(asked("after"), "after"), number(asked("limit"), "limit")) {
                (Ok(after), Ok(limit)) => answer(blocking(move || admin.attempts(&name, after, limit)).await),
                (Err(error), _) | (_, Err(error)) => refuse(&error),
            },
            Call::AttemptStream => self.stream_attempts(name, parts),
            Call::DeadLetters => match (number(asked("before"), "before"), number(asked("limit"), "limit")) {
                (Ok(before), Ok(limit)) => answer(blocking(move || admin.dead_letters(&name, before, limit)).await),
                (Err(error), _) | (_, Err(error)) => refuse(&error),
            },
            Call::DeadLetter => answer(blocking(move || admin.dead_letter(&name, &part)).await.map(Wrapped::found)),
            _ => Reply::not_found(),
        }
    }

    /// What acts. `part` is the second parameter of the path.
    pub(super) async fn steer(
        &self,
        steering: Steering,
        name: String,
        part: String,
        author: String,
        parts: &Parts,
        incoming: Incoming,
    ) -> Reply {
        let body = match self.text(parts, incoming).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let admin = self.admin.clone();
        match steering {
            Steering::Pause => done("Paused.", move || admin.pause_destination(&name, &author)).await,
            Steering::Resume => done("Resumed.", move || admin.resume_destination(&name, &author)).await,
            Steering::Replay => done("Sending again.", move || admin.replay(&name, &body, &author)).await,
            Steering::Skip => done("Skipped.", move || admin.skip(&name, &author)).await,
            Steering::Test => {
                let attempt = admin.test_destination(&name, &author).await;
                answer(attempt.map(|data| Wrapped { message: "Tried.", data }))
            }
            Steering::Retry => done("Ordered.", move || admin.retry(&name, Some(&part), &author)).await,
            Steering::RetryAll => done("Ordered.", move || admin.retry(&name, None, &author)).await,
            Steering::Discard => done("Discarded.", move || admin.discard(&name, Some(&part), &author)).await,
            Steering::DiscardAll => done("Discarded.", move || admin.discard(&name, None, &author)).await,
        }
    }

    /// Starts with the next attempt, or after `Last-Event-ID` where a browser comes back.
    fn stream_attempts(&self, name: String, parts: &Parts) -> Reply {
        let grown = match self.admin.newest_attempt(&name) {
            Ok(grown) => grown,
            Err(error) => return refuse(&error),
        };
        let newest = *grown.borrow();
        // Numbers begin anew with each start, and who has seen a higher one has seen none of these.
        let at = last_seen(parts).map_or(newest, |last| if last > newest { 0 } else { last });
        let admin = self.admin.clone();
        let read = move |after: u64| {
            let page = admin.attempts(&name, Some(after), Some(PORTION))?;
            let mut text = String::new();
            let mut next = after;
            for attempt in &page.data {
                if attempt.number > next + 1 {
                    text.push_str(&left_out(&Skipped { count: Some(attempt.number - next - 1) }));
                }
                text.push_str(&message(attempt.number, attempt));
                next = attempt.number;
            }
            Ok(Told { text, next })
        };
        follow(self.admin.meters(), grown, at, read)
    }
}

async fn done<T: Serialize + Send + 'static>(
    message: &'static str,
    work: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> Reply {
    answer(blocking(work).await.map(|data| Wrapped { message, data }))
}
