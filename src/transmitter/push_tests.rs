//! Push delivery against a fake receiver on loopback.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::config::Config;
use super::peer::{Receiver, Reply, Rig, made, owed, payload, quick, stream, until};
use crate::clock::Stopwatch;
use crate::hub::effect::{Effect, Flow};
use crate::hub::entry::Fate::{Delivered, GaveUp};
use crate::jose::{Alg, KeySet, verify_compact};
use crate::stream::{Stream, StreamNo};

fn ok() -> Reply {
    Reply::status(202)
}

fn json_400(body: &'static str) -> Reply {
    Reply { body, ..Reply::status(400) }
}

#[tokio::test]
async fn one_post_per_set_as_rfc_8935_says() {
    let (rig, receiver) = (Rig::new(), Receiver::start(|_| ok()).await);
    rig.keys.put_secret(&rig.tenant, "s2.push", "Custom abc:def==").unwrap();
    let secret = Some("s2.push".to_string());
    let with_secret = Stream { authorization_secret: secret, ..stream(2, "b", Some(&receiver.url)) };
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url))), made(2, with_secret)]);
    rig.publish(&[owed(1, 10, 1), owed(2, 10, 1)]);
    rig.push(quick());
    until("both delivered", || rig.heard.len() == 2).await;
    let keys = KeySet::parse(rig.keys.tenant(&rig.tenant).unwrap().jwks().unwrap().as_bytes()).unwrap();
    for seen in receiver.seen() {
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.headers["content-type"], "application/secevent+jwt");
        assert_eq!(seen.headers["accept"], "application/json");
        let (header, _) = verify_compact(seen.body.as_bytes(), &keys, &[Alg::ES256], 10_000).unwrap();
        assert_eq!(header.typ.as_deref(), Some("secevent+jwt"));
        let claims = payload(&seen.body);
        let authorization = seen.headers.get("authorization").map(|v| v.to_str().unwrap());
        match claims["aud"].as_str().unwrap() {
            "a" => assert_eq!(authorization, None),
            _ => assert_eq!(authorization, Some("Custom abc:def==")),
        }
        assert_eq!(claims["iss"], "http://127.0.0.1:1/t/default");
        assert_eq!((&claims["txn"], &claims["iat"]), (&"txn-10".into(), &1_700_000_000.into()));
        assert!(claims.get("sub").is_none() && claims.get("exp").is_none());
    }
    let none = String::new();
    assert_eq!(rig.heard.list(), [(1, 10, Delivered, none.clone()), (2, 10, Delivered, none)]);
    assert_eq!(rig.outbox.by_id(&rig.tenant, "s1").unwrap().depth(), 0);
}

#[tokio::test]
async fn order_holds_per_subject_across_retries_and_others_go_on() {
    // Subject 1 is held up until subject 2 is through, however slow that is.
    let through = AtomicBool::new(false);
    let receiver = Receiver::start(move |s| {
        through.fetch_or(s.n == 21, Ordering::SeqCst);
        let held_up = s.try_no <= 2 || !through.load(Ordering::SeqCst);
        if s.n == 10 && held_up { Reply::status(503) } else { ok() }
    });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url)))]);
    rig.publish(&[owed(1, 10, 1), owed(1, 11, 1), owed(1, 20, 2), owed(1, 12, 1), owed(1, 21, 2)]);
    let delays = vec![30, 60, 2_000];
    let retry = crate::outbox::pace::Config { retry_delays_ms: delays, ..quick().retry };
    rig.push(Config { retry, ..quick() });
    until("all delivered", || rig.heard.len() == 5).await;
    let order = receiver.order();
    let of = |from: u64| order.iter().copied().filter(|n| n / 10 == from).collect::<Vec<_>>();
    let tries: Vec<_> = receiver.seen().into_iter().filter(|s| s.n == 10).collect();
    assert!(tries.len() >= 3, "{order:?}");
    assert_eq!(of(1), [vec![10; tries.len()], vec![11, 12]].concat());
    assert_eq!(of(2), [20, 21]);
    let place = |n: u64| order.iter().position(|x| *x == n).unwrap();
    assert!(place(21) < place(11), "subject 2 did not wait for subject 1: {order:?}");
    assert!(tries.iter().all(|s| s.jti == tries[0].jti && s.body == tries[0].body), "same bytes each time");
    let gaps = [tries[1].at - tries[0].at, tries[2].at - tries[1].at];
    assert!(gaps[0] >= Duration::from_millis(29) && gaps[1] >= Duration::from_millis(59), "{gaps:?}");
    let ring = rig.outbox.by_id(&rig.tenant, "s1").unwrap().attempts.list();
    assert_eq!(ring.len(), tries.len() + 4);
    let failed: Vec<_> = ring.iter().filter_map(|a| a.error.as_deref()).collect();
    assert_eq!(failed, vec!["http_503"; tries.len() - 1]);
}

