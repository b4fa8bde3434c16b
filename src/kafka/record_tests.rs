//! Tables for `record`.

use serde_json::{Value, json};

use super::*;

fn tenant() -> TenantId {
    TenantId::parse("t-1").unwrap()
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

fn plain(payload: &[u8]) -> Result<String, String> {
    Ok(String::from_utf8(payload.to_vec()).unwrap())
}

fn value(message: &Message) -> Value {
    serde_json::from_slice(message.payload.as_deref().unwrap()).unwrap()
}

fn record<'a>(tenant: &'a TenantId, until: Until, expires_at: Option<i64>, state: State) -> Revocation<'a> {
    Revocation {
        tenant,
        iss: "https://hub/t/t-1",
        kind: "user",
        hash: "HHH",
        basis: "killed",
        until,
        effect: "deny",
        reason_code: "operator_kill",
        txn: "tx",
        issued_at: 1000,
        expires_at,
        seq: Seq(7),
        index: 2,
        state,
    }
}

#[test]
fn revocation_records_have_the_members_of_gates_2_2() {
    let tenant = tenant();
    let cases = [
        (Until::Hold, None, State::Active, json!("hold"), Value::Null, "active"),
        (Until::Watermark(900), Some(5000), State::Active, json!({"watermark": 900}), json!(5000), "active"),
        (
            Until::Watermark(900),
            Some(5000),
            State::Cleared,
            json!({"watermark": 900}),
            json!(5000),
            "cleared",
        ),
    ];
    for (until, expires_at, state, want_until, want_expires, want_state) in cases {
        let message = revocation(&record(&tenant, until, expires_at, state), &plain).unwrap();
        assert_eq!(message.key, b"t-1/user:HHH/killed");
        assert_eq!(header(&message, "ce_id"), Some("t-1:7:2"));
        assert_eq!(header(&message, "ce_type"), Some(REVOCATION_TYPE));
        assert_eq!(header(&message, "ce_correlationid"), Some("tx"));
        let v = value(&message);
        assert_eq!(
            (&v["until"], &v["expires_at"], &v["state"]),
            (&want_until, &want_expires, &json!(want_state))
        );
        for (name, want) in [
            ("v", json!(1)),
            ("key", json!("user:HHH")),
            ("kind", json!("user")),
            ("basis", json!("killed")),
            ("effect", json!("deny")),
            ("reason_code", json!("operator_kill")),
            ("cause", json!({"txn": "tx"})),
            ("issued_at", json!(1000)),
            ("seq", json!(7)),
        ] {
            assert_eq!(v[name], want, "{name}");
        }
    }
}

#[test]
fn a_tombstone_has_the_records_key_and_no_value() {
    let tenant = tenant();
    let message = revocation(&record(&tenant, Until::Hold, None, State::Active), &plain).unwrap();
    let tombstone = tombstone(&tenant, "user", "HHH", "killed");
    assert_eq!((tombstone.key, tombstone.payload), (message.key, None));
}

#[test]
fn two_bases_under_one_key_do_not_overwrite_each_other() {
    let tenant = tenant();
    let killed = record(&tenant, Until::Hold, None, State::Active);
    let issued = Revocation { basis: "issued", until: Until::Watermark(1), ..killed };
    assert_ne!(revocation(&killed, &plain).unwrap().key, revocation(&issued, &plain).unwrap().key);
}

#[test]
fn nothing_goes_out_unsigned() {
    let tenant = tenant();
    let refuse: Sign<'_> = &|_| Err("no key".into());
    let r = record(&tenant, Until::Hold, None, State::Active);
    assert!(matches!(revocation(&r, refuse), Err(Error::Sign(why)) if why == "no key"));
}

#[test]
fn the_feed_hash_is_keyed_and_22_characters() {
    let h = [5; 16];
    assert_eq!(feed_hash(b"k1", &h).len(), 22);
    assert_eq!(feed_hash(b"k1", &h), feed_hash(b"k1", &h));
    assert_ne!(feed_hash(b"k1", &h), feed_hash(b"k2", &h));
    assert_ne!(feed_hash(b"k1", &h), feed_hash(b"k1", &[6; 16]));
    // As another implementation of RFC 2104 has it.
    assert_eq!(feed_hash(b"k1", &h), "rmoDcxH5oPiTYmD1hNhRSA");
}
