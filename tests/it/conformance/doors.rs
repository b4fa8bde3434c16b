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
        let other = "/.well-known/ssf-configuration/t/y";
        let reply = match path {
            _ if path == other && self.goes_wrong("one document for all") => (200, self.metadata()),
            _ if path == other => (200, self.other_metadata()),
            "/.well-known/oauth-authorization-server/t/x" => {
                (200, json!({ "issuer": self.issuer, "token_endpoint": format!("{}/token", self.base) }))
            }
            "/.well-known/oauth-protected-resource/t/x" => {
                (200, json!({ "resource": self.issuer, "authorization_servers": [self.issuer] }))
            }
            "/.well-known/ssf-configuration/t/x"
                if method == Method::GET || self.goes_wrong("metadata by POST") =>
            {
                (200, self.metadata())
            }
            "/.well-known/ssf-configuration/t/x" => (405, json!({})),
            "/jwks" => {
                let key = if self.goes_wrong("signs ES256") { &self.other_key } else { &self.key };
                let mut key = Value::Object(key.public_jwk().clone());
                if self.goes_wrong("private key") {
                    key["d"] = json!("x");
                }
                (200, json!({ "keys": [key] }))
            }
            p if p.starts_with("/.well-known/") => {
                let old = p.contains("risc-configuration") && self.goes_wrong("the document of old");
                (if old || self.goes_wrong("any issuer") { 200 } else { 404 }, json!({ "error": "no" }))
            }
            _ => return None,
        };
        let text = self.goes_wrong("metadata as text");
        Some(respond(reply, if text { "text/plain" } else { "application/json" }))
    }

    /// Gives out tokens to the client `a`.
    fn token(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let basic =
            format!("Basic {}", base64("a:secret-of-a")) == field && !self.goes_wrong("takes no Basic");
        let post = form.get("client_id").zip(form.get("client_secret"))
            == Some((&"a".to_string(), &"secret-of-a".to_string()));
        if self.goes_wrong("gives no token") || !(basic || post) {
            return respond((401, json!({ "error": "invalid_client" })), "application/json");
        }
        let reads = form.get("scope").is_some_and(|scope| scope == "ssf.read");
        let mut answer = json!({
            "access_token": if reads { "token-to-read" } else { "token-of-a" }, "token_type": "Bearer",
            "expires_in": 3600, "scope": form.get("scope"),
        });
        match self.wrong() {
            "token for a day" => answer["expires_in"] = json!(86_400),
            "scopes of its own" => answer["scope"] = json!("streams"),
            _ => {}
        }
        respond((200, answer), "application/json")
    }

    fn who(&self, headers: &HeaderMap, query: &HashMap<String, String>) -> Option<(&'static str, bool)> {
        let field = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let token = field.strip_prefix("Bearer ").unwrap_or_default();
        match token {
            "token-of-a" => Some(("a", true)),
            "token-of-b" => Some(("b", true)),
            "token-to-read" => Some(("a", self.goes_wrong("reads are writes"))),
            "" if self.goes_wrong("free for all") => Some(("a", true)),
            _ if self.goes_wrong("takes longer tokens") && token.starts_with("token-of-a") => {
                Some(("a", true))
            }
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
    if path == "/token" {
        return me.token(&headers, &body);
    }
    let polls_free = path.starts_with("/poll/") && me.goes_wrong("polls are free");
    let who = me.who(&headers, &query).or(polls_free.then_some(("a", true)));
    let Some((who, writes)) = who else {
        let garbage = headers.contains_key("authorization") && me.goes_wrong("garbage is 400");
        let status = if garbage { 400 } else { 401 };
        let mut response = respond((status, json!({ "error": "invalid_token" })), "application/json");
        if !me.goes_wrong("no challenge") {
            response
                .headers_mut()
                .insert("www-authenticate", HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        return response;
    };
    if !writes && (method != Method::GET || me.goes_wrong("a reader reads nothing")) {
        let mut response = respond((403, json!({})), "application/json");
        if !me.goes_wrong("403 says nothing") {
            response
                .headers_mut()
                .insert("www-authenticate", HeaderValue::from_static("Bearer error=\"insufficient_scope\""));
        }
        return response;
    }
    if me.goes_wrong("offers no subjects") && path.starts_with("/ssf/subjects") {
        return respond((404, json!({})), "application/json");
    }
    let parsed: Option<Value> = serde_json::from_slice(&body).ok().filter(Value::is_object);
    let needs_body = !matches!(method, Method::GET | Method::DELETE);
    let broken =
        needs_body && parsed.is_none() && !me.goes_wrong("takes any body") && !me.goes_wrong("any poll");
    let body = parsed.unwrap_or_default();
    let reply = match path.strip_prefix("/poll/") {
        Some(_) if method != Method::POST && me.goes_wrong("polls by GET") => (200, json!({ "sets": {} })),
        Some(_) if method != Method::POST => (405, json!({})),
        _ if broken => (400, json!({})),
        Some(id) => me.poll(id, who, &body).await,
        None => me.manage(&method, &path, &query, &body, who),
    };
    let text = me.goes_wrong("polls as text") && path.starts_with("/poll/");
    let mut response = respond(reply, if text { "text/plain" } else { "application/json" });
    if me.goes_wrong("may be stored") {
        response.headers_mut().remove("cache-control");
    }
    response
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Pushes what is due, again after 503.
pub async fn deliver(me: Arc<Scripted>) {
    loop {
        me.look_after();
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
            let mut request = me.http.post(&url).header("content-type", content_type);
            if !me.goes_wrong("pushes without accept") {
                request = request.header("accept", "application/json");
            }
            let compact = if me.goes_wrong("pushes in quotes") { format!("\"{compact}\"") } else { compact };
            let field = if me.goes_wrong("pushes an authorization of its own") {
                Some("Bearer x".into())
            } else {
                field
            };
            if let Some(field) = field.filter(|_| !me.goes_wrong("pushes without authorization")) {
                request = request.header("authorization", field);
            }
            let answer = request.body(compact).send().await;
            let status = answer.as_ref().map_or(503, |a| a.status().as_u16());
            let kind = answer.ok().and_then(|a| a.headers().get("content-type").cloned());
            if kind.is_some_and(|kind| kind == "text/html") && me.goes_wrong("gives up on a page") {
                return;
            }
            if status == 202 && me.goes_wrong("idle: a push counts") {
                me.with(|world| {
                    let pushed = world.streams.iter_mut().filter(|s| s.id == id);
                    pushed.for_each(|s| s.seen = ssf_hub::clock::Stopwatch::start());
                });
            }
            let again = status == 503 || (me.goes_wrong("pushes twice") && status == 202);
            if !again {
                me.with(|world| world.streams.iter_mut().filter(|s| s.id == id).for_each(|s| s.done(&jti)));
            } else if !me.goes_wrong("pushes twice") && !me.goes_wrong("pushes again at once") {
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
