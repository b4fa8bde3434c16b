//! Tables for `emission`.

use serde_json::{Value, json};

use super::*;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";

fn email() -> Value {
    json!({ "format": "email", "email": "a@b.example" })
}

fn said(name: &str, subject: Value, event: Value) -> Result<Emission, Error> {
    Emission::checked(name, &subject, event.as_object().unwrap())
}

#[test]
fn types_by_short_name_and_by_uri() {
    let revoked = format!("{CAEP}session-revoked");
    for name in ["session-revoked", &revoked] {
        assert_eq!(resolve(name).unwrap().uri(), revoked);
    }
    assert_eq!(resolve("urn:x:mine").unwrap().uri(), "urn:x:mine");
    let draft = "https://schemas.openid.net/secevent/sse/event-type/verification";
    for (name, want) in [
        ("verification", Error::Control),
        ("stream-updated", Error::Control),
        (draft, Error::Control),
        ("sessions-revoked", Error::Deprecated),
        ("session-revokd", Error::Type("session-revokd".into())),
        ("/x", Error::Type("/x".into())),
        ("", Error::Type(String::new())),
    ] {
        assert_eq!(resolve(name), Err(want), "{name}");
    }
    assert!(resolve(&format!("urn:x:{}", "y".repeat(TEXT_BYTES_MAX))).is_err());
    let mut short: Vec<&str> = EventType::NAMED.iter().map(EventType::name).collect();
    short.sort_unstable();
    short.dedup();
    assert_eq!(short.len(), EventType::NAMED.len(), "a short name means one type");
}

#[test]
fn every_type_without_required_attributes_can_be_said_and_control_cannot() {
    let whole = |t: &EventType| match t {
        EventType::TokenClaimsChange => json!({ "claims": { "role": "none" } }),
        EventType::CredentialChange => json!({ "credential_type": "password", "change_type": "update" }),
        EventType::AssuranceLevelChange => json!({ "namespace": "NIST-AAL", "current_level": "nist-aal2" }),
        EventType::DeviceComplianceChange => {
            json!({ "previous_status": "compliant", "current_status": "not-compliant" })
        }
        EventType::RiskLevelChange => {
            json!({ "principal": "USER", "current_level": "HIGH", "risk_reason": "r" })
        }
        EventType::CredentialCompromise => json!({ "credential_type": "password" }),
        _ => json!({}),
    };
    for t in EventType::NAMED {
        let done = said(t.name(), email(), whole(t));
        match t {
            EventType::Verification | EventType::StreamUpdated => assert_eq!(done, Err(Error::Control)),
            EventType::SessionsRevoked => assert_eq!(done, Err(Error::Deprecated)),
            _ => {
                let done = done.unwrap();
                assert_eq!(
                    (done.uri.as_str(), &done.event, done.warnings.len()),
                    (t.uri(), &whole(t), 0),
                    "{t}"
                );
            }
        }
    }
}

#[test]
fn subjects_are_held_to_their_format() {
    let cases = [
        (json!({ "format": "email", "email": "a@b.example", "x": 1 }), Error::Undescribed),
        (json!({ "format": "email", "email": "Foo <a@b>" }), Error::Subject(sub_id::Error::Member("email"))),
        (json!({ "email": "a@b.example" }), Error::Subject(sub_id::Error::Format)),
        (
            json!({ "format": "complex", "user": { "format": "opaque", "id": "1", "y": 2 } }),
            Error::Undescribed,
        ),
        (json!({ "format": "complex" }), Error::Subject(sub_id::Error::Parts)),
        (json!({ "format": "phone", "phone": "+1" }), Error::Gone("phone".into())),
        (json!({ "format": "mine", "subject_type": "x" }), Error::Gone("subject_type".into())),
        (json!("alice"), Error::Subject(sub_id::Error::Format)),
    ];
    for (subject, want) in cases {
        assert_eq!(said("session-revoked", subject.clone(), json!({})), Err(want), "{subject}");
    }
    let twice = json!({ "format": "aliases", "identifiers": [email(), email()] });
    let once = json!({ "format": "aliases", "identifiers": [email()] });
    assert_eq!(said("session-revoked", twice, json!({})).unwrap().sub_id, once);
    let mine = json!({ "format": "catalog_item", "catalog_id": "c" });
    assert_eq!(said("urn:x:y", mine.clone(), json!({})).unwrap().sub_id, mine);
}

#[test]
fn identifiers_are_addresses_or_numbers() {
    for name in ["identifier-changed", "identifier-recycled"] {
        assert!(said(name, email(), json!({})).is_ok());
        assert!(
            said(name, json!({ "format": "phone_number", "phone_number": "+12065550100" }), json!({}))
                .is_ok()
        );
        let other = json!({ "format": "iss_sub", "iss": "i", "sub": "s" });
        assert_eq!(said(name, other, json!({})), Err(Error::Identifier));
    }
    assert!(said("identifier-changed", email(), json!({ "new-value": "c@d.example" })).is_ok());
}

#[test]
fn events_are_held_to_their_type() {
    use payload::Error as E;
    let cases = [
        (
            "credential-change",
            json!({ "change_type": "update" }),
            Error::Event(E::Missing("credential_type")),
        ),
        (
            "session-revoked",
            json!({ "initiating_entity": "robot" }),
            Error::Event(E::Value("initiating_entity")),
        ),
        ("session-revoked", json!({ "reason_admin": "text" }), Error::Event(E::Type("reason_admin"))),
        ("session-revoked", json!({ "event_timestamp": 1_700_000_000_000_i64 }), Error::Milliseconds),
        ("account-disabled", json!({ "reason": "because" }), Error::Event(E::Value("reason"))),
        ("account-purged", json!({ "reason_admin": { "en": "x" } }), Error::Attribute("reason_admin".into())),
        ("opt-in", json!({ "x": 1 }), Error::Attribute("x".into())),
    ];
    for (name, event, want) in cases {
        assert_eq!(said(name, email(), event.clone()), Err(want), "{name} {event}");
    }
    assert!(said("account-disabled", email(), json!({ "reason": "hijacking" })).is_ok());
    let warned = [
        ("session-revoked", json!({ "x": 1 })),
        ("risk-level-change", json!({ "principal": "USER", "current_level": "LOW" })),
        ("assurance-level-change", json!({ "namespace": "n", "current_level": "1", "previous_level": "2" })),
    ];
    for (name, event) in warned {
        assert_eq!(said(name, email(), event).unwrap().warnings.len(), 1, "{name}");
    }
    assert_eq!(said("urn:x:y", email(), json!({ "any": [1] })).unwrap().warnings, [""; 0]);
}
