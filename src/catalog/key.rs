//! Keys: who may write, evaluate, read and change. Keeps of a secret key only its digest, and never prints one.

use super::digest::Digest;
use super::instant::iso;
use super::mistake::Mistake;
use crate::event::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyType {
    /// For servers: writes events, evaluates, downloads specs and ID lists. Begins with `secret-`.
    Server,
    /// For browsers and apps, public by nature: writes events and evaluates. Begins with `client-`.
    Client,
    /// For the console and its API. Begins with `console-`.
    Console,
}

impl KeyType {
    pub const ALL: [KeyType; 3] = [KeyType::Server, KeyType::Client, KeyType::Console];

    /// What a key of this type begins with. Statsig's SDKs look at it.
    pub fn prefix(self) -> &'static str {
        match self {
            KeyType::Server => "secret-",
            KeyType::Client => "client-",
            KeyType::Console => "console-",
        }
    }
}

/// What a console key may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    #[default]
    Viewer,
    /// Changes gates, experiments and what belongs to them.
    Editor,
    /// Changes everything, keys and integrations too.
    Admin,
}

/// A key as it is kept. Its text is gone, unless it is public by nature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// What lists and `weir keys revoke` call it. Says nothing about the key's text.
    pub id: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// Only a console key has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(with = "iso")]
    pub created: Timestamp,
    /// The environments it may be used for; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// SHA-256 of the key's text.
    pub hash: Digest,
    /// The text of a client key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_text: Option<String>,
}

impl Key {
    /// Makes a new key, and the text to show once. `random` fills a buffer with unpredictable bytes.
    pub fn generate(
        description: &str,
        kind: KeyType,
        role: Option<Role>,
        created: Timestamp,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> (Key, String) {
        let entry = KeyEntry { role, ..KeyEntry::new(description, kind) };
        let text = new_text(kind, random);
        (Key::keep(&entry, &text, created, random), text)
    }

    fn keep(entry: &KeyEntry, text: &str, created: Timestamp, random: &mut dyn FnMut(&mut [u8])) -> Key {
        Key {
            id: format!("key-{}", readable(ID_CHARS, random)),
            description: entry.description.clone(),
            kind: entry.kind,
            role: entry.effective_role(),
            created,
            environments: entry.environments.clone(),
            hash: Digest::of(text.as_bytes()),
            client_text: (entry.kind == KeyType::Client).then(|| text.to_string()),
        }
    }

    pub fn may_write_events(&self) -> bool {
        matches!(self.kind, KeyType::Server | KeyType::Client)
    }

    /// `initialize`, `check_gate` and their like.
    pub fn may_evaluate(&self) -> bool {
        matches!(self.kind, KeyType::Server | KeyType::Client)
    }

    /// The settings document that Segment's browser SDK asks for.
    pub fn may_read_settings(&self) -> bool {
        matches!(self.kind, KeyType::Server | KeyType::Client)
    }

    /// Config specs and ID lists: whoever reads them knows all rules and who is in a list.
    pub fn may_read_specs(&self) -> bool {
        self.kind == KeyType::Server
    }

    /// What needs `needed` in the console and its API.
    pub fn may_use_console(&self, needed: Role) -> bool {
        self.kind == KeyType::Console && self.role.unwrap_or_default() >= needed
    }

    /// Whether the key may be used for this environment.
    pub fn covers(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|name| name == environment)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Key");
        shown.field("id", &self.id).field("description", &self.description).field("kind", &self.kind);
        shown.field("role", &self.role).finish_non_exhaustive()
    }
}

/// 26 characters of 5 random bits each: 130 bits, so that nobody guesses a key.
const RANDOM_CHARS: usize = 26;
/// Enough that two keys of one project never share an ID.
const ID_CHARS: usize = 10;
/// 32 characters that cannot be mistaken for each other.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

fn new_text(kind: KeyType, random: &mut dyn FnMut(&mut [u8])) -> String {
    format!("{}{}", kind.prefix(), readable(RANDOM_CHARS, random))
}

fn readable(length: usize, random: &mut dyn FnMut(&mut [u8])) -> String {
    let mut bytes = [0; RANDOM_CHARS];
    random(&mut bytes[..length]);
    bytes[..length].iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

/// A key in the project file.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyEntry {
    /// What it is for, so that one can tell keys apart.
    pub description: String,
    /// What it may do.
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// Its text, beginning with `secret-`, `client-` or `console-`. Left out, Weir makes one and shows it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What a console key may do: `viewer` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Statsig's scopes. Kept, not used: see `role`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The environments it may be used for; all if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KeyEntry");
        shown.field("description", &self.description).field("kind", &self.kind).field("role", &self.role);
        shown.finish_non_exhaustive()
    }
}

impl KeyEntry {
    /// A key whose text is still to be made, with the least role.
    pub fn new(description: &str, kind: KeyType) -> KeyEntry {
        let description = description.to_string();
        KeyEntry { description, kind, key: None, role: None, scopes: Vec::new(), environments: Vec::new() }
    }

