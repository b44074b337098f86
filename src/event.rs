//! The words: what an event is, where it came from, whom it is about. Knows no wire format, no store and no time source.

use std::borrow::Cow;
use std::fmt;

/// An event's place in the log: dense, never reused, the first event has 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The range that is accepted and can be printed: years 1 to 9998, so that a skew correction cannot leave it.
    pub const MIN: Timestamp = Timestamp(-62_135_596_800_000);
    pub const MAX: Timestamp = Timestamp(253_370_764_800_000);

    /// Reads an ISO 8601 / RFC 3339 instant (`2026-11-23T12:58:19.353Z`, any offset, up to nine digits of a second; a date
    /// and time without an offset is taken as UTC, as Segment does). `None` if it is not one.
    pub fn parse_iso(text: &str) -> Option<Timestamp> {
        if let Some(usual) = parse_usual(text) {
            return Timestamp::in_range(usual);
        }
        let ms = match text.parse::<jiff::Timestamp>() {
            Ok(at) => at.as_millisecond(),
            Err(_) => {
                let civil = text.parse::<jiff::civil::DateTime>().ok()?;
                jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?.as_millisecond()
            }
        };
        Timestamp::in_range(ms)
    }

    /// A number of milliseconds, or `None` outside the accepted range.
    pub fn in_range(ms: i64) -> Option<Timestamp> {
        (Self::MIN.0..=Self::MAX.0).contains(&ms).then_some(Timestamp(ms))
    }

    /// Whole hours since the epoch: the bucket of a volume.
    pub fn hour(self) -> i64 {
        self.0.div_euclid(3_600_000)
    }

    /// Whole UTC days since the epoch.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }
}

/// The one form that SDKs write, `2026-11-23T12:58:19.353Z`, without the cost of the general one: each event has a time or
/// two. Milliseconds since the epoch; `None` for any other form, and for days that no month has.
fn parse_usual(text: &str) -> Option<i64> {
    let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let shaped = bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T' && bytes[13] == b':' && bytes[16] == b':';
    if !(shaped && bytes[19] == b'.' && bytes[23] == b'Z') {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // A second of 60 is for the general form to judge.
    if !(1..=12).contains(&month)
        || !(1..=length).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
        || year == 0
    {
        return None;
    }
    // Days from the epoch in the proleptic Gregorian calendar, in years that begin in March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + ms)
}

/// ISO 8601 with milliseconds and `Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

macro_rules! coded {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $code,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word used in the API, the pages and the docs.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The number that is stored; it never changes its meaning.
            pub fn code(self) -> u8 {
                self as u8
            }

            pub fn from_code(code: u8) -> Option<$name> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }

            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

coded! {
    /// Where an event came from.
    Source {
        Segment = 1 => "segment",
        Rudderstack = 2 => "rudderstack",
        Statsig = 3 => "statsig",
        Webhook = 4 => "webhook",
        Console = 5 => "console",
    }
}

impl Source {
    /// Whether its events arose here and may go out to where events come from. Those that Segment or its sibling brought never
    /// go back.
    pub fn arises_here(self) -> bool {
        matches!(self, Source::Statsig | Source::Webhook | Source::Console)
    }
}

coded! {
    /// What sort of thing happened.
    Kind {
        Track = 1 => "track",
        Page = 2 => "page",
        Screen = 3 => "screen",
        Group = 4 => "group",
        Identify = 5 => "identify",
        Alias = 6 => "alias",
        Custom = 7 => "custom",
        GateExposure = 8 => "gate_exposure",
        ConfigExposure = 9 => "config_exposure",
        LayerExposure = 10 => "layer_exposure",
        ConfigChange = 11 => "config_change",
    }
}

impl Kind {
    pub fn is_exposure(self) -> bool {
        matches!(self, Kind::GateExposure | Kind::ConfigExposure | Kind::LayerExposure)
    }
}

coded! {
    /// How an arriving event ended. Each event has exactly one; stored ones are counted by the log itself.
    Outcome {
        Stored = 1 => "stored",
        Duplicate = 2 => "duplicate",
        Filtered = 3 => "filtered",
        Rejected = 4 => "rejected",
    }
}

/// The ID type that every project has: who is signed in.
pub const USER_ID: &str = "userID";
/// The ID type that Statsig's client SDKs make by themselves: which device or browser.
pub const STABLE_ID: &str = "stableID";
/// The environment of an event that names none. Only production events make results.
pub const PRODUCTION: &str = "production";

/// A name's number in one of the store's dictionaries (event names, subjects, environments, ID types). Zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TermId(pub u32);

impl TermId {
    pub const NONE: TermId = TermId(0);
}

/// One unit that an event is about: the ID type's number in the store's dictionary, and the ID itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit<'a> {
    pub id_type: TermId,
    pub id: Cow<'a, str>,
}

