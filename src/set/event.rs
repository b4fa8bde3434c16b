//! One event of a SET: its type, the claims that all CAEP events share, and what its type adds.
//!
//! Parsed from the event object once the signature holds; read by `policy`. The object's own text travels
//! beside it (`Claims::event_json`), so nothing that goes out is built from here. Never judges whether the
//! sender may say this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::event_type::EventType;
use super::members::Members;
use super::payload::{Error, Payload};

/// Latest moment that is read: 9999-12-31T23:59:59Z, in seconds.
pub const TIME_S_MAX: i64 = 253_402_300_799;

/// From here on an `event_timestamp` is read as milliseconds (AMB-39).
const MILLIS_FROM: i64 = 100_000_000_000;

/// Reasons by BCP 47 language tag (CAEP 2).
pub type Reasons = BTreeMap<String, String>;

/// Who set off what happened (CAEP 2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitiatingEntity {
    /// An administrator.
    Admin,
    /// The user.
    User,
    /// A policy evaluation.
    Policy,
    /// The system itself.
    System,
    /// A word that CAEP does not know, kept.
    #[serde(untagged)]
    Other(String),
}

/// The claims that any CAEP event may carry (CAEP 2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Common {
    /// When it happened, in milliseconds since 1970 whatever the sender's unit was.
    pub event_timestamp_ms: Option<i64>,
    /// Who set it off.
    pub initiating_entity: Option<InitiatingEntity>,
    /// Why, for logs.
    pub reason_admin: Option<Reasons>,
    /// Why, for the user.
    pub reason_user: Option<Reasons>,
}

/// An event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What sort of event.
    pub event_type: EventType,
    /// The URI under which it stood in `events`: an alternative one, perhaps.
    pub uri: String,
    /// What all CAEP events share; empty for types that do not define it.
    pub common: Common,
    /// What its type adds.
    pub payload: Payload,
}

impl Event {
    /// Parses an event object and holds it to its type's definition (CAEP 3, RISC 2, SSF 8.1.4–5).
    /// Unknown members are ignored; an unknown type is kept as it is.
    pub fn parse(uri: &str, members: &Map<String, Value>, dialect: Dialect) -> Result<Self, Error> {
        let event_type = EventType::from_uri(uri);
        let common = Common::parse(&event_type, members)?;
        let payload = Payload::parse(&event_type, members, dialect)?;
        Ok(Self { event_type, uri: uri.into(), common, payload })
    }

    /// Parses the text of an event object, as the journal keeps it.
    pub fn parse_str(uri: &str, json: &str, dialect: Dialect) -> Result<Self, Error> {
        Self::parse(uri, &serde_json::from_str(json).map_err(|_| Error::NotAnObject)?, dialect)
    }
}

impl Common {
    fn parse(event_type: &EventType, members: &Map<String, Value>) -> Result<Self, Error> {
        let members = Members(members);
        let compromise = *event_type == EventType::CredentialCompromise;
        if !compromise
            && !event_type.uri().starts_with("https://schemas.openid.net/secevent/caep/event-type/")
        {
            return Ok(Self::default());
        }
        // RISC does not define it: there it is an unknown member like any other.
        let initiating_entity = match compromise {
            true => None,
            false => members.optional_text("initiating_entity")?.map(|t| InitiatingEntity::from(t.as_str())),
        };
        Ok(Self {
            event_timestamp_ms: members.optional("event_timestamp").map(event_timestamp_ms).transpose()?,
            initiating_entity,
            reason_admin: reasons(members, "reason_admin", compromise)?,
            reason_user: reasons(members, "reason_user", compromise)?,
        })
    }
}

impl From<&str> for InitiatingEntity {
    fn from(text: &str) -> Self {
        match text {
            "admin" => Self::Admin,
            "user" => Self::User,
            "policy" => Self::Policy,
            "system" => Self::System,
            other => Self::Other(other.into()),
        }
    }
}

