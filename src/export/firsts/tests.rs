//! Firsts against a plain recomputation, through changes of the catalog, and beyond the limit.

use super::*;
use crate::evaluate::djb2;
use crate::export::probe::{Edit, Log, exposure, outgoing, setup};
use crate::store::StoredEvent;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What `Firsts` says of each exposure of a log.
fn told(log: &Log, firsts: &Firsts) -> Vec<bool> {
    let mut told = Vec::new();
    log.scan(|first, columns, _| {
        for row in (0..columns.len()).filter(|&row| columns.subject[row] != 0) {
            told.push(firsts.is_first(Sequence(first.0 + row as u64), columns, row));
        }
    });
    told
}

fn scanned(log: &Log, setup: &Setup, limit: usize) -> Firsts {
    let mut firsts = Firsts::new(setup, limit);
    log.scan(|first, columns, terms| firsts.scan(first, columns, terms));
    assert_eq!(firsts.end(), log.store.next_sequence());
    firsts
}

fn gate(user: &Value, gate: &str) -> Value {
    exposure("gate", user, &json!({"gate": gate, "gateValue": "true", "ruleID": "r"}))
}

fn config(user: &Value, config: &str, rule: &str) -> Value {
    exposure("config", user, &json!({"config": config, "ruleID": rule}))
}

fn layer(user: &Value, allocated: &str) -> Value {
    let metadata = json!({"config": "checkout_layer", "ruleID": "ship_a", "allocatedExperiment": allocated, "isExplicitParameter": "true"});
    exposure("layer", user, &metadata)
}

#[test]
fn a_units_first_exposure_to_each_thing_is_told_from_its_later_ones() {
    let (u, v) = (json!({"userID": "u"}), json!({"userID": "v"}));
    let company = |user: &str| json!({"userID": user, "customIDs": {"companyID": "co"}});
    let table = [
        (gate(&u, "new_checkout"), true),
        (gate(&u, "new_checkout"), false),
        (gate(&v, "new_checkout"), true),
        (gate(&u, "another"), true),
        (gate(&u, &djb2("new_checkout")), false),
        // Another rule is the same thing; a config is not a gate of its name.
        (config(&u, "new_checkout", "a"), true),
        (config(&u, "new_checkout", "b"), false),
        // By ID, by name and by its layer it is one experiment.
        (config(&u, "exp_ship", "ship_a"), true),
        (config(&u, "shipping_copy", "ship_a"), false),
        (layer(&u, "shipping_copy"), false),
        (layer(&u, &djb2("shipping_copy")), false),
        (layer(&v, "shipping_copy"), true),
        (config(&v, "shipping_copy", "ship_b"), false),
        // Of a layer's own parameter there is nothing that could be met.
        (layer(&u, ""), true),
        (layer(&u, ""), true),
        // The gate's ID type tells who it is.
        (gate(&company("u"), "by_company"), true),
        (gate(&company("v"), "by_company"), false),
        // Without a company the user stands in, and is not the company of that name.
        (gate(&json!({"userID": "co"}), "by_company"), true),
        (gate(&json!({"userID": "co"}), "by_company"), false),
        // Nobody: always sent.
        (gate(&json!({}), "new_checkout"), true),
        (gate(&json!({}), "new_checkout"), true),
    ];
    let events: Vec<Value> = table.iter().map(|(event, _)| event.clone()).collect();
    let setup = setup(|project| {
        project["experiments"][1]["id"] = json!("exp_ship");
        let mut gate = project["gates"][0].clone();
        for (field, text) in [("id", "by_company"), ("name", "by_company"), ("idType", "companyID")] {
            gate[field] = json!(text);
        }
        gate["rules"].as_array_mut().unwrap().truncate(0);
        gate["monitoringMetrics"] = json!([]);
        gate["overrides"] = json!({});
        project["gates"].as_array_mut().unwrap().push(gate);
    });
    let mut log = Log::new();
    log.events(&events);
    let firsts = scanned(&log, &setup, FIRSTS_KEPT);
    for ((event, expected), told) in table.iter().zip(told(&log, &firsts)) {
        assert_eq!(told, *expected, "{event}");
    }
    assert_eq!(firsts.beyond(), 0);
}

#[test]
fn the_browsers_unit_stands_in_for_a_user_who_is_not_signed_in() {
    let body =
        |stable: &str| json!({"events": [gate(&json!({}), "new_checkout")], "statsigMetadata": {"stableID": stable}});
    let mut log = Log::new();
    log.statsig(&body("a")).statsig(&body("b"));
    log.statsig(
        &json!({"events": [gate(&json!({"email": "x"}), "new_checkout")], "statsigMetadata": {"stableID": "a"}}),
    );
    assert_eq!(told(&log, &scanned(&log, &setup(|_| {}), FIRSTS_KEPT)), [true, true, false]);
}

/// A random number below `below`, by a generator that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0) % below
    }
}

