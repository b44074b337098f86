//! `weir results NAME`: what an experiment or a gate has shown so far. Computes nothing; prints the report that the page
//! and the API show.

use super::door::Door;
use super::place::Place;
use super::say;
use anyhow::bail;

/// Columns of a table where there is no terminal to ask.
const WIDTH: usize = 120;

#[derive(Debug, clap::Args)]
pub struct ResultsArgs {
    /// Experiment or gate
    pub name: String,
    /// Print the report as JSON
    #[arg(long, env = "WEIR_JSON")]
    pub json: bool,
    /// Print the report as one table in CSV
    #[arg(long, env = "WEIR_CSV", conflicts_with = "json")]
    pub csv: bool,
    /// Rule of a gate [default: every rule that splits]
    #[arg(long, env = "WEIR_RULE", value_name = "ID")]
    pub rule: Option<String>,
    /// Stage of a rule's roll-out: its number, or all for each one apart [default: the last one, with those it continues]
    #[arg(long, env = "WEIR_STAGE", value_name = "N")]
    pub stage: Option<String>,
    /// Units of a rule that are compared: whole or balanced [default: whole unless stages of unequal percentages are pooled]
    #[arg(long, env = "WEIR_BALANCE", value_name = "HOW")]
    pub balance: Option<String>,
    /// Confidence level [default: 0.95]
    #[arg(long, env = "WEIR_LEVEL", value_name = "0.5..1")]
    pub level: Option<String>,
    /// Units that met more than one group: exclude, first or both [default: exclude]
    #[arg(long, env = "WEIR_CROSSOVERS", value_name = "HOW")]
    pub crossovers: Option<String>,
    /// Interval of the relative difference: fieller or delta [default: fieller]
    #[arg(long, env = "WEIR_RELATIVE", value_name = "METHOD")]
    pub relative: Option<String>,
    /// Count from this time on instead of the experiment's start
    #[arg(long, env = "WEIR_START", value_name = "TIME")]
    pub start: Option<String>,
    /// Count up to this time instead of now or the experiment's end
    #[arg(long, env = "WEIR_END", value_name = "TIME")]
    pub end: Option<String>,
    /// Only units that were first exposed from this time on
    #[arg(long, env = "WEIR_EXPOSED_FROM", value_name = "TIME")]
    pub exposed_from: Option<String>,
    /// Only units that were first exposed before this time
    #[arg(long, env = "WEIR_EXPOSED_UNTIL", value_name = "TIME")]
    pub exposed_until: Option<String>,
    /// Further event names, and metrics by name or as name::type, separated by commas
    #[arg(long, env = "WEIR_METRICS", value_name = "NAMES")]
    pub metrics: Option<String>,
    /// From when on events count: timestamp of the exposure, or its date [default: timestamp]
    #[arg(long, env = "WEIR_JOIN", value_name = "HOW")]
    pub join: Option<String>,
    /// Also cut unit totals above this percentile, such as 0.999; 0 for none [default: 0]
    #[arg(long, env = "WEIR_WINSORIZE", value_name = "0.5..1")]
    pub winsorize: Option<String>,
    /// Also adjust by what was before the exposure: true or false [default: false]
    #[arg(long, env = "WEIR_CUPED", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub cuped: Option<String>,
    /// Days before the exposure that CUPED looks at [default: 7]
    #[arg(long, env = "WEIR_CUPED_DAYS", value_name = "1..90")]
    pub cuped_days: Option<String>,
    /// Test for two_sided, one_sided (as each metric's direction), greater or less [default: two_sided]
    #[arg(long, env = "WEIR_ALTERNATIVE", value_name = "SIDE")]
    pub alternative: Option<String>,
    /// Intervals that hold however often one looks: true or false [default: as the experiment says]
    #[arg(long, env = "WEIR_SEQUENTIAL", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub sequential: Option<String>,
    /// Power of the smallest detectable effect [default: 0.8]
    #[arg(long, env = "WEIR_POWER", value_name = "0.5..1")]
    pub power: Option<String>,
    /// Environment whose exposures and events count [default: production]
    #[arg(long, env = "WEIR_ENVIRONMENT", value_name = "NAME")]
    pub environment: Option<String>,
    /// Lines by day: cumulative, daily or days_since_exposure
    #[arg(long, env = "WEIR_VIEW", value_name = "VIEW")]
    pub view: Option<String>,
    /// Sections by user.KEY, user_custom.KEY, sdk.KEY or metadata.KEY of the exposure, or event.KEY
    #[arg(long, env = "WEIR_BREAKDOWN", value_name = "PLACE.KEY")]
    pub breakdown: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

impl ResultsArgs {
    /// As the console API calls them; their values are checked there, once for all who ask.
    fn options(&self) -> Vec<(&'static str, String)> {
        [
            ("stage", &self.stage),
            ("balance", &self.balance),
            ("level", &self.level),
            ("crossovers", &self.crossovers),
            ("relative", &self.relative),
            ("start", &self.start),
            ("end", &self.end),
            ("exposedFrom", &self.exposed_from),
            ("exposedUntil", &self.exposed_until),
            ("metrics", &self.metrics),
            ("join", &self.join),
            ("winsorize", &self.winsorize),
            ("cuped", &self.cuped),
            ("cupedDays", &self.cuped_days),
            ("alternative", &self.alternative),
            ("sequential", &self.sequential),
            ("power", &self.power),
            ("environment", &self.environment),
            ("view", &self.view),
            ("breakdown", &self.breakdown),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
    }
}

pub fn run(args: &ResultsArgs) -> anyhow::Result<()> {
    let door = Door::open(&args.place.config()?)?;
    let Some(report) = door.report(&args.name, args.rule.as_deref(), &args.options())? else {
        match &args.rule {
            Some(rule) => bail!("there is no gate `{}` with a rule `{rule}`; rules go by their ID", args.name),
            None => bail!("there is no experiment and no gate `{}`", args.name),
        }
    };
    if args.csv {
        say(&crate::results::csv(&report))?;
    } else if args.json {
        say(&(steerless(&serde_json::to_string_pretty(&report)?) + "\n"))?;
    } else {
        say(&crate::results::render(&report, width()))?;
    }
    Ok(())
}

/// The same JSON without the characters by which a name could steer the terminal. JSON lets those beyond ASCII stand as they
/// are; they are in strings only, where an escape means the same.
fn steerless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => text.push(c),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

/// The terminal's width in columns.
pub fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_steers_no_terminal_and_means_the_same() {
        let name = serde_json::json!({"name": "a\u{9b}31m\u{7f}\u{1b}[0m\té\u{1F98A}"});
        let json = serde_json::to_string_pretty(&name).unwrap();
        assert!(json.contains('\u{9b}'));
        let written = steerless(&json);
        assert!(!written.chars().any(|c| c.is_control() && c != '\n'), "{written:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), name);
    }
}
