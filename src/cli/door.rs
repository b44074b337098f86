//! How a command reaches the store: through the server that runs on it, or by itself where none does. What comes back is the
//! same either way, in the console API's shapes. Prints nothing.

mod own;

use super::client::{Answer, Client, percent_encoded};
use super::place;
use crate::config::Config;
use crate::results::Report;
use anyhow::{Context, bail};
use hyper::Method;
use own::Own;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// The way in.
pub enum Door {
    Running(Client),
    Own(Own),
}

/// What was asked for cannot be done; the server's words, or those of the store's own checks.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    #[serde(default)]
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub mistakes: Vec<Mistake>,
}

/// One thing that is wrong with a project file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mistake {
    pub place: String,
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        for mistake in &self.mistakes {
            write!(f, "\n  {}: {}", mistake.place, mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// How a project file is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applying {
    pub dry_run: bool,
    pub force: bool,
    pub prune: bool,
}

/// What applying changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    #[serde(default)]
    pub created: Vec<String>,
    #[serde(default)]
    pub updated: Vec<String>,
    #[serde(default)]
    pub removed: Vec<String>,
    #[serde(default)]
    pub unchanged: u64,
    #[serde(default)]
    pub kept: Vec<Kept>,
    /// Keys that the file asked for without giving their text; told once.
    #[serde(default)]
    pub new_keys: Vec<KeyRow>,
}

/// What stands otherwise than in the file, and why it was left.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Kept {
    pub item: String,
    pub why: String,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyRow {
    pub id: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub role: Option<String>,
    /// The text of a new key, told once; a client key's always.
    #[serde(default)]
    pub key: Option<String>,
}

/// What a key is to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewKey {
    pub description: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// The address of a running server's console, with a token that signs in once. Only a server has sessions, so that there
/// is no way around it.
pub fn console_link(config: &Config) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Link {
        path: String,
    }
    let Some(client) = place::running(&config.data)? else {
        bail!("no server runs on {}; start `weir serve` there, which prints a console link too", config.data.display());
    };
    let answer = client.request(Method::POST, "/console/v1/link", "")?;
    let link = read::<Envelope<Link>>(&answer)?.data;
    Ok(format!("{}{}", client.address(), link.path))
}

/// Statsig's way of answering: what was asked for is under `data`.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

impl Door {
    /// Finds the running server, or opens the store that is there.
    pub fn open(config: &Config) -> anyhow::Result<Door> {
        if let Some(client) = place::running(&config.data)? {
            return Ok(Door::Running(client));
        }
        // Whoever asks in the wrong directory must not find an empty store there afterwards.
        place::store_file(&config.data)?;
        Ok(Door::Own(Own::open(config)?))
    }

    /// The same for commands that set up: the store is made if it is not there.
    pub fn open_or_make(config: &Config) -> anyhow::Result<Door> {
        match place::running(&config.data)? {
            Some(client) => Ok(Door::Running(client)),
            None => Ok(Door::Own(Own::open(config)?)),
        }
    }

    /// The report of the experiment of this name, else of the gate; `None` if there is neither. With a rule only a gate is
    /// meant. `options` are names and values of [`crate::results::Options`].
    pub fn report(&self, name: &str, rule: Option<&str>, options: &[(&str, String)]) -> anyhow::Result<Option<Report>> {
        let client = match self {
            Door::Running(client) => client,
            Door::Own(own) => return own.report(name, rule, options),
        };
        let pairs = options.iter().map(|(name, value)| (*name, value.as_str())).chain(rule.map(|rule| ("rule", rule)));
        let query: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let kinds: &[&str] = if rule.is_some() { &["gates"] } else { &["experiments", "gates"] };
        for kind in kinds {
            let path = format!("/console/v1/{kind}/{}/results{query}", percent_encoded(name));
            let answer = client.request(Method::GET, &path, "")?;
            if answer.status.as_u16() != 404 {
                return read(&answer).map(Some);
            }
        }
        Ok(None)
    }

    pub fn apply(&self, project: &str, how: Applying) -> anyhow::Result<Applied> {
        let client = match self {
            Door::Running(client) => client,
            Door::Own(own) => return own.apply(project, how),
        };
        let Applying { dry_run, force, prune } = how;
        let path = format!("/console/v1/project?dryRun={dry_run}&force={force}&prune={prune}");
        let answer = client.request(Method::POST, &path, project.to_owned())?;
        read::<Envelope<Applied>>(&answer).map(|answer| answer.data)
    }

    pub fn keys(&self) -> anyhow::Result<Vec<KeyRow>> {
        match self {
            Door::Running(client) => {
                let answer = client.request(Method::GET, "/console/v1/keys", "")?;
                read::<Envelope<Vec<KeyRow>>>(&answer).map(|answer| answer.data)
            }
            Door::Own(own) => own.keys(),
        }
    }

