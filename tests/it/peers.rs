//! The hub's peers in tests: an IdP that signs, receivers that take, an issuer of access tokens.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

pub const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

pub fn now_s() -> i64 {
    use ssf_hub::clock::Clock as _;
    ssf_hub::clock::System.wall_ms() / 1000
}

/// Somebody who signs, with an inline key set.
pub struct Idp {
    pub iss: String,
    pub key: SigningKey,
}

impl Idp {
    pub fn new(iss: &str, alg: Alg) -> Self {
        Self { iss: iss.into(), key: SigningKey::generate(alg).unwrap() }
    }

    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public_jwk()] })
    }

    /// The upstream object for this IdP.
    pub fn upstream(&self, aud: &str) -> Value {
        json!({ "iss": self.iss, "aud": [aud], "jwks": { "inline": self.jwks() } })
    }

    /// The token issuer object for this IdP.
    pub fn token_issuer(&self) -> Value {
        json!({ "iss": self.iss, "jwks": { "inline": self.jwks() } })
    }

    pub fn sign(&self, payload: &Value) -> String {
        sign_compact(&self.key, "secevent+jwt", payload.to_string().as_bytes()).unwrap()
    }

    /// The claims of a SET.
    pub fn claims(&self, aud: &str, jti: &str, uri: &str, sub_id: Value, event: Value) -> Value {
        json!({
            "iss": self.iss, "aud": aud, "iat": now_s(), "jti": jti, "txn": format!("txn-{jti}"),
            "sub_id": sub_id, "events": { uri: event },
        })
    }

    /// `session-revoked` of a user's session; `by` is the initiating entity.
    pub fn session_revoked(
        &self,
        aud: &str,
        jti: &str,
        user: &str,
        session: Option<&str>,
        by: &str,
    ) -> String {
        let mut sub_id =
            json!({ "format": "complex", "user": { "format": "iss_sub", "iss": self.iss, "sub": user } });
        if let Some(session) = session {
            sub_id["session"] = json!({ "format": "opaque", "id": session });
        }
        let event = json!({ "event_timestamp": now_s(), "initiating_entity": by });
        self.sign(&self.claims(aud, jti, SESSION_REVOKED, sub_id, event))
    }

    /// An access token.
    pub fn token(&self, jti: &str, sub: &str, aud: &str, more: Value) -> String {
        let mut payload = json!({
            "iss": self.iss, "jti": jti, "sub": sub, "aud": aud, "iat": now_s(), "exp": now_s() + 600,
        });
        for (name, value) in more.as_object().unwrap() {
            payload[name] = value.clone();
        }
        sign_compact(&self.key, "at+jwt", payload.to_string().as_bytes()).unwrap()
    }
}

/// The claims of a compact JWS, unverified.
pub fn claims_of(compact: &str) -> Value {
    let payload = compact.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// What a push receiver got.
#[derive(Clone, Debug)]
pub struct Got {
    pub compact: String,
    pub claims: Value,
    pub authorization: Option<String>,
}

type Answering = dyn Fn(usize, &Got) -> StatusCode + Send + Sync;

struct Inner {
    got: Mutex<Vec<Got>>,
    answer: Box<Answering>,
}

/// A push receiver.
pub struct PushReceiver {
    inner: Arc<Inner>,
    pub url: String,
    server: tokio::task::JoinHandle<()>,
}

impl PushReceiver {
    pub async fn start() -> Self {
        Self::answering(|_, _| StatusCode::ACCEPTED).await
    }

    /// Answers the n-th request as told.
    pub async fn answering(answer: impl Fn(usize, &Got) -> StatusCode + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", answer).await
    }

    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub async fn at(addr: &str, answer: impl Fn(usize, &Got) -> StatusCode + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner { got: Mutex::default(), answer: Box::new(answer) });
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let router = Router::new().route("/events", post(take)).with_state(inner.clone());
        let server = tokio::spawn(async move { axum_serve(listener, router).await });
        Self { inner, url, server }
    }

    pub fn got(&self) -> Vec<Got> {
        self.inner.got.lock().unwrap().clone()
    }

    pub async fn wait_for(&self, n: usize) -> Vec<Got> {
        super::hub::until(&format!("{n} SETs pushed, got {}", self.got().len()), 20, || async {
            self.got().len() >= n
        })
        .await;
        self.got()
    }
}

impl Drop for PushReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> StatusCode {
    assert_eq!(headers["content-type"], "application/secevent+jwt");
    assert_eq!(headers["accept"], "application/json");
    let authorization = headers.get("authorization").map(|v| v.to_str().unwrap().to_string());
    let got = Got { claims: claims_of(&body), compact: body, authorization };
    let n = {
        let mut all = inner.got.lock().unwrap();
        all.push(got.clone());
        all.len()
    };
    (inner.answer)(n, &got)
}

/// Serves a router on a listener.
#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
pub async fn axum_serve(listener: tokio::net::TcpListener, router: Router) {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
