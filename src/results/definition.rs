//! What a metric is, as plain data: which events count, what is taken of each, what they make of a unit. Computes nothing,
//! knows no catalog and no column.

/// What is computed of each unit, and how units make a group's mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// One number a unit; the group's mean is over all its units, zeros included.
    PerUnit(Quantity),
    /// Two numbers a unit; the group's mean is the sum of the first over the sum of the second, over the units that have a
    /// second (participating units).
    Ratio(Quantity, Quantity),
    /// How many of those who took the first step took each further one; the metric is last over first.
    Funnel(Funnel),
}

/// One number of a unit's events within a span of time. Without events it is 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantity<M = Measure> {
    /// How many events.
    Count(M),
    /// The sum of their values; an event without a value adds nothing.
    Sum(M),
    /// How many events have a value; a value of 0 is one.
    Valued(M),
    /// How many different texts (see `Taken::Text`).
    Distinct(M),
    /// 1 if there is any event, else 0.
    Any(M),
    /// 1 if there is any event from `start` to before `end`, in days of 24 hours after the unit's first exposure.
    AnyWithin { measure: M, start: f64, end: f64 },
    /// The share of the unit's UTC days in the experiment, first and last included, that have an event.
    DayShare(M),
    /// As `DayShare`, where a day counts if it or one of the `days - 1` before it, exposed or not, has an event: 7 is `wau`.
    RollingShare { measure: M, days: u32 },
    /// 1 if the unit's first event ever lies in the span.
    New(M),
    /// 1 if the unit is new (as `New`), and the UTC day that is `day` days after that of its first event is over.
    Returnable { measure: M, day: u32 },
    /// 1 if it is `Returnable` and has an event on that day.
    Returned { measure: M, day: u32 },
    /// The sum of several.
    SumOf(Vec<Quantity<M>>),
}

impl<M> Quantity<M> {
    /// The same with something else in the place of its measures.
    pub(super) fn map<N>(&self, of: &mut dyn FnMut(&M) -> N) -> Quantity<N> {
        match self {
            Quantity::Count(measure) => Quantity::Count(of(measure)),
            Quantity::Sum(measure) => Quantity::Sum(of(measure)),
            Quantity::Valued(measure) => Quantity::Valued(of(measure)),
            Quantity::Distinct(measure) => Quantity::Distinct(of(measure)),
            Quantity::Any(measure) => Quantity::Any(of(measure)),
            &Quantity::AnyWithin { ref measure, start, end } => {
                Quantity::AnyWithin { measure: of(measure), start, end }
            }
            Quantity::DayShare(measure) => Quantity::DayShare(of(measure)),
            &Quantity::RollingShare { ref measure, days } => Quantity::RollingShare { measure: of(measure), days },
            Quantity::New(measure) => Quantity::New(of(measure)),
            &Quantity::Returnable { ref measure, day } => Quantity::Returnable { measure: of(measure), day },
            &Quantity::Returned { ref measure, day } => Quantity::Returned { measure: of(measure), day },
            Quantity::SumOf(parts) => Quantity::SumOf(parts.iter().map(|part| part.map(of)).collect()),
        }
    }

    /// Whether the days before the exposure can tell what to expect after it.
    pub(super) fn has_covariate(&self) -> bool {
        match self {
            Quantity::New(_) | Quantity::Returnable { .. } | Quantity::Returned { .. } => false,
            Quantity::SumOf(parts) => parts.iter().all(Quantity::has_covariate),
            _ => true,
        }
    }

    /// Whether a day's number needs nothing but that day's events.
    pub(super) fn is_of_its_day(&self) -> bool {
        match self {
            Quantity::Count(_) | Quantity::Sum(_) | Quantity::Valued(_) | Quantity::Distinct(_) | Quantity::Any(_) => {
                true
            }
            Quantity::AnyWithin { .. } | Quantity::DayShare(_) => true,
            Quantity::SumOf(parts) => parts.iter().all(Quantity::is_of_its_day),
            _ => false,
        }
    }

    /// Whether it changes on days with events only.
    pub(super) fn changes_by_events(&self) -> bool {
        match self {
            Quantity::DayShare(_) | Quantity::RollingShare { .. } => false,
            Quantity::Returnable { .. } | Quantity::Returned { .. } => false,
            Quantity::SumOf(parts) => parts.iter().all(Quantity::changes_by_events),
            _ => true,
        }
    }

    /// Whether it grows with what a unit does, so that a few units may weigh too much.
    pub(super) fn has_tail(&self) -> bool {
        match self {
            Quantity::Count(_) | Quantity::Sum(_) | Quantity::Valued(_) | Quantity::Distinct(_) => true,
            Quantity::SumOf(parts) => parts.iter().any(Quantity::has_tail),
            _ => false,
        }
    }
}

/// Which events count, and what is taken of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// An event counts for each source that it meets.
    pub sources: Vec<EventSource>,
    /// The most that a unit's UTC day adds, of counts and sums.
    pub cap_per_day: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EventSource {
    pub event: EventName,
    pub taken: Taken,
    /// All must hold.
    pub criteria: Vec<Criterion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventName {
    /// As stored: `segment::Order Completed`.
    Named(String),
    /// Every event that metrics can be made of: what user accounting counts.
    Any,
}

/// What is taken of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Taken {
    /// Nothing but that it happened.
    Occurrence,
    /// The event's value.
    Value,
    /// The number in a metadata key; what is no number is no value.
    Metadata(String),
    /// The text in a metadata key, to be told apart from others.
    Text(String),
}

/// A filter on events.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    pub of: CriterionOf,
    pub test: CriterionTest,
    /// Whether an event that lacks it meets the criterion.
    pub missing_passes: bool,
}

/// What a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CriterionOf {
    /// The event's value.
    Value,
    Metadata(String),
    User(String),
    UserCustom(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum CriterionTest {
    /// Equal to one of these; numbers by their value, texts to the letter.
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(f64),
    Less(f64),
    GreaterOrEqual(f64),
    LessOrEqual(f64),
    IsNull,
    NonNull,
    Contains(Vec<String>),
    NotContains(Vec<String>),
    StartsWith(Vec<String>),
    EndsWith(Vec<String>),
    IsTrue,
    IsFalse,
}

/// Steps that follow one another.
#[derive(Debug, Clone, PartialEq)]
pub struct Funnel {
    /// Two at least; each takes `Taken::Occurrence`.
    pub steps: Vec<EventSource>,
    pub order: FunnelOrder,
    pub counts: FunnelCounts,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FunnelOrder {
    /// Each step at or after the one before, and all within so many milliseconds of the first.
    Within(i64),
    /// Statsig Cloud's: the steps of one UTC day in any order; days are added up.
    UnorderedDaily,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunnelCounts {
    /// Units (`Within`: once; `UnorderedDaily`: once a day).
    Units,
    /// Events: each goes into one passage only.
    Events,
}

impl EventSource {
    /// Every event of this name, for being one.
    pub fn named(event: &str) -> EventSource {
        EventSource { event: EventName::Named(event.to_owned()), taken: Taken::Occurrence, criteria: Vec::new() }
    }
}

impl Measure {
    pub fn of(source: EventSource) -> Measure {
        Measure { sources: vec![source], cap_per_day: None }
    }
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EventName::Named(name) => f.write_str(name),
            EventName::Any => f.write_str("any event"),
        }
    }
}
