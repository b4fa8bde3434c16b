//! Two receivers of SETs, one by push (RFC 8935), one by poll (RFC 8936).
//!
//! Both verify what they get with the hub's published keys and tell the story when they had it. Neither knows
//! anything of runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::idp::{SESSION_REVOKED, Signal};
use super::peers::Peers;
use crate::jose::{Alg, KeySet, verify_compact};

/// Longest SET that a receiver reads (bytes).
const SET_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for the answer of a long poll (ms): longer than the hub lets it wait.
const POLL_TIMEOUT_MS: u64 = 60_000;
/// Rest after a poll that failed.
const POLL_REST: Duration = Duration::from_millis(200);

/// Told, but not yet heard by the story.
pub const TOLD_MAX: usize = 1024;

/// How a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// RFC 8935.
    Push,
    /// RFC 8936.
    Poll,
    /// A topic.
    Kafka,
}

impl By {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
            Self::Kafka => "kafka",
        }
    }
}

/// What a receiver was told, and when.
#[derive(Clone, Debug)]
pub struct Told {
    /// Who.
    pub name: &'static str,
    /// How.
    pub by: By,
    /// When it was there, before it was verified; on the clock of [`Peers::elapsed`].
    pub at: Duration,
    /// Name of the SET.
    pub jti: String,
    /// Its cause.
    pub txn: String,
    /// Event type URI.
    pub uri: String,
    /// Whom it is about.
    pub sub_id: Value,
}

impl Told {
    /// Reads a SET's claims.
    pub fn new(name: &'static str, by: By, at: Duration, claims: &Value) -> Option<Self> {
        let text = |member: &str| claims[member].as_str().map(String::from);
        let uri = claims["events"].as_object()?.keys().next()?.clone();
        Some(Self {
            name,
            by,
            at,
            jti: text("jti")?,
            txn: text("txn")?,
            uri,
            sub_id: claims["sub_id"].clone(),
        })
    }

    /// Whether this is the signal itself, not what lineage added to it.
    pub fn is_about(&self, signal: &Signal) -> bool {
        self.txn == signal.txn && self.uri == SESSION_REVOKED && self.sub_id == signal.sub_id
    }
}

/// What a receiver holds a SET to: signature, type, issuer, audience.
pub struct Trust {
    /// The issuer's keys.
    pub keys: KeySet,
    /// The issuer.
    pub iss: String,
}

impl Trust {
    /// Reads the keys that an issuer publishes.
    pub async fn fetch(peers: &Peers, iss: &str, jwks_url: &str) -> anyhow::Result<Arc<Self>> {
        let answer = peers.send(Method::GET, jwks_url, HeaderMap::new(), vec![], None).await?;
        let keys = KeySet::parse(&answer.whole_body()?).with_context(|| format!("{jwks_url} is no JWKS"))?;
        Ok(Arc::new(Self { keys, iss: iss.into() }))
    }

    /// The claims of a SET, if it is what it says and for `aud`; else the error code of RFC 8935, 2.4.
    pub fn verify(&self, compact: &[u8], aud: &str) -> Result<Value, &'static str> {
        let algs = [Alg::RS256, Alg::ES256];
        let verified = verify_compact(compact, &self.keys, &algs, SET_BYTES_MAX);
        let (header, payload) = verified.map_err(|_| "invalid_key")?;
        let claims: Value = serde_json::from_slice(&payload).map_err(|_| "invalid_request")?;
        if !header.typ_is("secevent+jwt") {
            return Err("invalid_request");
        }
        if claims["iss"] != self.iss.as_str() {
            return Err("invalid_issuer");
        }
        let ours =
            claims["aud"] == aud || claims["aud"].as_array().is_some_and(|all| all.contains(&aud.into()));
        if ours { Ok(claims) } else { Err("invalid_audience") }
    }
}

/// The receiver by push.
pub struct Pushed {
    /// Its name.
    pub name: &'static str,
    /// Its audience.
    pub aud: String,
    /// The `Authorization` that the hub must send.
    pub authorization: String,
    /// Where it tells the story.
    pub told: mpsc::Sender<Told>,
    /// Whom it believes.
    pub trust: Arc<Trust>,
    /// Clocks.
    pub peers: Peers,
}

impl Pushed {
    /// Serves; the URL to push to.
    pub async fn start(self) -> anyhow::Result<String> {
        let peers = self.peers.clone();
        let router = Router::new().route("/events", post(receive)).with_state(Arc::new(self));
        Ok(format!("http://{}/events", peers.serve("demo push receiver", router).await?))
    }
}

