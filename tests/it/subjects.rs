//! Subjects of streams as receivers add and remove them: too fast, with a grace, by the letter, too many kinds of them
//! (SSF 1.0, 8.1.3 and 9.3; AMB-07).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::authorization::shifted;
use super::hub::Hub;
use super::peers::{Idp, SESSION_REVOKED};
use super::transmitter::{Receiver, idp, receiver};

const ADD: &str = "add_subject_endpoint";
const REMOVE: &str = "remove_subject_endpoint";

fn email(n: usize) -> Value {
    json!({ "format": "email", "email": format!("user-{n}@x.example") })
}

/// A complex subject whose members all have the same value.
fn complex(names: &[&str], id: &str) -> Value {
    let mut subject = json!({ "format": "complex" });
    for name in names {
        subject[*name] = json!({ "format": "opaque", "id": id });
    }
    subject
}

async fn stream(of: &Receiver) -> Value {
    of.create(json!({ "events_requested": [SESSION_REVOKED] })).await
}

async fn say(of: &Receiver, endpoint: &str, stream: &Value, subject: &Value) -> (u16, Value) {
    let body = json!({ "stream_id": stream["stream_id"], "subject": subject });
    of.send("POST", endpoint, "", Some(body)).await
}

/// Something happens to somebody.
async fn happens(hub: &Hub, idp: &Idp, jti: &str, to: &Value) {
    let set = idp.sign(&idp.claims("hub", jti, SESSION_REVOKED, to.clone(), json!({})));
    assert_eq!(hub.push("default", "idp", &set).await.0, 202);
}

/// `txn` of what comes on a stream, without `txn-`.
async fn told(of: &Receiver, stream: &Value) -> Vec<String> {
    let sets = of.take(stream).await;
    sets.iter().map(|set| set["txn"].as_str().unwrap().trim_start_matches("txn-").to_string()).collect()
}

async fn subjects_of(hub: &Hub, stream: &Value) -> u64 {
    let path = format!("/admin/v1/t/default/streams/{}/status", stream["stream_id"].as_str().unwrap());
    hub.admin_send("GET", &path, None).await.1["subjects"].as_u64().unwrap()
}

/// Four hundred subjects at once from a receiver that may ask a hundred times a second, in bursts of two hundred. Time
/// stands still meanwhile: on a slow machine all of them would come slowly enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_faster_than_the_rate_are_told_to_come_later_and_nothing_is_half_done() {
    let (hub, clock) = shifted().await;
    clock.hold();
    let idp = idp(&hub).await;
    let rights = json!({ "default_subjects": "NONE" });
    let client = json!({ "new_bearer": true, "receiver": rights, "authority": { "rate_per_s": 100 } });
    let answer = hub.put("default", "clients", "a", client).await;
    let a = Receiver::discover(&hub, answer["bearer"].as_str().unwrap()).await;
    let stream = stream(&a).await;
    let before = hub.mark("default").await.1;

    let mut asked = JoinSet::new();
    for n in 0..400 {
        let (http, bearer, url) =
            (hub.http.clone(), a.bearer.clone(), a.metadata[ADD].as_str().unwrap().to_string());
        let body = json!({ "stream_id": stream["stream_id"], "subject": email(n) }).to_string();
        asked.spawn(async move {
            let request = http.post(url).bearer_auth(bearer).header("content-type", "application/json");
            let answer = request.body(body).send().await.unwrap();
            let later =
                answer.headers().get("retry-after").map(|v| v.to_str().unwrap().parse::<u64>().unwrap());
            (n, answer.status().as_u16(), later)
        });
    }
    let answers = asked.join_all().await;
    let of = |status: u16| answers.iter().filter(|a| a.1 == status).map(|a| a.0).collect::<Vec<usize>>();
    let (done, refused) = (of(200), of(429));
    assert!(done.len() >= 200 && !refused.is_empty(), "{} of {}", done.len(), answers.len());
    assert_eq!(done.len() + refused.len(), answers.len());
    for (_, status, later) in &answers {
        assert_eq!(later.is_some_and(|s| (1..=2).contains(&s)), *status == 429, "{status} {later:?}");
    }
    assert_eq!(
        subjects_of(&hub, &stream).await,
        done.len() as u64,
        "what was answered 200, and nothing else"
    );
    assert_eq!(hub.mark("default").await.1 - before, done.len() as u64);
    happens(&hub, &idp, "refused", &email(refused[0])).await;
    happens(&hub, &idp, "done", &email(done[0])).await;
    assert_eq!(say(&a, ADD, &stream, &email(refused[0])).await.0, 429, "it still is too fast");
    clock.by_s(1);
    assert_eq!(say(&a, ADD, &stream, &email(refused[0])).await.0, 200, "not any more");
    happens(&hub, &idp, "again", &email(refused[0])).await;
    assert_eq!(told(&a, &stream).await, ["done", "again"]);
    hub.stop().await;
}

