//! What is taken back stays so: one token by its client, all by an operator, a client that goes and comes again; over
//! restarts, and whatever the file says.

use serde_json::json;

use super::super::hub::{Hub, Setup};
use super::{Got, oauth, poll, receiver, token};

async fn revoke(hub: &Hub, (id, secret): (&str, &str), token: &str) -> Got {
    Got::of(oauth(hub, "revoke", &[("token", token)]).basic_auth(id, Some(secret))).await
}

#[tokio::test]
async fn a_revoked_token_stays_revoked() {
    let hub = Hub::start().await;
    let secrets = [receiver(&hub, "a", json!({})).await, receiver(&hub, "b", json!({})).await];
    let (a, b) = (("a", secrets[0].as_str()), ("b", secrets[1].as_str()));
    let [one, two] = [token(&hub, "a", a.1).await, token(&hub, "a", a.1).await];
    assert_eq!(revoke(&hub, b, &one).await.error(), (400, "unauthorized_client"), "not its own");
    assert_eq!(revoke(&hub, ("a", "wrong-wrong-wrong"), &one).await.error(), (401, "invalid_client"));
    assert_eq!(
        Got::of(oauth(&hub, "revoke", &[]).basic_auth(a.0, Some(a.1))).await.error(),
        (400, "invalid_request")
    );
    assert_eq!(poll(&hub, "a", &one).await.status, 200, "so far nothing happened");
    for token in [&one, &one, &"no-token-at-all".to_string()] {
        assert_eq!(revoke(&hub, a, token).await.status, 200);
    }
    let after = async |hub: &Hub| [poll(hub, "a", &one).await.refusal().0, poll(hub, "a", &two).await.status];
    assert_eq!(after(&hub).await, [401, 200]);
    let hub = hub.restart().await;
    assert_eq!(after(&hub).await, [401, 200], "over a restart");
    // An operator changes something else about the client.
    hub.put("default", "clients", "a", json!({ "receiver": { "streams_max": 3 } })).await;
    assert_eq!(after(&hub).await, [401, 200], "and over an edit");
    let shown = hub.admin_send("GET", "/admin/v1/t/default/clients/a", None).await.1;
    assert!(shown["receiver"].get("revoked").is_none() && shown["receiver"]["streams_max"] == 3, "{shown}");

    let path = "/admin/v1/t/default/clients/a/tokens";
    assert_eq!(hub.admin_send("DELETE", path, None).await.0, 204);
    assert_eq!(after(&hub).await, [401, 401], "all of them");
    hub.put("default", "clients", "a", json!({ "receiver": { "tokens_not_before": 0 } })).await;
    assert_eq!(after(&hub).await, [401, 401], "never taken back");
    tokio::time::sleep(std::time::Duration::from_millis(1001)).await;
    let new = token(&hub, "a", a.1).await;
    assert_eq!(poll(&hub, "a", &new).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_again_is_another_one() {
    let hub = Hub::start().await;
    let secret = receiver(&hub, "a", json!({})).await;
    let old = token(&hub, "a", &secret).await;
    hub.put("default", "clients", "a", json!({ "receiver": { "scopes": ["ssf.read"] } })).await;
    assert_eq!(poll(&hub, "a", &old).await.status, 200);
    for path in ["streams/a", "clients/a"] {
        assert_eq!(
            hub.admin_send("DELETE", &format!("/admin/v1/t/default/{path}"), None).await.0,
            204,
            "{path}"
        );
    }
    assert_eq!(poll(&hub, "a", &old).await.refusal(), (401, "invalid_token"));
    let secret = receiver(&hub, "a", json!({})).await;
    assert_eq!(poll(&hub, "a", &old).await.refusal(), (401, "invalid_token"));
    let new = token(&hub, "a", &secret).await;
    assert_eq!(poll(&hub, "a", &new).await.status, 200);
    // No receiver any more: its tokens are nobody's.
    hub.put("default", "clients", "a", json!({ "new_bearer": true })).await;
    assert_eq!(poll(&hub, "a", &new).await.refusal(), (401, "invalid_token"));
    hub.stop().await;
}

#[tokio::test]
async fn the_file_brings_no_token_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "secret-of-the-file-0123456789\n").unwrap();
    let more = |streams_max: u32| {
        format!(
            "[[client]]\nid = 'f'\n[client.receiver]\nstreams_max = {streams_max}\n\
             [[client.receiver.secrets]]\nsecret_file = {file:?}\n"
        )
    };
    let hub = Hub::start_as(Setup::with(&more(5))).await;
    let stream = json!({ "client": "f", "method": "poll", "aud": ["f"], "events_requested": ["*"] });
    hub.put("default", "streams", "f", stream).await;
    let secret = "secret-of-the-file-0123456789";
    let one = token(&hub, "f", secret).await;
    assert_eq!(poll(&hub, "f", &one).await.status, 200);
    assert_eq!(revoke(&hub, ("f", secret), &one).await.status, 200);
    let shown = hub.admin_send("GET", "/admin/v1/t/default/clients/f", None).await.1;
    assert!(shown["made_by"].as_str().unwrap().starts_with("file:"), "its maker stays");
    let before = hub.mark("default").await.1;
    let hub = hub.restart().await;
    assert_eq!(hub.mark("default").await.1, before, "nothing in the file changed");
    assert_eq!(poll(&hub, "f", &one).await.refusal(), (401, "invalid_token"));
    let (public, admin, _) = hub.setup.clone();
    let data = hub.stop().await;
    let hub = Hub::start_in(data, Setup { public, admin, ..Setup::with(&more(6)) }).await;
    assert!(hub.mark("default").await.1 > before);
    assert_eq!(poll(&hub, "f", &one).await.refusal(), (401, "invalid_token"));
    hub.stop().await;
}
