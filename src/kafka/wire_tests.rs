//! Tables for `wire`.

use serde_json::{Value, json};

use super::*;

fn tenant() -> TenantId {
    TenantId::parse("t-1").unwrap()
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

fn value(message: &Message) -> Value {
    serde_json::from_slice(message.payload.as_deref().unwrap()).unwrap()
}

#[test]
fn a_received_set_stays_verifiable() {
    let message = received(&Received {
        tenant: &tenant(),
        seq: Seq(42),
        jti: "j-1",
        txn: "tx",
        route: "forward",
        event_ms: Some(1_700_000_000_000),
        principal: "AAA",
        compact: "h.p.s",
        iss: "https://idp.example",
        uri: "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
        at_ms: 1_700_000_000_123,
    });
    assert_eq!((message.topic, message.key.as_slice()), (Topic::Received, b"t-1/AAA".as_slice()));
    assert_eq!(message.payload.as_deref(), Some(b"h.p.s".as_slice()));
    for (name, want) in [
        ("content-type", "application/secevent+jwt"),
        ("ce_specversion", "1.0"),
        ("ce_id", "j-1"),
        ("ce_sequence", "42"),
        ("ce_correlationid", "tx"),
        ("ce_partitionkey", "t-1/AAA"),
        ("route", "forward"),
        ("ce_source", "https://idp.example"),
        ("ce_type", "net.openid.secevent.caep.session-revoked"),
        ("ce_time", "2023-11-14T22:13:20.000Z"),
        ("ce_recordedtime", "2023-11-14T22:13:20.123Z"),
        ("tenant", "t-1"),
    ] {
        assert_eq!(header(&message, name), Some(want), "{name}");
    }
}

#[test]
fn a_rejection_is_small_and_says_nothing_of_the_payload() {
    let tenant = tenant();
    let long = "ä".repeat(400);
    let base = Rejected {
        tenant: &tenant,
        id: "r-1",
        hub_iss: "https://hub/t/t-1",
        iss: Some("https://idp"),
        upstream: "okta",
        reason: "invalid_key",
        at_ms: 77,
        size: 812,
    };
    let message = rejected(&base).unwrap();
    assert_eq!(message.key, b"t-1/https://idp");
    let want = json!({"reason": "invalid_key", "upstream": "okta", "at": 77, "size": 812});
    assert_eq!(value(&message), want);
    assert_eq!(rejected(&Rejected { iss: None, ..base }).unwrap().key, b"t-1/okta");
    let message = rejected(&Rejected { iss: Some(&long), reason: &long, ..base }).unwrap();
    assert_eq!(message.key.len(), 4 + NAME_MAX_BYTES);
    assert_eq!(value(&message)["reason"].as_str().unwrap().len(), REASON_MAX_BYTES);
}

#[test]
fn times_beyond_the_calendar_are_left_out() {
    assert_eq!(time("ce_time", i64::MAX), None);
    assert_eq!(time("ce_time", 0).unwrap().1, "1970-01-01T00:00:00.000Z");
}