#[tokio::test]
async fn what_the_set_itself_is_refused_for_is_a_dead_letter_at_once() {
    let receiver = Receiver::start(|s| match s.n {
        10 => json_400(r#"{"err":"invalid_request","description":"x"}"#),
        20 => json_400("<html>bad</html>"),
        30 => json_400(r#"{"err":"$(reboot)","description":"x"}"#),
        _ => ok(),
    });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url)))]);
    rig.publish(&[owed(1, 10, 1), owed(1, 11, 1), owed(1, 20, 2), owed(1, 30, 3)]);
    rig.push(quick());
    until("all over", || rig.heard.len() == 4).await;
    let want = [
        (1, 10, GaveUp, "invalid_request".to_string()),
        (1, 11, Delivered, String::new()),
        (1, 20, GaveUp, "http_400".into()),
        (1, 30, GaveUp, "$(reboot)".into()),
    ];
    assert_eq!(rig.heard.list(), want);
    assert_eq!(receiver.seen().len(), 4, "no blind retry");
}

#[tokio::test]
async fn a_receiver_that_does_not_know_the_key_that_follows_a_revoked_one_gets_it_again() {
    let kid = |compact: &str| {
        let header = URL_SAFE_NO_PAD.decode(compact.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        header["kid"].as_str().unwrap().to_string()
    };
    // Its copy of the JWKS is renewed when each SET was refused twice.
    let known: Arc<Mutex<Option<String>>> = Arc::default();
    let keeps = known.clone();
    let receiver = Receiver::start(move |s| {
        let mut known = keeps.lock().unwrap();
        let fits = *known.get_or_insert_with(|| kid(&s.body)) == kid(&s.body) || s.try_no > 2;
        match (fits, s.n) {
            (true, _) => ok(),
            (false, 20) => json_400(r#"{"err":"invalid_key","description":"x"}"#),
            (false, _) => Reply::status(400),
        }
    });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url))), owed(1, 10, 1)]);
    rig.push(quick());
    until("delivered", || rig.heard.len() == 1).await;
    let old = known.lock().unwrap().clone().unwrap();
    rig.keys.tenant(&rig.tenant).unwrap().revoke(&old, "test").unwrap();
    rig.publish(&[owed(1, 20, 2), owed(1, 30, 3)]);
    until("all over", || rig.heard.len() == 3).await;
    assert!(rig.heard.list().iter().all(|(_, _, fate, _)| *fate == Delivered), "{:?}", rig.heard.list());
    let tries = |n: u64| receiver.order().iter().filter(|x| **x == n).count();
    assert_eq!([10, 20, 30].map(tries), [1, 3, 3]);
}

