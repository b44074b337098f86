//! Environments, settings and integrations.

use super::Check;
use crate::catalog::integration::{Incoming, NO_CUSTOM_EVENTS};
use crate::catalog::secret::HIDDEN;
use crate::event::PRODUCTION;
use std::collections::{BTreeMap, HashSet};

pub(super) fn check(check: &mut Check) {
    environments(check);
    settings(check);
    let all = &check.contents.integrations;
    incoming(check, "integrations.segment.incoming", &all.segment.incoming);
    incoming(check, "integrations.rudderstack.incoming", &all.rudderstack.incoming);
    incoming(check, "integrations.webhook.incoming", &all.webhook.incoming);

    let segment = &all.segment.outgoing;
    let place = "integrations.segment.outgoing";
    let has_key = segment.write_key.as_ref().is_some_and(|key| !key.reveal().trim().is_empty());
    if segment.is_enabled && !has_key {
        check.wrong(
            format!("{place}.writeKey"),
            "is missing; an enabled integration needs the write key of a Segment source",
        );
    }
    url(check, &format!("{place}.baseUrl"), &segment.base_url);
    if segment.base_url.contains(['?', '#']) {
        check.wrong(format!("{place}.baseUrl"), "may not have a query: the path of each call is put behind it");
    }
    check.id_type(&format!("{place}.anonymousIdFrom"), &segment.anonymous_id_from);

    outgoing(check, place, &segment.events);

    let webhook = &all.webhook.outgoing;
    outgoing(check, "integrations.webhook.outgoing", &webhook.events);
    let place = "integrations.webhook.outgoing.url";
    match &webhook.url {
        Some(address) => url(check, place, address),
        None if webhook.is_enabled => check.wrong(place, "is missing; an enabled integration needs a URL to post to"),
        None => {}
    }
}

fn environments(check: &mut Check) {
    let names = &check.contents.environments.0;
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        let place = format!("environments[{index}]");
        if name.trim().is_empty() || name.trim() != name {
            check.wrong(place, "is empty or has a space at its beginning or end");
        } else if !seen.insert(name.to_lowercase()) {
            check.wrong(place, format!("\"{name}\" is there already; name each once"));
        }
    }
    if !names.iter().any(|name| name == PRODUCTION) {
        check.wrong("environments", "must have \"production\": events that name no environment belong to it");
    }
}

/// The greatest length of the prefix of event names, in bytes.
const MAX_PREFIX_BYTES: usize = 50;

fn settings(check: &mut Check) {
    let settings = &check.contents.settings;
    let prefix = &settings.event_prefix;
    if prefix.starts_with("statsig::") {
        check
            .wrong("settings.eventPrefix", "begins with \"statsig::\", which names Weir's own events; must be another");
    } else if prefix.len() > MAX_PREFIX_BYTES || prefix.chars().any(char::is_control) {
        check.wrong(
            "settings.eventPrefix",
            format!("may have at most {MAX_PREFIX_BYTES} bytes and no control character"),
        );
    }
    for (index, property) in settings.value_properties.iter().enumerate() {
        if property.is_empty() || settings.value_properties[..index].contains(property) {
            check.wrong(
                format!("settings.valueProperties[{index}]"),
                "is empty or there already; name each property once",
            );
        }
    }
}

/// A name that the choice does not look at would stand there in vain, and nobody would notice.
fn outgoing(check: &mut Check, place: &str, events: &BTreeMap<String, bool>) {
    for name in events.keys().filter(|name| NO_CUSTOM_EVENTS.contains(&name.as_str())) {
        check.wrong(
            format!("{place}.events.{name}"),
            "is no custom event; leave it out, and set exposures or configChanges of the integration",
        );
    }
}

fn incoming(check: &mut Check, place: &str, incoming: &Incoming) {
    for (index, row) in incoming.map_identifiers.iter().enumerate() {
        let place = format!("{place}.mapIdentifiers[{index}]");
        if row.field.trim().is_empty() {
            check.wrong(format!("{place}.field"), "is empty; must name a field of a message, such as anonymousId");
        }
        check.id_type(&format!("{place}.idType"), &row.id_type);
        if incoming.map_identifiers[..index].contains(row) {
            check.wrong(place, "is there already; name each pair once");
        }
    }
}

/// What is taken here can be asked for later: it is read as the sender of requests reads it.
fn url(check: &mut Check, place: &str, url: &str) {
    let uri: Option<hyper::Uri> = url.parse().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let authority = uri.as_ref().and_then(hyper::Uri::authority);
    match authority {
        // Sent to another host than the one it was read with, or written into a file as it was read.
        _ if url.contains(HIDDEN) => check.wrong(place, "has a part that answers do not show; write it out"),
        Some(authority) if authority.as_str().contains('@') => {
            check.wrong(place, "may not carry a user name or password");
        }
        Some(authority)
            if !authority.host().is_empty()
                && (authority.port_u16().is_some() || authority.as_str() == authority.host()) => {}
        _ => check.wrong(place, "is no URL; must be such as https://example.com/path"),
    }
}
