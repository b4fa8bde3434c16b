//! What a push stream sends as `Authorization` lies in a file: a refused command leaves it as it was, `null` and the
//! stream's end remove it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::hub::Hub;
use super::super::peers::{Idp, PushReceiver};

/// The files in `keys/secrets`, with what is in them.
fn files(hub: &Hub) -> BTreeMap<String, String> {
    let Ok(dir) = std::fs::read_dir(hub.data().join("keys/secrets/default")) else { return BTreeMap::new() };
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        (name, std::fs::read_to_string(path).unwrap())
    };
    dir.map(file).collect()
}

fn values(hub: &Hub) -> Vec<String> {
    let mut values: Vec<String> = files(hub).into_values().collect();
    values.sort();
    values
}

async fn put(hub: &Hub, id: &str, body: Value) -> u16 {
    hub.admin_send("PUT", &format!("/admin/v1/t/default/streams/{id}"), Some(body)).await.0
}

#[tokio::test]
async fn a_refused_command_changes_no_file_and_an_accepted_one_leaves_none_behind() {
    let hub = Hub::start().await;
    let receiver = PushReceiver::start().await;
    hub.client("default", "saas", false).await;
    let stream = |more: Value| {
        let mut stream = json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": ["r"],
                                 "events_requested": ["*"] });
        stream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stream
    };
    assert_eq!(put(&hub, "s", stream(json!({ "authorization_header": "Bearer one" }))).await, 200);
    assert_eq!(put(&hub, "t", stream(json!({ "authorization_header": "Bearer other" }))).await, 200);
    let (before, mark) = (files(&hub), hub.mark("default").await);
    assert_eq!(values(&hub), ["Bearer one", "Bearer other"]);
    let refused = [
        (json!({ "authorization_header": "Bearer two", "client": "nobody" }), 409),
        (json!({ "authorization_header": "Bearer two", "aud": [] }), 400),
        (json!({ "authorization_header": "Bearer two", "endpoint_url": "https://10.0.0.1/" }), 400),
        (json!({ "authorization_header": "Bearer two", "x": 1 }), 400),
        (json!({ "authorization_header": null, "client": "nobody" }), 409),
        (json!({ "authorization_header": null, "events_requested": [] }), 400),
        (json!({ "authorization_header": "Bearer\ntwo" }), 400),
    ];
    for (more, want) in refused {
        assert_eq!(put(&hub, "s", stream(more.clone())).await, want, "{more}");
        assert_eq!(files(&hub), before, "{more}");
    }
    // A secret by the name of another one's file is no way to it.
    let name = before.keys().next().unwrap();
    assert_eq!(put(&hub, "u", stream(json!({ "authorization_secret": name }))).await, 200);
    assert_eq!(files(&hub), before);
    assert_ne!(hub.mark("default").await, mark);

    assert_eq!(put(&hub, "s", stream(json!({}))).await, 200, "left out, it stays");
    assert_eq!(files(&hub), before);
    assert_eq!(put(&hub, "s", stream(json!({ "authorization_header": "Bearer two" }))).await, 200);
    assert_eq!(values(&hub), ["Bearer other", "Bearer two"]);
    let idp = Idp::new("https://idp.example", ssf_hub::jose::alg::Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    let set = idp.session_revoked("hub", "j", "alice", None, "admin");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    let mut sent: Vec<Option<String>> =
        receiver.wait_for(3).await.into_iter().map(|got| got.authorization).collect();
    sent.sort();
    assert_eq!(sent, [None, Some("Bearer other".into()), Some("Bearer two".into())]);

    assert_eq!(put(&hub, "s", stream(json!({ "authorization_header": null }))).await, 200);
    assert_eq!(values(&hub), ["Bearer other"]);
    // A stream that is polled from now on sends nothing any more.
    let poll = json!({ "client": "saas", "method": "poll", "aud": ["r"], "events_requested": ["*"] });
    assert_eq!(put(&hub, "s", stream(json!({ "authorization_header": "Bearer three" }))).await, 200);
    assert_eq!(put(&hub, "s", poll).await, 200);
    assert_eq!(values(&hub), ["Bearer other"]);
    let (status, _) = hub.admin_send("DELETE", "/admin/v1/t/default/streams/t", None).await;
    assert_eq!((status, files(&hub).len()), (204, 0));
    hub.stop().await;
}
