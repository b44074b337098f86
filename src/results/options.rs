//! How it is asked: confidence, crossovers, period, further metrics. Reads them from name and value pairs, such as a query
//! string's or a command line's; applies nothing.

use super::filter::UnitFilter;
use super::question::Direction;
use crate::event::{PRODUCTION, Place, Timestamp};
use crate::stats::{Alternative, Level, Method, Power};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::num::NonZeroU32;

/// What becomes of units that met more than one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// An event counts if it happened at or after the unit's first exposure, to the millisecond.
    #[default]
    Timestamp,
    /// An event counts if it happened on the UTC day of the unit's first exposure or later: what Statsig Cloud does.
    Date,
}

/// Which units of a gate's rule are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// All that passed with all that failed.
    #[default]
    Whole,
    /// All of the smaller side with a part of the larger one that is of equal size.
    Balanced,
}

/// Which stages of a gate's rule are analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StageChoice {
    /// The last one that splits; with it those before it that may be pooled.
    #[default]
    Usual,
    /// Each one apart.
    All,
    /// The one of this number.
    One(NonZeroU32),
}

impl StageChoice {
    fn parse(text: &str) -> Option<StageChoice> {
        match text.trim() {
            "" => Some(StageChoice::Usual),
            "all" => Some(StageChoice::All),
            number => number.parse().ok().map(StageChoice::One),
        }
    }
}

impl std::fmt::Display for StageChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StageChoice::Usual => Ok(()),
            StageChoice::All => write!(f, "all"),
            StageChoice::One(number) => write!(f, "{number}"),
        }
    }
}

/// What is tested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tested {
    /// Any change.
    #[default]
    TwoSided,
    /// That test is greater.
    Greater,
    /// That test is less.
    Less,
    /// A change to the better side of each metric; any change where nobody has said which side that is.
    OneSided,
}

impl Tested {
    pub(super) fn of(self, direction: Option<Direction>) -> Alternative {
        match (self, direction) {
            (Tested::Greater, _) | (Tested::OneSided, Some(Direction::Increase)) => Alternative::Greater,
            (Tested::Less, _) | (Tested::OneSided, Some(Direction::Decrease)) => Alternative::Less,
            (Tested::TwoSided, _) | (Tested::OneSided, None) => Alternative::TwoSided,
        }
    }
}

/// How a result is laid out over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// As it stood at the end of each day.
    Cumulative,
    /// Each day by itself.
    Daily,
    /// By days of 24 hours since each unit's first exposure.
    DaysSinceExposure,
}

/// By what units or events are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breakdown {
    /// A text of the unit's first exposure.
    Unit(Place, String),
    /// A text of each event.
    Event(String),
}

impl Breakdown {
    fn parse(text: &str) -> Option<Breakdown> {
        let (place, key) = text.split_once('.').filter(|(_, key)| !key.trim().is_empty())?;
        let key = key.trim().to_owned();
        Some(match place.trim() {
            "event" => Breakdown::Event(key),
            place => Breakdown::Unit(Place::from_word(place)?, key),
        })
    }
}

impl std::fmt::Display for Breakdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Breakdown::Unit(place, key) => write!(f, "{}.{key}", place.as_str()),
            Breakdown::Event(key) => write!(f, "event.{key}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub level: Level,
    pub crossovers: Crossovers,
    pub relative: Method,
    pub join: Join,
    /// The percentile above which unit totals are cut, for the variant `winsorized`; none without.
    pub winsorize: Option<f64>,
    /// Whether there is a variant `cuped`.
    pub cuped: bool,
    /// How far back the covariate of CUPED reaches, in days of 24 hours; 1 to `MAX_CUPED_DAYS`.
    pub cuped_days: u32,
    pub alternative: Tested,
    /// Whether intervals are given that hold however often one looks; `None`: as the experiment says, until its planned end.
    pub sequential: Option<bool>,
    /// The power for which the smallest detectable effect is told.
    pub power: Power,
    pub environment: String,
    /// Instead of the experiment's own start.
    pub start: Option<Timestamp>,
    /// Instead of the experiment's own end; exclusive.
    pub end: Option<Timestamp>,
    /// Event names to report beside the scorecard, instead of the names of most volume. An entry that is no event name is
    /// read as several, separated by commas.
    pub metrics: Vec<String>,
    /// Names that were asked for and are metrics of the question already. Only told.
    pub defined: Vec<String>,
    /// Whether the event names of most volume are reported beside the scorecard where none are asked for.
    pub automatic: bool,
    pub view: Option<View>,
    pub breakdown: Option<Breakdown>,
    /// Of a gate. Left out, sides are whole unless stages are pooled.
    pub sides: Option<Sides>,
    /// Of a gate.
    pub stage: StageChoice,
    /// Which of the exposed units take part.
    pub units: UnitFilter,
}

