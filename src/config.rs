//! What this process runs with: defaults, then the configuration file, then the environment, then flags, checked as a
//! whole. Says how the house is set up; never what is measured (that is the project file) and never starts anything.

mod kinds;
mod settings;

pub use kinds::{Listen, LogLevel, Size, StoreKind, Wait};
pub use settings::Settings;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the store lives, relative to the working directory.
pub const DEFAULT_DATA: &str = "data";
/// Loopback only: reachable from elsewhere is a decision that somebody takes.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8750";
/// One body after inflating. Segment's documented 500 KB is overshot by its own SDKs.
pub const DEFAULT_BODY_BYTES: u64 = 4 << 20;
/// One event. Segment documents 32 KB; its SDKs measure it differently and some exceed it.
pub const DEFAULT_EVENT_BYTES: u64 = 128 << 10;
/// Events in one body.
pub const DEFAULT_EVENTS_PER_BODY: u64 = 5_000;
/// Connections open at the same time, all HTTP threads together.
pub const DEFAULT_CONNECTIONS: u64 = 4_096;
/// How long a client may take to send a request's headers.
pub const DEFAULT_HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's body.
pub const DEFAULT_BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Requests that wait for the writer.
pub const DEFAULT_QUEUE_MESSAGES: u64 = 4_096;
/// Bytes that wait for the writer.
pub const DEFAULT_QUEUE_BYTES: u64 = 48 << 20;
/// How long a request waits for room in that queue before it is answered 503.
pub const DEFAULT_ENQUEUE_WAIT: Duration = Duration::from_secs(2);
/// How long a messageId is remembered.
pub const DEFAULT_DEDUPLICATION_HOURS: u64 = 24;
/// Memory for the fingerprints of recent messageIds; when it is used up the window shrinks.
pub const DEFAULT_DEDUPLICATION_MEMORY: u64 = 64 << 20;
/// Memory for what reports are made of. What makes a report of ten million events takes a third of a GiB beside it, and both
/// together stay below one.
pub const DEFAULT_RESULTS_MEMORY: u64 = 640 << 20;
/// How long a destination may take for a request, from connecting to the last byte of its reply.
pub const DEFAULT_EXPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait between two attempts, unless the destination asks for another.
pub const DEFAULT_EXPORT_BACKOFF: Duration = Duration::from_secs(60);
/// Dead letters that are kept of each destination; beyond it the oldest are dropped.
pub const DEFAULT_EXPORT_DEAD_LETTERS: u64 = 10_000;

const BODY_BYTES: (u64, u64) = (1 << 10, 1 << 30);
const EVENT_BYTES: (u64, u64) = (256, 64 << 20);
const EVENTS_PER_BODY: (u64, u64) = (1, 1_000_000);
const CONNECTIONS: (u64, u64) = (1, 1_000_000);
const HTTP_THREADS: (u64, u64) = (1, 1_024);
const DEADLINE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3_600));
const QUEUE_MESSAGES: (u64, u64) = (1, 1_000_000);
const QUEUE_BYTES: (u64, u64) = (1 << 10, 64 << 30);
const ENQUEUE_WAIT: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(60));
const DEDUPLICATION_HOURS: (u64, u64) = (1, 8_760);
const DEDUPLICATION_MEMORY: (u64, u64) = (1 << 20, 64 << 30);
/// Below the least, reports would be made from exposed units only, which costs two readings of the log each time.
const RESULTS_MEMORY: (u64, u64) = (1 << 20, 1 << 40);
const EXPORT_TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(600));
const EXPORT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3_600));
const EXPORT_DEAD_LETTERS: (u64, u64) = (1, 1_000_000);

/// Everything that `serve` needs to know; every value is inside its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Directory of `weir.redb` and `weir.token`.
    pub data: PathBuf,
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Project file to apply at start.
    pub project: Option<PathBuf>,
    /// Threads that read and parse requests; each runs its own runtime.
    pub http_threads: NonZeroUsize,
    pub limits: Limits,
    pub deduplication: Deduplication,
    /// What may be held of the log for reports, in bytes.
    pub results_memory: usize,
    pub export: Export,
    /// Whether each commit makes the next opening fast.
    pub quick_repair: bool,
    pub store: StoreKind,
    pub log_level: LogLevel,
}

