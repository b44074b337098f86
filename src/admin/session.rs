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

#[derive(Debug, Default)]
pub(super) struct Sessions {
    tokens: Mutex<Entries>,
    sessions: Mutex<Entries>,
}

/// By the digest of the secret, so that a look-up's time tells nothing about it.
type Entries = HashMap<[u8; 32], (Session, Timestamp)>;

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

impl Admin {
    /// Makes a link that signs in once, as somebody with this role.
    pub fn console_link(&self, author: &str, role: Role) -> ConsoleLink {
        let token = format!("{:032x}", self.random_u128());
        let session = Session { author: author.to_owned(), role };
        let now = self.now();
        let until = Timestamp(now.0 + TOKEN_MS);
        put(&self.inner.sessions.tokens, &token, session, until, now);
        ConsoleLink { path: format!("/session?token={token}"), expires_at: until.to_string() }
    }

    /// Makes a token for programs on this machine; it lets in until the process ends.
    pub fn machine_token(&self, author: &str) -> String {
        let token = format!("console-{:032x}", self.random_u128());
        let session = Session { author: author.to_owned(), role: Role::Admin };
        put(&self.inner.sessions.sessions, &token, session, Timestamp::MAX, self.now());
        token
    }

    /// Uses up a one-time token; the answer is the new session's secret for a cookie.
    pub fn sign_in(&self, token: &str) -> Option<String> {
        let now = self.now();
        let (session, until) = lock(&self.inner.sessions.tokens).remove(&digest(token))?;
        if until <= now {
            return None;
        }
        let secret = format!("{:032x}", self.random_u128());
        put(&self.inner.sessions.sessions, &secret, session, Timestamp(now.0 + SESSION_MS), now);
        Some(secret)
    }

    /// Who a cookie's secret belongs to.
    pub fn session(&self, secret: &str) -> Option<Session> {
        let now = self.now();
        let mut sessions = lock(&self.inner.sessions.sessions);
        let (session, until) = sessions.get_mut(&digest(secret))?;
        if *until <= now {
            return None;
        }
        *until = (*until).max(Timestamp(now.0 + SESSION_MS));
        Some(session.clone())
    }
}