/// How far back Statsig's covariates reach.
pub const CUPED_DAYS: u32 = 7;
/// The furthest that covariates may reach back.
pub const MAX_CUPED_DAYS: u32 = 90;

impl Default for Options {
    fn default() -> Options {
        Options {
            level: Level::DEFAULT,
            crossovers: Crossovers::default(),
            relative: Method::default(),
            join: Join::default(),
            winsorize: None,
            cuped: false,
            cuped_days: CUPED_DAYS,
            alternative: Tested::default(),
            sequential: None,
            power: Power::DEFAULT,
            environment: PRODUCTION.to_owned(),
            start: None,
            end: None,
            metrics: Vec::new(),
            defined: Vec::new(),
            automatic: true,
            view: None,
            breakdown: None,
            sides: None,
            stage: StageChoice::default(),
            units: UnitFilter::default(),
        }
    }
}

/// An option that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// `unknown_option` or `invalid_option`.
    pub code: &'static str,
    pub option: String,
    pub message: String,
}

impl Options {
    pub const NAMES: [&str; 20] = [
        "level",
        "crossovers",
        "relative",
        "join",
        "winsorize",
        "cuped",
        "cupedDays",
        "alternative",
        "sequential",
        "power",
        "environment",
        "start",
        "end",
        "exposedFrom",
        "exposedUntil",
        "metrics",
        "view",
        "breakdown",
        "balance",
        "stage",
    ];

    /// Reads options. Later values replace earlier ones, except `metrics`, which may be repeated.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Options, OptionError> {
        Options::default().with(pairs)
    }

    /// These options with others read over them.
    pub fn with<'a>(self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Options, OptionError> {
        let mut options = self;
        for (name, value) in pairs {
            match name {
                "level" => {
                    let level = value.trim().parse().ok().and_then(Level::new);
                    options.level =
                        level.ok_or_else(|| invalid(name, value, "a number above 0.5 and below 1, such as 0.95"))?;
                }
                "crossovers" => options.crossovers = word(name, value, "exclude, first, both")?,
                "relative" => options.relative = word(name, value, "fieller, delta")?,
                "join" => options.join = word(name, value, "timestamp, date")?,
                "winsorize" => {
                    options.winsorize = match value.trim().parse::<f64>() {
                        Ok(0.0) => None,
                        Ok(percentile) if percentile > 0.5 && percentile < 1.0 => Some(percentile),
                        _ => {
                            return Err(invalid(
                                name,
                                value,
                                "0 for none, or a number above 0.5 and below 1, such as 0.999",
                            ));
                        }
                    }
                }
                "cuped" => options.cuped = word(name, value, "true, false")?,
                "cupedDays" => {
                    let days = value.trim().parse::<u32>().ok().filter(|days| (1..=MAX_CUPED_DAYS).contains(days));
                    options.cuped_days =
                        days.ok_or_else(|| invalid(name, value, "a whole number of days from 1 to 90, such as 7"))?;
                }
                "alternative" => options.alternative = word(name, value, "two_sided, one_sided, greater, less")?,
                "sequential" => options.sequential = Some(word(name, value, "true, false")?),
                "power" => {
                    let power = value.trim().parse().ok().and_then(Power::new);
                    options.power = power
                        .ok_or_else(|| invalid(name, value, "a number of at least 0.5 and below 1, such as 0.8"))?;
                }
                "environment" if value.trim().is_empty() => {
                    return Err(invalid(name, value, "the name of an environment, such as production"));
                }
                "environment" => options.environment = value.to_owned(),
                "breakdown" if value.is_empty() => options.breakdown = None,
                "breakdown" => {
                    let breakdown = Breakdown::parse(value);
                    let wanted = "one of user.KEY, user_custom.KEY, sdk.KEY, metadata.KEY (of the first exposure) or event.KEY (of each event's metadata), such as user.country";
                    options.breakdown = Some(breakdown.ok_or_else(|| invalid(name, value, wanted))?);
                }
                "view" if value.is_empty() => options.view = None,
                "view" => options.view = Some(word(name, value, "cumulative, daily, days_since_exposure")?),
                "balance" if value.is_empty() => options.sides = None,
                "balance" => options.sides = Some(word(name, value, "whole, balanced")?),
                "stage" => {
                    let wanted = "the number of a stage of the rule, such as 1, or all";
                    options.stage = StageChoice::parse(value).ok_or_else(|| invalid(name, value, wanted))?;
                }
                "start" => options.start = Some(moment(name, value)?),
                "end" => options.end = Some(moment(name, value)?),
                "exposedFrom" => options.units.exposed_from = Some(moment(name, value)?),
                "exposedUntil" => options.units.exposed_until = Some(moment(name, value)?),
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
        let exposed = (options.units.exposed_from, options.units.exposed_until);
        for (name, before, span) in
            [("end", "start", (options.start, options.end)), ("exposedUntil", "exposedFrom", exposed)]
        {
            if let (Some(start), Some(end)) = span
                && start >= end
            {
                return Err(invalid(name, &end.to_string(), &format!("a time after `{before}` ({start})")));
            }
        }
        Ok(options)
    }
}

