//! What a dialect adds to an event object, for receivers that need it (`stream::dialect`).
//!
//! Called by the signer. Only ever adds a member that is not there; what was said stays as it was said.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::stream::dialect::Dialect;

/// Where the CAEP types lie.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
/// What a CAEP event without a reason gets where one must be (INTEROP-38, INTEROP-40).
const NO_REASON: &str = "The source of this event gave no reason.";

/// The event object as the dialect has it. What cannot be read as an object is left as it is.
pub fn dress<'a>(dialect: Dialect, uri: &str, sub_id: &str, event: &'a str) -> Cow<'a, str> {
    let dressed = match dialect {
        Dialect::Ssf => None,
        Dialect::CaepInterop if uri.starts_with(CAEP) => with_reason(event),
        Dialect::CaepInterop => None,
        Dialect::Okta => with_subject(sub_id, event),
    };
    dressed.map_or(Cow::Borrowed(event), Cow::Owned)
}

fn object(json: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(json).ok()
}

fn with_reason(event: &str) -> Option<String> {
    let mut members = object(event)?;
    let said = |reason: &Value| match reason {
        Value::Object(by_language) => {
            by_language.values().any(|text| text.as_str().is_some_and(|t| !t.is_empty()))
        }
        _ => false,
    };
    if members.get("reason_admin").is_some_and(said) {
        return None;
    }
    members.insert("reason_admin".into(), json!({ "en": NO_REASON }));
    Some(Value::Object(members).to_string())
}

fn with_subject(sub_id: &str, event: &str) -> Option<String> {
    let mut members = object(event)?;
    if members.contains_key("subject") {
        return None;
    }
    members.insert("subject".into(), serde_json::from_str(sub_id).ok()?);
    Some(Value::Object(members).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let (revoked, disabled) = (format!("{CAEP}session-revoked"), "urn:x".to_string());
        let sub_id = r#"{"format":"email","email":"a@b"}"#;
        let reason = format!(r#"{{"reason_admin":{{"en":"{NO_REASON}"}}}}"#);
        for (dialect, uri, event, want) in [
            (Dialect::Ssf, &revoked, "{ }", "{ }"),
            (Dialect::CaepInterop, &revoked, "{}", reason.as_str()),
            (Dialect::CaepInterop, &revoked, r#"{"reason_admin":{"en":""}}"#, reason.as_str()),
            (
                Dialect::CaepInterop,
                &revoked,
                r#"{ "reason_admin":{"de":"x"}}"#,
                r#"{ "reason_admin":{"de":"x"}}"#,
            ),
            (Dialect::CaepInterop, &disabled, "{}", "{}"),
            (
                Dialect::Okta,
                &disabled,
                r#"{"n":1.50}"#,
                r#"{"n":1.5,"subject":{"format":"email","email":"a@b"}}"#,
            ),
            (Dialect::Okta, &disabled, r#"{ "subject":7}"#, r#"{ "subject":7}"#),
            (Dialect::Okta, &disabled, "[]", "[]"),
        ] {
            assert_eq!(dress(dialect, uri, sub_id, event), want);
        }
    }
}
