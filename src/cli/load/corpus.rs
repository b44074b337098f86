//! What is sent: events in shapes that real SDKs were seen to send, with fresh ids, people, names, values and times in each.
//! Every event is filled anew, so that neither deduplication nor compression is flattered by repetition.

use super::message_ids::MessageIds;
use super::template::{Hole, Template, TemplateError};
use crate::cli::random::{Random, mix, scale};
use crate::event::{Kind, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Events captured from `@segment/analytics-next`, `@segment/analytics-node`, `analytics-node` 6 and
/// `segment-analytics-python`, their values replaced by holes.
const SHAPES: &str = include_str!("shapes.json");

/// The kinds that Segment's SDKs send.
pub const KINDS: [Kind; 6] = [Kind::Track, Kind::Page, Kind::Screen, Kind::Group, Kind::Identify, Kind::Alias];

/// How often each kind is sent, as weights: `track=80,page=12`. Kinds left out are not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix([u32; KINDS.len()]);

impl Default for Mix {
    fn default() -> Mix {
        Mix([76, 14, 2, 1, 6, 1])
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let mut weights = [0; KINDS.len()];
        for part in text.split(',') {
            let (word, weight) = part.split_once('=').ok_or_else(|| format!("`{part}` is not KIND=WEIGHT"))?;
            let index = KINDS.iter().position(|kind| kind.as_str() == word.trim()).ok_or_else(|| {
                format!("`{word}` is no kind that Segment sends; use {}", KINDS.map(Kind::as_str).join(", "))
            })?;
            weights[index] = weight.trim().parse().map_err(|_| format!("the weight `{weight}` is no whole number"))?;
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err("every weight is zero: nothing to send".to_owned());
        }
        Ok(Mix(weights))
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = KINDS.iter().zip(self.0).map(|(kind, weight)| format!("{kind}={weight}")).collect();
        f.write_str(&parts.join(","))
    }
}

/// What varies in the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variety {
    pub mix: Mix,
    /// Distinct event names of tracks, at least 1. Lower ones are drawn more often, as in real products.
    pub names: u32,
    /// Distinct people, at least 1.
    pub users: u32,
}

impl Default for Variety {
    fn default() -> Variety {
        Variety { mix: Mix::default(), names: 50, users: 100_000 }
    }
}

#[derive(Deserialize)]
struct ShapesFile {
    lists: BTreeMap<String, Vec<String>>,
    shapes: Vec<Shape>,
}

#[derive(Deserialize)]
struct Shape {
    kind: String,
    weight: u32,
    body: Box<RawValue>,
}

/// A source of events; each thread has its own.
#[derive(Debug)]
pub struct Corpus {
    lists: Vec<Vec<Vec<u8>>>,
    names: Vec<Vec<u8>>,
    templates: Vec<(Kind, Template)>,
    /// Indices of templates, as often as the mix and their weights say: one draw picks a template.
    wheel: Vec<u16>,
    users: u32,
    random: Random,
    ids: MessageIds,
    date: Date,
}

/// Slots of the wheel; weights are rounded to one part in this many.
const WHEEL: u32 = 4096;

impl Corpus {
    /// The shapes are part of the binary, so an error is a mistake of ours; a test holds them right.
    pub fn new(variety: &Variety, seed: u64, nonce: u64) -> Result<Corpus, ShapesError> {
        let file: ShapesFile = serde_json::from_str(SHAPES)?;
        let index: BTreeMap<String, usize> = file.lists.keys().cloned().zip(0..).collect();
        let lists: Vec<Vec<Vec<u8>>> =
            file.lists.values().map(|words| words.iter().map(|word| escaped(word)).collect()).collect();
        let known = index.get("events").map(|at| lists[*at].as_slice()).unwrap_or_default();
        let names = (0..variety.names.max(1) as usize)
            .map(|n| known.get(n).cloned().unwrap_or_else(|| format!("Feature Used {n}").into_bytes()))
            .collect();
        let mut templates = Vec::new();
        let mut weights = Vec::new();
        for shape in &file.shapes {
            let kind = Kind::from_word(&shape.kind).ok_or_else(|| ShapesError::Kind(shape.kind.clone()))?;
            templates.push((kind, Template::parse(shape.body.get(), &index)?));
            let at = KINDS.iter().position(|k| *k == kind).ok_or_else(|| ShapesError::Kind(shape.kind.clone()))?;
            let siblings: u32 = file.shapes.iter().filter(|s| s.kind == shape.kind).map(|s| s.weight).sum();
            weights.push(f64::from(variety.mix.0[at]) * f64::from(shape.weight) / f64::from(siblings));
        }
        let total: f64 = weights.iter().sum();
        let mut wheel = Vec::new();
        for (at, weight) in (0u16..).zip(&weights) {
            let slots = (weight / total * f64::from(WHEEL)).round() as usize;
            wheel.extend(std::iter::repeat_n(at, if *weight > 0.0 { slots.max(1) } else { 0 }));
        }
        Ok(Corpus {
            lists,
            names,
            templates,
            wheel,
            users: variety.users.max(1),
            random: Random::new(mix(seed)),
            ids: MessageIds::new(nonce),
            date: Date::default(),
        })
    }

