//! A SET from the door to the receivers: once, in order, under one name, also across restarts (NEED-21, NEED-30).

use axum::http::StatusCode;
use serde_json::json;
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::compact::verify_compact;
use ssf_hub::jose::keyset::KeySet;

use super::hub::{Hub, until};
use super::peers::{Idp, PushReceiver, SESSION_REVOKED, claims_of};

/// A hub with one upstream `kc`, a push stream and a poll stream.
async fn line(receiver: &PushReceiver) -> (Hub, Idp, String) {
    let hub = Hub::start().await;
    let bearer = furnish(&hub, "default", receiver).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    (hub, idp, bearer)
}

async fn furnish(hub: &Hub, tenant: &str, receiver: &PushReceiver) -> String {
    let bearer = hub.client(tenant, "saas", false).await;
    hub.put(
        tenant,
        "streams",
        "pushed",
        json!({ "client": "saas", "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url, "aud": ["saas"],
                "events_requested": ["*"], "authorization_header": "Bearer receiver-secret" }),
    )
    .await;
    hub.put(
        tenant,
        "streams",
        "polled",
        json!({ "client": "saas", "method": "urn:ietf:rfc:8936", "aud": ["saas-poll"], "events_requested": [SESSION_REVOKED] }),
    )
    .await;
    bearer
}

#[tokio::test]
async fn one_set_reaches_push_and_poll_signed_and_unchanged() {
    let receiver = PushReceiver::start().await;
    let (hub, idp, bearer) = line(&receiver).await;
    let set = idp.session_revoked("hub", "j1", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);

    let pushed = receiver.wait_for(1).await.remove(0);
    let (status, polled) = hub.poll("default", "polled", &bearer, json!({ "returnImmediately": true })).await;
    assert_eq!(status, 200);
    let sets = polled["sets"].as_object().unwrap();
    assert_eq!(sets.len(), 1);
    assert!(polled.get("moreAvailable").is_none());
    let (jti, compact) = sets.iter().next().unwrap();
    let polled = claims_of(compact.as_str().unwrap());

    let jwks = hub.http.get(format!("{}/jwks.json", hub.iss("default"))).send().await.unwrap();
    let jwks = KeySet::parse(&jwks.bytes().await.unwrap()).unwrap();
    for compact in [pushed.compact.as_str(), compact.as_str().unwrap()] {
        let (header, _) = verify_compact(compact.as_bytes(), &jwks, &[Alg::RS256], 65536).unwrap();
        assert!(header.typ_is("secevent+jwt"));
    }
    assert_eq!(pushed.authorization.as_deref(), Some("Bearer receiver-secret"));
    let original = claims_of(&set);
    for (claims, aud) in [(&pushed.claims, "saas"), (&polled, "saas-poll")] {
        assert_eq!(claims["iss"], hub.iss("default"));
        assert_eq!(claims["aud"], aud);
        assert_eq!(claims["txn"], "txn-j1");
        assert_eq!(claims["sub_id"], original["sub_id"]);
        assert_eq!(claims["events"], original["events"]);
        assert!(claims.get("sub").is_none() && claims.get("exp").is_none());
    }
    assert_eq!(polled["jti"].as_str(), Some(jti.as_str()));
    assert_ne!(pushed.claims["jti"], polled["jti"]);

    let shown = hub.admin_send("GET", "/admin/v1/t/default/streams/polled/attempts", None).await.1;
    let attempt = &shown["attempts"][0];
    assert_eq!(
        (&attempt["jti"], &attempt["sets"], &attempt["status"]),
        (&json!(jti), &json!(1), &json!(200))
    );

    // Acknowledged, it is offered no more; not before.
    let again = hub.poll("default", "polled", &bearer, json!({ "returnImmediately": true })).await.1;
    assert_eq!(again["sets"].as_object().unwrap().keys().next(), Some(jti));
    let acked =
        hub.poll("default", "polled", &bearer, json!({ "ack": [jti], "returnImmediately": true })).await.1;
    assert_eq!(acked["sets"], json!({}));
    hub.stop().await;
}

