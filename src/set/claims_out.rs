//! The payload of a SET that the hub issues (SSF 4): our envelope around what was said, word for word.
//!
//! Called by the transmitter's signing pool. `iat`, `jti` and `txn` are given, never drawn here: the same
//! entry gives the same bytes. Never writes `sub` or `exp`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A text that was to go out verbatim is no JSON: a bug, not a peer's fault.
#[derive(Debug, thiserror::Error)]
#[error("a verbatim member is not JSON")]
pub struct NotJson;

/// The claims of an outgoing SET.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Issuer of the stream.
    pub iss: &'a str,
    /// Audience of the stream; one is written as a string, several as an array.
    pub aud: &'a [String],
    /// Entry time in seconds since 1970.
    pub iat: i64,
    /// The derived name.
    pub jti: &'a str,
    /// The cause.
    pub txn: Option<&'a str>,
    /// When it happened, in seconds since 1970.
    pub toe: Option<i64>,
    /// The text of the subject identifier.
    pub sub_id_json: &'a str,
    /// The event's URI.
    pub event_uri: &'a str,
    /// The text of the event object.
    pub event_json: &'a str,
}

impl Outgoing<'_> {
    /// The payload's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>, NotJson> {
        let raw = |json| serde_json::from_str::<&RawValue>(json).map_err(|_| NotJson);
        let payload = Payload {
            iss: self.iss,
            jti: self.jti,
            iat: self.iat,
            aud: Audience(self.aud),
            txn: self.txn,
            toe: self.toe,
            sub_id: raw(self.sub_id_json)?,
            events: One(self.event_uri, raw(self.event_json)?),
        };
        serde_json::to_vec(&payload).map_err(|_| NotJson)
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    jti: &'a str,
    iat: i64,
    aud: Audience<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    toe: Option<i64>,
    sub_id: &'a RawValue,
    events: One<'a>,
}

struct Audience<'a>(&'a [String]);

impl Serialize for Audience<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => s.serialize_str(one),
            many => many.serialize(s),
        }
    }
}

struct One<'a>(&'a str, &'a RawValue);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(1))?;
        map.serialize_entry(self.0, self.1)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbatim_inside_our_envelope() {
        let aud = ["https://a".to_string(), "b".to_string()];
        let mut out = Outgoing {
            iss: "https://hub/t/x",
            aud: &aud[..1],
            iat: 7,
            jti: "j\"",
            txn: None,
            toe: None,
            sub_id_json: r#"{ "format":"opaque","id":"\u0078" }"#,
            event_uri: "urn:x",
            event_json: r#"{"n": 1.50}"#,
        };
        let text = |out: &Outgoing<'_>| String::from_utf8(out.to_json().unwrap()).unwrap();
        let want = r#"{"iss":"https://hub/t/x","jti":"j\"","iat":7,"aud":"https://a","sub_id":{ "format":"opaque","id":"\u0078" },"events":{"urn:x":{"n": 1.50}}}"#;
        assert_eq!(text(&out), want);
        (out.aud, out.txn, out.toe) = (&aud, Some("t"), Some(5));
        assert!(text(&out).contains(r#""aud":["https://a","b"],"txn":"t","toe":5,"#));
        out.event_json = r#"{},"sub":"x""#;
        assert!(out.to_json().is_err());
    }
}
