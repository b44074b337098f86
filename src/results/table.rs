//! A report as a table for people at a terminal. Rounds for the eye only; programs read the report itself.

use super::options::Sides;
use super::question::{MetricKind, QuestionKind, Role};
use super::report::{Analysis, Comparison, Lift, Metric, Report, RuleSummary, StageSummary};
use crate::event::Timestamp;
use crate::stats::Balanced;
use std::fmt::Write;

/// Narrower than this the columns do not fit, and lines may be longer than asked for.
const MIN_WIDTH: usize = 72;

/// The whole report as text, lines ending in a newline. `width` is the terminal's in columns.
pub fn render(report: &Report, width: usize) -> String {
    let mut out = String::new();
    let kind = match report.kind {
        QuestionKind::Experiment => "Experiment",
        QuestionKind::Gate => "Gate",
    };
    line(&mut out, &format!("{kind} {}, by {}", plain(&report.name), plain(&report.id_type)));
    line(&mut out, &period(report));
    for analysis in report.analyses() {
        out.push('\n');
        if let Some(rule) = &analysis.rule {
            line(
                &mut out,
                &format!("Rule {} ({}), passes {} %", plain(&rule.name), plain(&rule.id), rule.pass_percentage),
            );
            stages(&mut out, rule);
        }
        groups(&mut out, analysis);
        metrics(&mut out, analysis, report.options.level, width.max(MIN_WIDTH));
        health(&mut out, analysis, width.max(MIN_WIDTH));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// Names come from outside: what could steer a terminal is replaced.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn period(report: &Report) -> String {
    let start = report.window.start.map_or("the first event".to_owned(), minute);
    let end = report.window.end.map_or("now".to_owned(), minute);
    match report.as_of.sequence {
        Some(sequence) => format!("{start} to {end} UTC, as of event {}", thousands(sequence)),
        None => "No events yet".to_owned(),
    }
}

/// Of a rule that was not always as it is.
fn stages(out: &mut String, rule: &RuleSummary) {
    if rule.stages.len() > 1 {
        let stage = |(at, stage): (usize, &StageSummary)| {
            let since = stage.start.map(|start| format!(" from {} UTC", minute(start))).unwrap_or_default();
            let used = if stage.used { " (analysed)" } else { "" };
            format!("stage {}: {} %{since}{used}", at + 1, stage.pass_percentage)
        };
        line(out, &rule.stages.iter().enumerate().map(stage).collect::<Vec<_>>().join(", "));
    }
    if rule.balance == Sides::Balanced {
        line(out, "Groups of equal size: of the larger side a random part is used");
    }
}

/// To the minute.
fn minute(ms: i64) -> String {
    Timestamp(ms).to_string().chars().take(16).collect::<String>().replace('T', " ")
}

fn groups(out: &mut String, analysis: &Analysis) {
    let all: u64 = analysis.groups.iter().map(|group| group.units).sum();
    let sizes: f64 = analysis.groups.iter().map(|group| group.size).sum();
    let share =
        |part: f64, whole: f64| if whole > 0.0 { format!("{:.1} %", part / whole * 100.0) } else { "-".to_owned() };
    let mut rows = vec![["Group", "Units", "Share", "Planned", "Exposures"].map(str::to_owned).to_vec()];
    for group in &analysis.groups {
        rows.push(vec![
            format!("{}{}", plain(&group.name), if group.control { " (control)" } else { "" }),
            thousands(group.units),
            share(group.units as f64, all as f64),
            share(group.size, sizes),
            thousands(group.exposures),
        ]);
    }
    align(out, &rows, usize::MAX);
    let srm = &analysis.srm;
    let verdict = match (srm.status, srm.p, srm.chi2) {
        (Some(status), Some(p), Some(chi2)) => {
            format!("SRM {}: p {}, chi2 {}", word(status), p_value(p), significant(chi2))
        }
        _ => format!("SRM cannot be told: {}", spaced(srm.reason.as_deref())),
    };
    let mut facts = vec![verdict, format!("{} crossovers", thousands(analysis.crossovers))];
    if analysis.overridden > 0 {
        facts.push(format!("{} overridden", thousands(analysis.overridden)));
    }
    if analysis.other_stages > 0 {
        facts.push(format!("{} of other stages", thousands(analysis.other_stages)));
    }
    let unused: u64 = analysis.groups.iter().map(|group| group.unused).sum();
    if unused > 0 {
        facts.push(format!("{} not used", thousands(unused)));
    }
    line(out, &facts.join("; "));
    out.push('\n');
}

fn metrics(out: &mut String, analysis: &Analysis, level: f64, width: usize) {
    if analysis.metrics.is_empty() {
        line(out, "No metrics: no event carries an ID of this type yet");
        out.push('\n');
        return;
    }
    let interval = format!("{} % CI", significant(level * 100.0));
    let mut rows = vec![["Metric", "Of", "Control", "Test", "Change", &interval, "p", ""].map(str::to_owned).to_vec()];
    let several = analysis.groups.len() > 2;
    let mut role = None;
    for metric in &analysis.metrics {
        if role.replace(metric.role) != Some(metric.role) {
            rows.push(vec![heading(metric.role).to_owned()]);
        }
        for comparison in &metric.comparisons {
            let group = if several { format!(" / {}", plain(&comparison.group)) } else { String::new() };
            rows.push(row(format!("  {}{group}", plain(&metric.name)), metric, comparison, level));
        }
    }
    align(out, &rows, width);
    line(
        out,
        &format!("* p below {}: a difference at {} % confidence", significant(1.0 - level), significant(level * 100.0)),
    );
    out.push('\n');
}

fn heading(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
        Role::Monitoring => "monitoring",
        Role::Explored => "explored",
        Role::Other => "other",
    }
}