    fn effective_role(&self) -> Option<Role> {
        (self.kind == KeyType::Console).then(|| self.role.unwrap_or_default())
    }

    /// The key to keep, and its text if it was made here and has to be shown.
    pub fn into_key(self, created: Timestamp, random: &mut dyn FnMut(&mut [u8])) -> (Key, Option<String>) {
        match &self.key {
            Some(text) => (Key::keep(&self, text, created, random), None),
            None => {
                let text = new_text(self.kind, random);
                (Key::keep(&self, &text, created, random), Some(text))
            }
        }
    }

    /// What is wrong with this key by itself. Never repeats its text.
    pub(super) fn check(&self, place: &str, environments: &[String], mistakes: &mut Vec<Mistake>) {
        let mut wrong = |field: &str, message: String| mistakes.push(Mistake::new(format!("{place}.{field}"), message));
        if self.description.trim().is_empty() {
            wrong("description", "is empty; say what the key is for".to_string());
        }
        if self.role.is_some() && self.kind != KeyType::Console {
            wrong("role", "is only for keys of type CONSOLE; remove it".to_string());
        }
        for (index, environment) in self.environments.iter().enumerate() {
            if !environments.contains(environment) {
                let known = super::mistake::one_of(environments.iter().map(String::as_str));
                wrong(
                    &format!("environments[{index}]"),
                    format!("unknown environment \"{environment}\"; must be {known}"),
                );
            }
        }
        if let Some(text) = &self.key
            && let Err(message) = check_text(self.kind, text)
        {
            wrong("key", message);
        }
    }
}

/// The least length of a key's text after its prefix.
pub const MIN_KEY_CHARS: usize = 16;
/// The greatest length of a key's text, prefix included.
pub const MAX_KEY_CHARS: usize = 128;

fn check_text(kind: KeyType, text: &str) -> Result<(), String> {
    let prefix = kind.prefix();
    let Some(rest) = text.strip_prefix(prefix) else {
        return Err(format!("must begin with \"{prefix}\", as every {} key does", super::rule::word(kind)));
    };
    if !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err("may only have letters, digits, - and _".to_string());
    }
    if rest.len() < MIN_KEY_CHARS {
        return Err(format!("is too short; must have at least {MIN_KEY_CHARS} characters after \"{prefix}\""));
    }
    if text.len() > MAX_KEY_CHARS {
        return Err(format!("is too long; may have at most {MAX_KEY_CHARS} characters"));
    }
    Ok(())
}

/// All keys of a project, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    pub fn new(keys: Vec<Key>) -> KeyRing {
        KeyRing { keys }
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key whose text this is. Takes the same time whether and wherever it is found.
    pub fn find(&self, presented: &str) -> Option<&Key> {
        let digest = Digest::of(presented.as_bytes());
        let mut found = u64::MAX;
        for (index, key) in self.keys.iter().enumerate() {
            found.conditional_assign(&(index as u64), key.hash.same(&digest));
        }
        if bool::from(found.ct_eq(&u64::MAX)) { None } else { self.keys.get(found as usize) }
    }

    /// What has to be done so that every key of a project file works. No key is ever removed by applying a file:
    /// whoever loses the last console key is locked out, so that takes `weir keys revoke`.
    pub fn plan(&self, entries: &[KeyEntry]) -> KeyPlan {
        let mut plan = KeyPlan::default();
        for entry in entries {
            let kept = match &entry.key {
                Some(text) => self.find(text),
                // A key that Weir made for an earlier apply is recognised by what the file says of it.
                None => self.keys.iter().find(|key| key.kind == entry.kind && key.description == entry.description),
            };
            let Some(kept) = kept else {
                plan.create.push(entry.clone());
                continue;
            };
            let wanted = Key {
                description: entry.description.clone(),
                role: entry.effective_role(),
                environments: entry.environments.clone(),
                ..kept.clone()
            };
            if wanted == *kept { plan.unchanged += 1 } else { plan.update.push(wanted) }
        }
        plan
    }
}

