//! Which endpoint a path and a method name. Allocates nothing and reads nothing but the two; parts of a path stay
//! percent-encoded.

pub mod console;

use crate::meters::Family;
use console::Called;
use hyper::Method;
use std::sync::LazyLock;

/// An event call of Segment's tracking API, as its path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentCall {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
    /// `{batch: [...]}`, whichever of its paths it came by.
    Batch,
}

/// Who sends a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Webhook {
    Segment,
    Rudderstack,
    /// Statsig's generic event webhook.
    Event,
}

/// Which of the two shapes of specs: each is read by SDKs that cannot read the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecsVersion {
    V1,
    V2,
}

/// What is asked about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdkCall {
    /// Everything at once, for client SDKs.
    Initialize,
    CheckGate,
    GetConfig,
    GetLayer,
    /// Nothing: the caller decided by itself.
    LogCustomExposure,
}

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    Segment(SegmentCall),
    /// Segment SDKs report on themselves; taken and dropped.
    SegmentTelemetry,
    /// The document without which analytics.js sends nothing.
    SegmentSettings {
        key: &'p str,
    },
    Webhook(Webhook),
    /// `/v1/log_event` of server SDKs and `/v1/rgstr` of client SDKs: one body, one meaning.
    StatsigEvents,
    /// All that server SDKs need to evaluate by themselves; the key is in the path, if anywhere there.
    StatsigSpecs {
        version: SpecsVersion,
        key: Option<&'p str>,
    },
    StatsigSdk(SdkCall),
    /// Which ID lists there are and where their files stand.
    StatsigIdLists,
    StatsigIdListFile {
        file: &'p str,
    },
    Console(Called<'p>),
    Home,
    /// The link with a one-time token; it opens a session.
    Session,
    Live,
    Ready,
    Metrics,
}

/// A method that some path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub const ALL: [Verb; 5] = [Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];

    /// HEAD is answered as GET; the connection leaves the body out.
    fn of(method: &Method) -> Option<Verb> {
        match *method {
            Method::GET | Method::HEAD => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            Method::PUT => Some(Verb::Put),
            Method::PATCH => Some(Verb::Patch),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }

    /// What `Allow` says of it.
    fn allow(self) -> &'static str {
        match self {
            Verb::Get => "GET, HEAD",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// What stands at a path: an endpoint for each method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'p> {
    pub family: Family,
    /// Whether browsers may call it from any page.
    pub cors: bool,
    routes: [Option<Route<'p>>; Verb::ALL.len()],
}

/// What a method means at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved<'p> {
    Route(Route<'p>),
    /// A browser asks whether it may call.
    Preflight,
    /// Nothing for this method; what `Allow` has to say.
    MethodNotAllowed {
        allow: &'static str,
    },
    NotFound,
}

impl<'p> Place<'p> {
    const fn new(family: Family) -> Self {
        Self { family, cors: false, routes: [None; Verb::ALL.len()] }
    }

    const fn on(mut self, verb: Verb, route: Route<'p>) -> Self {
        self.routes[verb as usize] = Some(route);
        self
    }

    const fn get(self, route: Route<'p>) -> Self {
        self.on(Verb::Get, route)
    }

    const fn post(self, route: Route<'p>) -> Self {
        self.on(Verb::Post, route)
    }

    const fn open(self) -> Self {
        Self { cors: true, ..self }
    }

    /// What stands at a path (without its query).
    pub fn at(path: &'p str) -> Place<'p> {
        if let Some(rest) = path.strip_prefix("/v1/") {
            // The Java library's default path ends with a slash; none of ours differs by one.
            return events(rest.strip_suffix('/').unwrap_or(rest));
        }
        if let Some(rest) = path.strip_prefix("/v2/") {
            return specs(SpecsVersion::V2, rest.strip_suffix('/').unwrap_or(rest))
                .unwrap_or(Place::new(Family::Unknown));
        }
        if let Some(rest) = path.strip_prefix("/console/v1/") {
            let place = Place::new(Family::Console);
            return console::at(rest)
                .fold(place, |place, called| place.on(called.endpoint.verb, Route::Console(called)));
        }
        match path {
            "/" => Place::new(Family::Page).get(Route::Home),
            "/session" => Place::new(Family::Page).get(Route::Session),
            "/health/live" => Place::new(Family::Operations).get(Route::Live),
            "/health/ready" => Place::new(Family::Operations).get(Route::Ready),
            "/metrics" => Place::new(Family::Operations).get(Route::Metrics),
            _ => Place::new(Family::Unknown),
        }
    }

    /// What a method means here.
    pub fn resolve(&self, method: &Method) -> Resolved<'p> {
        if *method == Method::OPTIONS && self.cors {
            return Resolved::Preflight;
        }
        match Verb::of(method).and_then(|verb| self.routes[verb as usize]) {
            Some(route) => Resolved::Route(route),
            None if self.routes.iter().all(Option::is_none) => Resolved::NotFound,
            None => Resolved::MethodNotAllowed { allow: self.allow() },
        }
    }

    fn allow(&self) -> &'static str {
        let taken = self.routes.iter().enumerate().filter(|(_, route)| route.is_some());
        let index = taken.fold(0, |bits, (verb, _)| bits | 1 << verb);
        &ALLOW[usize::from(self.cors)][index]
    }
}

/// What `Allow` says, by whether browsers may ask and by which methods are taken, a bit for each.
static ALLOW: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| {
    [None, Some("OPTIONS")].map(|options| {
        let sets = 0..1_usize << Verb::ALL.len();
        let taken = sets.map(|set| Verb::ALL.into_iter().filter(move |verb| set >> *verb as usize & 1 == 1));
        taken.map(|verbs| verbs.map(Verb::allow).chain(options).collect::<Vec<_>>().join(", ")).collect()
    })
});

