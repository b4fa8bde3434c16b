//! The doors of the scripted transmitter: who is let in, what goes where, and its pushes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::scripted::{Reply, Scripted};

impl Scripted {
    fn open(&self, method: &Method, path: &str) -> Option<Response> {
        let reply = match path {
            "/.well-known/ssf-configuration/t/x"
                if method == Method::GET || self.goes_wrong("metadata by POST") =>
            {
                (200, self.metadata())
            }
            "/.well-known/ssf-configuration/t/x" => (405, json!({})),
            "/jwks" => {
                let mut key = Value::Object(self.key.public_jwk().clone());
                if self.goes_wrong("private key") {
                    key["d"] = json!("x");
                }
                (200, json!({ "keys": [key] }))
            }
            p if p.starts_with("/.well-known/") => {
                (if self.goes_wrong("any issuer") { 200 } else { 404 }, json!({ "error": "no" }))
            }
            _ => return None,
        };
        let text = self.goes_wrong("metadata as text");
        Some(respond(reply, if text { "text/plain" } else { "application/json" }))
    }

    fn who(&self, headers: &HeaderMap, query: &HashMap<String, String>) -> Option<(&'static str, bool)> {
        let field = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let token = field.strip_prefix("Bearer ").unwrap_or_default();
        match token {
            "token-of-a" => Some(("a", true)),
            "token-of-b" => Some(("b", true)),
            "token-to-read" => Some(("a", self.goes_wrong("reads are writes"))),
            _ if self.goes_wrong("a SET is a token") && token.split('.').count() == 3 => Some(("a", true)),
            _ if self.goes_wrong("query token") && query.contains_key("access_token") => Some(("a", true)),
            _ if self.goes_wrong("reads are free") && token.is_empty() => Some(("a", false)),
            _ => None,
        }
    }
}

fn respond((status, body): Reply, content_type: &'static str) -> Response {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("content-type", content_type), ("cache-control", "no-store")];
    (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
}

pub async fn handle(
    State(me): State<Arc<Scripted>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_string();
    if let Some(open) = me.open(&method, &path) {
        return open;
    }
    let url = url::Url::parse(&format!("http://x{uri}")).unwrap();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let Some((who, writes)) = me.who(&headers, &query) else {
        let mut response = respond((401, json!({ "error": "invalid_token" })), "application/json");
        if !me.goes_wrong("no challenge") {
            response
                .headers_mut()
                .insert("www-authenticate", HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        return response;
    };
    if !writes && method != Method::GET {
        let mut response = respond((403, json!({})), "application/json");
        response
            .headers_mut()
            .insert("www-authenticate", HeaderValue::from_static("Bearer error=\"insufficient_scope\""));
        return response;
    }
    let parsed: Option<Value> = serde_json::from_slice(&body).ok().filter(Value::is_object);
    let needs_body = !matches!(method, Method::GET | Method::DELETE);
    let broken =
        needs_body && parsed.is_none() && !me.goes_wrong("takes any body") && !me.goes_wrong("any poll");
    let body = parsed.unwrap_or_default();
    let reply = match path.strip_prefix("/poll/") {
        Some(_) if method != Method::POST => (405, json!({})),
        _ if broken => (400, json!({})),
        Some(id) => me.poll(id, who, &body).await,
        None => me.manage(&method, &path, &query, &body, who),
    };
    respond(reply, "application/json")
}

/// Pushes what is due, again after 503.
pub async fn deliver(me: Arc<Scripted>) {
    loop {
        let due = me.with(|world| {
            world
                .streams
                .iter()
                .filter_map(|s| Some((s.id.clone(), s.push.clone()?, s.next()?)))
                .collect::<Vec<_>>()
        });
        for (id, (url, field), (jti, compact)) in due {
            let content_type =
                if me.goes_wrong("pushes JSON") { "application/json" } else { "application/secevent+jwt" };
            let mut request =
                me.http.post(&url).header("content-type", content_type).header("accept", "application/json");
            let field = if me.goes_wrong("pushes an authorization of its own") {
                Some("Bearer x".into())
            } else {
                field
            };
            if let Some(field) = field.filter(|_| !me.goes_wrong("pushes without authorization")) {
                request = request.header("authorization", field);
            }
            let status = request.body(compact).send().await.map_or(503, |a| a.status().as_u16());
            let again = status == 503 || (me.goes_wrong("pushes twice") && status == 202);
            if !again {
                me.with(|world| world.streams.iter_mut().filter(|s| s.id == id).for_each(|s| s.done(&jti)));
            } else if !me.goes_wrong("pushes twice") {
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
