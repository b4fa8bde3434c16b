//! Tables of event objects: one that each type accepts, and every way to break it.

use super::*;
use serde_json::json;

fn parse(event_type: &EventType, value: &Value) -> Result<Payload, Error> {
    Payload::parse(event_type, value.as_object().unwrap(), Dialect::Ssf)
}

/// A payload that each type accepts, and every way to break it.
#[expect(clippy::type_complexity, reason = "a table")]
fn table() -> Vec<(EventType, Value, Vec<(&'static str, Value)>)> {
    use EventType as T;
    vec![
        (T::Verification, json!({}), vec![("state", json!(5))]),
        (
            T::StreamUpdated,
            json!({"status":"paused"}),
            vec![("status", json!("gone")), ("status", json!({"status":"paused"})), ("reason", json!(1))],
        ),
        (
            T::TokenClaimsChange,
            json!({"claims":{"a":1}}),
            vec![("claims", json!({})), ("claims", json!("x"))],
        ),
        (
            T::CredentialChange,
            json!({"credential_type":"fido-u2f","change_type":"revoke","friendly_name":"k"}),
            vec![
                ("change_type", json!("Revoke")),
                ("credential_type", json!(1)),
                ("credential_type", json!("")),
                ("x509_serial", json!(7)),
            ],
        ),
        (
            T::AssuranceLevelChange,
            json!({"namespace":"custom","current_level":"nist-aal2","change_direction":"increase"}),
            vec![("change_direction", json!("up")), ("previous_level", json!(1)), ("namespace", json!([]))],
        ),
        (
            T::DeviceComplianceChange,
            json!({"previous_status":"compliant","current_status":"not-compliant"}),
            vec![("current_status", json!("not_compliant")), ("previous_status", json!(null))],
        ),
        (
            T::SessionEstablished,
            json!({"amr":["otp"]}),
            vec![("amr", json!("otp")), ("amr", json!([1])), ("acr", json!(2))],
        ),
        (T::SessionPresented, json!({"fp_ua":"x"}), vec![("ext_id", json!({}))]),
        (
            T::RiskLevelChange,
            json!({"principal":"AGENT","current_level":"HIGH","previous_level":"LOW"}),
            vec![
                ("current_level", json!("high")),
                ("previous_level", json!("NONE")),
                ("principal", json!(3)),
            ],
        ),
        (T::AccountDisabled, json!({"reason":"other"}), vec![("reason", json!(1))]),
        (T::IdentifierChanged, json!({"new-value":"a@b"}), vec![("new-value", json!(1))]),
        (T::CredentialCompromise, json!({"credential_type":"password"}), vec![("credential_type", json!(1))]),
    ]
}

#[test]
fn definitions_hold() {
    for (event_type, good, breaks) in table() {
        parse(&event_type, &good).unwrap_or_else(|e| panic!("{event_type}: {e}"));
        for (name, value) in breaks {
            let mut bad = good.clone();
            bad[name] = value;
            assert_eq!(parse(&event_type, &bad).unwrap_err().claim(), name, "{event_type} {bad}");
        }
    }
}

#[test]
fn required_claims_are_required() {
    let required: [(EventType, &[&str]); 7] = [
        (EventType::StreamUpdated, &["status"]),
        (EventType::TokenClaimsChange, &["claims"]),
        (EventType::CredentialChange, &["credential_type", "change_type"]),
        (EventType::AssuranceLevelChange, &["namespace", "current_level"]),
        (EventType::DeviceComplianceChange, &["previous_status", "current_status"]),
        (EventType::RiskLevelChange, &["principal", "current_level"]),
        (EventType::CredentialCompromise, &["credential_type"]),
    ];
    for (event_type, good, _) in table() {
        let names = required.iter().find(|(t, _)| *t == event_type).map_or(&[] as &[&str], |(_, n)| n);
        for name in good.as_object().unwrap().keys() {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(name);
            let want_error = names.contains(&name.as_str());
            assert_eq!(parse(&event_type, &without).is_err(), want_error, "{event_type} {name}");
        }
    }
}

#[test]
fn the_rest_is_kept_or_ignored() {
    assert_eq!(parse(&EventType::AccountPurged, &json!({"x":1})), Ok(Payload::Empty));
    let reason = |r: &str| parse(&EventType::AccountDisabled, &json!({ "reason": r }));
    let disabled = |reason| Ok(Payload::AccountDisabled { reason: Some(reason) });
    assert_eq!(reason("hijacking"), disabled(AccountDisabledReason::Hijacking));
    assert_eq!(reason("x"), disabled(AccountDisabledReason::Other("x".into())));
    let other = json!({"b":1,"a":{"c":null}});
    let kept = Payload::Other(other.as_object().unwrap().clone());
    assert_eq!(parse(&EventType::Other("urn:x".into()), &other), Ok(kept));
    let object = json!({"status":{"stream_id":"s","status":"paused","reason":"m"},"reason":"m"});
    let keycloak = Payload::parse(&EventType::StreamUpdated, object.as_object().unwrap(), Dialect::Keycloak);
    assert_eq!(
        keycloak,
        Ok(Payload::StreamUpdated { status: StreamStatus::Paused, reason: Some("m".into()) })
    );
}
