//! Access tokens over real HTTP: the poll endpoint as the protected resource, the built-in authorization server, outside
//! ones.
//!
//! - [`header`]: how a token may come, what a refusal says, other people's streams · [`builtin`]: tokens asked for and
//!   used · [`forged`]: tokens that are none · [`assertion`]: `private_key_jwt` · [`revoked`]: what is taken back stays so
//! - [`held`]: rights that are taken away while a body is on its way
//! - [`operators`]: secrets and long-lived tokens, made and rotated · [`outside`]: other authorization servers

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use serde_json::{Value, json};
use ssf_hub::app::serve::Runtime;
use ssf_hub::clock::{Clock, System};

use super::hub::{Hub, Setup};

mod assertion;
mod builtin;
mod forged;
mod header;
mod held;
mod operators;
mod outside;
mod revoked;

/// The machine's clocks, both shifted.
#[derive(Default)]
pub struct Shifted {
    by_ms: AtomicI64,
    held: OnceLock<(i64, i64)>,
}

impl Shifted {
    pub fn by_s(&self, s: i64) {
        self.by_ms.store(s * 1000, Ordering::Relaxed);
    }

    /// They stand still from now on, but for what they are shifted by.
    pub fn hold(&self) {
        self.held.get_or_init(|| (System.wall_ms(), System.boot_ms()));
    }
}

impl Clock for Shifted {
    fn wall_ms(&self) -> i64 {
        let now = self.held.get().map_or_else(|| System.wall_ms(), |(wall, _)| *wall);
        now + self.by_ms.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        let now = self.held.get().map_or_else(|| System.boot_ms(), |(_, boot)| *boot);
        now + self.by_ms.load(Ordering::Relaxed)
    }
}

/// A hub whose clocks the test shifts.
pub async fn shifted() -> (Hub, Arc<Shifted>) {
    shifted_with("").await
}

/// The same, with more lines of configuration.
pub async fn shifted_with(more: &str) -> (Hub, Arc<Shifted>) {
    let clock = Arc::new(Shifted::default());
    let runtime = Runtime { clock: clock.clone(), ..Runtime::default() };
    (Hub::start_as(Setup { runtime, ..Setup::with(more) }).await, clock)
}

/// An answer: status, header fields, body.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Got {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default()
    }

    /// Status and `error` of the challenge.
    fn refusal(&self) -> (u16, &str) {
        let challenge = self.header("www-authenticate");
        let error = challenge.split_once("error=\"").and_then(|(_, rest)| rest.split('"').next());
        (self.status, error.unwrap_or_default())
    }

    /// Status and `error` of the body.
    fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }
}

/// A receiver with one secret and one stream to poll, both of its name.
async fn receiver(hub: &Hub, id: &str, more: Value) -> String {
    let mut receiver = json!({ "new_secret": true });
    receiver.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = hub.put("default", "clients", id, json!({ "receiver": receiver })).await;
    let stream = json!({ "client": id, "method": "poll", "aud": [id], "events_requested": ["*"] });
    hub.put("default", "streams", id, stream).await;
    made["secret"].as_str().unwrap().to_string()
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    form.finish()
}

/// A request to the built-in authorization server.
fn oauth(hub: &Hub, endpoint: &str, pairs: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let request = hub.http.post(format!("{}/oauth/{endpoint}", hub.iss("default")));
    request.header("content-type", "application/x-www-form-urlencoded").body(form(pairs))
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A token by `client_secret_basic`.
async fn token(hub: &Hub, id: &str, secret: &str) -> String {
    let got = Got::of(oauth(hub, "token", &[GRANT]).basic_auth(id, Some(secret))).await;
    assert_eq!(got.status, 200, "{}", got.body);
    got.body["access_token"].as_str().unwrap().to_string()
}

/// Polls a stream with a token; an empty answer where it may.
async fn poll(hub: &Hub, stream: &str, token: &str) -> Got {
    let url = format!("{}/poll/{stream}", hub.iss("default"));
    let request = hub.http.post(url).bearer_auth(token).header("content-type", "application/json");
    Got::of(request.body(r#"{"returnImmediately":true}"#)).await
}
