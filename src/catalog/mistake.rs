//! One thing that is wrong in what a person set, with its place. Collects; never decides what to do about it.

use serde::Serialize;
use std::fmt;

/// What is wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// A path into the project file, such as `experiments[1].groups[0].size`; for JSON that cannot be read `line 3,
    /// column 5`; for an item that is already stored `experiments["button_color"].groups[0].size`.
    pub place: String,
    /// A sentence that says what is wrong and what would be right.
    pub message: String,
}

/// The addresses that events are sent to.
const ADDRESSES: [&str; 2] = ["integrations.segment.outgoing.baseUrl", "integrations.webhook.outgoing.url"];

impl Mistake {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Mistake {
        Mistake { place: place.into(), message: message.into() }
    }

    /// Whether nothing that is taken, served or counted depends on it, in a stored item: it is only about how results are
    /// computed, or about where events are sent on.
    pub(super) fn is_tolerable(&self) -> bool {
        self.is_of_results() || ADDRESSES.contains(&self.place.as_str())
    }

    fn is_of_results(&self) -> bool {
        let field = self.place.rsplit_once("\"]").map_or("", |(_, field)| field);
        ["metrics[", "explorations["].iter().any(|section| self.place.starts_with(section))
            || ["experiments[", "gates["].iter().any(|section| self.place.starts_with(section))
                && [".primaryMetrics", ".secondaryMetrics", ".otherMetrics", ".monitoringMetrics", ".analysis"]
                    .iter()
                    .any(|fields| field.starts_with(fields))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// How many known names a message lists before it stops.
const LISTED_NAMES: usize = 12;

/// `one of a, b, c`, so that a person sees what would have been right.
pub(super) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "nothing, for none is defined".to_string(),
        1 => names[0].to_string(),
        n if n > LISTED_NAMES => format!("one of {} and {} more", names[..LISTED_NAMES].join(", "), n - LISTED_NAMES),
        _ => format!("one of {}", names.join(", ")),
    }
}
