//! What a backlog of 20,000 changes, and what the journal writes: bytes and flushes per SET and per acknowledgement.

use std::sync::Arc;

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::figures::{Aim, Figure, Unit, median};
use super::peers::Idp;
use super::process::{Site, Written};
use super::receivers::poll;
use super::wire::Connection;
use super::{Bench, sets, wire};

const IN_FLIGHT: usize = 256;
/// Stream number, sequence number, index and fate in plain binary.
const ACK_RAW_BYTES: f64 = 17.0;

/// A hub whose streams are polled only when we say so.
pub struct Owing {
    pub site: Site,
    idp: Idp,
    pub bearer: String,
    next: usize,
}

impl Owing {
    async fn new(streams: usize) -> Self {
        let site = Site::start().await;
        let hub = site.hub();
        let idp = sets::idp("https://idp.example", Alg::ES256);
        sets::register(&hub, "idp", &idp).await;
        let source = json!({ "new_bearer": true, "facts": true, "authority": { "rate_per_s": 1_000_000 } });
        let source = hub.put("default", "clients", "app", source).await;
        for n in 0..streams {
            let stream = json!({
                "client": "app", "method": "poll", "aud": ["https://receiver.example"],
                "events_requested": ["*"], "alg": "ES256",
            });
            hub.put("default", "streams", &format!("stream{n}"), stream).await;
        }
        Self { site, idp, bearer: source["bearer"].as_str().unwrap().into(), next: 0 }
    }

    /// Takes `n` SETs in: CPU per SET (µs), what was written.
    async fn take_in(&mut self, n: usize) -> (f64, Written) {
        let name = format!("b{}", self.next);
        self.next += 1;
        let all = Arc::new(sets::requests("idp", &sets::sign(&self.idp, &name, n)));
        self.measured(n, async |site| wire::all_accepted(site.public(), &all, IN_FLIGHT).await).await
    }

    /// Polls and acknowledges the oldest `n`: CPU per SET (µs), what was written.
    async fn hand_out(&mut self, n: usize) -> (f64, Written) {
        let bearer = self.bearer.clone();
        self.measured(n, async |site| {
            let mut connection = Connection::open(site.public()).await;
            let mut ask =
                async |body: Value| poll(&mut connection, "/t/default/poll/stream0", &bearer, &body).await;
            let (mut ack, mut got): (Vec<String>, usize) = (vec![], 0);
            while got < n {
                let max = (n - got).min(100);
                let sets = ask(json!({ "ack": ack, "maxEvents": max, "returnImmediately": true })).await;
                assert!(!sets.is_empty(), "{got} of {n} were owed");
                got += sets.len();
                ack = sets.into_iter().map(|(jti, _)| jti).collect();
            }
            ask(json!({ "ack": ack, "maxEvents": 0, "returnImmediately": true })).await;
        })
        .await
    }

    async fn measured(&self, n: usize, work: impl AsyncFnOnce(&Site)) -> (f64, Written) {
        // At rest: the last measurement ended so.
        let (before, from) = (self.site.written().await, self.site.cpu_us());
        work(&self.site).await;
        let used = self.site.settled_us().await - from;
        let after = self.site.written().await;
        let per = |a: f64, b: f64| (a - b) / n as f64;
        let written = Written {
            bytes: per(after.bytes, before.bytes),
            flushes: per(after.flushes, before.flushes),
            entries: per(after.entries, before.entries),
        };
        (used / n as f64, written)
    }
}

/// Leaves a hub with a long history for [`super::start`].
pub async fn run(b: &mut Bench) -> Owing {
    let (backlog, n) = (b.many(20_000), b.many(2000));
    let mut with = Owing::new(1).await;
    let mut without = Owing::new(1).await;
    with.take_in(500).await;
    let (cpu_1, one) = with.take_in(backlog).await;
    without.take_in(n).await;
    without.hand_out(n).await;

    let (mut short, mut long, mut raw) = (vec![], vec![], vec![]);
    for _ in 0..b.rounds() {
        raw.push(b.josekit.verify_us(Alg::ES256) + b.josekit.sign_us(Alg::ES256));
        short.push(without.take_in(n).await.0 + without.hand_out(n).await.0);
        long.push(with.take_in(n).await.0 + with.hand_out(n).await.0);
    }
    let (short, long, raw) = (median(short), median(long), median(raw));
    let mut put = |name, what, unit, value, raw, aim| {
        b.figures.put(Figure { name, what, unit, value, raw: Some(raw), aim });
    };
    put("poll_cpu", "in and polled, no backlog; raw: ES256 verify and sign", Unit::Us, short, raw, Aim::None);
    put("backlog", "the same with 20,000 owed; raw: without", Unit::Us, long, short, Aim::Ratio(1.1));

    let (_, acked) = with.hand_out(backlog).await;
    let mut many = Owing::new(100).await;
    many.take_in(500).await;
    let (cpu_100, hundred) = many.take_in(n).await;
    let bytes_of = average_set(&with.idp);
    let what = "journal per SET and its decision, 1 stream; raw: the SET";
    put("set_bytes", what, Unit::Bytes, one.bytes, bytes_of, Aim::None);
    put("set_bytes_100", "the same, 100 streams", Unit::Bytes, hundred.bytes, one.bytes, Aim::None);
    put(
        "ack_bytes",
        "journal per acknowledgement; raw: 17 B of binary",
        Unit::Bytes,
        acked.bytes,
        ACK_RAW_BYTES,
        Aim::Most(40.0),
    );
    let owe = (cpu_100 - cpu_1) / 99.0;
    put(
        "owe_cpu",
        "one more stream that is owed a SET; raw: taking it in",
        Unit::Us,
        owe,
        cpu_1,
        Aim::Most(2.0),
    );
    for (name, what, written) in [
        ("set_flushes", "flushes per SET, 1 stream", one),
        ("set_flushes_100", "flushes per SET, 100 streams", hundred),
        ("ack_flushes", "flushes per acknowledgement", acked),
    ] {
        let value = written.flushes;
        b.figures.put(Figure { name, what, unit: Unit::Number, value, raw: None, aim: Aim::None });
    }
    with
}

fn average_set(idp: &Idp) -> f64 {
    let some = sets::sign(idp, "size", 10);
    some.iter().map(String::len).sum::<usize>() as f64 / some.len() as f64
}