coded! {
    /// What an SDK's answer rests on, as far as it matters to who is compared with whom.
    Basis {
        /// The rules that it was given, be it fresh, from a cache or by a bootstrap.
        Rules = 0 => "rules",
        /// The application told the SDK what to answer.
        LocalOverride = 1 => "local_override",
        /// The SDK had no rules yet, or failed, and gave its default.
        NoValues = 2 => "no_values",
        /// The SDK's rules do not have what it was asked for.
        Unrecognized = 3 => "unrecognized",
        /// The answer was made for another user, or another stableID, than the one who met it.
        OtherUser = 4 => "other_user",
    }
}

/// What an exposure is about and what the unit got. Equal subjects share one dictionary entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// One of the three exposure kinds.
    pub kind: Kind,
    /// The gate, config (experiment or dynamic config) or layer.
    pub name: String,
    /// The rule that decided; for an experiment the group's ID.
    pub rule: String,
    /// For a gate "true" or "false"; otherwise empty.
    pub value: String,
    /// For a layer the experiment that the parameter was allocated to; otherwise empty.
    pub allocated: String,
    pub basis: Basis,
}

impl Subject {
    /// The dictionary's form: a JSON array of five strings, readable by a person who opens the store. What does not rest on
    /// rules has its basis as a sixth.
    pub fn encode(&self) -> String {
        let words = [self.kind.as_str(), &self.name, &self.rule, &self.value, &self.allocated, self.basis.as_str()];
        let said = if self.basis == Basis::Rules { &words[..5] } else { &words };
        serde_json::to_string(said).expect("strings always serialise")
    }

    pub fn decode(text: &str) -> Option<Subject> {
        let mut words = serde_json::from_str::<Vec<String>>(text).ok()?.into_iter();
        let mut word = || words.next();
        let subject = Subject {
            kind: Kind::from_word(&word()?)?,
            name: word()?,
            rule: word()?,
            value: word()?,
            allocated: word()?,
            basis: word().map_or(Some(Basis::Rules), |basis| Basis::from_word(&basis))?,
        };
        words.next().is_none().then_some(subject)
    }
}

coded! {
    /// Where in an event a text stands.
    Place {
        /// What the event's `metadata` shows: properties, or a group's traits.
        Metadata = 1 => "metadata",
        /// The user's own fields: `country`, `email`, `appVersion` ...
        User = 2 => "user",
        /// What an application keeps of the user beside them.
        UserCustom = 3 => "user_custom",
        /// What the SDK that sent it says about itself: `sdkType`, `sdkVersion` ...
        Sdk = 4 => "sdk",
    }
}

/// A text of events of one name, which metrics, filters and break-downs need.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field {
    /// The number of the events' name.
    pub name: TermId,
    pub place: Place,
    pub key: String,
}

impl Field {
    /// The dictionary's form: a JSON array of the name's number, the place and the key.
    pub fn encode(&self) -> String {
        serde_json::to_string(&(self.name.0, self.place.as_str(), &self.key)).expect("text always serialises")
    }

    pub fn decode(text: &str) -> Option<Field> {
        let (name, place, key) = serde_json::from_str::<(u32, String, String)>(text).ok()?;
        Some(Field { name: TermId(name), place: Place::from_word(&place)?, key })
    }
}

