//! The rights of receivers, by admin API and by file: what follows from a change, what may not be changed by whom, and
//! what is revoked.

use std::path::Path;

use serde_json::{Value, json};
use ssf_hub::hub::object::Object;

use super::hub::{Hub, Setup};

const CLIENT: &str = "/admin/v1/t/default/clients/r";

/// A request of a receiver to `ssf/streams`.
async fn ssf(hub: &Hub, bearer: &str, method: &str, query: &str, body: Option<Value>) -> (u16, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let url = format!("{}/t/default/ssf/streams{query}", hub.public);
    let mut request = hub.http.request(method, url).bearer_auth(bearer);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// A receiver with `count` poll streams of its own: its bearer, their ids.
async fn receiver(hub: &Hub, id: &str, rights: Value, count: usize) -> (String, Vec<String>) {
    let made = hub.put("default", "clients", id, json!({ "new_bearer": true, "receiver": rights })).await;
    let bearer = made["bearer"].as_str().unwrap().to_string();
    let mut streams = vec![];
    for _ in 0..count {
        let (status, stream) = ssf(hub, &bearer, "POST", "", Some(json!({}))).await;
        assert_eq!(status, 201, "{stream}");
        streams.push(stream["stream_id"].as_str().unwrap().to_string());
    }
    (bearer, streams)
}

async fn shown(hub: &Hub, stream: &str) -> Value {
    hub.admin_send("GET", &format!("/admin/v1/t/default/streams/{stream}"), None).await.1
}

async fn dialects(hub: &Hub, streams: &[String]) -> Vec<String> {
    let mut all = vec![];
    for stream in streams {
        let shown = shown(hub, stream).await;
        assert_eq!(
            shown["made_by"],
            format!("client:{}", shown["client"].as_str().unwrap()),
            "still its own"
        );
        all.push(shown["dialect"].as_str().unwrap_or("ssf").to_string());
    }
    all
}

#[tokio::test]
async fn the_streams_of_a_receiver_follow_its_rights_together_or_not_at_all() {
    let hub = Hub::start().await;
    let (_, streams) = receiver(&hub, "r", json!({ "aud": ["shared"] }), 2).await;
    let okta = json!({ "receiver": { "aud": ["shared"], "dialect": "okta" } });
    let (status, answer) = hub.admin_send("PUT", CLIENT, Some(okta.clone())).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(dialects(&hub, &streams).await, ["okta", "okta"]);
    let hub = hub.restart().await;
    assert_eq!(dialects(&hub, &streams).await, ["okta", "okta"]);

    // Somebody else's stream of this audience speaks as before: nothing changes, and it is said which one does not fit.
    let (_, others) = receiver(&hub, "other", json!({ "aud": ["shared"], "dialect": "okta" }), 1).await;
    let mark = hub.mark("default").await;
    let ssf = json!({ "receiver": { "aud": ["shared"], "dialect": "ssf", "streams_max": 7 } });
    for query in ["", "?dry_run=true", "?apply=x&dry_run=true"] {
        let (status, problem) = hub.admin_send("PUT", &format!("{CLIENT}{query}"), Some(ssf.clone())).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert_eq!(status, 409, "{query}: {problem}");
        assert!(detail.contains("another dialect") && detail.contains("streams/"), "{detail}");
    }
    assert_eq!(hub.mark("default").await, mark, "nothing is half done");

    // What an earlier release left half done: the next start mends what it can, and starts whatever it cannot.
    let half = |id: &str| {
        let receiver = json!({ "aud": ["shared"], "dialect": "ssf" });
        let client = json!({ "client": { "id": id, "receiver": receiver } });
        serde_json::from_value::<Object>(client).unwrap()
    };
    let tenant = ssf_hub::tenant::TenantId::default_tenant();
    hub.sequencer().put(&tenant, half("r"), "admin").await.unwrap();
    let hub = hub.restart().await;
    assert_eq!(dialects(&hub, &streams).await, ["okta", "okta"], "they would not fit beside the other one");
    let (status, _) =
        hub.admin_send("DELETE", &format!("/admin/v1/t/default/streams/{}", others[0]), None).await;
    assert_eq!(status, 204, "a running hub can be mended");
    let hub = hub.restart().await;
    assert_eq!(dialects(&hub, &streams).await, ["ssf", "ssf"]);
    hub.stop().await;
}

fn bearer_file(dir: &Path, name: &str, value: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, value).unwrap();
    path.display().to_string()
}

