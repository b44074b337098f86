//! A regular expression of a condition, compiled once. Weir reads those of the `regex` crate, which take linear time: no
//! look-around, no backreferences.

use regex::Regex;

/// A regular expression that Weir can read.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern, or says what is wrong with it in one line.
    pub fn new(text: &str) -> Result<Pattern, String> {
        // The last line of the crate's message says what is wrong; those above it draw where.
        let why = |error: regex::Error| {
            let message = error.to_string();
            message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string()
        };
        Regex::new(text).map(Pattern).map_err(why)
    }

    /// Whether it is found anywhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