/// The bounds at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one body after inflating.
    pub body_bytes: usize,
    /// Bytes of one event; never more than `body_bytes`.
    pub event_bytes: usize,
    pub events_per_body: usize,
    pub connections: usize,
    pub header_deadline: Duration,
    pub body_deadline: Duration,
    /// Requests queued for the writer.
    pub queue_messages: usize,
    /// Bytes queued for the writer; never less than `body_bytes`, so that every permitted body fits.
    pub queue_bytes: usize,
    /// How long a request waits for room in the queue; zero answers at once.
    pub enqueue_wait: Duration,
}

/// How long and how much of past messageIds is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deduplication {
    pub hours: u32,
    pub memory_bytes: usize,
}

/// How events go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// For one attempt, from connecting to the last byte of the reply.
    pub timeout: Duration,
    /// The longest wait between two attempts.
    pub backoff: Duration,
    /// PEM file of authorities that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// Kept of each destination.
    pub dead_letters: u64,
}

/// Why there is no configuration. Each names the setting as its flag, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {path}: {problem}")]
    Unreadable { path: String, problem: std::io::Error },
    #[error("configuration file {path}, at {place}: {problem}")]
    Malformed { path: String, place: String, problem: String },
    #[error("{setting}: {value} is outside the range {low} to {high}")]
    OutOfRange { setting: &'static str, value: String, low: String, high: String },
    #[error("{setting}: {value} is {relation} {other} ({other_value}); change one of them")]
    Contradiction {
        setting: &'static str,
        value: String,
        relation: &'static str,
        other: &'static str,
        other_value: String,
    },
}

impl Config {
    /// Reads the file that was named, if any, and lays what was given (environment and flags) over it.
    pub fn load(file: Option<&Path>, given: Settings) -> Result<Config, ConfigError> {
        let beneath = file.map(Settings::read).transpose()?.unwrap_or_default();
        Config::resolve(given.over(beneath))
    }

    /// Fills what nobody set with defaults and checks all of it.
    pub fn resolve(settings: Settings) -> Result<Config, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let http_threads = counted("--http-threads", settings.http_threads.unwrap_or(cores as u64), HTTP_THREADS)?;
        let limits = limits(&settings)?;
        let hours = settings.deduplication_hours.unwrap_or(DEFAULT_DEDUPLICATION_HOURS);
        let memory = settings.deduplication_memory.unwrap_or(Size(DEFAULT_DEDUPLICATION_MEMORY));
        let export = export(&settings)?;
        Ok(Config {
            data: settings.data.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)),
            listen: settings.listen.unwrap_or_default().0,
            project: settings.project,
            http_threads: NonZeroUsize::new(http_threads).unwrap_or(NonZeroUsize::MIN),
            limits,
            deduplication: Deduplication {
                hours: counted("--deduplication-hours", hours, DEDUPLICATION_HOURS)? as u32,
                memory_bytes: sized("--deduplication-memory", memory, DEDUPLICATION_MEMORY)?,
            },
            results_memory: sized(
                "--results-memory",
                settings.results_memory.unwrap_or(Size(DEFAULT_RESULTS_MEMORY)),
                RESULTS_MEMORY,
            )?,
            export,
            quick_repair: settings.quick_repair.unwrap_or(false),
            store: settings.store.unwrap_or_default(),
            log_level: settings.log_level.unwrap_or_default(),
        })
    }
}

fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let body = settings.body_bytes.unwrap_or(Size(DEFAULT_BODY_BYTES));
    let event = settings.event_bytes.unwrap_or(Size(DEFAULT_EVENT_BYTES.min(body.0)));
    let queue = settings.queue_bytes.unwrap_or(Size(DEFAULT_QUEUE_BYTES.max(body.0)));
    let limits = Limits {
        body_bytes: sized("--body-bytes", body, BODY_BYTES)?,
        event_bytes: sized("--event-bytes", event, EVENT_BYTES)?,
        events_per_body: counted(
            "--events-per-body",
            settings.events_per_body.unwrap_or(DEFAULT_EVENTS_PER_BODY),
            EVENTS_PER_BODY,
        )?,
        connections: counted("--connections", settings.connections.unwrap_or(DEFAULT_CONNECTIONS), CONNECTIONS)?,
        header_deadline: timed("--header-deadline", settings.header_deadline, DEFAULT_HEADER_DEADLINE, DEADLINE)?,
        body_deadline: timed("--body-deadline", settings.body_deadline, DEFAULT_BODY_DEADLINE, DEADLINE)?,
        queue_messages: counted(
            "--queue-messages",
            settings.queue_messages.unwrap_or(DEFAULT_QUEUE_MESSAGES),
            QUEUE_MESSAGES,
        )?,
        queue_bytes: sized("--queue-bytes", queue, QUEUE_BYTES)?,
        enqueue_wait: timed("--enqueue-wait", settings.enqueue_wait, DEFAULT_ENQUEUE_WAIT, ENQUEUE_WAIT)?,
    };
    let contradiction = |setting, value: Size, relation| ConfigError::Contradiction {
        setting,
        value: value.to_string(),
        relation,
        other: "--body-bytes",
        other_value: body.to_string(),
    };
    if event.0 > body.0 {
        return Err(contradiction("--event-bytes", event, "more than"));
    }
    if queue.0 < body.0 {
        return Err(contradiction("--queue-bytes", queue, "less than"));
    }
    Ok(limits)
}

