//! The schemas of `schemas/` against the hub's own types: what one takes the other takes, what one refuses the
//! other refuses.

use jsonschema::{Registry, Validator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ssf_hub::lineage::alias::Alias;
use ssf_hub::lineage::fact::Fact;

#[path = "schemas/events.rs"]
mod events;
#[path = "schemas/openapi.rs"]
mod openapi;

const ALIAS: &str = include_str!("../schemas/alias.schema.json");
const FACTS: [(&str, &str); 5] = [
    ("agent", include_str!("../schemas/agent.fact.schema.json")),
    ("run", include_str!("../schemas/run.fact.schema.json")),
    ("token", include_str!("../schemas/token.fact.schema.json")),
    ("tool", include_str!("../schemas/tool.fact.schema.json")),
    ("edge", include_str!("../schemas/edge.fact.schema.json")),
];
const DECISION: &str = include_str!("../schemas/decision.schema.json");

fn validator(text: &str) -> Validator {
    let schema: Value = serde_json::from_str(text).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let alias: Value = serde_json::from_str(ALIAS).unwrap();
    let registry = Registry::new().add("urn:ssf-hub:schema:alias", alias).unwrap().prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&schema).unwrap()
}

fn schema_of(fact: &str) -> Validator {
    validator(FACTS.iter().find(|(name, _)| *name == fact).unwrap().1)
}

/// What the API does with a body: parse it, then check it. Gives back the body as the hub writes it.
fn hub(fact: &str, body: &Value) -> Result<Value, String> {
    fn parsed<T: DeserializeOwned>(body: &Value) -> Result<T, String> {
        serde_json::from_value(body.clone()).map_err(|e| e.to_string())
    }
    let fact = match fact {
        "agent" => Fact::Agent(parsed(body)?),
        "run" => Fact::Run(parsed(body)?),
        "token" => Fact::Token(parsed(body)?),
        "tool" => Fact::Tool(parsed(body)?),
        "edge" => Fact::Edge(parsed(body)?),
        other => panic!("{other}"),
    };
    let mut written = serde_json::to_value(fact.checked().map_err(|e| e.to_string())?).unwrap();
    written.as_object_mut().unwrap().remove("fact");
    Ok(written)
}

fn person() -> Value {
    json!({ "kind": "iss_sub", "iss": "https://idp.example", "value": "alice" })
}

/// A whole body of each fact: every member is there.
fn whole(fact: &str) -> Value {
    let (agent, run) = (json!({ "kind": "agent", "value": "a-1" }), json!({ "kind": "run", "value": "r-1" }));
    match fact {
        "agent" => {
            json!({ "id": "a-1", "class": "automation", "aliases": [person()], "owner": "o", "system": "s" })
        }
        "run" => json!({
            "id": "r-1", "agent": agent, "parent": "r-0", "session": { "kind": "session", "iss": "https://i", "value": "s" },
            "on_behalf_of": person(), "interactive": true, "deadline": 2_000_000_000, "valid_from": 1_900_000_000,
        }),
        "token" => json!({
            "iss": "https://i", "jti": "t-1", "run": "r-1", "aud": ["a", "b"], "iat": 1_900_000_000, "exp": 1_900_000_600,
        }),
        "tool" => json!({ "id": "https://tool.example", "owner": "o", "high_risk": true }),
        "edge" => json!({
            "type": "runs_on", "from": run, "to": { "kind": "spiffe", "value": "spiffe://d/w" },
            "valid_from": 1, "valid_to": 2,
        }),
        other => panic!("{other}"),
    }
}

/// The whole body of `fact` with one member set, or taken out where the value is left out.
fn with(fact: &str, member: &str, value: Option<Value>) -> Value {
    let mut body = whole(fact);
    let members = body.as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(member.into(), value)),
        None => drop(members.remove(member)),
    }
    body
}

