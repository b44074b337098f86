//! The three webhooks: Segment's and RudderStack's messages forwarded one by one or as an array, and the generic one.

use super::framing::Cursor;
use super::record::{Record, Sdk, User};
use super::segment::{Shape, take};
use super::statsig::Normaliser;
use super::{Arrival, BodyError, Intake, Rules, item, utf8};
use crate::event::Source;
use crate::store::Batch;

/// Takes what Segment's webhook destinations send: one message, or an array of them.
pub fn webhook_segment(body: &[u8], arrival: &Arrival, rules: &Rules, batch: Batch) -> Result<Intake, BodyError> {
    take(Source::Segment, &rules.segment, Shape::Webhook, body, arrival, rules, batch)
}

/// Takes what RudderStack's Statsig destination sends: one message, or an array of them.
pub fn webhook_rudderstack(body: &[u8], arrival: &Arrival, rules: &Rules, batch: Batch) -> Result<Intake, BodyError> {
    take(Source::Rudderstack, &rules.rudderstack, Shape::Webhook, body, arrival, rules, batch)
}

/// Takes Statsig's generic webhook: `{user: {userID, customIDs, ...}, event, value, metadata, timestamp}`, or an array of
/// such. A `messageId` keeps repetitions out. What `user` says of IDs goes before Map Identifiers.
pub fn webhook_event(body: &[u8], arrival: &Arrival, rules: &Rules, batch: Batch) -> Result<Intake, BodyError> {
    if !rules.webhook.enabled {
        return Err(BodyError::IntegrationDisabled { source_name: Source::Webhook });
    }
    let mut cursor = Cursor::new(utf8(body)?);
    let mut items = Vec::new();
    let record = || Record::mapping(&rules.webhook.map_identifiers);
    match cursor.peek() {
        Some(b'[') => item::list(&mut cursor, &rules.limits, &mut items, record)?,
        Some(b'{') => items.push(item::next(&mut cursor, &rules.limits, record())?),
        _ => return Err(cursor.not_an_object(" or an array of objects")),
    }
    cursor.end()?;
    let normaliser = Normaliser {
        source: Source::Webhook,
        source_rules: Some(&rules.webhook),
        rules,
        arrival,
        user: &User::default(),
        sdk: &Sdk::default(),
        session: String::new(),
        user_text: "",
        shared: None,
    };
    Ok(normaliser.settle(&items, body.len(), batch))
}
