//! Logs that are hard to conclude, made from a seed, and a scorecard with a metric of every sort.

use super::{DAY, day_of};
use crate::results::tests::experiment;
use crate::results::tests::memory::{Row, at, exposure, gate_exposure, layer_exposure, track};
use crate::results::{
    Criterion, CriterionOf, CriterionTest, Definition, Design, EventName, EventSource, Funnel, FunnelCounts,
    FunnelOrder, Group, Measure, MetricChoice, MetricKind, Quantity, Question, Role, Rule, Taken,
};

/// A small generator (SplitMix64), so that a seed in a failure's text is enough to see it again.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// At least 5, with a tail so heavy that it has no variance; in cents.
    fn pareto(&mut self) -> f64 {
        let share = (self.below(1 << 20) + 1) as f64 / (1u64 << 20) as f64;
        (share.powf(-1.0 / 1.1) * 500.0).round() / 100.0
    }
}

/// What is hard about a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Everything at once.
    Mixed,
    /// Companies are randomised, their users act.
    Companies,
    /// Three groups, the second is control.
    ThreeGroups,
    /// A gate's rule that passes half.
    Gate,
    /// The end is open: the newest receipt.
    OpenEnd,
    /// Every unit does the same.
    ZeroVariance,
    /// The control group does nothing.
    ZeroControl,
    /// One unit against two.
    OneAgainstTwo,
    /// Nobody meets the test group.
    OneArm,
    /// Nobody meets anything.
    NoUnits,
}

pub const SHAPES: [Shape; 10] = [
    Shape::Mixed,
    Shape::Companies,
    Shape::ThreeGroups,
    Shape::Gate,
    Shape::OpenEnd,
    Shape::ZeroVariance,
    Shape::ZeroControl,
    Shape::OneAgainstTwo,
    Shape::OneArm,
    Shape::NoUnits,
];

/// The period: six days and a third, from the middle of one UTC day to the evening of another.
const START: i64 = 0;
const END: i64 = 6 * DAY + 8 * 3_600_000;

/// The midnight at the start of the UTC day that is so many days after that of the period's start.
pub fn midnight(day: i64) -> i64 {
    (day_of(at(START).0) + day) * DAY
}

pub fn question(shape: Shape) -> Question {
    let mut question = Question { end: Some(at(END)), metrics: scorecard(), ..experiment() };
    match shape {
        Shape::Companies => question.id_type = "companyID".into(),
        Shape::OpenEnd => question.end = None,
        Shape::Gate => {
            let half = Rule { id: "half".into(), name: "Half".into(), pass_percentage: 50.0, stages: Vec::new() };
            question.design = Design::Gate { rules: vec![half], only: Some("half".into()) };
        }
        Shape::ThreeGroups => {
            if let Design::Experiment { groups, control } = &mut question.design {
                groups.insert(0, Group { id: "grp_x".into(), name: "Other".into(), size: 20.0 });
                *control = Some("grp_c".into());
            }
        }
        _ => {}
    }
    question
}

/// A log of a shape, in random order: late events and late exposures are the rule.
pub fn log(shape: Shape, random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::new();
    let units = match shape {
        Shape::OneAgainstTwo => 3,
        _ => 20 + random.below(60),
    };
    for unit in 0..units {
        let company = unit % 9;
        let group = match shape {
            Shape::OneArm => 0,
            Shape::OneAgainstTwo => unit.min(1),
            Shape::ThreeGroups => unit % 3,
            Shape::Companies => company % 2,
            _ => unit % 2,
        };
        let home = ["grp_c", "grp_t", "grp_x"][group as usize];
        let id = format!("unit {unit}");
        let mut own = match shape {
            Shape::ZeroVariance => steady(&id, home),
            _ => eventful(&id, home, shape, random),
        };
        if shape == Shape::ZeroControl && home == "grp_c" {
            own.retain(|row| row.subject.is_some());
        }
        if shape == Shape::Gate {
            own = own.into_iter().map(met_at_a_gate).collect();
        }
        for row in &mut own {
            // Some users are of no company, and some act for another.
            row.company = match random.below(12) {
                0 => String::new(),
                1 if shape != Shape::Companies => "company 0".into(),
                _ => format!("company {company}"),
            };
        }
        rows.append(&mut own);
    }
    rows.extend((0..5).map(|n| track("", "view", n).valued(1.0)));
    if shape == Shape::NoUnits {
        rows.retain(|row| row.subject.is_none());
    }
    // Equal rows may stand in a log several times: events that carry no message ID of their own.
    for _ in 0..rows.len() / 20 {
        let again = rows[random.below(rows.len() as u64) as usize].clone();
        rows.push(again);
    }
    for row in &mut rows {
        row.received = at(END);
    }
    random.shuffle(&mut rows);
    rows
}