    /// Appends one event to `out`, as an element of a batch or the body of a single call, and tells its kind. It happened up
    /// to `spread_ms` before `now`.
    pub fn event(&mut self, now: Timestamp, spread_ms: u32, out: &mut Vec<u8>) -> Kind {
        let moment = self.random.draw();
        let turn = self.random.draw();
        let at = Timestamp(now.0 - scale(turn << 32, u64::from(spread_ms) + 1) as i64);
        let user = scale(moment << 24, u64::from(self.users));
        let person = mix(user ^ 0x5EED_0FA9_E250_0000);
        let slot = scale(turn, self.wheel.len() as u64) as usize;
        let (kind, template) = &self.templates[usize::from(self.wheel[slot])];
        for (text, hole) in &template.parts {
            out.extend_from_slice(text);
            match *hole {
                Hole::MessageUuid => {
                    let (upper, lower) = self.ids.uuid();
                    push_uuid(out, upper, lower);
                }
                Hole::AnonymousUuid => {
                    let (upper, lower) = (mix(person ^ 1), mix(person ^ 2));
                    push_uuid(out, upper & !0xF000 | 0x4000, lower & !(0b11 << 62) | 0b10 << 62);
                }
                Hole::User => {
                    out.extend_from_slice(b"user-");
                    // An odd factor keeps distinct people distinct in 32 bits.
                    push_hex::<8>(out, user.wrapping_mul(0x9E37_79B1) << 32);
                }
                Hole::Event => {
                    // The square of a uniform number falls off towards the end: few names make most of the events.
                    let draw = self.random.draw() >> 32;
                    let skewed = scale((draw * draw) >> 32 << 32, self.names.len() as u64);
                    out.extend_from_slice(&self.names[skewed as usize]);
                }
                Hole::Item => push_hex::<4>(out, moment << 48),
                Hole::Hex => push_hex::<16>(out, self.random.draw()),
                Hole::Click => push_hex::<16>(out, mix(moment)),
                Hole::Ip => {
                    for (n, byte) in (person as u32).to_be_bytes().into_iter().enumerate() {
                        if n > 0 {
                            out.push(b'.');
                        }
                        push_decimal(out, byte.into());
                    }
                }
                Hole::Fresh(list) => {
                    let draw = self.random.draw();
                    out.extend_from_slice(pick(&self.lists[list], draw));
                }
                Hole::Millis => push_decimal(out, at.0.max(0) as u64),
                Hole::Iso => self.date.push(out, at, b"Z"),
                Hole::IsoOffset => self.date.push(out, at, b"+00:00"),
                Hole::Price => {
                    let cents = self.random.below(50_000);
                    push_decimal(out, cents / 100);
                    out.push(b'.');
                    out.extend_from_slice(&[b'0' + (cents / 10 % 10) as u8, b'0' + (cents % 10) as u8]);
                }
                Hole::Count => out.push(b'1' + self.random.below(9) as u8),
                Hole::Sequence => push_decimal(out, self.random.below(100_000)),
                Hole::Drawn(list) => out.extend_from_slice(pick(&self.lists[list], moment)),
                Hole::Personal(list) => out.extend_from_slice(pick(&self.lists[list], person)),
            }
        }
        out.extend_from_slice(&template.tail);
        *kind
    }

