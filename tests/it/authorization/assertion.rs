//! `private_key_jwt`: a client signs who it is, with keys inline or by URL, and each assertion counts once.

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::super::hub::{Hub, Setup};
use super::super::peers::now_s;
use super::outside::Jwks;
use super::{GRANT, Got, oauth, poll, receiver};

const TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

fn claims(hub: &Hub, jti: &str) -> Value {
    let token_endpoint = format!("{}/oauth/token", hub.iss("default"));
    json!({ "iss": "a", "sub": "a", "aud": token_endpoint, "jti": jti, "iat": now_s(), "exp": now_s() + 60 })
}

async fn ask(hub: &Hub, assertion: &str, more: &[(&str, &str)]) -> Got {
    let mut pairs = vec![GRANT, TYPE, ("client_assertion", assertion)];
    pairs.extend(more);
    Got::of(oauth(hub, "token", &pairs)).await
}

#[tokio::test]
async fn an_assertion_counts_once_and_only_as_it_should_be() {
    let hub = Hub::start_as(Setup::with("[authorization]\nfailures_per_s = 1000")).await;
    let key = SigningKey::generate(Alg::ES256).unwrap();
    let jwks = json!({ "inline": { "keys": [key.public_jwk()] } });
    receiver(&hub, "a", json!({ "jwks": jwks })).await;
    receiver(&hub, "b", json!({})).await;
    let signed = |typ: &str, claims: &Value| sign_compact(&key, typ, claims.to_string().as_bytes()).unwrap();

    let first = signed("JWT", &claims(&hub, "1"));
    let got = ask(&hub, &first, &[]).await;
    assert_eq!(got.status, 200, "{}", got.body);
    assert_eq!(poll(&hub, "a", got.body["access_token"].as_str().unwrap()).await.status, 200);
    assert_eq!(ask(&hub, &first, &[]).await.error(), (401, "invalid_client"), "a second time");
    let typed = signed("client-authentication+jwt", &claims(&hub, "2"));
    assert_eq!(ask(&hub, &typed, &[("client_id", "a"), ("scope", "ssf.read")]).await.status, 200);
    let mut to_issuer = claims(&hub, "3");
    to_issuer["aud"] = json!([hub.iss("default")]);
    assert_eq!(ask(&hub, &signed("JWT", &to_issuer), &[]).await.status, 200);

    let with = |name: &str, value: Value| {
        let mut changed = claims(&hub, "4");
        changed[name] = value;
        signed("JWT", &changed)
    };
    let foreign = SigningKey::generate(Alg::ES256).unwrap();
    let table = [
        ("another key", sign_compact(&foreign, "JWT", claims(&hub, "4").to_string().as_bytes()).unwrap()),
        ("an access token's typ", signed("at+jwt", &claims(&hub, "4"))),
        ("a SET's typ", signed("secevent+jwt", &claims(&hub, "4"))),
        ("another client's name", with("sub", json!("b"))),
        ("a client without keys", with("iss", json!("b"))),
        ("nobody", with("iss", json!("nobody"))),
        ("another audience", with("aud", json!(hub.iss("acme")))),
        ("no end", with("exp", Value::Null)),
        ("over", with("exp", json!(now_s() - 60))),
        ("too far ahead", with("exp", json!(now_s() + 3600))),
        ("no name", with("jti", Value::Null)),
        ("not an assertion", "x".into()),
    ];
    for (what, assertion) in table {
        assert_eq!(ask(&hub, &assertion, &[]).await.error(), (401, "invalid_client"), "{what}");
    }
    let good = signed("JWT", &claims(&hub, "5"));
    assert_eq!(ask(&hub, &good, &[("client_id", "b")]).await.error(), (401, "invalid_client"));
    assert_eq!(ask(&hub, &good, &[]).await.status, 200, "a refused one was not taken");

    // A time need not be whole (RFC 7519, 2).
    let mut fractional = claims(&hub, "fractional");
    fractional["iat"] = json!(now_s() as f64 + 0.25);
    fractional["exp"] = json!(now_s() as f64 + 60.75);
    assert_eq!(ask(&hub, &signed("JWT", &fractional), &[]).await.status, 200);

    // What was taken is forgotten with the process: nothing from before its start counts.
    let early = signed("JWT", &claims(&hub, "6"));
    tokio::time::sleep(std::time::Duration::from_millis(1001)).await;
    let hub = hub.restart().await;
    let before = hub.admin_send("GET", "/admin/v1/operations?last=100", None).await.1;
    let got = ask(&hub, &early, &[]).await;
    assert_eq!(got.error(), (503, "temporarily_unavailable"));
    assert!((1..=310).contains(&got.header("retry-after").parse::<u64>().unwrap()));
    let after = hub.admin_send("GET", "/admin/v1/operations?last=100", None).await.1;
    assert_eq!(after, before, "and is nobody's failure: a clock may be behind");
    assert_eq!(ask(&hub, &signed("JWT", &claims(&hub, "7")), &[]).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_clients_keys_come_from_its_url() {
    let hub = Hub::start().await;
    let key = SigningKey::generate(Alg::RS256).unwrap();
    let jwks = Jwks::start(json!({ "keys": [key.public_jwk()] })).await;
    receiver(&hub, "a", json!({ "jwks": { "url": jwks.url } })).await;
    for jti in ["1", "2"] {
        let assertion = sign_compact(&key, "JWT", claims(&hub, jti).to_string().as_bytes()).unwrap();
        assert_eq!(ask(&hub, &assertion, &[]).await.status, 200);
    }
    assert_eq!(jwks.calls(), 1, "kept");
    let gone = json!({ "receiver": { "jwks": { "url": "http://127.0.0.1:9/jwks" } } });
    hub.put("default", "clients", "a", gone).await;
    let assertion = sign_compact(&key, "JWT", claims(&hub, "3").to_string().as_bytes()).unwrap();
    let got = ask(&hub, &assertion, &[]).await;
    assert_eq!(got.error(), (503, "temporarily_unavailable"));
    assert!(!got.header("retry-after").is_empty());
    let inside = json!({ "receiver": { "jwks": { "url": "https://10.0.0.1/jwks" } } });
    let (status, body) = hub.admin_send("PUT", "/admin/v1/t/default/clients/a", Some(inside)).await;
    assert_eq!(status, 400, "{body}");
    hub.stop().await;
}

#[tokio::test]
async fn whoever_signs_wrong_locks_nobody_out_and_without_iat_the_start_is_waited_for() {
    let hub =
        Hub::start_as(Setup::with("[authorization]\nfailures_per_s = 1\nassertion_lifetime_s = 10")).await;
    let (key, foreign) =
        (SigningKey::generate(Alg::ES256).unwrap(), SigningKey::generate(Alg::ES256).unwrap());
    receiver(&hub, "a", json!({ "jwks": { "inline": { "keys": [key.public_jwk()] } } })).await;
    let claims = |jti: &str| {
        let mut claims = claims(&hub, jti);
        claims["exp"] = json!(now_s() + 10);
        claims
    };
    let signed =
        |key: &SigningKey, claims: &Value| sign_compact(key, "JWT", claims.to_string().as_bytes()).unwrap();
    // Each second that passes meanwhile forgives one.
    let mut failed = 0;
    while ask(&hub, &signed(&foreign, &claims("x")), &[]).await.status != 429 {
        failed += 1;
        assert!(failed < 50, "nobody is ever told to wait");
    }
    assert_eq!(ask(&hub, &signed(&key, &claims("1")), &[]).await.status, 200);
    // It could be from before the start, and taken then.
    let mut silent = claims("2");
    silent.as_object_mut().unwrap().remove("iat");
    let got = ask(&hub, &signed(&key, &silent), &[]).await;
    assert_eq!(got.error(), (503, "temporarily_unavailable"));
    assert!((1..=20).contains(&got.header("retry-after").parse::<u64>().unwrap()));
    hub.stop().await;
}
