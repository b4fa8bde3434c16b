//! A transmitter's modules as the OpenID Foundation's conformance suite goes through them: every one begins with discovery,
//! a token, and the deletion of the first stream that there is, and then asks for what it is about. Each way to get a
//! token, push and poll. What it asks about TLS and https is in `tls` and `conformance`.

use serde_json::{Value, json};
use ssf_hub::clock::{OsChance, random};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::hub::{Hub, until};
use super::peers::{PushReceiver, claims_of, now_s};

const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
/// A secret that form encoding changes.
const SECRET: &str = "a secret+with/odd:characters%41";
const HEADER: &str = "Bearer of-the-sink";

/// How the suite gets its token.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Static,
    Basic,
    Post,
    Assertion,
}

/// An answer: status, header fields, body.
struct Got(u16, http::HeaderMap, Value);

struct Suite<'a> {
    hub: &'a Hub,
    key: SigningKey,
    way: Way,
    method: &'static str,
    sink: PushReceiver,
    metadata: Value,
    token: String,
}

impl<'a> Suite<'a> {
    async fn new(hub: &'a Hub, way: Way, method: &'static str) -> Self {
        let key = SigningKey::generate(Alg::ES256).unwrap();
        let hash = ssf_hub::keys::hash_secret;
        let receiver = json!({
            "secrets": [{ "sha256": hash(SECRET) }], "jwks": { "inline": { "keys": [key.public_jwk()] } },
            "tokens": [{ "id": "long", "sha256": hash("a-static-token-0123456789"), "expires_at": now_s() + 3600 }],
            "aud": ["https://suite.example"], "dialect": "caep_interop", "streams_max": 4,
        });
        hub.put("default", "clients", "suite", json!({ "receiver": receiver })).await;
        let (metadata, token) = (Value::Null, String::new());
        Self { hub, key, way, method, sink: PushReceiver::start().await, metadata, token }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let answer = request.header("accept", "application/json").send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let kind = headers.get("content-type").map_or("", |v| v.to_str().unwrap());
        // What calls itself JSON is JSON, errors as well: else a module of the suite dies.
        let body = if text.is_empty() || !kind.contains("json") {
            json!(text)
        } else {
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{kind}: {e}: {text}"))
        };
        Got(status, headers, body)
    }

    async fn call_as(&self, token: &str, method: &str, url: &str, body: Option<&str>) -> Got {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.hub.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.send(request).await
    }

    async fn call(&self, method: &str, url: &str, body: Option<Value>) -> Got {
        self.call_as(&self.token, method, url, body.map(|b| b.to_string()).as_deref()).await
    }

    fn at(&self, endpoint: &str) -> String {
        self.metadata[endpoint].as_str().unwrap().into()
    }

    /// The stream's configuration, by its id.
    fn of(&self, stream: &Value) -> String {
        format!("{}?stream_id={}", self.at("configuration_endpoint"), stream["stream_id"].as_str().unwrap())
    }

    /// How every module begins.
    async fn begin(&mut self) {
        let url = format!("{}/.well-known/ssf-configuration/t/default", self.hub.public);
        let Got(status, headers, metadata) = self.send(self.hub.http.get(url)).await;
        assert_eq!((status, &headers["content-type"]), (200, &"application/json".parse().unwrap()));
        assert_eq!(
            (&metadata["issuer"], &metadata["spec_version"]),
            (&json!(self.hub.iss("default")), &json!("1_0"))
        );
        assert_eq!(metadata["authorization_schemes"], json!([{ "spec_urn": "urn:ietf:rfc:6749" }]));
        assert!(metadata["delivery_methods_supported"].is_array());
        self.metadata = metadata;
        self.token = self.token_by(self.way).await;
        let Got(status, _, all) = self.call("GET", &self.at("configuration_endpoint"), None).await;
        assert_eq!(status, 200, "{all}");
        if let Some(first) = all.as_array().unwrap().first() {
            assert_eq!(self.call("DELETE", &self.of(first), None).await.0, 204);
        }
    }