#[tokio::test]
async fn duplicates_are_answered_again_and_have_no_second_effect_also_after_a_restart() {
    let receiver = PushReceiver::start().await;
    let (hub, idp, _) = line(&receiver).await;
    let set = idp.session_revoked("hub", "j1", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    receiver.wait_for(1).await;
    until("the outcome is journaled", 5, || async { hub.status().await["tenants"]["default"]["owed"] == 1 })
        .await;
    let before = hub.mark("default").await;
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    let other = idp.sign(&idp.claims(
        "hub",
        "j1",
        SESSION_REVOKED,
        json!({ "format": "email", "email": "b@example.com" }),
        json!({}),
    ));
    let (status, body) = hub.push("default", "kc", &other).await;
    assert_eq!((status, body["err"].as_str()), (400, Some("invalid_request")));
    assert_eq!(hub.mark("default").await, before);

    let hub = hub.restart().await;
    assert_eq!(hub.mark("default").await, before);
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    assert_eq!(hub.push("default", "kc", &other).await.0, 400);
    assert_eq!(hub.mark("default").await, before);
    assert_eq!(receiver.got().len(), 1);
    let events = hub.admin_send("GET", "/admin/v1/operations", None).await.1;
    assert!(events.as_array().unwrap().iter().any(|e| e["kind"] == "set_rejected"), "{events}");
    hub.stop().await;
}

#[tokio::test]
async fn a_receiver_that_fails_gets_it_again_in_order_and_under_one_jti() {
    // The first subject fails twice; the other one is not held up by it.
    let failures = std::sync::atomic::AtomicUsize::new(0);
    let receiver = PushReceiver::answering(move |_, got| {
        let first = got.claims["txn"] == "txn-a1";
        if first && failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        StatusCode::ACCEPTED
    })
    .await;
    let (hub, idp, _) = line(&receiver).await;
    for (jti, user) in [("a1", "alice"), ("a2", "alice"), ("b1", "bob")] {
        let event = json!({ "event_timestamp": super::peers::now_s(), "initiating_entity": "admin" });
        let sub_id = json!({ "format": "iss_sub", "iss": idp.iss, "sub": user });
        let uri = "https://schemas.openid.net/secevent/caep/event-type/session-presented";
        let mut claims = idp.claims("hub", jti, uri, sub_id, event);
        claims["events"][uri]["fp_ua"] = json!(jti);
        assert_eq!(hub.push("default", "kc", &idp.sign(&claims)).await.0, 202);
    }
    let got = receiver.wait_for(5).await;
    let of = |txn: &str| got.iter().position(|g| g.claims["txn"] == txn).unwrap();
    let last_a1 = got.iter().rposition(|g| g.claims["txn"] == "txn-a1").unwrap();
    assert!(of("txn-b1") < last_a1, "bob waited for alice");
    assert!(last_a1 < of("txn-a2"), "alice's second overtook her first");
    let jtis: std::collections::BTreeSet<_> =
        got.iter().filter(|g| g.claims["txn"] == "txn-a1").map(|g| g.claims["jti"].to_string()).collect();
    assert_eq!(jtis.len(), 1);
    hub.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_good_becomes_a_dead_letter_and_the_stream_goes_on() {
    let receiver = PushReceiver::answering(|_, got| match got.claims["txn"].as_str() {
        Some("txn-bad") => StatusCode::BAD_REQUEST,
        _ => StatusCode::ACCEPTED,
    })
    .await;
    let (hub, idp, _) = line(&receiver).await;
    for jti in ["bad", "good"] {
        let set = idp.session_revoked("hub", jti, "alice", Some(jti), "user");
        assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    }
    receiver.wait_for(2).await;
    until("the dead letter is journaled", 10, || async {
        let letters = hub.admin_send("GET", "/admin/v1/t/default/dead-letters", None).await.1;
        let first = &letters["dead_letters"][0];
        letters["total"] == 1 && first["txn"] == "txn-bad" && first["stream_id"] == "pushed"
    })
    .await;
    // An attempt is one when its answer is back at the hub.
    let attempts =
        async || hub.admin_send("GET", "/admin/v1/t/default/streams/pushed/attempts", None).await.1;
    let made = |shown: &serde_json::Value| shown["attempts"].as_array().unwrap().len();
    until("both attempts are over", 10, || async { made(&attempts().await) >= 2 }).await;
    let attempts = attempts().await;
    assert_eq!(made(&attempts), 2, "{attempts}");
    assert_eq!(attempts["destination"]["state"], "open", "{attempts}");
    hub.stop().await;
}

#[tokio::test]
async fn long_polls_of_two_replicas_wait_and_one_of_them_is_woken() {
    let receiver = PushReceiver::start().await;
    let (hub, idp, bearer) = line(&receiver).await;
    two_replicas(&hub, &idp, &bearer).await;
    hub.stop().await;
}

async fn two_replicas(hub: &Hub, idp: &Idp, bearer: &str) {
    let poll = || Box::pin(hub.poll("default", "polled", bearer, json!({})));
    let (mut first, mut second) = (poll(), poll());
    let before = lookups(hub).await;
    tokio::select! {
        early = &mut first => panic!("nothing is owed: {early:?}"),
        early = &mut second => panic!("nothing is owed: {early:?}"),
        () = until("both polls are there", 20, || async { lookups(hub).await > before + 1 }) => {}
    }
    let send = async |jti: &str| {
        let set = idp.session_revoked("hub", jti, "alice", Some(jti), "user");
        assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    };
    send("j").await;
    // By itself a poll ends after 30 s only.
    let (woken, other) = tokio::select! {
        woken = &mut first => (woken, second),
        woken = &mut second => (woken, first),
    };
    let sets = woken.1["sets"].as_object().unwrap();
    assert_eq!(sets.len(), 1);
    let ack = json!({ "ack": sets.keys().collect::<Vec<_>>(), "returnImmediately": true });
    assert_eq!(hub.poll("default", "polled", bearer, ack).await.1["sets"], json!({}));
    send("k").await;
    let (status, answer) = other.await;
    assert_eq!((status, answer["sets"].as_object().unwrap().len()), (200, 1), "the other one waited");
}

#[tokio::test]
async fn who_polls_too_often_is_told_so_and_gets_everything_later() {
    let receiver = PushReceiver::start().await;
    let (hub, idp, _) = line(&receiver).await;
    let client = json!({ "new_bearer": true, "authority": { "rate_per_s": 2 } });
    let client = hub.put("default", "clients", "saas", client).await;
    let set = idp.session_revoked("hub", "j", "alice", Some("s"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    let url = format!("{}/t/default/poll/polled", hub.public);
    let poll = || {
        let request = hub.http.post(&url).bearer_auth(client["bearer"].as_str().unwrap());
        request.body(r#"{"returnImmediately":true}"#).send()
    };
    // A machine that stands still for a while lets more of them through.
    let mut later = None;
    for _ in 0..1000 {
        let answer = poll().await.unwrap();
        match answer.status().as_u16() {
            200 => {}
            429 => later = Some(answer),
            other => panic!("{other}"),
        }
        if later.is_some() {
            break;
        }
    }
    let later = later.expect("nobody is ever told to wait");
    assert_eq!(later.headers()["retry-after"], "1");
    until("it is let in again", 30, || async { poll().await.unwrap().status().as_u16() == 200 }).await;
    hub.stop().await;
}

/// How many streams were looked up since the start: a poll that is taken looks one up, and then waits.
async fn lookups(hub: &Hub) -> u64 {
    let (_, page) = hub.admin_send("GET", "/metrics", None).await;
    let line = page.as_str().unwrap().lines().find_map(|line| line.strip_prefix("ssf_hub_stream_lookups "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn somebody_elses_stream_looks_like_none() {
    let receiver = PushReceiver::start().await;
    let (hub, _, bearer) = line(&receiver).await;
    let other = hub.client("default", "other", false).await;
    let ask = json!({ "returnImmediately": true });
    let (theirs, theirs_body) = hub.poll("default", "polled", &other, ask.clone()).await;
    let (none, none_body) = hub.poll("default", "nothing", &other, ask.clone()).await;
    assert_eq!((theirs, theirs_body), (none, none_body.clone()));
    assert_eq!(theirs, 404);
    let (status, _) = hub.poll("default", "polled", "wrong-bearer-0123456789", ask.clone()).await;
    assert_eq!(status, 401);
    assert_eq!(hub.poll("default", "polled", &bearer, ask).await.0, 200);
    for bad in ["[]", "{", r#"{"maxEvents":-1}"#, r#"{"ack":"x"}"#, r#"{"setErrs":[]}"#] {
        let answer = hub
            .http
            .post(format!("{}/t/default/poll/polled", hub.public))
            .bearer_auth(&bearer)
            .body(bad)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{bad}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn control_events_are_recorded_and_go_nowhere() {
    let receiver = PushReceiver::start().await;
    let (hub, idp, _) = line(&receiver).await;
    let uri = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    let claims =
        idp.claims("hub", "v", uri, json!({ "format": "opaque", "id": "s" }), json!({ "state": "x" }));
    let before = hub.mark("default").await.1;
    assert_eq!(hub.push("default", "kc", &idp.sign(&claims)).await.0, 202);
    assert_eq!(hub.mark("default").await.1, before + 2, "the SET, and the upstream's keys as evidence");
    assert_eq!(hub.status().await["tenants"]["default"]["owed"], 0);
    hub.stop().await;
}

#[tokio::test]
async fn two_hubs_that_are_subscribed_to_each_other_fall_silent_after_one_round() {
    let (a, b) = (Hub::start().await, Hub::start().await);
    for (hub, other) in [(&a, &b), (&b, &a)] {
        hub.client("default", "peer", false).await;
        hub.put(
            "default",
            "streams",
            "ring",
            json!({ "client": "peer", "method": "push", "endpoint_url": format!("{}/t/default/in/peer", other.public),
                    "aud": ["ring"], "events_requested": ["*"], "derived": true }),
        )
        .await;
        let jwks = format!("{}/t/default/jwks.json", other.public);
        let upstream = json!({ "iss": other.iss("default"), "aud": ["ring"], "jwks": { "url": jwks } });
        hub.put("default", "upstreams", "peer", upstream).await;
    }
    let idp = Idp::new("https://idp.example", Alg::ES256);
    a.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    let set = idp.session_revoked("hub", "logout", "alice", Some("s1"), "user");
    assert_eq!(a.push("default", "kc", &set).await.0, 202);
    let owed = |hub: &Hub| {
        let (http, url, credential) =
            (hub.http.clone(), format!("{}/admin/v1/status", hub.admin), hub.credential.clone());
        async move {
            let text = http.get(url).bearer_auth(credential).send().await.unwrap().text().await.unwrap();
            let status: serde_json::Value = serde_json::from_str(&text).unwrap();
            (
                status["tenants"]["default"]["owed"].as_u64().unwrap(),
                status["tenants"]["default"]["seq"].as_u64().unwrap(),
            )
        }
    };
    until("both hubs owe nothing", 20, || async { owed(&a).await.0 == 0 && owed(&b).await.0 == 0 }).await;
    let (first, second) = (owed(&a).await.1, owed(&b).await.1);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!((owed(&a).await.1, owed(&b).await.1), (first, second), "the ring goes on");
    let count = |metrics: String| -> u64 {
        let lines = metrics.lines().filter(|l| l.starts_with("ssf_hub_sets_owed_total"));
        lines.map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let mut sets = 0;
    for hub in [&a, &b] {
        sets +=
            count(hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap());
    }
    println!("ring of two hubs, one logout: {sets} SETs sent between them");
    assert_eq!(sets, 2, "a to b, and b's once back to a");
    a.stop().await;
    b.stop().await;
}