#[tokio::test]
async fn refused_credentials_and_wrong_places_are_tried_a_few_times() {
    let receiver = Receiver::start(|s| match s.n {
        10 => Reply::status(401),
        20 => json_400(r#"{"err":"access_denied","description":"x"}"#),
        30 => Reply::status(404),
        40 => Reply { headers: vec![("location", "/elsewhere".into())], ..Reply::status(307) },
        _ => ok(),
    });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url)))]);
    rig.publish(&[owed(1, 10, 1), owed(1, 20, 2), owed(1, 30, 3), owed(1, 40, 4), owed(1, 50, 5)]);
    rig.push(quick());
    until("all over", || rig.heard.len() == 5).await;
    let fates: Vec<_> = rig.heard.list().into_iter().map(|(_, n, fate, why)| (n, fate, why)).collect();
    let want = [
        (10, GaveUp, "http_401".to_string()),
        (20, GaveUp, "access_denied".into()),
        (30, GaveUp, "http_404".into()),
        (40, GaveUp, "http_307".into()),
        (50, Delivered, String::new()),
    ];
    assert_eq!(fates, want);
    let tries = |n: u64| receiver.order().iter().filter(|x| **x == n).count();
    assert_eq!([10, 20, 30, 40, 50].map(tries), [3, 3, 2, 2, 1]);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let later = || Reply { headers: vec![("retry-after", "1".into())], ..Reply::status(429) };
    let receiver = Receiver::start(move |s| if s.try_no == 1 { later() } else { ok() });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url))), owed(1, 10, 1)]);
    rig.push(quick());
    until("delivered", || rig.heard.len() == 1).await;
    let seen = receiver.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(999), "{:?}", seen[1].at - seen[0].at);
}

#[tokio::test]
async fn retry_after_holds_whatever_goes_to_that_receiver() {
    let later = |status| Reply { headers: vec![("retry-after", "1".into())], ..Reply::status(status) };
    // The first one, and the one that is sent to see whether it may go on, are told to wait.
    let receiver = Receiver::start(move |s| match (s.n, s.try_no) {
        (1, 1) => later(429),
        (1, 2) => later(503),
        _ => ok(),
    });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url)))]);
    rig.publish(&(1..=50).map(|n| owed(1, n, n)).collect::<Vec<_>>());
    rig.push(Config { in_flight_per_stream: 1, ..quick() });
    until("all delivered", || rig.heard.len() == 50).await;
    let seen = receiver.seen();
    let held = |from: usize| seen[from + 1].at - seen[from].at >= Duration::from_millis(999);
    let told: Vec<_> = (0..seen.len()).filter(|at| seen[*at].n == 1).collect();
    assert_eq!(told.len(), 3, "{:?}", receiver.order());
    assert!(held(told[0]) && held(told[1]), "{seen:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_or_is_not_there_is_tried_again() {
    let hang = || Reply { delay_ms: 60_000, ..ok() };
    let receiver = Receiver::start(move |s| if s.try_no == 1 { hang() } else { ok() });
    let (rig, receiver) = (Rig::new(), receiver.await);
    // Taken, so that nobody else gets it, and nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = format!("http://{}/", taken.local_addr().unwrap());
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url))), made(2, stream(2, "b", Some(&nobody)))]);
    rig.publish(&[owed(1, 10, 1), owed(2, 20, 1)]);
    rig.push(Config { push_timeout_ms: 100, ..quick() });
    until("delivered", || rig.heard.len() == 1).await;
    let errors = |id: &str| {
        let attempts = rig.outbox.by_id(&rig.tenant, id).unwrap().attempts.list();
        attempts.iter().filter_map(|a| a.error.as_deref().map(String::from)).collect::<Vec<_>>()
    };
    assert_eq!(errors("s1")[0], "timeout");
    until("refused", || errors("s2").contains(&"connect".to_string())).await;
    assert_eq!(rig.outbox.by_id(&rig.tenant, "s2").unwrap().depth(), 1, "still owed");
}

