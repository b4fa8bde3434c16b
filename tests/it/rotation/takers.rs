//! Receivers by push and by poll that verify each SET when it comes, and keep book of what they took under which name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::compact::verify_compact;
use ssf_hub::jose::keyset::KeySet;

use super::super::keys::kid_of;
use super::super::peers::{axum_serve, claims_of};
use super::world::Credential;

/// A receiver that is asked less often than this polls again.
const PAUSE: Duration = Duration::from_millis(25);

/// The hub's JWKS, fetched for a `kid` that is not in the copy, and then only.
pub struct Jwks {
    http: reqwest::Client,
    url: String,
    copy: tokio::sync::Mutex<Value>,
}

fn has(jwks: &Value, kid: &str) -> bool {
    jwks["keys"].as_array().into_iter().flatten().any(|key| key["kid"] == kid)
}

/// Whether a SET verifies with a key set, by `alg` and nothing else.
pub fn verifies(compact: &str, jwks: &Value, alg: Alg) -> bool {
    let keys = KeySet::parse(jwks.to_string().as_bytes());
    keys.is_ok_and(|keys| verify_compact(compact.as_bytes(), &keys, &[alg], 65536).is_ok())
}

impl Jwks {
    pub fn new(http: reqwest::Client, url: String) -> Arc<Self> {
        Arc::new(Self { http, url, copy: tokio::sync::Mutex::default() })
    }

