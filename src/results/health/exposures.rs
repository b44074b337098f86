//! Exposures that did not count: what each reason means, which of them are a problem, and what to do.

use super::{Subject, check, share};
use crate::results::question::QuestionKind;
use crate::results::report::Check;
use crate::results::standing::NotCounted;
use crate::stats::Balanced;

/// If a larger share of exposures than this is lost for a reason that is a problem, results miss units.
pub const LOST_WARNING: f64 = 0.05;

impl NotCounted {
    /// Whether exposures are lost that should have counted, rather than kept out by what somebody has set.
    fn is_a_loss(self) -> bool {
        use NotCounted::{InvalidBootstrap, NoUnit, NoValues, UnknownRule, Unrecognized};
        matches!(self, NoUnit | NoValues | Unrecognized | InvalidBootstrap | UnknownRule)
    }

    /// What exposures do that do not count for this reason, and what to do if they should.
    fn said(self) -> (&'static str, &'static str) {
        match self {
            NotCounted::NotInCatalog | NotCounted::NoExperiment | NotCounted::NothingToCompare => {
                ("have nothing to compare", "Give it two groups, or a rule that passes some and fails others.")
            }
            NotCounted::LocalOverride => {
                ("were forced in the application", "Take the local overrides out of the application.")
            }
            NotCounted::NoValues => (
                "are defaults of an SDK that had no values yet",
                "Ask the SDK only when it is initialised, or bootstrap it with values.",
            ),
            NotCounted::InvalidBootstrap => (
                "got values that were made for another user",
                "Bootstrap the SDK with values for the same user and stableID that it is started with.",
            ),
            NotCounted::Unrecognized => (
                "are of something that the SDK did not know",
                "Check the name, and that the SDK's key is of the project and environment that has it.",
            ),
            NotCounted::Override => ("were forced by an override", "Remove the overrides of units that are to count."),
            NotCounted::HeldOut => ("were kept away by a holdout", "Nothing, if the holdout is meant to; else end it."),
            NotCounted::NotAllocated => {
                ("are outside of the allocation", "Nothing, if the allocation is as meant; else raise it.")
            }
            NotCounted::NotTargeted => {
                ("do not meet the targeting", "Nothing, if the targeting is as meant; else widen it.")
            }
            NotCounted::NotStarted => ("came before the start", "Start the experiment."),
            NotCounted::Decided => {
                ("came after the decision", "Nothing: it is over. Take it out of the application when convenient.")
            }
            NotCounted::Abandoned => {
                ("came after it was stopped", "Nothing: it is over. Take it out of the application when convenient.")
            }
            NotCounted::Disabled => ("came while it was switched off", "Switch it on."),
            NotCounted::DisabledGroup => ("are of a group that is switched off", "Switch the group on."),
            NotCounted::NoRule => ("met no rule's conditions", "Check the conditions of its rules."),
            NotCounted::OtherRule => {
                ("are by another rule of the gate", "Ask for that rule, or check the conditions before this one.")
            }
            NotCounted::OtherStage => (
                "are of another stage of the roll-out",
                "Ask for that stage, or for all of them, by the option `stage`.",
            ),
            NotCounted::UnknownRule => (
                "are by a rule or group that the catalog does not have",
                "Bring the rule or group back, or reset the experiment; check that no other project has one of that name.",
            ),
            NotCounted::NonProduction => (
                "came from another environment",
                "Start the SDK in this environment, or ask for the other by the option `environment`.",
            ),
            NotCounted::OutsideWindow => {
                ("happened outside of the period", "Check the start and end, and the clocks of those who send.")
            }
            NotCounted::NoUnit => (
                "carry no ID of the type that is randomised",
                "Give the SDK that ID before it is asked, or randomise by one that exposures always carry.",
            ),
        }
    }
}

impl Subject<'_> {
    pub(super) fn exposures(&self) -> Check {
        let (question, units) = (self.scene.question, self.units);
        let counted: u64 = units.exposures.iter().sum();
        let dropped: u64 = units.not_counted.values().sum();
        let groups = self.split.groups.iter().zip(&units.exposures);
        let empty: Vec<&str> = groups
            .filter(|&(group, &exposures)| exposures == 0 && group.size > 0.0)
            .map(|(group, _)| group.name.as_str())
            .collect();
        let mut detail = format!("{counted} exposures count");
        if dropped > 0 {
            let reasons: Vec<String> =
                units.not_counted.iter().map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
            detail.push_str(&format!(", {dropped} do not ({})", reasons.join(", ")));
        }
        // The most frequent one; of equal ones the first in the order of the list.
        let most = |loss: bool| {
            let all = units.not_counted.iter().filter(|(reason, _)| !loss || reason.is_a_loss());
            all.rev().max_by_key(|(_, count)| **count).map(|(reason, count)| (*reason, *count))
        };
        let lost = most(true).filter(|(_, count)| share(*count, counted + *count) > LOST_WARNING);
        let named = if counted == 0 { most(false) } else { lost.or_else(|| most(false)) };
        if let Some((reason, count)) = named {
            detail.push_str(&format!("; {count} {}", reason.said().0));
        }
        if !empty.is_empty() {
            detail.push_str(&format!("; none for {}", empty.join(", ")));
        }
        let status = match (empty.is_empty(), lost) {
            (false, _) => Balanced::Alert,
            (true, Some(_)) => Balanced::Warning,
            (true, None) => Balanced::Ok,
        };
        let mut remedy = match named {
            Some((reason, _)) if counted == 0 || lost.is_some() => reason.said().1.to_owned(),
            _ => {
                let what = match question.kind() {
                    QuestionKind::Experiment => "experiment",
                    QuestionKind::Gate => "gate",
                };
                format!(
                    "Check that the application asks for {what} `{}` and sends its exposures here, in {}, with a {}.",
                    question.name, self.scene.options.environment, question.id_type
                )
            }
        };
        if let (Some((NotCounted::NoUnit, _)), Some(other)) = (named, self.exposed_instead()) {
            remedy.push_str(&format!(" Most of these carry a {other}."));
        }
        check("exposures", status, detail, &remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_it_is_and_what_to_do() {
        for reason in NotCounted::ALL {
            let (what, remedy) = reason.said();
            assert!(what.len() > 10 && remedy.ends_with('.'), "{reason:?}");
        }
    }
}
