//! How it is asked: confidence, crossovers, period, further metrics. Reads them from name and value pairs, such as a query
//! string's or a command line's; applies nothing.

use crate::event::Timestamp;
use crate::stats::{Level, Method};
use serde::{Deserialize, Serialize};

/// What becomes of units that met more than one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossovers {
    /// They are left out.
    #[default]
    Exclude,
    /// They belong to the group they met first.
    First,
    /// They belong to each group, from when they met it.
    Both,
}

/// How events are joined to exposures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// An event counts if it happened at or after the unit's first exposure, to the millisecond.
    #[default]
    Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub level: Level,
    pub crossovers: Crossovers,
    pub relative: Method,
    pub join: Join,
    /// Instead of the experiment's own start.
    pub start: Option<Timestamp>,
    /// Instead of the experiment's own end; exclusive.
    pub end: Option<Timestamp>,
    /// Event names to report beside the scorecard, instead of the names of most volume. An entry that is no event name is
    /// read as several, separated by commas.
    pub metrics: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            level: Level::DEFAULT,
            crossovers: Crossovers::default(),
            relative: Method::default(),
            join: Join::default(),
            start: None,
            end: None,
            metrics: Vec::new(),
        }
    }
}

/// An option that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// `unknown_option`, `invalid_option`, or `not_supported_yet` for what is documented and not computed.
    pub code: &'static str,
    pub option: String,
    pub message: String,
}

impl Options {
    pub const NAMES: [&str; 9] =
        ["level", "crossovers", "relative", "join", "winsorize", "cuped", "start", "end", "metrics"];

    /// Reads options. Later values replace earlier ones, except `metrics`, which may be repeated.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Options, OptionError> {
        let mut options = Options::default();
        for (name, value) in pairs {
            match name {
                "level" => {
                    let level = value.trim().parse().ok().and_then(Level::new);
                    options.level =
                        level.ok_or_else(|| invalid(name, value, "a number above 0.5 and below 1, such as 0.95"))?;
                }
                "crossovers" => {
                    options.crossovers = match value {
                        "exclude" => Crossovers::Exclude,
                        "first" => Crossovers::First,
                        "both" => Crossovers::Both,
                        _ => return Err(invalid(name, value, "one of exclude, first, both")),
                    }
                }
                "relative" => {
                    let method = Method::ALL.into_iter().find(|method| method.as_str() == value);
                    options.relative = method.ok_or_else(|| invalid(name, value, "one of fieller, delta"))?;
                }
                "join" => {
                    options.join = match value {
                        "timestamp" => Join::Timestamp,
                        "date" => return Err(not_yet(name, value, "use timestamp")),
                        _ => return Err(invalid(name, value, "timestamp")),
                    }
                }
                "winsorize" => match value.parse::<f64>() {
                    Ok(0.0) => {}
                    Ok(percentile) if percentile > 0.5 && percentile < 1.0 => {
                        return Err(not_yet(name, value, "use 0, which is none"));
                    }
                    _ => return Err(invalid(name, value, "0, which is none")),
                },
                "cuped" => match value {
                    "false" => {}
                    "true" => return Err(not_yet(name, value, "use false")),
                    _ => return Err(invalid(name, value, "false")),
                },
                "breakdown" => return Err(not_yet(name, value, "leave it out")),
                "start" => options.start = Some(moment(name, value)?),
                "end" => options.end = Some(moment(name, value)?),
                "metrics" if value.is_empty() => {}
                "metrics" => options.metrics.push(value.to_owned()),
                _ => {
                    return Err(OptionError {
                        code: "unknown_option",
                        option: name.to_owned(),
                        message: format!("unknown option `{name}`; known are {}", Options::NAMES.join(", ")),
                    });
                }
            }
        }
        match (options.start, options.end) {
            (Some(start), Some(end)) if start >= end => {
                Err(invalid("end", &end.to_string(), &format!("a time after `start` ({start})")))
            }
            _ => Ok(options),
        }
    }
}

fn invalid(option: &str, value: &str, wanted: &str) -> OptionError {
    OptionError {
        code: "invalid_option",
        option: option.to_owned(),
        message: format!("`{option}` must be {wanted}; got `{value}`"),
    }
}

/// What is asked is well said, and no report computes it: a number made without it must not look like one made with it.
fn not_yet(option: &str, value: &str, instead: &str) -> OptionError {
    OptionError {
        code: "not_supported_yet",
        option: option.to_owned(),
        message: format!("`{option}={value}` is not supported yet; {instead}"),
    }
}

fn moment(option: &str, value: &str) -> Result<Timestamp, OptionError> {
    let time = match value.parse::<i64>() {
        Ok(ms) => Timestamp::in_range(ms),
        Err(_) => Timestamp::parse_iso(value),
    };
    let wanted = "an ISO 8601 time such as 2026-11-23T00:00:00Z, or milliseconds since 1970";
    time.ok_or_else(|| invalid(option, value, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_are_named() {
        let pairs = [
            ("level", "0.9"),
            ("crossovers", "both"),
            ("relative", "delta"),
            ("start", "2026-11-01"),
            ("end", "1795438699353"),
            ("join", "timestamp"),
            ("winsorize", "0"),
            ("cuped", "false"),
            ("metrics", "a,b"),
            ("metrics", "c"),
        ];
        let options = Options::parse(pairs).unwrap();
        assert_eq!((options.level.get(), options.crossovers, options.relative), (0.9, Crossovers::Both, Method::Delta));
        assert_eq!(options.start, Timestamp::parse_iso("2026-11-01T00:00:00Z"));
        assert_eq!(options.end, Some(Timestamp(1_795_438_699_353)));
        assert_eq!(options.metrics, ["a,b", "c"]);
        assert_eq!(Options::parse([]).unwrap(), Options::default());

        for (name, value, says) in [
            ("level", "0.5", "above 0.5 and below 1"),
            ("level", "1", "above 0.5 and below 1"),
            ("level", "95%", "above 0.5 and below 1"),
            ("level", "NaN", "above 0.5 and below 1"),
            ("crossovers", "drop", "exclude, first, both"),
            ("relative", "log", "fieller, delta"),
            ("start", "yesterday", "ISO 8601"),
            ("end", "99999999999999999", "ISO 8601"),
            ("colour", "green", "unknown option `colour`"),
        ] {
            let error = Options::parse([(name, value)]).unwrap_err();
            assert_eq!(error.option, name);
            assert!(error.to_string().contains(says), "{error}");
        }
        for (name, value, code) in [
            ("join", "date", "not_supported_yet"),
            ("join", "day", "invalid_option"),
            ("winsorize", "0.999", "not_supported_yet"),
            ("winsorize", "0.5", "invalid_option"),
            ("winsorize", "1", "invalid_option"),
            ("winsorize", "NaN", "invalid_option"),
            ("cuped", "true", "not_supported_yet"),
            ("cuped", "yes", "invalid_option"),
            ("breakdown", "country", "not_supported_yet"),
            ("colour", "green", "unknown_option"),
        ] {
            let error = Options::parse([(name, value)]).unwrap_err();
            assert_eq!((error.code, error.option.as_str()), (code, name), "{name}={value}: {error}");
            assert_eq!(error.message.contains("is not supported yet; "), code == "not_supported_yet", "{error}");
        }
        let backwards = [("start", "2026-11-02"), ("end", "2026-11-02")];
        assert!(Options::parse(backwards).unwrap_err().to_string().contains("after `start`"));
    }
}
