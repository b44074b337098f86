//! Signing in to the pages: one-time tokens become sessions. Both live in memory only and end with the process.

use super::Admin;
use crate::catalog::Role;
use crate::event::Timestamp;
use hashbrown::HashMap;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a one-time link works.
const TOKEN_MS: i64 = 24 * 3_600_000;
/// How long a session lasts after it was last used.
const SESSION_MS: i64 = 12 * 3_600_000;
/// Sessions and tokens that are kept; the oldest goes first.
const MAX_ENTRIES: usize = 1000;

/// A person who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub author: String,
    pub role: Role,
}

/// A link that signs in once.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleLink {
    /// To be opened on the server's address: the server may not know how it is reached.
    pub path: String,
    pub expires_at: String,
}

/// Whoever reads the path is let in.
impl std::fmt::Debug for ConsoleLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleLink").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// By the digest of the secret, so that a look-up's time tells nothing about it.
type Entries = HashMap<[u8; 32], (Session, Timestamp)>;

/// Who was invited, and who is here.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    tokens: Mutex<Entries>,
    sessions: Mutex<Entries>,
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    // A panic while holding it cannot leave a map half changed.
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(entries: &Mutex<Entries>, secret: &str, session: Session, until: Timestamp, now: Timestamp) {
    let mut entries = lock(entries);
    entries.retain(|_, (_, until)| *until > now);
    if entries.len() >= MAX_ENTRIES
        && let Some(oldest) = entries.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| *key)
    {
        entries.remove(&oldest);
    }
    entries.insert(digest(secret), (session, until));
}

impl Sessions {
    /// Lets a token sign in once, until the moment that is returned.
    fn invite(&self, token: &str, session: Session, now: Timestamp) -> Timestamp {
        let until = Timestamp(now.0 + TOKEN_MS);
        put(&self.tokens, token, session, until, now);
        until
    }

    /// Uses up a token; `secret` lets in from now on. `false` if there is no such token (any more).
    fn redeem(&self, token: &str, secret: &str, now: Timestamp) -> bool {
        match lock(&self.tokens).remove(&digest(token)) {
            Some((session, until)) if until > now => {
                put(&self.sessions, secret, session, Timestamp(now.0 + SESSION_MS), now);
                true
            }
            _ => false,
        }
    }

    /// Who a secret lets in; being used keeps it alive.
    fn find(&self, secret: &str, now: Timestamp) -> Option<Session> {
        let mut sessions = lock(&self.sessions);
        let (session, until) = sessions.get_mut(&digest(secret))?;
        if *until <= now {
            return None;
        }
        *until = (*until).max(Timestamp(now.0 + SESSION_MS));
        Some(session.clone())
    }
}

impl Admin {
    /// Makes a link that signs in once, as somebody with this role.
    pub fn console_link(&self, author: &str, role: Role) -> ConsoleLink {
        let token = self.new_secret();
        let session = Session { author: author.to_owned(), role };
        let until = self.inner.sessions.invite(&token, session, self.now());
        ConsoleLink { path: format!("/session?token={token}"), expires_at: until.to_string() }
    }

    /// Makes a token for programs on this machine; it lets in until the process ends.
    pub fn machine_token(&self, author: &str) -> String {
        let token = format!("console-{}", self.new_secret());
        let session = Session { author: author.to_owned(), role: Role::Admin };
        put(&self.inner.sessions.sessions, &token, session, Timestamp::MAX, self.now());
        token
    }

    /// Uses up a one-time token; the answer is the new session's secret for a cookie.
    pub fn sign_in(&self, token: &str) -> Option<String> {
        let secret = self.new_secret();
        self.inner.sessions.redeem(token, &secret, self.now()).then_some(secret)
    }

    /// Who a cookie's secret belongs to.
    pub fn session(&self, secret: &str) -> Option<Session> {
        self.inner.sessions.find(secret, self.now())
    }

    fn new_secret(&self) -> String {
        format!("{:032x}", self.random_u128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_438_700_000);

    fn after(ms: i64) -> Timestamp {
        Timestamp(NOW.0 + ms)
    }

    fn person(author: &str) -> Session {
        Session { author: author.to_owned(), role: Role::Viewer }
    }

    #[test]
    fn a_link_works_for_a_day_and_once() {
        for (when, works) in [(0, true), (TOKEN_MS - 1, true), (TOKEN_MS, false)] {
            let sessions = Sessions::default();
            assert_eq!(sessions.invite("token", person("a"), NOW), after(TOKEN_MS));
            assert!(!sessions.redeem("another", "secret", after(when)));
            assert_eq!(sessions.redeem("token", "secret", after(when)), works, "{when}");
            assert!(!sessions.redeem("token", "other", after(when)));
            assert_eq!(sessions.find("secret", after(when)), works.then(|| person("a")));
            assert_eq!(sessions.find("other", after(when)), None);
        }
    }

    #[test]
    fn a_session_lasts_as_long_as_it_is_used() {
        let sessions = Sessions::default();
        sessions.invite("token", person("a"), NOW);
        assert!(sessions.redeem("token", "secret", NOW));
        let mut now = 0;
        for _ in 0..10 {
            now += SESSION_MS - 1;
            assert_eq!(sessions.find("secret", after(now)), Some(person("a")));
        }
        assert_eq!(sessions.find("secret", after(now + SESSION_MS)), None);
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let sessions = Sessions::default();
        put(&sessions.sessions, "machine", person("machine"), Timestamp::MAX, NOW);
        for nth in 0..MAX_ENTRIES as i64 {
            sessions.invite("token", person("a"), after(nth));
            assert!(sessions.redeem("token", &format!("secret-{nth}"), after(nth)));
        }
        let last = after(MAX_ENTRIES as i64);
        assert_eq!(sessions.find("secret-0", last), None);
        for kept in ["secret-1".to_owned(), format!("secret-{}", MAX_ENTRIES - 1), "machine".to_owned()] {
            assert!(sessions.find(&kept, last).is_some(), "{kept}");
        }
    }
}
