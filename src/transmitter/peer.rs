//! A fake receiver on loopback, and a transmitter around it: what the tests of push and poll share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::watch;

use super::config::Config;
use super::issue::Issuer;
use super::metrics::Metrics;
use super::pool::Pool;
use super::signer::Signer;
use super::{poll, push};
use crate::clock::{OsChance, Stopwatch, System};
use crate::egress::{self, Egress};
use crate::hub::effect::{Claims, Effect, Item};
use crate::hub::entry::{Fate, Outcome};
use crate::jose::alg::Alg;
use crate::keys::vault::Keys;
use crate::operations::Operations;
use crate::outbox::destinations::Destinations;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::pace;
use crate::outbox::queues::Outbox;
use crate::stream::{Method, Stream, StreamNo};
use crate::tenant::{Seq, TenantId};

/// One request that the receiver saw.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: HttpMethod,
    pub headers: HeaderMap,
    pub body: String,
    pub jti: String,
    /// The entry number, which the tests put into the event.
    pub n: u64,
    /// Which try of this `jti`, from 1.
    pub try_no: usize,
    pub at: Duration,
}

/// What the receiver answers.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: &'static str,
    pub delay_ms: u64,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, headers: vec![], body: "", delay_ms: 0 }
    }
}

/// The fake receiver.
pub struct Receiver {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    in_flight: Arc<Mutex<(usize, usize)>>,
}

pub fn payload(compact: &str) -> Value {
    let middle = compact.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).unwrap()).unwrap()
}

