//! Relay (RFC 8935, 2; PUSH-35): the original SET, byte for byte, to whom it names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::http::StatusCode;
use serde_json::json;

use super::super::hub::{Hub, until};
use super::super::peers::{Idp, PushReceiver, SESSION_REVOKED};
use super::{furnish, letters, operations, stream};

/// A SET for the hub and perhaps for others.
fn set(idp: &Idp, jti: &str, aud: &[&str]) -> String {
    let sub_id = json!({ "format": "iss_sub", "iss": idp.iss, "sub": jti });
    let event = json!({ "event_timestamp": super::super::peers::now_s() });
    let mut claims = idp.claims("hub", jti, SESSION_REVOKED, sub_id, event);
    claims["aud"] = json!(aud);
    idp.sign(&claims)
}

async fn idle(hub: &Hub) {
    until("nothing is owed", 10, || async { hub.status().await["tenants"]["default"]["owed"] == 0 }).await;
}

#[tokio::test]
async fn the_original_goes_to_whom_it_names_and_to_nobody_else() {
    let (siem, other, plain) =
        (PushReceiver::start().await, PushReceiver::start().await, PushReceiver::start().await);
    let hub = Hub::start().await;
    let idp = furnish(&hub).await;
    let relay = json!({ "relay": true, "aud": ["siem", "siem-2"], "authorization_header": "Bearer siem" });
    stream(&hub, "relayed", &siem.url, relay).await;
    stream(&hub, "elsewhere", &other.url, json!({ "relay": true, "aud": ["other"] })).await;
    stream(&hub, "signed", &plain.url, json!({ "aud": ["siem"], "derived": true })).await;
    let for_both = set(&idp, "both", &["hub", "siem-2"]);
    let for_hub = set(&idp, "hub", &["hub"]);
    for compact in [&for_hub, &for_both] {
        assert_eq!(hub.push("default", "kc", compact).await.0, 202);
    }
    // Again, and in other words, it goes nowhere.
    assert_eq!(hub.push("default", "kc", &for_both).await.0, 202);
    let mut echo = idp.claims(
        "hub",
        "echo",
        SESSION_REVOKED,
        super::super::peers::claims_of(&for_both)["sub_id"].clone(),
        super::super::peers::claims_of(&for_both)["events"][SESSION_REVOKED].clone(),
    );
    echo["aud"] = json!(["hub", "siem"]);
    echo["txn"] = json!("txn-both");
    assert_eq!(hub.push("default", "kc", &idp.sign(&echo)).await.0, 202);
    // A kill makes derived events and control events; none of them is an original.
    let target = json!({ "kind": "iss_sub", "iss": idp.iss, "value": "both" });
    let kill = json!({ "target": target, "reason": "test" });
    assert_eq!(hub.admin_send("POST", "/admin/v1/t/default/kill", Some(kill)).await.0, 200);
    idle(&hub).await;
    let got = siem.got();
    assert_eq!(got.iter().map(|g| g.compact.as_str()).collect::<Vec<_>>(), [for_both.as_str()]);
    assert_eq!(got[0].authorization.as_deref(), Some("Bearer siem"));
    assert_eq!(other.got().len(), 0);
    // The plain stream of the same audience gets everything, signed by the hub.
    assert!(plain.got().len() >= 2 && plain.got().iter().all(|g| g.claims["iss"] == hub.iss("default")));
    let attempts = super::attempts(&hub, "relayed").await;
    assert_eq!(attempts["attempts"][0]["jti"], "both");
    hub.stop().await;
}

#[tokio::test]
async fn an_original_is_kept_with_its_dead_letter_and_goes_again_after_a_restart() {
    let status = Arc::new(AtomicU16::new(400));
    let says = status.clone();
    let answer = move |_, _: &_| StatusCode::from_u16(says.load(Ordering::Relaxed)).unwrap();
    let siem = PushReceiver::answering(answer).await;
    let hub = Hub::start().await;
    let idp = furnish(&hub).await;
    stream(&hub, "relayed", &siem.url, json!({ "relay": true, "aud": ["siem"] })).await;
    let original = set(&idp, "one", &["hub", "siem"]);
    let another = set(&idp, "two", &["hub", "siem"]);
    for compact in [&original, &another] {
        assert_eq!(hub.push("default", "kc", compact).await.0, 202);
    }
    until("both are dead letters", 10, || async { letters(&hub, "").await["total"] == 2 }).await;
    let page = letters(&hub, "?stream_id=relayed").await;
    assert_eq!(
        (&page["dead_letters"][0]["jti"], &page["dead_letters"][1]["jti"]),
        (&json!("two"), &json!("one"))
    );
    assert_eq!(operations(&hub, "dead_letter").await.len(), 2);

    let hub = hub.restart().await;
    status.store(202, Ordering::Relaxed);
    let redrive = "/admin/v1/t/default/dead-letters/redrive";
    assert_eq!(hub.admin_send("POST", redrive, Some(json!({ "jti": "one" }))).await.1["count"], 1);
    let got = siem.wait_for(3).await;
    assert_eq!(got[2].compact, original);
    idle(&hub).await;
    let discard = "/admin/v1/t/default/dead-letters/discard";
    assert_eq!(hub.admin_send("POST", discard, Some(json!({ "all": true }))).await.1["count"], 1);
    assert_eq!(letters(&hub, "").await["total"], 0);
    // What was owed when the hub stopped goes out as it came, too.
    status.store(503, Ordering::Relaxed);
    let third = set(&idp, "three", &["siem", "hub"]);
    assert_eq!(hub.push("default", "kc", &third).await.0, 202);
    siem.wait_for(4).await;
    let hub = hub.restart().await;
    status.store(202, Ordering::Relaxed);
    idle(&hub).await;
    assert!(siem.got().len() >= 5 && siem.got()[3..].iter().all(|g| g.compact == third));
    hub.stop().await;
}

#[tokio::test]
async fn what_is_an_ssf_stream_does_not_relay() {
    let siem = PushReceiver::start().await;
    let hub = Hub::start().await;
    furnish(&hub).await;
    stream(&hub, "signed", &siem.url, json!({})).await;
    stream(&hub, "relayed", &siem.url, json!({ "relay": true })).await;
    let before = hub.mark("default").await;
    let push = json!({ "client": "saas", "method": "push", "endpoint_url": siem.url, "aud": ["a"], "events_requested": ["*"] });
    let with = |more: serde_json::Value| {
        let mut body = push.clone();
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    let cases = [
        ("new", with(json!({ "relay": true, "derived": true })), 400),
        ("new", with(json!({ "relay": true, "dialect": "okta" })), 400),
        ("new", with(json!({ "relay": true, "description": "mine" })), 400),
        ("new", with(json!({ "relay": true, "default_subjects": "NONE" })), 400),
        ("new", with(json!({ "relay": "yes" })), 400),
        (
            "new",
            json!({ "client": "saas", "method": "poll", "aud": ["a"], "events_requested": ["*"], "relay": true }),
            400,
        ),
        ("signed", with(json!({ "relay": true })), 409),
        ("relayed", with(json!({ "relay": false })), 409),
        ("relayed", push.clone(), 409),
    ];
    for (id, body, want) in cases {
        let path = format!("/admin/v1/t/default/streams/{id}");
        let (status, answer) = hub.admin_send("PUT", &path, Some(body.clone())).await;
        assert_eq!(status, want, "{id} {body}: {answer}");
    }
    assert_eq!(hub.mark("default").await, before);
    hub.stop().await;
}