    async fn token_by(&self, way: Way) -> String {
        if way == Way::Static {
            return "a-static-token-0123456789".into();
        }
        let server = format!("{}/.well-known/oauth-authorization-server/t/default", self.hub.public);
        let endpoint =
            self.send(self.hub.http.get(server)).await.2["token_endpoint"].as_str().unwrap().to_string();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        // The scope is left out; the client is named in the body beside Basic as well.
        form.append_pair("grant_type", "client_credentials").append_pair("client_id", "suite");
        let mut request =
            self.hub.http.post(&endpoint).header("content-type", "application/x-www-form-urlencoded");
        match way {
            Way::Basic => {
                let encode =
                    |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                request = request.basic_auth(encode("suite"), Some(encode(SECRET)));
            }
            Way::Post => drop(form.append_pair("client_secret", SECRET)),
            _ => {
                let (jti, now) = (format!("{:?}", random::<8>(&OsChance)), now_s());
                let claims = json!({ "iss": "suite", "sub": "suite", "aud": endpoint, "jti": jti,
                    "nbf": now, "iat": now, "exp": now + 60 });
                let assertion = sign_compact(&self.key, "JWT", claims.to_string().as_bytes()).unwrap();
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.append_pair("client_assertion_type", kind).append_pair("client_assertion", &assertion);
            }
        }
        let Got(status, _, answer) = self.send(request.body(form.finish())).await;
        assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")), "{way:?}: {answer}");
        assert!(answer["expires_in"].as_u64().unwrap() <= 3600);
        answer["access_token"].as_str().unwrap().into()
    }

    fn delivery(&self) -> Value {
        match self.method {
            PUSH => json!({ "method": PUSH, "endpoint_url": self.sink.url, "authorization_header": HEADER }),
            _ => json!({ "method": POLL }),
        }
    }

    fn wish(&self) -> Value {
        let types = ["session-revoked", "credential-change", "device-compliance-change"]
            .map(|t| format!("{CAEP}{t}"));
        json!({ "description": "made by the suite", "events_requested": types, "delivery": self.delivery() })
    }

    async fn create(&self) -> Value {
        let Got(status, headers, stream) =
            self.call("POST", &self.at("configuration_endpoint"), Some(self.wish())).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (201, &"application/json".parse().unwrap()),
            "{stream}"
        );
        for member in ["stream_id", "iss", "aud", "events_delivered", "delivery"] {
            assert!(!stream[member].is_null(), "{member}: {stream}");
        }
        assert_eq!(
            (&stream["iss"], &stream["delivery"]["method"]),
            (&self.metadata["issuer"], &json!(self.method))
        );
        let supported = stream["events_supported"].as_array().unwrap();
        let standard =
            |uri: &Value| uri.as_str().unwrap().starts_with("https://schemas.openid.net/secevent/");
        assert!(!supported.is_empty() && supported.iter().all(standard), "{supported:?}");
        assert!(stream["min_verification_interval"].as_u64().unwrap() <= 120);
        stream
    }

    /// Polls as the suite does; what came, by `jti`.
    async fn poll(&self, stream: &Value, body: Value) -> Vec<(String, Value)> {
        let Got(status, _, answer) =
            self.call("POST", stream["delivery"]["endpoint_url"].as_str().unwrap(), Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        let sets = answer["sets"].as_object().unwrap().iter();
        sets.map(|(jti, compact)| (jti.clone(), claims_of(compact.as_str().unwrap()))).collect()
    }

    /// The claims of what came until now.
    async fn came(&self, stream: &Value) -> Vec<Value> {
        match self.method {
            PUSH => self.sink.got().into_iter().map(|got| got.claims).collect(),
            _ => {
                let sets = self.poll(stream, json!({ "maxEvents": 10, "returnImmediately": true })).await;
                sets.into_iter().map(|(_, claims)| claims).collect()
            }
        }
    }

    /// Waits for a SET of this type on the stream.
    async fn arrives(&self, stream: &Value, uri: &str) -> Value {
        let of = |all: Vec<Value>| {
            all.into_iter()
                .find(|c| c["aud"].is_string() && !c["events"][uri].is_null() && is_for(c, stream, uri))
        };
        until(uri, 20, || async { of(self.came(stream).await).is_some() }).await;
        let claims = of(self.came(stream).await).unwrap();
        assert_eq!((&claims["iss"], &claims["aud"]), (&stream["iss"], &json!("https://suite.example")));
        assert!(claims.get("sub").is_none() && claims.get("exp").is_none());
        assert!(
            claims["iat"].as_i64().unwrap() <= now_s() && claims["events"].as_object().unwrap().len() == 1
        );
        claims
    }

    async fn verify(&self, stream: &Value, state: &str) {
        let body = json!({ "stream_id": stream["stream_id"], "state": state });
        let Got(status, _, said) = self.call("POST", &self.at("verification_endpoint"), Some(body)).await;
        // Nobody waits before the first request of a stream, though the client asked for others a moment ago.
        assert_eq!(status, 204, "{said}");
    }
}

