//! Outside authorization servers: one whose tokens are JWTs, one that is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::sign_compact;

use super::super::hub::Hub;
use super::super::peers::{Idp, axum_serve, now_s};
use super::{Got, poll, receiver, shifted};

/// What a server says to headers and body.
type Answer = Box<dyn Fn(&HeaderMap, &str) -> (StatusCode, Value) + Send + Sync>;

/// What a peer answers, and how often it was asked.
struct Peer {
    answer: Answer,
    calls: AtomicUsize,
}

async fn answer(State(peer): State<Arc<Peer>>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    peer.calls.fetch_add(1, Ordering::Relaxed);
    // Long enough for a second request to come meanwhile.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (status, value) = (peer.answer)(&headers, &body);
    (status, value.to_string())
}

/// A peer with one URL.
pub struct Jwks {
    peer: Arc<Peer>,
    pub url: String,
    server: tokio::task::JoinHandle<()>,
}

impl Jwks {
    pub async fn start(jwks: Value) -> Self {
        Self::answering(move |_, _| (StatusCode::OK, jwks.clone())).await
    }

    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    async fn answering(
        told: impl Fn(&HeaderMap, &str) -> (StatusCode, Value) + Send + Sync + 'static,
    ) -> Self {
        let peer = Arc::new(Peer { answer: Box::new(told), calls: AtomicUsize::new(0) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", get(answer)).route("/", post(answer)).with_state(peer.clone());
        let server = tokio::spawn(async move { axum_serve(listener, router).await });
        Self { peer, url, server }
    }

    pub fn calls(&self) -> usize {
        self.peer.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Makes `a` a receiver that is `app` at the authorization server `as`.
async fn known_outside(hub: &Hub) {
    let outside = json!([{ "authorization_server": "as", "client_id": "app" }]);
    receiver(hub, "a", json!({ "outside": outside })).await;
}

#[tokio::test]
async fn jwts_are_verified_with_its_keys() {
    let hub = Hub::start().await;
    let server = Idp::new("https://as.example", Alg::RS256);
    let jwks = Jwks::start(server.jwks()).await;
    let object = json!({ "iss": server.iss, "jwks": { "url": jwks.url } });
    hub.put("default", "authorization-servers", "as", object.clone()).await;
    known_outside(&hub).await;
    let resource = hub.iss("default");
    let with = |typ: &str, more: Value| {
        let mut claims = json!({ "iss": server.iss, "sub": "app", "client_id": "app", "aud": resource, "jti": "1",
                                 "iat": now_s(), "exp": now_s() + 600, "scope": "openid ssf.read" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sign_compact(&server.key, typ, claims.to_string().as_bytes()).unwrap()
    };
    let table = [
        ("good", with("at+jwt", json!({})), (200, "")),
        ("with the whole media type", with("application/at+jwt", json!({})), (200, "")),
        ("azp", with("at+jwt", json!({ "client_id": null, "azp": "app" })), (200, "")),
        ("scp", with("at+jwt", json!({ "scope": null, "scp": ["ssf.manage"] })), (200, "")),
        (
            "fractions",
            with("at+jwt", json!({ "iat": now_s() as f64 - 0.5, "exp": now_s() as f64 + 60.5 })),
            (200, ""),
        ),
        ("several audiences", with("at+jwt", json!({ "aud": ["x", resource] })), (200, "")),
        ("other scopes", with("at+jwt", json!({ "scope": "openid" })), (403, "insufficient_scope")),
        ("a plain JWT", with("JWT", json!({})), (401, "invalid_token")),
        ("a SET", with("secevent+jwt", json!({})), (401, "invalid_token")),
        ("events", with("at+jwt", json!({ "events": {} })), (401, "invalid_token")),
        ("another audience", with("at+jwt", json!({ "aud": "x" })), (401, "invalid_token")),
        ("no audience", with("at+jwt", json!({ "aud": null })), (401, "invalid_token")),
        ("another issuer", with("at+jwt", json!({ "iss": "https://other.example" })), (401, "invalid_token")),
        ("another client", with("at+jwt", json!({ "client_id": "b" })), (401, "invalid_token")),
        ("no client", with("at+jwt", json!({ "client_id": null })), (401, "invalid_token")),
        ("our own id for it", with("at+jwt", json!({ "client_id": "a" })), (401, "invalid_token")),
        ("expired", with("at+jwt", json!({ "exp": now_s() - 60 })), (401, "invalid_token")),
        ("no end", with("at+jwt", json!({ "exp": null })), (401, "invalid_token")),
        ("from the future", with("at+jwt", json!({ "nbf": now_s() + 60 })), (401, "invalid_token")),
        (
            "another key",
            Idp::new(&server.iss, Alg::RS256).token("1", "app", &resource, json!({ "client_id": "app" })),
            (401, "invalid_token"),
        ),
    ];
    for (what, token, want) in table {
        let got = poll(&hub, "a", &token).await;
        assert_eq!(got.refusal(), want, "{what}: {}", got.body);
    }
    assert_eq!(jwks.calls(), 2, "once, and once more for an unknown kid");
    let mut lenient = object.clone();
    lenient["accept_plain_jwt"] = true.into();
    lenient["aud"] = json!(["api://signals"]);
    hub.put("default", "authorization-servers", "as", lenient).await;
    let plain = async |more: Value| poll(&hub, "a", &with("JWT", more)).await.status;
    assert_eq!([plain(json!({ "aud": "api://signals" })).await, plain(json!({})).await], [200, 401]);

    let own = json!({ "iss": hub.iss("acme"), "jwks": { "url": jwks.url } });
    for (id, body, want) in [
        ("own", own, 400),
        ("twice", object, 409),
        ("neither", json!({ "iss": "https://n.example" }), 400),
        ("inside", json!({ "iss": "https://n.example", "jwks": { "url": "https://10.0.0.1/" } }), 400),
    ] {
        let path = format!("/admin/v1/t/default/authorization-servers/{id}");
        assert_eq!(hub.admin_send("PUT", &path, Some(body)).await.0, want, "{id}");
    }
    let (status, _) = hub.admin_send("DELETE", "/admin/v1/t/default/authorization-servers/as", None).await;
    assert_eq!(status, 409, "a client is known by it");
    let strange = json!({ "receiver": { "outside": [{ "authorization_server": "no", "client_id": "x" }] } });
    assert_eq!(hub.admin_send("PUT", "/admin/v1/t/default/clients/b", Some(strange)).await.0, 409);
    let told =
        Got::of(hub.http.get(format!("{}/.well-known/oauth-protected-resource/t/default", hub.public))).await;
    assert_eq!(told.body["authorization_servers"], json!([hub.iss("default"), server.iss]));
    hub.stop().await;
}

#[tokio::test]
async fn others_are_asked_once_and_remembered_for_a_while() {
    let (hub, clock) = shifted().await;
    // What is remembered for seconds must not be over because the machine was busy.
    clock.hold();
    let until = Arc::new(AtomicI64::new(now_s() + 30));
    let exp = until.clone();
    let server = Jwks::answering(move |headers, body| {
        if headers["authorization"] != "Basic aHViOnMlM0FlY3JldC0wMTIz" {
            return (StatusCode::UNAUTHORIZED, json!({}));
        }
        let active = json!({ "active": true, "client_id": "app", "scope": "ssf.read", "exp": exp.load(Ordering::Relaxed) });
        let with = |name: &str, value: Value| {
            let mut changed = active.clone();
            changed[name] = value;
            changed
        };
        let answer = match body.split(['=', '&']).nth(1).unwrap() {
            "good" | "newer" => active,
            "other-scope" => with("scope", json!("x")),
            "other-client" => with("client_id", json!("x")),
            "other-audience" => with("aud", json!("x")),
            "other-issuer" => with("iss", json!("https://x.example")),
            "bound" => with("cnf", json!({ "jkt": "x" })),
            "broken" => json!({ "active": "yes" }),
            _ => json!({ "active": false }),
        };
        (StatusCode::OK, answer)
    })
    .await;
    let asked = json!({ "url": server.url, "client_id": "hub", "client_secret": "s:ecret-0123" });
    let object = json!({ "iss": "https://as.example", "introspection": asked });
    hub.put("default", "authorization-servers", "as", object).await;
    known_outside(&hub).await;
    let twenty = (0..20).map(|_| poll(&hub, "a", "good"));
    let all = futures_util::future::join_all(twenty).await;
    assert!(all.iter().all(|got| got.status == 200), "{:?}", all[0].body);
    assert_eq!(server.calls(), 1, "all of them by one question");
    let table = [
        ("other-scope", (403, "insufficient_scope")),
        ("other-client", (401, "invalid_token")),
        ("other-audience", (401, "invalid_token")),
        ("other-issuer", (401, "invalid_token")),
        ("bound", (401, "invalid_token")),
        ("unknown", (401, "invalid_token")),
        ("broken", (503, "")),
    ];
    for round in 0..2 {
        for (token, want) in &table {
            assert_eq!(poll(&hub, "a", token).await.refusal(), *want, "{token}, {round}");
        }
    }
    assert_eq!(server.calls(), 1 + table.len(), "a no is remembered too");
    clock.by_s(11);
    assert_eq!(poll(&hub, "a", "unknown").await.status, 401);
    assert_eq!(poll(&hub, "a", "good").await.status, 200);
    assert_eq!(server.calls(), 2 + table.len(), "a no for 10 s, a yes for longer");
    clock.by_s(40);
    assert_eq!(poll(&hub, "a", "good").await.status, 401, "never beyond its exp");
    // The secret lies in `keys/` and is not shown; left out, it stays.
    let path = "/admin/v1/t/default/authorization-servers/as";
    let shown = hub.admin_send("GET", path, None).await.1;
    assert!(!shown.to_string().contains("secret"), "{shown}");
    hub.put("default", "authorization-servers", "as", shown).await;
    until.fetch_add(300, Ordering::Relaxed);
    assert_eq!(poll(&hub, "a", "newer").await.status, 200);
    let secrets = || std::fs::read_dir(hub.data().join("keys/secrets/default")).unwrap().count();
    assert_eq!(secrets(), 1);
    let jwks = json!({ "iss": "https://as.example", "jwks": { "url": server.url } });
    hub.put("default", "authorization-servers", "as", jwks).await;
    assert_eq!(secrets(), 0, "nor does it outlive its use");
    hub.stop().await;
}
