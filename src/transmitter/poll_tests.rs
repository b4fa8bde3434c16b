//! Poll delivery: what a receiver asks for, and what it gets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;

use super::config::Config;
use super::peer::{Rig, made, owed, payload, quick, spawn, stream, until};
use super::poll::{Poll, PollAnswer};
use super::request::PollRequest;
use crate::clock::Stopwatch;
use crate::hub::effect::{Effect, Flow};
use crate::hub::entry::Fate::{Delivered, GaveUp};
use crate::stream::StreamNo;

async fn ask(rig: &Rig, poll: &Poll, body: &str) -> Value {
    let request = PollRequest::parse(body.as_bytes()).unwrap();
    match poll.poll(&rig.tenant, "s1", request).await {
        PollAnswer::Sets(bytes) => serde_json::from_slice(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The entry numbers of an answer, in its order; each SET stands under its own `jti`.
fn numbers(answer: &Value) -> Vec<u64> {
    let sets = answer["sets"].as_object().unwrap();
    let number = |(jti, set): (&String, &Value)| {
        let claims = payload(set.as_str().unwrap());
        assert_eq!(claims["jti"], **jti);
        claims["events"]["urn:test"]["n"].as_u64().unwrap()
    };
    sets.iter().map(number).collect()
}

fn jtis(answer: &Value) -> Vec<String> {
    answer["sets"].as_object().unwrap().keys().cloned().collect()
}

fn rig(owed_numbers: std::ops::Range<u64>) -> Rig {
    let rig = Rig::new();
    rig.publish(&[made(1, stream(1, "a", None))]);
    rig.publish(&owed_numbers.map(|n| owed(1, n, n)).collect::<Vec<_>>());
    rig
}

const NOW: &str = r#"{"returnImmediately":true}"#;

#[tokio::test]
async fn an_empty_queue_answers_at_once_or_at_the_timeout() {
    let rig = rig(0..0);
    let patient = rig.poll(Config { poll_timeout_ms: 600_000, ..quick() });
    let at_once = tokio::time::timeout(Duration::from_secs(60), ask(&rig, &patient, NOW)).await;
    assert_eq!(at_once.expect("it does not wait").to_string(), r#"{"sets":{}}"#);
    let poll = rig.poll(Config { poll_timeout_ms: 400, ..quick() });
    for body in ["{}", r#"{"maxEvents":0}"#] {
        let watch = Stopwatch::start();
        assert_eq!(ask(&rig, &poll, body).await.to_string(), r#"{"sets":{}}"#);
        assert!(watch.elapsed() >= Duration::from_millis(400), "{body}");
    }
}

#[tokio::test]
async fn batches_say_whether_there_is_more() {
    let rig = rig(0..5);
    let poll = rig.poll(Config { poll_batch_max: 4, ..quick() });
    let cases = [
        (r#"{"maxEvents":2}"#, vec![0, 1], true),
        (r#"{"maxEvents":0}"#, vec![], true),
        (r#"{"maxEvents":0,"returnImmediately":true}"#, vec![], true),
        ("{}", vec![0, 1, 2, 3], true),
        (r#"{"max_events":1,"stream_id":"x","timeoutSecs":1}"#, vec![0, 1, 2, 3], true),
    ];
    for (body, want, more) in cases {
        let answer = ask(&rig, &poll, body).await;
        assert_eq!(numbers(&answer), want, "{body}");
        assert_eq!(answer.get("moreAvailable").is_some(), more, "{body}");
    }
    let wide = rig.poll(quick());
    let answer = ask(&rig, &wide, "{}").await;
    assert_eq!((numbers(&answer).len(), answer.get("moreAvailable")), (5, None), "left out when false");
    let narrow = rig.poll(Config { poll_batch_bytes: 1_000, ..quick() });
    let answer = ask(&rig, &narrow, "{}").await;
    assert!((1..5).contains(&numbers(&answer).len()) && answer["moreAvailable"] == true);
    let tiny = rig.poll(Config { poll_batch_bytes: 1, ..quick() });
    assert_eq!(numbers(&ask(&rig, &tiny, "{}").await), [0], "one always goes");
}

#[tokio::test]
async fn unacknowledged_sets_come_again_with_the_same_name_and_bytes() {
    let rig = rig(0..3);
    let poll = rig.poll(quick());
    let first = ask(&rig, &poll, "{}").await;
    assert_eq!(first, ask(&rig, &poll, "{}").await);
    assert_eq!(rig.signer.made().get(), 3);
}

#[tokio::test]
async fn acknowledgements_are_applied_before_sets_are_selected() {
    let rig = rig(0..3);
    let poll = rig.poll(quick());
    let names = jtis(&ask(&rig, &poll, r#"{"maxEvents":2}"#).await);
    let body = serde_json::json!({ "ack": [names[0], "nope", "../x"], "returnImmediately": true });
    assert_eq!(numbers(&ask(&rig, &poll, &body.to_string()).await), [1, 2]);
    assert_eq!(rig.heard.list(), [(1, 0, Delivered, String::new())]);
    ask(&rig, &poll, &body.to_string()).await;
    assert_eq!(rig.heard.len(), 1, "acknowledged again: nothing new");
    let settled = Effect::Settled { stream: StreamNo(1), item: super::peer::item(0), fate: Delivered };
    rig.publish(&[owed(1, 0, 0), settled, owed(1, 3, 3)]);
    assert_eq!(numbers(&ask(&rig, &poll, NOW).await), [1, 2, 3]);
}

#[tokio::test]
async fn set_errs_are_dead_letters_unless_they_speak_of_credentials() {
    let rig = rig(0..2);
    let poll = rig.poll(Config { poll_refusals_max: 3, ..quick() });
    let names = jtis(&ask(&rig, &poll, "{}").await);
    let report = |jti: &str, err: &str| {
        let errs = serde_json::json!({ jti: { "err": err, "description": "x" } });
        serde_json::json!({ "setErrs": errs, "returnImmediately": true }).to_string()
    };
    assert_eq!(numbers(&ask(&rig, &poll, &report(&names[0], "delivery_failed")).await), [1]);
    assert_eq!(rig.heard.list(), [(1, 0, GaveUp, "setErrs:delivery_failed".to_string())]);
    for _ in 0..2 {
        assert_eq!(numbers(&ask(&rig, &poll, &report(&names[1], "access_denied")).await), [1]);
    }
    assert!(numbers(&ask(&rig, &poll, &report(&names[1], "access_denied")).await).is_empty());
    assert_eq!(rig.heard.list()[1], (1, 1, GaveUp, "setErrs:access_denied".to_string()));
}

#[tokio::test]
async fn a_waiting_poll_is_woken_by_what_is_published() {
    let rig = Arc::new(rig(0..0));
    let poll = rig.poll(Config { poll_timeout_ms: 600_000, ..quick() });
    let (waiter, asked) = (rig.clone(), poll.clone());
    let task = async move { assert_eq!(numbers(&ask(&waiter, &asked, "{}").await), [7]) };
    let task = spawn(task);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!task.is_finished());
    rig.publish(&[owed(1, 7, 7)]);
    tokio::time::timeout(Duration::from_secs(60), task).await.expect("it is woken").unwrap();
}

/// A poll that waits: what it is given, when it is.
fn waiter(rig: &Arc<Rig>, poll: &Arc<Poll>) -> tokio::sync::oneshot::Receiver<Value> {
    let (rig, poll, (tell, told)) = (rig.clone(), poll.clone(), tokio::sync::oneshot::channel());
    spawn(async move { drop(tell.send(ask(&rig, &poll, "{}").await)) });
    told
}

async fn all_wait(poll: &Poll, polls: usize) {
    until("they wait", || poll.waiting().polls() == polls).await;
}

#[tokio::test]
async fn several_polls_wait_and_each_set_wakes_one_of_them() {
    let rig = Arc::new(rig(0..0));
    let poll = rig.poll(Config { poll_timeout_ms: 600_000, ..quick() });
    let mut one = waiter(&rig, &poll);
    let mut two = waiter(&rig, &poll);
    all_wait(&poll, 2).await;
    ask(&rig, &poll, r#"{"ack":[],"maxEvents":0,"returnImmediately":true}"#).await;
    assert!(numbers(&ask(&rig, &poll, NOW).await).is_empty(), "who does not wait ends nobody's wait either");
    all_wait(&poll, 2).await;
    rig.publish(&[owed(1, 1, 1)]);
    let (answer, other) = tokio::select! {
        answer = &mut one => (answer.unwrap(), two),
        answer = &mut two => (answer.unwrap(), one),
    };
    assert_eq!((numbers(&answer), answer.get("moreAvailable")), (vec![1], None));
    let ack = serde_json::json!({ "ack": jtis(&answer), "returnImmediately": true }).to_string();
    assert!(numbers(&ask(&rig, &poll, &ack).await).is_empty());
    all_wait(&poll, 1).await;
    rig.publish(&[owed(1, 2, 2)]);
    assert_eq!(numbers(&other.await.unwrap()), [2]);
}

#[tokio::test]
async fn what_one_poll_was_given_and_does_not_acknowledge_another_one_gets() {
    let rig = Arc::new(rig(0..0));
    let poll = rig.poll(Config { poll_timeout_ms: 600_000, ..quick() });
    let (one, two) = (waiter(&rig, &poll), waiter(&rig, &poll));
    all_wait(&poll, 2).await;
    rig.publish(&[owed(1, 1, 1)]);
    // Long before the wait is over.
    let both = async { (one.await.unwrap(), two.await.unwrap()) };
    let (one, two) = tokio::time::timeout(Duration::from_secs(300), both).await.expect("both get it");
    assert_eq!((numbers(&one), &one), (vec![1], &two));
}

#[tokio::test]
async fn a_stream_that_flows_again_wakes_everybody_with_what_was_offered_before() {
    let rig = Arc::new(rig(1..2));
    let poll = rig.poll(Config { poll_timeout_ms: 600_000, ..quick() });
    assert_eq!(numbers(&ask(&rig, &poll, NOW).await), [1]);
    let flow = |flow| Effect::Flow { stream: StreamNo(1), flow };
    rig.publish(&[flow(Flow::Shut)]);
    let told = waiter(&rig, &poll);
    all_wait(&poll, 1).await;
    rig.publish(&[flow(Flow::Open)]);
    assert_eq!(numbers(&told.await.unwrap()), [1]);
}

#[tokio::test]
async fn what_is_being_signed_when_the_stream_is_paused_is_not_handed_out() {
    let rig = rig(1..2);
    let poll = rig.poll(quick());
    // The first signature of all waits for its key to be made.
    let mut asked = Box::pin(ask(&rig, &poll, NOW));
    assert!(asked.as_mut().now_or_never().is_none());
    rig.publish(&[Effect::Flow { stream: StreamNo(1), flow: Flow::Shut }]);
    assert_eq!(asked.await.to_string(), r#"{"sets":{}}"#);
    rig.publish(&[Effect::Flow { stream: StreamNo(1), flow: Flow::Open }]);
    assert_eq!(numbers(&ask(&rig, &poll, NOW).await), [1]);
}

#[tokio::test]
async fn one_poll_too_many_ends_the_one_that_has_waited_longest() {
    let rig = Arc::new(rig(0..0));
    let poll = rig.poll(Config { poll_timeout_ms: 600_000, poll_waiters_per_stream: 2, ..quick() });
    let first = waiter(&rig, &poll);
    all_wait(&poll, 1).await;
    let _second = waiter(&rig, &poll);
    all_wait(&poll, 2).await;
    let _third = waiter(&rig, &poll);
    assert_eq!(first.await.unwrap().to_string(), r#"{"sets":{}}"#);
    all_wait(&poll, 2).await;
}

#[tokio::test]
async fn shutdown_answers_and_waiters_are_bounded() {
    let rig = Arc::new(rig(0..0));
    rig.publish(&[made(2, stream(2, "b", None))]);
    let poll = rig.poll(Config { poll_timeout_ms: 30_000, poll_waiters_per_client: 1, ..quick() });
    let (waiter, asked) = (rig.clone(), poll.clone());
    let first = spawn(async move { drop(ask(&waiter, &asked, "{}").await) });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let other = poll.poll(&rig.tenant, "s2", PollRequest::default()).await;
    assert_eq!(other, PollAnswer::TooManyWaiting { retry_after_s: 1 });
    first.abort();
    assert!(first.await.is_err());
    // The client went away: its place is free again.
    let (waiter, asked) = (rig.clone(), poll.clone());
    let second = spawn(async move { assert!(numbers(&ask(&waiter, &asked, "{}").await).is_empty()) });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!second.is_finished());
    rig.stop.send_replace(true);
    second.await.unwrap();
}

#[tokio::test]
async fn acknowledgements_survive_a_restart() {
    let before = rig(0..4);
    let poll = before.poll(quick());
    let offered = ask(&before, &poll, r#"{"maxEvents":3}"#).await;
    let names = jtis(&offered);
    let rig = before.restarted();
    rig.publish(&[made(1, stream(1, "a", None))]);
    rig.publish(&(0..4).map(|n| owed(1, n, n)).collect::<Vec<_>>());
    let poll = rig.poll(quick());
    let body = serde_json::json!({ "ack": [names[1]], "returnImmediately": true });
    let answer = ask(&rig, &poll, &body.to_string()).await;
    assert_eq!(numbers(&answer), [0, 2, 3]);
    assert_eq!(rig.heard.list(), [(1, 1, Delivered, String::new())]);
    let again: BTreeSet<_> = jtis(&answer).into_iter().collect();
    assert!(again.contains(&names[0]) && again.contains(&names[2]), "same names in the new process");
}

#[tokio::test]
async fn only_poll_streams_are_polled() {
    let rig = Rig::new();
    rig.publish(&[made(1, stream(1, "a", Some("https://r.example/")))]);
    let poll = rig.poll(quick());
    for id in ["s1", "nobody"] {
        let answer = poll.poll(&rig.tenant, id, PollRequest::default()).await;
        assert_eq!(answer, PollAnswer::NoStream, "{id}");
    }
}

#[tokio::test]
async fn what_is_offered_again_and_again_without_a_word_is_an_operational_event() {
    let rig = rig(0..3);
    let poll = rig.poll(quick());
    let stuck = || {
        let events = rig.operations.latest(100);
        events.into_iter().filter(|event| event.kind == "set_stuck").collect::<Vec<_>>()
    };
    for _ in 1..crate::outbox::shelf::ROUND {
        ask(&rig, &poll, NOW).await;
    }
    assert!(stuck().is_empty());
    for _ in 0..5 {
        ask(&rig, &poll, NOW).await;
    }
    let events = stuck();
    assert!(events.len() == 1, "once for all of them: {events:?}");
    assert!(
        events[0].subject == "s1" && events[0].what.starts_with("3 SETs were offered 10 times"),
        "{events:?}"
    );
    let mut registry = prometheus_client::registry::Registry::default();
    rig.metrics.register(&mut registry, rig.outbox.clone(), rig.signer.made());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = r#"poll_stuck_sets_total{tenant="default",stream="s1"} 3"#;
    assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
}

#[tokio::test]
async fn answers_that_held_sets_and_refusals_are_attempts() {
    let rig = rig(0..3);
    let poll = rig.poll(quick());
    let attempts = || {
        let list = rig.outbox.by_id(&rig.tenant, "s1").unwrap().attempts.list();
        let shown = |a: crate::outbox::attempts::Attempt| (a.jti, a.sets, a.attempt, a.status, a.error);
        list.into_iter().map(shown).collect::<Vec<_>>()
    };
    ask(&rig, &poll, r#"{"maxEvents":0,"returnImmediately":true}"#).await;
    assert!(attempts().is_empty(), "nothing was handed out");
    let names = jtis(&ask(&rig, &poll, NOW).await);
    assert_eq!(attempts(), [(names[0].clone(), Some(3), 1, Some(200), None)]);
    let errs = serde_json::json!({ &names[1]: { "err": "invalid_request" }, "nobodys": { "err": "x" } });
    let body = serde_json::json!({ "setErrs": errs, "returnImmediately": true }).to_string();
    ask(&rig, &poll, &body).await;
    let refused = (names[1].clone(), None, 1, None, Some("setErrs:invalid_request".into()));
    assert_eq!(attempts()[1..], [refused, (names[0].clone(), Some(2), 2, Some(200), None)]);
    for _ in 0..100 {
        ask(&rig, &poll, NOW).await;
    }
    assert_eq!(attempts().len(), crate::outbox::attempts::KEPT);
}