/// Whether a verification event is that of this stream; everything else is.
fn is_for(claims: &Value, stream: &Value, uri: &str) -> bool {
    uri != VERIFICATION || claims["sub_id"] == json!({ "format": "opaque", "id": stream["stream_id"] })
}

/// What is asked of one plan: its modules, one after the other.
async fn plan(way: Way, method: &'static str) {
    let hub = Hub::start().await;
    let mut suite = Suite::new(&hub, way, method).await;
    created_read_changed_and_deleted(&mut suite).await;
    refused(&mut suite).await;
    status_and_subjects(&mut suite).await;
    verified(&mut suite).await;
    interop_events(&mut suite).await;
    hub.stop().await;
}

async fn created_read_changed_and_deleted(suite: &mut Suite<'_>) {
    suite.begin().await;
    let stream = suite.create().await;
    let Got(status, _, read) = suite.call("GET", &suite.of(&stream), None).await;
    assert_eq!((status, &read), (200, &stream));
    for method in ["PATCH", "PUT"] {
        let mut wish = suite.wish();
        (wish["stream_id"], wish["description"]) =
            (stream["stream_id"].clone(), json!(format!("by {method}")));
        let Got(status, _, changed) =
            suite.call(method, &suite.at("configuration_endpoint"), Some(wish)).await;
        assert_eq!((status, &changed["iss"]), (200, &stream["iss"]), "{changed}");
        assert_eq!(changed["description"], format!("by {method}"));
        assert_eq!(changed["delivery"], stream["delivery"], "a poll URL is kept, a push URL is its own");
    }
    let second = suite.call("POST", &suite.at("configuration_endpoint"), Some(suite.wish())).await;
    assert!(matches!(second.0, 201 | 409));
    assert_eq!(suite.call("DELETE", &suite.of(&stream), None).await.0, 204);
    for (method, body) in [("GET", None), ("DELETE", None), ("PATCH", Some(())), ("PUT", Some(()))] {
        let mut wish = suite.wish();
        wish["stream_id"] = stream["stream_id"].clone();
        let url = if body.is_some() { suite.at("configuration_endpoint") } else { suite.of(&stream) };
        let got = suite.call(method, &url, body.map(|()| wish)).await;
        assert_eq!(got.0, 404, "{method}: {}", got.2);
    }
}