/// One event on its way into the log. Borrows from the request body wherever it can.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    pub source: Source,
    pub kind: Kind,
    /// As stored, with the source's prefix: `segment::Order Completed`.
    pub name: Cow<'a, str>,
    /// What deduplication goes by, together with `source`. Never empty.
    pub message_id: Cow<'a, str>,
    /// When it happened, corrected for the sender's clock.
    pub time: Timestamp,
    pub received: Timestamp,
    pub environment: Cow<'a, str>,
    pub units: Vec<Unit<'a>>,
    /// Always finite.
    pub value: Option<f64>,
    pub subject: Option<Subject>,
    /// The event as it came: one JSON object, valid UTF-8, without a secret key in it.
    pub raw: Cow<'a, str>,
    /// What the whole batch said for each of its events, as one JSON object with the same field names (for Segment
    /// `context` and `integrations`; for Statsig `user` and `statsigMetadata`). The event's own fields win.
    pub shared: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_sdks_send() {
        let at = Some(Timestamp(1_795_438_699_353));
        for text in [
            "2026-11-23T12:58:19.353Z",
            "2026-11-23T12:58:19.353+00:00",
            "2026-11-23T12:58:19.353000+00:00",
            "2026-11-23T12:58:19.353000000Z",
            "2026-11-23T13:58:19.353+01:00",
            "2026-11-23T12:58:19.353",
            "2026-11-23 12:58:19.353Z",
        ] {
            assert_eq!(Timestamp::parse_iso(text), at, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1795438699353"] {
            assert_eq!(Timestamp::parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn the_usual_form_is_read_as_the_general_one_reads_it() {
        let general = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond());
        for year in [1, 4, 1582, 1900, 1969, 1970, 2000, 2026, 2100, 9998] {
            for month in 0..=13 {
                for day in [0, 1, 28, 29, 30, 31, 32] {
                    let text = format!("{year:04}-{month:02}-{day:02}T23:59:58.007Z");
                    assert_eq!(parse_usual(&text), general(&text), "{text}");
                }
            }
        }
        for text in [
            "2026-11-23T24:00:00.000Z",
            "2026-11-23T12:60:00.000Z",
            "2026-11-23T12:5a:00.000Z",
            "2026-11-23 12:00:00.000Z",
        ] {
            assert_eq!(parse_usual(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_prints_as_it_is_read() {
        let at = Timestamp(1_795_438_699_353);
        assert_eq!(at.to_string(), "2026-11-23T12:58:19.353Z");
        assert_eq!(Timestamp::parse_iso(&at.to_string()), Some(at));
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_subject_survives_its_dictionary_form() {
        for &basis in Basis::ALL {
            let subject = Subject {
                kind: Kind::LayerExposure,
                name: "checkout \"layer\"".into(),
                rule: "ship_a".into(),
                value: String::new(),
                allocated: "shipping\u{1F98A}".into(),
                basis,
            };
            assert_eq!(Subject::decode(&subject.encode()), Some(subject));
        }
        let before = r#"["gate_exposure","g","r","true",""]"#;
        let subject = Subject::decode(before).expect("as it was written before there was a basis");
        assert_eq!((subject.basis, subject.encode().as_str()), (Basis::Rules, before));
        for damaged in [
            r#"["gate_exposure"]"#,
            r#"["gate_exposure","g","r","true","","luck"]"#,
            r#"["gate_exposure","g","r","true","","no_values",""]"#,
            r#"{"kind":"gate_exposure"}"#,
        ] {
            assert_eq!(Subject::decode(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_field_survives_its_dictionary_form() {
        for &place in Place::ALL {
            for key in ["revenue", "", "pri\"ce \u{1F98A}\\"] {
                let field = Field { name: TermId(u32::MAX), place, key: key.into() };
                assert_eq!(Field::decode(&field.encode()), Some(field));
            }
        }
        for damaged in ["", "[]", r#"[1,"metadata"]"#, r#"[-1,"user","k"]"#, r#"[1,"luck","k"]"#, r#"[1,"user","k",1]"#]
        {
            assert_eq!(Field::decode(damaged), None, "{damaged}");
        }
    }
}
