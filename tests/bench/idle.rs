//! From a SET sent to the SET that lineage adds, at the receiver: idle, at 200 a second, with 1 and 100 streams.
//!
//! What is measured begins before the SET is sent, so it holds its flush, its decision, the signature and the push.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;
use tokio::sync::mpsc;

use super::figures::{Aim, Figure, Unit, of_rounds};
use super::peers::{Idp, claims_of};
use super::process::Site;
use super::receivers::{Arrival, Pushed};
use super::wire::{At, Connection};
use super::{Bench, raw, sets, wire};

const REST: Duration = Duration::from_millis(8);

pub async fn run(b: &mut Bench) {
    for (alg, name, more_us) in [(Alg::RS256, "idle", 3000.0), (Alg::ES256, "idle_es256", 1500.0)] {
        let mut site = Stage::new(alg, 1, 1).await;
        let (mut us, mut raw_us) = (vec![], vec![]);
        for _ in 0..b.tails() {
            let (of_sets, of_appends) = site.idle(b.many(200), 1).await;
            us.push(of_sets);
            raw_us.push(of_appends);
        }
        let aim = Aim::Most(2.0 * of_rounds(&mut raw_us, 0.99) + more_us);
        let what = format!("{alg}, idle, 1 stream; raw: an append and fdatasync, between the SETs");
        pair(b, name, &what, &mut us, Some(&mut raw_us), aim);
        let us = site.at_rate(b.many(1000)).await;
        let (name, what) = (format!("{name}_200_s"), format!("{alg}, 200 a second, 1 stream"));
        pair(b, &name, &what, &mut [us], None, Aim::None);
    }
    let (us, raw_us) = Stage::new(Alg::ES256, 100, 100).await.idle(b.many(100), 100).await;
    let what = "ES256, idle, pushed to 100 streams of one audience: all deliveries";
    pair(b, "idle_100_streams", what, &mut [us], Some(&mut [raw_us]), Aim::None);
    let us = Stage::new(Alg::ES256, 100, 1).await.at_rate(b.many(1000)).await;
    let what = "ES256, 200 a second, owed to 100 streams, one of them pushed to";
    pair(b, "rate_100_streams", what, &mut [us], None, Aim::None);
}

/// What was measured, round by round.
type Rounds<'a> = &'a mut [Vec<f64>];

/// Median and p99 as two figures; the aim is the p99's.
fn pair(b: &mut Bench, name: &str, what: &str, us: Rounds<'_>, mut raw_us: Option<Rounds<'_>>, aim: Aim) {
    for (part, suffix, aim) in [(0.5, "p50", Aim::None), (0.99, "p99", aim)] {
        let raw = raw_us.as_deref_mut().map(|raw| of_rounds(raw, part));
        let (name, value) = (format!("{name}_{suffix}"), of_rounds(us, part));
        b.figures.put(Figure { name: &name, what, unit: Unit::Us, value, raw, aim });
    }
}

/// A hub with an IdP, a source of runs, and streams.
struct Stage {
    site: Site,
    idp: Idp,
    bearer: String,
    watch: Stopwatch,
    _receiver: Pushed,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    next: usize,
}

impl Stage {
    /// `streams` want everything, `pushed` of them by push; nobody asks for the others.
    async fn new(alg: Alg, streams: usize, pushed: usize) -> Self {
        let site = Site::start().await;
        let (hub, watch) = (site.hub(), Stopwatch::start());
        let idp = sets::idp("https://idp.example", Alg::ES256);
        sets::register(&hub, "idp", &idp).await;
        let authority = json!({ "rate_per_s": 1_000_000 });
        let source = json!({ "new_bearer": true, "facts": true, "authority": authority });
        let source = hub.put("default", "clients", "source", source).await;
        let (receiver, arrivals) = Pushed::telling(watch).await;
        for n in 0..streams {
            let mut stream = json!({
                "client": "source", "method": "poll", "aud": ["https://receiver.example"],
                "events_requested": ["*"], "derived": true, "alg": alg,
            });
            if n < pushed {
                stream["method"] = "push".into();
                stream["endpoint_url"] = receiver.url.clone().into();
            }
            hub.put("default", "streams", &format!("stream{n}"), stream).await;
        }
        let bearer = source["bearer"].as_str().unwrap().to_string();
        Self { site, idp, bearer, watch, _receiver: receiver, arrivals, next: 0 }
    }