/// A file with a receiver that has two long-lived tokens, and an operator's stream for it.
fn file(dir: &Path, dialect: &str) -> String {
    let mut text = format!(
        "[[client]]\nid = \"r\"\nbearer_file = {:?}\n[client.receiver]\ndialect = \"{dialect}\"\n",
        bearer_file(dir, "bearer", "bearer-of-r-0123456789")
    );
    for name in ["one", "two"] {
        text += &format!(
            "[[client.receiver.tokens]]\nid = \"{name}\"\ntoken_file = {:?}\nexpires_at = 4000000000\n",
            bearer_file(dir, name, &format!("token-{name}-0123456789"))
        );
    }
    text + &format!(
        "[[stream]]\nstream_id = \"fixed\"\nclient = \"r\"\nmethod = \"poll\"\naud = [\"r\"]\n\
         events_requested = [\"*\"]\ndialect = \"{dialect}\"\n"
    )
}

const BEARER: &str = "bearer-of-r-0123456789";

#[tokio::test]
async fn a_file_may_change_a_dialect_for_all_streams_of_an_audience() {
    let home = tempfile::tempdir().unwrap();
    let hub = Hub::start_as(Setup::with(&file(home.path(), "ssf"))).await;
    let (status, stream) = ssf(&hub, BEARER, "POST", "", Some(json!({}))).await;
    assert_eq!((status, &stream["aud"]), (201, &json!(["r"])));
    let own = stream["stream_id"].as_str().unwrap().to_string();
    let (public, admin, _) = hub.setup.clone();
    let dir = hub.stop().await;
    let setup = Setup { public, admin, ..Setup::with(&file(home.path(), "okta")) };
    let hub = Hub::start_in(dir, setup).await;
    assert_eq!(dialects(&hub, &[own]).await, ["okta"]);
    assert_eq!(shown(&hub, "fixed").await["dialect"], "okta");
    hub.stop().await;
}

