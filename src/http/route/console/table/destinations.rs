//! The rows of destinations: how they stand, what became of what was sent, and what may be done about it.

use super::{BEFORE, LIMIT, Table};
use crate::catalog::Role::{Admin, Viewer};
use crate::http::route::Verb::{Delete, Get, Post};
use crate::http::route::console::{Answer, Call, Steering};

const AFTER: (&str, &str) = ("after", "Only attempts behind this number, oldest first");

impl Table {
    pub(super) fn destinations(&mut self) {
        let data = |schema: &str| Answer::Data(schema.to_owned());
        let endless = |schema: &str| Answer::Endless(schema.to_owned());
        let path = |rest: &str| format!("destinations/{{id}}/{rest}");
        let summary = "Destinations: state, place in the log, lag, dead letters";
        self.add(Get, "destinations", Call::Destinations, Viewer, "listDestinations", summary).answer =
            endless("Destination");
        let summary = "One destination: segment or webhook";
        self.add(Get, "destinations/{id}", Call::Destination, Viewer, "readDestination", summary).answer =
            data("Destination");
        for (steering, rest, operation, summary) in [
            (Steering::Pause, "pause", "pauseDestination", "Send nothing until it is resumed"),
            (Steering::Resume, "resume", "resumeDestination", "Send again, from where it stands"),
        ] {
            self.add(Post, &path(rest), Call::Steer(steering), Admin, operation, summary).answer = data("Destination");
        }
        let (replay, summary) = (Call::Steer(Steering::Replay), "Send again from a sequence or a time on, in order");
        self.add(Post, &path("replay"), replay, Admin, "replayDestination", summary)
            .request("Replay")
            .answer(data("Moved"));
        let (skip, summary) = (Call::Steer(Steering::Skip), "Pass over everything that was not sent yet");
        self.add(Post, &path("skip"), skip, Admin, "skipDestination", summary).answer = data("Moved");
        let (test, summary) = (Call::Steer(Steering::Test), "Send one test event now, and tell what became of it");
        self.add(Post, &path("test"), test, Admin, "testDestination", summary).answer = data("Attempt");
        let summary =
            "The newest attempts to send, newest first; only some are remembered, and none from before the start";
        self.add(Get, &path("attempts"), Call::Attempts, Viewer, "listAttempts", summary)
            .answer(endless("Attempt"))
            .query = &[LIMIT, AFTER];
        let summary = "Attempts to send as they are made";
        self.add(Get, &path("stream"), Call::AttemptStream, Viewer, "streamAttempts", summary).answer = Answer::Stream;
        let summary = "Events that the destination will not take, that of the newest event first";
        self.add(Get, &path("dead_letters"), Call::DeadLetters, Viewer, "listDeadLetters", summary)
            .answer(endless("DeadLetter"))
            .query = &[LIMIT, BEFORE];
        let summary = "A dead letter, its event, and the event as it would be sent now";
        self.add(Get, &path("dead_letters/{sequence}"), Call::DeadLetter, Viewer, "readDeadLetter", summary).answer =
            data("DeadLetterDetail");
        for (verb, steering, rest, operation, summary) in [
            (Post, Steering::RetryAll, "dead_letters/retry", "retryDeadLetters", "Send all dead letters again"),
            (Post, Steering::Retry, "dead_letters/{sequence}/retry", "retryDeadLetter", "Send a dead letter again"),
            (Delete, Steering::DiscardAll, "dead_letters", "discardDeadLetters", "Throw all dead letters away"),
            (Delete, Steering::Discard, "dead_letters/{sequence}", "discardDeadLetter", "Throw a dead letter away"),
        ] {
            self.add(verb, &path(rest), Call::Steer(steering), Admin, operation, summary).answer = data("LetterCount");
        }
    }
}