    pub fn create_key(&self, key: &NewKey) -> anyhow::Result<KeyRow> {
        match self {
            Door::Running(client) => {
                let body = serde_json::to_vec(key).context("cannot write the request")?;
                let answer = client.request(Method::POST, "/console/v1/keys", body)?;
                read::<Envelope<KeyRow>>(&answer).map(|answer| answer.data)
            }
            Door::Own(own) => own.create_key(key),
        }
    }

    pub fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        match self {
            Door::Running(client) => {
                let answer =
                    client.request(Method::DELETE, &format!("/console/v1/keys/{}", percent_encoded(id)), "")?;
                if answer.status.is_success() { Ok(()) } else { Err(refusal(&answer).into()) }
            }
            Door::Own(own) => own.revoke_key(id),
        }
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> anyhow::Result<T> {
    if !answer.status.is_success() {
        return Err(refusal(answer).into());
    }
    serde_json::from_slice(&answer.body)
        .context("the server's answer is not what this version of weir expects; are both the same version?")
}

fn refusal(answer: &Answer) -> Refusal {
    match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(refusal) => refusal,
        Err(_) => {
            let message = format!("the server answered {}", answer.status);
            Refusal { code: String::new(), message, mistakes: Vec::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::Key;
    use crate::cli::fake_server::{FakeServer, Reply};

    fn door(server: &FakeServer) -> Door {
        Door::Running(Client::new(server.address(), Key("console-1".into())).unwrap())
    }

    #[test]
    fn a_name_is_looked_up_as_an_experiment_and_then_as_a_gate() {
        let server = FakeServer::start(|_| Reply::json(404, r#"{"code":"not_found","message":"unknown"}"#));
        let options = [("level", "0.9".to_owned()), ("metrics", "a b&c".to_owned())];
        assert!(door(&server).report("new search", None, &options).unwrap().is_none());
        assert!(door(&server).report("new search", Some("r 1"), &[]).unwrap().is_none());
        let asked: Vec<String> = server.requests().into_iter().map(|asked| asked.path).collect();
        assert_eq!(
            asked,
            [
                "/console/v1/experiments/new%20search/results?level=0.9&metrics=a%20b%26c",
                "/console/v1/gates/new%20search/results?level=0.9&metrics=a%20b%26c",
                "/console/v1/gates/new%20search/results?rule=r%201"
            ]
        );
    }

    #[test]
    fn applying_tells_what_changed_or_every_mistake() {
        let server = FakeServer::start(|asked| match asked.body.as_str() {
            "{}" => Reply::json(
                200,
                r#"{"message":"applied","data":{"created":["gate a"],"updated":[],"removed":[],"unchanged":3,"kept":[{"item":"gate b","why":"changed elsewhere"}]}}"#,
            ),
            _ => Reply::json(
                400,
                r#"{"code":"invalid_project","message":"the project file has 1 mistake","mistakes":[{"place":"gates[0].name","message":"is missing"}]}"#,
            ),
        });
        let how = Applying { dry_run: true, force: false, prune: true };
        let applied = door(&server).apply("{}", how).unwrap();
        assert_eq!((applied.created, applied.unchanged), (vec!["gate a".into()], 3));
        assert_eq!(applied.kept, [Kept { item: "gate b".into(), why: "changed elsewhere".into() }]);
        assert_eq!(server.requests()[0].path, "/console/v1/project?dryRun=true&force=false&prune=true");
        let refused = door(&server).apply("{ }", Applying::default()).unwrap_err().to_string();
        assert_eq!(refused, "the project file has 1 mistake (invalid_project)\n  gates[0].name: is missing");
    }

    #[test]
    fn keys_are_listed_made_and_revoked() {
        let server = FakeServer::start(|asked| match asked.method.as_str() {
            "GET" => Reply::json(
                200,
                r#"{"message":"ok","data":[{"id":"key-1","description":"a","type":"SERVER"}],"pagination":{}}"#,
            ),
            "POST" => Reply::json(
                201,
                r#"{"message":"ok","data":{"id":"key-2","description":"b","type":"CONSOLE","role":"viewer","key":"console-2"}}"#,
            ),
            _ => Reply::json(404, "gone"),
        });
        let door = door(&server);
        assert_eq!(door.keys().unwrap()[0].id, "key-1");
        let new = NewKey { description: "b".into(), kind: "CONSOLE".into(), role: Some("viewer".into()) };
        assert_eq!(door.create_key(&new).unwrap().key.as_deref(), Some("console-2"));
        assert_eq!(
            server.requests()[1].json(),
            serde_json::json!({"description":"b","type":"CONSOLE","role":"viewer"})
        );
        assert_eq!(door.revoke_key("key-3").unwrap_err().to_string(), "the server answered 404 Not Found");
    }
}