#[tokio::test]
async fn a_receiver_may_not_change_a_stream_of_the_file_and_learns_nothing_of_it() {
    let home = tempfile::tempdir().unwrap();
    let hub = Hub::start_as(Setup::with(&file(home.path(), "ssf"))).await;
    let mark = hub.mark("default").await;
    let body = json!({ "stream_id": "fixed", "description": "mine" });
    for (method, query, body) in
        [("PATCH", "", Some(body.clone())), ("PUT", "", Some(body)), ("DELETE", "?stream_id=fixed", None)]
    {
        let (status, problem) = ssf(&hub, BEARER, method, query, body).await;
        assert_eq!(status, 403, "{method}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains('/') && !detail.contains("toml") && !detail.contains("file"), "{detail}");
    }
    assert_eq!(hub.mark("default").await, mark);
    hub.stop().await;
}

#[tokio::test]
async fn a_revoked_token_of_the_file_stays_revoked() {
    let home = tempfile::tempdir().unwrap();
    let text = file(home.path(), "ssf");
    let hub = Hub::start_as(Setup::with(&text)).await;
    let taken = async |hub: &Hub| {
        let mut taken = vec![];
        for name in ["one", "two"] {
            taken.push(ssf(hub, &format!("token-{name}-0123456789"), "GET", "", None).await.0);
        }
        taken
    };
    assert_eq!(taken(&hub).await, [200, 200]);
    let revoke = async |hub: &Hub, name: &str| {
        hub.admin_send("DELETE", &format!("{CLIENT}/tokens{name}"), None).await.0
    };
    assert_eq!(revoke(&hub, "/none").await, 404);
    assert_eq!(revoke(&hub, "/one").await, 204, "a revocation does not wait for a file");
    assert_eq!(taken(&hub).await, [401, 200]);
    let hub = hub.restart().await;
    assert_eq!(taken(&hub).await, [401, 200], "the file still names it");
    let client = hub.admin_send("GET", CLIENT, None).await.1;
    assert!(client["made_by"].as_str().unwrap().starts_with("file:"), "{client}");
    assert!(client["receiver"].get("revoked_tokens").is_none(), "{client}");
    assert_eq!(revoke(&hub, "").await, 204);
    let hub = hub.restart().await;
    assert_eq!(taken(&hub).await, [401, 401]);
    let mark = hub.mark("default").await;
    let hub = hub.restart().await;
    assert_eq!(hub.mark("default").await, mark, "and nothing more is written");
    hub.stop().await;
}

#[tokio::test]
async fn revoking_all_ends_the_bearer_too_and_no_file_brings_it_back() {
    let home = tempfile::tempdir().unwrap();
    let hub = Hub::start_as(Setup::with(&file(home.path(), "ssf"))).await;
    let taken = async |hub: &Hub, bearer: &str| ssf(hub, bearer, "GET", "", None).await.0;
    assert_eq!(taken(&hub, BEARER).await, 200);
    assert_eq!(hub.admin_send("DELETE", &format!("{CLIENT}/tokens"), None).await.0, 204);
    assert_eq!(taken(&hub, BEARER).await, 401);
    let hub = hub.restart().await;
    assert_eq!(taken(&hub, BEARER).await, 401, "the file still names it");
    let mark = hub.mark("default").await;
    let hub = hub.restart().await;
    assert_eq!(hub.mark("default").await, mark, "and nothing more is written");

    // One of the admin API: what was before it goes too, and neither is put again.
    let path = "/admin/v1/t/default/clients/s";
    let (old, _) = receiver(&hub, "s", json!({}), 0).await;
    let renewed = json!({ "overlap_s": 3600 });
    let (_, made) = hub.admin_send("POST", &format!("{path}/bearer"), Some(renewed)).await;
    let bearer = made["bearer"].as_str().unwrap();
    assert_eq!([taken(&hub, &old).await, taken(&hub, bearer).await], [200, 200]);
    assert_eq!(hub.admin_send("DELETE", &format!("{path}/tokens"), None).await.0, 204);
    assert_eq!([taken(&hub, &old).await, taken(&hub, bearer).await], [401, 401]);
    let mark = hub.mark("default").await;
    for again in [&*old, bearer] {
        let body = json!({ "bearer": again, "receiver": {} });
        let (status, problem) = hub.admin_send("PUT", path, Some(body)).await;
        assert!(status == 409 && problem["detail"].as_str().unwrap().contains("was revoked"), "{problem}");
    }
    assert_eq!(hub.mark("default").await, mark);
    let made = hub.put("default", "clients", "s", json!({ "new_bearer": true, "receiver": {} })).await;
    assert_eq!(taken(&hub, made["bearer"].as_str().unwrap()).await, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_not_put_again() {
    let hub = Hub::start().await;
    let token = json!({ "id": "t", "token": "token-of-r-0123456789", "expires_at": 4_000_000_000_i64 });
    let body = json!({ "receiver": { "tokens": [token] } });
    hub.put("default", "clients", "r", body.clone()).await;
    assert_eq!(hub.admin_send("DELETE", &format!("{CLIENT}/tokens/t"), None).await.0, 204);
    let mark = hub.mark("default").await;
    for query in ["", "?apply=x", "?dry_run=true"] {
        let (status, problem) = hub.admin_send("PUT", &format!("{CLIENT}{query}"), Some(body.clone())).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 409 && detail.contains("the token t was revoked"), "{status} {problem}");
    }
    assert_eq!(hub.mark("default").await, mark);
    let other = json!({ "id": "t", "token": "another-of-r-0123456789", "expires_at": 4_000_000_000_i64 });
    hub.put("default", "clients", "r", json!({ "receiver": { "tokens": [other] } })).await;
    hub.stop().await;
}
