//! Foreign SSF receivers at the hub: each finds it, gets a token, makes its stream, verifies it, receives one event,
//! pauses, enables and deletes, by push and by poll. All at once, each a client of its own, all in one tenant.

use futures_util::future::join_all;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::keys::hash_secret;

use super::super::hub::{Hub, until};
use super::super::parts::receivers::{Receiver, Shape};
use super::super::peers::{Idp, SESSION_REVOKED, now_s};

const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// A client with a secret and a long-lived bearer; gives its audience.
async fn client(hub: &Hub, id: &str, dialect: &str) -> String {
    let aud = format!("https://{id}.example");
    let token = json!({ "id": "long", "sha256": hash_secret(&bearer(id)), "expires_at": now_s() + 600 });
    let receiver = json!({ "aud": [aud], "dialect": dialect, "secrets": [{ "sha256": hash_secret(&secret(id)) }], "tokens": [token] });
    hub.put("default", "clients", id, json!({ "receiver": receiver })).await;
    aud
}

fn secret(id: &str) -> String {
    format!("a-secret-of-{id}-0123456789")
}

fn bearer(id: &str) -> String {
    format!("a-bearer-of-{id}-0123456789")
}

/// One receiver from the first request to the last; gives what it saw.
async fn whole(hub: &Hub, idp: &Idp, shape: Shape, mode: &'static str) -> Value {
    let id = format!("{}-{mode}", shape.name());
    let aud = client(hub, &id, if shape == Shape::Okta { "okta" } else { "ssf" }).await;
    // Half of them get a token, half have one.
    let credential = match mode {
        "push" => ["--client".to_string(), format!("{id}:{}", secret(&id))],
        _ => ["--bearer".to_string(), bearer(&id)],
    };
    let mut more: Vec<&str> = credential.iter().map(String::as_str).collect();
    let refuses = shape == Shape::GoSsf && mode == "poll";
    if refuses {
        more.push("--refuse-first");
    }
    let mut receiver = Receiver::start(shape, mode, &hub.iss("default"), &more).await;
    receiver.verified().await;
    for n in 0..=u8::from(refuses) {
        let set = idp.session_revoked("hub", &format!("{id}-{n}"), &id, Some("s1"), "admin");
        assert_eq!(hub.push("default", "idp", &set).await.0, 202);
    }
    let mut saw = receiver.done().await;
    assert_eq!(saw["aud"].as_str().or(saw["aud"][0].as_str()), Some(aud.as_str()), "{id}: {saw}");
    saw["id"] = id.into();
    saw
}

/// It verified once, and received what somebody signalled, from whichever of them; all signed with RS256, each under a name
/// of its own.
fn judge(saw: &Value) {
    let sets = saw["seen"].as_array().unwrap();
    assert_eq!(sets.iter().filter(|set| set["event"] == VERIFICATION).count(), 1, "{saw}");
    let revoked: Vec<&Value> = sets.iter().filter(|set| set["event"] == SESSION_REVOKED).collect();
    assert!(!revoked.is_empty(), "{saw}");
    for set in &revoked {
        assert!(set["txn"].as_str().unwrap().starts_with("txn-"), "{saw}");
        assert_eq!(set["sub_id"]["user"]["iss"], "https://idp.example", "{saw}");
    }
    assert!(sets.iter().all(|set| set["alg"] == "RS256"), "{saw}");
    let names: std::collections::BTreeSet<_> = sets.iter().map(|set| set["jti"].to_string()).collect();
    assert_eq!(names.len(), sets.len(), "{saw}");
    let remarks: Vec<&str> =
        saw["remarks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match saw["id"].as_str().unwrap() {
        id if id.starts_with("caep.dev") => {
            assert_eq!(remarks, ["verify answered 204", "remove subject answered 204"], "{saw}");
        }
        "go-ssf-poll" => {
            assert!(remarks[0].starts_with("refused ") && revoked.len() >= 2, "{saw}");
            assert_eq!(remarks[1..], ["a status without stream_id is 400"; 2], "{saw}");
        }
        "go-ssf-push" => assert_eq!(remarks, ["a status without stream_id is 400"; 2], "{saw}"),
        _ => assert!(remarks.is_empty(), "{saw}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_receivers_manage_their_streams_and_receive() {
    let hub = Hub::start().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
    let all = Shape::ALL.into_iter().flat_map(|shape| [(shape, "push"), (shape, "poll")]);
    let saw = join_all(all.map(|(shape, mode)| whole(&hub, &idp, shape, mode))).await;
    assert_eq!(saw.len(), 14);
    saw.iter().for_each(judge);
    // Nothing is left behind: no stream, nothing owed.
    let (_, streams) = hub.admin_send("GET", "/admin/v1/t/default/streams", None).await;
    assert_eq!(streams, json!([]));
    until("nothing is owed", 30, || async { hub.status().await["tenants"]["default"]["owed"] == 0 }).await;
    hub.stop().await;
}
