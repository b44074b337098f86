//! How far a file has been imported, kept beside it as `FILE.weir-import`. A hint that saves time: without it everything is
//! sent again. Never holds an event or a key.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much of a file's beginning tells it from another one with the same name.
const HEAD_BYTES: u64 = 4096;

/// What is confirmed: everything before `end` is stored, or was reported as bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// The server or data directory that it was sent to.
    pub target: String,
    /// Bytes of inflated text.
    pub end: u64,
    pub lines: u64,
    /// Lines that were no events, or that the server rejected.
    pub bad: u64,
    head_bytes: u64,
    head_sha256: String,
}

/// Where a file's state is kept.
pub fn place(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".weir-import");
    name.into()
}

impl State {
    /// The state of a file of which nothing is confirmed.
    pub fn fresh(file: &Path, target: &str) -> io::Result<State> {
        let (head_bytes, head_sha256) = head(file, HEAD_BYTES)?;
        Ok(State { target: target.to_owned(), end: 0, lines: 0, bad: 0, head_bytes, head_sha256 })
    }

    /// What an earlier run left, if it is about this very file (which may have grown) and this target.
    pub fn load(file: &Path, target: &str) -> io::Result<Option<State>> {
        let text = match std::fs::read(place(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        // One that cannot be read is as good as none: importing again is safe.
        let Ok(state) = serde_json::from_slice::<State>(&text) else { return Ok(None) };
        let same =
            state.target == target && head(file, state.head_bytes)? == (state.head_bytes, state.head_sha256.clone());
        Ok(same.then_some(state))
    }

    /// Replaces what is kept, whole or not at all.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let place = place(file);
        let mut beside = place.clone().into_os_string();
        beside.push(".new");
        std::fs::write(&beside, serde_json::to_vec(self)?)?;
        std::fs::rename(&beside, place)
    }
}

fn head(file: &Path, bytes: u64) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut start = Vec::new();
    File::open(file)?.take(bytes).read_to_end(&mut start)?;
    hash.update(&start);
    Ok((start.len() as u64, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_for_this_file_and_this_target_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.ndjson");
        std::fs::write(&file, "one\ntwo\n").unwrap();
        assert_eq!(State::load(&file, "here").unwrap(), None);
        let state = State { end: 4, lines: 1, ..State::fresh(&file, "here").unwrap() };
        state.save(&file).unwrap();
        assert_eq!(State::load(&file, "here").unwrap(), Some(state.clone()));
        assert_eq!(State::load(&file, "there").unwrap(), None);
        std::fs::write(&file, "one\ntwo\nthree\n").unwrap();
        assert_eq!(State::load(&file, "here").unwrap(), Some(state), "it has grown");
        std::fs::write(&file, "uno\ndos\n").unwrap();
        assert_eq!(State::load(&file, "here").unwrap(), None, "it is another file");
        std::fs::write(place(&file), "{").unwrap();
        assert_eq!(State::load(&file, "here").unwrap(), None);
    }
}