/// Paths below `/v1/`. All that take events are called from browsers.
fn events(rest: &str) -> Place<'_> {
    let segment = |call| Place::new(Family::Segment).open().post(Route::Segment(call));
    let webhook = |sender| Place::new(Family::Webhook).open().post(Route::Webhook(sender));
    let sdk = |call| Place::new(Family::Statsig).open().post(Route::StatsigSdk(call));
    match rest {
        "track" | "t" => segment(SegmentCall::Track),
        "identify" | "i" => segment(SegmentCall::Identify),
        "page" | "p" => segment(SegmentCall::Page),
        "screen" | "s" => segment(SegmentCall::Screen),
        "group" | "g" => segment(SegmentCall::Group),
        "alias" | "a" => segment(SegmentCall::Alias),
        "batch" | "b" | "import" => segment(SegmentCall::Batch),
        "m" => Place::new(Family::Segment).open().post(Route::SegmentTelemetry),
        "log_event" | "rgstr" => Place::new(Family::Statsig).open().post(Route::StatsigEvents),
        "webhooks/segment_webhook" => webhook(Webhook::Segment),
        "webhooks/rudderstack" => webhook(Webhook::Rudderstack),
        "webhooks/event_webhook" => webhook(Webhook::Event),
        "initialize" => sdk(SdkCall::Initialize),
        "check_gate" => sdk(SdkCall::CheckGate),
        "get_config" => sdk(SdkCall::GetConfig),
        "get_layer" => sdk(SdkCall::GetLayer),
        "log_custom_exposure" => sdk(SdkCall::LogCustomExposure),
        // Only servers read specs and ID lists, so no page is let at them.
        "get_id_lists" => Place::new(Family::Statsig).get(Route::StatsigIdLists).post(Route::StatsigIdLists),
        _ => {
            if let Some(key) = between(rest, "projects/", "/settings") {
                Place::new(Family::Segment).open().get(Route::SegmentSettings { key })
            } else if let Some(file) = between(rest, "id_lists/", "") {
                Place::new(Family::Statsig).get(Route::StatsigIdListFile { file })
            } else {
                specs(SpecsVersion::V1, rest).unwrap_or(Place::new(Family::Unknown))
            }
        }
    }
}

/// The download of specs below `/v1/` or `/v2/`.
fn specs(version: SpecsVersion, rest: &str) -> Option<Place<'_>> {
    let key = match rest {
        "download_config_specs" => None,
        _ => Some(between(rest, "download_config_specs/", ".json")?),
    };
    let route = Route::StatsigSpecs { version, key };
    Some(Place::new(Family::Statsig).get(route).post(route))
}

