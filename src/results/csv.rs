//! A report as one flat table in CSV (RFC 4180): a row for each comparison of each metric, of the whole, of a funnel's steps,
//! of a view's days and of a break-down's parts. The columns are the same whatever was asked. Computes nothing.

use super::report::{Analysis, Comparison, Ends, ImpactNumbers, Metric, MetricGroup, Report, Step, Stratum};
use crate::event::Timestamp;
use serde::Serialize;

/// A column of the table.
pub struct Column {
    pub name: &'static str,
    /// What stands in it, with its unit.
    pub meaning: &'static str,
    of: fn(&Row<'_>) -> Cell,
}

/// What is written into a field.
enum Cell {
    /// An undefined number, or what the row has not.
    Empty,
    /// May come from outside.
    Text(String),
    Number(f64),
    Whole(i128),
}

/// What a row is about.
struct Row<'a> {
    report: &'a Report,
    analysis: &'a Analysis,
    metric: &'a Metric,
    part: &'static str,
    stratum: Option<&'a Stratum>,
    step: Option<&'a Step>,
    day: Option<i64>,
    groups: &'a [MetricGroup],
    comparison: &'a Comparison,
}

/// The table with its header, lines ending in CR LF.
pub fn csv(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, COLUMNS.iter().map(|column| Cell::Text(column.name.to_owned())));
    for analysis in report.analyses() {
        for metric in &analysis.metrics {
            rows(&mut out, report, analysis, metric, None);
        }
        for stratum in &analysis.strata {
            for metric in &stratum.metrics {
                rows(&mut out, report, analysis, metric, Some(stratum));
            }
        }
    }
    out
}

fn rows(out: &mut String, report: &Report, analysis: &Analysis, metric: &Metric, stratum: Option<&Stratum>) {
    let part = if stratum.is_some() { "part" } else { "whole" };
    let mut write = |part, step, day, groups: &[MetricGroup], comparisons: &[Comparison]| {
        for comparison in comparisons {
            let row = Row { report, analysis, metric, part, stratum, step, day, groups, comparison };
            line(out, COLUMNS.iter().map(|column| (column.of)(&row)));
        }
    };
    write(part, None, None, &metric.groups, &metric.comparisons);
    for step in &metric.steps {
        write("step", Some(step), None, &step.groups, &step.comparisons);
    }
    for point in &metric.series {
        write("day", None, Some(point.day), &point.groups, &point.comparisons);
    }
}

fn line(out: &mut String, cells: impl Iterator<Item = Cell>) {
    for (nth, cell) in cells.enumerate() {
        if nth > 0 {
            out.push(',');
        }
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => out.push_str(&field(&text)),
            // As in the JSON of the report, so that reading it gives the same number.
            Cell::Number(number) => out.push_str(&serde_json::Value::from(number).to_string()),
            Cell::Whole(number) => out.push_str(&number.to_string()),
        }
    }
    out.push_str("\r\n");
}

/// A text as a field: one that a spreadsheet would take for a formula gets an apostrophe before it, and quotes where RFC 4180
/// needs them. What could steer a terminal is replaced, for the table is printed to one, too.
fn field(text: &str) -> String {
    let steers = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    let text = &text.replace(steers, "\u{fffd}");
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn maybe_text(text: Option<&str>) -> Cell {
    text.map_or(Cell::Empty, self::text)
}

/// The word of the API.
fn word(value: impl Serialize) -> Cell {
    let word = serde_json::to_value(value).ok();
    maybe_text(word.as_ref().and_then(|word| word.as_str()))
}

fn word_or_number(value: impl Serialize) -> Cell {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Cell::Text(word),
        Ok(other) => other.as_i64().map_or(Cell::Empty, |number| Cell::Whole(number.into())),
        Err(_) => Cell::Empty,
    }
}

fn number(number: Option<f64>) -> Cell {
    number.map_or(Cell::Empty, Cell::Number)
}

fn moment(ms: Option<i64>) -> Cell {
    ms.map_or(Cell::Empty, |ms| Cell::Text(Timestamp(ms).to_string()))
}

fn end(ends: Option<Ends>, at: usize) -> Cell {
    number(ends.and_then(|ends| ends[at]))
}

