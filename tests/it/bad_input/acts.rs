//! Kills and lifts that would stop nobody, or of which nobody could say later why (NEED-2).

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::peers::Idp;
use super::{Row, detail, hub_with_client, refused, send};

#[tokio::test]
async fn what_cannot_be_killed_or_has_no_reason() {
    let (hub, _) = hub_with_client().await;
    let target = |kind: &str, value: &str| json!({ "kind": kind, "value": value });
    let act = |target: Value| json!({ "target": target, "reason": "drill" });
    let bodies = [
        ("a mistyped kind", act(target("agnet", "bot"))),
        ("a kind in other case", act(target("Agent", "bot"))),
        ("a device", act(target("device", "d1"))),
        ("a tenant", act(target("tenant", "default"))),
        ("a group", act(target("group", "admins"))),
        ("an org unit", act(target("org_unit", "hr"))),
        ("the hub's word for a user", act(target("user", "alice"))),
        ("a kind that is a path", act(target("../agent", "bot"))),
        ("an empty kind", act(target("", "bot"))),
        ("an empty value", act(target("agent", ""))),
        ("a NUL", act(target("agent", "a\u{0}b"))),
        ("a long value", act(target("agent", &"x".repeat(1025)))),
        ("no target", json!({ "reason": "drill" })),
        ("no reason", json!({ "target": target("agent", "bot") })),
        ("an empty reason", json!({ "target": target("agent", "bot"), "reason": " " })),
        ("a long reason", json!({ "target": target("agent", "bot"), "reason": "x".repeat(1001) })),
        ("a reason that is a number", json!({ "target": target("agent", "bot"), "reason": 7 })),
        ("an unknown member", json!({ "target": target("agent", "bot"), "reason": "x", "by": "somebody" })),
        ("an unknown member of the target", act(json!({ "kind": "agent", "value": "b", "x": 1 }))),
        ("a target that is a text", act(json!("bot"))),
    ];
    let mut rows = vec![];
    for door in ["kill", "lift"] {
        let at = |tenant: &str| format!("{}/admin/v1/t/{tenant}/{door}", hub.admin);
        for (what, body) in &bodies {
            let row = Row::new(format!("{door}: {what}"), "POST", at("default"), 400);
            rows.push(row.bearer(&hub.credential).json(body.clone()));
        }
        for tenant in ["nobody", "NOBODY"] {
            let row = Row::new(format!("{door}: tenant {tenant}"), "POST", at(tenant), 404);
            rows.push(row.bearer(&hub.credential).json(act(target("agent", "bot"))));
        }
    }
    refused(&hub, &rows).await;
    let answer = send(&hub, &rows[0]).await;
    assert!(detail(&answer).contains("agent, run, session"), "says which there are: {}", answer.body);
    hub.stop().await;
}

/// Kinds of one's own can be killed where something uses them: a claim of a token issuer, a name that a fact gave.
#[tokio::test]
async fn a_kind_that_is_in_use_here_can_be_killed() {
    let (hub, broker) = hub_with_client().await;
    let kill = |kind: &str, value: &str| {
        let target = json!({ "kind": kind, "iss": "https://idp.example", "value": value });
        let act = json!({ "target": target, "reason": "drill" });
        let hub = &hub;
        async move { hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await.0 }
    };
    assert_eq!((kill("upn", "alice").await, kill("badge", "4711").await), (400, 400));
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let mut issuer = idp.token_issuer();
    issuer["alias_claims"] = json!(["upn"]);
    hub.put("default", "token-issuers", "t", issuer).await;
    hub.put("default", "points", "gw", json!({ "bearer": "point-secret-0123456789", "aud": ["api"] })).await;
    let badge = json!({ "kind": "badge", "iss": "https://idp.example", "value": "4711" });
    let fact = json!({ "id": "h", "class": "human", "aliases": [badge] });
    assert_eq!(hub.fact("default", &broker, "agents", fact).await.0, 201);
    let token = idp.token("t1", "somebody", "api", json!({ "upn": "alice" }));
    assert_eq!(hub.ask("default", "point-secret-0123456789", &token).await.0, 200);
    assert_eq!((kill("upn", "alice").await, kill("badge", "4711").await), (200, 200));
    assert_eq!(kill("badge", "4712").await, 400, "that badge is nobody's");
    assert_eq!(hub.ask("default", "point-secret-0123456789", &token).await.0, 401);
    hub.stop().await;
}
