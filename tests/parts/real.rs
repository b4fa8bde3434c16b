//! Tests of the parts by themselves, with stand-ins for the hub: what the shipped NGINX recipe does with every kind of
//! answer, and that a broker keeps what it acknowledged when it is killed. The journeys test them with the hub.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::address::Address;
use super::http::{Body, call};
use super::jose::Jose;
use super::nginx::Nginx;

/// A server on `address` until the test's runtime ends.
#[allow(clippy::disallowed_methods, reason = "a stand-in that ends with its test")]
async fn serve(address: SocketAddr, app: Router) {
    let listener = tokio::net::TcpListener::bind(address).await.expect("an address of our own");
    tokio::spawn(async move { axum::serve(listener, app).await });
}

/// A hub that does what the token says: `STATUS` alone, `stray` (a 200 that is no decision), or `slow`.
async fn hub(headers: HeaderMap) -> Response {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if text("x-hub-point") != "Bearer point-secret" || !text("cookie").is_empty() {
        return StatusCode::IM_A_TEAPOT.into_response();
    }
    match text("authorization").trim_start_matches("Bearer ") {
        "stray" => StatusCode::OK.into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        status => {
            let status = status.parse::<StatusCode>().unwrap_or(StatusCode::UNAUTHORIZED);
            let challenge = r#"Bearer error="invalid_token""#;
            (status, [("x-hub-decision-id", "d-1"), ("www-authenticate", challenge)]).into_response()
        }
    }
}

/// The tool behind the gateway: it shows what reached it.
async fn tool(headers: HeaderMap, body: String) -> String {
    let point = headers.contains_key("x-hub-point");
    format!("tool got {body}{}", if point { " and the point's secret" } else { "" })
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_passes_only_what_the_hub_allowed() {
    let address = Address::claim();
    let [listen, hub_at, tool_at, nobody] = [8080, 8081, 8082, 8083].map(|port| address.port(port));
    serve(hub_at, Router::new().route("/t/default/v1/authz/nginx", axum::routing::get(hub))).await;
    serve(tool_at, Router::new().fallback(tool)).await;
    let nginx = Nginx::start(hub_at, listen, tool_at, "point-secret").await;
    let url = format!("{}/call?x=1", nginx.url());

    // token, status for the client, what must come with it
    for (token, status, challenged, decided) in [
        ("200", 200, false, true),
        ("401", 401, true, true),
        ("none", 401, true, true),
        ("403", 403, false, true),
        ("204", 502, false, true),
        ("stray", 502, false, false),
        ("302", 503, false, false),
        ("429", 503, false, false),
        ("500", 503, false, false),
        ("slow", 503, false, false),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("x-hub-point", "forged"), ("cookie", "a=b")];
        let mut answer = call("POST", &url, &headers, Body::Json(&json!(7))).await;
        // A machine that stands still for a second decides nothing: it is asked again.
        for _ in 0..30 {
            if answer.status != 503 || status == 503 {
                break;
            }
            answer = call("POST", &url, &headers, Body::Json(&json!(7))).await;
        }
        assert_eq!(answer.status, status, "{token}");
        assert_eq!(answer.body == "tool got 7", status == 200, "{token}: {}", answer.body);
        assert_eq!(
            answer.headers.get_all("www-authenticate").iter().count(),
            usize::from(challenged),
            "{token}"
        );
        assert_eq!(answer.header("x-hub-decision-id").is_some(), decided, "{token}");
    }
    drop(nginx);

    let nginx = Nginx::start(nobody, listen, tool_at, "point-secret").await;
    let answer = call("POST", &url, &[("authorization", "Bearer 200")], Body::None).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "no hub at all");
    drop(nginx);
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_what_it_acknowledged() {
    let mut kafka = super::kafka::Kafka::start().await;
    kafka.create_topics(&["words"]).await;
    kafka.produce("words", "key", b"one", &[("name", "value")]).await;
    kafka.kill().await;
    kafka.restart().await;
    kafka.produce("words", "key", b"two", &[]).await;
    kafka.stop().await;
    kafka.restart().await;
    let found = kafka.consume("words", 2, Duration::from_secs(90)).await;
    assert_eq!(found[0].headers, [("name".to_owned(), "value".to_owned())]);
    let values: Vec<_> = found.into_iter().map(|message| message.value.unwrap_or_default()).collect();
    assert_eq!(values, [b"one", b"two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jose_signs_and_verifies() {
    let mut jose = Jose::start().await;
    let jwks = jose.jwks().clone();
    let claims = json!({"iss": "https://idp.example", "jti": "ü"});
    for alg in ["RS256", "PS256", "ES256", "EdDSA"] {
        let compact = jose.sign(alg, &claims);
        let (header, found) = jose.verify(&jwks, &compact, &[alg]).expect(alg);
        assert_eq!((header["typ"].as_str(), &found), (Some("secevent+jwt"), &claims), "{alg}");
        let (body, _) = compact.rsplit_once('.').expect("three parts");
        let forged =
            format!("{body}.{}", jose.sign(alg, &json!({})).rsplit_once('.').expect("three parts").1);
        assert!(jose.verify(&jwks, &forged, &[alg]).is_err(), "{alg}");
        assert!(jose.verify(&jwks, &compact, &["HS256"]).is_err(), "{alg}");
    }
}
