//! A text that tells units apart: that of each unit's first exposure. Knows no group and no metric.

use super::roster::NOBODY;
use crate::event::Timestamp;
use hashbrown::HashMap;

/// Says that the exposure has no such text.
pub(super) const NO_TEXT: u32 = u32::MAX;

/// Texts by number.
#[derive(Debug, Default)]
pub(super) struct Texts {
    codes: HashMap<String, u32>,
    texts: Vec<String>,
    /// What all texts together are long.
    length: usize,
}

impl Texts {
    /// The code of a text, new or known.
    pub fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let code = self.texts.len() as u32;
        self.length += text.len();
        self.texts.push(text.to_owned());
        self.codes.insert(text.to_owned(), code);
        code
    }

    pub fn text(&self, code: u32) -> Option<&str> {
        self.texts.get(code as usize).map(String::as_str)
    }

    pub fn bytes(&self) -> usize {
        let codes = self.codes.capacity() * (size_of::<(String, u32)>() + 1);
        codes + size_of_val(self.texts.as_slice()) + 2 * self.length
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strata {
    texts: Texts,
    /// By unit: when it was exposed first, and the code of its text then.
    of_unit: Vec<(Timestamp, u32)>,
}

impl Strata {
    pub fn code(&mut self, text: &str) -> u32 {
        self.texts.code(text)
    }

    pub fn text(&self, code: u32) -> Option<&str> {
        self.texts.text(code)
    }

    /// A unit was exposed. Of two exposures at one moment the lesser text counts, so that the order of the log does not show.
    pub fn meet(&mut self, unit: u32, time: Timestamp, code: Option<u32>) {
        if unit == NOBODY {
            return;
        }
        let at = unit as usize;
        if self.of_unit.len() <= at {
            self.of_unit.resize(at + 1, (Timestamp::MAX, NO_TEXT));
        }
        let code = code.unwrap_or(NO_TEXT);
        let (known, known_code) = self.of_unit[at];
        let lesser = || match (self.text(code), self.text(known_code)) {
            (Some(text), Some(known)) => text < known,
            (text, _) => text.is_some(),
        };
        if time < known || (time == known && lesser()) {
            self.of_unit[at] = (time, code);
        }
    }

    pub fn bytes(&self) -> usize {
        size_of_val(self.of_unit.as_slice()) + self.texts.bytes()
    }

    /// The code of a unit's text at its first exposure.
    pub fn of(&self, unit: u32) -> u32 {
        self.of_unit.get(unit as usize).map_or(NO_TEXT, |(_, code)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_the_first_exposure_counts_whatever_the_order() {
        let met = [(5, Some("CA")), (3, Some("US")), (3, Some("DE")), (3, None), (9, None)];
        for rotate in 0..met.len() {
            let mut strata = Strata::default();
            let mut met = met;
            met.rotate_left(rotate);
            for (time, text) in met {
                let code = text.map(|text| strata.code(text));
                strata.meet(0, Timestamp(time), code);
            }
            strata.meet(2, Timestamp(1), None);
            strata.meet(NOBODY, Timestamp(1), Some(0));
            assert_eq!(strata.text(strata.of(0)), Some("DE"));
            assert_eq!((strata.of(1), strata.of(2), strata.of(7)), (NO_TEXT, NO_TEXT, NO_TEXT));
        }
    }
}
