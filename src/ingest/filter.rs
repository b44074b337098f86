//! What is not logged although nothing is wrong with it: events that `integrations` keeps from us, and names that the
//! event filter leaves out. Pure.

use super::reader::{Entries, Read, Reader};
use super::rules::SourceRules;
use super::scalar::Scalar;

/// What an `integrations` object says about us. Segment's rules: a missing key means on, `All: false` turns off whatever
/// has no key of its own, an object of options means on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Integrations {
    weir: Option<bool>,
    statsig: Option<bool>,
    all: Option<bool>,
}

impl Integrations {
    /// An event's own keys win over its batch's.
    pub fn over(self, batch: Integrations) -> Integrations {
        Integrations {
            weir: self.weir.or(batch.weir),
            statsig: self.statsig.or(batch.statsig),
            all: self.all.or(batch.all),
        }
    }

    /// Whether the event is meant for us. Where both of our names have a key, ours goes before Statsig's.
    pub fn allow(self) -> bool {
        self.weir.or(self.statsig).or(self.all).unwrap_or(true)
    }
}

pub(super) enum IntegrationsKey {
    Weir,
    Statsig,
    All,
    Other,
}

impl<'de> Entries<'de> for Integrations {
    type Key = IntegrationsKey;

    fn key(&self, name: &str) -> IntegrationsKey {
        match name {
            "Weir" => IntegrationsKey::Weir,
            "Statsig" => IntegrationsKey::Statsig,
            "All" => IntegrationsKey::All,
            _ => IntegrationsKey::Other,
        }
    }

    fn entry(&mut self, key: IntegrationsKey, reader: &mut Reader<'de>, room: u32) -> Read<()> {
        let slot = match key {
            IntegrationsKey::Weir => &mut self.weir,
            IntegrationsKey::Statsig => &mut self.statsig,
            IntegrationsKey::All => &mut self.all,
            IntegrationsKey::Other => return reader.skip(room),
        };
        *slot = match reader.scalar(room)? {
            Scalar::Flag(on) => Some(on),
            Scalar::Other => Some(true),
            _ => None,
        };
        Ok(())
    }
}

/// Whether the event filter lets a name through. Names stand in it without the source's prefix.
pub(super) fn selected(rules: &SourceRules, name: &str) -> bool {
    if rules.events.is_empty() {
        return rules.include_new;
    }
    rules.events.get(name).copied().unwrap_or(rules.include_new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Integrations {
        let mut integrations = Integrations::default();
        assert!(Reader::new(text).object(&mut integrations, 3).is_ok());
        integrations
    }

    #[test]
    fn integrations_speak_to_us_under_two_names() {
        for (event, batch, on) in [
            ("{}", "{}", true),
            ("null", "{}", true),
            ("true", "[]", true),
            ("{\"Segment.io\":true}", "{}", true),
            ("{\"Weir\":false}", "{}", false),
            ("{\"Statsig\":false}", "{}", false),
            ("{\"statsig\":false}", "{}", true),
            ("{\"All\":false}", "{}", false),
            ("{\"All\":true}", "{}", true),
            ("{\"All\":false,\"Statsig\":true}", "{}", true),
            ("{\"All\":false,\"Weir\":{\"option\":1}}", "{}", true),
            ("{\"All\":false,\"Amplitude\":true}", "{}", false),
            ("{\"Statsig\":true,\"Weir\":false}", "{}", false),
            ("{\"Statsig\":false,\"Weir\":true}", "{}", true),
            ("{\"Weir\":null,\"All\":false}", "{}", false),
            ("{\"Weir\":false,\"Weir\":true}", "{}", true),
            ("{}", "{\"All\":false}", false),
            ("{\"Statsig\":true}", "{\"All\":false}", true),
            ("{\"All\":true}", "{\"All\":false}", true),
            ("{}", "{\"Weir\":false}", false),
            ("{\"Weir\":true}", "{\"Weir\":false}", true),
            ("{\"Statsig\":true}", "{\"Weir\":false}", false),
            ("{\"All\":true}", "{\"Statsig\":false}", false),
        ] {
            assert_eq!(read(event).over(read(batch)).allow(), on, "{event} over {batch}");
        }
    }

    #[test]
    fn the_event_filter_knows_names_and_what_to_do_with_new_ones() {
        let mut rules = SourceRules::new("segment::");
        assert!(selected(&rules, "Order Completed"));
        rules.events.insert("Debug Ping".into(), false);
        rules.events.insert("Order Completed".into(), true);
        assert!(selected(&rules, "Order Completed") && selected(&rules, "New") && !selected(&rules, "Debug Ping"));
        rules.include_new = false;
        assert!(selected(&rules, "Order Completed") && !selected(&rules, "New") && !selected(&rules, "Debug Ping"));
        rules.events.clear();
        assert!(!selected(&rules, "Order Completed"));
    }
}
