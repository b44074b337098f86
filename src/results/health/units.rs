//! Who takes part and whether it can be measured: units that have no event at all, and units that met two groups.

use super::{Subject, Survey, check, percent, share};
use crate::results::census::ByIdType;
use crate::results::evidence::UnitsMatch;
use crate::results::report::Check;
use crate::stats::Balanced;
use std::collections::BTreeMap;

/// If fewer exposed units than this share have any event, the IDs of exposures and events may not be the same.
pub const UNMATCHED_WARNING: f64 = 0.05;
/// A larger share of crossovers than this deserves a look.
pub const CROSSOVERS_WARNING: f64 = 0.001;
/// A larger share than this makes results doubtful.
pub const CROSSOVERS_ALERT: f64 = 0.01;

impl Subject<'_> {
    pub(super) fn units_match(&self, survey: &Survey) -> UnitsMatch {
        let census = self.scene.gathered.census();
        UnitsMatch {
            units: survey.units,
            matched: survey.matched,
            events: census.events,
            events_without_id: census.without,
            carried_instead: self.named(&census.instead),
        }
    }

    fn named(&self, counts: &ByIdType) -> BTreeMap<String, u64> {
        let name = |(id_type, count): (&_, &u64)| Some((self.scene.terms.id_types.text(*id_type)?.to_owned(), *count));
        counts.iter().filter_map(name).collect()
    }

    /// The ID type that most exposures without the wanted one carry.
    pub(super) fn exposed_instead(&self) -> Option<String> {
        largest(&self.named(&self.scene.gathered.census().exposed_instead)).map(|(name, _)| name.to_owned())
    }

    pub(super) fn units_match_check(&self, found: &UnitsMatch) -> Check {
        let id_type = &self.scene.question.id_type;
        let matched = share(found.matched, found.units);
        let status = match found.matched {
            _ if found.units == 0 => Balanced::Ok,
            0 => Balanced::Alert,
            _ if matched < UNMATCHED_WARNING => Balanced::Warning,
            _ => Balanced::Ok,
        };
        if status == Balanced::Ok {
            let detail = match found.units {
                0 => "no units yet".to_owned(),
                units => format!("{} of {units} units ({}) have any event", found.matched, percent(matched)),
            };
            return check("units_match", status, detail, "");
        }
        let (cause, remedy) = diagnosis(id_type, &self.scene.options.environment, found);
        let detail =
            format!("{} of {} units ({}) have any event: {cause}", found.matched, found.units, percent(matched));
        check("units_match", status, detail, &remedy)
    }

    pub(super) fn crossovers(&self) -> Check {
        let (crossovers, exposed) = (self.units.crossovers, self.units.exposed);
        let crossed = share(crossovers, exposed);
        let status = match crossed {
            crossed if crossed > CROSSOVERS_ALERT => Balanced::Alert,
            crossed if crossed > CROSSOVERS_WARNING => Balanced::Warning,
            _ => Balanced::Ok,
        };
        let detail = format!("{crossovers} of {exposed} exposed units ({}) met more than one group", percent(crossed));
        let remedy = "Check that a unit keeps its ID, and that sizes, salt and targeting stayed the same while it ran.";
        check("crossovers", status, detail, remedy)
    }
}

/// The ID type that occurs most; of equal ones the first by name.
fn largest(counts: &BTreeMap<String, u64>) -> Option<(&str, u64)> {
    let most = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
    most.map(|(name, count)| (name.as_str(), *count))
}

/// Why so few units have an event, and what to do.
fn diagnosis(id_type: &str, environment: &str, found: &UnitsMatch) -> (String, String) {
    let (events, without) = (found.events, found.events_without_id);
    if events == 0 {
        return (
            format!("no event at all arrived in {environment} within the period"),
            format!(
                "Send events to the environment {environment}, or ask for the one they are sent to by the option \
                 `environment`; check the period."
            ),
        );
    }
    let most_lack_it = without * 2 >= events;
    match largest(&found.carried_instead).filter(|_| most_lack_it) {
        Some((other, count)) => (
            format!("{without} of {events} events carry no {id_type}, and {count} of those carry a {other} instead"),
            format!(
                "Exposures and events know units by different IDs, as is usual where events are sent before somebody \
                 signs in. Map the field that holds the {id_type} under Map Identifiers, or identify units before they \
                 are exposed, or randomise by {other}, which events carry."
            ),
        ),
        None if most_lack_it => (
            format!("{without} of {events} events carry no {id_type}, and most of those carry no ID at all"),
            format!("Send the {id_type} with each event, or map the field that holds it under Map Identifiers."),
        ),
        None => (
            format!("{} of {events} events carry a {id_type}, but of other units", events - without),
            format!(
                "Send the same {id_type} with events as with exposures: not a number here and an email there, in the \
                 same case, from the field that is mapped to it."
            ),
        ),
    }
}