async fn receive(State(me): State<Arc<Pushed>>, headers: HeaderMap, body: String) -> Response {
    let at = me.peers.elapsed();
    let by_the_hub = headers.get(AUTHORIZATION).is_some_and(|v| v.as_bytes() == me.authorization.as_bytes());
    if !by_the_hub {
        return refuse("authentication_failed");
    }
    match me.trust.verify(body.as_bytes(), &me.aud).map(|claims| Told::new(me.name, By::Push, at, &claims)) {
        Ok(Some(told)) => {
            // A story that ended hears nothing more; the SET was taken all the same.
            let _ = me.told.send(told).await;
            StatusCode::ACCEPTED.into_response()
        }
        Ok(None) => refuse("invalid_request"),
        Err(err) => refuse(err),
    }
}

fn refuse(err: &str) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let body = json!({ "err": err, "description": "this is not for me" }).to_string();
    (StatusCode::BAD_REQUEST, json, body).into_response()
}

/// The receiver by poll.
pub struct Polling {
    /// Its name.
    pub name: &'static str,
    /// Its audience.
    pub aud: String,
    /// Where it polls.
    pub url: String,
    /// Its bearer.
    pub bearer: String,
    /// Where it tells the story.
    pub told: mpsc::Sender<Told>,
    /// Whom it believes.
    pub trust: Arc<Trust>,
    /// HTTP and clocks.
    pub peers: Peers,
}

impl Polling {
    /// Polls for ever: each request acknowledges what the last one brought and waits for more.
    pub async fn run(self) {
        let (mut ack, mut errs) = (vec![], serde_json::Map::new());
        loop {
            let request = json!({ "returnImmediately": false, "ack": ack, "setErrs": errs });
            match self.poll(&request).await {
                Ok(answer) => {
                    (ack, errs) = (vec![], serde_json::Map::new());
                    self.take(&answer, &mut ack, &mut errs).await;
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the demo's poll failed");
                    tokio::time::sleep(POLL_REST).await;
                }
            }
        }
    }

    async fn poll(&self, request: &Value) -> anyhow::Result<Value> {
        let mut headers = super::peers::bearing(AUTHORIZATION, &self.bearer)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = request.to_string().into_bytes();
        let sent = self.peers.send(Method::POST, &self.url, headers, body, Some(POLL_TIMEOUT_MS));
        let answer = sent.await?;
        let status = answer.status;
        let body = answer.whole_body()?;
        anyhow::ensure!(status == 200, "the hub answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }

    /// Takes an answer: what is sound is acknowledged, what is not is reported (RFC 8936, 2.4).
    async fn take(&self, answer: &Value, ack: &mut Vec<String>, errs: &mut serde_json::Map<String, Value>) {
        let at = self.peers.elapsed();
        for (jti, compact) in answer["sets"].as_object().into_iter().flatten() {
            let verified = self.trust.verify(compact.as_str().unwrap_or_default().as_bytes(), &self.aud);
            match verified.map(|claims| Told::new(self.name, By::Poll, at, &claims)) {
                Ok(Some(told)) if told.jti == *jti => {
                    ack.push(jti.clone());
                    let _ = self.told.send(told).await;
                }
                Ok(_) => drop(errs.insert(jti.clone(), json!({ "err": "invalid_request" }))),
                Err(err) => drop(errs.insert(jti.clone(), json!({ "err": err }))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{SigningKey, sign_compact};

    #[test]
    fn only_sound_sets_are_believed() {
        let (key, other) =
            (SigningKey::generate(Alg::ES256).unwrap(), SigningKey::generate(Alg::ES256).unwrap());
        let jwks = json!({ "keys": [key.public_jwk()] }).to_string();
        let trust = Trust { keys: KeySet::parse(jwks.as_bytes()).unwrap(), iss: "i".into() };
        let claims = |iss: &str, aud: Value| json!({ "iss": iss, "aud": aud, "jti": "j", "txn": "t", "events": {"u": {}} });
        let table = [
            (&key, "secevent+jwt", claims("i", json!("a")), None),
            (&key, "secevent+jwt", claims("i", json!(["b", "a"])), None),
            (&key, "JWT", claims("i", json!("a")), Some("invalid_request")),
            (&key, "secevent+jwt", claims("x", json!("a")), Some("invalid_issuer")),
            (&key, "secevent+jwt", claims("i", json!(["b"])), Some("invalid_audience")),
            (&other, "secevent+jwt", claims("i", json!("a")), Some("invalid_key")),
        ];
        for (key, typ, claims, want) in table {
            let compact = sign_compact(key, typ, claims.to_string().as_bytes()).unwrap();
            let got = trust.verify(compact.as_bytes(), "a");
            assert_eq!(got.as_ref().err().copied(), want, "{claims}");
            let told = got.ok().and_then(|c| Told::new("n", By::Push, Duration::ZERO, &c));
            assert_eq!(told.map(|t| (t.jti, t.uri)), want.map_or(Some(("j".into(), "u".into())), |_| None));
        }
        assert!(Told::new("n", By::Poll, Duration::ZERO, &json!({ "jti": "j", "txn": "t" })).is_none());
    }
}
