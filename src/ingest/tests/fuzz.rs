//! Bodies made at random from recorded and awkward ones: nothing panics, counts add up, and what is kept can be read again.

use super::*;
use serde_json::Value;
use std::hash::{BuildHasher, Hasher, RandomState};

/// SplitMix64: enough to shuffle bytes, and a printed seed repeats a run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'p, T: ?Sized>(&mut self, from: &[&'p T]) -> &'p T {
        from[self.below(from.len())]
    }
}

const PIECES: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\ud83e\\udd8a",
    "null",
    "true",
    "1e999",
    "-0",
    "1e-400",
    "99999999999999999999999",
    "\"type\":\"track\",",
    "\"userId\":[],",
    "\"messageId\":\"weir-5f3c-1\",",
    "\"event\":\"a|b\",",
    "\"properties\":{\"statsigCustomIDs\":[\"companyID\",1,\"x\"]},",
    "\"integrations\":{\"All\":false},",
    "\"batch\":[{}],",
    "\"events\":[7],",
    "\"user\":{\"privateAttributes\":{\"a\":1}},",
    "\"writeKey\":\"secret\",",
    "\u{feff}",
    "é",
    "\0",
    "\n",
    "[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "\"timestamp\":1e300,",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for name in ["ajs-next-chromium", "segment-python", "statsig-js-client"] {
        let path = format!("{}/tests/it/captures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let mut body = serde_json::from_str::<Value>(line).unwrap()["body"].take();
            for list in ["batch", "events"] {
                // A few events are enough, and keep a run short.
                if let Some(items) = body.get_mut(list).and_then(Value::as_array_mut) {
                    items.truncate(4);
                }
            }
            bodies.push(body.to_string().into_bytes());
        }
    }
    bodies.push(br#"{"batch":[{"type":"track","event":"x","userId":"u","writeKey":"secret"}],"sentAt":"x"}"#.to_vec());
    bodies.push(br#"[{"user":{"userID":1},"event":"x","value":1},{"event":"y"}]"#.to_vec());
    bodies
}

fn mutate(body: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(body.len() + 1);
        let to = (at + random.below(30)).min(body.len());
        match random.below(6) {
            0 => drop(body.drain(at..to)),
            1 => drop(body.splice(at..at, random.pick(&PIECES).bytes())),
            2 => drop(body.splice(at..to, random.pick(&PIECES).bytes())),
            3 if at < body.len() => body[at] = random.next() as u8,
            4 => {
                // A piece of itself somewhere else: keys come twice, objects land in lists.
                let piece = body[at..to].to_vec();
                let at = random.below(body.len() + 1);
                body.splice(at..at, piece);
            }
            _ => {
                // In place of one whole value, which keeps the document well formed more often.
                if let Some(colon) = body[at..].iter().position(|&byte| byte == b':').map(|found| at + found + 1) {
                    let end = body[colon..].iter().position(|byte| b",}]".contains(byte)).map(|found| colon + found);
                    let value = ["1e999", "null", "{}", "[1]", "\"\\udc00\"", "-7", "\"x\"", "1.5e3", "true"];
                    body.splice(colon..end.unwrap_or(body.len()), random.pick(&value).bytes());
                }
            }
        }
    }
}

fn check(intake: &Intake) -> usize {
    assert_conserved(intake);
    for event in intake.submission.batch.pushed() {
        let raw: Value = serde_json::from_str(&event.raw).unwrap_or_else(|error| panic!("{error}: {}", event.raw));
        assert!(raw.is_object());
        if let Some(shared) = &event.shared {
            assert!(serde_json::from_str::<Value>(shared).unwrap().is_object());
        }
        assert!(raw.get("writeKey").is_none_or(|key| key != "secret"));
        if matches!(event.source, Source::Statsig | Source::Webhook) {
            assert!(raw["user"]["privateAttributes"].is_null(), "{}", event.raw);
        }
        assert!(event.value.is_none_or(f64::is_finite));
        assert!(!event.message_id.is_empty() && !event.name.is_empty() && event.time <= event.received);
        view(event.source, event.kind, &event.raw, event.shared.as_deref());
    }
    for sample in &intake.submission.samples {
        assert!(!sample.body.contains("\"writeKey\":\"secret\""), "{}", sample.body);
    }
    intake.submission.batch.len()
}

#[test]
fn no_body_panics_and_what_is_kept_reads_again() {
    let seed = match std::env::var("WEIR_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => RandomState::new().build_hasher().finish(),
    };
    println!("WEIR_TEST_SEED={seed}");
    let mut random = Random(seed);
    let seeds = seeds();
    let mut rules = rules();
    rules.limits.event_bytes = 2_000;
    let (mut kept, mut refused) = (0, 0);
    for _ in 0..6_000 {
        let mut body = seeds[random.below(seeds.len())].clone();
        mutate(&mut body, &mut random);
        let at = arrival();
        for taken in [
            super::super::segment(&body, Call::Many, &at, &rules, batch()),
            super::super::segment(&body, Call::One(Kind::Track), &at, &rules, batch()),
            statsig_log_event(&body, &at, &rules, batch()),
            webhook_segment(&body, &at, &rules, batch()),
            webhook_event(&body, &at, &rules, batch()),
        ] {
            match taken {
                Ok(intake) => kept += check(&intake),
                Err(error) => {
                    refused += 1;
                    assert!(!error.message().is_empty());
                    let submission = error.submission(Source::Segment, &body, &at, &rules, batch());
                    assert_eq!((submission.batch.len(), submission.tallies[0].1), (0, 1));
                    if error.code() == "malformed_json" && !error.message().contains("surrogate") {
                        // Whatever Value can read is not malformed, unless it is too deep or out of range for it as well.
                        let readable = serde_json::from_slice::<Value>(&body).is_ok();
                        assert!(!readable || error.message().contains("nested"), "{error}");
                    }
                }
            }
        }
    }
    assert!(kept > 500 && refused > 500, "the bodies were not varied enough: {kept} kept, {refused} refused");
}
