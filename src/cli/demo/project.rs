//! The demo's project file: the committed one with keys of its own and the experiment's start filled in.

use crate::event::Timestamp;
use serde_json::{Value, json};

/// Also a project file that can be applied as it is.
pub const COMMITTED: &str = include_str!("../../../data/demo.project.json");

/// Keys that only this demo knows, so that another process on the machine cannot guess them.
pub struct Keys {
    pub server: String,
    pub console: String,
}

impl Keys {
    /// `fill` fills a buffer with unpredictable bytes.
    pub fn make<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Keys, E> {
        let mut key = |prefix: &str| {
            let mut bytes = [0; 16];
            fill(&mut bytes)?;
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(format!("{prefix}-{digits}"))
        };
        Ok(Keys { server: key("secret")?, console: key("console")? })
    }
}

/// The project file's text.
pub fn file(keys: &Keys, start: Timestamp, days: u32) -> String {
    let mut project: Value = serde_json::from_str(COMMITTED).expect("a test reads the committed file");
    project["keys"] = json!([
        {"description": "demo: events", "type": "SERVER", "key": keys.server},
        {"description": "demo: looking around", "type": "CONSOLE", "key": keys.console, "role": "admin"},
    ]);
    project["experiments"][0]["startTime"] = json!(start.to_string());
    project["experiments"][0]["duration"] = json!(days);
    format!("{project:#}")
}

#[cfg(test)]
mod tests {
    use super::super::shop::{EXPERIMENT, GATE};
    use super::*;

    #[test]
    fn it_names_what_the_shop_shows() {
        let keys = Keys::make(|bytes| {
            bytes.fill(7);
            Ok::<(), ()>(())
        })
        .unwrap();
        let project: Value = serde_json::from_str(&file(&keys, Timestamp(0), 28)).unwrap();
        assert_eq!(project["experiments"][0]["name"], EXPERIMENT);
        assert_eq!(project["experiments"][0]["startTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(project["gates"][0]["name"], GATE);
        assert_eq!(project["keys"][0]["key"], "secret-07070707070707070707070707070707");
    }
}
