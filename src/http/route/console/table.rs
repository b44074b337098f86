//! The table of the console API's endpoints: each with its method, path, meaning, role and shapes, once. Most stand there for a
//! whole family of items.

mod destinations;

use super::{Answer, Call, Endpoint};
use crate::admin::{Action, Deed, ListEdit};
use crate::catalog::{ItemKind, Role};
use crate::http::route::Verb;
use std::sync::LazyLock;

/// A kind of item that the API has, and what it calls it.
struct Family {
    kind: ItemKind,
    /// The path of the collection.
    path: &'static str,
    /// For one, as summaries say it.
    one: &'static str,
    /// For several.
    many: &'static str,
    /// The schema's name.
    schema: &'static str,
    /// Who may change it.
    role: Role,
}

/// Kinds of which there are many, made and removed by whoever may change them.
const FAMILIES: [Family; 9] = [
    Family { kind: ItemKind::Gate, path: "gates", one: "a gate", many: "gates", schema: "Gate", role: Role::Editor },
    Family {
        kind: ItemKind::DynamicConfig,
        path: "dynamic_configs",
        one: "a dynamic config",
        many: "dynamic configs",
        schema: "DynamicConfig",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::Experiment,
        path: "experiments",
        one: "an experiment",
        many: "experiments",
        schema: "Experiment",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::Layer,
        path: "layers",
        one: "a layer",
        many: "layers",
        schema: "Layer",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::Holdout,
        path: "holdouts",
        one: "a holdout",
        many: "holdouts",
        schema: "Holdout",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::Segment,
        path: "segments",
        one: "a segment",
        many: "segments",
        schema: "Segment",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::Metric,
        path: "metrics",
        one: "a metric",
        many: "metrics",
        schema: "Metric",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::Exploration,
        path: "explorations",
        one: "an exploration",
        many: "explorations",
        schema: "Exploration",
        role: Role::Editor,
    },
    Family {
        kind: ItemKind::IdType,
        path: "unit_id_types",
        one: "an ID type",
        many: "ID types",
        schema: "IdType",
        role: Role::Admin,
    },
];

/// Items of which there is a fixed number: they are there from the start, can be changed, and go back to their defaults.
const INTEGRATIONS: Family = Family {
    kind: ItemKind::Integration,
    path: "integrations",
    one: "an integration",
    many: "integrations",
    schema: "Integration",
    role: Role::Admin,
};

/// Every endpoint of the console API.
pub static TABLE: LazyLock<Vec<Endpoint>> = LazyLock::new(|| {
    let mut table = Table(Vec::new());
    table.house();
    FAMILIES.iter().for_each(|family| table.family(family));
    table.gates_and_configs();
    table.experiments();
    table.segments_and_metrics();
    table.fixed();
    table.destinations();
    table.0
});

struct Table(Vec<Endpoint>);

