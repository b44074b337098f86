//! What one exposure is to a question: a meeting with a group, or the reason why it does not count. Knows no unit by name
//! and no other exposure.

use super::question::{Design, FAIL, PASS, Question, Split};
use crate::event::{Basis, Kind, PRODUCTION, Subject, Timestamp};

macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident => $text:literal,)*) => {
        /// Why an exposure does not count.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum NotCounted { $($(#[$meta])* $variant,)* }

        impl NotCounted {
            pub const ALL: &'static [NotCounted] = &[$(NotCounted::$variant,)*];

            /// Stable, for programs and people.
            pub fn as_str(self) -> &'static str {
                match self { $(NotCounted::$variant => $text,)* }
            }
        }
    };
}

reasons! {
    /// Neither a gate nor an experiment of the catalog is called so.
    NotInCatalog => "not_in_catalog",
    /// Of a dynamic config, or of a layer's parameter that no running experiment sets: there are no groups.
    NoExperiment => "no_experiment",
    /// The experiment has fewer than two groups, or the rule passes nobody or everybody.
    NothingToCompare => "nothing_to_compare",
    /// The SDK was told its answer by the application.
    LocalOverride => "local_override",
    /// The SDK had nothing to decide by and gave its default.
    NoValues => "no_values",
    /// The SDK's values were made for somebody else.
    InvalidBootstrap => "invalid_bootstrap",
    /// The SDK knew no such gate or experiment, or could not evaluate it.
    Unrecognized => "unrecognized",
    /// An override of the gate or experiment forced the answer.
    Override => "override",
    /// A holdout kept it away.
    HeldOut => "held_out",
    /// Outside of the experiment's allocation.
    NotAllocated => "not_allocated",
    /// The experiment's targeting left it out.
    NotTargeted => "not_targeted",
    /// Before the experiment was started.
    NotStarted => "not_started",
    /// The experiment is over: everyone gets the group that was shipped.
    Decided => "decided",
    /// The experiment was stopped: everyone gets the default.
    Abandoned => "abandoned",
    /// The gate or experiment is switched off.
    Disabled => "disabled",
    /// The group is switched off, and its units get the default.
    DisabledGroup => "disabled_group",
    /// No rule's conditions were met.
    NoRule => "no_rule",
    /// By another rule of the gate than the one in question.
    OtherRule => "other_rule",
    /// At another stage of the rule's roll-out than those in question.
    OtherStage => "other_stage",
    /// By a rule or group that the catalog does not have, or no longer.
    UnknownRule => "unknown_rule",
    /// In another environment than production.
    NonProduction => "non_production",
    /// Before the start, or at the end or after it.
    OutsideWindow => "outside_window",
    /// Without an ID of the type that is randomised.
    NoUnit => "no_unit",
}

/// What an exposure's subject means to one split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// About something else.
    Irrelevant,
    /// A forced answer: the unit was not randomised.
    Forced(NotCounted),
    /// A place in `Split::groups`.
    Group(u16),
    /// About this experiment or gate, but no group.
    NotAGroup(NotCounted),
}

pub(super) fn verdict(question: &Question, split: &Split, subject: &Subject) -> Verdict {
    let ours = match (&question.design, subject.kind) {
        (Design::Experiment { .. }, Kind::ConfigExposure) => question.is_called(&subject.name),
        (Design::Experiment { .. }, Kind::LayerExposure) => question.is_called(&subject.allocated),
        (Design::Gate { .. }, Kind::GateExposure) => question.is_called(&subject.name),
        _ => false,
    };
    if !ours {
        return Verdict::Irrelevant;
    }
    match subject.basis {
        Basis::Rules => {}
        Basis::LocalOverride => return Verdict::Forced(NotCounted::LocalOverride),
        Basis::NoValues => return Verdict::NotAGroup(NotCounted::NoValues),
        Basis::Unrecognized => return Verdict::NotAGroup(NotCounted::Unrecognized),
        Basis::OtherUser => return Verdict::NotAGroup(NotCounted::InvalidBootstrap),
    }
    let place = match (&question.design, &split.rule) {
        (Design::Gate { .. }, Some(rule)) if rule.id == subject.rule => match subject.value.as_str() {
            "true" => Some(PASS),
            "false" => Some(FAIL),
            _ => None,
        },
        (Design::Gate { rules, .. }, _) if rules.iter().any(|rule| rule.id == subject.rule) => {
            return Verdict::NotAGroup(NotCounted::OtherRule);
        }
        (Design::Gate { .. }, _) => None,
        (Design::Experiment { .. }, _) => split.groups.iter().position(|group| group.id == subject.rule),
    };
    match place.and_then(|place| u16::try_from(place).ok()).filter(|place| *place < u16::MAX) {
        Some(group) => Verdict::Group(group),
        None if subject.rule.ends_with("override") => Verdict::Forced(NotCounted::Override),
        None => Verdict::NotAGroup(no_group(question, &subject.rule)),
    }
}