impl Row<'_> {
    /// The numbers of one group: those of the variant, where it has its own.
    fn group(&self, name: &str) -> Option<&MetricGroup> {
        let groups = self.comparison.groups.as_deref().unwrap_or(self.groups);
        groups.iter().find(|group| group.name == name)
    }

    fn test(&self) -> Option<&MetricGroup> {
        self.group(&self.comparison.group)
    }

    fn control(&self) -> Option<&MetricGroup> {
        self.group(&self.comparison.control)
    }

    fn impact(&self, of: fn(&super::report::Impacts) -> &ImpactNumbers, at: fn(&ImpactNumbers) -> Option<f64>) -> Cell {
        number(self.comparison.impact.as_ref().and_then(|impact| at(of(impact))))
    }

    /// Why numbers are missing, each with where it is.
    fn reasons(&self) -> Cell {
        let comparison = self.comparison;
        let reasons = [
            ("test", self.test().and_then(|group| group.reason.as_ref())),
            ("control", self.control().and_then(|group| group.reason.as_ref())),
            ("absolute", comparison.absolute.reason.as_ref()),
            ("relative", comparison.relative.reason.as_ref()),
            ("sequential", comparison.sequential.as_ref().and_then(|it| it.reason.as_ref())),
            ("mde", comparison.mde.as_ref().and_then(|it| it.reason.as_ref())),
            ("cuped", comparison.cuped.as_ref().and_then(|it| it.reason.as_ref())),
            ("impact", comparison.impact.as_ref().and_then(|it| it.projected.reason.as_ref())),
        ];
        let told: Vec<String> =
            reasons.iter().filter_map(|(of, reason)| Some(format!("{of}: {}", (*reason)?))).collect();
        if told.is_empty() { Cell::Empty } else { Cell::Text(told.join("; ")) }
    }
}

macro_rules! columns {
    ($($name:literal, $meaning:literal, |$row:ident| $of:expr;)*) => {
        &[$(Column { name: $name, meaning: $meaning, of: |$row| $of },)*]
    };
}

