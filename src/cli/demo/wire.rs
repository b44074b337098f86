//! What happened in the shop, as SDKs would send it: Segment events in batches, exposures as Statsig's server SDKs log them.
//! Historical times and no `sentAt`, so that nothing is moved. Decides nothing about what happens.

use super::dice::Dice;
use super::shop::{Button, Deed, EXPERIMENT, GATE, Happening, PRODUCTS, Page, Shop, Visitor};
use std::fmt::Write;

/// Events in one body.
const BODY_EVENTS: u64 = 250;
/// The ID types and groups of `data/demo.project.json`.
const GATE_RULE: &str = "everyone";
const OLD_BUTTON: &str = "old_button";
const NEW_BUTTON: &str = "new_button";

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
];
const LOCALES: [&str; 6] = ["en-CA", "en-US", "fr-CA", "de-DE", "en-GB", "es-MX"];

/// One request's worth.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    pub path: &'static str,
    pub json: String,
    pub events: u64,
}

/// All that happened, in bodies, roughly in order of time.
pub struct Bodies<'a> {
    shop: &'a Shop,
    seed: u64,
    next: usize,
    segment: Open,
    exposures: Open,
}

/// A body that is being filled.
struct Open {
    path: &'static str,
    before: &'static str,
    after: String,
    events: String,
    count: u64,
}

impl Open {
    /// The separator before the next event.
    fn next(&mut self) -> &mut String {
        if self.count > 0 {
            self.events.push(',');
        }
        self.count += 1;
        &mut self.events
    }

    fn close(&mut self) -> Body {
        let json = format!("{}{}{}", self.before, self.events, self.after);
        self.events.clear();
        Body { path: self.path, json, events: std::mem::take(&mut self.count) }
    }
}

