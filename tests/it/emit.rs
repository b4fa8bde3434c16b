//! What an operator says himself: to whom it goes, what it does not do, what is refused, who may.

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::hub::Hub;
use super::peers::{Idp, SESSION_REVOKED, claims_of};

const POINT: &str = "point-secret-0123456789";

fn alice() -> Value {
    json!({ "format": "iss_sub", "iss": "https://idp.example", "sub": "alice" })
}

async fn poll(hub: &Hub, stream: &str, bearer: &str) -> Vec<(String, Value)> {
    let (status, answer) = hub.poll("default", stream, bearer, json!({ "returnImmediately": true })).await;
    assert_eq!(status, 200, "{answer}");
    let sets = answer["sets"].as_object().unwrap().iter();
    sets.map(|(jti, compact)| (jti.clone(), claims_of(compact.as_str().unwrap()))).collect()
}

async fn stream(hub: &Hub, id: &str, wants: &str) {
    let body = json!({ "client": "app", "method": "poll", "aud": [format!("aud-{id}")], "events_requested": [wants] });
    hub.put("default", "streams", id, body).await;
}

async fn emit(hub: &Hub, body: Value) -> (u16, Value) {
    hub.admin_send("POST", "/admin/v1/t/default/emit", Some(body)).await
}

#[tokio::test]
async fn what_is_said_goes_to_who_wants_it_and_stops_nobody() {
    let hub = Hub::start().await;
    let app = hub.client("default", "app", false).await;
    for (id, wants) in [("a", "*"), ("b", SESSION_REVOKED), ("c", "urn:x:other")] {
        stream(&hub, id, wants).await;
    }
    let issuer = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "token-issuers", "idp", issuer.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let token = issuer.token("t", "alice", "api", json!({}));

    let body = json!({ "type": "session-revoked", "subject": alice(), "event": { "reason_admin": { "en": "drill" } }, "toe": 1_700_000_000 });
    let (status, said) = emit(&hub, body).await;
    assert_eq!((status, &said["owed"], &said["stops"]), (200, &json!(2), &json!(false)), "{said}");
    for stream in ["a", "b"] {
        let sets = poll(&hub, stream, &app).await;
        assert_eq!(sets.len(), 1);
        let (jti, claims) = &sets[0];
        let named = said["sets"].as_array().unwrap().iter().find(|s| s["jti"] == **jti);
        assert_eq!(named.unwrap()["aud"], json!([format!("aud-{stream}")]));
        assert_eq!(
            (&claims["sub_id"], &claims["txn"], &claims["toe"]),
            (&alice(), &said["txn"], &json!(1_700_000_000))
        );
        assert_eq!(claims["events"], json!({ SESSION_REVOKED: { "reason_admin": { "en": "drill" } } }));
    }
    assert!(poll(&hub, "c", &app).await.is_empty());
    assert_eq!(hub.ask("default", POINT, &token).await.0, 200, "it is told, and stops nobody");
    let id = said["id"].as_str().unwrap();
    let why = hub.admin_send("GET", &format!("/admin/v1/why/{id}"), None).await.1;
    assert_eq!((&why["kind"], &why["emit"]["by"]), (&json!("emit"), &json!("admin")), "{why}");

    // To one stream only, and only if it wants the type.
    let one = |stream: &str| json!({ "type": "urn:x:other", "subject": alice(), "stream_id": stream });
    assert_eq!(emit(&hub, one("a")).await.1["owed"], 1);
    assert!(poll(&hub, "c", &app).await.is_empty());
    assert_eq!(emit(&hub, one("b")).await.0, 409);
    assert_eq!(emit(&hub, one("nope")).await.0, 404);
    // A restart delivers it under the same names.
    let before = poll(&hub, "b", &app).await;
    let hub = hub.restart().await;
    assert_eq!(poll(&hub, "b", &app).await, before);
    hub.stop().await;
}