#[test]
fn good_facts_pass_both_and_come_back_the_same() {
    let long = "x".repeat(256);
    let good = [
        ("agent", json!({ "id": "a" })),
        (
            "agent",
            json!({ "id": "h", "class": "human", "aliases": [{ "kind": "email", "value": "a@b.example" }] }),
        ),
        ("agent", with("agent", "owner", Some(Value::Null))),
        ("agent", with("agent", "id", Some(long.clone().into()))),
        ("agent", with("agent", "aliases", Some(Value::from(vec![person(); 16])))),
        ("run", json!({ "id": "r", "agent": { "kind": "agent", "value": "a" }, "deadline": 0 })),
        ("run", with("run", "session", Some(Value::Null))),
        ("run", with("run", "deadline", Some(253_402_300_799_i64.into()))),
        ("token", with("token", "aud", None)),
        ("token", with("token", "aud", Some("one".into()))),
        ("tool", json!({ "id": "t" })),
        ("edge", with("edge", "valid_to", None)),
        ("edge", with("edge", "type", Some("alias_of".into()))),
    ];
    for (fact, body) in good.into_iter().chain(FACTS.map(|(name, _)| (name, whole(name)))) {
        let schema = schema_of(fact);
        assert!(schema.is_valid(&body), "the schema refuses {fact} {body}");
        let written = hub(fact, &body).unwrap_or_else(|e| panic!("the hub refuses {fact} {body}: {e}"));
        assert!(schema.is_valid(&written), "the schema refuses what the hub writes: {fact} {written}");
    }
}

#[test]
fn bad_facts_pass_neither() {
    let nobody = || Some(json!({ "kind": "", "value": "x" }));
    let mut bad = vec![
        ("agent", json!([])),
        ("agent", with("agent", "id", None)),
        ("agent", with("agent", "id", Some("".into()))),
        ("agent", with("agent", "id", Some("a\nb".into()))),
        ("agent", with("agent", "id", Some("x".repeat(257).into()))),
        ("agent", with("agent", "id", Some(7.into()))),
        ("agent", with("agent", "class", Some("robot".into()))),
        ("agent", with("agent", "class", Some("device".into()))),
        ("agent", with("agent", "class", Some(Value::Null))),
        ("agent", json!({ "id": "h", "class": "human" })),
        ("agent", json!({ "id": "h", "class": "human", "aliases": [] })),
        ("agent", with("agent", "aliases", Some(Value::from(vec![person(); 17])))),
        ("agent", with("agent", "aliases", Some(json!([{ "value": "x" }])))),
        ("agent", with("agent", "aliases", Some(json!([{ "kind": "email", "value": "x", "more": 1 }])))),
        ("run", with("run", "agent", None)),
        ("run", with("run", "agent", nobody())),
        ("run", with("run", "agent", Some("a-1".into()))),
        ("run", with("run", "deadline", None)),
        ("run", with("run", "deadline", Some((-1).into()))),
        ("run", with("run", "deadline", Some("soon".into()))),
        ("run", with("run", "deadline", Some(1.5.into()))),
        ("run", with("run", "valid_from", Some(253_402_300_800_i64.into()))),
        ("run", with("run", "parent", Some("".into()))),
        ("run", with("run", "interactive", Some("yes".into()))),
        ("run", with("run", "session", nobody())),
        ("token", with("token", "exp", None)),
        ("token", with("token", "iss", Some("".into()))),
        ("token", with("token", "aud", Some(json!([1])))),
        ("token", with("token", "aud", Some(json!([""])))),
        ("token", with("token", "aud", Some(Value::Null))),
        ("tool", with("tool", "high_risk", Some(Value::Null))),
        ("tool", with("tool", "id", None)),
        ("edge", with("edge", "type", Some("spawned".into()))),
        ("edge", with("edge", "from", None)),
        ("edge", with("edge", "to", Some(json!({ "kind": "run", "value": "x".repeat(1025) })))),
    ];
    bad.extend(FACTS.map(|(name, _)| (name, with(name, "unknown_member", Some(1.into())))));
    for (fact, body) in bad {
        assert!(!schema_of(fact).is_valid(&body), "the schema takes {fact} {body}");
        if body.is_object() {
            assert!(hub(fact, &body).is_err(), "the hub takes {fact} {body}");
        }
    }
}

#[test]
fn aliases() {
    let schema = validator(ALIAS);
    let both = |body: &Value| {
        let hub = serde_json::from_value::<Alias>(body.clone()).is_ok_and(|a| a.checked().is_ok());
        assert_eq!(schema.is_valid(body), hub, "{body}");
        hub
    };
    assert!(both(&person()));
    assert!(both(&json!({ "kind": "email", "iss": "", "value": "A@B.example" })));
    for bad in [
        json!({ "kind": "email" }),
        json!({ "kind": "email", "value": "" }),
        json!({ "kind": "email", "value": "a", "iss": null }),
        json!({ "kind": "email", "value": "a\u{0}b" }),
        json!({ "kind": "email", "value": "a", "id": 1 }),
        json!("email"),
    ] {
        assert!(!both(&bad), "{bad}");
    }
}

