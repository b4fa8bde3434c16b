//! Everybody outside whose keys and secrets change: key sets at URLs, an introspection endpoint, and how pollers come to
//! their bearers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::super::peers::{axum_serve, now_s};

#[derive(Default)]
struct Inner {
    jwks: Mutex<BTreeMap<String, Vec<Value>>>,
    /// What the introspection endpoint takes.
    secrets: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<String>>,
    about: Mutex<String>,
}

pub struct World {
    inner: Arc<Inner>,
    base: String,
    server: tokio::task::JoinHandle<()>,
}

async fn jwks(State(inner): State<Arc<Inner>>, Path(who): Path<String>) -> String {
    let keys = inner.jwks.lock().unwrap().get(&who).cloned().unwrap_or_default();
    json!({ "keys": keys }).to_string()
}

async fn introspect(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let basic = headers["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let pair = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
    let secret = pair.strip_prefix("hub:").unwrap().to_string();
    let good = inner.secrets.lock().unwrap().contains(&secret);
    inner.asked.lock().unwrap().push(secret);
    *inner.about.lock().unwrap() += &body;
    if !good {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    if !body.contains("token=opaque-") {
        return (StatusCode::OK, json!({ "active": false }).to_string());
    }
    let claims = json!({ "active": true, "client_id": "app", "scope": "ssf.read", "exp": now_s() + 600 });
    (StatusCode::OK, claims.to_string())
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/jwks/{who}", get(jwks)).route("/introspect", post(introspect));
        let router = router.with_state(inner.clone());
        let server = tokio::spawn(async move { axum_serve(listener, router).await });
        Self { inner, base, server }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The keys of somebody, from now on.
    pub fn publish(&self, who: &str, keys: &[&SigningKey]) {
        let keys = keys.iter().map(|key| json!(key.public_jwk())).collect();
        self.inner.jwks.lock().unwrap().insert(who.into(), keys);
    }

    /// The secrets that the introspection endpoint takes, from now on.
    pub fn takes(&self, secrets: &[&str]) {
        *self.inner.secrets.lock().unwrap() = secrets.iter().map(ToString::to_string).collect();
    }

    /// Whether it was asked about a token.
    pub fn was_asked_about(&self, token: &str) -> bool {
        self.inner.about.lock().unwrap().contains(token)
    }

    /// The secrets that were shown to it, in their order.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn new_key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Alg::ES256).unwrap())
}

/// Claims of a token or an assertion that is good for a minute.
fn claims(iss: &str, sub: &str, aud: &str) -> Value {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    json!({ "iss": iss, "sub": sub, "aud": aud, "jti": format!("t{n}"), "iat": now_s(), "exp": now_s() + 60 })
}

/// An access token of an outside issuer.
pub fn minted(key: &SigningKey, iss: &str, aud: &str) -> String {
    let mut claims = claims(iss, "app", aud);
    (claims["client_id"], claims["scope"]) = ("app".into(), "ssf.read".into());
    sign_compact(key, "at+jwt", claims.to_string().as_bytes()).unwrap()
}

/// How a poller comes to its bearer.
pub enum Credential {
    /// It has it: a client's bearer, or a long-lived token.
    Bearer(String),
    /// It asks the built-in authorization server with a secret, in both ways in turns.
    Secret(&'static str, String, usize),
    /// It asks there with an assertion.
    Assertion(&'static str, Arc<SigningKey>),
    /// An outside authorization server signs one.
    Minted(Arc<SigningKey>),
    /// An outside authorization server makes one that says nothing.
    Opaque(usize),
}

/// The issuer of [`Credential::Minted`].
pub const MINT: &str = "https://mint.example";

impl Credential {
    /// A bearer for the tenant with this issuer.
    pub async fn bearer(&mut self, http: &reqwest::Client, iss: &str) -> Result<String, String> {
        let grant = ("grant_type", "client_credentials");
        match self {
            Self::Bearer(bearer) => Ok(bearer.clone()),
            Self::Secret(id, secret, n) => {
                *n += 1;
                let (id, secret) = (*id, secret.as_str());
                match n.is_multiple_of(2) {
                    true => token(http, iss, &[grant], Some((id, secret))).await,
                    false => {
                        token(http, iss, &[grant, ("client_id", id), ("client_secret", secret)], None).await
                    }
                }
            }
            Self::Assertion(id, key) => {
                let assertion = claims(id, id, iss).to_string();
                let assertion = sign_compact(key, "JWT", assertion.as_bytes()).unwrap();
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let pairs = [grant, ("client_assertion_type", kind), ("client_assertion", &assertion)];
                token(http, iss, &pairs, None).await
            }
            Self::Minted(key) => Ok(minted(key, MINT, iss)),
            Self::Opaque(n) => {
                // Another one each time: what was said of one is kept for a while.
                *n += 1;
                Ok(format!("opaque-{n}"))
            }
        }
    }
}

async fn token(
    http: &reqwest::Client,
    iss: &str,
    pairs: &[(&str, &str)],
    basic: Option<(&str, &str)>,
) -> Result<String, String> {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let mut request = http.post(format!("{iss}/oauth/token"));
    request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    if let Some((id, secret)) = basic {
        request = request.basic_auth(id, Some(secret));
    }
    let answer = request.send().await.map_err(|e| format!("{e:?}"))?;
    let (status, text) = (answer.status(), answer.text().await.map_err(|e| format!("{e:?}"))?);
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    answer["access_token"].as_str().map(Into::into).ok_or_else(|| format!("{status}: {text}"))
}
