//! Tokens that are none: expired, changed, signed by others or in other ways, and SETs; nor is a token a SET.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::super::hub::Hub;
use super::super::peers::{Idp, claims_of};
use super::{poll, receiver, shifted, token};

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The tenant's ES256 key, from where the hub keeps it.
fn stolen_key(hub: &Hub) -> SigningKey {
    let pem = std::fs::read(hub.data().join("keys/t/default/sign-ES256.pem")).unwrap();
    SigningKey::from_pem(Alg::ES256, &pem).unwrap()
}

#[tokio::test]
async fn only_what_the_hub_signed_as_an_access_token_is_one() {
    let (hub, clock) = shifted().await;
    let secret = receiver(&hub, "a", json!({})).await;
    let good = token(&hub, "a", &secret).await;
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let claims = claims_of(&good);
    let key = stolen_key(&hub);
    let with = |typ: &str, name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        sign_compact(&key, typ, changed.to_string().as_bytes()).unwrap()
    };
    assert_eq!(poll(&hub, "a", &with("at+jwt", "jti", json!("x"))).await.status, 200, "the test can sign");
    // HMAC with the public key as its secret: what confused verifiers take.
    let jwks = hub.http.get(format!("{}/jwks.json", hub.iss("default"))).send().await.unwrap();
    let jwks = jwks.text().await.unwrap();
    let hs256 =
        format!("{}.{payload}", encoded(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": key.kid() })));
    let hmac = openssl::pkey::PKey::hmac(jwks.as_bytes()).unwrap();
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &hmac).unwrap();
    let mac = signer.sign_oneshot_to_vec(hs256.as_bytes()).unwrap();
    let foreign = Idp::new(&hub.iss("default"), Alg::ES256);
    let other = sign_compact(&foreign.key, "at+jwt", claims.to_string().as_bytes()).unwrap();
    let none = encoded(&json!({ "alg": "none", "typ": "at+jwt" }));
    let mut changed = claims.clone();
    changed["scope"] = json!("ssf.manage");
    let table = [
        ("none", format!("{none}.{payload}.")),
        ("none, with a signature", format!("{none}.{payload}.{signature}")),
        ("HS256", format!("{hs256}.{}", URL_SAFE_NO_PAD.encode(mac))),
        ("changed", format!("{header}.{}.{signature}", encoded(&changed))),
        ("cut", head.to_string()),
        ("another key", other),
        ("a SET's typ", with("secevent+jwt", "jti", json!("x"))),
        ("a plain JWT", with("JWT", "jti", json!("x"))),
        ("an ID token's typ", with("id_token+jwt", "jti", json!("x"))),
        ("with events", with("at+jwt", "events", json!({ "https://x": {} }))),
        ("another issuer", with("at+jwt", "iss", json!("https://elsewhere.example"))),
        ("another audience", with("at+jwt", "aud", json!(hub.iss("acme")))),
        ("one audience more", with("at+jwt", "aud", json!([hub.iss("default"), "x"]))),
        ("nobody's", with("at+jwt", "client_id", json!("nobody"))),
        ("without an end", with("at+jwt", "exp", Value::Null)),
        ("without a name", with("at+jwt", "jti", Value::Null)),
        ("bound to a key", with("at+jwt", "cnf", json!({ "jkt": "x" }))),
        ("expired", with("at+jwt", "exp", json!(1_000_000_000))),
    ];
    for (what, token) in table {
        assert_eq!(poll(&hub, "a", &token).await.refusal(), (401, "invalid_token"), "{what}");
    }
    let nothing = with("at+jwt", "scope", json!("openid"));
    assert_eq!(poll(&hub, "a", &nothing).await.refusal(), (403, "insufficient_scope"));
    clock.by_s(3601);
    assert_eq!(poll(&hub, "a", &good).await.refusal(), (401, "invalid_token"), "by the clock");
    clock.by_s(0);
    assert_eq!(poll(&hub, "a", &good).await.status, 200);
    hub.tenant("acme").await;
    let there = hub.poll("acme", "a", &good, json!({})).await;
    assert_eq!(there.0, 401, "another tenant's");
    hub.stop().await;
}

#[tokio::test]
async fn a_set_is_no_token_and_a_token_is_no_set() {
    let hub = Hub::start().await;
    let secret = receiver(&hub, "a", json!({})).await;
    let good = token(&hub, "a", &secret).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    let set = idp.session_revoked("hub", "j", "alice", None, "admin");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    let got = poll(&hub, "a", &good).await;
    let issued = got.body["sets"].as_object().unwrap().values().next().unwrap().as_str().unwrap().to_string();
    assert_eq!(claims_of(&issued)["iss"], json!(hub.iss("default")));
    assert_eq!(poll(&hub, "a", &issued).await.refusal(), (401, "invalid_token"));

    let other = Hub::start().await;
    let jwks = json!({ "url": format!("{}/jwks.json", hub.iss("default")) });
    let upstream = json!({ "iss": hub.iss("default"), "aud": [hub.iss("default"), "a"], "jwks": jwks });
    other.put("default", "upstreams", "hub", upstream).await;
    let (status, body) = other.push("default", "hub", &good).await;
    assert_eq!((status, body["err"].as_str()), (400, Some("invalid_request")), "{body}");
    assert_eq!(other.push("default", "hub", &issued).await.0, 202, "the same keys, and a SET");
    other.stop().await;
    hub.stop().await;
}