fn row(name: String, metric: &Metric, comparison: &Comparison, level: f64) -> Vec<String> {
    let mean = |name: &str| {
        let group = metric.groups.iter().find(|group| group.name == name);
        group.and_then(|group| group.mean).map_or("-".to_owned(), significant)
    };
    let kind = match metric.kind {
        MetricKind::EventCount | MetricKind::EventCountCustom => "events",
        MetricKind::EventUser => "units",
        MetricKind::EventDau => "days",
        MetricKind::Sum | MetricKind::CompositeSum => "sum",
        MetricKind::Mean => "mean",
        MetricKind::Ratio => "ratio",
        MetricKind::Funnel => "funnel",
        MetricKind::User => "user",
    };
    let p = comparison.absolute.p;
    vec![
        name,
        kind.to_owned(),
        mean(&comparison.control),
        mean(&comparison.group),
        comparison.relative.delta.map_or("-".to_owned(), change),
        interval(&comparison.relative),
        p.map_or("-".to_owned(), p_value),
        if p.is_some_and(|p| p < 1.0 - level) { "*" } else { "" }.to_owned(),
    ]
}

fn interval(lift: &Lift) -> String {
    match lift.ci {
        Some([low, high]) => {
            let end = |end: Option<f64>| end.map_or("open".to_owned(), change);
            format!("{} to {}", end(low), end(high))
        }
        None => spaced(lift.reason.as_deref()),
    }
}

fn health(out: &mut String, analysis: &Analysis, width: usize) {
    let troubles: Vec<_> = analysis.health.iter().filter(|check| check.status != Balanced::Ok).collect();
    if troubles.is_empty() {
        line(out, &format!("Health: all {} checks passed", analysis.health.len()));
    }
    for check in troubles {
        let text = format!("{} {}: {}", word(check.status), spaced(Some(&check.check)), plain(&check.detail));
        wrap(out, &text, 0, width);
        if let Some(remedy) = &check.remedy {
            wrap(out, &plain(remedy), 2, width);
        }
    }
}

fn word(status: Balanced) -> &'static str {
    match status {
        Balanced::Ok => "ok",
        Balanced::Warning => "warning",
        Balanced::Alert => "ALERT",
    }
}

fn spaced(code: Option<&str>) -> String {
    code.unwrap_or("-").replace('_', " ")
}

/// Writes rows as columns: the first flush left and cut to what the width leaves it, the others flush right.
fn align(out: &mut String, rows: &[Vec<String>], width: usize) {
    const GAP: usize = 2;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let others: usize = widths.iter().skip(1).map(|width| width + GAP).sum();
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(width.saturating_sub(others).max(16));
    }
    for row in rows {
        let mut text = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                text.push_str(&format!("{:<width$}", cut(cell, width)));
            } else {
                let _ = write!(text, "{:GAP$}{cell:>width$}", "");
            }
        }
        line(out, &text);
    }
}

/// Cuts from the middle, so that a name keeps its prefix and what sets it apart.
fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let head = (width - 1) / 2;
    let tail = width - 1 - head;
    text.chars().take(head).chain(['\u{2026}']).chain(text.chars().skip(length - tail)).collect()
}

fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut current = " ".repeat(indent);
    for word in text.split(' ') {
        let fits = current.chars().count() + 1 + word.chars().count() <= width;
        if !current.trim().is_empty() {
            if fits {
                current.push(' ');
            } else {
                line(out, &current);
                current = " ".repeat(indent.max(2));
            }
        }
        current.push_str(word);
    }
    line(out, &current);
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Four significant digits; large numbers with separators, tiny ones as powers of ten.
fn significant(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{number:.3e}");
    }
    let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (whole, rest) = text.split_once('.').map_or((text, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    digits.parse().map_or(text.to_owned(), |digits| format!("{sign}{}{rest}", thousands(digits)))
}

/// A fraction as a signed percentage.
fn change(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let sign = if percent < 0.0 { "-" } else { "+" };
    match percent.abs() {
        size if size < 0.005 => "0.0%".to_owned(),
        size if size < 0.995 => format!("{sign}{size:.2}%"),
        size if size < 999.95 => format!("{sign}{size:.1}%"),
        size => format!("{sign}{}%", significant(size)),
    }
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_for_the_eye() {
        for (number, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (0.123_456, "0.1235"),
            (-1_234_567.8, "-1,234,568"),
            (999.96, "1,000"),
            (0.000_012_34, "1.234e-5"),
            (2.5e20, "2.500e20"),
        ] {
            assert_eq!(significant(number), text);
        }
        for (fraction, text) in
            [(0.0, "0.0%"), (-0.000_123, "-0.01%"), (-0.123_4, "-12.3%"), (0.999_9, "+100.0%"), (12.349, "+1,235%")]
        {
            assert_eq!(change(fraction), text);
        }
        assert_eq!(
            (p_value(0.000_099), p_value(0.0001), p_value(0.25)),
            ("<0.0001".into(), "0.0001".into(), "0.2500".into())
        );
        assert_eq!(
            (thousands(0), thousands(999), thousands(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
    }

    #[test]
    fn long_names_keep_both_ends_and_escapes_do_not_reach_the_terminal() {
        assert_eq!(cut("segment::Order Completed", 11), "segme\u{2026}leted");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(plain("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }

    #[test]
    fn a_report_reads_well_at_a_hundred_columns() {
        let report: Report = serde_json::from_str(include_str!("table/example.json")).unwrap();
        let text = render(&report, 100);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(text, include_str!("table/example.txt"));
    }
}