/// The same row, an exposure to an experiment's group turned into one to a side of the gate's rule.
fn met_at_a_gate(row: Row) -> Row {
    let Some(subject) = &row.subject else { return row };
    let (rule, value) = match subject.rule.as_str() {
        "grp_c" => ("half", "false"),
        "grp_t" => ("half", "true"),
        other => (other, "true"),
    };
    let Row { kind, name, subject, .. } = gate_exposure("", "button", rule, value, 0);
    Row { kind, name, subject, ..row }
}

/// A unit that does what every unit does.
fn steady(id: &str, home: &str) -> Vec<Row> {
    let order = |ms: i64| track(id, "order", ms).valued(2.5).with("amount", "7").with("sku", "a");
    vec![exposure(id, home, 1000), track(id, "view", 1000), order(2000), order(DAY + 2000), order(-2000)]
}

fn eventful(id: &str, home: &str, shape: Shape, random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::new();
    // Where companies are randomised, one crossover of a user takes the whole company with it.
    let rare = if shape == Shape::Companies { 8 } else { 1 };
    let mut exposures = Vec::new();
    for _ in 0..1 + random.below(3) {
        let rule = match random.below(40) {
            _ if matches!(shape, Shape::OneAgainstTwo | Shape::OneArm) => home,
            0 => "layerAssignment",
            1..=4 if random.below(rare) == 0 => random.pick(&["grp_c", "grp_t"]),
            5 | 6 if random.below(rare) == 0 => "grp_t:userID:id_override",
            _ => home,
        };
        let time = match shape {
            Shape::OneAgainstTwo => at(START + random.below(DAY as u64) as i64).0,
            _ => moment(&[], random),
        };
        exposures.push(time);
        let mut row = match random.below(3) {
            0 => layer_exposure(id, "layer", rule, "button", 0),
            _ => exposure(id, rule, 0),
        };
        row.environment = random.pick(&["production", "production", "production", "production", "staging"]);
        if shape == Shape::OneAgainstTwo {
            row.environment = "production";
        }
        if random.below(4) > 0 {
            row.user = vec![("country".into(), random.pick(&["NZ", "AU", "CA"]).into())];
        }
        row.user_custom = vec![("plan".into(), random.pick(&["free", "pro"]).into())];
        rows.push(row.at(time));
    }
    for _ in 0..random.below(16) {
        let name = random.pick(&["view", "view", "view", "order", "order", "refund", "segment::page", "identify"]);
        let mut row = track(id, name, 0).at(moment(&exposures, random));
        row.kind = match name {
            "segment::page" => crate::event::Kind::Page,
            "identify" => crate::event::Kind::Identify,
            _ => crate::event::Kind::Track,
        };
        row.environment = random.pick(&["production", "production", "production", "production", "development"]);
        row.value = match random.below(8) {
            0 | 1 => None,
            2 => Some(0.0),
            3 => Some(-(random.below(2000) as f64) / 100.0),
            _ => Some(random.pareto()),
        };
        if name == "refund" {
            row.value = row.value.map(|value| -value.abs().min(50.0));
        }
        if random.below(4) > 0 {
            row = row.with("amount", random.pick(&["12.5", "0", "-3", "1e3", "abc", "", "NaN", " 7", "19.99"]));
        }
        if random.below(4) > 0 {
            row = row.with("sku", random.pick(&["a", "b", "c", "ab", ""]));
        }
        if random.below(2) > 0 {
            row.user = vec![("country".into(), random.pick(&["NZ", "AU", "CA"]).into())];
        }
        row.user_custom = vec![("plan".into(), random.pick(&["free", "pro"]).into())];
        rows.push(row);
    }
    rows
}

