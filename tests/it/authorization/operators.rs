//! Secrets and long-lived tokens, as operators make, overlap and revoke them.

use serde_json::{Value, json};

use super::super::hub::Hub;
use super::{GRANT, Got, oauth, poll, receiver, shifted};

async fn status(hub: &Hub, secret: &str) -> u16 {
    Got::of(oauth(hub, "token", &[GRANT]).basic_auth("a", Some(secret))).await.status
}

#[tokio::test]
async fn a_secret_is_rotated_with_overlap() {
    let (hub, clock) = shifted().await;
    let path = "/admin/v1/t/default/clients/a/secrets";
    let old = receiver(&hub, "a", json!({})).await;
    let (code, made) = hub.admin_send("POST", path, Some(json!({ "overlap_s": 600 }))).await;
    assert_eq!(code, 201, "{made}");
    let new = made["secret"].as_str().unwrap().to_string();
    assert_eq!([status(&hub, &old).await, status(&hub, &new).await], [200, 200]);
    clock.by_s(601);
    assert_eq!([status(&hub, &old).await, status(&hub, &new).await], [401, 200]);
    let put = json!({ "receiver": { "new_secret": true } });
    let newest = hub.put("default", "clients", "a", put).await["secret"].as_str().unwrap().to_string();
    assert_eq!([status(&hub, &new).await, status(&hub, &newest).await], [401, 200], "at once");
    // What is shown can be put back, and changes nothing.
    let shown = hub.admin_send("GET", "/admin/v1/t/default/clients/a", None).await.1;
    assert_eq!(shown["receiver"]["secrets"], json!([{}]), "{shown}");
    hub.put("default", "clients", "a", shown).await;
    assert_eq!(status(&hub, &newest).await, 200);
    let chosen = json!({ "receiver": { "secret": "chosen-0123456789abcdef", "overlap_s": 60 } });
    hub.put("default", "clients", "a", chosen).await;
    assert_eq!([status(&hub, &newest).await, status(&hub, "chosen-0123456789abcdef").await], [200, 200]);
    for bad in [
        json!({ "secret": "short" }),
        json!({ "secret": 7 }),
        json!({ "new_secret": "yes" }),
        json!({ "new_secret": true, "secret": "chosen-0123456789abcdef" }),
        json!({ "new_secret": true, "overlap_s": -1 }),
        json!({ "secrets": [{ "secret": "short" }] }),
        json!({ "secrets": [{ "sha256": "short" }] }),
        json!({ "tokens": [{ "id": "t", "expires_at": 9_999_999_999_i64 }] }),
        json!({ "token_lifetime_s": 3601 }),
        json!({ "tokens_not_before": "now" }),
        json!({ "unknown": 1 }),
    ] {
        let body = json!({ "receiver": bad });
        let (code, told) = hub.admin_send("PUT", "/admin/v1/t/default/clients/a", Some(body.clone())).await;
        assert_eq!(code, 400, "{body} {told}");
    }
    for (path, body, want) in [
        (path, json!({ "overlap_s": "1d" }), 400),
        (path, json!({ "overlap": 1 }), 400),
        ("/admin/v1/t/default/clients/nobody/secrets", json!({}), 404),
    ] {
        assert_eq!(hub.admin_send("POST", path, Some(body)).await.0, want);
    }
    assert_eq!([status(&hub, &newest).await, status(&hub, "chosen-0123456789abcdef").await], [200, 200]);
    hub.stop().await;
}

#[tokio::test]
async fn a_long_lived_token_ends_by_itself_or_is_revoked() {
    let (hub, clock) = shifted().await;
    receiver(&hub, "a", json!({})).await;
    receiver(&hub, "b", json!({})).await;
    let path = "/admin/v1/t/default/clients/a/tokens";
    let new = async |body: Value| hub.admin_send("POST", path, Some(body)).await;
    let (code, made) = new(json!({ "id": "t-1", "expires_in_s": 86_400, "scopes": ["ssf.read"] })).await;
    assert_eq!((code, &made["token_id"]), (201, &json!("t-1")), "{made}");
    let one = made["token"].as_str().unwrap().to_string();
    let (_, made) = new(json!({ "expires_in_s": 172_800 })).await;
    let (two, name) =
        (made["token"].as_str().unwrap().to_string(), made["token_id"].as_str().unwrap().to_string());
    let both = async || [poll(&hub, "a", &one).await.status, poll(&hub, "a", &two).await.status];
    assert_eq!(both().await, [200, 200]);
    assert_eq!(poll(&hub, "b", &one).await.status, 404, "bound to its receiver");
    for (body, want) in [
        (json!({ "id": "t-1", "expires_in_s": 60 }), 409),
        (json!({ "id": "../x", "expires_in_s": 60 }), 400),
        (json!({ "expires_in_s": 0 }), 400),
        (json!({}), 400),
        (json!({ "expires_in_s": 60, "scopes": ["admin"] }), 400),
    ] {
        assert_eq!(new(body.clone()).await.0, want, "{body}");
    }
    // The holder of one cannot revoke it, but is told; nor is another one's hash taken.
    let shown = hub.admin_send("GET", "/admin/v1/t/default/clients", None).await.1.to_string();
    assert!(!shown.contains("sha256") && shown.contains("t-1"), "{shown}");
    let taken =
        json!({ "receiver": { "tokens": [{ "id": "x", "token": one, "expires_at": 9_999_999_999_i64 }] } });
    let (code, told) = hub.admin_send("PUT", "/admin/v1/t/default/clients/b", Some(taken)).await;
    assert_eq!(code, 409, "{told}");
    clock.by_s(86_401);
    assert_eq!(both().await, [401, 200]);
    assert_eq!(hub.admin_send("DELETE", &format!("{path}/nobody"), None).await.0, 404);
    assert_eq!(hub.admin_send("DELETE", &format!("{path}/{name}"), None).await.0, 204);
    assert_eq!(both().await, [401, 401]);
    let hub_dir = hub.data();
    hub.admin_send("POST", "/admin/v1/base", None).await;
    let _dir = hub.stop().await;
    for entry in std::fs::read_dir(hub_dir.join("journal")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(one.len()).any(|w| w == one.as_bytes() || w == two.as_bytes()));
    }
}

#[tokio::test]
async fn a_client_with_a_bearer_has_it_for_all_its_scopes() {
    let hub = Hub::start().await;
    let bearer = "a-bearer-0123456789abcdef";
    let client = json!({ "bearer": bearer, "facts": true, "receiver": { "scopes": ["ssf.read"] } });
    hub.put("default", "clients", "a", client).await;
    let stream = json!({ "client": "a", "method": "poll", "aud": ["a"], "events_requested": ["*"] });
    hub.put("default", "streams", "a", stream).await;
    assert_eq!(poll(&hub, "a", bearer).await.status, 200);
    assert_eq!(
        hub.fact("default", bearer, "agents", json!({ "id": "x" })).await.0,
        201,
        "and tells facts with it"
    );
    let revoke = oauth(&hub, "revoke", &[("token", bearer)]);
    assert_eq!(Got::of(revoke).await.error(), (401, "invalid_client"));
    // Taken by another client, as its bearer or as its token: refused.
    for body in [
        json!({ "bearer": bearer }),
        json!({ "receiver": { "tokens": [{ "id": "t", "token": bearer, "expires_at": 9_999_999_999_i64 }] } }),
    ] {
        assert_eq!(hub.admin_send("PUT", "/admin/v1/t/default/clients/b", Some(body)).await.0, 409);
    }
    hub.stop().await;
}
