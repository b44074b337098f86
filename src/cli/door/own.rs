//! The commands' way to a store that no server has open: the same admin room that the server asks, in this process.

use super::{Applied, Applying, KeyRow, NewKey, Refusal};
use crate::admin::{Admin, AdminError, ApplyOptions};
use crate::config::Config;
use crate::results::Report;
use crate::server;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Who changed something, in the catalog's history.
const AUTHOR: &str = "command line";

/// A store opened by this process. It is closed when this is dropped.
pub struct Own {
    house: server::House,
}

impl Own {
    pub fn open(config: &Config) -> anyhow::Result<Own> {
        Ok(Own { house: server::open(config)? })
    }

    fn admin(&self) -> &Admin {
        self.house.admin()
    }

    pub fn report(&self, name: &str, options: &[(&str, String)]) -> anyhow::Result<Option<Report>> {
        for kind in [crate::results::QuestionKind::Experiment, crate::results::QuestionKind::Gate] {
            let pairs = options.iter().map(|(name, value)| (*name, value.as_str()));
            match self.admin().results(&crate::admin::ResultsQuery::parse(kind, name, pairs).map_err(Refusal::from)?) {
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
        same(&self.admin().apply(project, &options).map_err(Refusal::from)?)
    }

    pub fn keys(&self) -> anyhow::Result<Vec<KeyRow>> {
        same(&self.admin().keys().map_err(Refusal::from)?)
    }

    pub fn create_key(&self, key: &NewKey) -> anyhow::Result<KeyRow> {
        same(&self.admin().create_key(same(key)?, AUTHOR).map_err(Refusal::from)?)
    }

    pub fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        Ok(self.admin().revoke_key(id, AUTHOR).map_err(Refusal::from)?)
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
            mistakes: mistakes
                .map(|mistake| super::Mistake { place: mistake.place, message: mistake.message })
                .collect(),
        }
    }
}
