//! Tables of claims: what is read, what is refused, and by which claim's name.

use super::*;
use serde_json::json;

fn base() -> Value {
    json!({
        "iss": "https://idp", "aud": "me", "iat": 1_700_000_000, "jti": "j", "txn": "t", "toe": 5,
        "sub_id": {"format": "opaque", "id": "x", "x_note": 1},
        "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"x": 1}},
        "x_foo": [1]
    })
}

fn parse_in(json: &str, dialect: Dialect) -> Result<Claims, RejectReason> {
    Draft::open(json.as_bytes())?.finish(dialect)
}

fn with(name: &str, value: Value) -> Result<Claims, RejectReason> {
    let mut changed = base();
    changed[name] = value;
    parse_in(&changed.to_string(), Dialect::Ssf)
}

#[test]
fn all_claims_and_verbatim_text() {
    let json = r#"{"iss":"i","aud":["a","b"],"iat":7.0,"jti":"j","sub_id":{ "format":"opaque","id":"\u0078" },
        "events":{"urn:x":{"n": 1.50}}}"#;
    let claims = parse_in(json, Dialect::Ssf).unwrap();
    assert_eq!((claims.iat, claims.txn, claims.toe), (7, None, None));
    assert_eq!(claims.aud, ["a", "b"]);
    assert_eq!(claims.sub_id_json, r#"{ "format":"opaque","id":"\u0078" }"#);
    assert_eq!(claims.event_json, r#"{"n": 1.50}"#);
    assert_eq!(claims.sub_id, SubId::Simple(Simple::Opaque { id: "x".into() }));
    let full = parse_in(&base().to_string(), Dialect::Ssf).unwrap();
    assert_eq!((full.txn.as_deref(), full.toe, full.all_sessions), (Some("t"), Some(5), false));
}

#[test]
fn malformed_claims() {
    let long = "x".repeat(1025);
    let table = [
        ("iss", json!("")),
        ("iss", json!(5)),
        ("iss", json!(long)),
        ("aud", json!({})),
        ("aud", json!([1])),
        ("aud", json!("")),
        ("aud", json!(null)),
        ("iat", json!("1")),
        ("iat", json!(-1)),
        ("iat", json!(1.5)),
        ("iat", json!(1e300)),
        ("iat", json!(-1e300)),
        ("iat", json!(u64::MAX)),
        ("iat", json!(253_402_300_800_i64)),
        ("iat", json!(null)),
        ("jti", json!("")),
        ("jti", json!(long)),
        ("txn", json!(1)),
        ("txn", json!("")),
        ("toe", json!(1e300)),
        ("sub_id", json!("x")),
        ("sub_id", json!({"format": "email"})),
        ("sub_id", json!(null)),
        ("events", json!({})),
        ("events", json!([])),
        ("events", json!({"urn:x": "y"})),
        ("events", json!({"urn:x": null})),
        ("events", json!({"urn:x": []})),
        ("events", json!({"not a uri": {}})),
        ("events", json!({"": {}})),
    ];
    for (name, value) in table {
        assert_eq!(with(name, value.clone()), Err(RejectReason::Claim(name)), "{name} {value}");
    }
    for name in ["iss", "iat", "jti", "sub_id", "events"] {
        let mut without = base();
        without.as_object_mut().unwrap().remove(name);
        let got = parse_in(&without.to_string(), Dialect::Ssf);
        assert_eq!(got, Err(RejectReason::Claim(name)), "{name}");
    }
    for name in ["sub", "exp"] {
        assert_eq!(with(name, json!(null)), Err(RejectReason::ForbiddenClaim(name)));
    }
    assert!(with("iat", json!(253_402_300_799_i64)).is_ok());
}

#[test]
fn one_event_type() {
    let both = json!({
        "https://schemas.openid.net/secevent/sse/event-type/verification": {"state": "draft"},
        "https://schemas.openid.net/secevent/ssf/event-type/verification": {"state": "final"}
    });
    let claims = with("events", both).unwrap();
    assert_eq!(claims.event_json, r#"{"state":"final"}"#);
    let two = with("events", json!({"urn:a": {}, "urn:b": {}}));
    assert_eq!(two, Err(RejectReason::SeveralEvents));
    let risk = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change";
    let broken = with("events", json!({ risk: {"principal": "USER"} }));
    assert_eq!(broken, Err(RejectReason::Definition("current_level")));
}

#[test]
fn a_subject_inside_the_event_is_keycloaks() {
    let mut legacy = base();
    legacy.as_object_mut().unwrap().remove("sub_id");
    let event = &mut legacy["events"]["https://schemas.openid.net/secevent/caep/event-type/session-revoked"];
    event["subject"] =
        json!({"user": {"format": "opaque", "id": "u"}, "session": {"format": "opaque", "id": "ALL"}});
    event["initiating_entity"] = "user".into();
    let json = legacy.to_string();
    assert_eq!(parse_in(&json, Dialect::Ssf), Err(RejectReason::Claim("sub_id")));
    let claims = parse_in(&json, Dialect::Keycloak).unwrap();
    assert!(claims.sub_id_json.starts_with(r#"{"format":"complex","user":{"#), "{}", claims.sub_id_json);
    assert!(claims.all_sessions);
    assert_eq!(claims.event.common.initiating_entity, Some(InitiatingEntity::Admin));
    assert!(claims.event_json.contains(r#""initiating_entity":"user""#));
}