    /// The one that is published now.
    pub async fn fetch(&self) -> Value {
        let answer = self.http.get(&self.url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Forgets the copy, as when its time is over.
    pub async fn forget(&self) {
        *self.copy.lock().await = Value::Null;
    }

    async fn verify(&self, compact: &str, alg: Alg) -> bool {
        let mut copy = self.copy.lock().await;
        if !has(&copy, &kid_of(compact)) {
            *copy = self.fetch().await;
        }
        verifies(compact, &copy, alg)
    }
}

/// A SET that came.
#[derive(Clone)]
pub struct Came {
    pub jti: String,
    pub kid: String,
    pub compact: String,
}

/// What a receiver saw.
#[derive(Default)]
pub struct Book {
    /// By `txn`, what was taken.
    pub taken: BTreeMap<String, Vec<Came>>,
    /// What came first while it was closed, and was not taken then.
    pub held: BTreeMap<String, Came>,
    /// Keys of what did not verify.
    pub unverified: Vec<String>,
    /// What it, or the hub, refused for a credential.
    pub refused: Vec<String>,
    /// `Authorization` of the posts, in their order.
    pub shown: Vec<String>,
}

impl Book {
    /// The keys that signed what was taken.
    pub fn kids(&self) -> BTreeSet<&str> {
        self.taken.values().flatten().map(|came| came.kid.as_str()).collect()
    }

    /// Everything that was sent came, each under one name, and each name once; nobody was refused.
    pub fn check(&self, who: &str, sent: usize) {
        assert!(self.refused.is_empty(), "{who}: {:?}", self.refused);
        let txns: BTreeSet<String> = (0..sent).map(|n| format!("txn-j{n}")).collect();
        let lost: Vec<&String> = txns.iter().filter(|txn| !self.taken.contains_key(*txn)).collect();
        assert!(
            lost.is_empty() && self.taken.len() == sent,
            "{who}: {} of {sent}; {lost:?}",
            self.taken.len()
        );
        let mut names = BTreeSet::new();
        for (txn, came) in &self.taken {
            let jtis: BTreeSet<&str> = came.iter().map(|came| came.jti.as_str()).collect();
            assert_eq!(jtis.len(), 1, "{who}: {txn} came under {jtis:?}");
            assert!(names.insert(jtis), "{who}: a name came for two");
        }
    }
}

/// What every receiver has.
pub struct Taker {
    pub book: Mutex<Book>,
    /// It takes nothing while it is closed.
    pub open: AtomicBool,
    pub jwks: Arc<Jwks>,
    alg: Alg,
}

impl Taker {
    fn new(jwks: &Arc<Jwks>, alg: Alg) -> Self {
        Self { book: Mutex::default(), open: AtomicBool::new(true), jwks: jwks.clone(), alg }
    }

    /// How many different SETs it took.
    pub fn count(&self) -> usize {
        self.book.lock().unwrap().taken.len()
    }

    /// `None`: not now. Else whether it verifies, and is taken.
    async fn take(&self, compact: &str) -> Option<bool> {
        let (claims, kid) = (claims_of(compact), kid_of(compact));
        let txn = claims["txn"].as_str().unwrap().to_string();
        let came = Came { jti: claims["jti"].as_str().unwrap().into(), kid, compact: compact.into() };
        if !self.open.load(Ordering::Relaxed) {
            self.book.lock().unwrap().held.entry(txn).or_insert(came);
            return None;
        }
        let good = self.jwks.verify(compact, self.alg).await;
        let mut book = self.book.lock().unwrap();
        if good {
            book.taken.entry(txn).or_default().push(came);
        } else {
            book.unverified.push(came.kid);
        }
        Some(good)
    }
}

/// By push.
pub struct Pushed {
    pub taker: Arc<Taker>,
    pub url: String,
    /// The values of `Authorization` that it takes; any, while there is none.
    pub accepts: Arc<Mutex<BTreeSet<String>>>,
    server: tokio::task::JoinHandle<()>,
}

type Accepting = (Arc<Taker>, Arc<Mutex<BTreeSet<String>>>);

impl Pushed {
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub async fn start(jwks: &Arc<Jwks>, alg: Alg) -> Self {
        let (taker, accepts) = (Arc::new(Taker::new(jwks, alg)), Arc::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let router = Router::new().route("/events", post(pushed));
        let router = router.with_state((taker.clone(), Arc::clone(&accepts)));
        let server = tokio::spawn(async move { axum_serve(listener, router).await });
        Self { taker, url, accepts, server }
    }
}

impl Drop for Pushed {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pushed(
    State((taker, accepts)): State<Accepting>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let shown = headers.get("authorization").map(|v| v.to_str().unwrap().to_string()).unwrap_or_default();
    let known = {
        let accepts = accepts.lock().unwrap();
        accepts.is_empty() || accepts.contains(&shown)
    };
    {
        let mut book = taker.book.lock().unwrap();
        book.shown.push(shown.clone());
        if !known {
            book.refused.push(shown);
            return (StatusCode::UNAUTHORIZED, String::new());
        }
    }
    match taker.take(&body).await {
        None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        Some(true) => (StatusCode::ACCEPTED, String::new()),
        Some(false) => (StatusCode::BAD_REQUEST, json!({ "err": "invalid_key" }).to_string()),
    }
}

/// By poll, with a credential that may change. It is locked while it polls, so that who changes it knows that nobody uses the
/// old one any more.
pub struct Polled {
    pub taker: Arc<Taker>,
    pub credential: Arc<tokio::sync::Mutex<Credential>>,
    /// How it dials.
    pub http: Arc<Mutex<reqwest::Client>>,
    /// Whether the hub may be away.
    pub patient: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Polled {
    /// Polls a stream of the tenant with this issuer.
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub fn start(jwks: &Arc<Jwks>, alg: Alg, iss: &str, stream: &str, credential: Credential) -> Self {
        let taker = Arc::new(Taker::new(jwks, alg));
        let credential = Arc::new(tokio::sync::Mutex::new(credential));
        let http = Arc::new(Mutex::new(jwks.http.clone()));
        let (patient, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let polling = Polling {
            taker: taker.clone(),
            credential: credential.clone(),
            http: http.clone(),
            patient: patient.clone(),
            stop: stop.clone(),
            iss: iss.into(),
            url: format!("{iss}/poll/{stream}"),
        };
        let task = tokio::spawn(polling.run());
        Self { taker, credential, http, patient, stop, task }
    }

    /// Acknowledges what was taken, and ends.
    pub async fn finish(self) -> Arc<Taker> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.taker
    }
}

struct Polling {
    taker: Arc<Taker>,
    credential: Arc<tokio::sync::Mutex<Credential>>,
    http: Arc<Mutex<reqwest::Client>>,
    patient: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    iss: String,
    url: String,
}

impl Polling {
    async fn run(self) {
        let mut answer = json!({});
        loop {
            let ends = self.stop.load(Ordering::Relaxed);
            // What was taken last is acknowledged before it ends.
            match self.poll(&answer).await {
                Ok(sets) => answer = self.take(&sets).await,
                Err(why) if self.patient.load(Ordering::Relaxed) => drop(why),
                Err(why) => self.taker.book.lock().unwrap().refused.push(why),
            }
            if ends && answer == json!({}) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn poll(&self, answer: &Value) -> Result<Value, String> {
        let mut body = answer.clone();
        (body["returnImmediately"], body["maxEvents"]) = (true.into(), 50.into());
        let http = self.http.lock().unwrap().clone();
        let mut credential = self.credential.lock().await;
        let bearer = credential.bearer(&http, &self.iss).await?;
        let request = http.post(&self.url).bearer_auth(bearer).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.map_err(|e| format!("{e:?}"))?;
        let (status, text) = (answer.status(), answer.text().await.map_err(|e| format!("{e:?}"))?);
        if status != 200 {
            return Err(format!("{status}: {text}"));
        }
        let sets: Value = serde_json::from_str(&text).unwrap();
        Ok(sets["sets"].clone())
    }

    /// What is acknowledged, and what is refused, with the next poll.
    async fn take(&self, sets: &Value) -> Value {
        let mut answer = json!({});
        for (jti, compact) in sets.as_object().unwrap() {
            match self.taker.take(compact.as_str().unwrap()).await {
                None => {}
                Some(true) => match answer["ack"].as_array_mut() {
                    Some(acks) => acks.push(jti.as_str().into()),
                    None => answer["ack"] = json!([jti]),
                },
                Some(false) => answer["setErrs"][jti] = json!({ "err": "invalid_key", "description": "?" }),
            }
        }
        answer
    }
}