#[tokio::test]
async fn a_changed_stream_is_tried_at_once_and_a_removed_one_ends() {
    let (bad, good) = (Receiver::start(|_| Reply::status(500)).await, Receiver::start(|_| ok()).await);
    let rig = Rig::new();
    let slow = Config {
        retry: crate::outbox::pace::Config { retry_delays_ms: vec![600_000], ..quick().retry },
        ..quick()
    };
    rig.publish(&[made(1, stream(1, "a", Some(&bad.url))), owed(1, 10, 1)]);
    rig.push(slow);
    until("tried", || bad.seen().len() == 1).await;
    rig.publish(&[made(1, stream(1, "a", Some(&good.url)))]);
    until("delivered elsewhere", || rig.heard.len() == 1).await;
    rig.publish(&[Effect::Stream { no: StreamNo(1), stream: None }, owed(1, 11, 1)]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((good.seen().len(), bad.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_missing_secret_sends_nothing() {
    let (rig, receiver) = (Rig::new(), Receiver::start(|_| ok()).await);
    let secret = Some("gone".to_string());
    let with_secret = Stream { authorization_secret: secret, ..stream(1, "a", Some(&receiver.url)) };
    rig.publish(&[made(1, with_secret), owed(1, 10, 1)]);
    rig.push(quick());
    until("tried", || !rig.outbox.by_id(&rig.tenant, "s1").unwrap().attempts.list().is_empty()).await;
    assert!(receiver.seen().is_empty());
    rig.keys.put_secret(&rig.tenant, "gone", "Bearer back").unwrap();
    until("delivered", || rig.heard.len() == 1).await;
    assert_eq!(receiver.seen()[0].headers["authorization"], "Bearer back");
}

#[tokio::test]
async fn posts_in_flight_are_bounded_and_shutdown_waits_for_them() {
    let (rig, receiver) = (Rig::new(), Receiver::start(|_| Reply { delay_ms: 200, ..ok() }).await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url)))]);
    let many: Vec<_> = (0..40).map(|n| owed(1, n, n)).collect();
    rig.publish(&many);
    rig.push(Config { in_flight_per_stream: 4, ..quick() });
    until("some delivered", || rig.heard.len() >= 8).await;
    until("four in flight", || receiver.most_in_flight() >= 4).await;
    until("four more posted", || receiver.seen().len() > rig.heard.len()).await;
    rig.stop.send_replace(true);
    until("what was posted is heard of", || receiver.seen().len() == rig.heard.len()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(receiver.seen().len() < 40, "and nothing new was begun");
    assert_eq!(receiver.most_in_flight(), 4);
}

#[tokio::test]
async fn one_signature_for_one_audience_and_the_same_name_after_a_restart() {
    let (rig, receiver) = (Rig::new(), Receiver::start(|_| ok()).await);
    let effects = |url: &str| {
        let mut effects: Vec<_> = (1..=5).map(|no| made(no, stream(no, "shared", Some(url)))).collect();
        effects.push(made(6, stream(6, "other", Some(url))));
        effects.extend((1..=6).map(|no| owed(no, 10, 1)));
        effects
    };
    rig.publish(&effects(&receiver.url));
    rig.push(quick());
    until("all delivered", || rig.heard.len() == 6).await;
    assert_eq!(rig.signer.made().get(), 2, "one per audience");
    let mut bodies: Vec<_> = receiver.seen().into_iter().map(|s| s.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 2);
    let mut before: Vec<_> = receiver.seen().into_iter().map(|s| s.jti).collect();
    rig.stop.send_replace(true);
    // The outcomes were lost in the crash: the same is owed again, and goes out under the same names.
    let again = Receiver::start(|_| ok()).await;
    let rig = rig.restarted();
    rig.stop.send_replace(false);
    rig.publish(&effects(&again.url));
    rig.push(quick());
    until("all delivered again", || rig.heard.len() == 6).await;
    let mut after: Vec<_> = again.seen().into_iter().map(|s| s.jti).collect();
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[tokio::test]
async fn metrics_name_tenant_and_stream() {
    let (rig, receiver) = (Rig::new(), Receiver::start(|_| ok()).await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url))), owed(1, 10, 1)]);
    rig.publish(&[made(2, stream(2, "b", None)), owed(2, 10, 1)]);
    rig.push(quick());
    until("delivered", || rig.heard.len() == 1).await;
    let mut registry = prometheus_client::registry::Registry::default();
    rig.metrics.register(&mut registry, rig.outbox.clone(), rig.signer.made());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"push_sets_total{tenant="default",stream="s1",outcome="delivered"} 1"#,
        r#"push_attempts_total{tenant="default",stream="s1",result="ok"} 1"#,
        r#"queue_depth{tenant="default",stream="s2"} 1"#,
        "signatures_total 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_soon_after() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = up.clone();
    let receiver =
        Receiver::start(move |_| if is_up.load(Ordering::Relaxed) { ok() } else { Reply::status(503) });
    let (rig, receiver) = (Rig::new(), receiver.await);
    rig.publish(&[made(1, stream(1, "a", Some(&receiver.url)))]);
    rig.publish(&(0..200).map(|n| owed(1, n, n)).collect::<Vec<_>>());
    let retry = crate::outbox::pace::Config { retry_delays_ms: vec![600_000], ..quick().retry };
    let watch = Stopwatch::start();
    rig.push(Config { retry, brake_ms: 50, brake_max_ms: 100, ..quick() });
    until("so many failed that it counts as down", || receiver.seen().len() >= 16).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    // Those that had begun by then, and one after each pause.
    let probes = receiver.seen().len();
    let pauses = watch.elapsed().as_millis() / 50;
    assert!(probes as u128 <= 32 + pauses, "{probes} posts at a receiver that is down, {pauses} pauses");
    up.store(true, Ordering::Relaxed);
    until("all delivered", || rig.heard.len() == 200).await;
}