/// What a rule ID that is no group's says. The words are those of Statsig's config specs, and of ours.
fn no_group(question: &Question, rule: &str) -> NotCounted {
    match rule {
        "" => NotCounted::Unrecognized,
        "default" => NotCounted::NoRule,
        "disabled" => NotCounted::Disabled,
        "disabledGroup" => NotCounted::DisabledGroup,
        "prestart" => NotCounted::NotStarted,
        "layerAssignment" => NotCounted::NotAllocated,
        "targetingGate" | "inlineTargetingRules" => NotCounted::NotTargeted,
        "launchedGroup" => NotCounted::Decided,
        "abandoned" => NotCounted::Abandoned,
        rule if rule.starts_with("holdout:") => NotCounted::HeldOut,
        rule if question.holdouts.iter().any(|holdout| holdout == rule) => NotCounted::HeldOut,
        _ => NotCounted::UnknownRule,
    }
}

/// What keeps an exposure to a group from counting, beside its subject.
pub(super) fn circumstance(production: bool, in_period: bool, has_unit: bool) -> Option<NotCounted> {
    let hindrances = [
        (!production, NotCounted::NonProduction),
        (!in_period, NotCounted::OutsideWindow),
        (!has_unit, NotCounted::NoUnit),
    ];
    hindrances.into_iter().find_map(|(hinders, reason)| hinders.then_some(reason))
}

/// Whether an exposure to a group counts, by its stage and by what else keeps it from counting. That there is nothing to
/// compare at all goes before everything else.
pub(super) fn weighed(stage: Result<(), NotCounted>, hindrance: Option<NotCounted>) -> Result<(), NotCounted> {
    match (stage, hindrance) {
        (Err(NotCounted::NothingToCompare), _) | (_, None) => stage,
        (_, Some(reason)) => Err(reason),
    }
}

/// One exposure by itself.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'a> {
    pub subject: &'a Subject,
    pub time: Timestamp,
    pub environment: &'a str,
    /// Whether it carries an ID of the question's type.
    pub has_unit: bool,
}

/// Whether an exposure counts for a question that is asked without options, as far as it can tell by itself: that its unit
/// met two groups, or an override first, shows only beside the unit's other exposures.
pub fn standing(question: &Question, exposure: &Exposure<'_>) -> Result<(), NotCounted> {
    let splits = question.all_splits().map_err(|_| NotCounted::NothingToCompare)?;
    let in_period =
        question.start.is_none_or(|start| start <= exposure.time) && question.end.is_none_or(|end| exposure.time < end);
    let hindrance = circumstance(exposure.environment == PRODUCTION, in_period, exposure.has_unit);
    let mut found = NotCounted::NotInCatalog;
    for split in &splits {
        match verdict(question, split, exposure.subject) {
            Verdict::Group(_) => {
                let stage = split.stage_standing(split.stage_at(exposure.time));
                return weighed(stage, hindrance);
            }
            Verdict::Irrelevant => {}
            Verdict::Forced(reason) => found = hindrance.unwrap_or(reason),
            // Each rule that splits has been asked: this one is of the gate and does not.
            Verdict::NotAGroup(NotCounted::OtherRule) => found = NotCounted::NothingToCompare,
            Verdict::NotAGroup(reason) => found = reason,
        }
    }
    Err(found)
}