/// Seconds, or milliseconds where the number is too large for seconds; fractions of a second count.
fn event_timestamp_ms(value: &Value) -> Result<i64, Error> {
    const NAME: &str = "event_timestamp";
    let number = value.as_number().ok_or(Error::Type(NAME))?;
    let ms = match number.as_i64() {
        Some(n) if n > MILLIS_FROM => n,
        Some(n) => n.saturating_mul(1000),
        None => {
            let n = number.as_f64().filter(|n| n.is_finite()).ok_or(Error::Value(NAME))?;
            let ms = if n > MILLIS_FROM as f64 { n } else { n * 1000.0 };
            // A float-to-integer cast saturates; the range check below sees it.
            ms.round() as i64
        }
    };
    if (0..=TIME_S_MAX * 1000).contains(&ms) { Ok(ms) } else { Err(Error::Value(NAME)) }
}

/// A language map with at least one entry. RISC's credential-compromise does not say what its reasons look
/// like, so a plain string passes there (AMB-18); it gets the tag `und`.
fn reasons(members: Members<'_>, name: &'static str, or_text: bool) -> Result<Option<Reasons>, Error> {
    match members.optional(name) {
        None => Ok(None),
        Some(Value::String(text)) if or_text => Ok(Some(Reasons::from([("und".into(), text.clone())]))),
        Some(Value::Object(map)) if !map.is_empty() => {
            let pair = |(tag, text): (&String, &Value)| Some((tag.clone(), text.as_str()?.to_string()));
            map.iter().map(pair).collect::<Option<_>>().map(Some).ok_or(Error::Type(name))
        }
        Some(_) => Err(Error::Type(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caep(name: &str, json: &str) -> Result<Event, Error> {
        let uri = format!("https://schemas.openid.net/secevent/caep/event-type/{name}");
        Event::parse_str(&uri, json, Dialect::Ssf)
    }

    #[test]
    fn event_timestamp_in_any_unit() {
        let at = |n: &str| caep("session-revoked", &format!("{{\"event_timestamp\":{n}}}"));
        for (text, ms) in [
            ("0", 0),
            ("1615304991", 1_615_304_991_000),
            ("1615304991643", 1_615_304_991_643),
            ("1615304991.643", 1_615_304_991_643),
            ("1.615304991e9", 1_615_304_991_000),
            ("100000000000", 100_000_000_000_000),
            ("100000000001", 100_000_000_001),
        ] {
            assert_eq!(at(text).unwrap().common.event_timestamp_ms, Some(ms), "{text}");
        }
        for bad in ["-1", "1e300", "-1e300", "18446744073709551615", "\"1\"", "null", "9223372036854775807"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn common_claims() {
        let json = r#"{"initiating_entity":"policy","reason_admin":{"en":"r"},"x":1}"#;
        let common = caep("session-revoked", json).unwrap().common;
        assert_eq!(common.initiating_entity, Some(InitiatingEntity::Policy));
        assert_eq!(common.reason_admin.unwrap()["en"], "r");
        let other = caep("session-revoked", r#"{"initiating_entity":"robot"}"#).unwrap().common;
        assert_eq!(other.initiating_entity, Some(InitiatingEntity::Other("robot".into())));
        for bad in [
            r#"{"initiating_entity":1}"#,
            r#"{"reason_admin":"text"}"#,
            r#"{"reason_admin":{}}"#,
            r#"{"reason_user":{"en":1}}"#,
            r#"{"reason_user":null}"#,
        ] {
            assert!(caep("session-revoked", bad).is_err(), "{bad}");
        }
        let uri = EventType::CredentialCompromise.uri().to_string();
        let json = r#"{"credential_type":"password","reason_admin":"leak","event_timestamp":5}"#;
        let event = Event::parse_str(&uri, json, Dialect::Ssf).unwrap();
        assert_eq!(event.common.reason_admin.unwrap()["und"], "leak");
        let entity: InitiatingEntity = serde_json::from_str("\"admin\"").unwrap();
        assert_eq!(entity, InitiatingEntity::Admin);
    }
}
