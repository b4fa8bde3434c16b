//! What a receiver can learn from how long a 404 takes: another receiver's stream, and one that does not exist.
//!
//! Both distributions of the same run, asked in turn over one connection; the hub is a process of its own.

use serde_json::json;
use ssf_hub::clock::Stopwatch;

use super::Bench;
use super::figures::{Aim, Figure, Unit};
use super::process::Site;
use super::wire::Connection;

/// Requests of each sort.
const ASKED: usize = 4_000;

fn request(bearer: &str, stream_id: &str) -> Vec<u8> {
    format!(
        "GET /t/default/ssf/streams?stream_id={stream_id} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {bearer}\r\n\r\n"
    )
    .into_bytes()
}

async fn ask_us(connection: &mut Connection, request: &[u8]) -> f64 {
    let watch = Stopwatch::start();
    connection.send(request).await.unwrap();
    let status = connection.receive().await.unwrap().status();
    assert_eq!(status, 404);
    watch.elapsed().as_secs_f64() * 1e6
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

pub async fn run(b: &mut Bench) {
    // Far more than a receiver may ask in a second: the rates are out of the way.
    let site = Site::start_with("[ssf]\ncalls_per_s = 1000000\n").await;
    let hub = site.hub();
    let mut bearers = vec![];
    for id in ["a", "b"] {
        let client = json!({ "new_bearer": true, "receiver": {}, "authority": { "rate_per_s": 1_000_000 } });
        let answer = hub.put("default", "clients", id, client).await;
        bearers.push(answer["bearer"].as_str().unwrap().to_string());
    }
    let stream = json!({ "client": "a", "method": "poll", "aud": ["a"], "events_requested": ["*"] });
    hub.put("default", "streams", "stream-of-a", stream).await;

    let (foreign, unknown) = (request(&bearers[1], "stream-of-a"), request(&bearers[1], "stream-of-x"));
    let mut connection = Connection::open(site.public()).await;
    let (mut of_foreign, mut of_unknown) = (vec![], vec![]);
    for _ in 0..b.many(ASKED).max(500) {
        of_foreign.push(ask_us(&mut connection, &foreign).await);
        of_unknown.push(ask_us(&mut connection, &unknown).await);
    }
    of_foreign.sort_by(f64::total_cmp);
    of_unknown.sort_by(f64::total_cmp);
    for (share, name) in [(0.1, "p10"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99")] {
        let what = format!("{name} of a 404 for another receiver's stream : for none");
        let (value, raw) = (at(&of_foreign, share), Some(at(&of_unknown, share)));
        let name = format!("foreign_stream_{name}");
        b.figures.put(Figure { name: &name, what: &what, unit: Unit::Us, value, raw, aim: Aim::None });
    }
}
