//! What must not be shown of a destination: its secrets, as they may come back in a reply or stand in an error. Pure.

use crate::catalog::{HIDDEN, Integrations, Secret};
use crate::export::{Attempt, DeadLetter, DestinationId, DestinationStatus};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Shorter parts of an address are no token, and would be found in any text.
const LEAST_PART: usize = 4;

/// The texts that are hidden, the longest first.
pub struct Veil(Vec<String>);

impl Veil {
    pub fn of(integrations: &Integrations, id: DestinationId) -> Veil {
        let mut hidden = Vec::new();
        match id {
            DestinationId::Segment => {
                if let Some(key) = integrations.segment.outgoing.write_key.as_ref().map(Secret::reveal) {
                    // As the request carries it. What base64 ends with depends on what follows.
                    hidden.push(STANDARD.encode(format!("{key}:")).trim_end_matches('=').to_owned());
                    hidden.push(key.to_owned());
                }
            }
            DestinationId::Webhook => {
                let outgoing = &integrations.webhook.outgoing;
                hidden.extend(outgoing.signing_secret.as_ref().map(|secret| secret.reveal().to_owned()));
                let address = outgoing.url.as_deref().unwrap_or_default();
                let behind_host = address.split_once("://").and_then(|(_, rest)| rest.split_once(['/', '?', '#']));
                let parts = behind_host.map(|(_, rest)| rest).unwrap_or_default();
                hidden.extend(parts.split(['/', '?', '#', '&', '=']).map(str::to_owned));
            }
        }
        hidden.retain(|text| text.len() >= LEAST_PART);
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Veil(hidden)
    }

    pub fn over_status(&self, status: &mut DestinationStatus) {
        self.over(status.pause.as_mut().map(|pause| &mut pause.message));
        self.over(status.last_error.as_mut().map(|error| &mut error.message));
    }

    pub fn over_attempts(&self, attempts: &mut [Attempt]) {
        attempts.iter_mut().for_each(|attempt| self.over(attempt.error.as_mut()));
    }

    pub fn over_letter(&self, letter: &mut DeadLetter) {
        self.over(Some(&mut letter.message));
        self.over(letter.reply.as_mut());
    }

    fn over(&self, text: Option<&mut String>) {
        let Some(text) = text else { return };
        for hidden in &self.0 {
            if text.contains(hidden) {
                *text = text.replace(hidden, HIDDEN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_hidden_however_it_comes_back() {
        let integrations: Integrations = serde_json::from_value(json!({
            "segment": {"outgoing": {"writeKey": "wk-0123456789"}},
            "webhook": {"outgoing": {"url": "https://example.com/v1/T0K3N-1?key=T0K3N-2#T0K3N-3", "signingSecret": "hush-hush"}},
        }))
        .unwrap();
        let shown = |id: DestinationId, text: &str| {
            let mut text = text.to_owned();
            Veil::of(&integrations, id).over(Some(&mut text));
            text
        };
        let basic = STANDARD.encode("wk-0123456789:");
        for (id, text, expected) in [
            (DestinationId::Segment, "no key wk-0123456789".to_owned(), "no key (hidden)"),
            (DestinationId::Segment, format!("Basic {basic}"), "Basic (hidden)"),
            (DestinationId::Webhook, "signed with hush-hush".into(), "signed with (hidden)"),
            (DestinationId::Webhook, "Cannot POST /v1/T0K3N-1".into(), "Cannot POST /v1/(hidden)"),
            (DestinationId::Webhook, "key T0K3N-2 of T0K3N-3".into(), "key (hidden) of (hidden)"),
            (DestinationId::Webhook, "example.com refused it".into(), "example.com refused it"),
        ] {
            assert_eq!(shown(id, &text).trim_end_matches('='), expected);
        }
    }
}