#[tokio::test]
async fn a_ring_is_silent_and_a_token_issuer_is_still_heard() {
    let hub = Hub::start().await;
    let app = hub.client("default", "app", false).await;
    stream(&hub, "a", "*").await;
    let (peer, idp) =
        (Idp::new("https://peer.example", Alg::ES256), Idp::new("https://idp.example", Alg::ES256));
    hub.put("default", "upstreams", "peer", peer.upstream("hub")).await;
    hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
    hub.put("default", "token-issuers", "idp", idp.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let token = idp.token("t", "alice", "api", json!({}));
    let event = json!({ "initiating_entity": "admin" });
    let body = json!({ "type": SESSION_REVOKED, "subject": alice(), "event": event, "txn": "t-1" });
    assert_eq!(emit(&hub, body.clone()).await.1["owed"], 1);
    let again = emit(&hub, body).await;
    assert_eq!((again.0, &again.1["no_change"], &again.1["owed"]), (200, &json!(true), &json!(0)));
    assert_eq!(poll(&hub, "a", &app).await.len(), 1);
    for (from, stopped) in [(&peer, 200), (&idp, 401)] {
        let mut claims = from.claims("hub", "j", SESSION_REVOKED, alice(), event.clone());
        claims["txn"] = json!("t-1");
        let upstream = if stopped == 200 { "peer" } else { "idp" };
        assert_eq!(hub.push("default", upstream, &from.sign(&claims)).await.0, 202);
        assert_eq!(poll(&hub, "a", &app).await.len(), 1, "it goes out once");
        assert_eq!(hub.ask("default", POINT, &token).await.0, stopped, "{upstream}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_must_not_be_said_changes_nothing() {
    let hub = Hub::start().await;
    let mark = hub.mark("default").await;
    let long = "x".repeat(70_000);
    let cases = [
        (json!({ "type": "verification", "subject": alice() }), 400, "cannot be emitted"),
        (
            json!({ "type": "https://schemas.openid.net/secevent/ssf/event-type/stream-updated", "subject": alice() }),
            400,
            "cannot be emitted",
        ),
        (json!({ "type": "sessions-revoked", "subject": alice() }), 400, "deprecated"),
        (json!({ "type": "session-revokd", "subject": alice() }), 400, "no event type"),
        (json!({ "type": "session-revoked", "subject": { "format": "email" } }), 400, "email"),
        (
            json!({ "type": "session-revoked", "subject": { "format": "opaque", "id": "1", "x": 1 } }),
            400,
            "does not describe",
        ),
        (json!({ "type": "credential-change", "subject": alice() }), 400, "credential_type"),
        (json!({ "type": "identifier-changed", "subject": alice() }), 400, "phone number"),
        (json!({ "type": "session-revoked", "subject": alice(), "event": [] }), 400, ""),
        (json!({ "type": "session-revoked", "subject": alice(), "more": 1 }), 400, "more"),
        (json!({ "type": "session-revoked", "subject": alice(), "txn": "" }), 400, "txn"),
        (json!({ "type": "session-revoked", "subject": alice(), "toe": -1 }), 400, "toe"),
        (json!({ "subject": alice() }), 400, "type"),
        (json!({ "type": "urn:x:y", "subject": alice(), "event": { "x": long } }), 413, "set_bytes"),
    ];
    for (body, status, what) in cases {
        let (got, problem) = emit(&hub, body.clone()).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(got == status && detail.contains(what), "{got} {detail}");
    }
    let body = json!({ "type": "session-revoked", "subject": alice() });
    for tenant in ["nobody", "_hub"] {
        let path = format!("/admin/v1/t/{tenant}/emit");
        assert_eq!(hub.admin_send("POST", &path, Some(body.clone())).await.0, 404, "{tenant}");
    }
    assert_eq!(hub.mark("default").await, mark);
    hub.stop().await;
}

#[tokio::test]
async fn roles_open_what_they_are_for() {
    let mut hub = Hub::start().await;
    let admin = hub.credential.clone();
    let mut bearers = vec![(admin.clone(), [200, 200, 200])];
    for (id, role, want) in [("night", "operator", [200, 200, 403]), ("auditor", "viewer", [200, 403, 403])] {
        let made = hub.put("_hub", "operators", id, json!({ "new_bearer": true, "role": role })).await;
        bearers.push((made["bearer"].as_str().unwrap().into(), want));
    }
    let shown = hub.admin_send("GET", "/admin/v1/t/_hub/operators/auditor", None).await.1;
    assert_eq!(shown["role"], "viewer");
    let act = json!({ "target": { "kind": "agent", "value": "a" }, "reason": "drill" });
    let said = json!({ "type": "session-revoked", "subject": alice() });
    for (bearer, [reads, acts, administers]) in bearers {
        hub.credential = bearer;
        for path in
            ["status", "operations", "t/default/streams", "t/default/dead-letters", "t/_hub/operators"]
        {
            assert_eq!(hub.admin_send("GET", &format!("/admin/v1/{path}"), None).await.0, reads, "{path}");
        }
        for (path, body) in [
            ("t/default/kill", act.clone()),
            ("t/default/lift", act.clone()),
            ("t/default/emit", said.clone()),
            ("base", Value::Null),
            ("clock/accept", Value::Null),
        ] {
            let (status, problem) = hub.admin_send("POST", &format!("/admin/v1/{path}"), Some(body)).await;
            assert_eq!(status, acts, "{path}: {problem}");
            assert!(status == 200 || problem["detail"].as_str().unwrap().contains("needs the role operator"));
        }
        let path = "/admin/v1/t/_hub/tenants/acme";
        assert_eq!(hub.admin_send("PUT", path, Some(json!({}))).await.0, administers);
        let dir = json!({ "dir": "relative" });
        let backup = hub.admin_send("POST", "/admin/v1/backup", Some(dir)).await.0;
        assert_eq!(backup, if administers == 200 { 400 } else { 403 });
        let removed = hub.admin_send("DELETE", "/admin/v1/t/default/points/none", None).await.0;
        assert_eq!(removed, if administers == 200 { 404 } else { 403 });
    }
    // The last admin stays one, and stays.
    hub.credential = admin;
    let (status, problem) =
        hub.admin_send("PUT", "/admin/v1/t/_hub/operators/admin", Some(json!({ "role": "viewer" }))).await;
    assert!(status == 409 && problem["detail"].as_str().unwrap().contains("last admin"), "{problem}");
    assert_eq!(hub.admin_send("DELETE", "/admin/v1/t/_hub/operators/admin", None).await.0, 409);
    for bad in [json!({ "new_bearer": true, "role": "root" }), json!({ "new_bearer": true, "role": 1 })] {
        assert_eq!(hub.admin_send("PUT", "/admin/v1/t/_hub/operators/x", Some(bad)).await.0, 400);
    }
    let reserved =
        hub.admin_send("PUT", "/admin/v1/t/_hub/operators/file", Some(json!({ "new_bearer": true }))).await;
    assert_eq!(reserved.0, 400, "{}", reserved.1);
    hub.stop().await;
}
