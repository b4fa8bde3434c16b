//! An IdP that sends steadily, one SET after the other, with the bearer and the key that it has at the moment.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::super::peers::{Idp, SESSION_REVOKED, now_s};

/// Pause between two SETs: moderate, so that what follows a SET is not queued behind hundreds.
const PAUSE: Duration = Duration::from_millis(15);

/// How it sends now.
struct Now {
    idp: Idp,
    /// Signs in the place of the first one.
    key: Option<Arc<SigningKey>>,
    bearer: Option<String>,
    http: reqwest::Client,
}

pub struct Sender {
    now: Mutex<Now>,
    url: String,
    sent: AtomicUsize,
    stop: AtomicBool,
    /// Whether the hub may be away, and answer 503 on its way.
    pub patient: AtomicBool,
    refused: Mutex<Vec<String>>,
}

impl Sender {
    pub fn new(http: reqwest::Client, url: String) -> Self {
        let idp = Idp::new("https://idp.example", Alg::ES256);
        Self {
            now: Mutex::new(Now { idp, key: None, bearer: None, http }),
            url,
            sent: AtomicUsize::default(),
            stop: AtomicBool::default(),
            patient: AtomicBool::default(),
            refused: Mutex::default(),
        }
    }

    /// Its key set.
    pub fn jwks(&self) -> serde_json::Value {
        self.now.lock().unwrap().idp.jwks()
    }

    pub fn sign_with(&self, key: Arc<SigningKey>) {
        self.now.lock().unwrap().key = Some(key);
    }

    pub fn present(&self, bearer: &str) {
        self.now.lock().unwrap().bearer = Some(bearer.into());
    }

    pub fn dial_with(&self, http: reqwest::Client) {
        self.now.lock().unwrap().http = http;
    }

    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends until it is told to end.
    pub async fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let jti = format!("j{}", self.sent());
            self.send(&jti).await;
            self.sent.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One SET, until it got its 202; anything else is noted, but for a hub that may be away.
    async fn send(&self, jti: &str) {
        loop {
            let (request, set) = self.request(jti);
            let answer = request.body(set).send().await;
            let is_patient = self.patient.load(Ordering::Relaxed);
            let what = match answer {
                Ok(answer) if answer.status() == 202 => return,
                Ok(answer) if answer.status() == 503 && is_patient => None,
                Ok(answer) => Some(format!("{jti}: {} {}", answer.status(), answer.text().await.unwrap())),
                Err(_) if is_patient => None,
                Err(error) => Some(format!("{jti}: {error:?}")),
            };
            if let Some(what) = what {
                return self.refused.lock().unwrap().push(what);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn request(&self, jti: &str) -> (reqwest::RequestBuilder, String) {
        let now = self.now.lock().unwrap();
        let user =
            json!({ "format": "iss_sub", "iss": now.idp.iss, "sub": format!("user{}", self.sent() % 23) });
        let sub_id =
            json!({ "format": "complex", "user": user, "session": { "format": "opaque", "id": jti } });
        let event = json!({ "event_timestamp": now_s(), "initiating_entity": "user" });
        let claims = now.idp.claims("hub", jti, SESSION_REVOKED, sub_id, event).to_string();
        let set = sign_compact(now.key.as_deref().unwrap_or(&now.idp.key), "secevent+jwt", claims.as_bytes())
            .unwrap();
        let request = now.http.post(&self.url).header("content-type", "application/secevent+jwt");
        (if let Some(bearer) = &now.bearer { request.bearer_auth(bearer) } else { request }, set)
    }

    /// Lets it finish.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// That no SET was refused.
    pub fn check(&self) {
        let refused = self.refused.lock().unwrap();
        assert!(refused.is_empty(), "{} of {} SETs were refused: {:?}", refused.len(), self.sent(), refused);
    }
}
