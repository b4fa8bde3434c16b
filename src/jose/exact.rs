//! JSON into structs, each of them from a JSON object.
//!
//! Second reader of what comes from outside, behind [`super::strict`]. serde takes an array for a struct as well, its
//! members by their places: `["run","","r1"]` would be an alias, and `"authority": []` the authority to do everything.
//! Here a struct is an object at every level, and a choice has one member. Never reads a document that is not strict.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads a whole document. The error is for its sender.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    from_value(&object(json)?)
}

/// Reads a value that was checked strictly.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Exact(value))
}

/// A whole document as an object: no member twice, not too deep, and nothing else than an object.
pub fn object(json: &[u8]) -> Result<Value, Error> {
    // What is no JSON at all is told with its place.
    let value: Value = serde_json::from_slice(json)?;
    super::strict::check(json)
        .map_err(|_| Error::custom("a member occurs twice, or the body is nested too deep"))?;
    if value.is_object() { Ok(value) } else { Err(Error::custom("the body must be a JSON object")) }
}

#[derive(Clone, Copy)]
struct Exact<'a>(&'a Value);

impl<'de> IntoDeserializer<'de, Error> for Exact<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Exact<'de> {
    fn members(self) -> Option<MapDeserializer<'de, impl Iterator<Item = (&'de str, Self)>, Error>> {
        let members = self.0.as_object()?;
        Some(MapDeserializer::new(members.iter().map(|(name, value)| (name.as_str(), Exact(value)))))
    }
}

impl<'de> Deserializer<'de> for Exact<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(_) => self.deserialize_map(visitor),
            Value::Array(items) => {
                let mut seq = SeqDeserializer::new(items.iter().map(Exact));
                let read = visitor.visit_seq(&mut seq)?;
                seq.end()?;
                Ok(read)
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(mut members) = self.members() else { return Err(not_an_object()) };
        let read = visitor.visit_map(&mut members)?;
        members.end()?;
        Ok(read)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (self.0.as_object().map(serde_json::Map::len), self.members()) {
            (Some(1), Some(members)) => {
                MapAccessDeserializer::new(members).deserialize_enum(name, variants, visitor)
            }
            (Some(_), _) => Err(Error::custom(format!("needs exactly one of {}", variants.join(", ")))),
            (None, _) => self.0.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier ignored_any
    }
}

fn not_an_object() -> Error {
    Error::custom("a JSON object is needed where there is something else")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: String,
        #[serde(default)]
        b: Vec<u32>,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Plain,
        Held(Inner),
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Inner,
        choice: Choice,
        #[serde(default)]
        maybe: Option<Inner>,
        #[serde(default)]
        any: Value,
    }

    fn read(json: &str) -> Result<Outer, String> {
        from_slice(json.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn objects_are_read_and_arrays_are_none() {
        let inner = || Inner { a: "x".into(), b: vec![1, 2] };
        let good = r#"{"inner":{"a":"x","b":[1,2]},"choice":"plain","maybe":null,"any":[{"z":1.5}]}"#;
        let any = serde_json::json!([{"z": 1.5}]);
        assert_eq!(read(good), Ok(Outer { inner: inner(), choice: Choice::Plain, maybe: None, any }));
        let held = read(r#"{"inner":{"a":"x","b":[1,2]},"choice":{"held":{"a":"x","b":[1,2]}}}"#).unwrap();
        assert_eq!(held.choice, Choice::Held(inner()));
        for (bad, says) in [
            (r#"[{"a":"x"},"plain"]"#, "must be a JSON object"),
            ("7", "must be a JSON object"),
            ("null", "must be a JSON object"),
            ("", "EOF"),
            (r#"{"inner":["x"],"choice":"plain"}"#, "a JSON object is needed"),
            (r#"{"inner":{"a":"x"},"choice":"plain","maybe":["x"]}"#, "a JSON object is needed"),
            (r#"{"inner":{"a":"x"},"choice":{"held":["x"]}}"#, "a JSON object is needed"),
            (r#"{"inner":{"a":"x"},"choice":{"held":{"a":"x"},"plain":null}}"#, "exactly one of"),
            (r#"{"inner":{"a":"x"},"choice":{}}"#, "exactly one of"),
            (r#"{"inner":{"a":"x"},"choice":["plain"]}"#, ""),
            (r#"{"inner":{"a":"x","c":1},"choice":"plain"}"#, "unknown field `c`"),
            (r#"{"inner":{"a":"x","b":[1.5]},"choice":"plain"}"#, "invalid type"),
            (r#"{"inner":{"a":"x","b":[-1]},"choice":"plain"}"#, "invalid value"),
            (r#"{"inner":{"a":"x","a":"y"},"choice":"plain"}"#, "twice"),
            (r#"{"choice":"plain"}"#, "missing field `inner`"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
