//! What a dialect adds to an event object, for receivers that need it (`stream::dialect`).
//!
//! Called by the signer. Only ever adds a member that is not there; what was said stays as it was said. From the same words
//! it always makes the same words: what is signed again is the same SET.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::set::event_type::EventType;
use crate::stream::dialect::Dialect;

/// Where the CAEP types lie.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
/// What a CAEP event without a reason gets where one must be (INTEROP-38, INTEROP-40).
const NO_REASON: &str = "The source of this event gave no reason.";

/// Formats in which a simple subject names a user. The others of SSF 3.5 name a token, an assertion or an address.
const OF_A_USER: [&str; 8] =
    ["account", "aliases", "did", "email", "iss_sub", "opaque", "phone_number", "uri"];

/// The event object as the dialect has it. What cannot be read as an object is left as it is.
pub fn dress<'a>(dialect: Dialect, uri: &str, sub_id: &str, event: &'a str) -> Cow<'a, str> {
    let dressed = match dialect {
        Dialect::Ssf => None,
        Dialect::CaepInterop if uri.starts_with(CAEP) => with_reason(event),
        Dialect::CaepInterop => None,
        Dialect::Okta if may_name_subject(uri) => with_subject(sub_id, event),
        Dialect::Okta => None,
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

/// Whether the subject may stand inside the event too: in the types that CAEP and RISC define, and never in SSF's own, nor
/// in types that nobody here knows (SSF 1.0, 3.1.1, 3.1.2).
fn may_name_subject(uri: &str) -> bool {
    let event_type = EventType::from_uri(uri);
    !event_type.is_control() && !matches!(event_type, EventType::Other(_))
}

fn with_subject(sub_id: &str, event: &str) -> Option<String> {
    let mut members = object(event)?;
    if members.contains_key("subject") {
        return None;
    }
    members.insert("subject".into(), Value::Object(as_okta_reads(object(sub_id)?)));
    Some(Value::Object(members).to_string())
}

/// A subject as it stood inside events before there was `sub_id`: by roles, `user` among them, without saying that it is
/// complex. What by its format is no user's name keeps its own shape.
fn as_okta_reads(mut sub_id: Map<String, Value>) -> Map<String, Value> {
    let format = sub_id.get("format").and_then(Value::as_str).unwrap_or_default();
    if format == "complex" {
        // Not `remove`, which would move the last member to its place.
        sub_id.retain(|name, _| name != "format");
    } else if OF_A_USER.contains(&format) {
        return Map::from_iter([("user".to_string(), Value::Object(sub_id))]);
    }
    sub_id
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
                &revoked,
                r#"{"n":1.50}"#,
                r#"{"n":1.5,"subject":{"user":{"format":"email","email":"a@b"}}}"#,
            ),
            (Dialect::Okta, &disabled, r#"{ "n":1.50}"#, r#"{ "n":1.50}"#),
            (Dialect::Okta, &revoked, r#"{ "subject":7}"#, r#"{ "subject":7}"#),
            (Dialect::Okta, &revoked, "[]", "[]"),
        ] {
            assert_eq!(dress(dialect, uri, sub_id, event), want);
        }
    }

    #[test]
    fn okta_reads_a_subject_by_roles() {
        let revoked = format!("{CAEP}session-revoked");
        for (sub_id, subject) in [
            (r#"{"email":"a@b","format":"email"}"#, r#"{"user":{"email":"a@b","format":"email"}}"#),
            (r#"{"format":"opaque","id":"7"}"#, r#"{"user":{"format":"opaque","id":"7"}}"#),
            (
                r#"{"format":"complex","user":{"format":"email","email":"a@b"},"session":{"format":"opaque","id":"s"}}"#,
                r#"{"user":{"format":"email","email":"a@b"},"session":{"format":"opaque","id":"s"}}"#,
            ),
            // Named in another order: nothing moves.
            (
                r#"{"session":{"format":"opaque","id":"s"},"format":"complex","tenant":{"format":"opaque","id":"t"},"user":{"format":"email","email":"a@b"}}"#,
                r#"{"session":{"format":"opaque","id":"s"},"tenant":{"format":"opaque","id":"t"},"user":{"format":"email","email":"a@b"}}"#,
            ),
            (r#"{"format":"jwt_id","iss":"i","jti":"j"}"#, r#"{"format":"jwt_id","iss":"i","jti":"j"}"#),
            (r#"{"format":"kerberos","id":"7"}"#, r#"{"format":"kerberos","id":"7"}"#),
        ] {
            let want = format!(r#"{{"subject":{subject}}}"#);
            assert_eq!(dress(Dialect::Okta, &revoked, sub_id, "{}"), want);
            assert_eq!(dress(Dialect::Okta, &revoked, sub_id, "{}"), want, "and the same once more");
        }
    }

    /// Levels too stay as CAEP has them: 3.8.1 knows upper case alone.
    #[test]
    fn okta_gets_a_subject_in_caep_and_risc_alone() {
        let sub_id = r#"{"format":"email","email":"a@b"}"#;
        let event = r#"{ "current_level": "HIGH"}"#;
        for event_type in EventType::NAMED {
            let dressed = dress(Dialect::Okta, event_type.uri(), sub_id, event);
            let is_ssf = event_type.uri().contains("/secevent/ssf/");
            assert_eq!(dressed == event, is_ssf, "{event_type}");
            assert!(dressed.contains("HIGH"), "{event_type}");
        }
        for uri in [
            "https://schemas.openid.net/secevent/sse/event-type/verification",
            "https://schemas.openid.net/secevent/caep/event-type/of-tomorrow",
            "https://schemas.okta.com/secevent/okta/event-type/user-risk-change",
            "urn:ietf:params:scim:event:prov:delete",
        ] {
            assert_eq!(dress(Dialect::Okta, uri, sub_id, event), event, "{uri}");
        }
    }
}