/// All columns, in their order. More may be added at the end.
pub const COLUMNS: &[Column] = columns! {
    "kind", "experiment or gate", |row| word(row.report.kind);
    "name", "ID of the experiment or gate", |row| text(&row.report.name);
    "rule", "ID of the gate's rule", |row| maybe_text(row.analysis.rule.as_ref().map(|rule| rule.id.as_str()));
    "stage", "number of the rule's stage that it is about, or all", |row| match &row.analysis.rule {
        Some(rule) => word_or_number(rule.stage),
        None => Cell::Empty,
    };
    "balance", "whole or balanced: whether a rule's larger side was cut down", |row| {
        row.analysis.rule.as_ref().map_or(Cell::Empty, |rule| word(rule.balance))
    };
    "idType", "whose ID is randomised", |row| text(&row.report.id_type);
    "asOfSequence", "place of the last event in the log", |row| {
        row.report.as_of.sequence.map_or(Cell::Empty, |sequence| Cell::Whole(sequence.into()))
    };
    "asOfTime", "receipt of the last event, ISO 8601", |row| moment(row.report.as_of.time);
    "start", "from when on exposures and events count, ISO 8601", |row| moment(row.report.window.start);
    "end", "until when they count, ISO 8601", |row| moment(row.report.window.end);
    "level", "of the intervals, above 0.5 and below 1", |row| Cell::Number(row.report.options.level);
    "metric", "its name", |row| text(&row.metric.name);
    "type", "of the metric", |row| word(row.metric.kind);
    "role", "primary, secondary, monitoring, explored or other", |row| word(row.metric.role);
    "direction", "increase or decrease, where somebody has said which is better", |row| word(row.metric.direction);
    "part", "whole; step of a funnel; day of a view; part of a break-down", |row| text(row.part);
    "breakdown", "by what parts are told apart, such as user.country", |row| match row.stratum {
        Some(_) => maybe_text(row.report.options.breakdown.as_deref()),
        None => Cell::Empty,
    };
    "value", "the text that the part shares; empty if it has none", |row| {
        maybe_text(row.stratum.and_then(|part| part.value.as_deref()))
    };
    "other", "true for the part of all the smaller ones", |row| match row.stratum {
        Some(part) => Cell::Text(part.other.to_string()),
        None => Cell::Empty,
    };
    "step", "event of the funnel's step", |row| maybe_text(row.step.map(|step| step.event.as_str()));
    "view", "cumulative, daily or days_since_exposure, of days", |row| match row.day {
        Some(_) => word(row.report.options.view),
        None => Cell::Empty,
    };
    "day", "UTC day such as 2026-11-23; days since exposure: 0, 1 ...", |row| match (row.day, row.report.options.view) {
        (None, _) => Cell::Empty,
        (Some(day), Some(super::View::DaysSinceExposure)) => Cell::Whole(day.into()),
        (Some(day), _) => Cell::Text(Timestamp(day).to_string().chars().take(10).collect()),
    };
    "group", "name of the test group", |row| text(&row.comparison.group);
    "control", "name of the control group", |row| text(&row.comparison.control);
    "variant", "plain, winsorized, cuped or winsorized_cuped", |row| text(&row.comparison.variant);
    "testUnits", "units of the test group; of ratios those with a denominator", |row| {
        row.test().map_or(Cell::Empty, |group| Cell::Whole(group.units.into()))
    };
    "testSum", "in the metric's unit", |row| number(row.test().and_then(|group| group.sum));
    "testDenominator", "of one number over another", |row| number(row.test().and_then(|group| group.denominator));
    "testMean", "in the metric's unit", |row| number(row.test().and_then(|group| group.mean));
    "testVariance", "of the units' values", |row| number(row.test().and_then(|group| group.variance));
    "testStandardError", "of the mean", |row| number(row.test().and_then(|group| group.standard_error));
    "controlUnits", "as of the test group, like the following", |row| {
        row.control().map_or(Cell::Empty, |group| Cell::Whole(group.units.into()))
    };
    "controlSum", "in the metric's unit", |row| number(row.control().and_then(|group| group.sum));
    "controlDenominator", "of one number over another", |row| number(row.control().and_then(|group| group.denominator));
    "controlMean", "in the metric's unit", |row| number(row.control().and_then(|group| group.mean));
    "controlVariance", "of the units' values", |row| number(row.control().and_then(|group| group.variance));
    "controlStandardError", "of the mean", |row| number(row.control().and_then(|group| group.standard_error));
    "delta", "test mean minus control mean", |row| number(row.comparison.absolute.delta);
    "standardError", "of delta", |row| number(row.comparison.absolute.standard_error);
    "ciLow", "of delta; empty with ciHigh filled: open", |row| end(row.comparison.absolute.ci, 0);
    "ciHigh", "of delta; empty with ciLow filled: open", |row| end(row.comparison.absolute.ci, 1);
    "p", "0 to 1", |row| number(row.comparison.absolute.p);
    "alternative", "two_sided, greater or less", |row| word(row.comparison.absolute.alternative);
    "test", "z or welch_t", |row| word(row.comparison.absolute.test);
    "dof", "Welch's degrees of freedom", |row| number(row.comparison.absolute.dof);
    "relativeDelta", "delta over control mean, a fraction", |row| number(row.comparison.relative.delta);
    "relativeCiLow", "a fraction", |row| end(row.comparison.relative.ci, 0);
    "relativeCiHigh", "a fraction", |row| end(row.comparison.relative.ci, 1);
    "relativeMethod", "fieller or delta", |row| word(row.comparison.relative.method);
    "sequentialP", "holds however often one looks", |row| number(row.comparison.sequential.as_ref().and_then(|it| it.p));
    "sequentialCiLow", "of delta", |row| end(row.comparison.sequential.as_ref().and_then(|it| it.ci), 0);
    "sequentialCiHigh", "of delta", |row| end(row.comparison.sequential.as_ref().and_then(|it| it.ci), 1);
    "sequentialRelativeCiLow", "a fraction", |row| {
        end(row.comparison.sequential.as_ref().and_then(|it| it.relative_ci), 0)
    };
    "sequentialRelativeCiHigh", "a fraction", |row| {
        end(row.comparison.sequential.as_ref().and_then(|it| it.relative_ci), 1)
    };
    "correction", "bonferroni or benjamini_hochberg", |row| {
        maybe_text(row.comparison.adjusted.as_ref().map(|it| it.method.as_str()))
    };
    "adjustedAlpha", "error rate left for this test", |row| number(row.comparison.adjusted.as_ref().and_then(|it| it.alpha));
    "adjustedP", "to be compared with 1 - level", |row| number(row.comparison.adjusted.as_ref().and_then(|it| it.p));
    "adjustedCiLow", "of delta", |row| end(row.comparison.adjusted.as_ref().and_then(|it| it.ci), 0);
    "adjustedCiHigh", "of delta", |row| end(row.comparison.adjusted.as_ref().and_then(|it| it.ci), 1);
    "adjustedRelativeCiLow", "a fraction", |row| end(row.comparison.adjusted.as_ref().and_then(|it| it.relative_ci), 0);
    "adjustedRelativeCiHigh", "a fraction", |row| end(row.comparison.adjusted.as_ref().and_then(|it| it.relative_ci), 1);
    "power", "for which the smallest detectable effect is told", |row| number(row.comparison.mde.as_ref().map(|it| it.power));
    "mde", "smallest detectable effect, in the metric's unit", |row| {
        number(row.comparison.mde.as_ref().and_then(|it| it.absolute))
    };
    "relativeMde", "a fraction of the control mean", |row| number(row.comparison.mde.as_ref().and_then(|it| it.relative));
    "theta", "of the variants with cuped", |row| number(row.comparison.cuped.as_ref().and_then(|it| it.theta));
    "varianceReduction", "the part that cuped took away, at most 1", |row| {
        number(row.comparison.cuped.as_ref().and_then(|it| it.variance_reduction))
    };
    "cupedEligible", "true if Statsig would use it", |row| match &row.comparison.cuped {
        Some(cuped) => Cell::Text(cuped.eligible.to_string()),
        None => Cell::Empty,
    };
    "cap", "of winsorized variants, in the metric's unit", |row| {
        number(row.comparison.winsorized.as_ref().and_then(|it| it.cap))
    };
    "denominatorCap", "of winsorized ratios", |row| {
        number(row.comparison.winsorized.as_ref().and_then(|it| it.denominator_cap))
    };
    "toplineImpact", "per day; of ratios of the ratio", |row| row.impact(|it| &it.topline, |it| it.absolute);
    "toplineRelativeImpact", "a fraction", |row| row.impact(|it| &it.topline, |it| it.relative);
    "projectedImpact", "if all units were in the test group", |row| row.impact(|it| &it.projected, |it| it.absolute);
    "projectedRelativeImpact", "a fraction", |row| row.impact(|it| &it.projected, |it| it.relative);
    "reason", "why numbers are missing: place and code, several separated by a semicolon", |row| row.reasons();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_in_their_field_and_are_no_formulas() {
        for (name, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("segment::a=b", "segment::a=b"),
            ("\u{1b}]0;a\u{9b}31m", "\u{fffd}]0;a\u{fffd}31m"),
            ("", ""),
        ] {
            assert_eq!(field(name), written);
        }
    }

    #[test]
    fn numbers_are_those_of_the_json() {
        let written = |cell: Cell| {
            let mut out = String::new();
            line(&mut out, [cell].into_iter());
            out
        };
        for (number, text) in
            [(-0.5, "-0.5\r\n"), (1e300, "1e+300\r\n"), (1.0 / 3.0, "0.3333333333333333\r\n"), (2.0, "2.0\r\n")]
        {
            assert_eq!(written(Cell::Number(number)), text);
        }
        assert_eq!(written(Cell::Empty), "\r\n");
    }

    #[test]
    fn a_report_becomes_a_row_a_comparison() {
        let report: Report = serde_json::from_str(include_str!("table/example.json")).unwrap();
        let text = csv(&report);
        let rows: Vec<Vec<&str>> = text.trim_end().split("\r\n").map(|row| row.split(',').collect()).collect();
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(rows[0], names);
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        let comparisons: usize = report.analyses().flat_map(|it| &it.metrics).map(|it| it.comparisons.len()).sum();
        assert_eq!(rows.len(), comparisons + 1);
        let at = |row: usize, name: &str| rows[row][names.iter().position(|known| *known == name).unwrap()];
        let first = &report.analyses().next().unwrap().metrics[0];
        assert_eq!(
            (at(1, "metric"), at(1, "type"), at(1, "part")),
            ("segment::Order Completed", "event_user", "whole")
        );
        assert_eq!(at(1, "delta").parse::<f64>().ok(), first.comparisons[0].absolute.delta);
        assert_eq!(at(1, "asOfTime"), "2026-11-23T12:46:38.391Z");
        let constant = rows.iter().position(|row| row.contains(&"constant")).unwrap();
        assert_eq!((at(constant, "p"), at(constant, "ciLow")), ("", ""));
        assert!(at(constant, "reason").contains("absolute: zero_variance"), "{}", at(constant, "reason"));
        let unique: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert!(unique.len() == names.len() && COLUMNS.iter().all(|column| !column.meaning.is_empty()));
    }
}