impl Receiver {
    pub async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (seen, in_flight) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<Mutex<(usize, usize)>>::default());
        let (record, flight, reply, clock) =
            (seen.clone(), in_flight.clone(), Arc::new(reply), Stopwatch::start());
        let handler = move |method: HttpMethod, headers: HeaderMap, body: Bytes| {
            let (record, flight, reply) = (record.clone(), flight.clone(), reply.clone());
            async move {
                let answer = {
                    let body = String::from_utf8(body.to_vec()).unwrap();
                    let claims = payload(&body);
                    let jti = claims["jti"].as_str().unwrap().to_string();
                    let n = claims["events"]["urn:test"]["n"].as_u64().unwrap();
                    let mut record = record.lock().unwrap();
                    let try_no = record.iter().filter(|s| s.jti == jti).count() + 1;
                    let seen = Seen { method, headers, body, jti, n, try_no, at: clock.elapsed() };
                    record.push(seen.clone());
                    reply(&seen)
                };
                {
                    let mut flight = flight.lock().unwrap();
                    flight.0 += 1;
                    flight.1 = flight.1.max(flight.0);
                }
                tokio::time::sleep(Duration::from_millis(answer.delay_ms)).await;
                flight.lock().unwrap().0 -= 1;
                let mut out = HeaderMap::new();
                for (name, value) in answer.headers {
                    out.insert(name, value.parse().unwrap());
                }
                (StatusCode::from_u16(answer.status).unwrap(), out, answer.body).into_response()
            }
        };
        let app = axum::Router::new().fallback(handler);
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen, in_flight }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The entry numbers, in the order in which they came.
    pub fn order(&self) -> Vec<u64> {
        self.seen().iter().map(|s| s.n).collect()
    }

    pub fn most_in_flight(&self) -> usize {
        self.in_flight.lock().unwrap().1
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is its own composition root")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

/// Outcomes, as they were told.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Outcome>>);

impl Outcomes for Heard {
    fn tell(&self, _: &TenantId, outcome: Outcome) {
        self.0.lock().unwrap().push(outcome);
    }
}

impl Heard {
    /// Stream, entry, fate and reason of each, sorted by entry.
    pub fn list(&self) -> Vec<(u32, u64, Fate, String)> {
        let told = self.0.lock().unwrap();
        let mut list: Vec<_> = told
            .iter()
            .map(|Outcome(no, seq, _, fate, why)| {
                (no.0, seq.0, *fate, why.as_deref().unwrap_or_default().to_string())
            })
            .collect();
        list.sort_by_key(|(no, seq, ..)| (*seq, *no));
        list
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A transmitter with everything around it.
pub struct Rig {
    pub tenant: TenantId,
    pub outbox: Arc<Outbox>,
    pub signer: Arc<Signer>,
    pub keys: Arc<Keys>,
    pub heard: Arc<Heard>,
    pub metrics: Metrics,
    pub operations: Arc<Operations>,
    pub stop: watch::Sender<bool>,
    dir: tempfile::TempDir,
}

/// Quick, and without jitter, so that tests can reckon.
pub fn quick() -> Config {
    Config {
        retry: pace::Config {
            retry_delays_ms: vec![30, 60, 120],
            jitter_percent: 0,
            credential_tries: 3,
            misdirected_tries: 2,
            ..pace::Config::default()
        },
        push_timeout_ms: 30_000,
        poll_timeout_ms: 2_000,
        ..Config::default()
    }
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::open(dir.path(), Arc::new(OsChance)).unwrap());
        let issuer = Issuer::new([7; 16], "http://127.0.0.1:1");
        let signer = Arc::new(Signer::new(issuer, keys.clone(), Pool::start(2).unwrap(), 1_000));
        Self {
            tenant: TenantId::default_tenant(),
            outbox: Arc::default(),
            signer,
            keys,
            heard: Arc::default(),
            metrics: Metrics::default(),
            operations: Arc::new(Operations::open(dir.path(), Arc::new(System)).unwrap()),
            stop: watch::Sender::new(false),
            dir,
        }
    }

    /// The same journal and keys in a new process.
    pub fn restarted(self) -> Self {
        let keys = Arc::new(Keys::open(self.dir.path(), Arc::new(OsChance)).unwrap());
        let issuer = Issuer::new([7; 16], "http://127.0.0.1:1");
        let signer = Arc::new(Signer::new(issuer, keys.clone(), Pool::start(2).unwrap(), 1_000));
        Self { outbox: Arc::default(), heard: Arc::default(), signer, keys, ..self }
    }

    pub fn publish(&self, effects: &[Effect]) {
        self.outbox.publish(&self.tenant, effects);
    }

    /// Starts push delivery.
    pub fn push(&self, config: Config) {
        self.push_over(config, egress::Config::default().connections_max);
    }

    /// The same with so many exchanges at once.
    pub fn push_over(&self, config: Config, connections_max: usize) {
        let egress = egress::Config {
            connections_max,
            allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()],
            connect_timeout_ms: 30_000,
            ..egress::Config::default()
        };
        let parts = push::Parts {
            outbox: self.outbox.clone(),
            destinations: Arc::new(Destinations::new(config.bounds())),
            signer: self.signer.clone(),
            egress: Arc::new(Egress::new(&egress).unwrap()),
            keys: self.keys.clone(),
            outcomes: self.heard.clone(),
            clock: Arc::new(System),
            chance: Arc::new(OsChance),
            metrics: self.metrics.clone(),
            operations: self.operations.clone(),
            config,
            spawn: Arc::new(|_, task| drop(spawn(task))),
            shutdown: self.stop.subscribe(),
        };
        spawn(push::Push::new(parts).run());
    }

    pub fn poll(&self, config: Config) -> Arc<poll::Poll> {
        Arc::new(poll::Poll::new(poll::Parts {
            outbox: self.outbox.clone(),
            signer: self.signer.clone(),
            outcomes: self.heard.clone(),
            clock: Arc::new(System),
            metrics: self.metrics.clone(),
            operations: self.operations.clone(),
            config,
            shutdown: self.stop.subscribe(),
        }))
    }
}

/// A stream `s{no}` for audience `aud`; polled unless there is a URL to push to.
pub fn stream(no: u32, aud: &str, url: Option<&str>) -> Stream {
    Stream {
        stream_id: format!("s{no}"),
        client: "client".into(),
        method: if url.is_some() { Method::Push } else { Method::Poll },
        endpoint_url: url.map(Into::into),
        aud: vec![aud.into()],
        events_requested: vec!["*".into()],
        alg: Alg::ES256,
        ..Stream::default()
    }
}

pub fn made(no: u32, stream: Stream) -> Effect {
    Effect::Stream { no: StreamNo(no), stream: Some(Arc::new(stream)) }
}

pub fn item(n: u64) -> Item {
    Item { seq: Seq(n), index: 0 }
}

/// Entry `n` about subject `subject` is owed to stream `no`.
pub fn owed(no: u32, n: u64, subject: u64) -> Effect {
    let claims = Claims {
        uri: "urn:test".into(),
        sub_id: format!(r#"{{"format":"opaque","id":"{subject}"}}"#),
        event: format!(r#"{{"n":{n}}}"#),
        txn: format!("txn-{n}"),
        toe: None,
        iat: 1_700_000_000,
        accepted_ms: 1_700_000_000_000,
        subject,
    };
    Effect::Owed { item: item(n), claims: Arc::new(claims), streams: Arc::from([StreamNo(no)]) }
}

/// Waits, at most thirty seconds, until `done`.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never happened: {what}");
}
