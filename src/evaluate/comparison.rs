//! What a condition comes to once its words are read: where the value is found, and a test with its target ready. Says
//! how each operator compares; finds no value by itself.

use super::condition::Operator;
use super::user::{Field, FieldName, Kind, text_of};
use crate::catalog::{self, BUCKETS, Pattern};
use crate::event::Timestamp;
use hashbrown::HashSet;
use serde_json::Value;
use std::cmp::Ordering;

/// A condition made ready.
#[derive(Debug)]
pub(super) enum Comparison {
    Always,
    /// A gate by its position, once the specs are put together; none if there is no such gate.
    Gate {
        gate: Option<usize>,
        wanted: bool,
    },
    /// The buckets in which it holds.
    Bucket {
        prefix: String,
        holds: Box<[bool; BUCKETS]>,
    },
    Value {
        source: Source,
        test: Test,
    },
    /// A word that is not known makes the whole evaluation one that Weir does not support, as in SDKs.
    Unsupported,
}

impl Comparison {
    /// Any operator on a bucket comes to the set of buckets for which it holds.
    pub(super) fn bucket(prefix: String, test: &Test) -> Comparison {
        let holds = std::array::from_fn(|bucket| test.holds(Some(&Field::new(&bucket.into()))));
        Comparison::Bucket { prefix, holds: Box::new(holds) }
    }
}

/// Where a condition finds its value.
#[derive(Debug)]
pub(super) enum Source {
    Field(FieldName),
    Environment(FieldName),
    /// The user's ID of the condition's ID type.
    Unit,
    Now,
    /// Weir has no target apps: the value is always null.
    Nothing,
}

/// An operator with its target. A value that is missing or null is an empty text to operators on texts, and nothing that
/// a number, time, version, pattern or list could be compared with.
#[derive(Debug)]
pub(super) enum Test {
    /// Of a number, or of a text that is one without spaces.
    Number(NumberTest, f64),
    /// As the older family reads versions: what is none never holds, `version_neq` neither.
    Version(VersionTest, String),
    /// `any` and `none`: targets and values in lower case.
    OneOf {
        targets: HashSet<String>,
        wanted: bool,
    },
    /// As the older family does it. The core keeps of two targets that differ only in case one.
    OneOfExactly {
        targets: HashSet<String>,
        wanted: bool,
    },
    /// In lower case.
    Part {
        part: Part,
        targets: Vec<String>,
        wanted: bool,
    },
    Matches(Pattern),
    /// By the target's type: a number equals a text that is one, a text equals a number's text, lists go by elements.
    Equal {
        target: Equal,
        wanted: bool,
    },
    /// Days begin at midnight UTC.
    Time(TimeTest, Timestamp),
    /// Of a list only; whatever else it is never holds, the negated ones neither.
    Contains {
        all: bool,
        targets: Vec<String>,
        wanted: bool,
    },
    /// Whether an ID list has the unit; the evaluation asks the list.
    InList {
        list: String,
        wanted: bool,
    },
    /// A target of the wrong kind: never holds, or always.
    Constant(bool),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum NumberTest {
    Gt,
    Gte,
    Lt,
    Lte,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum VersionTest {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Neq,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Start,
    End,
    Anywhere,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum TimeTest {
    Before,
    After,
    On,
}

#[derive(Debug)]
pub(super) enum Equal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<String>),
}

impl Test {
    /// An operator and its target; `None` if the pattern cannot be read.
    pub(super) fn new(operator: Operator, target: &Value) -> Option<Test> {
        use catalog::Operator as Op;
        let operator = match operator {
            Operator::InSegmentList | Operator::NotInSegmentList => {
                let wanted = operator == Operator::InSegmentList;
                return Some(match target.as_str() {
                    Some(list) => Test::InList { list: list.to_string(), wanted },
                    None => Test::Constant(!wanted),
                });
            }
            Operator::Of(operator) => operator,
        };
        let number = |test| number(target).map_or(Test::Constant(false), |target| Test::Number(test, target));
        let version = |test| Test::Version(test, text_of(target));
        let one_of = |wanted| match texts(target) {
            Some(targets) => Test::OneOf { targets: targets.iter().map(|it| it.to_lowercase()).collect(), wanted },
            None => Test::Constant(!wanted),
        };
        let one_of_exactly = |wanted| match texts(target) {
            Some(targets) => Test::OneOfExactly { targets: targets.into_iter().collect(), wanted },
            None => Test::Constant(!wanted),
        };
        let part = |part, wanted| match texts(target) {
            Some(targets) => Test::Part { part, targets: targets.iter().map(|it| it.to_lowercase()).collect(), wanted },
            None => Test::Constant(!wanted),
        };
        let time = |test| Field::new(target).time().map_or(Test::Constant(false), |at| Test::Time(test, at));
        let contains = |all, wanted| match target {
            Value::Array(_) => Test::Contains { all, targets: texts(target).unwrap_or_default(), wanted },
            _ => Test::Constant(false),
        };
        Some(match operator {
            Op::Gt => number(NumberTest::Gt),
            Op::Gte => number(NumberTest::Gte),
            Op::Lt => number(NumberTest::Lt),
            Op::Lte => number(NumberTest::Lte),
            Op::VersionGt => version(VersionTest::Gt),
            Op::VersionGte => version(VersionTest::Gte),
            Op::VersionLt => version(VersionTest::Lt),
            Op::VersionLte => version(VersionTest::Lte),
            Op::VersionEq => version(VersionTest::Eq),
            Op::VersionNeq => version(VersionTest::Neq),
            Op::Any => one_of(true),
            Op::None => one_of(false),
            Op::AnyCaseSensitive => one_of_exactly(true),
            Op::NoneCaseSensitive => one_of_exactly(false),
            Op::StrStartsWithAny => part(Part::Start, true),
            Op::StrEndsWithAny => part(Part::End, true),
            Op::StrContainsAny => part(Part::Anywhere, true),
            Op::StrContainsNone => part(Part::Anywhere, false),
            Op::StrMatches => Test::Matches(Pattern::new(target.as_str()?).ok()?),
            Op::Eq => Test::Equal { target: equal(target), wanted: true },
            Op::Neq => Test::Equal { target: equal(target), wanted: false },
            Op::Before => time(TimeTest::Before),
            Op::After => time(TimeTest::After),
            Op::On => time(TimeTest::On),
            Op::ArrayContainsAny => contains(false, true),
            Op::ArrayContainsNone => contains(false, false),
            Op::ArrayContainsAll => contains(true, true),
            Op::NotArrayContainsAll => contains(true, false),
        })
    }

