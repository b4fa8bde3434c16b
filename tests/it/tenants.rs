//! Two tenants see nothing of each other (DESIGN 1); what is secret is nowhere but in `keys/` (DESIGN 9).

use std::path::Path;

use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::hub::Hub;
use super::peers::{Idp, PushReceiver, SESSION_REVOKED};

#[tokio::test]
async fn two_tenants_that_know_the_same_address_share_nothing() {
    let hub = Hub::start().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let tokens = Idp::new("https://tokens.example", Alg::ES256);
    let mut receivers = vec![];
    for tenant in ["blue", "red"] {
        hub.tenant(tenant).await;
        let receiver = PushReceiver::start().await;
        hub.client(tenant, "saas", true).await;
        hub.put(
            tenant,
            "streams",
            "s",
            json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": ["saas"], "events_requested": ["*"] }),
        )
        .await;
        hub.put(tenant, "upstreams", "kc", idp.upstream("hub")).await;
        hub.put(tenant, "token-issuers", "t", tokens.token_issuer()).await;
        hub.put(tenant, "points", "gw", json!({ "bearer": "the-same-point-secret", "aud": ["api"] })).await;
        receivers.push(receiver);
    }
    let token = tokens.token("t1", "alice", "api", json!({ "email": "alice@example.com" }));
    let (point, email) =
        ("the-same-point-secret", json!({ "format": "email", "email": "Alice@Example.com" }));
    for tenant in ["blue", "red"] {
        assert_eq!(hub.ask(tenant, point, &token).await.0, 200, "{tenant}");
    }
    let red = hub.mark("red").await;
    let event = json!({ "event_timestamp": super::peers::now_s(), "initiating_entity": "admin" });
    let set = idp.sign(&idp.claims("hub", "j", SESSION_REVOKED, email, event));
    assert_eq!(hub.push("blue", "kc", &set).await.0, 202);
    receivers[0].wait_for(1).await;

    assert_eq!(hub.ask("blue", point, &token).await.0, 401);
    assert_eq!(hub.ask("red", point, &token).await.0, 200);
    assert_eq!(hub.mark("red").await, red);
    assert!(receivers[1].got().is_empty());
    // The same SET is no duplicate there, and its own effect comes of it.
    assert_eq!(hub.push("red", "kc", &set).await.0, 202);
    receivers[1].wait_for(1).await;
    assert_eq!(hub.ask("red", point, &token).await.0, 401);

    // A bearer of one tenant opens nothing of the other.
    let blue = hub.client("blue", "facts", true).await;
    let agent = json!({ "id": "a1" });
    assert_eq!(hub.fact("blue", &blue, "agents", agent.clone()).await.0, 201);
    assert_eq!(hub.fact("red", &blue, "agents", agent).await.0, 401);
    hub.stop().await;
}

fn files(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

#[tokio::test]
async fn no_secret_leaves_the_keys() {
    let hub = Hub::start().await;
    let receiver = PushReceiver::start().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let bearer = hub.client("default", "saas", true).await;
    let (authorization, point, upstream) =
        ("Bearer receiver-secret-4711", "point-secret-4711-0123", "upstream-secret-4711-0123");
    hub.put(
        "default",
        "streams",
        "s",
        json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": ["saas"],
                "events_requested": ["*"], "authorization_header": authorization }),
    )
    .await;
    let mut object = idp.upstream("hub");
    object["bearer"] = json!(upstream);
    hub.put("default", "upstreams", "kc", object).await;
    hub.put("default", "points", "gw", json!({ "bearer": point, "aud": ["api"] })).await;
    let set = idp.session_revoked("hub", "j", "alice", None, "admin");
    let (status, body) = hub.push("default", "kc", &set).await;
    assert_eq!((status, body["err"].as_str()), (400, Some("authentication_failed")));
    let answer = hub
        .http
        .post(format!("{}/t/default/in/kc", hub.public))
        .header("content-type", "application/secevent+jwt")
        .bearer_auth(upstream)
        .body(set)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    receiver.wait_for(1).await;
    hub.admin_send("POST", "/admin/v1/base", None).await;
    let (credential, data) = (hub.credential.clone(), hub.data());
    let shown = hub.admin_send("GET", "/admin/v1/t/default/clients", None).await.1.to_string();
    let _dir = hub.stop().await;

    let secrets = [bearer.as_str(), authorization, "receiver-secret-4711", point, upstream, &credential];
    assert!(secrets.iter().all(|s| !shown.contains(*s)));
    let mut all = vec![];
    files(&data, &mut all);
    let mut looked = 0;
    for path in all {
        if path.starts_with(data.join("keys")) || path.ends_with("admin.credential") {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
            continue;
        }
        looked += 1;
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
    assert!(looked > 5, "only {looked} files");
    // The keys themselves, too: subject keys and private keys.
    let mut keys = vec![];
    files(&data.join("keys"), &mut keys);
    let mut rest = vec![];
    files(&data, &mut rest);
    for key in keys {
        let key = std::fs::read(key).unwrap();
        let piece = &key[..key.len().min(40)];
        let piece = if key.starts_with(b"-----BEGIN") { &key[64..104] } else { piece };
        for path in rest.iter().filter(|p| !p.starts_with(data.join("keys"))) {
            let bytes = std::fs::read(path).unwrap();
            assert!(!bytes.windows(piece.len()).any(|w| w == piece), "{} holds a key", path.display());
        }
    }
}
