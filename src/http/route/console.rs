//! What an endpoint of the console API is, and which one a path names. They stand in one table by which requests are routed
//! and from which the OpenAPI document is written, so that neither can say what the other does not.

mod table;

pub use table::TABLE;

use super::Verb;
use crate::admin::{Deed, ListEdit};
use crate::catalog::{ItemKind, Role};

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    OpenApi,
    Events,
    Event,
    EventNames,
    Stream,
    Rejected,
    Status,
    ExperimentResults,
    GateResults,
    /// A question beside the scorecard.
    ExploreExperiment,
    ExploreGate,
    /// A saved question, answered now.
    ExplorationResults,
    /// A report in Statsig's shape.
    ExperimentPulse,
    GatePulse,
    CumulativeExposures,
    /// Applies a project file.
    Apply,
    Keys,
    CreateKey,
    RevokeKey,
    /// Makes a one-time link that signs in to the pages.
    Link,
    AuditLogs,
    Items(ItemKind),
    Item(ItemKind),
    /// A metric by its name and type.
    Metric,
    /// A metric's definition and its values, without making it.
    PreviewMetric,
    MetricValues,
    Change(ItemKind, Deed),
    Versions(ItemKind),
    Rules(ItemKind),
    Rule(ItemKind),
    Overrides(ItemKind),
    /// The event names that come to an integration, and which pass.
    ValveNames,
    SelectNames,
    /// Who is in an ID list.
    IdList,
    EditIdList(ListEdit),
    Destinations,
    Destination,
    /// What became of what was sent.
    Attempts,
    AttemptStream,
    DeadLetters,
    DeadLetter,
    Steer(Steering),
}

/// What is done with a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steering {
    Pause,
    Resume,
    Replay,
    Skip,
    Test,
    /// A dead letter is sent again.
    Retry,
    RetryAll,
    /// A dead letter is thrown away.
    Discard,
    DiscardAll,
}

/// What an answer looks like. The text is the name of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `{message, data}`.
    Data(String),
    /// `{message, data: [...]}` without pages.
    All(String),
    /// `{message, data: [...], pagination}` with numbered pages: `limit` and `page`.
    Pages(String),
    /// `{message, data, pagination}` of one thing that is shown in pages.
    Paged(String),
    /// The same for a list whose pages have no numbers; `pagination.next` leads on.
    Endless(String),
    /// The thing itself.
    Bare(String),
    /// Server-sent events.
    Stream,
}

/// One endpoint.
#[derive(Debug)]
pub struct Endpoint {
    pub verb: Verb,
    /// Below `/console/v1/`, with parameters in braces.
    pub path: String,
    pub call: Call,
    /// Its name in the OpenAPI document; no two have the same.
    pub operation: String,
    pub summary: String,
    /// The least role; `None` needs no key.
    pub role: Option<Role>,
    /// The schema of the request's body, if it has one.
    pub request: Option<String>,
    pub answer: Answer,
    /// Query parameters beside those that the answer's pages bring, and what they are.
    pub query: &'static [(&'static str, &'static str)],
    /// 201 for what makes something, else 200.
    pub status: u16,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Endpoint) -> bool {
        self.operation == other.operation
    }
}

impl Eq for Endpoint {}

/// An endpoint that was found by its path, with the parts that stand for its parameters, percent-encoded as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called<'p> {
    pub endpoint: &'static Endpoint,
    pub parts: [&'p str; MAX_PARTS],
}

/// Parameters that a path can have.
const MAX_PARTS: usize = 2;

/// The endpoints at a path below `/console/v1/`, one for each method that it takes.
pub fn at(path: &str) -> impl Iterator<Item = Called<'_>> {
    // A path that names something wins over one with a parameter in its place.
    let found = TABLE.iter().filter_map(move |endpoint| Some((endpoint, parts(&endpoint.path, path)?)));
    let least = TABLE.iter().filter(move |endpoint| parts(&endpoint.path, path).is_some()).map(parameters).min();
    found
        .filter(move |(endpoint, _)| Some(parameters(endpoint)) == least)
        .map(|(endpoint, parts)| Called { endpoint, parts })
}

fn parameters(endpoint: &Endpoint) -> usize {
    endpoint.path.matches('{').count()
}