#[tokio::test]
async fn what_waits_for_its_turn_when_its_stream_is_paused_does_not_go() {
    let (rig, receiver) = (Rig::new(), Receiver::start(|_| ok()).await);
    let busy = Receiver::start(|_| Reply { delay_ms: 600_000, ..ok() }).await;
    rig.publish(&[made(1, stream(1, "a", Some(&busy.url))), owed(1, 10, 1)]);
    for (no, aud) in [(2, "b"), (3, "c"), (4, "d")] {
        rig.publish(&[made(no, stream(no, aud, Some(&receiver.url)))]);
    }
    // One exchange at a time: the others wait in line, signed, in the order in which they came.
    rig.push_over(Config { push_timeout_ms: 600_000, ..quick() }, 1);
    until("the first is on its way", || busy.seen().len() == 1).await;
    for (no, signatures) in [(2, 2), (3, 3), (4, 4)] {
        rig.publish(&[owed(no, u64::from(no) * 10, 1)]);
        until("it is signed", || rig.signer.made().get() == signatures).await;
    }
    let flow = |no, flow| Effect::Flow { stream: StreamNo(no), flow };
    rig.publish(&[flow(2, Flow::Shut)]);
    let item = super::peer::item(30);
    rig.publish(&[Effect::Dropped { stream: StreamNo(3), item }]);
    rig.publish(&[Effect::Stream { no: StreamNo(1), stream: None }]);
    until("the last in line is delivered", || rig.heard.len() == 1).await;
    assert_eq!(receiver.order(), [40], "what was paused, or dropped, did not go");
    let queue = rig.outbox.by_id(&rig.tenant, "s2").unwrap();
    assert!(queue.depth() == 1 && queue.attempts.list().is_empty());
    rig.publish(&[flow(2, Flow::Open), owed(3, 31, 1)]);
    until("the others go on", || rig.heard.len() == 3).await;
    let mut order = receiver.order();
    order.sort_unstable();
    assert_eq!(order, [20, 31, 40]);
    let made: Vec<_> = queue.attempts.list().iter().map(|attempt| attempt.attempt).collect();
    assert_eq!(made, [1], "it was not tried before");
}