fn export(settings: &Settings) -> Result<Export, ConfigError> {
    let letters = settings.export_dead_letters.unwrap_or(DEFAULT_EXPORT_DEAD_LETTERS);
    Ok(Export {
        timeout: timed("--export-timeout", settings.export_timeout, DEFAULT_EXPORT_TIMEOUT, EXPORT_TIMEOUT)?,
        backoff: timed("--export-backoff", settings.export_backoff, DEFAULT_EXPORT_BACKOFF, EXPORT_BACKOFF)?,
        ca: settings.export_ca.clone(),
        dead_letters: counted("--export-dead-letters", letters, EXPORT_DEAD_LETTERS)? as u64,
    })
}

fn counted(setting: &'static str, value: u64, (low, high): (u64, u64)) -> Result<usize, ConfigError> {
    within(setting, value, low, high, |n| n.to_string()).map(|n| n as usize)
}

fn sized(setting: &'static str, value: Size, (low, high): (u64, u64)) -> Result<usize, ConfigError> {
    within(setting, value.0, low, high, |n| Size(n).to_string()).map(|n| n as usize)
}

fn timed(
    setting: &'static str,
    value: Option<Wait>,
    default: Duration,
    (low, high): (Duration, Duration),
) -> Result<Duration, ConfigError> {
    within(setting, value.map_or(default, |wait| wait.0), low, high, |time| Wait(time).to_string())
}

