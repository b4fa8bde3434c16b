//! Bad input at every door: each kind is one row of a table (input, status, state digest and last entry of every tenant
//! unchanged). What is a SET at the push door is data, in `conformance/receiver.json`; the clock, the disk and the mirror
//! are in `power`.
//!
//! - [`doors`]: bearers, methods, paths, other people's streams · [`gate`]: points and tokens
//! - [`bodies`]: no JSON, no object, too deep, too large · [`slow`]: a body that never ends
//! - [`facts`], [`acts`], [`objects`]: what is well formed and wrong · [`secrets`]: a refused command changes no file
//! - [`keys`]: key sets that hang, flood or lead inside · [`beyond`]: an upstream beyond its authority
//! - [`specified`]: each 4xx that the specifications name for streams and polling

use http::HeaderMap;
use serde_json::{Value, json};

use super::hub::Hub;

mod acts;
mod beyond;
mod bodies;
mod doors;
mod facts;
mod gate;
mod keys;
mod objects;
mod secrets;
mod slow;
mod specified;

/// Tenants whose marks are held against each other.
const TENANTS: [&str; 2] = ["_hub", "default"];

/// A request, and the status that it must get.
#[derive(Clone)]
struct Row {
    what: String,
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    want: u16,
}

impl Row {
    fn new(what: impl Into<String>, method: &'static str, url: impl Into<String>, want: u16) -> Self {
        let (what, url) = (what.into(), url.into());
        Self { what, method, url, headers: vec![], body: String::new(), want }
    }

    fn bearer(self, bearer: &str) -> Self {
        self.header("authorization", format!("Bearer {bearer}"))
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self.header("content-type", "application/json") }
    }

    fn json(self, body: Value) -> Self {
        self.body(body.to_string())
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

async fn send(hub: &Hub, row: &Row) -> Answer {
    let method = reqwest::Method::from_bytes(row.method.as_bytes()).unwrap();
    let mut request = hub.http.request(method, &row.url).body(row.body.clone());
    for (name, value) in &row.headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await.unwrap_or_else(|e| panic!("{}: {e:?}", row.what));
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

async fn marks(hub: &Hub) -> Vec<(String, u64)> {
    let mut marks = vec![];
    for tenant in TENANTS {
        marks.push(hub.mark(tenant).await);
    }
    marks
}

/// What the problem says; empty where it is none.
fn detail(answer: &Answer) -> &str {
    answer.body["detail"].as_str().unwrap_or_default()
}

/// Sends every row. Each must get its status, say why in the form of its door, and change nothing; all that came out
/// otherwise are named at the end.
async fn refused(hub: &Hub, rows: &[Row]) {
    let (before, mut wrong) = (marks(hub).await, vec![]);
    for row in rows {
        let answer = send(hub, row).await;
        if answer.status != row.want {
            wrong.push(format!("{}: wanted {}, got {} {}", row.what, row.want, answer.status, answer.body));
        }
        let kind = answer.headers.get("content-type").map(|v| v.to_str().unwrap().to_string());
        let explained = match answer.status {
            // The router's own answers have no body; the gate's have none either.
            400 | 401 | 409 | 413 if kind.as_deref() == Some("application/problem+json") => {
                !detail(&answer).is_empty()
            }
            400 | 409 => false,
            _ => true,
        };
        if !explained {
            wrong.push(format!("{}: {} says nothing: {kind:?} {}", row.what, answer.status, answer.body));
        }
        if answer.status == 401 && !answer.headers.contains_key("www-authenticate") {
            wrong.push(format!("{}: 401 without WWW-Authenticate", row.what));
        }
        let now = marks(hub).await;
        if now != before {
            wrong.push(format!("{}: changed the state: {before:?} {now:?}", row.what));
            break;
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// A hub with a client that tells facts and polls the stream `s`; returns its bearer.
async fn hub_with_client() -> (Hub, String) {
    let hub = Hub::start().await;
    let bearer = hub.client("default", "broker", true).await;
    let stream = json!({ "client": "broker", "method": "poll", "aud": ["r"], "events_requested": ["*"] });
    hub.put("default", "streams", "s", stream).await;
    (hub, bearer)
}