/// What stands at the parameters of a template, if the path has its form.
fn parts<'p>(template: &str, path: &'p str) -> Option<[&'p str; MAX_PARTS]> {
    let mut parts = [""; MAX_PARTS];
    let mut free = parts.iter_mut();
    let mut segments = path.split('/');
    for wanted in template.split('/') {
        let segment = segments.next()?;
        if wanted.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            *free.next()? = segment;
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Options;
    use std::collections::BTreeSet;

    /// A path as it is asked for, from its template.
    fn asked(template: &str) -> String {
        template.replace('{', "").replace('}', "-1")
    }

    #[test]
    fn every_endpoint_is_found_at_its_path_and_no_two_share_a_name_or_a_place() {
        let (mut operations, mut places) = (BTreeSet::new(), BTreeSet::new());
        for endpoint in TABLE.iter() {
            assert!(operations.insert(&endpoint.operation), "{} is there twice", endpoint.operation);
            assert!(
                places.insert((endpoint.verb, &endpoint.path)),
                "{:?} {} is there twice",
                endpoint.verb,
                endpoint.path
            );
            let path = asked(&endpoint.path);
            let found: Vec<Called> = at(&path).filter(|called| called.endpoint.verb == endpoint.verb).collect();
            let [called] = found.as_slice() else { panic!("{path}: {found:?}") };
            assert_eq!(called.endpoint, endpoint, "{path}");
            let parts = called.parts.iter().filter(|part| !part.is_empty());
            assert!(parts.clone().all(|part| part.ends_with("-1")) && parts.count() == parameters(endpoint), "{path}");
        }
        assert!(operations.len() > 100);
    }

    #[test]
    fn only_reading_is_left_to_viewers_and_only_the_document_needs_no_key() {
        for endpoint in TABLE.iter() {
            let expected = match (endpoint.verb, endpoint.path.as_str()) {
                (_, "openapi.json") => None,
                (Verb::Get, "keys") => Some(Role::Admin),
                (Verb::Post, "metrics/preview") => Some(Role::Viewer),
                (Verb::Post, path) if path.ends_with("/explore") => Some(Role::Viewer),
                (Verb::Get, _) => Some(Role::Viewer),
                (_, path) => {
                    let family = path.split('/').next().unwrap_or_default();
                    let admin = [
                        "unit_id_types",
                        "environments",
                        "settings",
                        "integrations",
                        "destinations",
                        "keys",
                        "project",
                        "link",
                    ];
                    Some(if admin.contains(&family) { Role::Admin } else { Role::Editor })
                }
            };
            assert_eq!(endpoint.role, expected, "{:?} {}", endpoint.verb, endpoint.path);
        }
    }

    #[test]
    fn every_option_of_a_report_is_told() {
        let told = |call: Call| -> BTreeSet<&str> {
            let endpoint = TABLE.iter().find(|endpoint| endpoint.call == call).unwrap();
            endpoint.query.iter().map(|(name, _)| *name).collect()
        };
        let known: BTreeSet<&str> = Options::NAMES.into_iter().chain(["format"]).collect();
        // What an experiment refuses is not told of it.
        let of_gates = ["balance", "stage"];
        let of_experiments = known.iter().copied().filter(|name| !of_gates.contains(name));
        assert_eq!(told(Call::ExperimentResults), of_experiments.collect());
        let with_rule: BTreeSet<&str> = known.into_iter().chain(["rule"]).collect();
        assert_eq!(told(Call::GateResults), with_rule);
        for endpoint in TABLE.iter() {
            let names: BTreeSet<&str> = endpoint.query.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), endpoint.query.len(), "{} tells a parameter twice", endpoint.path);
        }
    }

    #[test]
    fn a_path_is_matched_whole_and_names_go_before_parameters() {
        for (path, operations) in [
            ("metrics/list", &["listAllMetrics"][..]),
            ("metrics/preview", &["previewMetric"]),
            ("metrics/revenue::sum", &["readMetric", "updateMetric", "putMetric", "replaceMetric", "deleteMetric"]),
            ("metrics/revenue/sum", &["readMetricByName"]),
            ("metrics/revenue/versions", &["listMetricVersions"]),
            ("destinations/segment/dead_letters/retry", &["retryDeadLetters"]),
            ("destinations/segment/dead_letters/7", &["readDeadLetter", "discardDeadLetter"]),
            ("gates//rules", &[]),
            ("gates/", &[]),
            ("gates/g/", &[]),
            ("gates/g/rules/r/x", &[]),
            ("gate", &[]),
            ("", &[]),
        ] {
            let found: Vec<&str> = at(path).map(|called| called.endpoint.operation.as_str()).collect();
            assert_eq!(found, operations, "{path}");
        }
    }
}
