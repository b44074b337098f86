//! The metrics of a report as lines: each comparison with its variants and steps, then the days of a view and the parts of a
//! break-down.

use super::super::options::View;
use super::super::question::{Direction, MetricKind, Role};
use super::super::report::{Analysis, Comparison, Ends, Metric, MetricGroup, Report, Stratum};
use super::{align, change, cut, line, p_value, plain, significant, spaced, thousands, width_of};
use crate::event::Timestamp;

/// So many days of a view are shown, the last ones.
const DAYS_SHOWN: usize = 31;
/// A reason in the place of an interval is as long as one.
const REASON_CHARS: usize = 18;

pub(super) fn metrics(out: &mut String, report: &Report, analysis: &Analysis, width: usize) {
    if analysis.metrics.is_empty() {
        line(out, "No metrics: no event carries an ID of this type yet");
        out.push('\n');
        return;
    }
    let table = Table { report, several: analysis.groups.len() > 2, width };
    table.write(out, "Metric", table.of_metrics(&analysis.metrics, true));
    table.legend(out, &analysis.metrics);
    out.push('\n');
    for metric in table.of_interest(&analysis.metrics).filter(|metric| !metric.series.is_empty()) {
        table.days(out, metric);
    }
    for stratum in &analysis.strata {
        table.stratum(out, analysis, stratum);
    }
}

struct Table<'a> {
    report: &'a Report,
    /// Whether more than one group is compared with control.
    several: bool,
    width: usize,
}

/// The number that decides whether there is a difference, and the interval that goes with it.
struct Judged {
    p: Option<f64>,
    relative_ci: Option<Ends>,
}

impl Judged {
    /// Where looking early is made up for, or many tests are, those numbers count; where both are, the larger p.
    fn of(comparison: &Comparison) -> Judged {
        let plain = Judged { p: comparison.absolute.p, relative_ci: comparison.relative.ci };
        match (&comparison.sequential, &comparison.adjusted) {
            (None, None) => plain,
            (Some(sequential), None) => Judged { p: sequential.p, relative_ci: sequential.relative_ci },
            (None, Some(adjusted)) => Judged { p: adjusted.p, relative_ci: adjusted.relative_ci },
            // A test that has no part of the error rate decides nothing, however small its p.
            (Some(sequential), Some(adjusted)) if adjusted.p.is_none() || adjusted.p > sequential.p => {
                Judged { p: adjusted.p, relative_ci: adjusted.relative_ci }
            }
            (Some(sequential), Some(_)) => Judged { p: sequential.p, relative_ci: sequential.relative_ci },
        }
    }
}

