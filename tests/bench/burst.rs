//! 500 SETs a second come in while one event is asked for by 10,000 audiences at once: intake must not wait for signatures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;
use tokio::runtime::{Builder, Runtime};

use super::figures::{Aim, Figure, Unit, of_rounds};
use super::peers::{Idp, now_s};
use super::process::Site;
use super::receivers::poll;
use super::streams::{self, Owner};
use super::wire::Connection;
use super::{Bench, sets, wire};

const STREAMS: usize = 10_000;
const RATE_PER_S: usize = 500;
/// Connections that SETs come in by.
const SENDERS: usize = 16;
/// Polls at the same time.
const POLLERS: usize = 32;
/// The only event type that the streams want.
const TOLD: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";

pub async fn run(b: &mut Bench) {
    let site = Site::start().await;
    let hub = Arc::new(site.hub());
    let idp = sets::idp("https://idp.example", Alg::ES256);
    sets::register(&hub, "idp", &idp).await;
    let owner = streams::owners(&hub, 1).await.remove(0);
    let id = owner.id.clone();
    streams::make(hub, STREAMS, move |n| {
        json!({
            "client": id, "method": "poll", "aud": [format!("https://receiver{n}.example")],
            "events_requested": [TOLD], "alg": "RS256",
        })
    })
    .await;
    let seconds = if b.quick { 4 } else { 8 };
    intake(&site, &idp, "warm", 1).await;
    let (mut quiet, mut busy, mut signed_per_s) = (vec![], vec![], vec![]);
    let elsewhere = elsewhere();
    for round in 0..b.tails() {
        site.settled_us().await;
        quiet.push(intake(&site, &idp, &format!("q{round}"), seconds).await);
        tell(&site, &idp, round).await;
        let watch = Stopwatch::start();
        let signing = async {
            ask_all(&site, &owner, &elsewhere).await;
            watch.elapsed().as_secs_f64()
        };
        let name = format!("b{round}");
        let (us, took_s) = tokio::join!(intake(&site, &idp, &name, seconds), signing);
        busy.push(us);
        signed_per_s.push(STREAMS as f64 / took_s);
    }
    elsewhere.shutdown_background();
    for (suffix, part, aim) in [("p50", 0.5, Aim::None), ("p99", 0.99, Aim::Ratio(1.2))] {
        b.figures.put(Figure {
            name: &format!("burst_intake_{suffix}"),
            what: "a SET in, RS256 signatures for 10,000 audiences beside it; raw: without them",
            unit: Unit::Us,
            value: of_rounds(&mut busy, part),
            raw: Some(of_rounds(&mut quiet, part)),
            aim,
        });
    }
    b.figures.put(Figure {
        name: "burst_per_s",
        what: "SETs signed and polled a second meanwhile",
        unit: Unit::Number,
        value: super::figures::median(signed_per_s),
        raw: None,
        aim: Aim::None,
    });
}

/// The event that every stream wants.
async fn tell(site: &Site, idp: &Idp, round: usize) {
    let (jti, sub_id) = (format!("told-{round}"), json!({ "format": "email", "email": "a@example.com" }));
    let event = json!({
        "credential_type": "password", "change_type": "update", "event_timestamp": now_s(),
    });
    let set = idp.sign(&idp.claims(sets::HUB_AUD, &jti, TOLD, sub_id, event));
    wire::all_accepted(site.public(), &Arc::new(sets::requests("idp", &[set])), 1).await;
}

/// A thread that steps back for all others: 10,000 receivers have machines of their own.
fn elsewhere() -> Runtime {
    let step_back = || assert!(rustix::process::nice(10).is_ok(), "a thread may step back");
    let one = Builder::new_multi_thread().worker_threads(1).on_thread_start(step_back).enable_all().build();
    one.unwrap()
}

/// Every stream is asked for its one SET, and it is acknowledged.
async fn ask_all(site: &Site, owner: &Owner, elsewhere: &Runtime) {
    let (address, next) = (site.public(), Arc::new(AtomicUsize::new(0)));
    let pollers = (0..POLLERS).map(|_| {
        let (next, owner) = (next.clone(), owner.clone());
        elsewhere.spawn(async move {
            let mut connection = Connection::open(address).await;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= STREAMS {
                    return;
                }
                let path = format!("/t/default/poll/{}", streams::name(n));
                let ask = json!({ "maxEvents": 1, "returnImmediately": true });
                let sets = poll(&mut connection, &path, &owner.bearer, &ask).await;
                assert_eq!(sets.len(), 1, "{path}");
                let ack = json!({ "ack": [sets[0].0], "maxEvents": 0, "returnImmediately": true });
                poll(&mut connection, &path, &owner.bearer, &ack).await;
            }
        })
    });
    for poller in pollers.collect::<Vec<_>>() {
        poller.await.unwrap();
    }
}

/// SETs at the rate, for so long: from when each was due to its 202 (µs).
async fn intake(site: &Site, idp: &Idp, name: &str, seconds: usize) -> Vec<f64> {
    let all = Arc::new(sets::requests("idp", &sets::sign(idp, name, RATE_PER_S * seconds)));
    let (address, watch) = (site.public(), Stopwatch::start());
    let senders = (0..SENDERS).map(|sender| {
        let all = all.clone();
        tokio::spawn(async move {
            let (mut connection, mut us) = (Connection::open(address).await, vec![]);
            for (i, request) in all.iter().enumerate().skip(sender).step_by(SENDERS) {
                let due = Duration::from_micros((i * 1_000_000 / RATE_PER_S) as u64);
                tokio::time::sleep(due.saturating_sub(watch.elapsed())).await;
                assert_eq!(connection.exchange(request).await.status(), 202);
                us.push(watch.elapsed().saturating_sub(due).as_secs_f64() * 1e6);
            }
            us
        })
    });
    let mut us = vec![];
    for sender in senders.collect::<Vec<_>>() {
        us.extend(sender.await.unwrap());
    }
    us
}
