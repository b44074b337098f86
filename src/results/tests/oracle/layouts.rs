//! What the product lays out by day and by parts, beside what the oracle makes of them.

use super::agreement::{asked, check_metric, each_log, options};
use super::textbook::groups;
use super::views::{by_day, by_event_field, by_user_field, cumulative, since_exposure, sources};
use super::{DAY, Definition, USUAL, UnitValue, members, sizes};
use crate::event::Place;
use crate::results::tests::memory::Memory;
use crate::results::{Breakdown, EventName, Metric, MetricChoice, Options, Stratum, View, conclude};
use std::collections::BTreeMap;

#[test]
fn series_by_day_agree() {
    each_log(|shape, rows, _, what| {
        let question = asked(shape);
        let members = members(rows, &question, &USUAL);
        for view in [View::Daily, View::Cumulative] {
            let options = Options { view: Some(view), ..options(&USUAL) };
            let found = conclude(&Memory::of(rows), &question, &options).unwrap().analysis.unwrap();
            for (choice, metric) in question.metrics.iter().zip(&found.metrics) {
                let expected: BTreeMap<i64, Vec<UnitValue>> = match view {
                    View::Daily => by_day(&members, &choice.definition),
                    _ => cumulative(&members, &choice.definition),
                };
                let what = format!("{} ({what}, {view:?})", choice.name);
                let days: Vec<i64> = metric.series.iter().map(|point| point.day / DAY).collect();
                assert_eq!(days, expected.keys().copied().collect::<Vec<_>>(), "{what}");
                for (point, (day, values)) in metric.series.iter().zip(&expected) {
                    let is_ratio = !matches!(choice.definition, Definition::PerUnit(_));
                    let numbers = groups(values, found.groups.len());
                    check_metric(&point.groups, &numbers, is_ratio, &format!("{what}, day {day}"));
                }
            }
        }
    });
}

#[test]
fn series_by_days_since_exposure_agree() {
    each_log(|shape, rows, _, what| {
        let question = asked(shape);
        let members = members(rows, &question, &USUAL);
        let options = Options { view: Some(View::DaysSinceExposure), ..options(&USUAL) };
        let found = conclude(&Memory::of(rows), &question, &options).unwrap().analysis.unwrap();
        for (choice, metric) in question.metrics.iter().zip(&found.metrics) {
            let expected = since_exposure(&members, &choice.definition);
            // The days before the exposure are for the report to lay out.
            let after: Vec<_> = metric.series.iter().filter(|point| point.day >= 0).collect();
            let days: Vec<i64> = after.iter().map(|point| point.day).collect();
            assert_eq!(days, expected.keys().copied().collect::<Vec<_>>(), "{} ({what})", choice.name);
            for (point, (day, values)) in after.iter().zip(&expected) {
                let is_ratio = !matches!(choice.definition, Definition::PerUnit(_));
                let numbers = groups(values, found.groups.len());
                check_metric(&point.groups, &numbers, is_ratio, &format!("{} ({what}), day {day}", choice.name));
            }
        }
    });
}

#[test]
fn parts_by_a_text_of_the_events_agree() {
    each_log(|shape, rows, _, what| {
        let question = asked(shape);
        let members = members(rows, &question, &USUAL);
        let options = Options { breakdown: Some(Breakdown::Event("sku".into())), ..options(&USUAL) };
        let found = conclude(&Memory::of(rows), &question, &options).unwrap().analysis.unwrap();
        for choice in &question.metrics {
            // Events of any name are gathered without their texts.
            if sources(&choice.definition).iter().any(|source| source.event == EventName::Any) {
                continue;
            }
            let expected = by_event_field(&members, &choice.definition, |row| &row.metadata, "sku");
            for stratum in &found.strata {
                // What only others have is nothing here.
                let Some(values) = expected.get(&stratum.value) else { continue };
                let is_ratio = !matches!(choice.definition, Definition::PerUnit(_));
                let numbers = groups(values, found.groups.len());
                let what = format!("{} of {:?} ({what})", choice.name, stratum.value);
                check_metric(&metric_of(stratum, choice).groups, &numbers, is_ratio, &what);
            }
            assert!(expected.keys().all(|text| found.strata.iter().any(|stratum| stratum.value == *text)), "{what}");
        }
    });
}

#[test]
fn parts_by_a_text_of_the_first_exposure_agree() {
    each_log(|shape, rows, _, what| {
        let question = asked(shape);
        let members = members(rows, &question, &USUAL);
        let breakdown = Some(Breakdown::Unit(Place::User, "country".into()));
        let options = Options { breakdown, ..options(&USUAL) };
        let found = conclude(&Memory::of(rows), &question, &options).unwrap().analysis.unwrap();
        for (at, choice) in question.metrics.iter().enumerate() {
            let expected = by_user_field(&members, &choice.definition, |row| &row.user, "country");
            for stratum in &found.strata {
                let nobody = Vec::new();
                let values = expected.get(&stratum.value).unwrap_or(&nobody);
                let what = format!("{} of {:?} ({what})", choice.name, stratum.value);
                let units: Vec<u64> = sizes(values, found.groups.len()).into_iter().map(|size| size as u64).collect();
                assert_eq!(stratum.units, units, "{what}");
                let is_ratio = !matches!(choice.definition, Definition::PerUnit(_));
                let numbers = groups(values, found.groups.len());
                check_metric(&stratum.metrics[at].groups, &numbers, is_ratio, &what);
            }
            assert!(expected.keys().all(|text| found.strata.iter().any(|stratum| stratum.value == *text)), "{what}");
        }
    });
}

/// A metric of a part; not every metric of the whole is one of its parts.
fn metric_of<'a>(stratum: &'a Stratum, choice: &MetricChoice) -> &'a Metric {
    let found = stratum.metrics.iter().find(|metric| metric.name == choice.name && metric.kind == choice.kind);
    found.expect("the part has the metric")
}
