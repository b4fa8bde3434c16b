//! Facts and what a signal reaches through them (NEED-3, NEED-5, NEED-13; LINEAGE 1.3).

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::hub::Hub;
use super::peers::{Idp, PushReceiver, SESSION_REVOKED, now_s};

const POINT: &str = "point-secret-0123456789";

struct Story {
    hub: Hub,
    idp: Idp,
    broker: String,
    plain: PushReceiver,
    derived: PushReceiver,
}

/// Alice's session `s1` launched `r1` (with `r1.1` and `r1.1.1`); `night` runs on her behalf without a session; `b1` is Bob's.
async fn story() -> Story {
    let hub = Hub::start().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    hub.put("default", "token-issuers", "idp", idp.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let broker = hub.client("default", "broker", true).await;
    let (plain, derived) = (PushReceiver::start().await, PushReceiver::start().await);
    for (id, receiver, wants) in [("plain", &plain, false), ("derived", &derived, true)] {
        let stream = json!({ "client": "broker", "method": "push", "endpoint_url": receiver.url, "aud": [id],
                             "events_requested": ["*"], "derived": wants });
        hub.put("default", "streams", id, stream).await;
    }
    let (agent, user) = (
        json!({ "kind": "agent", "value": "assistant" }),
        |sub: &str| json!({ "kind": "iss_sub", "iss": "https://idp.example", "value": sub }),
    );
    let session = |id: &str| json!({ "kind": "session", "iss": "https://idp.example", "value": id });
    assert_eq!(hub.fact("default", &broker, "agents", json!({ "id": "assistant" })).await.0, 201);
    let deadline = now_s() + 900;
    let edge = json!({ "type": "session_of", "from": session("s1"), "to": user("alice") });
    assert_eq!(hub.fact("default", &broker, "edges", edge).await.0, 201);
    let runs = [
        json!({ "id": "r1", "agent": agent, "session": session("s1"), "on_behalf_of": user("alice"), "deadline": deadline }),
        json!({ "id": "r1.1", "agent": agent, "parent": "r1", "deadline": deadline }),
        json!({ "id": "r1.1.1", "agent": agent, "parent": "r1.1", "deadline": deadline + 9999 }),
        json!({ "id": "night", "agent": agent, "on_behalf_of": user("alice"), "deadline": deadline }),
        json!({ "id": "b1", "agent": agent, "session": session("s9"), "on_behalf_of": user("bob"), "deadline": deadline }),
    ];
    for run in runs {
        let (status, body) = hub.fact("default", &broker, "runs", run.clone()).await;
        assert_eq!(status, 201, "{run}: {body}");
        let id = run["id"].as_str().unwrap();
        let token = json!({ "iss": idp.iss, "jti": id, "run": id, "aud": "api", "iat": now_s(), "exp": now_s() + 600 });
        assert_eq!(hub.fact("default", &broker, "tokens", token).await.0, 201);
    }
    Story { hub, idp, broker, plain, derived }
}

impl Story {
    /// Which runs' tokens pass. All are issued to the same person, as agents' tokens on behalf of one are.
    async fn passing(&self) -> Vec<&'static str> {
        let mut out = vec![];
        for run in ["r1", "r1.1", "r1.1.1", "night", "b1"] {
            let user = if run == "b1" { "bob" } else { "alice" };
            let token = self.idp.token(run, user, "api", json!({}));
            if self.hub.ask("default", POINT, &token).await.0 == 200 {
                out.push(run);
            }
        }
        out
    }
}

#[tokio::test]
async fn an_ordinary_logout_stops_what_the_session_launched_and_not_the_night_shift() {
    let s = story().await;
    assert_eq!(s.passing().await.len(), 5);
    let set = s.idp.session_revoked("hub", "j", "alice", Some("s1"), "user");
    assert_eq!(s.hub.push("default", "kc", &set).await.0, 202);
    assert_eq!(s.passing().await, ["night", "b1"]);
    // The simple receiver hears the signal alone; the other one what lineage adds too, under one txn.
    let derived = s.derived.wait_for(4).await;
    let plain = s.plain.wait_for(1).await;
    assert_eq!(plain.len(), 1);
    assert!(derived.iter().all(|got| got.claims["txn"] == "txn-j"));
    let runs: std::collections::BTreeSet<String> = derived
        .iter()
        .filter_map(|got| got.claims["sub_id"]["run"]["id"].as_str().map(String::from))
        .collect();
    assert_eq!(runs, ["r1", "r1.1", "r1.1.1"].map(String::from).into());
    for got in derived.iter().filter(|got| got.claims["sub_id"].get("run").is_some()) {
        assert_eq!(got.claims["sub_id"]["format"], "complex");
        assert_eq!(got.claims["sub_id"]["session"]["id"], got.claims["sub_id"]["run"]["id"]);
        assert_eq!(got.claims["sub_id"]["tenant"]["id"], "default");
        let event = &got.claims["events"][SESSION_REVOKED];
        assert!(event["event_timestamp"].as_i64().unwrap() > 1_700_000_000);
        assert!(event["reason_admin"]["en"].is_string());
    }
    s.hub.stop().await;
}

