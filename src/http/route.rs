//! Which endpoint a path and a method name. Allocates nothing and reads nothing but the two; parts of a path stay
//! percent-encoded.

use crate::meters::Family;
use hyper::Method;

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
    ConsoleEvents,
    ConsoleEvent {
        name: &'p str,
    },
    ConsoleEventNames,
    ConsoleStream,
    ConsoleRejected,
    ConsoleExperimentResults {
        name: &'p str,
    },
    ConsoleGateResults {
        name: &'p str,
    },
    /// Who is in an ID list.
    ConsoleIdList {
        segment: &'p str,
    },
    ConsoleAddIds {
        segment: &'p str,
    },
    ConsoleRemoveIds {
        segment: &'p str,
    },
    ConsoleStatus,
    /// Applies a project file.
    ConsoleApply,
    ConsoleKeys,
    ConsoleCreateKey,
    ConsoleRevokeKey {
        id: &'p str,
    },
    /// Makes a one-time link that signs in to the pages.
    ConsoleLink,
    Home,
    /// The link with a one-time token; it opens a session.
    Session,
    Live,
    Ready,
    Metrics,
}

/// What stands at a path: an endpoint for each method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'p> {
    pub family: Family,
    /// Whether browsers may call it from any page.
    pub cors: bool,
    get: Option<Route<'p>>,
    post: Option<Route<'p>>,
    patch: Option<Route<'p>>,
    delete: Option<Route<'p>>,
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
        Self { family, cors: false, get: None, post: None, patch: None, delete: None }
    }

    const fn get(self, route: Route<'p>) -> Self {
        Self { get: Some(route), ..self }
    }

    const fn post(self, route: Route<'p>) -> Self {
        Self { post: Some(route), ..self }
    }

    const fn patch(self, route: Route<'p>) -> Self {
        Self { patch: Some(route), ..self }
    }

    const fn delete(self, route: Route<'p>) -> Self {
        Self { delete: Some(route), ..self }
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
            return console(rest);
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

    /// What a method means here. HEAD is answered as GET; the connection leaves the body out.
    pub fn resolve(&self, method: &Method) -> Resolved<'p> {
        let route = match *method {
            Method::GET | Method::HEAD => self.get,
            Method::POST => self.post,
            Method::PATCH => self.patch,
            Method::DELETE => self.delete,
            Method::OPTIONS if self.cors => return Resolved::Preflight,
            _ => None,
        };
        match (route, self.allow()) {
            (Some(route), _) => Resolved::Route(route),
            (None, Some(allow)) => Resolved::MethodNotAllowed { allow },
            (None, None) => Resolved::NotFound,
        }
    }

    fn allow(&self) -> Option<&'static str> {
        match (self.get.is_some(), self.post.is_some(), self.delete.is_some()) {
            (true, _, true) if self.patch.is_some() => Some("GET, HEAD, PATCH, DELETE"),
            (true, true, _) => Some("GET, HEAD, POST"),
            (true, false, _) if self.cors => Some("GET, HEAD, OPTIONS"),
            (true, false, _) => Some("GET, HEAD"),
            (false, true, _) if self.cors => Some("POST, OPTIONS"),
            (false, true, _) => Some("POST"),
            (false, false, true) => Some("DELETE"),
            (false, false, false) => None,
        }
    }
}

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

/// Paths below `/console/v1/`.
fn console(rest: &str) -> Place<'_> {
    let place = Place::new(Family::Console);
    match rest {
        "events" => return place.get(Route::ConsoleEvents),
        "event_names" => return place.get(Route::ConsoleEventNames),
        "stream" => return place.get(Route::ConsoleStream),
        "rejected" => return place.get(Route::ConsoleRejected),
        "status" => return place.get(Route::ConsoleStatus),
        "project" => return place.post(Route::ConsoleApply),
        "keys" => return place.get(Route::ConsoleKeys).post(Route::ConsoleCreateKey),
        "link" => return place.post(Route::ConsoleLink),
        _ => {}
    }
    if let Some(name) = between(rest, "events/", "") {
        place.get(Route::ConsoleEvent { name })
    } else if let Some(name) = between(rest, "experiments/", "/results") {
        place.get(Route::ConsoleExperimentResults { name })
    } else if let Some(name) = between(rest, "gates/", "/results") {
        place.get(Route::ConsoleGateResults { name })
    } else if let Some(segment) = between(rest, "segments/", "/id_list") {
        place
            .get(Route::ConsoleIdList { segment })
            .patch(Route::ConsoleAddIds { segment })
            .delete(Route::ConsoleRemoveIds { segment })
    } else if let Some(id) = between(rest, "keys/", "") {
        place.delete(Route::ConsoleRevokeKey { id })
    } else {
        place
    }
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
            (Method::GET, "/console/v1/segments/s/id_list", ConsoleIdList { segment: "s" }),
            (Method::PATCH, "/console/v1/segments/s/id_list", ConsoleAddIds { segment: "s" }),
            (Method::DELETE, "/console/v1/segments/s/id_list", ConsoleRemoveIds { segment: "s" }),
            (Method::GET, "/console/v1/events", ConsoleEvents),
            (Method::GET, "/console/v1/events/a%20b", ConsoleEvent { name: "a%20b" }),
            (Method::GET, "/console/v1/event_names", ConsoleEventNames),
            (Method::GET, "/console/v1/stream", ConsoleStream),
            (Method::GET, "/console/v1/rejected", ConsoleRejected),
            (Method::GET, "/console/v1/experiments/e/results", ConsoleExperimentResults { name: "e" }),
            (Method::GET, "/console/v1/gates/g/results", ConsoleGateResults { name: "g" }),
            (Method::GET, "/console/v1/status", ConsoleStatus),
            (Method::POST, "/console/v1/project", ConsoleApply),
            (Method::GET, "/console/v1/keys", ConsoleKeys),
            (Method::POST, "/console/v1/keys", ConsoleCreateKey),
            (Method::DELETE, "/console/v1/keys/k1", ConsoleRevokeKey { id: "k1" }),
            (Method::POST, "/console/v1/link", ConsoleLink),
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
            "/console/v1/experiments/results",
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