impl<'a> Bodies<'a> {
    pub fn of(shop: &'a Shop, seed: u64) -> Bodies<'a> {
        let open = |path, before, after| Open { path, before, after, events: String::new(), count: 0 };
        let metadata =
            format!(r#"],"statsigMetadata":{{"sdkType":"weir-demo","sdkVersion":"1","sessionID":"demo-{seed}"}}}}"#);
        Bodies {
            shop,
            seed,
            next: 0,
            segment: open("/v1/batch", r#"{"batch":["#, "]}".to_owned()),
            exposures: open("/v1/log_event", r#"{"events":["#, metadata),
        }
    }
}

impl Iterator for Bodies<'_> {
    type Item = Body;

    fn next(&mut self) -> Option<Body> {
        while let Some(happening) = self.shop.happenings.get(self.next) {
            self.next += 1;
            let visitor = &self.shop.visitors[happening.visitor as usize];
            let who = Who::is(self.seed, happening, visitor);
            let open = match happening.deed {
                Deed::ShownSearch | Deed::ShownButton => {
                    exposure(self.exposures.next(), happening, visitor, &who);
                    &mut self.exposures
                }
                _ => {
                    event(self.segment.next(), self.seed, happening, visitor, &who);
                    &mut self.segment
                }
            };
            if open.count == BODY_EVENTS {
                return Some(open.close());
            }
        }
        [&mut self.segment, &mut self.exposures].into_iter().find(|open| open.count > 0).map(Open::close)
    }
}

/// The IDs that one event carries.
struct Who {
    anonymous: String,
    /// Empty before signing in.
    user: String,
    /// Empty without one.
    company: String,
}

impl Who {
    fn is(seed: u64, happening: &Happening, visitor: &Visitor) -> Who {
        // The home page of the first visit comes before signing in.
        let user =
            if visitor.account && happening.nth > 0 { format!("user-{}", happening.visitor) } else { String::new() };
        let company = visitor.company.filter(|_| !user.is_empty()).map(|n| format!("company-{n}")).unwrap_or_default();
        Who { anonymous: Dice::seeded(!seed, u64::from(happening.visitor)).uuid(), user, company }
    }
}

const CANNOT_FAIL: &str = "writing to a String cannot fail";

/// Every text that is written is one of ours and needs no escaping.
fn event(out: &mut String, seed: u64, happening: &Happening, visitor: &Visitor, who: &Who) {
    let message =
        Dice::seeded(seed.rotate_left(32), u64::from(happening.visitor) << 16 | u64::from(happening.nth)).uuid();
    let (page, path) = match happening.deed {
        Deed::Saw(page) => page_of(page),
        Deed::ViewedProduct(_) | Deed::AddedProduct(_) => page_of(Page::Product),
        Deed::StartedCheckout | Deed::CompletedOrder(..) => ("Checkout", "/checkout"),
        _ => page_of(Page::Home),
    };
    let mut head = |kind: &str| {
        write!(out, r#"{{"type":"{kind}","messageId":"demo-{message}","anonymousId":"{}","#, who.anonymous)
            .expect(CANNOT_FAIL);
        if !who.user.is_empty() {
            write!(out, r#""userId":"{}","#, who.user).expect(CANNOT_FAIL);
        }
    };
    let ids = if who.company.is_empty() {
        String::new()
    } else {
        format!(r#","statsigCustomIDs":["companyID","{}"]"#, who.company)
    };
    let body = match happening.deed {
        Deed::SignedIn => {
            head("identify");
            format!(r#""traits":{{"email":"{}@example.com","plan":"free"}}"#, who.user)
        }
        Deed::JoinedCompany => {
            head("group");
            format!(
                r#""groupId":"{}","traits":{{"name":"{}","employees":{}}}"#,
                who.company,
                who.company,
                visitor.flavour % 900 + 5
            )
        }
        Deed::Saw(_) => {
            head("page");
            format!(r#""name":"{page}","properties":{{"path":"{path}","title":"{page} - Weir Outfitters"{ids}}}"#)
        }
        Deed::ViewedProduct(product) | Deed::AddedProduct(product) => {
            head("track");
            let (name, category, price) = PRODUCTS[product];
            let what =
                if matches!(happening.deed, Deed::ViewedProduct(_)) { "Product Viewed" } else { "Product Added" };
            format!(
                r#""event":"{what}","properties":{{"product_id":"P{product:03}","name":"{name}","category":"{category}","price":{}{ids}}}"#,
                dollars(price)
            )
        }
        Deed::StartedCheckout => {
            head("track");
            format!(r#""event":"Checkout Started","properties":{{"currency":"USD"{ids}}}"#)
        }
        Deed::CompletedOrder(cents, product) => {
            head("track");
            let (name, category, price) = PRODUCTS[product];
            format!(
                r#""event":"Order Completed","properties":{{"order_id":"{}","revenue":{},"currency":"USD","products":[{{"product_id":"P{product:03}","name":"{name}","category":"{category}","price":{},"quantity":{}}}]{ids}}}"#,
                &message[..8],
                dollars(cents),
                dollars(price),
                cents / price
            )
        }
        Deed::ShownSearch | Deed::ShownButton => unreachable!("exposures go through the other door"),
    };
    let flavour = visitor.flavour;
    write!(
        out,
        r#"{body},"timestamp":"{}","context":{{"ip":"203.0.113.{}","locale":"{}","userAgent":"{}","page":{{"path":"{path}","url":"https://shop.example.com{path}"}},"library":{{"name":"analytics.js","version":"next-1.84.3"}}}}}}"#,
        happening.at,
        flavour % 254 + 1,
        LOCALES[(flavour >> 16) as usize % LOCALES.len()],
        BROWSERS[(flavour >> 24) as usize % BROWSERS.len()]
    )
    .expect(CANNOT_FAIL);
}

fn page_of(page: Page) -> (&'static str, &'static str) {
    match page {
        Page::Home => ("Home", "/"),
        Page::Search => ("Search", "/search"),
        Page::Product => ("Product", "/product"),
        Page::Cart => ("Cart", "/cart"),
    }
}

fn dollars(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn exposure(out: &mut String, happening: &Happening, visitor: &Visitor, who: &Who) {
    let (name, metadata) = match happening.deed {
        Deed::ShownSearch => {
            let passed = visitor.new_search;
            ("gate", format!(r#""gate":"{GATE}","gateValue":"{passed}","ruleID":"{GATE_RULE}""#))
        }
        _ => {
            let group = if visitor.button == Button::New { NEW_BUTTON } else { OLD_BUTTON };
            ("config", format!(r#""config":"{EXPERIMENT}","ruleID":"{group}","rulePassed":"true""#))
        }
    };
    let user = if who.user.is_empty() { String::new() } else { format!(r#""userID":"{}","#, who.user) };
    let company = if who.company.is_empty() { String::new() } else { format!(r#","companyID":"{}""#, who.company) };
    write!(
        out,
        r#"{{"eventName":"statsig::{name}_exposure","value":null,"metadata":{{{metadata},"reason":"Network:Recognized"}},"time":{},"user":{{{user}"customIDs":{{"segmentAnonymousId":"{}"{company}}}}},"secondaryExposures":[]}}"#,
        happening.at.0, who.anonymous
    )
    .expect(CANNOT_FAIL);
}

#[cfg(test)]
mod tests {
    use super::super::shop::{Plan, simulate};
    use super::*;
    use crate::event::Timestamp;
    use serde_json::Value;
    use std::collections::HashSet;

    #[test]
    fn everything_that_happened_is_sent_once_as_json_with_its_time() {
        let plan = Plan { seed: 3, visitors: 400, days: 28, end: Timestamp(1_795_438_699_353) };
        let shop = simulate(&plan);
        let bodies: Vec<Body> = Bodies::of(&shop, plan.seed).collect();
        assert_eq!(bodies.iter().map(|body| body.events).sum::<u64>(), shop.happenings.len() as u64);
        let (mut ids, mut names, mut exposures) = (HashSet::new(), HashSet::new(), 0);
        for body in &bodies {
            let json: Value = serde_json::from_str(&body.json).unwrap();
            assert!(json.get("sentAt").is_none());
            let events = json[if body.path == "/v1/batch" { "batch" } else { "events" }].as_array().unwrap();
            assert_eq!(events.len() as u64, body.events);
            for event in events {
                if body.path == "/v1/batch" {
                    assert!(ids.insert(event["messageId"].as_str().unwrap().to_owned()), "{event}");
                    let at = Timestamp::parse_iso(event["timestamp"].as_str().unwrap()).unwrap();
                    assert!((plan.start()..plan.end).contains(&at));
                    names.insert(event["event"].as_str().or(event["type"].as_str()).unwrap().to_owned());
                } else {
                    exposures += 1;
                    assert!(event["user"]["customIDs"]["segmentAnonymousId"].is_string());
                    if event["eventName"] == "statsig::gate_exposure" {
                        assert!(event["user"]["userID"].is_string(), "the gate is by user");
                    }
                }
            }
        }
        for name in
            ["page", "identify", "group", "Product Viewed", "Product Added", "Checkout Started", "Order Completed"]
        {
            assert!(names.contains(name), "{name} is missing in {names:?}");
        }
        assert!(exposures > 100);
        let again: Vec<Body> = Bodies::of(&simulate(&plan), plan.seed).collect();
        assert_eq!(bodies, again);
    }

    #[test]
    fn groups_and_rules_are_those_of_the_project() {
        let project = super::super::project::COMMITTED;
        for id in [GATE_RULE, OLD_BUTTON, NEW_BUTTON, "segmentAnonymousId", "companyID"] {
            assert!(project.contains(&format!("\"{id}\"")), "{id}");
        }
    }
}
