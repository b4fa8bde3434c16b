//! Who asks, where and how: bearers that are nobody's, not for this door, or not where a bearer belongs; methods and
//! paths that are not offered; somebody else's stream.

use serde_json::json;

use super::super::hub::Hub;
use super::{Row, hub_with_client, refused, send};

/// Every door of the public listener that wants a client's bearer.
fn public_doors(hub: &Hub) -> Vec<(&'static str, String)> {
    let at = |path: &str| format!("{}/t/default/{path}", hub.public);
    let facts = ["agents", "runs", "tokens", "tools", "edges"].map(|f| at(&format!("v1/{f}")));
    let more = [at("v1/runs/r1/complete"), at("v1/agents/a1/complete"), at("poll/s")];
    facts.into_iter().chain(more).map(|url| ("POST", url)).collect()
}

/// Every door of the admin listener that wants an operator's.
fn admin_doors(hub: &Hub) -> Vec<(&'static str, String)> {
    let mut doors = vec![];
    for path in ["status", "operations", "why/default:1", "t/default/dead-letters"] {
        doors.push(("GET", format!("{}/admin/v1/{path}", hub.admin)));
    }
    let letters = ["t/default/dead-letters/redrive", "t/default/dead-letters/discard"];
    for path in ["base", "clock/accept", "t/default/kill", "t/default/lift"].into_iter().chain(letters) {
        doors.push(("POST", format!("{}/admin/v1/{path}", hub.admin)));
    }
    doors.push(("GET", format!("{}/admin/v1/t/default/streams/s/attempts", hub.admin)));
    for path in ["secrets", "tokens"] {
        doors.push(("POST", format!("{}/admin/v1/t/default/clients/broker/{path}", hub.admin)));
    }
    for path in ["tokens", "tokens/t"] {
        doors.push(("DELETE", format!("{}/admin/v1/t/default/clients/broker/{path}", hub.admin)));
    }
    for collection in ["upstreams", "token-issuers", "authorization-servers", "clients", "points", "streams"]
    {
        doors.push(("GET", format!("{}/admin/v1/t/default/{collection}", hub.admin)));
        for method in ["GET", "PUT", "DELETE"] {
            doors.push((method, format!("{}/admin/v1/t/default/{collection}/x", hub.admin)));
        }
    }
    for collection in ["tenants", "operators"] {
        doors.push(("PUT", format!("{}/admin/v1/t/_hub/{collection}/x", hub.admin)));
        doors.push(("DELETE", format!("{}/admin/v1/t/_hub/{collection}/admin", hub.admin)));
    }
    doors
}

#[tokio::test]
async fn nobodys_bearer_opens_no_door() {
    let (hub, broker) = hub_with_client().await;
    hub.tenant("other").await;
    let foreign = hub.client("other", "broker", true).await;
    let mut rows = vec![];
    for (doors, good, wrong) in [
        (public_doors(&hub), &broker, [&foreign, &hub.credential]),
        (admin_doors(&hub), &hub.credential, [&foreign, &broker]),
    ] {
        for (method, url) in doors {
            let row = |what: &str| Row::new(format!("{what}: {method} {url}"), method, &url, 401);
            // Where access tokens are taken, two ways at once are told from one token that is not good (RFC 6750, 3.1).
            let two_ways = if url.contains("/poll/") { 400 } else { 401 };
            rows.push(row("no bearer"));
            rows.push(row("an unknown bearer").bearer("nobody-0123456789abcdef"));
            rows.push(row("another tenant's bearer").bearer(wrong[0]));
            rows.push(row("a bearer of the other listener").bearer(wrong[1]));
            rows.push(row("another scheme").header("authorization", format!("Basic {good}")));
            rows.push(row("no scheme").header("authorization", good.clone()));
            rows.push(Row { want: two_ways, ..row("two bearers") }.bearer(good).bearer(good));
            rows.push(row("something behind it").bearer(&format!("{good} x")));
            rows.push(row("too long").bearer(&"a".repeat(17_000)));
            let in_query = format!("{url}?access_token={good}");
            rows.push(Row::new(format!("in the query: {method} {url}"), method, in_query, 401));
        }
    }
    assert!(rows.len() > 300);
    refused(&hub, &rows).await;
    hub.stop().await;
}