    /// `n` runs, each of another session, and the SETs that end these sessions: request and `txn` of each.
    async fn prepare(&mut self, n: usize) -> Vec<(Vec<u8>, String)> {
        let name = format!("i{}", self.next);
        self.next += 1;
        let run = |i: usize| {
            json!({
                "id": format!("run-{name}-{i}"), "agent": { "kind": "agent", "value": "bot" },
                "session": { "kind": "session", "iss": self.idp.iss, "value": format!("s-{name}-{i}") },
                "deadline": super::peers::now_s() + 36_000,
            })
        };
        let facts = Arc::new((0..n).map(|i| fact(&self.bearer, "runs", &run(i))).collect::<Vec<_>>());
        wire::all_accepted(self.site.public(), &facts, 32).await;
        let sets = sets::requests("idp", &sets::sign(&self.idp, &name, n));
        self.site.settled_us().await;
        sets.into_iter().enumerate().map(|(i, set)| (set, format!("txn-{name}-{i}"))).collect()
    }

    /// The next derived SET: when it came, and its `txn`.
    async fn derived(&mut self) -> (Duration, String) {
        loop {
            let wait = tokio::time::timeout(Duration::from_secs(30), self.arrivals.recv());
            let (at, set) = wait.await.expect("a derived SET comes").unwrap();
            let claims = claims_of(&set);
            if claims["sub_id"].get("run").is_some() {
                return (at, claims["txn"].as_str().unwrap().to_string());
            }
        }
    }

    /// One SET at a time, with a rest in between; each comes `copies` times. And raw appends in the same pauses.
    async fn idle(&mut self, n: usize, copies: usize) -> (Vec<f64>, Vec<f64>) {
        let warm = n / 10 + 5;
        let all = self.prepare(n + warm).await;
        let mut appender = raw::Appender::new();
        let mut connection = Connection::open(self.site.public()).await;
        let (mut us, mut raw_us) = (vec![], vec![]);
        for (i, (request, txn)) in all.iter().enumerate() {
            tokio::time::sleep(REST).await;
            let raw = appender.append();
            tokio::time::sleep(REST).await;
            let sent = self.watch.elapsed();
            assert_eq!(connection.exchange(request).await.status(), 202);
            for _ in 0..copies {
                let (at, got) = self.derived().await;
                assert_eq!(got, *txn, "the derived SET of another signal");
                if i >= warm {
                    us.push((at - sent).as_secs_f64() * 1e6);
                }
            }
            if i >= warm {
                raw_us.push(raw);
            }
        }
        (us, raw_us)
    }

    /// 200 SETs a second, whether the last one was answered or not.
    async fn at_rate(&mut self, n: usize) -> Vec<f64> {
        let all = self.prepare(n).await;
        let mut txns = HashMap::new();
        let sender = tokio::spawn(send_at_rate(self.site.public(), self.watch, all));
        let mut came = vec![];
        for _ in 0..n {
            came.push(self.derived().await);
        }
        for (txn, at) in sender.await.unwrap() {
            txns.insert(txn, at);
        }
        let us = came.iter().map(|(at, txn)| (*at - txns[txn]).as_secs_f64() * 1e6);
        us.skip(n / 10).collect()
    }
}

/// When each was sent.
async fn send_at_rate(hub: At, watch: Stopwatch, all: Vec<(Vec<u8>, String)>) -> Vec<(String, Duration)> {
    let (back, mut free) = mpsc::unbounded_channel();
    for _ in 0..64 {
        back.send(Connection::open(hub).await).unwrap_or_else(|_| panic!("the channel is open"));
    }
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sent = vec![];
    for (request, txn) in all {
        beat.tick().await;
        let mut connection: Connection = free.recv().await.unwrap();
        sent.push((txn, watch.elapsed()));
        let back = back.clone();
        tokio::spawn(async move {
            assert_eq!(connection.exchange(&request).await.status(), 202);
            // The run may be over.
            let _ = back.send(connection);
        });
    }
    sent
}

/// A fact as a request.
pub fn fact(bearer: &str, facts: &str, body: &Value) -> Vec<u8> {
    let bearer = format!("Bearer {bearer}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    wire::post(&format!("/t/default/v1/{facts}"), &headers, body.to_string().as_bytes())
}
