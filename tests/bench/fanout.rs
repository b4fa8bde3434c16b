//! 1,000 events to 10,000 streams: time, CPU and memory until all are owed; a start with all of it; a sample drained.

use std::sync::Arc;

use serde_json::json;
use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;

use super::figures::{Aim, Figure, Unit};
use super::process::Site;
use super::receivers::poll;
use super::streams::{self, Owner};
use super::wire::Connection;
use super::{Bench, sets, wire};

const STREAMS: usize = 10_000;
const CLIENTS: usize = 100;
const IN_FLIGHT: usize = 64;
/// Streams that are drained, each of another client and audience.
const DRAINED: usize = 100;
/// SETs drained of each.
const OF_EACH: usize = 500;
/// SETs asked for at once.
const POLL: usize = 100;
/// Polls at the same time.
const POLLERS: usize = 8;

pub async fn run(b: &mut Bench) {
    // Fewer events in a quick run, never fewer streams.
    let events = b.many(1000).max(OF_EACH.div_ceil(POLL) * POLL).min(1000);
    let mut site = Site::start().await;
    let hub = Arc::new(site.hub());
    let idp = sets::idp("https://idp.example", Alg::ES256);
    sets::register(&hub, "idp", &idp).await;
    let owners = streams::owners(&hub, CLIENTS).await;
    let ids: Vec<String> = owners.iter().map(|owner| owner.id.clone()).collect();
    let watch = Stopwatch::start();
    streams::make(hub, STREAMS, move |n| {
        let client = n % CLIENTS;
        json!({
            "client": ids[client], "method": "poll", "aud": [format!("https://receiver{client}.example")],
            "events_requested": ["*"], "alg": "ES256",
        })
    })
    .await;
    let made_us = watch.elapsed().as_secs_f64() * 1e6 / STREAMS as f64;
    let before = site.settled_us().await;
    let (bytes_before, written_before) = (site.memory_bytes(), site.written().await);

    let all = Arc::new(sets::requests("idp", &sets::sign(&idp, "f", events)));
    let watch = Stopwatch::start();
    wire::all_accepted(site.public(), &all, IN_FLIGHT).await;
    let wall_us = watch.elapsed().as_secs_f64() * 1e6;
    let cpu_us = site.settled_us().await - before;
    let owed = site.metric("ssf_hub_sets_owed_total{tenant=\"default\"}").await;
    let all_owed = (events * STREAMS) as f64;
    assert!((owed - all_owed).abs() < 0.5, "{owed} are owed, not {all_owed}");
    let memory = site.memory_bytes();
    let written = site.written().await;
    let set_bytes = (written.bytes - written_before.bytes) / events as f64;

    let mut put = |name, what: &str, unit, value, raw, aim| {
        b.figures.put(Figure { name, what, unit, value, raw, aim });
    };
    put(
        "stream_made",
        "one stream made by the admin API, 64 at the same time",
        Unit::Us,
        made_us,
        None,
        Aim::None,
    );
    let what = format!("wall time until it is owed, each of {events} events to {STREAMS} streams");
    put("owe_time", &what, Unit::Us, wall_us / all_owed, None, Aim::Most(2.0));
    put(
        "owe_cpu",
        "CPU until it is owed, taking the SET in included",
        Unit::Us,
        cpu_us / all_owed,
        None,
        Aim::Most(2.0),
    );
    put(
        "owe_memory",
        "memory of the process then; raw: before",
        Unit::Bytes,
        memory,
        Some(bytes_before),
        Aim::Most(500e6),
    );
    let each = (memory - bytes_before) / all_owed;
    put("owe_bytes", "memory more for each that is owed", Unit::Bytes, each, None, Aim::None);
    put(
        "set_bytes_10000",
        "journal per SET and its decision, 10,000 streams",
        Unit::Bytes,
        set_bytes,
        None,
        Aim::None,
    );

    site.stop().await;
    let ready_us = site.restart().await;
    put("owe_start", "a start with all of it owed", Unit::Us, ready_us, None, Aim::None);
    let started = site.memory_bytes();
    put("owe_start_memory", "memory of the process then", Unit::Bytes, started, None, Aim::Most(500e6));

    let before = site.settled_us().await;
    let watch = Stopwatch::start();
    drain(&site, &owners).await;
    let (drained, wall_s) = ((DRAINED * OF_EACH) as f64, watch.elapsed().as_secs_f64());
    let cpu_us = (site.settled_us().await - before) / drained;
    let sign_us = b.josekit.sign_us(Alg::ES256);
    let what = "polled and acknowledged, 100 streams of 100 audiences; raw: an ES256 signature";
    b.figures.put(Figure {
        name: "poll_cpu",
        what,
        unit: Unit::Us,
        value: cpu_us,
        raw: Some(sign_us),
        aim: Aim::None,
    });
    let mut put = |name, what, value| {
        b.figures.put(Figure { name, what, unit: Unit::Number, value, raw: None, aim: Aim::None });
    };
    put("poll_per_cpu_s", "SETs polled and acknowledged per CPU second of the hub", 1e6 / cpu_us);
    put("poll_per_s", "SETs a second meanwhile", drained / wall_s);
}

/// Polls 50,000 SETs and acknowledges them, several streams at the same time.
async fn drain(site: &Site, owners: &[Owner]) {
    let address = site.public();
    let pollers = (0..POLLERS).map(|poller| {
        let mine: Vec<(usize, Owner)> =
            owners.iter().cloned().enumerate().take(DRAINED).skip(poller).step_by(POLLERS).collect();
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            for (n, owner) in mine {
                let path = format!("/t/default/poll/{}", streams::name(n));
                let (mut ack, mut got): (Vec<String>, usize) = (vec![], 0);
                while got < OF_EACH || !ack.is_empty() {
                    let max = POLL.min(OF_EACH - got);
                    let body = json!({ "ack": ack, "maxEvents": max, "returnImmediately": true });
                    let sets = poll(&mut connection, &path, &owner.bearer, &body).await;
                    assert_eq!(sets.len(), max, "{got} of {OF_EACH} came");
                    got += sets.len();
                    ack = sets.into_iter().map(|(jti, _)| jti).collect();
                }
            }
        })
    });
    for poller in pollers.collect::<Vec<_>>() {
        poller.await.unwrap();
    }
}
