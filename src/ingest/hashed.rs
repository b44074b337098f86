//! Names that reach us as hashes: what browsers download calls gates and experiments by hashes, and their exposures repeat
//! these. Knows which names there are, not what they stand for.

use crate::evaluate::{djb2, sha256_base64};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// The way back from a hash to the name of a gate, config, experiment, layer, segment or holdout.
#[derive(Debug, Clone, Default)]
pub struct HashedNames {
    names: HashSet<Arc<str>>,
    /// `None` where two names have the same hash: a wrong name would be worse than none.
    by_hash: HashMap<String, Option<Arc<str>>>,
}

impl HashedNames {
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> HashedNames {
        let mut hashed = HashedNames::default();
        for name in names {
            let name: Arc<str> = name.into();
            if !hashed.names.insert(name.clone()) {
                continue;
            }
            for hash in [djb2(&name), sha256_base64(&name)] {
                hashed.by_hash.entry(hash).and_modify(|found| *found = None).or_insert_with(|| Some(name.clone()));
            }
        }
        hashed
    }

    /// The name whose hash this is; `None` for what is a name itself, and for what is the hash of none.
    pub fn name_of(&self, text: &str) -> Option<&str> {
        if self.names.contains(text) {
            return None;
        }
        self.by_hash.get(text)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_lead_back_to_the_name_and_names_stay_what_they_are() {
        let names = HashedNames::new(["layered_exp", "a gate", "layered_exp", "2404062244"]);
        for (text, expected) in [
            // As @statsig/js-client sent it of an experiment in a layer.
            ("2970366734", Some("layered_exp")),
            (&sha256_base64("layered_exp"), Some("layered_exp")),
            (&djb2("a gate"), Some("a gate")),
            ("layered_exp", None),
            ("2404062244", None),
            ("2970366735", None),
            ("", None),
        ] {
            assert_eq!(names.name_of(text), expected, "{text}");
        }
        assert_eq!(HashedNames::default().name_of("2970366734"), None);
    }

    #[test]
    fn a_hash_of_two_names_leads_to_neither() {
        // 31 * 'A' + 'a' is 31 * 'B' + 'B'.
        assert_eq!(djb2("Aa"), djb2("BB"));
        let names = HashedNames::new(["Aa", "BB", "Ab"]);
        assert_eq!((names.name_of(&djb2("Aa")), names.name_of(&djb2("Ab"))), (None, Some("Ab")));
        assert_eq!(names.name_of(&sha256_base64("BB")), Some("BB"));
    }
}