/// What a project file changes about keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyPlan {
    /// To be kept with [`KeyEntry::into_key`].
    pub create: Vec<KeyEntry>,
    /// Known keys, by ID, as they should be.
    pub update: Vec<Key>,
    pub unchanged: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_438_699_353);

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |buffer| {
            buffer.fill_with(|| {
                next = next.wrapping_mul(37).wrapping_add(11);
                next
            });
        }
    }

    fn ring() -> (KeyRing, Vec<String>) {
        let mut random = counting();
        let (keys, texts) = KeyType::ALL
            .into_iter()
            .map(|kind| Key::generate("made here", kind, Some(Role::Editor), AT, &mut random))
            .unzip();
        (KeyRing::new(keys), texts)
    }

    #[test]
    fn a_key_is_found_by_its_text_only() {
        let (ring, texts) = ring();
        for (key, text) in ring.keys().iter().zip(&texts) {
            assert_eq!(ring.find(text), Some(key));
            assert_eq!(ring.find(&text[..text.len() - 1]), None);
            assert_eq!(ring.find(&format!("{text} ")), None);
            assert_eq!(ring.find(&text.to_uppercase()), None);
            assert_eq!(ring.find(&key.hash.to_string()), None);
            assert_eq!(ring.find(&key.id), None);
        }
        assert_eq!(ring.find(""), None);
        assert_eq!(KeyRing::default().find(&texts[0]), None);
    }

    #[test]
    fn each_type_may_do_what_the_design_lists_and_no_more() {
        let (ring, _) = ring();
        let table: Vec<_> = ring
            .keys()
            .iter()
            .map(|key| {
                let console = [Role::Viewer, Role::Editor, Role::Admin].map(|role| key.may_use_console(role));
                (key.may_write_events(), key.may_evaluate(), key.may_read_settings(), key.may_read_specs(), console)
            })
            .collect();
        assert_eq!(table[0], (true, true, true, true, [false; 3]), "server");
        assert_eq!(table[1], (true, true, true, false, [false; 3]), "client");
        assert_eq!(table[2], (false, false, false, false, [true, true, false]), "console, as editor");
        assert_eq!(ring.keys()[0].role, None, "a role is only for console keys");
    }

    #[test]
    fn only_a_client_key_keeps_its_text() {
        let (ring, texts) = ring();
        for (key, text) in ring.keys().iter().zip(&texts) {
            let (stored, shown) = (serde_json::to_string(key).unwrap(), format!("{key:?} {:?}", ring));
            assert_eq!(stored.contains(text), key.kind == KeyType::Client, "{stored}");
            assert!(!shown.contains(text) && !shown.contains(&key.hash.to_string()), "{shown}");
            assert_eq!(&serde_json::from_str::<Key>(&stored).unwrap(), key);
        }
        let entry = KeyEntry { key: Some(texts[0].clone()), ..KeyEntry::new("server", KeyType::Server) };
        assert!(!format!("{entry:?}").contains(&texts[0]));
    }

    #[test]
    fn a_made_key_passes_its_own_rules_and_uses_all_its_randomness() {
        for kind in KeyType::ALL {
            let (_, text) = Key::generate("made here", kind, None, AT, &mut counting());
            assert_eq!(check_text(kind, &text), Ok(()), "{text}");
            assert_eq!(text.len(), kind.prefix().len() + RANDOM_CHARS);
        }
        let distinct: std::collections::HashSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len() * RANDOM_CHARS, 32 * 26, "26 characters of 5 bits are 130 bits");
    }

    #[test]
    fn a_keys_text_has_its_types_prefix_and_a_length_within_bounds() {
        let of = |prefix: &str, length: usize| format!("{prefix}{}", "x".repeat(length));
        for (kind, text, words) in [
            (KeyType::Server, of("client-", 20), "must begin with \"secret-\""),
            (KeyType::Client, of("secret-", 20), "must begin with \"client-\""),
            (KeyType::Console, of("", 40), "must begin with \"console-\""),
            (KeyType::Server, of("secret-", MIN_KEY_CHARS - 1), "too short"),
            (KeyType::Client, of("client-", MAX_KEY_CHARS - 6), "too long"),
            (KeyType::Client, of("client- ", 20), "letters, digits"),
        ] {
            let message = check_text(kind, &text).expect_err(&text);
            assert!(message.contains(words) && !message.contains(&text), "{message}");
        }
        assert_eq!(check_text(KeyType::Server, &of("secret-", MIN_KEY_CHARS)), Ok(()));
        assert_eq!(check_text(KeyType::Server, &of("secret-", MAX_KEY_CHARS - 7)), Ok(()));
    }

    #[test]
    fn a_second_plan_of_the_same_keys_is_empty() {
        let given =
            KeyEntry { key: Some("secret-example0000000000000000".into()), ..KeyEntry::new("server", KeyType::Server) };
        let made = KeyEntry { role: Some(Role::Admin), ..KeyEntry::new("automation", KeyType::Console) };
        let entries = [given.clone(), made.clone()];
        let plan = KeyRing::default().plan(&entries);
        assert_eq!((plan.create.len(), plan.update.len(), plan.unchanged), (2, 0, 0));
        let mut random = counting();
        let kept: Vec<_> = plan.create.into_iter().map(|entry| entry.into_key(AT, &mut random)).collect();
        assert_eq!(kept[0].1, None, "a text that the file gave is not shown again");
        assert!(kept[1].1.as_ref().is_some_and(|text| text.starts_with("console-")));
        let ring = KeyRing::new(kept.into_iter().map(|(key, _)| key).collect());
        assert_eq!(ring.plan(&entries), KeyPlan { unchanged: 2, ..KeyPlan::default() });

        let lesser = KeyEntry { role: Some(Role::Viewer), ..made };
        let renamed = KeyEntry { description: "backend".into(), ..given };
        let plan = ring.plan(&[renamed, lesser]);
        let changed: Vec<_> = plan.update.iter().map(|key| (&*key.id, &*key.description, key.role)).collect();
        let ids: Vec<_> = ring.keys().iter().map(|key| &*key.id).collect();
        assert_eq!(changed, [(ids[0], "backend", None), (ids[1], "automation", Some(Role::Viewer))]);
    }
}