#[tokio::test]
async fn an_admin_who_ends_all_sessions_takes_the_night_shift_too() {
    let s = story().await;
    let set = s.idp.session_revoked("hub", "j", "alice", None, "admin");
    assert_eq!(s.hub.push("default", "kc", &set).await.0, 202);
    assert_eq!(s.passing().await, ["b1"]);
    s.hub.stop().await;
}

#[tokio::test]
async fn a_disabled_account_stops_all_and_enabling_it_revives_no_old_token() {
    let s = story().await;
    let risc = |name: &str, jti: &str| {
        let uri = format!("https://schemas.openid.net/secevent/risc/event-type/{name}");
        let sub = json!({ "format": "iss_sub", "iss": s.idp.iss, "sub": "alice" });
        s.idp.sign(&s.idp.claims("hub", jti, &uri, sub, json!({})))
    };
    assert_eq!(s.hub.push("default", "kc", &risc("account-disabled", "j1")).await.0, 202);
    assert_eq!(s.passing().await, ["b1"]);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let fresh = s.idp.token("other", "alice", "api", json!({}));
    assert_eq!(s.hub.ask("default", POINT, &fresh).await.0, 401, "nothing new while disabled");
    assert_eq!(s.hub.push("default", "kc", &risc("account-enabled", "j2")).await.0, 202);
    assert_eq!(s.hub.ask("default", POINT, &fresh).await.0, 401, "old tokens stay dead");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let newer = s.idp.token("newer", "alice", "api", json!({}));
    assert_eq!(s.hub.ask("default", POINT, &newer).await.0, 200);
    s.hub.stop().await;
}

#[tokio::test]
async fn facts_come_in_any_order() {
    let s = story().await;
    // Everything about this run comes backwards: token, run, agent.
    let token = json!({ "iss": s.idp.iss, "jti": "tok", "run": "later", "aud": "api", "iat": now_s(), "exp": now_s() + 600 });
    assert_eq!(s.hub.fact("default", &s.broker, "tokens", token).await.0, 201);
    let run = json!({ "id": "later", "agent": { "kind": "agent", "value": "unknown-yet" }, "deadline": now_s() + 600 });
    assert_eq!(s.hub.fact("default", &s.broker, "runs", run).await.0, 201);
    assert_eq!(s.hub.fact("default", &s.broker, "agents", json!({ "id": "unknown-yet" })).await.0, 201);
    let bearer = s.idp.token("tok", "svc", "api", json!({}));
    assert_eq!(s.hub.ask("default", POINT, &bearer).await.0, 200);
    let act = json!({ "target": { "kind": "agent", "value": "unknown-yet" }, "reason": "drill" });
    let done = s.hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await.1;
    assert_eq!(done["runs"], 1, "{done}");
    assert_eq!(s.hub.ask("default", POINT, &bearer).await.0, 401);
    s.hub.stop().await;
}

