//! An upstream that speaks of what is not its own: 202, kept, marked, without effect, sent to no stream (DESIGN 11).

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::hub::Hub;
use super::super::peers::{Idp, PushReceiver, SESSION_REVOKED, now_s};

const POINT: &str = "point-secret-0123456789";
const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";

#[tokio::test]
async fn an_upstream_beyond_its_authority() {
    let hub = Hub::start().await;
    let (idp, receiver) = (Idp::new("https://idp.example", Alg::ES256), PushReceiver::start().await);
    let mut upstream = idp.upstream("hub");
    upstream["authority"] =
        json!({ "event_types": [SESSION_REVOKED], "namespaces": ["@own.example", "https://own.example"] });
    hub.put("default", "upstreams", "narrow", upstream).await;
    hub.put("default", "token-issuers", "idp", idp.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let bearer = hub.client("default", "saas", false).await;
    for (id, more) in [("push", json!({ "endpoint_url": receiver.url })), ("poll", json!({}))] {
        let mut stream = json!({ "client": "saas", "method": id, "aud": [id], "events_requested": ["*"], "derived": true });
        stream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hub.put("default", "streams", id, stream).await;
    }
    let email = |address: &str| json!({ "format": "email", "email": address });
    let iss_sub = |iss: &str| json!({ "format": "iss_sub", "iss": iss, "sub": "alice" });
    let rows: [(&str, &str, Value); 10] = [
        ("another domain", SESSION_REVOKED, email("alice@other.example")),
        ("a domain that ends like it", SESSION_REVOKED, email("alice@notown.example")),
        ("a domain below it", SESSION_REVOKED, email("alice@sub.own.example")),
        ("another issuer", SESSION_REVOKED, iss_sub("https://idp.example")),
        ("an issuer that begins like it", SESSION_REVOKED, iss_sub("https://own.example.attacker.example")),
        (
            "a URI at a host that begins like it",
            SESSION_REVOKED,
            json!({ "format": "uri", "uri": "https://own.example.attacker.example/alice" }),
        ),
        (
            "one of two",
            SESSION_REVOKED,
            json!({ "format": "aliases", "identifiers": [email("alice@own.example"), iss_sub("https://idp.example")] }),
        ),
        (
            "a member beside its own",
            SESSION_REVOKED,
            json!({ "format": "complex", "user": email("alice@own.example"), "session": { "format": "opaque", "id": "s1" } }),
        ),
        (
            "nothing that could be looked at",
            SESSION_REVOKED,
            json!({ "format": "ip-addresses", "ip-addresses": ["192.0.2.1"] }),
        ),
        ("another event type", CREDENTIAL_CHANGE, email("alice@own.example")),
    ];
    let token = idp.token("t1", "alice", "api", json!({ "email": "alice@own.example" }));
    let records = async || hub.status().await["tenants"]["default"]["records"].as_u64().unwrap();
    let owed = async || hub.status().await["tenants"]["default"]["owed"].as_u64().unwrap();
    let marked = async || {
        let events = hub.admin_send("GET", "/admin/v1/operations?last=10000", None).await.1;
        events
            .as_array()
            .unwrap()
            .iter()
            .filter(|e| e["kind"] == "beyond_authority" && e["subject"] == "narrow")
            .count()
    };
    for (n, (what, uri, subject)) in rows.iter().enumerate() {
        let event = json!({ "event_timestamp": now_s(), "initiating_entity": "admin", "credential_type": "password", "change_type": "revoke" });
        let set = idp.sign(&idp.claims("hub", &format!("j{n}"), uri, subject.clone(), event));
        let before = hub.mark("default").await;
        assert_eq!(hub.push("default", "narrow", &set).await, (202, json!("")), "{what}");
        let after = hub.mark("default").await;
        let entries = if n == 0 { 2 } else { 1 };
        assert_eq!(
            after.1,
            before.1 + entries,
            "{what}: kept, and the first time the issuer's keys; no decision"
        );
        assert_eq!((records().await, owed().await, marked().await), (0, 0, n + 1), "{what}");
        assert_eq!(hub.ask("default", POINT, &token).await.0, 200, "{what}: no effect");
    }
    // Within its authority it acts; nothing of the others was on its way before it.
    let event = json!({ "event_timestamp": now_s(), "initiating_entity": "admin" });
    let set = idp.sign(&idp.claims("hub", "own", SESSION_REVOKED, email("alice@own.example"), event));
    assert_eq!(hub.push("default", "narrow", &set).await.0, 202);
    assert_eq!(hub.ask("default", POINT, &token).await.0, 401);
    assert_eq!(receiver.wait_for(1).await[0].claims["txn"], "txn-own");
    let (_, polled) = hub.poll("default", "poll", &bearer, json!({ "returnImmediately": true })).await;
    assert_eq!(polled["sets"].as_object().unwrap().len(), 1, "{polled}");
    assert_eq!(receiver.got().len(), 1);
    // Also when all is folded again.
    let hub = hub.restart().await;
    assert_eq!(hub.ask("default", POINT, &token).await.0, 401);
    hub.stop().await;
}
