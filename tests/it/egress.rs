//! What leaves the hub, and how: proxy, trust, receivers in trouble, isolation, dead letters sent again, relay.

mod isolation;
mod proxy;
mod redrive;
mod relay;
mod stand;
mod trouble;

use serde_json::{Value, json};

use super::hub::Hub;
use super::peers::Idp;

/// A stream by push, with more members.
async fn stream(hub: &Hub, id: &str, url: &str, more: Value) {
    let mut body = json!({ "client": "saas", "method": "push", "endpoint_url": url, "aud": [id], "events_requested": ["*"] });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    hub.put("default", "streams", id, body).await;
}

/// An upstream `kc` and a client `saas`.
async fn furnish(hub: &Hub) -> Idp {
    hub.client("default", "saas", false).await;
    let idp = Idp::new("https://idp.example", ssf_hub::jose::alg::Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    idp
}

/// A SET about a user of its own comes in.
async fn send(hub: &Hub, idp: &Idp, jti: &str) {
    let set = idp.session_revoked("hub", jti, jti, Some(jti), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
}

/// The attempts of a stream, and its destination.
async fn attempts(hub: &Hub, stream: &str) -> Value {
    let path = format!("/admin/v1/t/default/streams/{stream}/attempts");
    let (status, shown) = hub.admin_send("GET", &path, None).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

/// The errors of the attempts, oldest first; an empty text where it went well.
async fn errors(hub: &Hub, stream: &str) -> Vec<String> {
    let shown = attempts(hub, stream).await;
    let error = |attempt: &Value| attempt["error"].as_str().unwrap_or_default().to_string();
    shown["attempts"].as_array().unwrap().iter().map(error).collect()
}

async fn letters(hub: &Hub, query: &str) -> Value {
    let (status, page) =
        hub.admin_send("GET", &format!("/admin/v1/t/default/dead-letters{query}"), None).await;
    assert_eq!(status, 200, "{page}");
    page
}

async fn operations(hub: &Hub, kind: &str) -> Vec<Value> {
    let all = hub.admin_send("GET", "/admin/v1/operations?last=1000", None).await.1;
    all.as_array().unwrap().iter().filter(|event| event["kind"] == kind).cloned().collect()
}