impl Table<'_> {
    fn level(&self) -> f64 {
        self.report.options.level
    }

    fn head(&self, first: &str) -> Vec<String> {
        let interval = format!("{} % CI", significant(self.level() * 100.0));
        [first, "Of", "Control", "Test", "Change", &interval, "p", "", "MDE"].map(str::to_owned).to_vec()
    }

    /// The last column goes where there is no room for it, or nothing in it.
    fn write(&self, out: &mut String, first: &str, body: Vec<Vec<String>>) {
        let mut rows = vec![self.head(first)];
        rows.extend(body);
        // The marks stand under one another.
        let marked = rows.iter().filter_map(|row| row.get(7)).map(String::len).max().unwrap_or(0);
        rows.iter_mut().filter_map(|row| row.get_mut(7)).for_each(|mark| *mark = format!("{mark:<marked$}"));
        let has_any = rows.iter().skip(1).any(|row| row.get(8).is_some_and(|cell| !cell.is_empty()));
        if !has_any || width_of(&rows) > self.width {
            rows.iter_mut().for_each(|row| row.truncate(8));
        }
        align(out, &rows, self.width);
    }

    fn of_metrics(&self, metrics: &[Metric], whole: bool) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut role = None;
        for metric in metrics {
            if role.replace(metric.role) != Some(metric.role) {
                rows.push(vec![heading(metric.role).to_owned()]);
            }
            let plain_ones = metric.comparisons.iter().filter(|comparison| comparison.variant == "plain");
            for comparison in plain_ones {
                let name = format!("  {}{}", plain(&metric.name), self.group(comparison));
                rows.push(self.row(name, kind(metric), metric.direction, &metric.groups, comparison));
                let is_variant = |it: &&Comparison| it.variant != "plain" && it.group == comparison.group;
                for variant in metric.comparisons.iter().filter(is_variant).filter(|_| whole) {
                    let groups = variant.groups.as_deref().unwrap_or(&metric.groups);
                    let name = format!("    {}", variant_words(variant));
                    rows.push(self.row(name, "", metric.direction, groups, variant));
                }
            }
            for step in metric.steps.iter().filter(|_| whole) {
                for comparison in &step.comparisons {
                    let name = format!("    to {}{}", plain(&step.event), self.group(comparison));
                    rows.push(self.row(name, "step", metric.direction, &step.groups, comparison));
                }
            }
        }
        rows
    }

    fn group(&self, comparison: &Comparison) -> String {
        if self.several { format!(" / {}", plain(&comparison.group)) } else { String::new() }
    }

    fn row(
        &self,
        name: String,
        of: &str,
        direction: Option<Direction>,
        groups: &[MetricGroup],
        comparison: &Comparison,
    ) -> Vec<String> {
        let mean = |name: &str| {
            let group = groups.iter().find(|group| group.name == name);
            group.and_then(|group| group.mean).map_or("-".to_owned(), significant)
        };
        let judged = Judged::of(comparison);
        let interval = match judged.relative_ci {
            Some([low, high]) => {
                let end = |end: Option<f64>| end.map_or("open".to_owned(), change);
                format!("{} to {}", end(low), end(high))
            }
            None => cut(&spaced(comparison.relative.reason.as_deref()), REASON_CHARS),
        };
        let mde = comparison.mde.as_ref().and_then(|mde| mde.relative).map(|mde| change(mde.abs()).replace('+', ""));
        vec![
            name,
            of.to_owned(),
            mean(&comparison.control),
            mean(&comparison.group),
            comparison.relative.delta.map_or("-".to_owned(), change),
            interval,
            judged.p.map_or("-".to_owned(), p_value),
            self.mark(judged.p, comparison.absolute.delta, direction).to_owned(),
            mde.unwrap_or_default(),
        ]
    }

    fn mark(&self, p: Option<f64>, delta: Option<f64>, direction: Option<Direction>) -> &'static str {
        if p.is_none_or(|p| p >= 1.0 - self.level()) {
            return "";
        }
        match (direction, delta.is_some_and(|delta| delta > 0.0)) {
            (None, _) => "*",
            (Some(Direction::Increase), true) | (Some(Direction::Decrease), false) => "* better",
            (Some(_), _) => "* worse",
        }
    }

    fn legend(&self, out: &mut String, metrics: &[Metric]) {
        let comparisons = || metrics.iter().flat_map(|metric| &metric.comparisons);
        let level = self.level();
        line(
            out,
            &format!(
                "* p below {}: a difference at {} % confidence",
                significant(1.0 - level),
                significant(level * 100.0)
            ),
        );
        let has = |part: &str| comparisons().any(|comparison| comparison.variant.contains(part));
        if has("winsorized") {
            line(out, "  winsorized: unit totals are cut at the number that is told");
        }
        if has("cuped") {
            line(out, "  cuped: adjusted by what was before the exposure, which changed the variance as told");
        }
        let sequential = comparisons().any(|comparison| comparison.sequential.is_some());
        let corrected = comparisons().find_map(|comparison| comparison.adjusted.as_ref());
        if sequential {
            line(out, "  p and CI are sequential: they hold however often one looks");
        }
        if let Some(corrected) = corrected {
            let also = if sequential { "; the larger p is shown" } else { "" };
            let method = spaced(Some(&corrected.method));
            line(out, &format!("  p and CI of primary and secondary metrics are corrected by {method}{also}"));
        }
    }

    /// What days and parts are shown of: what decides, or all there is.
    fn of_interest<'m>(&self, metrics: &'m [Metric]) -> impl Iterator<Item = &'m Metric> + use<'m> {
        let counts = |metric: &&Metric| matches!(metric.role, Role::Primary | Role::Explored | Role::Monitoring);
        let any = metrics.iter().any(|metric| counts(&metric));
        metrics.iter().filter(move |metric| !any || counts(metric)).take(if any { usize::MAX } else { 3 })
    }

    fn days(&self, out: &mut String, metric: &Metric) {
        let view = self.report.options.view;
        let hidden = metric.series.len().saturating_sub(DAYS_SHOWN);
        let how = match view {
            Some(View::Cumulative) => "as it stood at the end of each day",
            Some(View::DaysSinceExposure) => "by days since exposure",
            _ => "by day",
        };
        line(out, &format!("{} ({}), {how}", plain(&metric.name), kind(metric)));
        if hidden > 0 {
            line(out, &format!("  the last {DAYS_SHOWN}; {hidden} before them are in --csv and --json"));
        }
        let mut rows = Vec::new();
        for point in &metric.series[hidden..] {
            for comparison in &point.comparisons {
                let day = match view {
                    Some(View::DaysSinceExposure) => format!("day {}", point.day),
                    _ => Timestamp(point.day).to_string().chars().take(10).collect(),
                };
                let name = format!("  {day}{}", self.group(comparison));
                let mut row = self.row(name, "", metric.direction, &point.groups, comparison);
                row.truncate(8);
                row.remove(1);
                rows.push(row);
            }
        }
        let mut head = self.head("Day");
        head.truncate(8);
        head.remove(1);
        rows.insert(0, head);
        align(out, &rows, self.width);
        out.push('\n');
    }

    fn stratum(&self, out: &mut String, analysis: &Analysis, stratum: &Stratum) {
        let by = self.report.options.breakdown.as_deref().unwrap_or_default();
        let value = match (&stratum.value, stratum.other) {
            (_, true) => "all others".to_owned(),
            (Some(value), false) => plain(value),
            (None, false) => "(none)".to_owned(),
        };
        let units = analysis.groups.iter().zip(&stratum.units);
        let units: Vec<String> =
            units.map(|(group, units)| format!("{} {}", plain(&group.name), thousands(*units))).collect();
        let units = if units.is_empty() { String::new() } else { format!("; units: {}", units.join(", ")) };
        line(out, &format!("{} = {value}{units}", plain(by)));
        let shown: Vec<Metric> = self.of_interest(&stratum.metrics).cloned().collect();
        self.write(out, "Metric", self.of_metrics(&shown, false));
        out.push('\n');
    }
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

fn kind(metric: &Metric) -> &'static str {
    match metric.kind {
        MetricKind::EventCount | MetricKind::EventCountCustom => "events",
        MetricKind::EventUser => "units",
        MetricKind::EventDau => "days",
        MetricKind::Sum | MetricKind::CompositeSum => "sum",
        MetricKind::Mean => "mean",
        MetricKind::Ratio => "ratio",
        MetricKind::Funnel => "funnel",
        MetricKind::User => "user",
    }
}

/// Its name, where it was cut, and by how much its variance changed.
fn variant_words(comparison: &Comparison) -> String {
    let cap = comparison.winsorized.as_ref().and_then(|it| it.cap).map(significant);
    let reduction = comparison.cuped.as_ref().and_then(|it| it.variance_reduction);
    let reduction = reduction.map(|reduction| format!("{:+.0} %", -reduction * 100.0));
    let how: Vec<String> = cap.into_iter().chain(reduction).collect();
    let name = spaced(Some(&comparison.variant));
    if how.is_empty() { name } else { format!("{name} ({})", how.join("; ")) }
}
