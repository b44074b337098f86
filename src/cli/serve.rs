//! `weir serve`: runs the server until it is told to stop. Sets up logging; everything else is the server's.

use crate::config::{Config, ConfigError, LogLevel, Settings};
use crate::server;
use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;

#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Configuration file (JSON); environment and flags win over it
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
}

impl ServeArgs {
    pub fn config(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), self.settings.clone())
    }
}

/// Returns when the server has stopped: asked to, or because it cannot go on.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.config()?;
    tracing_subscriber::fmt().with_max_level(filter(config.log_level)).with_writer(std::io::stderr).init();
    Ok(server::run(config)?)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