#[tokio::test]
async fn other_methods_and_other_paths_are_not_offered() {
    let (hub, broker) = hub_with_client().await;
    let mut rows = vec![];
    for (method, path, want) in [
        ("GET", "/t/default/in/kc", 405),
        ("PUT", "/t/default/in/kc", 405),
        ("GET", "/t/default/poll/s", 405),
        ("GET", "/t/default/oauth/token", 405),
        ("GET", "/t/default/oauth/revoke", 405),
        ("POST", "/.well-known/oauth-protected-resource/t/default", 405),
        ("GET", "/.well-known/oauth-protected-resource", 404),
        ("GET", "/t/default/.well-known/oauth-protected-resource", 404),
        ("GET", "/t/default/v1/agents", 405),
        ("DELETE", "/t/default/v1/agents", 405),
        ("GET", "/t/default/v1/runs/r/complete", 405),
        ("POST", "/t/default/jwks.json", 405),
        ("POST", "/t/default/v1/wishes", 404),
        ("POST", "/t/default/v1/tools/x/complete", 404),
        ("POST", "/t/default/v1/runs/x/kill", 404),
        ("GET", "/t/nobody/jwks.json", 404),
        ("GET", "/t/_hub/jwks.json", 404),
        ("GET", "/t/Default/jwks.json", 404),
        ("POST", "/t/_hub/v1/agents", 404),
        ("POST", "/t/nobody/v1/agents", 401),
        ("POST", "/t/nobody/poll/s", 401),
        ("POST", "/t/default/poll/nobodys", 404),
        ("POST", "/t/default/poll/%2e%2e%2fs", 404),
        ("GET", "/", 404),
        ("GET", "/t/default", 404),
        ("GET", "//t/default/jwks.json", 404),
        ("GET", "/admin/v1/status", 404),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 404),
    ] {
        let url = format!("{}{path}", hub.public);
        rows.push(Row::new(format!("{method} {path}"), method, url, want).bearer(&broker));
    }
    for (method, path, want) in [
        ("DELETE", "/admin/v1/status", 405),
        ("GET", "/admin/v1/base", 405),
        ("GET", "/admin/v1/t/default/kill", 405),
        ("PUT", "/admin/v1/t/default/lift", 405),
        ("POST", "/admin/v1/t/default/upstreams/x", 405),
        ("PATCH", "/admin/v1/t/default/upstreams/x", 405),
        ("GET", "/admin/v1/t/default/wishes", 404),
        ("GET", "/admin/v1/t/nobody/upstreams", 404),
        ("GET", "/admin/v1/t/NOBODY/upstreams", 404),
        ("GET", "/admin/v1/t/default/operators", 404),
        ("GET", "/admin/v1/t/default/tenants", 404),
        ("GET", "/admin/v1/t/_hub/upstreams", 404),
        ("GET", "/admin/v1/t/default/upstreams/nobodys", 404),
        ("DELETE", "/admin/v1/t/default/upstreams/nobodys", 404),
        ("DELETE", "/admin/v1/t/_hub/tenants/default", 409),
        ("DELETE", "/admin/v1/t/default/clients/broker", 409),
        ("GET", "/admin/v1/why/default:999", 404),
        ("GET", "/admin/v1/why/default:x", 404),
        ("GET", "/admin/v1/why/..%2f..%2fkeys", 404),
        ("GET", "/admin/v1/operations?last=many", 400),
        ("GET", "/admin/v1/t/default/streams/nobodys/attempts", 404),
        ("GET", "/t/default/jwks.json", 404),
    ] {
        let url = format!("{}{path}", hub.admin);
        rows.push(Row::new(format!("{method} {path}"), method, url, want).bearer(&hub.credential));
    }
    // axum's own words for a query that it cannot read; all else is a problem.
    let (query, rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.url.contains("last="));
    refused(&hub, &rows).await;
    assert_eq!(send(&hub, &query[0]).await.status, 400);
    hub.stop().await;
}

/// A stream belongs to one client; to everybody else it does not exist.
#[tokio::test]
async fn a_poll_for_somebody_elses_stream() {
    let (hub, broker) = hub_with_client().await;
    let other = hub.client("default", "other", false).await;
    hub.tenant("red").await;
    let red = hub.client("red", "broker", true).await;
    let url = format!("{}/t/default/poll/s", hub.public);
    let poll = json!({ "returnImmediately": true });
    let rows = [
        Row::new("another client", "POST", &url, 404).bearer(&other).json(poll.clone()),
        Row::new("another tenant's client of the same name", "POST", &url, 401)
            .bearer(&red)
            .json(poll.clone()),
        Row::new("the operator", "POST", &url, 401).bearer(&hub.credential).json(poll.clone()),
    ];
    refused(&hub, &rows).await;
    let nothing = Row::new("nothing there", "POST", url.replace("/s", "/no"), 404).bearer(&other).json(poll);
    let (foreign, missing) = (send(&hub, &rows[0]).await, send(&hub, &nothing).await);
    assert_eq!(foreign.body, missing.body, "the two look alike");
    let own = hub.poll("default", "s", &broker, json!({ "returnImmediately": true })).await;
    assert_eq!(own, (200, json!({ "sets": {} })));
    hub.stop().await;
}
