//! Puts what is true of the simulated shop beside what was measured. Says of every interval whether it covers the truth,
//! and how often one should.

use super::shop::{TRUTHS, Truth};
use crate::results::{Comparison, Report};
use std::fmt::Write;

/// A table of every known truth that the reports speak of.
pub fn beside(reports: &[Report], seed: u64) -> String {
    let mut rows = vec![["", "metric", "true", "measured", "interval", "covers"].map(str::to_owned)];
    for truth in &TRUTHS {
        if let Some(comparison) = measured(reports, truth) {
            rows.push(row(truth, comparison));
        }
    }
    let level = reports.first().map_or(0.95, |report| report.options.level) * 100.0;
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::from("The truth of the simulation beside it, as relative differences:\n");
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(text, "  {}", cells.join("  ").trim_end()).expect("writing to a String cannot fail");
    }
    writeln!(text, "An interval covers the truth in {level} of 100 simulations; this one has the seed {seed} (--seed makes another).")
        .expect("writing to a String cannot fail");
    text
}

/// The first comparison: the demo's experiment and gate have one each.
fn measured<'a>(reports: &'a [Report], truth: &Truth) -> Option<&'a Comparison> {
    let report = reports.iter().find(|report| report.name == truth.of)?;
    let mut metrics = report.analyses().flat_map(|analysis| &analysis.metrics);
    metrics.find(|metric| metric.name == truth.metric && metric.kind == truth.kind)?.comparisons.first()
}

fn row(truth: &Truth, comparison: &Comparison) -> [String; 6] {
    let lift = &comparison.relative;
    // The demo asks for two-sided intervals: both ends are there.
    let ends = lift.ci.and_then(|[low, high]| low.zip(high));
    let interval = ends.map_or("-".to_owned(), |(low, high)| format!("{} to {}", percent(low), percent(high)));
    let covers = match ends {
        None => "-",
        Some((low, high)) if (low..=high).contains(&truth.lift) => "yes",
        Some(_) => "no",
    };
    let metric = format!("{}, {}", truth.metric, truth.what());
    let measured = lift.delta.map_or("-".to_owned(), percent);
    [truth.of.to_owned(), metric, percent(truth.lift), measured, interval, covers.to_owned()]
}

fn percent(fraction: f64) -> String {
    format!("{:+.1} %", fraction * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_stands_beside_the_measured_and_a_miss_is_not_hidden() {
        let metric = |name: &str, kind: &str, low: f64, high: f64| {
            serde_json::json!({"name": name, "type": kind, "role": "primary", "groups": [], "comparisons": [{
                "group": "New button", "control": "Control", "variant": "plain",
                "absolute": {"delta": 0.1, "standardError": 0.1, "ci": [0.0, 0.2], "p": 0.04, "test": "z", "dof": 900.0},
                "relative": {"delta": (low + high) / 2.0, "ci": [low, high], "method": "fieller"}, "sequential": null, "adjusted": null}]})
        };
        let report: Report = serde_json::from_value(serde_json::json!({
            "version": 1, "kind": "experiment", "name": "checkout_button", "idType": "segmentAnonymousId",
            "asOf": {"sequence": 1, "time": 1}, "window": {"start": null, "end": null},
            "options": {"level": 0.95, "crossovers": "exclude", "relative": "fieller", "join": "timestamp",
                "winsorize": 0.0, "cuped": false, "start": null, "end": null, "metrics": []},
            "groups": [], "crossovers": 0, "overridden": 0, "notCounted": {},
            "srm": {"chi2": 0.1, "dof": 1, "p": 0.8, "status": "ok"}, "health": [],
            "metrics": [metric("segment::Order Completed", "event_user", 0.08, 0.15), metric("segment::Product Viewed", "event_count", 0.01, 0.03)]
        }))
        .unwrap();
        let text = beside(&[report], 7);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[2].contains("+12.0 %") && lines[2].contains("+8.0 % to +15.0 %") && lines[2].ends_with("yes"));
        assert!(lines[3].contains("+0.0 %") && lines[3].ends_with("no"), "{text}");
        assert!(lines[4].contains("95 of 100") && lines[4].contains("seed 7"));
    }
}
