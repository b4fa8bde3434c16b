//! What was refused, on Kafka (NEED-24): that it was, by whom and why; nothing of what it said.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::hub::{Hub, Setup};
use super::super::parts::kafka::Kafka;
use super::super::peers::Idp;
use super::kit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_signature_shows_up_without_what_was_signed() {
    let kafka = Kafka::start().await;
    let hub = Hub::start_as(Setup::with(&kit::configured(&kafka.bootstrap()))).await;
    let idp = Idp::new("https://idp.example", Alg::RS256);
    let thief = Idp { iss: idp.iss.clone(), ..Idp::new("", Alg::RS256) };
    let mut upstream = idp.upstream("hub");
    upstream["bearer"] = json!("upstream-secret-4711-0123");
    hub.put("default", "upstreams", "kc", upstream).await;
    let send = |compact: String, bearer: &'static str| {
        let request = hub.http.post(format!("{}/t/default/in/kc", hub.public)).bearer_auth(bearer);
        let request = request.header("content-type", "application/secevent+jwt").body(compact);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    // Signed with the thief's key, in the name of the true one.
    let mut forged = thief.session_revoked("hub", "secret-jti", "secret-alice", Some("secret-s1"), "user");
    let header = json!({ "alg": "RS256", "typ": "secevent+jwt", "kid": idp.key.public_jwk()["kid"] });
    let (_, rest) = forged.split_once('.').unwrap();
    let encoded = URL_SAFE_NO_PAD.encode(header.to_string());
    forged = format!("{encoded}.{rest}");
    assert_eq!(send(forged.clone(), "upstream-secret-4711-0123").await, 400);
    assert_eq!(send(forged.clone(), "stolen-secret-4711-0123").await, 400);

    let found = kafka.consume(kit::REJECTED, 2, kit::PATIENCE).await;
    let reasons = ["invalid_key", "authentication_failed"];
    for (message, reason) in found.iter().zip(reasons) {
        let value: Value = serde_json::from_slice(message.value.as_ref().unwrap()).unwrap();
        let members: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(members, ["reason", "upstream", "at", "size"]);
        assert!(value["reason"].as_str().unwrap().starts_with(reason), "{value}");
        assert_eq!((&value["upstream"], &value["size"]), (&json!("kc"), &json!(forged.len())));
        assert_eq!(message.key.as_deref(), Some("default/kc"));
        assert_eq!(kit::header(message, "ce_type"), "dev.ssfhub.signal.rejected.v1");
        assert_eq!(kit::header(message, "ce_source"), hub.iss("default"));
    }
    let mut secrets: Vec<(String, Vec<u8>)> = forged
        .split('.')
        .map(|part| ("a part of the refused SET".to_string(), part.as_bytes().to_vec()))
        .collect();
    for said in
        ["secret-jti", "secret-alice", "secret-s1", "upstream-secret-4711-0123", "stolen-secret-4711-0123"]
    {
        secrets.push((said.to_string(), said.as_bytes().to_vec()));
    }
    secrets.push(("the admin credential".into(), hub.credential.clone().into_bytes()));
    secrets.extend(kit::key_material(&hub.data()));
    assert_eq!(kit::holds_no_secret(&kafka, &secrets).await, 2, "refused SETs stand on no other topic");
    hub.stop().await;
}
