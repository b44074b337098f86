//! A captured event with holes in it: the text is cut once into pieces and holes, so that filling it is mostly copying.
//! Knows the holes' spelling; what goes into them is decided by `corpus`.

use std::collections::BTreeMap;

/// What a hole is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hole {
    /// A UUID that no other event has.
    MessageUuid,
    /// The person's own UUID.
    AnonymousUuid,
    /// The person's user id.
    User,
    /// The event's name.
    Event,
    /// One of 65,536 products, the same one throughout an event.
    Item,
    /// 16 random hexadecimal digits.
    Hex,
    /// Milliseconds since 1970, in digits.
    Millis,
    /// `2026-11-23T12:58:19.353Z`.
    Iso,
    /// `2026-11-23T12:58:19.353+00:00`.
    IsoOffset,
    /// 0.00 to 499.99.
    Price,
    /// 1 to 9.
    Count,
    /// 0 to 99,999.
    Sequence,
    /// 16 hexadecimal digits, the same ones throughout an event.
    Click,
    /// The person's IPv4 address.
    Ip,
    /// A word of this list, drawn for this hole alone.
    Fresh(usize),
    /// A word of this list, by a draw of the event. Lists of one length are drawn together: a path with its title.
    Drawn(usize),
    /// A word of this list that belongs to the person: always the same browser.
    Personal(usize),
}

/// A body cut at its holes.
#[derive(Debug)]
pub struct Template {
    /// Each piece is copied before its hole is filled.
    pub parts: Vec<(Vec<u8>, Hole)>,
    pub tail: Vec<u8>,
}

/// Why a shape is no template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    #[error("a hole is not closed: {0}")]
    Open(String),
    #[error("no hole is called `{0}`")]
    Unknown(String),
}

impl Template {
    /// Cuts `text` at `${...}`. A hole `${#...}` is a number: the quotes around it are part of the hole. `lists` maps the name
    /// of a word list to its index; `${name}` draws one word of it an event, `${~name}` one a hole, and `${@name}` takes the
    /// person's.
    pub fn parse(text: &str, lists: &BTreeMap<String, usize>) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (mut before, hole) = (&rest[..start], &rest[start + 2..]);
            let end = hole.find('}').ok_or_else(|| TemplateError::Open(hole.to_owned()))?;
            let name = &hole[..end];
            rest = &hole[end + 1..];
            if name.starts_with('#')
                && let (Some(b), Some(r)) = (before.strip_suffix('"'), rest.strip_prefix('"'))
            {
                (before, rest) = (b, r);
            }
            let unknown = || TemplateError::Unknown(name.to_owned());
            let hole = match name {
                "uuid" => Hole::MessageUuid,
                "anonymous" => Hole::AnonymousUuid,
                "user" => Hole::User,
                "event" => Hole::Event,
                "item" => Hole::Item,
                "hex" => Hole::Hex,
                "click" => Hole::Click,
                "ip" => Hole::Ip,
                "ms" => Hole::Millis,
                "iso" => Hole::Iso,
                "iso+00:00" => Hole::IsoOffset,
                "#price" => Hole::Price,
                "#count" => Hole::Count,
                "#sequence" => Hole::Sequence,
                list => {
                    let at = |list: &str| lists.get(list).copied().ok_or_else(unknown);
                    if let Some(list) = list.strip_prefix('@') {
                        Hole::Personal(at(list)?)
                    } else if let Some(list) = list.strip_prefix('~') {
                        Hole::Fresh(at(list)?)
                    } else {
                        Hole::Drawn(at(list)?)
                    }
                }
            };
            parts.push((before.as_bytes().to_vec(), hole));
        }
        Ok(Template { parts, tail: rest.as_bytes().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_holes() {
        let lists = BTreeMap::from([("os".to_owned(), 3)]);
        let template = Template::parse(r#"{"a":"${#price}","b":"x${@os}","c":"${os} ${~os}"}"#, &lists).unwrap();
        let parts: Vec<(&str, Hole)> =
            template.parts.iter().map(|(text, hole)| (std::str::from_utf8(text).unwrap(), *hole)).collect();
        assert_eq!(
            parts,
            [
                (r#"{"a":"#, Hole::Price),
                (r#","b":"x"#, Hole::Personal(3)),
                (r#"","c":""#, Hole::Drawn(3)),
                (" ", Hole::Fresh(3))
            ]
        );
        assert_eq!(template.tail, br#""}"#);
    }

    #[test]
    fn a_wrong_hole_is_named() {
        let none = BTreeMap::new();
        assert_eq!(Template::parse("${colour}", &none).unwrap_err(), TemplateError::Unknown("colour".to_owned()));
        assert_eq!(Template::parse("a${uuid", &none).unwrap_err(), TemplateError::Open("uuid".to_owned()));
    }
}