fn invalid(option: &str, value: &str, wanted: &str) -> OptionError {
    OptionError {
        code: "invalid_option",
        option: option.to_owned(),
        message: format!("`{option}` must be {wanted}; got `{value}`"),
    }
}

/// One of several words, as the report writes it too.
fn word<T: DeserializeOwned>(option: &str, value: &str, known: &str) -> Result<T, OptionError> {
    let parsed = match value {
        "true" | "false" => serde_json::from_value(Value::Bool(value == "true")).ok(),
        _ => None,
    };
    let parsed = parsed.or_else(|| serde_json::from_value(Value::String(value.to_owned())).ok());
    parsed.ok_or_else(|| invalid(option, value, &format!("one of {known}")))
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
            ("join", "date"),
            ("winsorize", "0.999"),
            ("cuped", "true"),
            ("cupedDays", "90"),
            ("alternative", "one_sided"),
            ("sequential", "false"),
            ("power", "0.9"),
            ("environment", "staging"),
            ("view", "days_since_exposure"),
            ("breakdown", "user_custom.plan.name"),
            ("balance", "balanced"),
            ("stage", "2"),
            ("exposedFrom", "2026-11-02"),
            ("exposedUntil", "2026-11-03T00:00:00Z"),
            ("metrics", "a,b"),
            ("metrics", "c"),
        ];
        let options = Options::parse(pairs).unwrap();
        assert_eq!((options.level.get(), options.crossovers, options.relative), (0.9, Crossovers::Both, Method::Delta));
        assert_eq!(options.start, Timestamp::parse_iso("2026-11-01T00:00:00Z"));
        assert_eq!(options.end, Some(Timestamp(1_795_438_699_353)));
        assert_eq!(options.metrics, ["a,b", "c"]);
        assert_eq!((options.join, options.winsorize, options.cuped), (Join::Date, Some(0.999), true));
        assert_eq!((options.cuped_days, options.alternative, options.sequential), (90, Tested::OneSided, Some(false)));
        assert_eq!((options.power.get(), options.environment.as_str()), (0.9, "staging"));
        assert_eq!(options.view, Some(View::DaysSinceExposure));
        assert_eq!(options.breakdown, Some(Breakdown::Unit(Place::UserCustom, "plan.name".into())));
        assert_eq!((options.sides, options.stage.to_string()), (Some(Sides::Balanced), "2".to_owned()));
        assert_eq!(Options::parse([("stage", "all")]).unwrap().stage, StageChoice::All);
        assert_eq!(options.units.exposed_from, Timestamp::parse_iso("2026-11-02T00:00:00Z"));
        assert_eq!(options.units.exposed_until, Timestamp::parse_iso("2026-11-03T00:00:00Z"));
        let none =
            [("balance", ""), ("stage", ""), ("winsorize", "0"), ("cuped", "false"), ("view", ""), ("breakdown", "")];
        assert_eq!(Options::parse(none).unwrap(), Options::default());
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
        for (name, value) in [
            ("join", "day"),
            ("winsorize", "0.5"),
            ("winsorize", "1"),
            ("winsorize", "NaN"),
            ("cuped", "yes"),
            ("cupedDays", "0"),
            ("cupedDays", "91"),
            ("alternative", "both"),
            ("sequential", "1"),
            ("power", "0.49"),
            ("power", "1"),
            ("environment", " "),
            ("view", "weekly"),
            ("breakdown", "country"),
            ("breakdown", "user."),
            ("breakdown", "luck.country"),
            ("balance", "half"),
            ("stage", "0"),
            ("stage", "-1"),
            ("stage", "last"),
        ] {
            let error = Options::parse([(name, value)]).unwrap_err();
            assert_eq!((error.code, error.option.as_str()), ("invalid_option", name), "{name}={value}: {error}");
        }
        assert_eq!(Options::parse([("colour", "green")]).unwrap_err().code, "unknown_option");
        let backwards = [("start", "2026-11-02"), ("end", "2026-11-02")];
        assert!(Options::parse(backwards).unwrap_err().to_string().contains("after `start`"));
        let backwards = [("exposedFrom", "2026-11-02"), ("exposedUntil", "2026-11-02")];
        assert!(Options::parse(backwards).unwrap_err().to_string().contains("after `exposedFrom`"));
    }
}
