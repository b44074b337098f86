//! Every setting by its names: flag, environment variable and key of the configuration file, and what it is for. Holds
//! only what somebody set; defaults and ranges belong to `Config`.

use super::ConfigError;
use super::kinds::{Listen, LogLevel, Size, StoreKind, Wait};
use std::path::{Path, PathBuf};

/// What a file, or the environment and flags together, set. The help text of `weir serve` is made from this.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of weir.redb and weir.token [default: data]
    #[arg(long, env = "WEIR_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8750]
    #[arg(long, env = "WEIR_LISTEN", value_name = "IP:PORT")]
    pub listen: Option<Listen>,
    /// Project file to apply at start
    #[arg(long, env = "WEIR_PROJECT", value_name = "FILE")]
    pub project: Option<PathBuf>,
    /// Threads that read requests [default: one a core]
    #[arg(long, env = "WEIR_HTTP_THREADS", value_name = "N")]
    pub http_threads: Option<u64>,
    /// Largest body after inflating [default: 4MiB]
    #[arg(long, env = "WEIR_BODY_BYTES", value_name = "SIZE")]
    pub body_bytes: Option<Size>,
    /// Largest event [default: 128KiB]
    #[arg(long, env = "WEIR_EVENT_BYTES", value_name = "SIZE")]
    pub event_bytes: Option<Size>,
    /// Most events in one body [default: 5000]
    #[arg(long, env = "WEIR_EVENTS_PER_BODY", value_name = "N")]
    pub events_per_body: Option<u64>,
    /// Most connections at the same time [default: 4096]
    #[arg(long, env = "WEIR_CONNECTIONS", value_name = "N")]
    pub connections: Option<u64>,
    /// Time a client has for a request's headers [default: 10s]
    #[arg(long, env = "WEIR_HEADER_DEADLINE", value_name = "TIME")]
    pub header_deadline: Option<Wait>,
    /// Time a client has for a request's body [default: 30s]
    #[arg(long, env = "WEIR_BODY_DEADLINE", value_name = "TIME")]
    pub body_deadline: Option<Wait>,
    /// Most requests waiting for the writer [default: 4096]
    #[arg(long, env = "WEIR_QUEUE_MESSAGES", value_name = "N")]
    pub queue_messages: Option<u64>,
    /// Most bytes waiting for the writer [default: 48MiB]
    #[arg(long, env = "WEIR_QUEUE_BYTES", value_name = "SIZE")]
    pub queue_bytes: Option<Size>,
    /// Time a request waits for room in that queue before it is answered 503 [default: 2s]
    #[arg(long, env = "WEIR_ENQUEUE_WAIT", value_name = "TIME")]
    pub enqueue_wait: Option<Wait>,
    /// Hours that a messageId is remembered [default: 24]
    #[arg(long, env = "WEIR_DEDUPLICATION_HOURS", value_name = "HOURS")]
    pub deduplication_hours: Option<u64>,
    /// Memory for remembered messageIds; the window shrinks when it is used up [default: 64MiB]
    #[arg(long, env = "WEIR_DEDUPLICATION_MEMORY", value_name = "SIZE")]
    pub deduplication_memory: Option<Size>,
    /// Memory for what reports are made of: with less, they are made from exposed units only and more slowly [default: 640MiB]
    #[arg(long, env = "WEIR_RESULTS_MEMORY", value_name = "SIZE")]
    pub results_memory: Option<Size>,
    /// Time that a destination has for a request, from connecting to the end of its reply [default: 30s]
    #[arg(long, env = "WEIR_EXPORT_TIMEOUT", value_name = "TIME")]
    pub export_timeout: Option<Wait>,
    /// Longest wait between two attempts to send, unless the destination asks for another [default: 60s]
    #[arg(long, env = "WEIR_EXPORT_BACKOFF", value_name = "TIME")]
    pub export_backoff: Option<Wait>,
    /// PEM file of certificate authorities that destinations may have beside the system's
    #[arg(long, env = "WEIR_EXPORT_CA", value_name = "FILE")]
    pub export_ca: Option<PathBuf>,
    /// Dead letters that are kept of each destination; beyond it the oldest are dropped [default: 10000]
    #[arg(long, env = "WEIR_EXPORT_DEAD_LETTERS", value_name = "N")]
    pub export_dead_letters: Option<u64>,
    /// Make each commit a little dearer, so that opening after a crash under load takes milliseconds however large the file
    /// is [default: false]
    #[arg(long, env = "WEIR_QUICK_REPAIR", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub quick_repair: Option<bool>,
    /// For benchmarks only: `log` writes events to a plain file that nothing reads back
    #[arg(long, env = "WEIR_STORE", value_name = "KIND", hide = true)]
    pub store: Option<StoreKind>,
    /// How much is logged on standard error [default: info]
    #[arg(long, env = "WEIR_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

impl Settings {
    /// Reads a configuration file: one JSON object with the settings' names in camelCase.
    pub fn read(path: &Path) -> Result<Settings, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read(path).map_err(|problem| ConfigError::Unreadable { path: shown.clone(), problem })?;
        let mut reader = serde_json::Deserializer::from_slice(&text);
        let settings = serde_path_to_error::deserialize(&mut reader).map_err(|error| ConfigError::Malformed {
            path: shown.clone(),
            place: error.path().to_string(),
            problem: error.inner().to_string(),
        })?;
        reader.end().map_err(|error| ConfigError::Malformed {
            path: shown,
            place: "the end".to_owned(),
            problem: error.to_string(),
        })?;
        Ok(settings)
    }

    /// These settings where they are set, `beneath` where not.
    pub fn over(self, beneath: Settings) -> Settings {
        Settings {
            data: self.data.or(beneath.data),
            listen: self.listen.or(beneath.listen),
            project: self.project.or(beneath.project),
            http_threads: self.http_threads.or(beneath.http_threads),
            body_bytes: self.body_bytes.or(beneath.body_bytes),
            event_bytes: self.event_bytes.or(beneath.event_bytes),
            events_per_body: self.events_per_body.or(beneath.events_per_body),
            connections: self.connections.or(beneath.connections),
            header_deadline: self.header_deadline.or(beneath.header_deadline),
            body_deadline: self.body_deadline.or(beneath.body_deadline),
            queue_messages: self.queue_messages.or(beneath.queue_messages),
            queue_bytes: self.queue_bytes.or(beneath.queue_bytes),
            enqueue_wait: self.enqueue_wait.or(beneath.enqueue_wait),
            deduplication_hours: self.deduplication_hours.or(beneath.deduplication_hours),
            deduplication_memory: self.deduplication_memory.or(beneath.deduplication_memory),
            results_memory: self.results_memory.or(beneath.results_memory),
            export_timeout: self.export_timeout.or(beneath.export_timeout),
            export_backoff: self.export_backoff.or(beneath.export_backoff),
            export_ca: self.export_ca.or(beneath.export_ca),
            export_dead_letters: self.export_dead_letters.or(beneath.export_dead_letters),
            quick_repair: self.quick_repair.or(beneath.quick_repair),
            store: self.store.or(beneath.store),
            log_level: self.log_level.or(beneath.log_level),
        }
    }
}