    /// Whether it holds for a value, null or missing being `None`. ID lists are asked by the evaluation.
    pub(super) fn holds(&self, value: Option<&Field>) -> bool {
        let value = value.filter(|value| !value.is_null());
        let text = value.map_or("", Field::text);
        match self {
            Test::Number(test, target) => value.and_then(Field::number).is_some_and(|number| match test {
                NumberTest::Gt => number > *target,
                NumberTest::Gte => number >= *target,
                NumberTest::Lt => number < *target,
                NumberTest::Lte => number <= *target,
            }),
            Test::Version(test, target) => compare_versions(text, target).is_some_and(|ordering| match test {
                VersionTest::Gt => ordering.is_gt(),
                VersionTest::Gte => ordering.is_ge(),
                VersionTest::Lt => ordering.is_lt(),
                VersionTest::Lte => ordering.is_le(),
                VersionTest::Eq => ordering.is_eq(),
                VersionTest::Neq => ordering.is_ne(),
            }),
            Test::OneOf { targets, wanted } => targets.contains(value.map_or("", Field::lower)) == *wanted,
            Test::OneOfExactly { targets, wanted } => targets.contains(text) == *wanted,
            Test::Part { part, targets, wanted } => {
                let text = value.map_or("", Field::lower);
                let found = targets.iter().any(|target| match part {
                    Part::Start => text.starts_with(target.as_str()),
                    Part::End => text.ends_with(target.as_str()),
                    Part::Anywhere => text.contains(target.as_str()),
                });
                found == *wanted
            }
            Test::Matches(pattern) => value.is_some() && pattern.is_match(text),
            Test::Equal { target, wanted } => target.equals(value) == *wanted,
            Test::Time(test, target) => value.and_then(Field::time).is_some_and(|at| test.holds(at, *target)),
            Test::Contains { all, targets, wanted } => match value.map(Field::kind) {
                Some(Kind::List(there)) => {
                    let found = match all {
                        true => targets.iter().all(|target| there.contains(target)),
                        false => targets.iter().any(|target| there.contains(target)),
                    };
                    found == *wanted
                }
                _ => false,
            },
            Test::InList { wanted, .. } => !wanted,
            Test::Constant(holds) => *holds,
        }
    }
}

impl TimeTest {
    pub(super) fn holds(self, at: Timestamp, target: Timestamp) -> bool {
        match self {
            TimeTest::Before => at < target,
            TimeTest::After => at > target,
            TimeTest::On => at.day() == target.day(),
        }
    }
}

impl Equal {
    fn equals(&self, value: Option<&Field>) -> bool {
        let Some(value) = value else { return matches!(self, Equal::Null) };
        match self {
            Equal::Null => false,
            Equal::Bool(target) => *value.kind() == Kind::Bool(*target),
            Equal::Number(target) => value.number() == Some(*target),
            Equal::Text(target) => *value.kind() != Kind::Object && value.text() == target,
            Equal::List(target) => matches!(value.kind(), Kind::List(there) if there == target),
        }
    }
}

fn equal(target: &Value) -> Equal {
    match target {
        Value::Bool(target) => Equal::Bool(*target),
        Value::Number(number) => Equal::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(target) => Equal::Text(target.clone()),
        Value::Array(_) => Equal::List(texts(target).unwrap_or_default()),
        Value::Null | Value::Object(_) => Equal::Null,
    }
}

fn number(target: &Value) -> Option<f64> {
    Field::new(target).number().filter(|number| !number.is_nan())
}

/// The elements of a list, or the names of an object, in which the newer download has the lists of buckets.
fn texts(target: &Value) -> Option<Vec<String>> {
    match target {
        Value::Array(elements) => Some(elements.iter().map(text_of).collect()),
        Value::Object(fields) => Some(fields.keys().cloned().collect()),
        _ => None,
    }
}

/// Numbers with dots between, up to the first hyphen. Parts that are missing or empty are 0. `None` if one version is
/// empty, or if a part that is reached before they differ is no number.
fn compare_versions(version: &str, target: &str) -> Option<Ordering> {
    let cut = |text: &'_ str| text.split('-').next().unwrap_or_default().len();
    let (version, target) = (&version[..cut(version)], &target[..cut(target)]);
    if version.is_empty() || target.is_empty() {
        return None;
    }
    let (mut parts, mut target_parts) = (version.split('.'), target.split('.'));
    loop {
        let (part, target_part) = match (parts.next(), target_parts.next()) {
            (None, None) => return Some(Ordering::Equal),
            (part, target_part) => (part.unwrap_or_default().trim(), target_part.unwrap_or_default().trim()),
        };
        let number = |part: &str| if part.is_empty() { Some(0) } else { part.parse::<u128>().ok() };
        match number(part)?.cmp(&number(target_part)?) {
            Ordering::Equal => {}
            different => return Some(different),
        }
    }
}