    /// Appends a batch of `count` events, as `@segment/analytics-node` frames it.
    pub fn batch(&mut self, now: Timestamp, count: usize, out: &mut Vec<u8>) {
        /// An SDK flushes at the latest after ten seconds; most wait less.
        const SPREAD_MS: u32 = 5_000;
        out.extend_from_slice(br#"{"batch":["#);
        for n in 0..count {
            if n > 0 {
                out.push(b',');
            }
            self.event(now, SPREAD_MS, out);
        }
        out.extend_from_slice(br#"],"sentAt":""#);
        self.date.push(out, now, b"Z");
        out.extend_from_slice(br#""}"#);
    }
}

/// The shapes in the binary do not parse.
#[derive(Debug, thiserror::Error)]
pub enum ShapesError {
    #[error("the built-in shapes are not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the built-in shapes have a wrong template: {0}")]
    Template(#[from] TemplateError),
    #[error("the built-in shapes have an event of kind `{0}`, which Segment does not send")]
    Kind(String),
}

fn pick(words: &[Vec<u8>], draw: u64) -> &[u8] {
    &words[scale(draw, words.len() as u64) as usize]
}

/// A word as it stands between the quotes of a JSON string.
fn escaped(word: &str) -> Vec<u8> {
    let quoted = serde_json::Value::from(word).to_string();
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

/// The upper `N` hexadecimal digits of a word, at most 16.
fn push_hex<const N: usize>(out: &mut Vec<u8>, word: u64) {
    out.extend_from_slice(&hex(word)[..N]);
}

fn hex(word: u64) -> [u8; 16] {
    let mut text = [0; 16];
    text[..8].copy_from_slice(&hex_half((word >> 32) as u32));
    text[8..].copy_from_slice(&hex_half(word as u32));
    text
}

/// Eight digits at once: the half's nibbles are spread over the bytes of a word, and those above 9 moved on to the letters.
fn hex_half(half: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut word = u64::from(half);
    word = (word | word << 16) & 0x0000_FFFF_0000_FFFF;
    word = (word | word << 8) & 0x00FF_00FF_00FF_00FF;
    word = (word | word << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = ((word + 6 * ONES) >> 4) & ONES;
    (word + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

fn push_uuid(out: &mut Vec<u8>, upper: u64, lower: u64) {
    let (u, l) = (hex(upper), hex(lower));
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&u[..8]);
    text[9..13].copy_from_slice(&u[8..12]);
    text[14..18].copy_from_slice(&u[12..]);
    text[19..23].copy_from_slice(&l[..4]);
    text[24..].copy_from_slice(&l[4..]);
    out.extend_from_slice(&text);
}

fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Prints times; remembers the day's text, which seldom changes.
#[derive(Debug, Default)]
struct Date {
    day: Option<i64>,
    text: Vec<u8>,
}

impl Date {
    fn push(&mut self, out: &mut Vec<u8>, at: Timestamp, offset: &[u8]) {
        if self.day != Some(at.day()) {
            self.day = Some(at.day());
            self.text = at.to_string().into_bytes();
            self.text.truncate("2026-11-23T".len());
        }
        let ms = at.0.rem_euclid(86_400_000) as u32;
        let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        let digit = |n: u32| b'0' + (n % 10) as u8;
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&[
            digit(h / 10),
            digit(h),
            b':',
            digit(m / 10),
            digit(m),
            b':',
            digit(s / 10),
            digit(s),
            b'.',
            digit(ms / 100),
            digit(ms / 10),
            digit(ms),
        ]);
        out.extend_from_slice(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::{BTreeSet, HashSet};

    const NOW: Timestamp = Timestamp(1_795_438_699_353);

    fn corpus(variety: &Variety, seed: u64) -> Corpus {
        Corpus::new(variety, seed, 1).unwrap()
    }

    fn events(variety: &Variety, seed: u64, count: usize) -> Vec<(Kind, Value, usize)> {
        let mut corpus = corpus(variety, seed);
        (0..count)
            .map(|_| {
                let mut out = Vec::new();
                let kind = corpus.event(NOW, 1000, &mut out);
                (kind, serde_json::from_slice(&out).unwrap(), out.len())
            })
            .collect()
    }

    #[test]
    fn an_event_has_870_bytes_on_average() {
        let events = events(&Variety::default(), 1, 20_000);
        let mean = events.iter().map(|(_, _, len)| len).sum::<usize>() / events.len();
        assert!((850..=890).contains(&mean), "{mean} bytes an event");
    }

    #[test]
    fn every_event_is_one_that_segment_takes() {
        let mut ids = HashSet::new();
        for (kind, event, _) in events(&Variety::default(), 2, 20_000) {
            assert_eq!(event["type"], kind.as_str());
            assert!(event["userId"].is_string() || event["anonymousId"].is_string(), "{event}");
            let id = event["messageId"].as_str().unwrap();
            assert!(id.len() <= 100 && ids.insert(id.to_owned()), "{id}");
            let at = Timestamp::parse_iso(event["timestamp"].as_str().unwrap()).unwrap();
            assert!((NOW.0 - 1000..=NOW.0).contains(&at.0), "{at}");
            if kind == Kind::Track {
                assert!(event["event"].is_string() && event["properties"].is_object(), "{event}");
            }
        }
    }

    #[test]
    fn names_and_people_are_as_many_as_asked_for() {
        let variety = Variety { names: 30, users: 20, ..Variety::default() };
        let events = events(&variety, 3, 20_000);
        let words = |key: &str| -> BTreeSet<String> {
            events.iter().filter_map(|(_, event, _)| event[key].as_str().map(str::to_owned)).collect()
        };
        assert_eq!(words("event").len(), 30);
        assert_eq!(words("userId").len(), 20);
        assert_eq!(words("anonymousId").len(), 20);
    }

    #[test]
    fn the_mix_is_kept() {
        let variety = Variety { mix: "track=1, page=3".parse().unwrap(), ..Variety::default() };
        let events = events(&variety, 4, 8_000);
        let tracks = events.iter().filter(|(kind, _, _)| *kind == Kind::Track).count();
        let pages = events.iter().filter(|(kind, _, _)| *kind == Kind::Page).count();
        assert_eq!(tracks + pages, events.len());
        assert!((1_800..2_200).contains(&tracks), "{tracks}");
    }

    #[test]
    fn a_mix_is_read_or_refused_with_a_reason() {
        assert_eq!(Mix::default().to_string().parse::<Mix>(), Ok(Mix::default()));
        for (text, reason) in [
            ("track", "`track` is not KIND=WEIGHT"),
            ("tracks=1", "`tracks` is no kind that Segment sends"),
            ("track=-1", "the weight `-1` is no whole number"),
            ("track=0,page=0", "every weight is zero"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_batch_is_one_document_with_a_send_time() {
        let mut out = Vec::new();
        corpus(&Variety::default(), 5).batch(NOW, 100, &mut out);
        let batch: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(batch["batch"].as_array().unwrap().len(), 100);
        assert_eq!(batch["sentAt"], NOW.to_string());
    }

    #[test]
    fn a_seed_repeats_all_but_the_message_ids() {
        let strip = |(_, mut event, _): (Kind, Value, usize)| {
            event["messageId"].take();
            event
        };
        let variety = Variety::default();
        let first: Vec<Value> = events(&variety, 6, 100).into_iter().map(strip).collect();
        assert_eq!(first, events(&variety, 6, 100).into_iter().map(strip).collect::<Vec<_>>());
        assert_ne!(first, events(&variety, 7, 100).into_iter().map(strip).collect::<Vec<_>>());
    }

    #[test]
    fn a_person_keeps_identity_and_browser() {
        let mut seen: BTreeMap<String, (Value, Value)> = BTreeMap::new();
        let variety = Variety { users: 5, ..Variety::default() };
        for (_, event, _) in events(&variety, 8, 2_000) {
            let locale = &event["context"]["locale"];
            if let (Some(user), true, true) =
                (event["userId"].as_str(), event["anonymousId"].is_string(), locale.is_string())
            {
                let now = (event["anonymousId"].clone(), locale.clone());
                assert_eq!(seen.entry(user.to_owned()).or_insert_with(|| now.clone()), &now);
            }
        }
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn words_print_as_hexadecimal() {
        let mut random = Random::new(9);
        for word in (0..1000).map(|_| random.draw()).chain([0, u64::MAX, 0x0123_4567_89AB_CDEF]) {
            assert_eq!(std::str::from_utf8(&hex(word)), Ok(format!("{word:016x}").as_str()));
        }
    }

    #[test]
    fn numbers_print_as_numbers() {
        let mut out = Vec::new();
        for number in [0, 7, 10, 1_795_438_699_353, u64::MAX] {
            out.clear();
            push_decimal(&mut out, number);
            assert_eq!(std::str::from_utf8(&out), Ok(number.to_string().as_str()));
        }
    }
}
