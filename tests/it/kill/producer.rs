//! Senders as SDKs are: each keeps a connection, repeats what it got no answer for, gives up now and then, and sometimes
//! sends what was taken already.

use super::dice::Dice;
use super::oracle::Oracle;
use super::parcel::{Parcel, fresh, pack};
use crate::running::{Answer, Connection, SERVER_KEY};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Between two tries. What a server asks for (a second) would only make the tests slow.
const PAUSE: Duration = Duration::from_millis(3);

const SUCCESS: &str = r#"{"success":true}"#;

/// What the senders of a test share.
#[derive(Default)]
pub struct Desk {
    pub oracle: Oracle,
    /// Where the server is now; `None` while there is none.
    address: Mutex<Option<SocketAddr>>,
    closing: AtomicBool,
    /// Answers 503.
    pub turned_away: AtomicU64,
    /// Requests that got no answer.
    pub unanswered: AtomicU64,
}

impl Desk {
    pub fn open_at(&self, address: Option<SocketAddr>) {
        *self.address.lock().expect("nobody panics with it") = address;
    }

    /// For senders of another round.
    pub fn reopen(&self) {
        self.closing.store(false, Relaxed);
    }

    /// Closes the desk when the test's part is over, well or not, so that the senders end.
    pub fn close_at_end(&self) -> impl Drop {
        struct Closing<'d>(&'d Desk);
        impl Drop for Closing<'_> {
            fn drop(&mut self) {
                self.0.closing.store(true, Relaxed);
            }
        }
        Closing(self)
    }
}

/// One sender.
pub struct Producer<'d> {
    desk: &'d Desk,
    dice: Dice,
    label: String,
    counter: u64,
    connection: Option<(SocketAddr, Connection)>,
}

impl<'d> Producer<'d> {
    pub fn new(desk: &'d Desk, label: String, dice: Dice) -> Producer<'d> {
        Producer { desk, dice, label, counter: 0, connection: None }
    }

    /// Sends until the desk closes.
    pub fn run(mut self) {
        while !self.desk.closing.load(Relaxed) {
            let parcel = fresh(&self.label, &mut self.counter, SERVER_KEY, &mut self.dice);
            self.desk.oracle.sending(&parcel);
            let taken = if self.dice.once_in(10) { self.deliver_at_once(&parcel) } else { self.deliver(&parcel) };
            if taken && self.dice.once_in(5) {
                let again = self.repeated(parcel);
                self.deliver(&again);
            }
        }
    }

    /// The same body once more, or one of its events by itself on whichever route.
    fn repeated(&mut self, parcel: Parcel) -> Parcel {
        if self.dice.once_in(2) {
            return parcel;
        }
        let one = parcel.items[self.dice.below(parcel.items.len())].clone();
        pack(vec![one], SERVER_KEY, &mut self.dice)
    }

    /// Tries until the parcel is taken or patience ends.
    fn deliver(&mut self, parcel: &Parcel) -> bool {
        loop {
            let taken = self.exchange(parcel);
            if self.settled(parcel, taken) {
                return true;
            }
            if self.desk.closing.load(Relaxed) || self.dice.once_in(12) {
                return false;
            }
            thread::park_timeout(PAUSE);
        }
    }

    /// A client that sends again before the first answer came: both requests are under way at the same time.
    fn deliver_at_once(&mut self, parcel: &Parcel) -> bool {
        let Some(address) = *self.desk.address.lock().expect("nobody panics with it") else { return false };
        let mut other = Connection::to(address);
        if let Ok(other) = &mut other {
            // A failure shows when the answer is read.
            let _ = other.send(&parcel.request());
        }
        let taken = self.deliver(parcel);
        let late = other.and_then(|mut other| other.answer("POST"));
        self.settled(parcel, late) || taken
    }

    fn exchange(&mut self, parcel: &Parcel) -> io::Result<Answer> {
        let address = *self.desk.address.lock().expect("nobody panics with it");
        let address = address.ok_or(io::ErrorKind::NotConnected)?;
        let mut connection = match self.connection.take() {
            Some((known, connection)) if known == address => connection,
            _ => Connection::to(address)?,
        };
        connection.send(&parcel.request())?;
        let answer = connection.answer("POST")?;
        if answer.header("connection") != Some("close") {
            self.connection = Some((address, connection));
        }
        Ok(answer)
    }

    /// Writes down what became of a request; true if its events were taken.
    fn settled(&self, parcel: &Parcel, outcome: io::Result<Answer>) -> bool {
        match outcome {
            Ok(answer) if matches!(answer.status, 200 | 202) => {
                let expected = if parcel.has_bad { r#"{"success":true,"rejected":[{"index":0,"# } else { SUCCESS };
                assert!(answer.body.starts_with(expected), "{}: {}", parcel.path, answer.body);
                self.desk.oracle.acknowledged(parcel);
                return true;
            }
            Ok(answer) if answer.status == 503 => self.desk.turned_away.fetch_add(1, Relaxed),
            Ok(answer) => panic!("{} was answered {}: {}", parcel.path, answer.status, answer.body),
            Err(error) => {
                assert!(!is_hang(&error), "{} was not answered in time", parcel.path);
                self.desk.unanswered.fetch_add(1, Relaxed)
            }
        };
        false
    }
}

/// A read that ran into the test's patience.
pub fn is_hang(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