/// The one non-empty path segment between a prefix and a suffix.
fn between<'p>(path: &'p str, prefix: &str, suffix: &str) -> Option<&'p str> {
    let inner = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (!inner.is_empty() && !inner.contains('/')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Method = Method::OPTIONS;

    #[test]
    fn every_path_leads_to_its_endpoint() {
        use Route::*;
        use SpecsVersion::{V1, V2};
        let table = [
            (Method::POST, "/v1/track", Segment(SegmentCall::Track)),
            (Method::POST, "/v1/t", Segment(SegmentCall::Track)),
            (Method::POST, "/v1/identify", Segment(SegmentCall::Identify)),
            (Method::POST, "/v1/i", Segment(SegmentCall::Identify)),
            (Method::POST, "/v1/page", Segment(SegmentCall::Page)),
            (Method::POST, "/v1/p", Segment(SegmentCall::Page)),
            (Method::POST, "/v1/screen", Segment(SegmentCall::Screen)),
            (Method::POST, "/v1/s", Segment(SegmentCall::Screen)),
            (Method::POST, "/v1/group", Segment(SegmentCall::Group)),
            (Method::POST, "/v1/g", Segment(SegmentCall::Group)),
            (Method::POST, "/v1/alias", Segment(SegmentCall::Alias)),
            (Method::POST, "/v1/a", Segment(SegmentCall::Alias)),
            (Method::POST, "/v1/batch", Segment(SegmentCall::Batch)),
            (Method::POST, "/v1/b", Segment(SegmentCall::Batch)),
            (Method::POST, "/v1/import", Segment(SegmentCall::Batch)),
            (Method::POST, "/v1/import/", Segment(SegmentCall::Batch)),
            (Method::POST, "/v1/m", SegmentTelemetry),
            (Method::GET, "/v1/projects/wk/settings", SegmentSettings { key: "wk" }),
            (Method::POST, "/v1/webhooks/segment_webhook", Webhook(super::Webhook::Segment)),
            (Method::POST, "/v1/webhooks/rudderstack", Webhook(super::Webhook::Rudderstack)),
            (Method::POST, "/v1/webhooks/event_webhook", Webhook(super::Webhook::Event)),
            (Method::POST, "/v1/log_event", StatsigEvents),
            (Method::POST, "/v1/rgstr", StatsigEvents),
            (Method::GET, "/v1/download_config_specs/s%2D1.json", StatsigSpecs { version: V1, key: Some("s%2D1") }),
            (Method::GET, "/v2/download_config_specs/a.b.json", StatsigSpecs { version: V2, key: Some("a.b") }),
            (Method::GET, "/v1/download_config_specs", StatsigSpecs { version: V1, key: None }),
            (Method::POST, "/v1/download_config_specs", StatsigSpecs { version: V1, key: None }),
            (Method::POST, "/v2/download_config_specs/", StatsigSpecs { version: V2, key: None }),
            (Method::POST, "/v1/initialize", StatsigSdk(SdkCall::Initialize)),
            (Method::POST, "/v1/check_gate", StatsigSdk(SdkCall::CheckGate)),
            (Method::POST, "/v1/get_config", StatsigSdk(SdkCall::GetConfig)),
            (Method::POST, "/v1/get_layer", StatsigSdk(SdkCall::GetLayer)),
            (Method::POST, "/v1/log_custom_exposure", StatsigSdk(SdkCall::LogCustomExposure)),
            (Method::POST, "/v1/get_id_lists", StatsigIdLists),
            (Method::GET, "/v1/get_id_lists", StatsigIdLists),
            (Method::GET, "/v1/id_lists/f1", StatsigIdListFile { file: "f1" }),
            (Method::GET, "/", Home),
            (Method::GET, "/session", Session),
            (Method::GET, "/health/live", Live),
            (Method::GET, "/health/ready", Ready),
            (Method::GET, "/metrics", Metrics),
            (Method::HEAD, "/health/ready", Ready),
        ];
        for (method, path, route) in table {
            assert_eq!(Place::at(path).resolve(&method), Resolved::Route(route), "{method} {path}");
        }
    }

    #[test]
    fn a_path_of_the_console_api_leads_to_its_endpoint() {
        for (method, path, operation, parts) in [
            (Method::GET, "/console/v1/events/a%20b", "readEventName", ["a%20b", ""]),
            (Method::HEAD, "/console/v1/status", "readStatus", ["", ""]),
            (Method::GET, "/console/v1/experiments/e/results", "readExperimentResults", ["e", ""]),
            (Method::DELETE, "/console/v1/keys/k1", "revokeKey", ["k1", ""]),
            (Method::PATCH, "/console/v1/gates/g/rules/r", "changeRuleOfGate", ["g", "r"]),
            (Method::PUT, "/console/v1/experiments/e/start", "startExperiment", ["e", ""]),
        ] {
            match Place::at(path).resolve(&method) {
                Resolved::Route(Route::Console(called)) => {
                    assert_eq!(
                        (called.endpoint.operation.as_str(), called.parts),
                        (operation, parts),
                        "{method} {path}"
                    );
                }
                other => panic!("{method} {path}: {other:?}"),
            }
        }
    }

    #[test]
    fn unknown_paths_are_not_found_whatever_the_method() {
        for path in [
            "",
            "/v1",
            "/v1/",
            "/v1//track",
            "/v1/trackk",
            "/v2/track",
            "/v2/initialize",
            "/v1/download_config_specs/.json",
            "/v1/download_config_specs/key",
            "/v1/download_config_specs/a/b.json",
            "/v3/download_config_specs/key.json",
            "/v1/projects//settings",
            "/v1/projects/a/b/settings",
            "/v1/projects/settings",
            "/console/v1/",
            "/console/v1/nothing",
            "/console/v1/events/",
            "/v1/id_lists/",
            "/console/v1/segments/s/id_lists",
            "/console/v1/experiments/e/nothing",
            "/health",
            "/nothing",
        ] {
            for method in [Method::GET, Method::POST, OPTIONS] {
                assert_eq!(Place::at(path).resolve(&method), Resolved::NotFound, "{method} {path}");
            }
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        for (method, path, allow) in [
            (Method::GET, "/v1/track", "POST, OPTIONS"),
            (Method::POST, "/v1/projects/wk/settings", "GET, HEAD, OPTIONS"),
            (Method::DELETE, "/console/v1/events", "GET, HEAD"),
            (Method::PUT, "/console/v1/keys", "GET, HEAD, POST"),
            (Method::PUT, "/console/v1/gates", "GET, HEAD, POST"),
            (OPTIONS, "/console/v1/gates/g", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            (Method::GET, "/console/v1/experiments/e/start", "PUT"),
            (Method::TRACE, "/v1/t", "POST, OPTIONS"),
            (Method::GET, "/console/v1/keys/k1", "DELETE"),
            (Method::POST, "/console/v1/segments/s/id_list", "GET, HEAD, PATCH, DELETE"),
            (OPTIONS, "/v1/get_id_lists", "GET, HEAD, POST"),
            (OPTIONS, "/v1/download_config_specs/key.json", "GET, HEAD, POST"),
            (Method::GET, "/v1/initialize", "POST, OPTIONS"),
            (Method::GET, "/console/v1/project", "POST"),
            (OPTIONS, "/console/v1/events", "GET, HEAD"),
            (Method::POST, "/metrics", "GET, HEAD"),
        ] {
            assert_eq!(Place::at(path).resolve(&method), Resolved::MethodNotAllowed { allow }, "{method} {path}");
        }
    }

    #[test]
    fn browsers_may_ask_about_every_event_path_and_no_other() {
        for path in ["/v1/t", "/v1/m", "/v1/import/", "/v1/projects/wk/settings", "/v1/rgstr", "/v1/initialize"] {
            assert_eq!(Place::at(path).resolve(&OPTIONS), Resolved::Preflight, "{path}");
        }
        for path in [
            "/console/v1/events",
            "/",
            "/metrics",
            "/health/live",
            "/v1/get_id_lists",
            "/v1/id_lists/f1",
            "/v2/download_config_specs",
        ] {
            assert!(!Place::at(path).cors, "{path}");
        }
    }

    #[test]
    fn requests_are_counted_under_their_family() {
        for (path, family) in [
            ("/v1/t", Family::Segment),
            ("/v1/webhooks/rudderstack", Family::Webhook),
            ("/v1/log_event", Family::Statsig),
            ("/v1/initialize", Family::Statsig),
            ("/v2/download_config_specs/k.json", Family::Statsig),
            ("/console/v1/nothing", Family::Console),
            ("/", Family::Page),
            ("/metrics", Family::Operations),
            ("/wp-login.php", Family::Unknown),
        ] {
            assert_eq!(Place::at(path).family, family, "{path}");
        }
    }
}
