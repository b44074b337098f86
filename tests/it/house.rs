//! The shape of the house, read from its sources: each file says what it is, a room imports only from floors below it, and
//! a crate or a clock that belongs to one room is named nowhere else. The floors are those that `src/lib.rs` lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The words: every room may speak them, also on their own floor.
const WORDS: &str = "event";

/// What only one room may name, and that room.
const OWNED: &[(&str, &str)] = &[
    ("redb::", "store"),
    ("bincode::", "store"),
    ("statrs::", "stats"),
    ("regex::", "catalog"),
    ("flume::", "writer"),
    ("indicatif::", "cli"),
    ("SystemTime::now", "clock"),
    ("jiff::Timestamp::now", "clock"),
    ("Zoned::now", "clock"),
];

struct Source {
    /// Below `src`, as the message names it.
    path: PathBuf,
    /// The first part of the path: `store` for `store.rs` and all of `store/`.
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the sources") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).expect("found below the root").to_path_buf();
                let first = below.iter().next().and_then(|part| part.to_str()).expect("names in the sources are UTF-8");
                let room = first.trim_end_matches(".rs").to_owned();
                found.push(Source {
                    room,
                    text: fs::read_to_string(&path).expect("a source is UTF-8 text"),
                    path: below,
                });
            }
        }
    }
    assert!(found.len() > 10, "the sources are in {}", root.display());
    found
}

/// Room -> floor, from the `// Floor N` headings of lib.rs.
fn floors(lib: &str) -> BTreeMap<String, u32> {
    let mut floor = None;
    let mut floors = BTreeMap::new();
    for line in lib.lines() {
        if let Some(rest) = line.strip_prefix("// Floor ") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            floor = Some(digits.parse().expect("a floor has a number"));
        } else if let Some(name) = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")) {
            let room = name.trim_end_matches(';').to_owned();
            floors.insert(room, floor.expect("each room of lib.rs stands under a `// Floor N` heading"));
        }
    }
    floors
}

/// The code without its comment lines, so that prose may name any room.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms that follow each `crate::`, also inside `crate::{a, b::{c, d}}`.
fn rooms_named(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && c.is_alphabetic() => {
                    rooms.push(word(&group[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    let silent: Vec<_> = sources().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|f| f.path).collect();
    assert!(silent.is_empty(), "files without a first `//!` line: {silent:?}");
}

#[test]
fn a_room_imports_only_from_floors_below_it() {
    let sources = sources();
    let lib = sources.iter().find(|file| file.path == Path::new("lib.rs")).expect("src/lib.rs");
    let floors = floors(&lib.text);
    let mut wrong = Vec::new();
    for file in sources.iter().filter(|file| file.room != "lib" && file.room != "main") {
        let Some(&own) = floors.get(&file.room) else {
            wrong.push(format!("{}: lib.rs does not list the room {}", file.path.display(), file.room));
            continue;
        };
        for named in rooms_named(&code(&file.text)) {
            if let Some(&other) = floors.get(&named)
                && named != file.room
                && (other > own || other == own && named != WORDS)
            {
                wrong.push(format!("{}: floor {own} imports {named} on floor {other}", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_belongs_to_one_room_is_named_nowhere_else() {
    let mut wrong = Vec::new();
    for file in sources() {
        let code = code(&file.text);
        for (name, owner) in OWNED {
            if file.room != *owner && code.contains(name) {
                wrong.push(format!("{}: {name} belongs to {owner}", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let code = "use crate::event::Kind; use crate::{clock::{Clock, SystemClock}, store, writer::Handle};\ncrate::stats::welch()";
    assert_eq!(rooms_named(code), ["event", "clock", "store", "writer", "stats"]);
    let floors = floors("//! map\n// Floor 0: words\npub mod event;\n// Floor 10: roof\npub mod cli;\n");
    assert_eq!(floors.into_iter().collect::<Vec<_>>(), [("cli".to_owned(), 10), ("event".to_owned(), 0)]);
}
