//! The fixed list of what the golden journal says: every kind of entry, fact, object, record and reason.
//!
//! Times, ids and keys are written down here; nothing is drawn. Inputs marked `decide` are followed by the decision that
//! the build which writes the files makes; the others stand as they are, so that the list does not lean on the rules.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use ssf_hub::hub::entry::{Act, Body, FactInput, IssuerKeys, Named, Route, SetInput};
use ssf_hub::hub::names;
use ssf_hub::hub::object::{Object, ObjectKind};
use ssf_hub::lineage::alias::Alias;
use ssf_hub::lineage::fact::Fact;
use ssf_hub::lineage::subject::names_in;
use ssf_hub::revocation::key::SubjectKey;
use ssf_hub::set::sub_id::SubId;
use ssf_hub::tenant::TenantId;

/// When the golden journal begins (ms since 1970).
pub const T0_MS: i64 = 1_780_000_000_000;
pub const IDP: &str = "https://idp.example/realms/a";
const AS: &str = "https://as.example";
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

/// Somebody of whom no fact tells.
const BOB: &str = r#"{"format":"email","email":"Bob@example.com"}"#;

/// One input, and whether its decision follows.
pub struct Step {
    pub tenant: TenantId,
    pub body: Body,
    pub decide: bool,
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub fn subject_key() -> SubjectKey {
    SubjectKey::new(&[42; 32])
}

fn named(alias: Alias) -> Named {
    Named { hashes: subject_key().hashes(&alias), alias }
}

fn object(json: Value) -> Object {
    serde_json::from_value(json).unwrap()
}

pub fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).unwrap()
}

fn put(json: Value) -> Body {
    Body::Put { object: object(json), by: "file".into() }
}

/// What operators configured: every kind of object, with every member that can be left out once given and once not.
fn objects() -> Vec<(&'static str, Value)> {
    let jwks = json!({"inline": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}});
    vec![
        ("_hub", json!({"tenant": {"id": "default"}})),
        ("_hub", json!({"tenant": {"id": "t-1"}})),
        ("_hub", json!({"operator": {"id": "admin", "bearer_sha256": "aa"}})),
        (
            "default",
            json!({"upstream": {"id": "idp", "iss": IDP, "aud": ["https://hub.example"], "jwks": jwks}}),
        ),
        (
            "default",
            json!({"upstream": {
                "id": "keycloak", "iss": "https://kc.example/realms/b", "aud": ["a", "b"], "dialect": "keycloak",
                "algs": ["RS256", "PS256", "ES256", "EdDSA"], "jwks": {"url": "https://kc.example/certs"},
                "bearer_sha256": "bb", "clock_tolerance_s": 5, "max_token_lifetime_s": 3600,
                "authority": {"event_types": [format!("{CAEP}session-revoked")], "namespaces": ["@example.com"],
                              "effect": "raise_risk", "rate_per_s": 10},
            }}),
        ),
        (
            "default",
            json!({"token_issuer": {
                "id": "as", "iss": AS, "jwks": {"url": "https://as.example/jwks"}, "algs": ["ES256"],
                "clock_tolerance_s": 1, "max_token_lifetime_s": 900, "alias_claims": ["email", "upn"],
                "lineage_stamp": true,
            }}),
        ),
        ("default", json!({"client": {"id": "broker", "bearer_sha256": "cc", "facts": true}})),
        (
            "default",
            json!({"client": {"id": "receiver", "bearer_sha256": "dd", "facts": false,
                                      "authority": {"effect": "record"}}}),
        ),
        ("default", json!({"point": {"id": "edge", "bearer_sha256": "ee", "aud": ["https://tool.example"]}})),
        (
            "default",
            json!({"stream": {
                "stream_id": "push", "client": "receiver", "method": "urn:ietf:rfc:8935",
                "endpoint_url": "https://receiver.example/events", "authorization_secret": "push.authorization",
                "aud": ["https://receiver.example"], "events_requested": ["*"], "derived": true, "alg": "ES256",
            }}),
        ),
        (
            "default",
            json!({"stream": {
                "stream_id": "poll", "client": "receiver", "method": "urn:ietf:rfc:8936",
                "aud": ["https://b.example", "https://a.example"],
                "events_requested": [format!("{CAEP}session-revoked"), format!("{RISC}account-disabled")],
            }}),
        ),
        (
            "t-1",
            json!({"upstream": {"id": "idp", "iss": IDP, "aud": ["https://hub.example"], "jwks": jwks,
                                    "authority": {"effect": "contain"}}}),
        ),
        ("t-1", json!({"client": {"id": "broker", "bearer_sha256": "ff"}})),
    ]
}