/// Exposures of few users to few things, and events between them, in bodies of different sizes.
fn at_random(random: &mut Random) -> Log {
    let mut log = Log::new();
    for body in 0..12 {
        let mut events = Vec::new();
        for index in 0..random.below(30) {
            let user = match random.below(8) {
                0 => json!({}),
                n => json!({"userID": format!("u{n}"), "email": format!("{body}-{index}")}),
            };
            events.push(match random.below(5) {
                0 => json!({"eventName": "seen", "user": user, "time": 1}),
                1 => gate(&user, &format!("gate{}", random.below(3))),
                2 => config(&user, "button_color", &format!("rule{}", random.below(3))),
                3 => config(&user, "shipping_copy", "ship_a"),
                _ => layer(&user, "shipping_copy"),
            });
        }
        log.statsig(&json!({"events": events, "statsigMetadata": {"sessionID": body.to_string()}}));
    }
    log
}

/// By the text of the events alone.
fn naive(events: &[StoredEvent]) -> Vec<bool> {
    let mut met = BTreeSet::new();
    let firsts = events.iter().filter_map(|event| {
        let subject = event.subject.as_ref()?;
        let thing = if subject.allocated.is_empty() { &subject.name } else { &subject.allocated };
        let Some((_, unit)) = event.units.first() else { return Some(true) };
        Some(met.insert((thing.clone(), unit.clone())))
    });
    firsts.collect()
}

#[test]
fn firsts_are_those_of_a_plain_recomputation() {
    let seed = std::env::var("WEIR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("WEIR_TEST_SEED={seed}");
    let mut random = Random(seed);
    let setup = setup(|_| {});
    for _ in 0..8 {
        let log = at_random(&mut random);
        let expected = naive(&log.stored());
        let whole = scanned(&log, &setup, FIRSTS_KEPT);
        assert_eq!(told(&log, &whole), expected);
        // Read again, and read in other pieces that overlap, it says the same.
        let mut again = whole.clone();
        log.scan(|first, columns, terms| again.scan(first, columns, terms));
        assert_eq!((told(&log, &again), &again.firsts), (expected.clone(), &whole.firsts));
        let mut one = Columns::default();
        log.scan(|_, columns, _| one.extend(columns));
        again.scan(Sequence(0), &one, &log.store.terms());
        let mut other = Firsts::new(&setup, FIRSTS_KEPT);
        other.scan(Sequence(0), &one, &log.store.terms());
        assert_eq!((&again.firsts, &other.firsts), (&whole.firsts, &whole.firsts));
        // With little room what is kept stays right, and what is not goes out and is counted.
        let kept = whole.met.len();
        for limit in [0, 1, kept / 2, kept.saturating_sub(1), kept] {
            let narrow = scanned(&log, &setup, limit);
            let told = told(&log, &narrow);
            assert!(told.iter().zip(&expected).all(|(told, expected)| *told || !expected), "each first goes out");
            let unneeded = told.iter().zip(&expected).filter(|(told, expected)| **told && !**expected).count() as u64;
            assert_eq!(narrow.beyond(), unneeded + (kept - limit.min(kept)) as u64, "limit {limit} of {kept}");
            assert_eq!(narrow.met.len(), limit.min(kept));
        }
    }
}

#[test]
fn what_is_learnt_survives_a_change_that_does_not_concern_it_and_no_other() {
    let user = json!({"userID": "u", "customIDs": {"companyID": "co"}});
    let mut log = Log::new();
    log.events(&[
        gate(&user, "new_checkout"),
        config(&user, "exp_1", "grp_test"),
        config(&user, "button_color", "grp_test"),
    ]);
    let before = setup(|_| {});
    let table: [(Edit, bool, [bool; 3]); 4] = [
        (|_| {}, true, [true, true, true]),
        (|project| outgoing(project, "segment")["writeKey"] = json!("other"), true, [true, true, true]),
        (|project| project["experiments"][0]["groups"][0]["name"] = json!("other"), true, [true, true, true]),
        // What seemed two are one.
        (|project| project["experiments"][0]["id"] = json!("exp_1"), false, [true, true, false]),
    ];
    for (index, (edit, kept, expected)) in table.into_iter().enumerate() {
        let mut firsts = scanned(&log, &before, FIRSTS_KEPT);
        let terms = log.store.terms();
        assert_eq!(firsts.set_up(&setup(edit), &terms), kept, "edit {index}");
        assert_eq!(firsts.end(), if kept { log.store.next_sequence() } else { Sequence(0) });
        log.scan(|first, columns, terms| firsts.scan(first, columns, terms));
        assert_eq!(told(&log, &firsts), expected, "edit {index}");
    }
}

#[test]
fn the_table_of_pairs_is_full_just_before_it_would_double() {
    let met: HashSet<u64> = HashSet::with_capacity(FIRSTS_KEPT);
    assert_eq!(met.capacity(), FIRSTS_KEPT);
    assert!(met.allocation_size() + FIRSTS_KEPT * 8 <= 65 << 20, "{} bytes and the sequences", met.allocation_size());
}
