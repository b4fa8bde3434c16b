//! A foreign JOSE implementation at both doors (NEED-21): joserfc signs as peers do, with every algorithm, and judges
//! what the hub signs by the key set that the hub publishes. The receiver decision table does the like with OpenSSL.

use serde_json::{Value, json};

use super::super::hub::Hub;
use super::super::parts::jose::Jose;
use super::super::peers::{PushReceiver, SESSION_REVOKED, now_s};

const ISS: &str = "https://foreign.example";

fn claims(alg: &str) -> Value {
    json!({
        "iss": ISS, "aud": "hub", "iat": now_s(), "jti": format!("jti-{alg}"), "txn": format!("txn-{alg}"),
        "sub_id": { "format": "email", "email": "Ünal@example.com" },
        "events": { SESSION_REVOKED: { "event_timestamp": now_s(), "initiating_entity": "admin" } },
    })
}

/// A hub that takes all four algorithms from one foreign issuer, and a receiver for each of its own.
async fn line(jose: &Jose) -> (Hub, Vec<(&'static str, PushReceiver)>) {
    let hub = Hub::start().await;
    let algs = ["RS256", "PS256", "ES256", "EdDSA"];
    let upstream = json!({ "iss": ISS, "aud": ["hub"], "jwks": { "inline": jose.jwks() }, "algs": algs });
    hub.put("default", "upstreams", "foreign", upstream).await;
    hub.client("default", "saas", false).await;
    let mut receivers = vec![];
    for alg in ["RS256", "ES256"] {
        let receiver = PushReceiver::start().await;
        let stream = json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": [alg], "events_requested": ["*"], "alg": alg });
        hub.put("default", "streams", alg, stream).await;
        receivers.push((alg, receiver));
    }
    (hub, receivers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_allowed_algorithm_is_taken_and_what_the_hub_signs_is_understood() {
    let mut jose = Jose::start().await;
    let (hub, receivers) = line(&jose).await;
    let allowed = ["RS256", "PS256", "ES256", "EdDSA"];
    for alg in allowed {
        let set = jose.sign(alg, &claims(alg));
        let (status, body) = hub.push("default", "foreign", &set).await;
        assert_eq!(status, 202, "{alg}: {body}");
    }
    let published = hub.http.get(format!("{}/jwks.json", hub.iss("default"))).send().await.unwrap();
    let published: Value = serde_json::from_str(&published.text().await.unwrap()).unwrap();
    for (alg, receiver) in &receivers {
        for got in receiver.wait_for(allowed.len()).await {
            let (header, seen) = jose.verify(&published, &got.compact, &[*alg]).expect(alg);
            assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("secevent+jwt"), Some(*alg)));
            assert_eq!((&seen, &seen["iss"]), (&got.claims, &json!(hub.iss("default"))));
            assert_eq!(seen["sub_id"]["email"], "Ünal@example.com");
            let other = if *alg == "RS256" { "ES256" } else { "RS256" };
            assert!(jose.verify(&published, &got.compact, &[other]).is_err(), "{alg} is not {other}");
            let foreign = jose.jwks().clone();
            assert!(jose.verify(&foreign, &got.compact, &[*alg]).is_err(), "another's keys");
        }
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_algorithm_is_refused_and_changes_nothing() {
    let mut jose = Jose::start().await;
    let (hub, _receivers) = line(&jose).await;
    // An issuer's keys become evidence when they are first used: that is no effect of what follows.
    let first = jose.sign("RS256", &claims("RS256"));
    assert_eq!(hub.push("default", "foreign", &first).await.0, 202);
    super::super::hub::until("both receivers have the first", 20, || async {
        hub.status().await["tenants"]["default"]["owed"] == 0
    })
    .await;
    let before = hub.mark("default").await;
    for alg in ["RS512", "PS512", "ES384", "HS256", "none"] {
        let set = jose.sign(alg, &claims(alg));
        let (status, body) = hub.push("default", "foreign", &set).await;
        assert_eq!((status, body["err"].as_str()), (400, Some("invalid_key")), "{alg}: {body}");
    }
    // An allowed name over a signature of another kind.
    for (header, alg) in [("RS256", "PS256"), ("PS256", "RS256"), ("ES256", "EdDSA")] {
        let right = jose.sign(header, &claims("mixed"));
        let wrong = jose.sign_text(
            json!({ "alg": alg, "typ": "secevent+jwt", "kid": header }),
            &claims("mixed").to_string(),
        );
        let mixed = format!("{}.{}", right.rsplit_once('.').unwrap().0, wrong.rsplit_once('.').unwrap().1);
        let (status, body) = hub.push("default", "foreign", &mixed).await;
        assert_eq!((status, body["err"].as_str()), (400, Some("invalid_key")), "{header} over {alg}: {body}");
    }
    assert_eq!(hub.mark("default").await, before);
    hub.stop().await;
}
