//! JSON texts that mean the same become the same text: members sorted, no blanks, one spelling of each string.
//!
//! For hashes (`names`). Reads into borrowed parts and writes once: every SET passes here at the door. Never for what
//! is sent or kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Number;

/// A JSON value, strings borrowed from the text where they have no escapes.
enum Part<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Part<'a>>),
    /// Sorted by name. Of a name that occurs twice the last counts.
    Members(Vec<(Name<'a>, Part<'a>)>),
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// JSON text in its one form; text that is no JSON stays as it is.
pub fn canonical(json: &str) -> Cow<'_, str> {
    let part: Result<Part<'_>, _> = serde_json::from_str(json);
    match part.and_then(|part| serde_json::to_string(&part)) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(json),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Part::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Part::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Part::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Part::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Part::Null, Part::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Part::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Part::Text(Cow::Owned(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = vec![];
        while let Some(part) = seq.next_element()? {
            list.push(part);
        }
        Ok(Part::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(Name<'de>, Part<'de>)> = vec![];
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        members.sort_by(|(a, _), (b, _)| a.0.cmp(&b.0));
        Ok(Part::Members(members))
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => s.serialize_unit(),
            Self::Bool(value) => s.serialize_bool(*value),
            Self::Number(number) => number.serialize(s),
            Self::Text(text) => s.serialize_str(text),
            Self::List(list) => s.collect_seq(list),
            Self::Members(members) => {
                let mut map = s.serialize_map(None)?;
                let mut rest = members.iter().peekable();
                while let Some((name, part)) = rest.next() {
                    if rest.peek().is_none_or(|(next, _)| next.0 != name.0) {
                        map.serialize_entry(&name.0, part)?;
                    }
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What released builds did.
    fn by_value(json: &str) -> String {
        match serde_json::from_str::<serde_json::Value>(json) {
            Ok(mut value) => {
                value.sort_all_objects();
                value.to_string()
            }
            Err(_) => json.into(),
        }
    }

    #[test]
    fn it_is_the_text_that_released_builds_hash() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let too_deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for json in [
            r#"{"b":{"y":1,"x":[1, 2.50,-0,-0.0,1e3,1E-7,18446744073709551615,-9223372036854775808]},"a":null}"#,
            r#" { "z" : "a\u0041\n\u001f\/\"" , "\u0061":true, "é": "\ud83d\ude00 😀" } "#,
            r#"{"a":1,"b":2,"a":{"c":3,"c":4}}"#,
            r#"{"a":[{"b":1,"a":2},{}],"A":[]}"#,
            "1e400",
            "0.1",
            "100000000000000000000",
            "1.7976931348623157e308",
            "\"x\"",
            "",
            "{",
            "{} {}",
            r#"{"a":"\ud800"}"#,
            &deep,
            &too_deep,
        ] {
            assert_eq!(canonical(json), by_value(json), "{json}");
        }
    }
}