#[tokio::test]
async fn bad_facts_get_a_clear_error_and_change_nothing() {
    let s = story().await;
    let other = s.hub.client("default", "other", true).await;
    let narrow = s.hub.put(
        "default",
        "clients",
        "narrow",
        json!({ "new_bearer": true, "facts": true, "authority": { "namespaces": ["https://mine.example"] } }),
    );
    let narrow = narrow.await["bearer"].as_str().unwrap().to_string();
    let mute = s.hub.client("default", "mute", false).await;
    let deadline = now_s() + 600;
    let agent = json!({ "kind": "agent", "value": "assistant" });
    let run = |id: &str, more: Value| {
        let mut run = json!({ "id": id, "agent": agent, "deadline": deadline });
        run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run
    };
    let client_alias = json!([{ "kind": "client", "iss": "https://idp.example", "value": "shared" }]);
    let first = json!({ "id": "first", "aliases": client_alias });
    assert_eq!(s.hub.fact("default", &s.broker, "agents", first).await.0, 201);
    let cases: Vec<(&str, &str, &str, Value, u16)> = vec![
        ("a run cannot parent itself", &s.broker, "runs", run("x", json!({ "parent": "x" })), 400),
        ("a cycle", &s.broker, "runs", run("r1", json!({ "parent": "r1.1.1" })), 409),
        (
            "another run under the same id",
            &s.broker,
            "runs",
            run("r1", json!({ "deadline": deadline + 5 })),
            409,
        ),
        ("two classes", &s.broker, "agents", json!({ "id": "assistant", "class": "workload" }), 409),
        ("another source's alias", &other, "agents", json!({ "id": "thief", "aliases": client_alias }), 409),
        ("another source's agent", &other, "agents", json!({ "id": "assistant", "owner": "thief" }), 409),
        ("an unknown member", &s.broker, "agents", json!({ "id": "y", "source": "z" }), 400),
        ("no id", &s.broker, "agents", json!({}), 400),
        ("a control character", &s.broker, "agents", json!({ "id": "a\u{0}b" }), 400),
        ("a deadline of 1e300", &s.broker, "runs", run("x", json!({ "deadline": 1e300 })), 400),
        (
            "exp before iat",
            &s.broker,
            "tokens",
            json!({ "iss": "i", "jti": "j", "run": "r1", "iat": 10, "exp": 9 }),
            400,
        ),
        ("an unknown edge", &s.broker, "edges", json!({ "type": "likes", "from": agent, "to": agent }), 400),
        (
            "an edge to itself",
            &s.broker,
            "edges",
            json!({ "type": "alias_of", "from": agent, "to": agent }),
            400,
        ),
        ("beyond its namespaces", &narrow, "agents", json!({ "id": "z", "aliases": client_alias }), 403),
        ("may not tell facts", &mute, "agents", json!({ "id": "z" }), 403),
        ("an unknown bearer", "nobody-0123456789", "agents", json!({ "id": "z" }), 401),
        ("no such door", &s.broker, "wishes", json!({ "id": "z" }), 404),
    ];
    let before = s.hub.mark("default").await;
    for (what, bearer, facts, body, want) in cases {
        let (status, answer) = s.hub.fact("default", bearer, facts, body).await;
        assert_eq!(status, want, "{what}: {answer}");
        assert_eq!(s.hub.mark("default").await, before, "{what} changed something");
        assert!(answer["detail"].is_string(), "{what}: {answer}");
    }
    let raw = |body: String| {
        let request = s.hub.http.post(format!("{}/t/default/v1/agents", s.hub.public)).bearer_auth(&s.broker);
        async move { request.body(body).send().await.unwrap().status().as_u16() }
    };
    assert_eq!(raw(r#"{"id":"a","id":"b"}"#.into()).await, 400, "duplicate members");
    assert_eq!(raw("[".repeat(100_000)).await, 400, "absurdly deep");
    assert_eq!(raw(format!(r#"{{"id":"{}"}}"#, "x".repeat(300_000))).await, 413, "too large");
    assert_eq!(s.hub.mark("default").await, before);
    s.hub.stop().await;
}

#[tokio::test]
async fn a_fact_told_again_changes_nothing_and_its_key_is_not_for_another() {
    let s = story().await;
    let tell = |key: &str, body: Value| {
        let request = s.hub.http.post(format!("{}/t/default/v1/agents", s.hub.public)).bearer_auth(&s.broker);
        let request = request.header("idempotency-key", key).body(body.to_string());
        async move {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
        }
    };
    let (status, first) = tell("k1", json!({ "id": "again" })).await;
    assert_eq!(status, 201);
    let before = s.hub.mark("default").await;
    let (_, second) = tell("k1", json!({ "id": "again" })).await;
    assert_eq!(second["id"], first["id"]);
    assert_eq!(tell("k1", json!({ "id": "different" })).await.0, 409);
    assert_eq!(
        s.hub.fact("default", &s.broker, "agents", json!({ "id": "again" })).await.1["no_change"],
        true
    );
    assert_eq!(s.hub.mark("default").await, before);
    s.hub.stop().await;
}
