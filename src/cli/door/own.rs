//! The commands' way to a store that no server has open: the same admin room that the server asks, in this process.

use super::{Applied, Applying, KeyRow, Mistake, NewKey, Refusal};
use crate::admin::{AdminError, ApplyOptions, ResultsQuery, Subject};
use crate::config::Config;
use crate::results::Report;
use crate::server;
use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Who changed something, in the catalog's history.
const AUTHOR: &str = "command line";

/// A store opened by this process. It is closed when this is dropped.
pub struct Own {
    opened: server::Opened,
}

impl Own {
    pub fn open(config: &Config) -> anyhow::Result<Own> {
        let opened =
            server::open(config).with_context(|| format!("cannot open the store in {}", config.data.display()))?;
        Ok(Own { opened })
    }

    pub fn report(&self, name: &str, rule: Option<&str>, options: &[(&str, String)]) -> anyhow::Result<Option<Report>> {
        let gate = Subject::Gate { name: name.to_owned(), rule: rule.map(str::to_owned) };
        let subjects = match rule {
            Some(_) => vec![gate],
            None => vec![Subject::Experiment(name.to_owned()), gate],
        };
        for subject in subjects {
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            match self.opened.admin().results(&ResultsQuery { subject, options }) {
                Ok(report) => return Ok(Some(report)),
                Err(error) if error.status == 404 => {}
                Err(error) => return Err(Refusal::from(error).into()),
            }
        }
        Ok(None)
    }

    pub fn apply(&self, project: &str, how: Applying) -> anyhow::Result<Applied> {
        let Applying { dry_run, force, prune } = how;
        let options = ApplyOptions { dry_run, force, prune, author: AUTHOR.to_owned() };
        same(&self.opened.admin().apply(project, &options).map_err(Refusal::from)?)
    }

    pub fn keys(&self) -> anyhow::Result<Vec<KeyRow>> {
        same(&self.opened.admin().keys())
    }

    pub fn create_key(&self, key: &NewKey) -> anyhow::Result<KeyRow> {
        let wanted = serde_json::to_string(key)?;
        same(&self.opened.admin().create_key(&wanted, AUTHOR).map_err(Refusal::from)?)
    }

    pub fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        self.opened.admin().revoke_key(id, AUTHOR).map_err(Refusal::from)?;
        Ok(())
    }
}

/// The admin room's answer in the shape that the console API gives it, so that both ways print alike.
fn same<T: DeserializeOwned>(answer: &impl Serialize) -> anyhow::Result<T> {
    Ok(serde_json::from_value(serde_json::to_value(answer)?)?)
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Refusal {
        let mistakes = error.mistakes.into_iter();
        Refusal {
            code: error.code.to_owned(),
            message: error.message,
            mistakes: mistakes.map(|mistake| Mistake { place: mistake.place, message: mistake.message }).collect(),
        }
    }
}
