//! The kill switch, and what a kill means for tokens that come after it (NEED-2, NEED-27, NEED-29).

use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::authorization::shifted;
use super::hub::Hub;
use super::peers::Idp;

const POINT: &str = "point-secret-0123456789";

async fn guarded() -> (Hub, Idp, String) {
    guard(Hub::start().await).await
}

async fn guard(hub: Hub) -> (Hub, Idp, String) {
    let issuer = Idp::new("https://foreign.example", Alg::ES256);
    hub.put("default", "token-issuers", "foreign", issuer.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let broker = hub.client("default", "broker", true).await;
    (hub, issuer, broker)
}

fn agent(issuer: &Idp) -> serde_json::Value {
    json!({ "id": "deployer", "owner": "team-a", "system": "ci",
            "aliases": [{ "kind": "client", "iss": issuer.iss, "value": "deployer-client" }] })
}

async fn second() {
    // Tokens carry seconds: the next one is another.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

#[tokio::test]
async fn a_killed_agent_gets_no_new_token_past_and_a_lift_lets_new_ones_pass() {
    let (hub, issuer, broker) = guarded().await;
    assert_eq!(hub.fact("default", &broker, "agents", agent(&issuer)).await.0, 201);
    let minted = |jti: &str| issuer.token(jti, "svc", "api", json!({ "client_id": "deployer-client" }));
    let old = minted("t1");
    assert_eq!(hub.ask("default", POINT, &old).await.0, 200);

    let target = json!({ "kind": "agent", "value": "deployer" });
    let act = json!({ "target": target, "reason": "drill" });
    let (status, done) = hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act.clone())).await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(done["no_change"], false);
    assert_eq!(hub.ask("default", POINT, &old).await.0, 401);
    second().await;
    let fresh = minted("t2");
    let (status, id) = hub.ask("default", POINT, &fresh).await;
    assert_eq!(status, 401, "a thief with a refresh token mints a new one");

    // The decision id leads to the cause, and to who did it.
    let (status, why) = hub.admin_send("GET", &format!("/admin/v1/why/{id}"), None).await;
    assert_eq!(status, 200, "{why}");
    assert_eq!(why["decision"]["reason_code"], "killed");
    assert_eq!(why["caused_by"]["act"]["reason"], "drill");

    // Killed again: nothing changes. Also across a restart.
    let again = hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act.clone())).await.1;
    assert_eq!(again["no_change"], true);
    let hub = hub.restart().await;
    assert_eq!(hub.ask("default", POINT, &fresh).await.0, 401);

    let (status, done) = hub.admin_send("POST", "/admin/v1/t/default/lift", Some(act)).await;
    assert_eq!((status, &done["no_change"]), (200, &json!(false)), "{done}");
    for token in [&old, &fresh] {
        assert_eq!(
            hub.ask("default", POINT, token).await.0,
            401,
            "what was issued before the lift stays dead"
        );
    }
    second().await;
    assert_eq!(hub.ask("default", POINT, &minted("t3")).await.0, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_killed_run_takes_what_it_spawned_along_and_late_facts_are_caught() {
    let (hub, issuer, broker) = guarded().await;
    let later = super::peers::now_s() + 600;
    hub.fact("default", &broker, "agents", agent(&issuer)).await;
    let alias = json!({ "kind": "agent", "value": "deployer" });
    for (id, parent) in [("r1", None), ("r1.1", Some("r1")), ("r2", None)] {
        let mut run = json!({ "id": id, "agent": alias, "deadline": later });
        if let Some(parent) = parent {
            run["parent"] = json!(parent);
        }
        let (status, body) = hub.fact("default", &broker, "runs", run).await;
        assert_eq!(status, 201, "{body}");
    }
    let now = super::peers::now_s();
    let fact = |jti: &str, run: &str| json!({ "iss": issuer.iss, "jti": jti, "run": run, "aud": "api", "iat": now, "exp": now + 600 });
    for (jti, run) in [("k1", "r1"), ("k1.1", "r1.1"), ("k2", "r2")] {
        assert_eq!(hub.fact("default", &broker, "tokens", fact(jti, run)).await.0, 201);
    }
    let token = |jti: &str| issuer.token(jti, "svc", "api", json!({}));
    for jti in ["k1", "k1.1", "k2"] {
        assert_eq!(hub.ask("default", POINT, &token(jti)).await.0, 200, "{jti}");
    }
    let act = json!({ "target": { "kind": "run", "value": "r1" }, "reason": "it misbehaves" });
    let done = hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await.1;
    assert_eq!((done["runs"].as_u64(), done["tokens"].as_u64()), (Some(2), Some(2)), "{done}");
    assert_eq!(hub.ask("default", POINT, &token("k1")).await.0, 401);
    assert_eq!(hub.ask("default", POINT, &token("k1.1")).await.0, 401);
    assert_eq!(hub.ask("default", POINT, &token("k2")).await.0, 200, "r2 is innocent");

    // Told of after its run was stopped: born revoked.
    let (status, late) = hub.fact("default", &broker, "tokens", fact("late", "r1.1")).await;
    assert_eq!((status, &late["born_revoked"]), (201, &json!(true)), "{late}");
    assert_eq!(hub.ask("default", POINT, &token("late")).await.0, 401);

    // Completed: whatever token of it comes, it is over (NEED-11).
    let url = format!("{}/t/default/v1/runs/r2/complete", hub.public);
    let done = hub.http.post(url).bearer_auth(&broker).send().await.unwrap();
    assert_eq!(done.status().as_u16(), 201);
    assert_eq!(hub.ask("default", POINT, &token("k2")).await.0, 401);
    hub.stop().await;
}

#[tokio::test]
async fn a_run_that_dies_without_saying_so_is_dead_at_its_deadline() {
    let (hub, clock) = shifted().await;
    let (hub, issuer, broker) = guard(hub).await;
    hub.fact("default", &broker, "agents", agent(&issuer)).await;
    let now = super::peers::now_s();
    let run =
        json!({ "id": "short", "agent": { "kind": "agent", "value": "deployer" }, "deadline": now + 50 });
    assert_eq!(hub.fact("default", &broker, "runs", run).await.0, 201);
    let fact =
        json!({ "iss": issuer.iss, "jti": "k", "run": "short", "aud": "api", "iat": now, "exp": now + 600 });
    assert_eq!(hub.fact("default", &broker, "tokens", fact).await.0, 201);
    let token = issuer.token("k", "svc", "api", json!({}));
    assert_eq!(hub.ask("default", POINT, &token).await.0, 200);
    clock.by_s(51);
    super::hub::until("the deadline stops it", 10, || async {
        hub.ask("default", POINT, &token).await.0 == 401
    })
    .await;
    let id = hub.ask("default", POINT, &token).await.1;
    let why = hub.admin_send("GET", &format!("/admin/v1/why/{id}"), None).await.1;
    assert_eq!(why["decision"]["reason_code"], "deadline_passed", "{why}");
    hub.stop().await;
}

#[tokio::test]
async fn an_empty_graph_still_stops_the_user() {
    let (hub, issuer, _) = guarded().await;
    hub.put("default", "upstreams", "kc", issuer.upstream("hub")).await;
    let token = issuer.token("t", "alice", "api", json!({ "sid": "s1" }));
    let other = issuer.token("t2", "alice", "api", json!({ "sid": "s2" }));
    assert_eq!(hub.ask("default", POINT, &token).await.0, 200);
    let set = issuer.session_revoked("hub", "j1", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    assert_eq!(hub.ask("default", POINT, &token).await.0, 401);
    assert_eq!(hub.ask("default", POINT, &other).await.0, 200, "the narrowest key that was named");
    let set = issuer.session_revoked("hub", "j2", "alice", None, "admin");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    assert_eq!(hub.ask("default", POINT, &other).await.0, 401);
    let bob = issuer.token("t3", "bob", "api", json!({}));
    assert_eq!(hub.ask("default", POINT, &bob).await.0, 200);
    // A signal that asks for what holds makes no decision, and still goes out; here nobody is subscribed.
    let before = hub.mark("default").await.1;
    let again = issuer.session_revoked("hub", "j3", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &again).await.0, 202);
    assert_eq!(hub.mark("default").await.1, before + 1, "the SET alone");
    hub.stop().await;
}

#[tokio::test]
async fn a_stop_that_came_before_the_facts_catches_what_they_tell_of() {
    let (hub, issuer, broker) = guarded().await;
    hub.put("default", "upstreams", "kc", issuer.upstream("hub")).await;
    let set = issuer.session_revoked("hub", "j1", "alice", Some("s1"), "admin");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    let run = json!({ "id": "r", "agent": { "kind": "agent", "value": "deployer" }, "interactive": false,
                      "session": { "kind": "session", "iss": issuer.iss, "value": "s1" },
                      "deadline": super::peers::now_s() + 600 });
    let (status, told) = hub.fact("default", &broker, "runs", run).await;
    assert_eq!((status, &told["born_revoked"]), (201, &json!(true)), "{told}");
    let now = super::peers::now_s();
    let fact =
        json!({ "iss": issuer.iss, "jti": "k", "run": "r", "aud": "api", "iat": now, "exp": now + 600 });
    assert_eq!(hub.fact("default", &broker, "tokens", fact).await.1["born_revoked"], true);
    assert_eq!(hub.ask("default", POINT, &issuer.token("k", "svc", "api", json!({}))).await.0, 401);

    // A token that an edge only mentions is no run's: its session still counts.
    let revoked = issuer.token("m", "alice", "api", json!({ "sid": "s1" }));
    assert_eq!(hub.ask("default", POINT, &revoked).await.0, 401);
    let edge = json!({ "type": "presented_to", "from": { "kind": "jti", "iss": issuer.iss, "value": "m" },
                       "to": { "kind": "tool", "value": "https://tool.example" } });
    assert_eq!(hub.fact("default", &broker, "edges", edge).await.0, 201);
    assert_eq!(hub.ask("default", POINT, &revoked).await.0, 401);

    // A client that nobody knows.
    let minted = issuer.token("c", "svc", "api", json!({ "client_id": "stray" }));
    assert_eq!(hub.ask("default", POINT, &minted).await.0, 200);
    let target = json!({ "kind": "client", "iss": issuer.iss, "value": "stray" });
    let act = json!({ "target": target, "reason": "drill" });
    let (status, done) = hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await;
    assert_eq!((status, &done["no_change"]), (200, &json!(false)), "{done}");
    assert_eq!(hub.ask("default", POINT, &minted).await.0, 401);
    hub.stop().await;
}

#[tokio::test]
async fn every_answer_of_the_gate_has_an_id_that_why_explains() {
    let (hub, issuer, _) = guarded().await;
    let token = issuer.token("t", "alice", "api", json!({}));
    let cases = [
        ("default", POINT, 200, "default:allow"),
        ("default", "wrong-secret-0123456789", 403, "default:point_unknown"),
        ("_hub", POINT, 403, "_hub:point_unknown"),
        ("No Tenant", POINT, 403, "_hub:point_unknown"),
    ];
    for (tenant, point, status, id) in cases {
        assert_eq!(hub.ask(tenant, point, &token).await, (status, id.to_string()), "{tenant}");
        let (status, why) = hub.admin_send("GET", &format!("/admin/v1/why/{id}"), None).await;
        assert_eq!(status, 200, "{id}: {why}");
        assert!(why["reason"].as_str().is_some_and(|text| !text.is_empty()), "{why}");
    }
    assert_eq!(hub.admin_send("GET", "/admin/v1/why/default:because", None).await.0, 404);
    hub.stop().await;
}
