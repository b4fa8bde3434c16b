//! The IdP: signs access tokens and SETs, serves its keys, pushes SETs to the hub (RFC 8935).
//!
//! Its key is made at start and is forgotten with the process.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::cast::{HUMAN, SESSION};
use super::peers::{Peers, bearing};
use crate::clock::{OsChance, random_secret};
use crate::jose::{Alg, SigningKey, sign_compact};

/// CAEP 1.0, 3.1.
pub const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
/// SSF 1.0, 8.1.4.
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// The IdP.
pub struct Idp {
    peers: Peers,
    key: Arc<SigningKey>,
    iss: String,
}

/// Where SETs go: an upstream's path at the hub, and the bearer that belongs to it.
#[derive(Clone, Debug)]
pub struct PushTo {
    /// The path.
    pub url: String,
    /// The bearer.
    pub bearer: String,
    /// The hub's name there.
    pub aud: String,
}

/// A SET about to go out.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Signed.
    pub compact: String,
    /// Its name at the IdP.
    pub jti: String,
    /// The cause.
    pub txn: String,
    /// Whom it is about.
    pub sub_id: Value,
}

impl Idp {
    /// Makes a key and serves it.
    pub async fn start(peers: &Peers) -> anyhow::Result<Self> {
        let key = Arc::new(SigningKey::generate(Alg::ES256)?);
        let jwks = json!({ "keys": [key.public_jwk()] }).to_string();
        let json = [(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"))];
        let router = Router::new().route("/jwks.json", get(async move || (json, jwks)));
        let at = peers.serve("demo idp", router).await?;
        Ok(Self { peers: peers.clone(), key, iss: format!("http://{at}") })
    }

    /// Its `iss`.
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// Where its keys are.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks.json", self.iss)
    }

    /// An access token (RFC 9068).
    pub fn access_token(&self, claims: &Value) -> anyhow::Result<String> {
        Ok(sign_compact(&self.key, "at+jwt", claims.to_string().as_bytes())?)
    }

    /// The verification event of a stream (SSF 1.0, 8.1.4): carries nothing, shows that the way is open.
    pub fn verification(&self, to: &PushTo) -> anyhow::Result<Signal> {
        let stream = json!({ "format": "opaque", "id": "to-the-hub" });
        self.signal(to, stream, VERIFICATION, json!({ "state": random_secret(&OsChance) }))
    }

    /// The person logged out: an ordinary `session-revoked` (CAEP 1.0, 3.1) of one session.
    pub fn session_revoked(&self, to: &PushTo) -> anyhow::Result<Signal> {
        let sub_id = json!({
            "format": "complex",
            "user": { "format": "iss_sub", "iss": self.iss, "sub": HUMAN },
            "session": { "format": "opaque", "id": SESSION },
        });
        let event = json!({
            "event_timestamp": self.peers.wall_ms() / 1000,
            "initiating_entity": "user",
            "reason_user": { "en": "Signed out" },
        });
        self.signal(to, sub_id, SESSION_REVOKED, event)
    }

    fn signal(&self, to: &PushTo, sub_id: Value, uri: &str, event: Value) -> anyhow::Result<Signal> {
        let (jti, txn) = (random_secret(&OsChance), random_secret(&OsChance));
        let claims = json!({
            "iss": self.iss,
            "aud": to.aud,
            "iat": self.peers.wall_ms() / 1000,
            "jti": jti,
            "txn": txn,
            "sub_id": sub_id,
            "events": { uri: event },
        });
        let compact = sign_compact(&self.key, "secevent+jwt", claims.to_string().as_bytes())?;
        Ok(Signal { compact, jti, txn, sub_id })
    }

    /// Pushes a SET and waits for the 202 (RFC 8935, 2.2): the hub has it, durably.
    pub async fn push(&self, to: &PushTo, signal: &Signal) -> anyhow::Result<()> {
        let mut headers = bearing(AUTHORIZATION, &to.bearer)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = signal.compact.clone().into_bytes();
        let answer = self.peers.send(Method::POST, &to.url, headers, body, None).await?;
        let said = String::from_utf8_lossy(&answer.body);
        anyhow::ensure!(answer.status == 202, "the hub answered the SET with {}: {said}", answer.status);
        Ok(())
    }
}