/// Facts in the words of the API, of every kind.
fn facts() -> Vec<Value> {
    let at = |s: i64| T0_MS / 1000 + s;
    let alice = json!({"kind": "iss_sub", "iss": IDP, "value": "alice"});
    let s1 = json!({"kind": "session", "iss": IDP, "value": "s1"});
    let token = |jti: &str| json!({"kind": "jti", "iss": AS, "value": jti});
    let edge =
        |kind: &str, from: Value, to: Value| json!({"fact": "edge", "type": kind, "from": from, "to": to});
    let name = |kind: &str, value: &str| json!({"kind": kind, "value": value});
    let tool = "https://tool.example";
    vec![
        json!({"fact": "agent", "id": "alice", "class": "human",
               "aliases": [alice, {"kind": "email", "value": "Alice@Example.COM"}]}),
        json!({"fact": "agent", "id": "helper", "owner": "team-1", "system": "helpdesk",
               "aliases": [{"kind": "client", "iss": AS, "value": "helper"}]}),
        json!({"fact": "agent", "id": "nightly", "class": "automation"}),
        json!({"fact": "agent", "id": "pod", "class": "workload",
               "aliases": [{"kind": "spiffe", "value": "spiffe://example.com/pod"}]}),
        json!({"fact": "tool", "id": tool, "owner": "team-2", "high_risk": true}),
        edge("session_of", s1.clone(), alice.clone()),
        edge("on_device", s1.clone(), json!({"kind": "device", "iss": IDP, "value": "laptop"})),
        json!({"fact": "run", "id": "day", "agent": name("agent", "helper"), "session": s1,
               "on_behalf_of": alice, "deadline": at(7200), "valid_from": at(1)}),
        json!({"fact": "run", "id": "sub", "agent": name("agent", "helper"), "parent": "day", "deadline": at(9000)}),
        json!({"fact": "run", "id": "night", "agent": name("agent", "nightly"), "interactive": false,
               "on_behalf_of": alice, "deadline": at(36_000)}),
        json!({"fact": "token", "iss": AS, "jti": "t-day", "run": "day", "aud": tool, "iat": at(2), "exp": at(600)}),
        json!({"fact": "token", "iss": AS, "jti": "t-sub", "run": "sub", "aud": [tool, "b"], "iat": at(3), "exp": at(600)}),
        json!({"fact": "token", "iss": AS, "jti": "t-night", "run": "night", "iat": at(3), "exp": at(30_000)}),
        edge("exchanged_into", token("t-day"), token("t-next")),
        edge("presented_to", token("t-day"), name("tool", tool)),
        edge("runs_on", name("run", "night"), name("spiffe", "spiffe://example.com/pod")),
        edge("may_use", name("agent", "helper"), name("tool", tool)),
        json!({"fact": "edge", "type": "owns", "from": alice, "to": name("agent", "helper"),
               "valid_from": at(0), "valid_to": at(60)}),
        edge("alias_of", alice, name("phone_number", "+15550100")),
        json!({"fact": "complete", "target": name("run", "sub")}),
    ]
}

fn fact(json: Value, key: Option<&str>) -> Body {
    let fact = serde_json::from_value::<Fact>(json).unwrap().checked().unwrap();
    let hashes = fact.aliases().iter().map(|alias| subject_key().hashes(alias)).collect();
    Body::Fact(FactInput { client: "broker".into(), fact, hashes, idempotency_key: key.map(Into::into) })
}

