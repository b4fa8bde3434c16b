//! JSON that means one thing only.
//!
//! First reader of every header and payload from outside. Two parsers may disagree about a member that
//! occurs twice, so such a document is refused whole, at every level; so is deep nesting. Never interprets
//! a value; `Object` hands out members as the very text that was signed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting of objects and arrays that is read.
pub const DEPTH_MAX: usize = 32;

/// So many names are compared one by one.
const FEW: usize = 16;

/// Not JSON, not an object where one is due, a member that occurs twice, or nesting too deep.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not a JSON object, or not unambiguous.
    #[error("not an unambiguous JSON object")]
    Json,
}

/// Walks one value; errs on a duplicate member and below `DEPTH_MAX`.
struct Strict(usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Strict {
    fn below<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.0 >= DEPTH_MAX { Err(E::custom("nested too deep")) } else { Ok(self.0 + 1) }
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without duplicate members")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.below()?;
        while seq.next_element_seed(Strict(depth))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.below()?;
        let mut seen = Names::default();
        while let Some(name) = map.next_key()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("a member occurs twice"));
            }
            map.next_value_seed(Strict(depth))?;
        }
        Ok(())
    }
}

/// The names of one object. Few are compared one by one: that costs no hash, and most objects have few members.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Name<'a>>,
    many: HashSet<Name<'a>>,
}

impl<'a> Names<'a> {
    /// Whether it was not there.
    fn insert(&mut self, name: Name<'a>) -> bool {
        if self.few.len() < FEW {
            let new = !self.few.contains(&name);
            self.few.push(name);
            return new;
        }
        !self.few.contains(&name) && self.many.insert(name)
    }
}

/// A member's name, borrowed from the text where it has no escapes.
#[derive(serde::Deserialize, PartialEq, Eq, Hash)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Checks that `json` is one value without duplicate members, not nested deeper than `DEPTH_MAX`.
pub fn check(json: &[u8]) -> Result<(), Error> {
    let mut d = serde_json::Deserializer::from_slice(json);
    Strict(0).deserialize(&mut d).map_err(|_| Error::Json)?;
    d.end().map_err(|_| Error::Json)
}

/// A JSON object, its members as the text that stood there.
#[derive(Debug)]
pub struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    /// Checks the whole document strictly and splits the outermost object.
    pub fn parse(json: &'a [u8]) -> Result<Self, Error> {
        check(json)?;
        serde_json::from_slice(json).map_err(|_| Error::Json)
    }

    /// Splits an object that is part of a document which was already checked.
    pub fn within(checked: &'a str) -> Result<Self, Error> {
        serde_json::from_str(checked).map_err(|_| Error::Json)
    }

    /// The text of the member `name`, `null` included.
    pub fn member(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, text)| *text)
    }

    /// All members in the order of the document.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, text)| (&**name, *text))
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut out = vec![];
                while let Some((Name(name), value)) = map.next_entry::<_, &'de RawValue>()? {
                    out.push((name, value.get()));
                }
                Ok(Object(out))
            }
        }
        d.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_meaning_only() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let good =
            [r#"{"a":{"x":1},"b":{"x":[1.5,-2,true,null,"s\n"]}}"#.to_string(), nested(32), "7".into()];
        for json in &good {
            assert_eq!(check(json.as_bytes()), Ok(()), "{json}");
        }
        let bad = [
            r#"{"a":1,"a":1}"#.to_string(),
            r#"{"a":1,"\u0061":2}"#.to_string(),
            r#"{"x":[{"y":{"a":1,"a":2}}]}"#.to_string(),
            nested(33),
            nested(10_000),
            "{\"a\":".repeat(10_000),
            "[".repeat(200_000),
            "{} x".into(),
            "{\"a\":1e999}".into(),
            r#"{"a":"\ud800"}"#.into(),
            String::new(),
        ];
        for json in &bad {
            assert_eq!(check(json.as_bytes()), Err(Error::Json), "{}", &json[..json.len().min(40)]);
        }
        assert_eq!(check(b"{\"a\":\"\xff\"}"), Err(Error::Json));
    }

    #[test]
    fn twice_is_twice_also_among_many() {
        let many = |names: &[usize]| {
            let members: Vec<String> = names.iter().map(|n| format!(r#""m{n}":{n}"#)).collect();
            format!("{{{}}}", members.join(","))
        };
        let all: Vec<usize> = (0..3 * FEW).collect();
        assert_eq!(check(many(&all).as_bytes()), Ok(()));
        for again in [0, FEW - 1, FEW, 3 * FEW - 1] {
            let twice: Vec<usize> = all.iter().copied().chain([again]).collect();
            assert_eq!(check(many(&twice).as_bytes()), Err(Error::Json), "{again}");
        }
    }

    #[test]
    fn members_stay_verbatim() {
        let object = Object::parse(br#" {"a": {"x" : 1.50}, "n":null} "#).unwrap();
        assert_eq!(object.member("a"), Some(r#"{"x" : 1.50}"#));
        assert_eq!(object.member("n"), Some("null"));
        assert_eq!(object.member("z"), None);
        assert_eq!(Object::within(object.member("a").unwrap()).unwrap().len(), 1);
        assert_eq!(Object::parse(b"[1]").unwrap_err(), Error::Json);
    }
}