/// A moment of sorts that go wrong: at a midnight or a millisecond beside it, at an exposure or beside it, whole days after
/// one, at the period's ends or beside them, on a grid of hours from long before it to after it.
fn moment(exposures: &[i64], random: &mut Random) -> i64 {
    let beside = random.pick(&[-1, 0, 0, 1]);
    let exposed = if exposures.is_empty() { at(START + DAY).0 } else { random.pick(exposures) };
    match random.below(10) {
        0 => midnight(random.below(8) as i64) + beside,
        1 => random.pick(&[at(START).0, at(END).0]) + beside,
        2 | 3 => exposed + beside,
        4 => exposed + random.pick(&[-7, -1, 1, 2, 7]) * DAY + beside,
        5 | 6 => exposed + random.below(48) as i64 * 600_000,
        _ => at(START).0 + (random.below(17 * 12) as i64 - 9 * 12) * 2 * 3_600_000,
    }
}

pub fn named(event: &str, taken: Taken, criteria: Vec<Criterion>) -> EventSource {
    EventSource { event: EventName::Named(event.into()), taken, criteria }
}

pub fn measure(sources: Vec<EventSource>) -> Measure {
    Measure { sources, cap_per_day: None }
}

pub fn plain(event: &str) -> Measure {
    Measure::of(EventSource::named(event))
}

/// Every event.
pub fn anything() -> Measure {
    measure(vec![EventSource { event: EventName::Any, taken: Taken::Occurrence, criteria: vec![] }])
}

pub fn values_of(event: &str) -> Measure {
    measure(vec![named(event, Taken::Value, vec![])])
}

pub fn funnel(steps: &[&str], order: FunnelOrder, counts: FunnelCounts) -> Funnel {
    Funnel { steps: steps.iter().map(|step| EventSource::named(step)).collect(), order, counts }
}

