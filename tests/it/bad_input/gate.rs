//! Questions to the gate by nobody, and tokens that belong elsewhere: nothing that was once accepted for one point,
//! audience or tenant answers for another, from the cache or not (NEED-15, NEED-27).

use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::super::hub::Hub;
use super::super::peers::Idp;
use super::{Row, marks, refused, send};

const POINT: &str = "point-secret-0123456789";
const OTHER: &str = "other-secret-0123456789";
const RED: &str = "red-secret-0123456789ab";

async fn two_tenants() -> (Hub, Idp, Idp, String) {
    let hub = Hub::start().await;
    let (blue, red) =
        (Idp::new("https://blue.example", Alg::ES256), Idp::new("https://red.example", Alg::ES256));
    hub.tenant("red").await;
    for (tenant, issuer) in [("default", &blue), ("red", &red)] {
        hub.put(tenant, "token-issuers", "t", issuer.token_issuer()).await;
    }
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    hub.put("default", "points", "other", json!({ "bearer": OTHER, "aud": ["elsewhere"] })).await;
    hub.put("red", "points", "gw", json!({ "bearer": RED, "aud": ["api"] })).await;
    let client = hub.client("default", "broker", true).await;
    (hub, blue, red, client)
}

#[tokio::test]
async fn a_point_that_is_none_and_a_token_that_is_for_another() {
    let (hub, blue, red, client) = two_tenants().await;
    let good = blue.token("t1", "alice", "api", json!({}));
    let url = |tenant: &str| format!("{}/t/{tenant}/v1/authz/nginx", hub.public);
    let ask = |what: &str, tenant: &str, point: &str, token: &str, want: u16| {
        Row::new(what, "GET", url(tenant), want)
            .header("x-hub-point", format!("Bearer {point}"))
            .bearer(token)
    };
    // In the cache from now on.
    assert_eq!(hub.ask("default", POINT, &good).await.0, 200);
    let forged = red.token("t1", "alice", "api", json!({ "iss": blue.iss }));
    let rows = [
        ask("an unknown point", "default", "nobody-0123456789ab", &good, 403),
        ask("another tenant's point", "default", RED, &good, 403),
        ask("a client as a point", "default", &client, &good, 403),
        ask("an operator as a point", "default", &hub.credential, &good, 403),
        ask("a tenant that is not", "nobody", POINT, &good, 403),
        ask("the reserved tenant", "_hub", POINT, &good, 403),
        Row::new("no point", "GET", url("default"), 403).bearer(&good),
        Row::new("the point in Authorization", "GET", url("default"), 403).bearer(POINT),
        Row::new("the point in the query", "GET", format!("{}?x-hub-point={POINT}", url("default")), 403)
            .bearer(&good),
        Row::new("another scheme", "GET", url("default"), 403)
            .header("x-hub-point", format!("Basic {POINT}"))
            .bearer(&good),
        ask("two points", "default", POINT, &good, 403).header("x-hub-point", format!("Bearer {POINT}")),
        ask("cached, at a point for another audience", "default", OTHER, &good, 401),
        ask("cached, at another tenant", "red", RED, &good, 401),
        ask("another tenant's token", "default", POINT, &red.token("t1", "alice", "api", json!({})), 401),
        ask("two tokens", "default", POINT, &good, 401).bearer(&good),
        ask("signed with another tenant's key", "default", POINT, &forged, 401),
        ask(
            "for another audience",
            "default",
            POINT,
            &blue.token("t2", "alice", "elsewhere", json!({})),
            401,
        ),
        ask(
            "for no audience",
            "default",
            POINT,
            &blue.token("t2", "alice", "api", json!({ "aud": [] })),
            401,
        ),
        ask(
            "expired",
            "default",
            POINT,
            &blue.token("t2", "alice", "api", json!({ "iat": 1_000_000_000, "exp": 1_000_000_100 })),
            401,
        ),
        ask(
            "lives 1e300 seconds",
            "default",
            POINT,
            &blue.token("t2", "alice", "api", json!({ "exp": 1e300 })),
            401,
        ),
        ask("no exp", "default", POINT, &blue.token("t2", "alice", "api", json!({ "exp": null })), 401),
        ask("a SET", "default", POINT, &blue.session_revoked("api", "j", "alice", None, "admin"), 401),
        ask("not a JWT", "default", POINT, "abc", 401),
        ask("too long", "default", POINT, &"a".repeat(16_385), 401),
        Row::new("no token", "GET", url("default"), 401).header("x-hub-point", format!("Bearer {POINT}")),
    ];
    refused(&hub, &rows).await;
    let before = marks(&hub).await;
    for row in &rows {
        let answer = send(&hub, row).await;
        assert!(answer.headers.contains_key("x-hub-reason"), "{}", row.what);
        assert_eq!(answer.body, json!(""), "{}: nothing but headers", row.what);
    }
    assert_eq!(hub.ask("default", POINT, &good).await.0, 200, "the good one still passes");
    assert_eq!(marks(&hub).await, before);
    hub.stop().await;
}

/// The same issuer at two tenants: what one of them stops, it alone stops.
#[tokio::test]
async fn a_kill_of_one_tenant_is_not_answered_from_the_others_cache() {
    let (hub, blue, _, _) = two_tenants().await;
    hub.put("red", "token-issuers", "blue", blue.token_issuer()).await;
    let token = blue.token("t1", "alice", "api", json!({}));
    for _ in 0..2 {
        assert_eq!(hub.ask("default", POINT, &token).await.0, 200);
        assert_eq!(hub.ask("red", RED, &token).await.0, 200);
    }
    let target = json!({ "kind": "iss_sub", "iss": blue.iss, "value": "alice" });
    let act = json!({ "target": target, "reason": "drill" });
    assert_eq!(hub.admin_send("POST", "/admin/v1/t/red/kill", Some(act)).await.0, 200);
    assert_eq!(hub.ask("red", RED, &token).await.0, 401);
    assert_eq!(hub.ask("default", POINT, &token).await.0, 200);
    hub.stop().await;
}