fn set(n: u32, uri: &str, sub_id: &str, event: &str, route: Route) -> Body {
    let txn = format!("txn-{n}");
    let compact = format!("eyJhbGciOiJFUzI1NiIsInR5cCI6InNlY2V2ZW50K2p3dCJ9.golden-{n}.c2lnbmF0dXJl");
    let names = names_in(&SubId::parse_str(sub_id).unwrap(), IDP).into_iter().map(named).collect();
    Body::Set(SetInput {
        read: None,
        upstream: "idp".into(),
        iss: IDP.into(),
        jti: format!("jti-{n}"),
        payload_hash: names::hash(&[compact.as_bytes()]),
        compact,
        uri: uri.into(),
        sub_id: raw(sub_id),
        event: raw(event),
        echo: names::echo(&txn, names::event_hash(uri, sub_id, event)),
        txn,
        toe: n.is_multiple_of(2).then_some(T0_MS / 1000),
        all_sessions: n.is_multiple_of(3),
        route,
        names,
    })
}

fn sets() -> Vec<Body> {
    let at = T0_MS / 1000;
    let alice = format!(r#"{{ "format": "iss_sub", "iss": "{IDP}", "sub": "alice" }}"#);
    let of_session = r#"{"format":"complex","user":{"format":"email","email":"alice@example.com"},"session":{"format":"opaque","id":"s1"}}"#;
    let logout =
        format!(r#"{{"event_timestamp":{at},"initiating_entity":"user","reason_user":{{"de":"tschüß"}}}}"#);
    let verification = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    vec![
        set(1, &format!("{CAEP}session-revoked"), of_session, &logout, Route::Forward),
        set(2, &format!("{RISC}account-disabled"), &alice, r#"{"reason":"bulk-account"}"#, Route::Forward),
        set(3, verification, r#"{"format":"opaque","id":"s"}"#, r#"{"state":"x"}"#, Route::Control),
        set(4, "urn:example:other", &alice, "{}", Route::Beyond),
        set(5, &format!("{CAEP}session-revoked"), of_session, &logout, Route::Echo),
        set(9, &format!("{CAEP}session-revoked"), of_session, &logout, Route::Heard),
        set(6, "urn:example:unknown", &alice, r#"{ "n" : 1.50, "deep" : [ { } ] }"#, Route::Forward),
        set(7, &format!("{RISC}account-enabled"), &alice, "{}", Route::Forward),
        set(
            8,
            &format!("{CAEP}credential-change"),
            &alice,
            r#"{"credential_type":"password","change_type":"revoke"}"#,
            Route::Forward,
        ),
        // Bob is out, known by his address alone; alice has begun to leave, by all her names.
        set(11, &format!("{RISC}opt-out-initiated"), BOB, "{}", Route::Forward),
        set(12, &format!("{RISC}opt-out-effective"), BOB, "{}", Route::Forward),
        set(13, &format!("{RISC}recovery-activated"), BOB, "{}", Route::Forward),
        set(14, &format!("{RISC}opt-out-initiated"), &alice, "{}", Route::Forward),
    ]
}

/// What operators did by hand.
fn act(kind: &str, value: &str) -> Act {
    let target = named(Alias::new(kind, "", value));
    Act { by: "admin".into(), target, reason: "seen at the café".into() }
}

/// The list, in the order of the journal.
pub fn steps() -> Vec<Step> {
    let mut out = vec![];
    let mut say = |of: &str, body: Body, decide: bool| out.push(Step { tenant: tenant(of), body, decide });
    objects().into_iter().for_each(|(of, json)| say(of, put(json), false));
    say("default", Body::Keys(IssuerKeys { upstream: "idp".into(), jwks: r#"{"keys":[]}"#.into() }), false);
    let keys = [Some("key-1"), None];
    facts().into_iter().enumerate().for_each(|(n, json)| say("default", fact(json, keys[n % 2]), true));
    sets().into_iter().for_each(|set| say("default", set, true));
    say(
        "t-1",
        set(10, "urn:example:unknown", r#"{"format":"email","email":"a@b.c"}"#, "{}", Route::Forward),
        true,
    );
    say("default", Body::Kill(act("agent", "helper")), true);
    say("default", Body::Lift(act("agent", "helper")), true);
    say("default", Body::Tick, true);
    let gone = Body::Remove { kind: ObjectKind::Point, id: "edge".into(), by: "admin".into() };
    say("default", gone, false);
    say("_hub", Body::ClockAccepted { by: "admin".into() }, false);
    out
}