/// A metric of every sort, and of most sorts one that is harder.
fn scorecard() -> Vec<MetricChoice> {
    use Quantity::*;
    let per_unit = Definition::PerUnit;
    let is = |of: CriterionOf, test: CriterionTest| Criterion { of, test, missing_passes: false };
    let or_missing = |of: CriterionOf, test: CriterionTest| Criterion { of, test, missing_passes: true };
    let metadata = |key: &str| CriterionOf::Metadata(key.into());
    let list = |texts: &[&str]| -> Vec<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
    let filtered = |criterion: Criterion| Count(measure(vec![named("order", Taken::Occurrence, vec![criterion])]));
    let capped = |measure: Measure, cap: f64| Measure { cap_per_day: Some(cap), ..measure };
    let amounts = || measure(vec![named("order", Taken::Metadata("amount".into()), vec![])]);
    let orders_and_refunds =
        || measure(vec![named("order", Taken::Value, vec![]), named("refund", Taken::Value, vec![])]);
    let retained = |day: u32| {
        let measure = anything;
        Definition::Ratio(Returned { measure: measure(), day }, Returnable { measure: measure(), day })
    };
    let steps = |order, counts| Definition::Funnel(funnel(&["view", "order", "refund"], order, counts));
    let mut metrics: Vec<(&str, MetricKind, Definition)> = vec![
        ("views", MetricKind::EventCount, per_unit(Count(plain("view")))),
        ("orders", MetricKind::EventCount, per_unit(Count(plain("order")))),
        ("never seen", MetricKind::EventCount, per_unit(Count(plain("never seen")))),
        ("has ordered", MetricKind::EventUser, per_unit(Any(plain("order")))),
        ("identified", MetricKind::EventCount, per_unit(Count(plain("identify")))),
        ("anything", MetricKind::EventCountCustom, per_unit(Count(anything()))),
        ("capped views", MetricKind::EventCountCustom, per_unit(Count(capped(plain("view"), 2.0)))),
        ("two names", MetricKind::EventCountCustom, {
            per_unit(Count(measure(vec![EventSource::named("order"), EventSource::named("refund")])))
        }),
        ("revenue", MetricKind::Sum, per_unit(Sum(values_of("order")))),
        ("net revenue", MetricKind::Sum, per_unit(Sum(orders_and_refunds()))),
        ("capped revenue", MetricKind::Sum, per_unit(Sum(capped(orders_and_refunds(), 20.0)))),
        ("amounts", MetricKind::Sum, per_unit(Sum(amounts()))),
        ("skus", MetricKind::EventCountCustom, {
            per_unit(Distinct(measure(vec![named("order", Taken::Text("sku".into()), vec![])])))
        }),
        ("order value", MetricKind::Mean, Definition::Ratio(Sum(values_of("order")), Valued(values_of("order")))),
        ("amount", MetricKind::Mean, Definition::Ratio(Sum(amounts()), Valued(amounts()))),
        ("orders per view", MetricKind::Ratio, Definition::Ratio(Count(plain("order")), Count(plain("view")))),
        ("first day", MetricKind::EventUser, { per_unit(AnyWithin { measure: plain("order"), start: 0.0, end: 1.0 }) }),
        ("half days", MetricKind::EventUser, { per_unit(AnyWithin { measure: anything(), start: 0.5, end: 2.0 }) }),
        ("daily orders", MetricKind::EventDau, per_unit(DayShare(plain("order")))),
        ("dau", MetricKind::User, per_unit(DayShare(anything()))),
        ("wau", MetricKind::User, per_unit(RollingShare { measure: anything(), days: 7 })),
        ("mau_28", MetricKind::User, per_unit(RollingShare { measure: anything(), days: 28 })),
        ("new users", MetricKind::User, per_unit(New(anything()))),
        ("d1", MetricKind::User, retained(1)),
        ("d7", MetricKind::User, retained(7)),
        ("composite", MetricKind::CompositeSum, per_unit(SumOf(vec![Count(plain("view")), Sum(values_of("order"))]))),
        ("funnel", MetricKind::Funnel, steps(FunnelOrder::Within(DAY), FunnelCounts::Units)),
        ("passages", MetricKind::Funnel, steps(FunnelOrder::Within(DAY), FunnelCounts::Events)),
        ("tight funnel", MetricKind::Funnel, steps(FunnelOrder::Within(0), FunnelCounts::Units)),
        ("daily funnel", MetricKind::Funnel, steps(FunnelOrder::UnorderedDaily, FunnelCounts::Units)),
        ("daily steps", MetricKind::Funnel, steps(FunnelOrder::UnorderedDaily, FunnelCounts::Events)),
        ("again", MetricKind::Funnel, {
            let order = FunnelOrder::Within(DAY);
            Definition::Funnel(funnel(&["order", "order", "view"], order, FunnelCounts::Units))
        }),
    ];
    for (name, criterion) in [
        ("worth 10", is(CriterionOf::Value, CriterionTest::GreaterOrEqual(10.0))),
        ("negative", is(CriterionOf::Value, CriterionTest::Less(0.0))),
        ("zero", is(CriterionOf::Value, CriterionTest::In(list(&["0", "x"])))),
        ("not zero", or_missing(CriterionOf::Value, CriterionTest::NotIn(list(&["0.0"])))),
        ("of sku a", is(metadata("sku"), CriterionTest::In(list(&["a", "c"])))),
        ("with an a", is(metadata("sku"), CriterionTest::Contains(list(&["a"])))),
        ("without an a", or_missing(metadata("sku"), CriterionTest::NotContains(list(&["a"])))),
        ("from a", is(metadata("sku"), CriterionTest::StartsWith(list(&["a"])))),
        ("to b", is(metadata("sku"), CriterionTest::EndsWith(list(&["b"])))),
        ("no sku", or_missing(metadata("sku"), CriterionTest::IsNull)),
        ("some amount", is(metadata("amount"), CriterionTest::NonNull)),
        ("small amount", is(metadata("amount"), CriterionTest::LessOrEqual(12.5))),
        ("in NZ", is(CriterionOf::User("country".into()), CriterionTest::In(list(&["NZ"])))),
        ("of pro", is(CriterionOf::UserCustom("plan".into()), CriterionTest::In(list(&["pro"])))),
    ] {
        metrics.push((name, MetricKind::EventCountCustom, per_unit(filtered(criterion))));
    }
    metrics
        .into_iter()
        .map(|(name, kind, definition)| MetricChoice {
            name: name.into(),
            kind,
            definition,
            role: Role::Secondary,
            direction: None,
            hypothesis: None,
        })
        .collect()
}
