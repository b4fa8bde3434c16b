//! Reading the claims of an event object by name and JSON type.
//!
//! The hand tool of `event` and `payload`. A claim that is `null` is present and has the wrong type. Never
//! puts a value into an error, only the claim's name.

use serde::de::IntoDeserializer as _;
use serde_json::{Map, Value};

use super::payload::Error;

/// Reads claims by name and type.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(super) fn optional(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    pub(super) fn required(self, name: &'static str) -> Result<&'a Value, Error> {
        self.optional(name).ok_or(Error::Missing(name))
    }

    pub(super) fn optional_text(self, name: &'static str) -> Result<Option<String>, Error> {
        match self.optional(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(|s| Some(s.into())).ok_or(Error::Type(name)),
        }
    }

    /// A REQUIRED string; an empty one says nothing and is none.
    pub(super) fn text(self, name: &'static str) -> Result<String, Error> {
        let text = self.optional_text(name)?.ok_or(Error::Missing(name))?;
        if text.is_empty() { Err(Error::Value(name)) } else { Ok(text) }
    }

    pub(super) fn texts(self, name: &'static str) -> Result<Vec<String>, Error> {
        let Some(value) = self.optional(name) else { return Ok(vec![]) };
        let all = value.as_array().ok_or(Error::Type(name))?;
        all.iter().map(|v| v.as_str().map(String::from).ok_or(Error::Type(name))).collect()
    }

    pub(super) fn optional_closed<T: serde::de::DeserializeOwned>(
        self,
        name: &'static str,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let word: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            text.as_str().into_deserializer();
        T::deserialize(word).map(Some).map_err(|_| Error::Value(name))
    }

    pub(super) fn closed<T: serde::de::DeserializeOwned>(self, name: &'static str) -> Result<T, Error> {
        self.optional_closed(name)?.ok_or(Error::Missing(name))
    }
}