impl Table {
    fn add(&mut self, verb: Verb, path: &str, call: Call, role: Role, operation: &str, summary: &str) -> &mut Endpoint {
        self.0.push(Endpoint {
            verb,
            path: path.to_owned(),
            call,
            operation: operation.to_owned(),
            summary: summary.to_owned(),
            role: Some(role),
            request: None,
            answer: Answer::Stream,
            query: &[],
            status: 200,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// What is about the whole house.
    fn house(&mut self) {
        use Role::{Admin, Viewer};
        self.add(Verb::Get, "openapi.json", Call::OpenApi, Viewer, "readOpenApi", "This document")
            .answer(Answer::Bare("OpenApi".into()))
            .role = None;
        self.add(Verb::Get, "events", Call::Events, Viewer, "listEvents", "Stored events, newest first")
            .answer(Answer::Endless("Event".into()))
            .query = EVENT_QUERY;
        self.add(Verb::Get, "events/{eventName}", Call::Event, Viewer, "readEventName", "One event name, by source")
            .answer = Answer::All("EventName".into());
        self.add(
            Verb::Get,
            "event_names",
            Call::EventNames,
            Viewer,
            "listEventNames",
            "Event names and their volumes",
        )
        .answer = Answer::Endless("EventName".into());
        self.add(Verb::Get, "stream", Call::Stream, Viewer, "streamEvents", "Events as they are stored")
            .answer(Answer::Stream)
            .query = EVENT_FILTERS;
        self.add(Verb::Get, "rejected", Call::Rejected, Viewer, "listRejected", "Events that were refused, and why")
            .answer(Answer::Endless("Rejected".into()))
            .query = &[LIMIT];
        self.add(Verb::Get, "status", Call::Status, Viewer, "readStatus", "What arrived and what became of it")
            .answer = Answer::Data("ServerStatus".into());
        self.add(Verb::Get, "audit_logs", Call::AuditLogs, Viewer, "listAuditLogs", "Changes, newest first")
            .answer(Answer::Endless("AuditRow".into()))
            .query = &[LIMIT, BEFORE];
        let results = Call::ExperimentResults;
        self.add(
            Verb::Get,
            "experiments/{id}/results",
            results,
            Viewer,
            "readExperimentResults",
            "An experiment's report",
        )
        .answer(Answer::Bare("Report".into()))
        .query = REPORT_OPTIONS;
        let results = Call::GateResults;
        self.add(Verb::Get, "gates/{id}/results", results, Viewer, "readGateResults", "A gate's report")
            .answer(Answer::Bare("Report".into()))
            .query = GATE_REPORT_OPTIONS;
        let (experiment, gate) = (Call::ExploreExperiment, Call::ExploreGate);
        let summary = "An experiment's report on other metrics or a part of its units; nothing is saved";
        self.add(Verb::Post, "experiments/{id}/explore", experiment, Viewer, "exploreExperiment", summary)
            .request("Explore")
            .answer(Answer::Bare("Report".into()))
            .query = &[FORMAT];
        let summary = "A gate's report on other metrics or a part of its units; nothing is saved";
        self.add(Verb::Post, "gates/{id}/explore", gate, Viewer, "exploreGate", summary)
            .request("ExploreGate")
            .answer(Answer::Bare("Report".into()))
            .query = &[FORMAT];
        let (pulse, summary) = (Call::ExperimentPulse, "An experiment's scorecard in Statsig's shape");
        self.add(Verb::Get, "experiments/{id}/pulse_results", pulse, Viewer, "readExperimentPulseResults", summary)
            .answer(Answer::Data("PulseResults".into()))
            .query = &[
            ("control", "The ID of the control group: that of the experiment, which it is without this"),
            ("test", "The ID of the test group; the first one if left out"),
            CUPED,
            CONFIDENCE,
            DATE,
        ];
        let summary = "The scorecard of a gate's rule in Statsig's shape";
        let path = "gates/{id}/rules/{ruleID}/pulse_results";
        self.add(Verb::Get, path, Call::GatePulse, Viewer, "readGatePulseResults", summary)
            .answer(Answer::Data("PulseResults".into()))
            .query = &[CUPED, CONFIDENCE, DATE];
        let summary = "Units of each group by the end of each day, in Statsig's shape";
        let path = "experiments/{id}/cumulative_exposures";
        self.add(Verb::Get, path, Call::CumulativeExposures, Viewer, "readCumulativeExposures", summary).answer =
            Answer::All("GroupExposures".into());
        let (saved, summary) = (Call::ExplorationResults, "The report of a saved exploration, computed now");
        self.add(Verb::Get, "explorations/{id}/results", saved, Viewer, "readExplorationResults", summary)
            .answer(Answer::Bare("Report".into()))
            .query = &[FORMAT];
        self.add(Verb::Post, "project", Call::Apply, Admin, "applyProject", "Apply a project file")
            .request("Project")
            .answer(Answer::Data("Applied".into()))
            .query = &[
            ("dryRun", "`true` only tells what would change"),
            ("force", "`true` sets back what was changed elsewhere"),
            ("prune", "`true` removes what the file does not have"),
        ];
        self.add(Verb::Get, "keys", Call::Keys, Admin, "listKeys", "Keys").answer = Answer::All("Key".into());
        self.add(Verb::Post, "keys", Call::CreateKey, Admin, "createKey", "Make a key; its text is shown this once")
            .request("NewKey")
            .answer = Answer::Data("Key".into());
        self.add(Verb::Delete, "keys/{id}", Call::RevokeKey, Admin, "revokeKey", "Revoke a key").answer =
            Answer::Data("Key".into());
        self.add(Verb::Post, "link", Call::Link, Admin, "createLink", "Make a link that signs in to the pages once")
            .answer = Answer::Data("SignInLink".into());
    }

    /// Create, list, read, change, remove, and the history of a kind.
    fn family(&mut self, family: &Family) {
        let Family { kind, path, one, many, schema, role } = *family;
        let item = format!("{path}/{{id}}");
        let (data, patch) = (|| Answer::Data(schema.to_owned()), format!("{schema}Patch"));
        self.add(
            Verb::Get,
            path,
            Call::Items(kind),
            Role::Viewer,
            &format!("list{schema}s"),
            &format!("List {many}"),
        )
        .answer = Answer::Pages(schema.to_owned());
        let create = Call::Change(kind, Deed::Create);
        self.add(Verb::Post, path, create, role, &format!("create{schema}"), &format!("Make {one}"))
            .request(schema)
            .answer(data())
            .status = 201;
        let summary = format!("Read {one} by its ID or name");
        self.add(Verb::Get, &item, Call::Item(kind), Role::Viewer, &format!("read{schema}"), &summary).answer = data();
        let merge = Call::Change(kind, Deed::Merge);
        self.add(Verb::Patch, &item, merge, role, &format!("update{schema}"), &format!("Change fields of {one}"))
            .request(&patch)
            .answer = data();
        for (verb, word) in [(Verb::Put, "put"), (Verb::Post, "replace")] {
            let replace = Call::Change(kind, Deed::Replace);
            self.add(verb, &item, replace, role, &format!("{word}{schema}"), &format!("Set {one} anew as a whole"))
                .request(schema)
                .answer = data();
        }
        let remove = Call::Change(kind, Deed::Remove);
        self.add(Verb::Delete, &item, remove, role, &format!("delete{schema}"), &format!("Remove {one}")).answer =
            data();
        self.versions(family);
    }

    fn versions(&mut self, family: &Family) {
        let Family { kind, path, one, schema, .. } = *family;
        let (path, operation) = (format!("{path}/{{id}}/versions"), format!("list{schema}Versions"));
        let summary = format!("The versions of {one}, newest first");
        self.add(Verb::Get, &path, Call::Versions(kind), Role::Viewer, &operation, &summary).answer =
            Answer::Pages(format!("{schema}Patch"));
    }

    fn act(&mut self, family: &Family, verb: Verb, path: &str, action: Action, summary: &str) -> &mut Endpoint {
        let Family { kind, path: collection, schema, role, .. } = *family;
        let path = format!("{collection}/{{id}}/{path}");
        let operation = format!("{}{schema}", word(action));
        let call = Call::Change(kind, Deed::Act(action));
        let endpoint = self.add(verb, &path, call, role, &operation, summary);
        endpoint.answer = Answer::Data(schema.to_owned());
        endpoint
    }

    fn gates_and_configs(&mut self) {
        let [gates, configs, ..] = &FAMILIES;
        for family in [gates, configs] {
            let Family { kind, path, one, schema, role, .. } = *family;
            self.act(family, Verb::Put, "enable", Action::Enable, &format!("Switch {one} on"));
            self.act(family, Verb::Put, "disable", Action::Disable, &format!("Switch {one} off"));
            self.act(family, Verb::Put, "archive", Action::Archive, &format!("Switch {one} off and put it away"));
            self.act(family, Verb::Put, "unarchive", Action::Unarchive, &format!("Take {one} out of the archive"));
            let (rules, rule) = (format!("{path}/{{id}}/rules"), format!("{path}/{{id}}/rules/{{ruleID}}"));
            self.add(
                Verb::Get,
                &rules,
                Call::Rules(kind),
                Role::Viewer,
                &format!("list{schema}Rules"),
                "List the rules",
            )
            .answer = Answer::All("Rule".into());
            // Statsig's name for it, and the one that follows from the others.
            for (path, operation) in [("rules", "add"), ("rule", "append")] {
                let path = format!("{}/{{id}}/{path}", family.path);
                let add = Call::Change(kind, Deed::Act(Action::AddRule));
                self.add(
                    Verb::Post,
                    &path,
                    add,
                    role,
                    &format!("{operation}{schema}Rule"),
                    "Add a rule after the others",
                )
                .request("Rule")
                .answer(Answer::Data(schema.into()))
                .status = 201;
            }
            self.add(Verb::Get, &rule, Call::Rule(kind), Role::Viewer, &format!("read{schema}Rule"), "Read one rule")
                .answer = Answer::Data("Rule".into());
            let roll_out = "Change fields of a rule, such as passPercentage to roll out";
            self.act(family, Verb::Patch, "rules/{ruleID}", Action::ChangeRule, roll_out).request("RulePatch");
            self.act(family, Verb::Delete, "rules/{ruleID}", Action::RemoveRule, "Remove a rule");
        }
        self.act(gates, Verb::Put, "launch", Action::Launch, "Let everyone pass, by a rule before all others");
        self.overrides(gates, "GateOverrides");
    }

    fn experiments(&mut self) {
        let [_, _, experiments, ..] = &FAMILIES;
        self.act(experiments, Verb::Put, "start", Action::Start, "Start an experiment that is set up");
        self.act(experiments, Verb::Put, "make_decision", Action::MakeDecision, "Ship a group to everyone and end it")
            .request("Decision");
        self.act(experiments, Verb::Put, "abandon", Action::Abandon, "End it without shipping a group")
            .request("Abandonment");
        self.act(experiments, Verb::Put, "archive", Action::Archive, "Put away what does not run");
        let reset = "Set it up anew: the units are divided anew when it starts again";
        self.act(experiments, Verb::Put, "reset", Action::Reset, reset);
        self.overrides(experiments, "ExperimentOverrides");
    }

    fn overrides(&mut self, family: &Family, schema: &'static str) {
        let Family { kind, path, one, .. } = *family;
        let path = format!("{path}/{{id}}/overrides");
        let (operation, summary) = (format!("read{schema}"), format!("The overrides of {one}"));
        self.add(Verb::Get, &path, Call::Overrides(kind), Role::Viewer, &operation, &summary).answer =
            Answer::Data(schema.into());
        for (verb, action, summary) in [
            (Verb::Post, Action::SetOverrides, "Set all overrides"),
            (Verb::Patch, Action::AddOverrides, "Add overrides"),
            (Verb::Delete, Action::RemoveOverrides, "Remove overrides; all of them without a body"),
        ] {
            self.act(family, verb, "overrides", action, summary).request(schema).answer = Answer::Data(schema.into());
        }
    }

    fn segments_and_metrics(&mut self) {
        let [.., segments, metrics, _, _] = &FAMILIES;
        let rules = Call::Rules(segments.kind);
        let path = "segments/{id}/conditional";
        self.add(Verb::Get, path, rules, Role::Viewer, "listSegmentRules", "The rules of a segment").answer =
            Answer::All("Rule".into());
        self.act(segments, Verb::Post, "conditional", Action::SetRules, "Set the rules of a segment").request("Rules");
        let path = "segments/{id}/id_list";
        self.add(Verb::Get, path, Call::IdList, Role::Viewer, "readIdList", "Who is in an ID list")
            .answer(Answer::Paged("IdList".into()));
        for (verb, edit, operation, summary) in [
            (Verb::Patch, ListEdit::Add, "addToIdList", "Add IDs to an ID list"),
            (Verb::Delete, ListEdit::Remove, "removeFromIdList", "Remove IDs from an ID list"),
        ] {
            self.add(verb, path, Call::EditIdList(edit), segments.role, operation, summary)
                .request("Ids")
                .answer(Answer::Data("IdList".into()));
        }
        let list = Call::Items(metrics.kind);
        self.add(Verb::Get, "metrics/list", list, Role::Viewer, "listAllMetrics", "List metrics, by Statsig's path")
            .answer = Answer::Pages("Metric".into());
        let summary = "Read a metric by its name and type";
        self.add(Verb::Get, "metrics/{name}/{type}", Call::Metric, Role::Viewer, "readMetricByName", summary).answer =
            Answer::Data("Metric".into());
        let summary = "Check a metric's definition and compute it for the last 7 days, without making it";
        self.add(Verb::Post, "metrics/preview", Call::PreviewMetric, Role::Viewer, "previewMetric", summary)
            .request("Metric")
            .answer(Answer::Data("MetricPreview".into()))
            .query = &[UNIT_TYPE];
        let summary = "A metric's values by day";
        self.add(Verb::Get, "metrics/values", Call::MetricValues, Role::Viewer, "listMetricValues", summary)
            .answer(Answer::All("MetricValue".into()))
            .query = &[
            ("metricName", "The metric; for event_count, event_dau and event_user the name of an event"),
            ("metricType", "Its type"),
            ("date", "The UTC day, such as 2026-11-23"),
            ("endDate", "The last UTC day, up to 91 days later; the same day if left out"),
            UNIT_TYPE,
        ];
    }

    /// Items of which there is a fixed number.
    fn fixed(&mut self) {
        for (kind, path, schema) in
            [(ItemKind::Environments, "environments", "EnvironmentList"), (ItemKind::Settings, "settings", "Settings")]
        {
            let data = || Answer::Data(schema.to_owned());
            let read = format!("read{schema}");
            self.add(Verb::Get, path, Call::Item(kind), Role::Viewer, &read, &format!("Read the {path}")).answer =
                data();
            for (verb, word) in [(Verb::Put, "put"), (Verb::Post, "replace")] {
                let replace = Call::Change(kind, Deed::Replace);
                self.add(verb, path, replace, Role::Admin, &format!("{word}{schema}"), &format!("Set the {path}"))
                    .request(schema)
                    .answer = data();
            }
            if kind == ItemKind::Settings {
                let merge = Call::Change(kind, Deed::Merge);
                self.add(Verb::Patch, path, merge, Role::Admin, "updateSettings", "Change settings")
                    .request("SettingsPatch")
                    .answer = data();
            }
            let (operation, summary) = (format!("list{schema}Versions"), format!("The versions of the {path}"));
            let versions = Call::Versions(kind);
            self.add(Verb::Get, &format!("{path}/versions"), versions, Role::Viewer, &operation, &summary).answer =
                Answer::Pages(schema.to_owned());
        }
        let Family { kind, path, many, schema, role, .. } = INTEGRATIONS;
        let item = format!("{path}/{{id}}");
        let data = || Answer::Data(schema.to_owned());
        let list = format!("List {many}; secrets are hidden");
        self.add(Verb::Get, path, Call::Items(kind), Role::Viewer, "listIntegrations", &list).answer =
            Answer::Pages(schema.to_owned());
        let read = "Read an integration, such as segment.incoming";
        self.add(Verb::Get, &item, Call::Item(kind), Role::Viewer, "readIntegration", read).answer = data();
        for (verb, deed, word, summary) in [
            (Verb::Patch, Deed::Merge, "update", "Change fields of an integration"),
            (Verb::Put, Deed::Replace, "put", "Set an integration anew as a whole"),
            (Verb::Post, Deed::Replace, "replace", "Set an integration anew as a whole"),
        ] {
            self.add(verb, &item, Call::Change(kind, deed), role, &format!("{word}{schema}"), summary)
                .request("IntegrationPatch")
                .answer = data();
        }
        let (events, names) = (format!("{item}/events"), Call::ValveNames);
        let summary = "The event names that come to an integration: which pass, and how many came in the last day";
        self.add(Verb::Get, &events, names, Role::Viewer, "listIntegrationEvents", summary)
            .answer(Answer::Pages("ValveName".into()))
            .query = &[
            ("search", "Only names that have this in them, without regard to case"),
            ("selected", "true: only names that pass; false: only those that do not"),
        ];
        let summary = "Let event names pass an integration or not: some, all, or all that a search finds";
        self.add(Verb::Post, &events, Call::SelectNames, role, "selectIntegrationEvents", summary)
            .request("Selection")
            .answer(Answer::Data("Selected".into()));
        let (remove, summary) = (Call::Change(kind, Deed::Remove), "Set an integration back to its defaults");
        self.add(Verb::Delete, &item, remove, role, "deleteIntegration", summary).answer = data();
        self.versions(&INTEGRATIONS);
    }
}

impl Endpoint {
    fn request(&mut self, schema: &str) -> &mut Endpoint {
        self.request = Some(schema.to_owned());
        self
    }

    fn answer(&mut self, answer: Answer) -> &mut Endpoint {
        self.answer = answer;
        self
    }
}

/// The beginning of an action's operation ID.
fn word(action: Action) -> &'static str {
    match action {
        Action::Enable => "enable",
        Action::Disable => "disable",
        Action::Launch => "launch",
        Action::Archive => "archive",
        Action::Unarchive => "unarchive",
        Action::AddRule => "addRuleTo",
        Action::ChangeRule => "changeRuleOf",
        Action::RemoveRule => "removeRuleOf",
        Action::SetRules => "setRulesOf",
        Action::SetOverrides => "setOverridesOf",
        Action::AddOverrides => "addOverridesTo",
        Action::RemoveOverrides => "removeOverridesOf",
        Action::Start => "start",
        Action::MakeDecision => "makeDecisionOn",
        Action::Abandon => "abandon",
        Action::Reset => "reset",
    }
}

const UNIT_TYPE: (&str, &str) = ("unitType", "The ID type of the units; of those that the metric is computed for");
const LIMIT: (&str, &str) = ("limit", "Rows, 1 to 1000; 100 if left out");
const BEFORE: (&str, &str) = ("before", "`pagination.next` of the page before");

const EVENT_QUERY: &[(&str, &str)] = &[LIMIT, BEFORE, EVENT_FILTERS[0], EVENT_FILTERS[1], EVENT_FILTERS[2]];

const EVENT_FILTERS: &[(&str, &str)] = &[
    ("name", "Only events of this name, with its prefix"),
    ("unit", "Only events of this unit, by any of its IDs"),
    ("source", "Only events from segment, rudderstack, statsig, webhook or console"),
];

const GATE_REPORT_OPTIONS: &[(&str, &str)] = &[
    ("rule", "Only this rule, by its ID"),
    ("stage", "A stage of the rule's roll-out by its number, or all; without it the last one with those it continues"),
    ("balance", "whole or balanced: all that passed and failed, or sides of equal size"),
    ("level", "The level of the intervals, above 0.5 and below 1; 0.95"),
    ("crossovers", "Units that met two groups: exclude (as without it), first or both"),
    (
        "join",
        "From when on a unit's events count: timestamp (as without it), to the millisecond, or date, all of its day",
    ),
    ("winsorize", "The percentile above which unit totals are cut, such as 0.999; 0 for none"),
    ("cuped", "true adjusts by what units did before their exposure; or false"),
    ("cupedDays", "How many days before it, 1 to 90; 7"),
    ("relative", "The method of relative intervals: fieller (as without it) or delta"),
    ("alternative", "two_sided (as without it), one_sided (in each metric's direction), greater or less"),
    ("sequential", "true or false: intervals that hold however often one looks"),
    ("power", "The power of the smallest detectable effect, at least 0.5 and below 1; 0.8"),
    ("environment", "The environment whose exposures and events count; production"),
    ("start", "Exposures from this time on count"),
    ("end", "Exposures and events before this time count"),
    ("exposedFrom", "Only units that were first exposed from this time on take part"),
    ("exposedUntil", "Only units that were first exposed before this time take part; their events count to the end"),
    (
        "metrics",
        "Only these beside the scorecard, separated by commas or given several times: event names, and metrics as they are defined, by name or as name::type",
    ),
    ("view", "Over time: cumulative, daily or days_since_exposure"),
    (
        "breakdown",
        "By user.KEY, user_custom.KEY, sdk.KEY or metadata.KEY of the first exposure, or event.KEY of each event",
    ),
    FORMAT,
];

/// An experiment has no rules and no stages.
const REPORT_OPTIONS: &[(&str, &str)] = match GATE_REPORT_OPTIONS {
    [_, _, _, options @ ..] => options,
    _ => &[],
};

const CUPED: (&str, &str) = ("cuped", "true or false: whether to adjust by what was before; as it is set if left out");
const CONFIDENCE: (&str, &str) = ("confidence", "The level of the intervals in percent, above 50 and below 100");
const DATE: (&str, &str) = ("date", "The last UTC day that counts, such as 2026-11-23");

/// What every report can be written as.
const FORMAT: (&str, &str) = (
    "format",
    "json, or csv for one flat table (RFC 4180; README has its columns); without it what `Accept` names first of the two",
);
