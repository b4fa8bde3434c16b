//! Push to 1, 10 and 100 receivers, one of which never answers: how much later the others get their SETs.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::figures::{Aim, Figure, Unit, of_rounds};
use super::peers::claims_of;
use super::process::Site;
use super::receivers::{Arrival, Pushed};
use super::wire::Connection;
use super::{Bench, sets};

/// One that takes connections and reads nothing.
struct Silent {
    url: String,
    holds: JoinHandle<()>,
}

impl Silent {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let holds = tokio::spawn(async move {
            let mut held = vec![];
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Self { url, holds }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.holds.abort();
    }
}

/// A hub with an IdP and receivers that tell what came when; beside them perhaps a silent one.
struct Stage {
    site: Site,
    idp: super::peers::Idp,
    watch: Stopwatch,
    receivers: Vec<(Pushed, mpsc::UnboundedReceiver<Arrival>)>,
    _silent: Option<Silent>,
    next: usize,
}

impl Stage {
    async fn new(receivers: usize, silent: bool) -> Self {
        let (site, watch) = (Site::start().await, Stopwatch::start());
        let hub = site.hub();
        let idp = sets::idp("https://idp.example", Alg::ES256);
        sets::register(&hub, "idp", &idp).await;
        hub.client("default", "app", false).await;
        let stream = |n: usize, url: &str| {
            json!({
                "client": "app", "method": "push", "endpoint_url": url, "alg": "ES256",
                "aud": [format!("https://receiver{n}.example")], "events_requested": ["*"],
            })
        };
        // The silent one is the first in every order.
        let silent = if silent { Some(Silent::start().await) } else { None };
        if let Some(silent) = &silent {
            hub.put("default", "streams", "a-silent", stream(0, &silent.url)).await;
        }
        let mut all = vec![];
        for n in 1..=receivers {
            let receiver = Pushed::telling(watch).await;
            hub.put("default", "streams", &format!("stream{n}"), stream(n, &receiver.0.url)).await;
            all.push(receiver);
        }
        Self { site, idp, watch, receivers: all, _silent: silent, next: 0 }
    }

    /// Sends `n` SETs, one every `pause`: how long each took to each receiver (µs).
    async fn measure(&mut self, n: usize, pause: Duration) -> Vec<f64> {
        let name = format!("s{}", self.next);
        self.next += 1;
        let requests = sets::requests("idp", &sets::sign(&self.idp, &name, n));
        let mut connection = Connection::open(self.site.public()).await;
        let (mut sent, mut us) = (HashMap::new(), vec![]);
        let mut ticks = tokio::time::interval(pause);
        for (i, request) in requests.iter().enumerate() {
            ticks.tick().await;
            sent.insert(format!("txn-{name}-{i}"), self.watch.elapsed());
            assert_eq!(connection.exchange(request).await.status(), 202);
        }
        for (_, arrivals) in &mut self.receivers {
            for _ in 0..n {
                let wait = tokio::time::timeout(Duration::from_secs(60), arrivals.recv());
                let (at, set) = wait.await.expect("every receiver gets every SET").unwrap();
                let txn = claims_of(&set)["txn"].as_str().unwrap().to_string();
                us.push((at - sent[&txn]).as_secs_f64() * 1e6);
            }
        }
        us
    }
}

pub async fn run(b: &mut Bench) {
    for (receivers, n, pause_ms) in [(1, 300, 5), (10, 200, 10), (100, 60, 50)] {
        let pause = Duration::from_millis(pause_ms);
        let (mut without, mut with) = (Stage::new(receivers, false).await, Stage::new(receivers, true).await);
        let (mut fast, mut slow) = (vec![], vec![]);
        for stage in [&mut without, &mut with] {
            stage.measure(b.many(n) / 2, pause).await;
        }
        // In turns: what else the machine does hits both.
        for _ in 0..b.tails() {
            fast.push(without.measure(b.many(n), pause).await);
            slow.push(with.measure(b.many(n), pause).await);
        }
        for (suffix, part, aim) in [("p50", 0.5, Aim::None), ("p99", 0.99, Aim::Ratio(1.2))] {
            b.figures.put(Figure {
                name: &format!("push_{receivers}_{suffix}"),
                what: &format!(
                    "{receivers} receivers and a silent one, a SET every {pause_ms} ms; raw: without it"
                ),
                unit: Unit::Us,
                value: of_rounds(&mut slow, part),
                raw: Some(of_rounds(&mut fast, part)),
                aim,
            });
        }
    }
}
