//! User accounting: the metrics that every ID type has, from whatever its units do. Names them; computes nothing.

/// A metric of the type `user`. Any event that metrics can be made of makes a unit active on its UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserMetric {
    /// Active on a day.
    Dau,
    /// Active on a day or one of the 6 before it.
    Wau,
    /// Active on a day or one of the 27 before it.
    Mau28Day,
    /// Active for the first time ever.
    NewDau,
    /// Of the new units: active again so many days after the first.
    Retention { day: u32 },
}

/// The names, which are Statsig's as far as it has the thing.
const NAMES: [(&str, UserMetric); 8] = [
    ("dau", UserMetric::Dau),
    ("wau", UserMetric::Wau),
    ("mau_28day", UserMetric::Mau28Day),
    ("new_dau", UserMetric::NewDau),
    ("d1_retention_rate", UserMetric::Retention { day: 1 }),
    ("d7_retention_rate", UserMetric::Retention { day: 7 }),
    ("d14_retention_rate", UserMetric::Retention { day: 14 }),
    ("d28_retention_rate", UserMetric::Retention { day: 28 }),
];

impl UserMetric {
    pub fn named(name: &str) -> Option<UserMetric> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, metric)| *metric)
    }

    /// All of their names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether it is one number over another, so that it has no sum.
    pub fn is_ratio(self) -> bool {
        matches!(self, UserMetric::Retention { .. })
    }
}