fn within<T: PartialOrd>(
    setting: &'static str,
    value: T,
    low: T,
    high: T,
    show: impl Fn(T) -> String,
) -> Result<T, ConfigError> {
    if value < low || value > high {
        return Err(ConfigError::OutOfRange { setting, value: show(value), low: show(low), high: show(high) });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: Settings) -> String {
        Config::resolve(settings).map(|config| format!("{config:?}")).unwrap_err().to_string()
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        let config = Config::resolve(Settings::default()).unwrap();
        assert_eq!(config.data, Path::new("data"));
        assert_eq!(config.listen.to_string(), "127.0.0.1:8750");
        assert_eq!(config.limits.body_bytes, 4 << 20);
        assert_eq!(config.limits.event_bytes, 128 << 10);
        assert_eq!(config.limits.events_per_body, 5_000);
        assert_eq!(config.deduplication.hours, 24);
        assert_eq!(config.export.timeout, Duration::from_secs(30));
        assert_eq!(config.export.backoff, Duration::from_secs(60));
        assert_eq!((config.export.ca, config.export.dead_letters), (None, 10_000));
    }

    #[test]
    fn what_is_given_wins_over_the_file_and_the_file_over_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weir.json");
        std::fs::write(&file, r#"{"listen": "127.0.0.1:1", "bodyBytes": "1MiB", "headerDeadline": "3s"}"#).unwrap();
        let given = Settings { listen: Some("127.0.0.1:2".parse().unwrap()), ..Settings::default() };
        let config = Config::load(Some(&file), given).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.limits.body_bytes, 1 << 20);
        assert_eq!(config.limits.header_deadline, Duration::from_secs(3));
        assert_eq!(config.limits.body_deadline, DEFAULT_BODY_DEADLINE);
    }

    #[test]
    fn a_bad_file_says_where_and_what() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weir.json");
        for (text, expected) in [
            (r#"{"listen": "8750"}"#, "at listen: `8750` has no address; write 127.0.0.1:8750"),
            (r#"{"bodyBytes": "4 loaves"}"#, "at bodyBytes: `4 loaves` is not a size"),
            (r#"{"lisen": "127.0.0.1:0"}"#, "at lisen: unknown field `lisen`, expected one of"),
            (r#"{"logLevel": "loud"}"#, "at logLevel: unknown variant `loud`, expected one of"),
            (r#"{"httpThreads": -1}"#, "at httpThreads: "),
            (r#"{"listen""#, "EOF while parsing"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::load(Some(&file), Settings::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = Config::load(Some(&folder.path().join("none")), Settings::default()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the configuration file "), "{error}");
    }

    #[test]
    fn every_limit_holds_on_each_side() {
        type Set = fn(&mut Settings, u64);
        let ms = |time: Duration| time.as_millis() as u64;
        let sides = |(low, high): (u64, u64)| (low, high);
        let times = |(low, high): (Duration, Duration)| (ms(low), ms(high));
        let table: [(&str, (u64, u64), Set); 15] = [
            ("--http-threads", sides(HTTP_THREADS), |s, n| s.http_threads = Some(n)),
            ("--body-bytes", sides(BODY_BYTES), |s, n| s.body_bytes = Some(Size(n))),
            ("--event-bytes", sides(EVENT_BYTES), |s, n| {
                s.body_bytes = Some(Size(n.clamp(BODY_BYTES.0, BODY_BYTES.1)));
                s.event_bytes = Some(Size(n));
            }),
            ("--events-per-body", sides(EVENTS_PER_BODY), |s, n| s.events_per_body = Some(n)),
            ("--connections", sides(CONNECTIONS), |s, n| s.connections = Some(n)),
            ("--header-deadline", times(DEADLINE), |s, n| s.header_deadline = Some(Wait(Duration::from_millis(n)))),
            ("--body-deadline", times(DEADLINE), |s, n| s.body_deadline = Some(Wait(Duration::from_millis(n)))),
            ("--queue-messages", sides(QUEUE_MESSAGES), |s, n| s.queue_messages = Some(n)),
            ("--queue-bytes", sides(QUEUE_BYTES), |s, n| {
                s.body_bytes = Some(Size(n.clamp(BODY_BYTES.0, BODY_BYTES.1)));
                s.queue_bytes = Some(Size(n));
            }),
            ("--deduplication-hours", sides(DEDUPLICATION_HOURS), |s, n| s.deduplication_hours = Some(n)),
            ("--deduplication-memory", sides(DEDUPLICATION_MEMORY), |s, n| s.deduplication_memory = Some(Size(n))),
            ("--results-memory", sides(RESULTS_MEMORY), |s, n| s.results_memory = Some(Size(n))),
            ("--export-timeout", times(EXPORT_TIMEOUT), |s, n| {
                s.export_timeout = Some(Wait(Duration::from_millis(n)));
            }),
            ("--export-backoff", times(EXPORT_BACKOFF), |s, n| {
                s.export_backoff = Some(Wait(Duration::from_millis(n)));
            }),
            ("--export-dead-letters", sides(EXPORT_DEAD_LETTERS), |s, n| s.export_dead_letters = Some(n)),
        ];
        for (flag, (low, high), set) in table {
            for (value, fits) in [(low, true), (high, true), (low - 1, false), (high + 1, false)] {
                let mut settings = Settings::default();
                set(&mut settings, value);
                match Config::resolve(settings) {
                    Ok(_) => assert!(fits, "{flag} took {value}"),
                    Err(error) => {
                        assert!(!fits, "{flag} refused {value}: {error}");
                        let text = error.to_string();
                        assert!(text.starts_with(flag) && text.contains("outside the range"), "{text}");
                    }
                }
            }
        }
        let long = Settings { enqueue_wait: Some(Wait(Duration::from_millis(60_001))), ..Settings::default() };
        assert_eq!(refused(long), "--enqueue-wait: 60001ms is outside the range 0ms to 60s");
        let longest = Settings { enqueue_wait: Some(Wait(Duration::from_secs(60))), ..Settings::default() };
        assert!(Config::resolve(longest).is_ok());
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let size = |text: &str| Some(text.parse::<Size>().unwrap());
        let settings = Settings { body_bytes: size("1MiB"), event_bytes: size("2MiB"), ..Settings::default() };
        assert_eq!(refused(settings), "--event-bytes: 2MiB is more than --body-bytes (1MiB); change one of them");
        let settings = Settings { body_bytes: size("8MiB"), queue_bytes: size("4MiB"), ..Settings::default() };
        assert_eq!(refused(settings), "--queue-bytes: 4MiB is less than --body-bytes (8MiB); change one of them");
        let small = Config::resolve(Settings { body_bytes: size("64KiB"), ..Settings::default() }).unwrap();
        assert_eq!(small.limits.event_bytes, 64 << 10, "an event's default follows a smaller body");
    }
}
