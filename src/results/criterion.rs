//! Whether an event meets a filter. Knows texts and numbers; not where they were found.

use super::definition::{Criterion, CriterionTest};

impl Criterion {
    /// Whether a text meets it; `None` where the event has none.
    pub(super) fn text_meets(&self, text: Option<&str>) -> bool {
        meets(&self.test, text, self.missing_passes)
    }

    /// Whether an event's value meets it; NaN where the event has none. A value is met as its shortest text is.
    pub(super) fn value_meets(&self, value: f64) -> bool {
        if value.is_nan() { self.text_meets(None) } else { self.text_meets(Some(&value.to_string())) }
    }
}

/// Whether a text meets a test; where there is none, whether that passes.
pub(super) fn meets(test: &CriterionTest, text: Option<&str>, missing_passes: bool) -> bool {
    use CriterionTest::*;
    match (test, text) {
        (IsNull, text) => text.is_none(),
        (NonNull, text) => text.is_some(),
        (_, None) => missing_passes,
        (In(these), Some(text)) => these.iter().any(|one| is_same(one, text)),
        (NotIn(these), Some(text)) => !these.iter().any(|one| is_same(one, text)),
        (Greater(than), Some(text)) => number(text).is_some_and(|number| number > *than),
        (Less(than), Some(text)) => number(text).is_some_and(|number| number < *than),
        (GreaterOrEqual(than), Some(text)) => number(text).is_some_and(|number| number >= *than),
        (LessOrEqual(than), Some(text)) => number(text).is_some_and(|number| number <= *than),
        (Contains(these), Some(text)) => these.iter().any(|one| text.contains(one.as_str())),
        (NotContains(these), Some(text)) => !these.iter().any(|one| text.contains(one.as_str())),
        (StartsWith(these), Some(text)) => these.iter().any(|one| text.starts_with(one.as_str())),
        (EndsWith(these), Some(text)) => these.iter().any(|one| text.ends_with(one.as_str())),
        (IsTrue, Some(text)) => text == "true",
        (IsFalse, Some(text)) => text == "false",
    }
}

/// A text that is wholly a finite number, as that number.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Equal to the letter, or as numbers: `1.0` is `1`.
fn is_same(wanted: &str, text: &str) -> bool {
    wanted == text || matches!((number(wanted), number(text)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::super::definition::CriterionOf;
    use super::*;

    #[test]
    fn each_comparison_says_yes_and_no() {
        use CriterionTest::*;
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rows: Vec<(CriterionTest, &[&str], &[&str])> = vec![
            (In(list(&["shoes", "1"])), &["shoes", "1", "1.0"], &["Shoes", "2", "", " 1"]),
            (NotIn(list(&["shoes", "1"])), &["Shoes", "2", ""], &["shoes", "1.0"]),
            (Greater(2.0), &["2.5", "1e3"], &["2", "two", "", "NaN"]),
            (Less(2.0), &["-1"], &["2", "inf", ""]),
            (GreaterOrEqual(2.0), &["2"], &["1.9"]),
            (LessOrEqual(2.0), &["2"], &["2.1"]),
            (Contains(list(&["a", "b"])), &["xbx"], &["x"]),
            (NotContains(list(&["a", "b"])), &["x"], &["xbx"]),
            (StartsWith(list(&["ab"])), &["abc"], &["cab"]),
            (EndsWith(list(&["ab"])), &["cab"], &["abc"]),
            (IsTrue, &["true"], &["false", "1", "True"]),
            (IsFalse, &["false"], &["true", "0"]),
            (NonNull, &["", "x"], &[]),
            (IsNull, &[], &["", "x"]),
        ];
        for (test, yes, no) in rows {
            let criterion = |missing_passes| Criterion { of: CriterionOf::Value, test: test.clone(), missing_passes };
            yes.iter().for_each(|text| assert!(criterion(false).text_meets(Some(text)), "{test:?} {text}"));
            no.iter().for_each(|text| assert!(!criterion(true).text_meets(Some(text)), "{test:?} {text}"));
            let (without, with) = (criterion(false).text_meets(None), criterion(true).text_meets(None));
            match test {
                IsNull => assert!(without && with),
                NonNull => assert!(!without && !with),
                _ => assert!(!without && with, "{test:?}"),
            }
        }
    }

    #[test]
    fn a_value_is_compared_as_a_number() {
        let of = |test| Criterion { of: CriterionOf::Value, test, missing_passes: false };
        assert!(of(CriterionTest::In(vec!["20".into()])).value_meets(20.0));
        assert!(of(CriterionTest::Less(0.0)).value_meets(-0.5));
        assert!(of(CriterionTest::IsNull).value_meets(f64::NAN) && !of(CriterionTest::NonNull).value_meets(f64::NAN));
        assert!(!of(CriterionTest::Greater(0.0)).value_meets(f64::NAN));
    }
}