#[tokio::test]
async fn a_removed_subject_stays_for_its_grace() {
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let (mut all, mut none) = (vec![], vec![]);
    for (id, grace) in [("long", 3600), ("short", 1)] {
        for (default, into) in [("ALL", &mut all), ("NONE", &mut none)] {
            let rights = json!({ "default_subjects": default, "removal_grace_s": grace });
            let one = receiver(&hub, &format!("{id}-{default}"), rights).await;
            let stream = stream(&one).await;
            into.push((one, stream));
        }
    }
    let every = || all.iter().chain(&none);
    for (subject, n) in [(email(1), 1), (complex(&["user", "device"], "u"), 2)] {
        for (one, stream) in every() {
            assert_eq!(say(one, ADD, stream, &subject).await.0, 200);
            assert_eq!(say(one, REMOVE, stream, &subject).await.0, 204);
            assert_eq!(say(one, REMOVE, stream, &subject).await.0, 204, "again");
        }
        happens(&hub, &idp, &format!("at-once-{n}"), &subject).await;
    }
    for (long, stream) in [&all[0], &none[0]] {
        assert_eq!(told(long, stream).await, ["at-once-1", "at-once-2"], "its grace is an hour");
    }
    // In the other streams it is over within a second, also while nothing else happens and across a restart.
    let hub = hub.restart().await;
    let mut tries = 0;
    loop {
        tries += 1;
        for (subject, n) in [(email(1), 1), (complex(&["user", "device"], "u"), 2)] {
            happens(&hub, &idp, &format!("later-{n}-{tries}"), &subject).await;
        }
        let mut came = vec![];
        for (short, stream) in [&all[1], &none[1]] {
            came.extend(
                told(short, stream).await.into_iter().filter(|txn| txn.ends_with(&format!("-{tries}"))),
            );
        }
        if came.iter().all(|txn| !txn.starts_with("later")) {
            break;
        }
        assert!(tries < 50, "{came:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (long, stream) in [&all[0], &none[0]] {
        assert_eq!(told(long, stream).await.len(), 2 * tries, "it still is");
        assert_eq!(say(long, ADD, stream, &email(1)).await.0, 200, "and can be taken back");
    }
    happens(&hub, &idp, "end", &complex(&["user", "device"], "v")).await;
    for ((one, stream), want) in every().zip([1, 1, 0, 0]) {
        assert_eq!(
            told(one, stream).await.len(),
            want,
            "all but what was removed, or nothing but what was added"
        );
    }
    hub.stop().await;
}

#[tokio::test]
async fn by_the_letter_subjects_without_a_common_member_match_too() {
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let rights = |literal: bool| json!({ "default_subjects": "NONE", "literal_matching": literal });
    let (letter, sense) =
        (receiver(&hub, "letter", rights(true)).await, receiver(&hub, "sense", rights(false)).await);
    let streams = [(&letter, stream(&letter).await), (&sense, stream(&sense).await)];
    for (one, stream) in &streams {
        assert_eq!(say(one, ADD, stream, &complex(&["user"], "u")).await.0, 200);
    }
    let events = [
        ("apart", complex(&["group"], "g")),
        ("simple", email(1)),
        ("other", complex(&["user", "group"], "v")),
        ("same", complex(&["user", "group"], "u")),
    ];
    for (jti, event) in &events {
        happens(&hub, &idp, jti, event).await;
    }
    assert_eq!(told(&letter, &streams[0].1).await, ["apart", "same"]);
    assert_eq!(told(&sense, &streams[1].1).await, ["same"]);
    // The right changes: so do its streams, and a restart changes nothing.
    for (id, literal) in [("letter", false), ("sense", true)] {
        hub.put("default", "clients", id, json!({ "receiver": rights(literal) })).await;
    }
    let hub = hub.restart().await;
    happens(&hub, &idp, "apart-again", &complex(&["group"], "h")).await;
    assert!(told(&letter, &streams[0].1).await.is_empty());
    assert_eq!(told(&sense, &streams[1].1).await, ["apart-again"]);
    hub.stop().await;
}

/// A receiver may have every combination of the members that SSF names, and sixteen of its own; what is more is refused,
/// says why, and changes nothing. What one has does not show to another.
#[tokio::test]
async fn kinds_of_complex_subjects_are_bounded() {
    const NAMED: [&str; 7] = ["user", "device", "session", "application", "tenant", "org_unit", "group"];
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let none = || json!({ "default_subjects": "NONE" });
    let (a, b) = (receiver(&hub, "a", none()).await, receiver(&hub, "b", none()).await);
    let (of_a, of_b) = ([stream(&a).await, stream(&a).await], stream(&b).await);
    for choice in 1..128 {
        let names: Vec<&str> = (0..7).filter(|at| choice & (1 << at) != 0).map(|at| NAMED[at]).collect();
        assert_eq!(say(&a, ADD, &of_a[0], &complex(&names, "u")).await.0, 200, "{names:?}");
    }
    let own: Vec<String> = (0..17).map(|n| format!("m{n}")).collect();
    for (n, name) in own[..16].iter().enumerate() {
        assert_eq!(say(&a, ADD, &of_a[n % 2], &complex(&["user", name], "u")).await.0, 200);
    }
    let before = hub.mark("default").await;
    let (long, nine) = ("n".repeat(65), [&NAMED[..], &["m0", "m1"]].concat());
    for (names, why) in [
        (vec!["user", own[16].as_str()], "combinations of members"),
        (vec!["m0"], "combinations of members"),
        (nine, "1 to 8 members"),
        (vec![long.as_str()], "64 bytes"),
    ] {
        for stream in &of_a {
            let (status, problem) = say(&a, ADD, stream, &complex(&names, "u")).await;
            assert!(status == 403 && problem["detail"].as_str().unwrap().contains(why), "{problem}");
            assert_eq!(say(&a, REMOVE, stream, &complex(&names, "u")).await.0, 204, "it is not there");
        }
    }
    assert_eq!(hub.mark("default").await, before);
    assert_eq!(say(&a, ADD, &of_a[0], &complex(&["user", "m3"], "v")).await.0, 200, "one more of a kind");
    assert_eq!(say(&b, ADD, &of_b, &complex(&["user", &own[16]], "u")).await.0, 200, "another receiver's");
    assert_eq!(say(&a, REMOVE, &of_a[0], &complex(&["user", "m2"], "u")).await.0, 204);
    assert_eq!(say(&a, ADD, &of_a[0], &complex(&["user", &own[16]], "u")).await.0, 200, "one went");

    let hub = hub.restart().await;
    assert_eq!(say(&a, ADD, &of_a[0], &complex(&["m0"], "u")).await.0, 403);
    let mut event = complex(&["user", "session"], "u");
    event["m1"] = json!({ "format": "opaque", "id": "other" });
    happens(&hub, &idp, "j", &event).await;
    for (one, stream, want) in [(&a, &of_a[0], 1), (&a, &of_a[1], 1), (&b, &of_b, 1)] {
        assert_eq!(told(one, stream).await.len(), want);
    }
    // A stream that goes takes its kinds along.
    let query = format!("?stream_id={}", of_a[1]["stream_id"].as_str().unwrap());
    assert_eq!(a.send("DELETE", "configuration_endpoint", &query, None).await.0, 204);
    assert_eq!(say(&a, ADD, &of_a[0], &complex(&["m0"], "u")).await.0, 200);
    hub.stop().await;
}