/// The token that the suite makes up has a colon in it, and comes with bodies that name no stream, and with the id of one
/// that is gone.
async fn refused(suite: &mut Suite<'_>) {
    suite.begin().await;
    let gone = suite.create().await;
    assert_eq!(suite.call("DELETE", &suite.of(&gone), None).await.0, 204);
    let (url, nobody) = (suite.at("configuration_endpoint"), "invalid:1b671a64-40d5-491e-99b0-da01ff1f3341");
    let wish = suite.wish().to_string();
    for (method, url, body) in [
        ("POST", url.clone(), Some(wish.as_str())),
        ("GET", suite.of(&gone), None),
        ("PATCH", url.clone(), Some(wish.as_str())),
        ("PUT", url.clone(), Some(wish.as_str())),
        ("DELETE", suite.of(&gone), None),
    ] {
        let Got(status, headers, body) = suite.call_as(nobody, method, &url, body).await;
        assert_eq!(status, 401, "{method}: {body}");
        assert!(headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
    for method in ["POST", "PATCH", "PUT"] {
        assert_eq!(suite.call_as(&suite.token, method, &url, Some(";{ broken")).await.0, 400, "{method}");
    }
}

async fn status_and_subjects(suite: &mut Suite<'_>) {
    suite.begin().await;
    let stream = suite.create().await;
    let id = &stream["stream_id"];
    let subject = json!({ "format": "email", "email": "suite@example.com" });
    let add = json!({ "stream_id": id, "subject": subject, "verified": true });
    assert_eq!(suite.call("POST", &suite.at("add_subject_endpoint"), Some(add)).await.0, 200);
    let remove = json!({ "stream_id": id, "subject": subject });
    assert_eq!(suite.call("POST", &suite.at("remove_subject_endpoint"), Some(remove)).await.0, 204);
    let url = format!("{}?stream_id={}", suite.at("status_endpoint"), id.as_str().unwrap());
    assert_eq!(suite.call("GET", &url, None).await.2["status"], "enabled");
    for status in ["enabled", "paused", "disabled"] {
        let body = json!({ "stream_id": id, "status": status, "reason": "the suite says so" });
        let Got(code, _, answer) = suite.call("POST", &url, Some(body)).await;
        assert_eq!((code, &answer["status"]), (200, &json!(status)), "{answer}");
    }
    assert_eq!(suite.call("DELETE", &suite.of(&stream), None).await.0, 204);
}

async fn verified(suite: &mut Suite<'_>) {
    suite.begin().await;
    let stream = suite.create().await;
    suite.verify(&stream, "first").await;
    let claims = suite.arrives(&stream, VERIFICATION).await;
    assert_eq!(claims["events"][VERIFICATION], json!({ "state": "first" }));
    if suite.method == PUSH {
        assert!(suite.sink.got().iter().all(|got| got.authorization.as_deref() == Some(HEADER)));
        // The module without authorization: no field at all, from a stream of its own.
        let open = PushReceiver::start().await;
        let delivery = json!({ "method": PUSH, "endpoint_url": open.url });
        let Got(status, _, other) = suite
            .call("POST", &suite.at("configuration_endpoint"), Some(json!({ "delivery": delivery })))
            .await;
        assert_eq!(status, 201);
        suite.verify(&other, "open").await;
        assert_eq!(open.wait_for(1).await[0].authorization, None);
        return;
    }
    // Poll alone left it there; acknowledge alone takes it away; both at once bring what is next.
    let sets = suite.poll(&stream, json!({ "maxEvents": 10, "returnImmediately": true })).await;
    assert_eq!(sets.len(), 1);
    let ack = |sets: &[(String, Value)]| sets.iter().map(|(jti, _)| jti.clone()).collect::<Vec<_>>();
    let only = json!({ "maxEvents": 0, "returnImmediately": true, "ack": ack(&sets) });
    assert!(suite.poll(&stream, only).await.is_empty());
    let both = json!({ "maxEvents": 10, "returnImmediately": true, "ack": [] });
    assert!(suite.poll(&stream, both).await.is_empty(), "it does not come again");
}

/// The profile's events, said by an operator who does not know the stream: all types that are delivered arrive, and nothing
/// else does.
async fn interop_events(suite: &mut Suite<'_>) {
    suite.begin().await;
    let stream = suite.create().await;
    let events = [
        ("session-revoked", json!({})),
        ("credential-change", json!({ "credential_type": "fido2-roaming", "change_type": "create" })),
        (
            "device-compliance-change",
            json!({ "previous_status": "compliant", "current_status": "not-compliant" }),
        ),
        ("risk-level-change", json!({ "principal": "USER", "current_level": "HIGH" })),
    ];
    let subject = json!({ "format": "email", "email": "somebody@example.com" });
    for (name, event) in &events {
        let body = json!({ "type": name, "subject": subject, "event": event });
        let (status, said) = suite.hub.admin_send("POST", "/admin/v1/t/default/emit", Some(body)).await;
        assert_eq!(status, 200, "{said}");
    }
    for uri in stream["events_delivered"].as_array().unwrap() {
        let uri = uri.as_str().unwrap();
        let claims = suite.arrives(&stream, uri).await;
        assert_eq!(claims["sub_id"], subject);
        let reason = claims["events"][uri]["reason_admin"].as_object().unwrap();
        assert!(!reason.is_empty() && reason.values().all(|text| !text.as_str().unwrap().is_empty()));
    }
    let all = suite.came(&stream).await;
    let delivered = stream["events_delivered"].as_array().unwrap();
    let allowed = |claims: &Value| {
        let uri = json!(claims["events"].as_object().unwrap().keys().next().unwrap());
        uri == VERIFICATION || delivered.contains(&uri)
    };
    assert!(all.iter().all(allowed), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suites_plans_with_each_token_and_each_method() {
    tokio::join!(
        plan(Way::Static, PUSH),
        plan(Way::Static, POLL),
        plan(Way::Basic, POLL),
        plan(Way::Post, PUSH),
        plan(Way::Assertion, POLL),
    );
}
