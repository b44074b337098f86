//! Reports as a person sees them at a terminal.

use super::*;
use crate::event::Place;

/// Two groups of 60 with orders, some before the exposure, and a funnel, over three days.
fn log() -> Vec<Row> {
    const DAY: i64 = 86_400_000;
    let mut rows = Vec::new();
    for nth in 0..120i64 {
        let (unit, group) = (format!("u{nth}"), ["grp_c", "grp_t"][(nth % 2) as usize]);
        let mut seen = exposure(&unit, group, DAY + nth * 1000);
        seen.user.push(("country".into(), ["CA", "US", "US"][(nth % 3) as usize].into()));
        rows.push(seen);
        let habit = nth / 2 % 5;
        rows.extend((0..habit).map(|n| track(&unit, "order", DAY / 2 + n)));
        let after = habit + nth % 2 * 2 + nth / 7 % 2;
        rows.extend((0..after).map(|n| track(&unit, "order", DAY + DAY / 2 + n * DAY / 4)));
        rows.push(track(&unit, "view", DAY + DAY / 4));
        if nth % 4 > 1 - nth % 2 {
            rows.push(track(&unit, "pay", DAY + DAY / 3 * 2));
        }
    }
    rows.iter_mut().for_each(|row| row.received = at(4 * DAY));
    rows
}

fn question() -> Question {
    let count = |role, direction| MetricChoice { role, direction, ..MetricChoice::automatic("order")[0].clone() };
    let steps = [EventSource::named("view"), EventSource::named("order"), EventSource::named("pay")].to_vec();
    let funnel = Funnel { steps, order: FunnelOrder::Within(86_400_000), counts: FunnelCounts::Units };
    Question {
        end: Some(at(4 * 86_400_000)),
        metrics: vec![
            count(Role::Primary, Some(Direction::Decrease)),
            MetricChoice {
                name: "checkout".into(),
                kind: MetricKind::Funnel,
                definition: Definition::Funnel(funnel),
                role: Role::Secondary,
                direction: Some(Direction::Increase),
                hypothesis: None,
            },
        ],
        ..experiment()
    }
}

fn shown(question: &Question, options: Options, width: usize) -> String {
    let options = Options { automatic: false, ..options };
    let report = conclude(&Memory::of(&log()), question, &options).unwrap();
    let text = render(&report, width);
    let (_, table) = text.split_once("\nMetric").unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    format!("Metric{}", table.split("\nHealth").next().unwrap())
}

#[test]
fn variants_and_steps_stand_below_their_metric() {
    let options = Options { cuped: true, cuped_days: 1, winsorize: Some(0.9), ..Options::default() };
    let text = shown(&question(), options, 100);
    let expected = include_str!("../table/variants.txt");
    assert!(text.starts_with(expected), "{text}");
    let sequential = shown(&question(), Options { sequential: Some(true), ..Options::default() }, 100);
    assert!(sequential.contains("p and CI are sequential"), "{sequential}");
    let corrections = Corrections { bonferroni_metrics: true, ..Corrections::default() };
    let corrected = shown(&Question { corrections, ..question() }, Options::default(), 100);
    assert!(corrected.contains("are corrected by bonferroni\n"), "{corrected}");
}

#[test]
fn days_and_parts_follow_the_metrics() {
    let breakdown = Some(Breakdown::Unit(Place::User, "country".into()));
    let text = shown(&question(), Options { view: Some(View::Cumulative), breakdown, ..Options::default() }, 100);
    let expected = include_str!("../table/views.txt");
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn the_detectable_effect_is_told_where_there_is_room() {
    let at_width = |width| shown(&question(), Options::default(), width).contains("MDE");
    assert!(at_width(100) && !at_width(88));
}