#[test]
fn decisions_are_as_their_schema_says() {
    use serde_json::value::RawValue;
    use ssf_hub::hub::entry::{Decision, Derived, Lifted, Touched};
    use ssf_hub::lineage::node::{How, NodeId};
    use ssf_hub::revocation::key::{KeyHash, Kind};
    use ssf_hub::revocation::record::{Basis, Effect, Record, Until};
    use ssf_hub::tenant::Seq;

    let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
    let key = KeyHash([9; 16]);
    let record = |until, basis, expires_at| Record {
        kind: Kind::OnBehalfOf,
        key,
        until,
        effect: Effect::Suspend,
        basis,
        reason_code: "session_revoked".into(),
        expires_at,
    };
    let decision = Decision {
        cause: Seq(41),
        txn: "t".into(),
        rule: "builtin@1".into(),
        reason_code: "session_revoked".into(),
        path: vec!["session s launched run r".into()],
        records: vec![
            record(Until::Hold, Basis::Killed, None),
            record(Until::Watermark(5), Basis::Issued, Some(9)),
            record(Until::Hold, Basis::LoggedOut, Some(9)),
            record(Until::Watermark(5), Basis::Outdated, Some(9)),
            record(Until::Hold, Basis::Pending, Some(9)),
        ],
        lifted: vec![Lifted { kind: Kind::User, key, basis: Basis::Disabled, at_ms: 1, expires_at: 2 }],
        ends: vec![(NodeId::new(Seq(3), 1), How::LoggedOut)],
        revived: vec![(NodeId(7), How::Killed)],
        closed: vec![ssf_hub::lineage::alias::Alias::new("email", "", "a@x.example")],
        derived: vec![Derived {
            uri: "urn:x".into(),
            sub_id: raw(r#"{"format":"opaque","id":"r"}"#),
            event: raw("{}"),
            echo: key,
        }],
        touched: Touched { runs: 1, tokens: 2, truncated: true, ambiguous: true, left_out: 3 },
        residual: vec!["run r".into()],
    };
    let schema = validator(DECISION);
    let written = serde_json::to_value(&decision).unwrap();
    assert!(schema.is_valid(&written), "{written}");
    for (member, value) in [
        ("cause", json!("41")),
        ("rule", json!("builtin")),
        ("records", json!([{ "kind": "user" }])),
        ("ends", json!([[7, "tired"]])),
        ("ends", json!([[7]])),
        ("derived", json!([{ "uri": "urn:x" }])),
        ("closed", json!(["a@x.example"])),
    ] {
        let mut bad = written.clone();
        bad[member] = value;
        assert!(!schema.is_valid(&bad), "{member}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn records_on_kafka_are_as_their_schema_says() {
    use ssf_hub::kafka::record::{Revocation, State, Until, feed_hash, revocation};
    use ssf_hub::revocation::key::Kind;
    use ssf_hub::tenant::{Seq, TenantId};

    let schema = validator(include_str!("../schemas/revocation-record.schema.json"));
    let (tenant, hash) = (TenantId::default_tenant(), feed_hash(&[1; 32], &[2; 16]));
    let plain = |payload: &[u8]| Ok::<_, String>(String::from_utf8(payload.to_vec()).unwrap());
    for (kind, until, expires_at, state) in [
        (Kind::Run, Until::Hold, None, State::Active),
        (Kind::OnBehalfOf, Until::Watermark(1_900_000_000_000), Some(1_900_086_400_000), State::Active),
        (Kind::Jti, Until::Hold, Some(1), State::Cleared),
    ] {
        let record = Revocation {
            tenant: &tenant,
            iss: "https://hub.example/t/default",
            kind: kind.as_str(),
            hash: &hash,
            basis: "killed",
            until,
            effect: "deny",
            reason_code: "killed",
            txn: "t",
            issued_at: 1_900_000_000_000,
            expires_at,
            seq: Seq(7),
            index: 0,
            state,
        };
        let message = revocation(&record, &plain).unwrap();
        let value: Value = serde_json::from_slice(message.payload.as_deref().unwrap()).unwrap();
        assert!(schema.is_valid(&value), "{value}");
        for (member, wrong) in [
            ("unknown_member", json!(1)),
            ("v", json!(2)),
            ("basis", json!("because")),
            ("until", json!({ "watermark": "now" })),
            ("key", json!("user:short")),
            ("expires_at", json!(null)),
        ] {
            let mut bad = value.clone();
            bad[member] = wrong;
            assert!(!schema.is_valid(&bad), "{member}: {bad}");
        }
    }
}
