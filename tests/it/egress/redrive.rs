//! Dead letters: found, sent again under the same name, thrown away; also after a restart.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::hub::{Hub, Setup, until};
use super::super::peers::PushReceiver;
use super::{furnish, letters, operations, send, stream};

/// A receiver that answers with a status that can be changed.
async fn receiver() -> (PushReceiver, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(400));
    let now = status.clone();
    let answer = move |_, _: &_| StatusCode::from_u16(now.load(Ordering::Relaxed)).unwrap();
    (PushReceiver::answering(answer).await, status)
}

async fn dead(hub: &Hub, n: u64) {
    until(&format!("{n} dead letters"), 10, || async { letters(hub, "").await["total"] == n }).await;
}

async fn act(hub: &Hub, verb: &str, body: Value) -> (u16, Value) {
    hub.admin_send("POST", &format!("/admin/v1/t/default/dead-letters/{verb}"), Some(body)).await
}

fn jtis(page: &Value) -> BTreeSet<String> {
    let all = page["dead_letters"].as_array().unwrap();
    all.iter().map(|letter| letter["jti"].as_str().unwrap().to_string()).collect()
}

fn came(receiver: &PushReceiver) -> Vec<String> {
    receiver.got().iter().map(|g| g.claims["jti"].as_str().unwrap().to_string()).collect()
}

#[tokio::test]
async fn one_some_and_all_are_sent_again_under_their_names() {
    let ((one, one_says), (two, two_says)) = (receiver().await, receiver().await);
    two_says.store(404, Ordering::Relaxed);
    let more = "[outbox]\nretry_delays_ms = [10]\nmisdirected_tries = 1\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let idp = furnish(&hub).await;
    stream(&hub, "one", &one.url, json!({})).await;
    stream(&hub, "two", &two.url, json!({})).await;
    for n in 0..4 {
        send(&hub, &idp, &format!("set-{n}")).await;
    }
    dead(&hub, 8).await;
    assert_eq!(operations(&hub, "dead_letter").await.len(), 8);
    let of_one = letters(&hub, "?stream_id=one").await;
    assert_eq!(jtis(&of_one), came(&one).into_iter().collect());
    assert_eq!(jtis(&letters(&hub, "?reason=http_404").await), came(&two).into_iter().collect());
    assert_eq!(jtis(&letters(&hub, "?reason=http_404&stream_id=one").await).len(), 0);

    // Page by page, each once, newest first within a stream.
    let (mut seen, mut query) = (vec![], "?limit=3".to_string());
    loop {
        let page = letters(&hub, &query).await;
        seen.extend(page["dead_letters"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&before={next}");
    }
    let seq = |l: &Value| l["id"].as_str().unwrap().rsplit(':').next().unwrap().parse::<u64>().unwrap();
    let at: Vec<_> = seen.iter().map(|l| (l["stream_id"].to_string(), seq(l))).collect();
    assert_eq!((at.len(), at.iter().collect::<BTreeSet<_>>().len()), (8, 8));
    assert!(at.windows(2).all(|w| w[0].0 != w[1].0 || w[0].1 > w[1].1), "{at:?}");

    // One, by its name. Asked twice it is sent once.
    one_says.store(202, Ordering::Relaxed);
    two_says.store(202, Ordering::Relaxed);
    let name = jtis(&of_one).into_iter().next().unwrap();
    assert_eq!(act(&hub, "redrive", json!({ "jti": name })).await.1["count"], 1);
    assert_eq!(act(&hub, "redrive", json!({ "jti": name })).await.1["count"], 0);
    one.wait_for(5).await;
    assert_eq!(came(&one)[4], name);
    dead(&hub, 7).await;
    assert!(!jtis(&letters(&hub, "").await).contains(&name));
    // Some, by their reason; thrown away, one.
    let gone = jtis(&letters(&hub, "?stream_id=one").await).into_iter().next().unwrap();
    assert_eq!(act(&hub, "discard", json!({ "jti": gone })).await.1["count"], 1);
    assert_eq!(act(&hub, "redrive", json!({ "reason": "http_404", "stream_id": "two" })).await.1["count"], 4);
    two.wait_for(8).await;
    dead(&hub, 2).await;

    // The rest, after a restart.
    let hub = hub.restart().await;
    assert_eq!(letters(&hub, "").await["total"], 2);
    let (status, done) = act(&hub, "redrive", json!({ "all": true })).await;
    assert_eq!((status, &done["count"], done["ids"].as_array().unwrap().len()), (200, &json!(2), 1));
    one.wait_for(7).await;
    until("all is over", 10, || async { hub.status().await["tenants"]["default"]["owed"] == 0 }).await;
    assert_eq!(letters(&hub, "").await["total"], 0);
    let (first, later): (BTreeSet<_>, BTreeSet<_>) =
        (came(&one)[..4].iter().cloned().collect(), came(&one)[4..].iter().cloned().collect());
    assert!(later.len() == 3 && later.is_subset(&first) && !later.contains(&gone));
    let why =
        hub.admin_send("GET", &format!("/admin/v1/why/{}", done["ids"][0].as_str().unwrap()), None).await.1;
    assert!(why.to_string().contains("\"by\":\"admin\""), "{why}");
    hub.stop().await;
}

#[tokio::test]
async fn what_is_not_asked_clearly_changes_nothing() {
    let (receiver, _) = receiver().await;
    let hub = Hub::start().await;
    let idp = furnish(&hub).await;
    stream(&hub, "one", &receiver.url, json!({})).await;
    send(&hub, &idp, "set").await;
    dead(&hub, 1).await;
    let before = hub.mark("default").await;
    let cases = [
        (json!({}), 400),
        (json!({ "all": false }), 400),
        (json!({ "all": true, "jti": "x" }), 400),
        (json!({ "everything": true }), 400),
        (json!({ "jti": 7 }), 400),
        (json!([]), 400),
        (json!({ "stream_id": "nobodys" }), 404),
        (json!({ "jti": "nobodys" }), 200),
        (json!({ "reason": "nobodys" }), 200),
    ];
    for (body, want) in cases {
        for verb in ["redrive", "discard"] {
            assert_eq!(act(&hub, verb, body.clone()).await.0, want, "{verb} {body}");
        }
    }
    for query in ["?limit=0", "?limit=1001", "?before=x", "?before=1.2", "?limit=a", "?nobodys=1"] {
        let path = format!("/admin/v1/t/default/dead-letters{query}");
        assert_eq!(hub.admin_send("GET", &path, None).await.0, 400, "{query}");
    }
    for path in ["/admin/v1/t/default/dead-letters?stream_id=nobodys", "/admin/v1/t/nobodys/dead-letters"] {
        assert_eq!(hub.admin_send("GET", path, None).await.0, 404, "{path}");
    }
    let url = format!("{}/admin/v1/t/default/dead-letters/redrive", hub.admin);
    assert_eq!(hub.http.post(url).body("{\"all\":true}").send().await.unwrap().status().as_u16(), 401);
    assert_eq!(hub.mark("default").await, before);
    hub.stop().await;
}
