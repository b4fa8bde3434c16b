//! Our signing keys while SETs flow: rotated, revoked, sealed (issue 4, Keys). Nothing is lost, nothing refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde_json::{Value, json};
use ssf_hub::app::serve::{Runtime, start_with};
use ssf_hub::config::Config;
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::compact::verify_compact;
use ssf_hub::jose::keyset::KeySet;

use super::hub::{Hub, Setup, toml, until};
use super::peers::{Idp, PushReceiver, claims_of};

/// Time enough for a receiver that fetches every 300 ms, on a machine that is busy, or stands still for some seconds.
const AHEAD: &str = "[keys]\njwks_max_age_s = 2\npublish_ahead_s = 6\noverlap_s = 4\n";
const QUICK: &str = "[keys]\njwks_max_age_s = 1\npublish_ahead_s = 1\noverlap_s = 1\n";

pub fn kid_of(compact: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(compact.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().into()
}

async fn jwks(hub: &Hub) -> Value {
    let answer = hub.http.get(format!("{}/jwks.json", hub.iss("default"))).send().await.unwrap();
    assert!(answer.headers()["cache-control"].to_str().unwrap().starts_with("public, max-age="));
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn kids(jwks: &Value) -> BTreeSet<String> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().into()).collect()
}

fn verifies(compact: &str, jwks: &Value, alg: Alg) -> bool {
    let keys = KeySet::parse(jwks.to_string().as_bytes()).unwrap();
    verify_compact(compact.as_bytes(), &keys, &[alg], 65536).is_ok()
}

async fn stream(hub: &Hub, id: &str, receiver: Option<&PushReceiver>, alg: Alg) {
    let mut body =
        json!({ "client": "saas", "method": "poll", "aud": [id], "events_requested": ["*"], "alg": alg });
    if let Some(receiver) = receiver {
        body["method"] = "push".into();
        body["endpoint_url"] = receiver.url.clone().into();
    }
    hub.put("default", "streams", id, body).await;
}

async fn furnished(more: &str) -> (Hub, Idp, String) {
    let hub = Hub::start_as(Setup::with(more)).await;
    let bearer = hub.client("default", "saas", false).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    (hub, idp, bearer)
}

async fn push(hub: &Hub, idp: &Idp, jti: &str) {
    let set = idp.session_revoked("hub", jti, &format!("user-{jti}"), Some("s"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
}

async fn events(hub: &Hub, kind: &str) -> Vec<String> {
    let events = hub.admin_send("GET", "/admin/v1/operations", None).await.1;
    let of_kind = events.as_array().unwrap().iter().filter(|e| e["kind"] == kind);
    of_kind.map(|e| format!("{} {}", e["subject"].as_str().unwrap(), e["what"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_rotation_under_load_loses_nothing_and_nobody_refuses() {
    // The receiver keeps the JWKS as long as it may, and never fetches it again for an unknown kid.
    let cached: Arc<Mutex<Value>> = Arc::default();
    let (bad, book) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeMap::<String, String>::new())));
    let (kept, refused, seen) = (cached.clone(), bad.clone(), book.clone());
    let receiver = PushReceiver::answering(move |_, got| {
        if !verifies(&got.compact, &kept.lock().unwrap(), Alg::ES256) {
            refused.fetch_add(1, Ordering::Relaxed);
            return StatusCode::BAD_REQUEST;
        }
        seen.lock().unwrap().insert(got.claims["txn"].to_string(), kid_of(&got.compact));
        StatusCode::ACCEPTED
    })
    .await;
    let (hub, idp, _) = furnished(AHEAD).await;
    *cached.lock().unwrap() = jwks(&hub).await;
    stream(&hub, "pushed", Some(&receiver), Alg::ES256).await;
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        while !over.load(Ordering::Relaxed) {
            push(&hub, &idp, &format!("j{}", sent.fetch_add(1, Ordering::Relaxed))).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let fetching = async {
        while !over.load(Ordering::Relaxed) {
            *cached.lock().unwrap() = jwks(&hub).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let story = async {
        until("the old key signs", 30, || async { !book.lock().unwrap().is_empty() }).await;
        let path = "/admin/v1/t/default/keys/rotate";
        let (status, rotated) = hub.admin_send("POST", path, Some(json!({ "alg": "ES256" }))).await;
        assert_eq!((status, rotated.as_array().map(Vec::len)), (200, Some(1)), "{rotated}");
        let new = rotated[0]["kid"].as_str().unwrap().to_string();
        let published = jwks(&hub).await;
        assert!(kids(&published).contains(&new) && published["keys"].as_array().unwrap().len() == 5);
        assert_eq!(
            hub.admin_send("POST", path, Some(json!({ "alg": "ES256" }))).await.0,
            409,
            "it is under way"
        );
        until("the new key signs", 40, || async { book.lock().unwrap().values().any(|kid| *kid == new) })
            .await;
        until("the old key is published no more", 40, || async { kids(&jwks(&hub).await).len() == 4 }).await;
        over.store(true, Ordering::Relaxed);
        new
    };
    let ((), (), new) = tokio::join!(load, fetching, story);
    let sent = sent.load(Ordering::Relaxed);
    until("everything is delivered", 30, || async { book.lock().unwrap().len() == sent }).await;
    assert_eq!(bad.load(Ordering::Relaxed), 0, "nothing was refused");
    let used: BTreeSet<String> = book.lock().unwrap().values().cloned().collect();
    assert_eq!(used.len(), 2, "the old key and the new one");
    let said = events(&hub, "key_rotated").await;
    assert!(said.len() == 1 && said[0].starts_with(&new) && said[0].contains("by admin"), "{said:?}");
    let page = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("ssf_hub_signing_key_age_seconds{tenant=\"default\",alg=\"ES256\"}"), "{page}");
    // Durable: the same keys after a restart.
    let before = kids(&jwks(&hub).await);
    let hub = hub.restart().await;
    assert_eq!(kids(&jwks(&hub).await), before);
    hub.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_on_schedule() {
    let (hub, _, _) = furnished(&format!("{QUICK}rotate = \"* * * * * *\"\n")).await;
    let first = kids(&jwks(&hub).await);
    let list = || async { hub.admin_send("GET", "/admin/v1/t/default/keys", None).await.1 };
    let new_algs = |listed: &Value| -> BTreeSet<String> {
        let new =
            listed.as_array().unwrap().iter().filter(|key| !first.contains(key["kid"].as_str().unwrap()));
        new.map(|key| key["alg"].as_str().unwrap().to_string()).collect()
    };
    until("every key has a successor", 60, || async { new_algs(&list().await).len() == 4 }).await;
    let listed = list().await;
    let algs = |wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let keys = listed.as_array().unwrap().iter().filter(|key| wanted(key));
        keys.map(|key| key["alg"].as_str().unwrap().into()).collect()
    };
    assert_eq!(algs(&|key| key["stage"] == "signing").len(), 4, "{listed}");
    assert!(events(&hub, "key_rotated").await.iter().all(|said| said.contains("by schedule")));
    hub.stop().await;
}

#[tokio::test]
async fn a_rotation_that_fails_is_told_and_tried_again() {
    let (hub, _, _) = furnished(&format!("{QUICK}rotate = \"* * * * * *\"\n")).await;
    let counted = |result: &'static str| {
        let name = format!("ssf_hub_key_rotations_total{{tenant=\"default\",result=\"{result}\"}} ");
        let asking = hub.http.get(format!("{}/metrics", hub.admin)).send();
        async move {
            let page = asking.await.unwrap().text().await.unwrap();
            page.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok())
        }
    };
    // Who has no keys has none to rotate.
    assert!(!kids(&jwks(&hub).await).is_empty());
    until("it is counted from nought", 60, || async { counted("failed").await == Some(0) }).await;
    let (keys, aside) = (hub.data().join("keys"), hub.data().join("keys-aside"));
    std::fs::rename(&keys, &aside).unwrap();
    std::fs::write(&keys, "no folder").unwrap();
    until("it fails", 60, || async { counted("failed").await > Some(1) }).await;
    assert!(!events(&hub, "key_rotation_failed").await.is_empty());
    std::fs::remove_file(&keys).unwrap();
    std::fs::rename(&aside, &keys).unwrap();
    let before = counted("ok").await;
    until("the next one does not", 60, || async { counted("ok").await > before }).await;
    hub.stop().await;
}

async fn revoke(hub: &Hub, kid: &str) -> String {
    let path = format!("/admin/v1/t/default/keys/{kid}/revoke");
    let (status, gone) = hub.admin_send("POST", &path, None).await;
    assert_eq!(status, 200, "{gone}");
    let published = kids(&jwks(hub).await);
    let signing = gone["signing"].as_str().unwrap().to_string();
    assert!(!published.contains(kid) && published.contains(&signing), "at once");
    assert_eq!(hub.admin_send("POST", &path, None).await.0, 404, "it is gone");
    signing
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_signed_anew() {
    let open = Arc::new(AtomicBool::new(false));
    let is_open = open.clone();
    let receiver = PushReceiver::answering(move |_, _| match is_open.load(Ordering::Relaxed) {
        true => StatusCode::ACCEPTED,
        false => StatusCode::SERVICE_UNAVAILABLE,
    })
    .await;
    let (hub, idp, _) = furnished("[outbox]\nretry_delays_ms = [100]\n").await;
    stream(&hub, "pushed", Some(&receiver), Alg::RS256).await;
    push(&hub, &idp, "j").await;
    let old = kid_of(&receiver.wait_for(1).await[0].compact);
    let new = revoke(&hub, &old).await;
    open.store(true, Ordering::Relaxed);
    until("it is delivered", 30, || async {
        let status = hub.status().await;
        status["tenants"]["default"]["owed"] == 0 && status["tenants"]["default"]["dead_letters"] == 0
    })
    .await;
    let got = receiver.got();
    let (first, last) = (&got[0], got.last().unwrap());
    assert_eq!((kid_of(&last.compact), &last.claims), (new, &first.claims), "the same claims, the same jti");
    assert!(verifies(&last.compact, &jwks(&hub).await, Alg::RS256));
    assert!(!verifies(&first.compact, &jwks(&hub).await, Alg::RS256));
    let said = events(&hub, "key_revoked").await;
    assert!(said.len() == 1 && said[0].starts_with(&old) && said[0].contains("by admin"), "{said:?}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_set_that_was_on_its_way_when_its_key_was_revoked_is_no_dead_letter() {
    let revoked = Arc::new(AtomicBool::new(false));
    let is_revoked = revoked.clone();
    // The first request is looked at when the key is gone already.
    let receiver = PushReceiver::answering(move |n, _| {
        if n > 1 {
            return StatusCode::ACCEPTED;
        }
        for _ in 0..3000 {
            if is_revoked.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        StatusCode::BAD_REQUEST
    })
    .await;
    let (hub, idp, _) = furnished("").await;
    stream(&hub, "pushed", Some(&receiver), Alg::ES256).await;
    push(&hub, &idp, "j").await;
    let old = kid_of(&receiver.wait_for(1).await[0].compact);
    let new = revoke(&hub, &old).await;
    revoked.store(true, Ordering::Relaxed);
    let got = receiver.wait_for(2).await;
    assert_eq!((kid_of(&got[1].compact), &got[1].claims), (new, &got[0].claims));
    hub.stop().await;
}

#[tokio::test]
async fn a_receiver_that_keeps_its_jwks_loses_nothing_when_a_key_is_revoked() {
    // It goes by the JWKS that it has until it has refused three times, and does not say why.
    let (kept, refusals) = (std::sync::OnceLock::new(), AtomicUsize::new(0));
    let receiver = PushReceiver::answering(move |_, got| {
        let kid = kid_of(&got.compact);
        if *kept.get_or_init(|| kid.clone()) == kid || refusals.fetch_add(1, Ordering::Relaxed) >= 3 {
            return StatusCode::ACCEPTED;
        }
        StatusCode::BAD_REQUEST
    })
    .await;
    let (hub, idp, _) = furnished("[outbox]\nretry_delays_ms = [100]\n").await;
    stream(&hub, "pushed", Some(&receiver), Alg::ES256).await;
    push(&hub, &idp, "j").await;
    let old = kid_of(&receiver.wait_for(1).await[0].compact);
    let new = revoke(&hub, &old).await;
    push(&hub, &idp, "k").await;
    let got = receiver.wait_for(5).await;
    assert!(got[1..].iter().all(|got| kid_of(&got.compact) == new));
    until("all is delivered", 30, || async {
        let status = hub.status().await;
        status["tenants"]["default"]["owed"] == 0 && status["tenants"]["default"]["dead_letters"] == 0
    })
    .await;
    hub.stop().await;
}

#[tokio::test]
async fn a_polled_set_under_a_revoked_key_is_offered_anew() {
    let (hub, idp, bearer) = furnished("").await;
    stream(&hub, "polled", None, Alg::ES256).await;
    push(&hub, &idp, "j").await;
    let poll = async |body: Value| hub.poll("default", "polled", &bearer, body).await.1["sets"].clone();
    let set = |sets: &Value| {
        let (jti, compact) = sets.as_object().unwrap().iter().next().expect("a SET");
        (jti.clone(), compact.as_str().unwrap().to_string())
    };
    let now = json!({ "returnImmediately": true });
    let (jti, first) = set(&poll(now.clone()).await);
    let new = revoke(&hub, &kid_of(&first)).await;
    let refusal = json!({ "returnImmediately": true, "setErrs": { &jti: { "err": "invalid_key", "description": "?" } } });
    let (again, second) = set(&poll(refusal.clone()).await);
    assert_eq!((again, kid_of(&second), claims_of(&second)), (jti.clone(), new, claims_of(&first)));
    // It may not know the new key yet.
    assert_eq!(set(&poll(refusal).await), (jti.clone(), second));
    // A refusal of what is signed with a good key counts.
    let refusal = json!({ "returnImmediately": true, "setErrs": { &jti: { "err": "invalid_request", "description": "?" } } });
    assert_eq!(poll(refusal).await, json!({}));
    until("it is a dead letter", 30, || async {
        hub.status().await["tenants"]["default"]["dead_letters"] == 1
    })
    .await;
    hub.stop().await;
}

/// Checks a signature with OpenSSL alone, from the members of the JWK.
fn openssl_verifies(compact: &str, jwk: &Value) -> bool {
    let (signed, signature) = compact.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).unwrap();
    let rsa = || -> PKey<Public> {
        let key = Rsa::from_public_components(number(&member("n")), number(&member("e"))).unwrap();
        PKey::from_rsa(key).unwrap()
    };
    match jwk["alg"].as_str().unwrap() {
        "RS256" | "PS256" => {
            let key = rsa();
            assert!(key.bits() >= 2048);
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
            if jwk["alg"] == "PS256" {
                verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32)).unwrap();
            }
            verifier.update(signed.as_bytes()).unwrap();
            verifier.verify(&signature).unwrap()
        }
        "ES256" => {
            assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("EC"), &json!("P-256")));
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
            let (x, y) = (number(&member("x")), number(&member("y")));
            let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y).unwrap();
            let (r, s) = signature.split_at(32);
            let der = EcdsaSig::from_private_components(number(r), number(s)).unwrap();
            der.verify(&openssl::sha::sha256(signed.as_bytes()), &key).unwrap()
        }
        "EdDSA" => {
            assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("OKP"), &json!("Ed25519")));
            let key = PKey::public_key_from_raw_bytes(&member("x"), Id::ED25519).unwrap();
            Verifier::new_without_digest(&key).unwrap().verify_oneshot(&signature, signed.as_bytes()).unwrap()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_algorithm_is_published_and_verified_by_others() {
    let (hub, idp, bearer) = furnished("").await;
    for alg in Alg::ALL {
        stream(&hub, alg.name(), None, alg).await;
    }
    push(&hub, &idp, "j").await;
    let published = jwks(&hub).await;
    assert_eq!(kids(&published).len(), 4);
    for alg in Alg::ALL {
        let sets = hub.poll("default", alg.name(), &bearer, json!({ "returnImmediately": true })).await.1;
        let compact =
            sets["sets"].as_object().unwrap().values().next().unwrap().as_str().unwrap().to_string();
        assert!(verifies(&compact, &published, alg), "{alg}");
        let keys = published["keys"].as_array().unwrap();
        let jwk = keys.iter().find(|key| key["kid"] == kid_of(&compact).as_str()).unwrap();
        assert_eq!((&jwk["alg"], &jwk["use"]), (&json!(alg), &json!("sig")));
        assert!(jwk.get("d").is_none() && openssl_verifies(&compact, jwk), "{alg}");
        let (head, _) = compact.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", URL_SAFE_NO_PAD.encode([1; 64]));
        assert!(alg == Alg::RS256 || alg == Alg::PS256 || !openssl_verifies(&forged, jwk));
    }
    for bad in ["HS256", "none", "RS512"] {
        let body = json!({ "client": "saas", "method": "poll", "aud": ["a"], "events_requested": ["*"], "alg": bad });
        assert_eq!(
            hub.admin_send("PUT", "/admin/v1/t/default/streams/bad", Some(body)).await.0,
            400,
            "{bad}"
        );
    }
    hub.stop().await;
}

#[tokio::test]
async fn bad_requests_change_no_key() {
    let (hub, _, _) = furnished("").await;
    let before = jwks(&hub).await;
    let base = "/admin/v1/t/default/keys";
    for (method, path, body, want) in [
        ("POST", format!("{base}/rotate"), Some(json!({ "alg": "HS256" })), 400),
        ("POST", format!("{base}/rotate"), Some(json!({ "algs": ["ES256"] })), 400),
        ("POST", format!("{base}/rotate"), Some(json!([])), 400),
        ("POST", format!("{base}/nobody/revoke"), None, 404),
        ("POST", "/admin/v1/t/nobody/keys/rotate".into(), None, 404),
        ("POST", "/admin/v1/t/_hub/keys/rotate".into(), None, 404),
        ("GET", "/admin/v1/t/nobody/keys".into(), None, 404),
        ("DELETE", base.into(), None, 405),
    ] {
        assert_eq!(hub.admin_send(method, &path, body).await.0, want, "{method} {path}");
    }
    let answer = hub.http.post(format!("{}{base}/rotate", hub.admin)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(jwks(&hub).await, before);
    assert!(!hub.data().join("keys/t/nobody").exists(), "no key is made for a tenant that there is not");
    hub.stop().await;
}

fn sealing_key(dir: &Path, name: &str, byte: u8) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(name);
    std::fs::write(&path, format!("{}\n", format!("{byte:02x}").repeat(32))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn files(dir: &Path, found: &mut BTreeMap<std::path::PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test]
async fn keys_are_sealed_resealed_and_opened_by_their_key_only() {
    let receiver = PushReceiver::start().await;
    let (hub, _, _) = furnished("").await;
    let header = json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": ["a"],
                         "events_requested": ["*"], "authorization_header": "Bearer hunter2-hunter2" });
    hub.put("default", "streams", "pushed", header).await;
    let published = jwks(&hub).await;
    let setup = hub.setup.clone();
    let dir = hub.stop().await;
    let (one, two) = (sealing_key(dir.path(), "one", 1), sealing_key(dir.path(), "two", 2));
    let kept = || {
        let mut found = BTreeMap::new();
        files(&dir.path().join("data/keys"), &mut found);
        found
    };
    let is_plain = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.contains("PRIVATE KEY") || text.contains("hunter2") || bytes.len() == 32
    };
    assert!(kept().values().filter(|bytes| is_plain(bytes)).count() >= 7);

    let named = |current: &Path, more: &str| format!("[keys]\nsealing_key_file = {current:?}\n{more}");
    let start = async |more: &str| {
        let setup = Setup { public: setup.0, admin: setup.1, more: more.into(), runtime: Runtime::default() };
        Hub::start_in(dir.clone(), setup).await
    };
    let refused = async |more: &str| {
        let (file, before) = (dir.path().join("refused.toml"), kept());
        std::fs::write(&file, toml(dir.path(), setup.0, setup.1, more)).unwrap();
        let config = Config::load(Some(&file), std::iter::empty()).unwrap_or_else(|e| panic!("{e}"));
        let why = start_with(config, Runtime::default()).await.err().expect("a refusal");
        assert_eq!(kept(), before, "nothing was changed");
        format!("{why:#}")
    };
    let hub = start(&named(&one, "")).await;
    assert_eq!(jwks(&hub).await, published, "the same keys");
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    push(&hub, &idp, "j").await;
    let got = receiver.wait_for(1).await;
    assert_eq!(got[0].authorization.as_deref(), Some("Bearer hunter2-hunter2"));
    hub.stop().await;
    assert!(!kept().values().any(|bytes| is_plain(bytes)), "everything is sealed");

    for more in [String::new(), named(&two, "")] {
        let why = refused(&more).await;
        assert!(why.contains("is sealed with the sealing key") && why.contains("sealing_key_file"), "{why}");
    }
    let both = named(&two, &format!("sealing_key_previous_file = {one:?}\n"));
    let hub = start(&both).await;
    assert_eq!(jwks(&hub).await, published);
    hub.stop().await;
    assert!(refused(&named(&one, "")).await.contains("is sealed with"), "the old key opens nothing any more");

    // The same by hand, without a start; and the journal can be checked with the key alone.
    let config = |more: &str| {
        let file = dir.path().join("offline.toml");
        std::fs::write(&file, toml(dir.path(), setup.0, setup.1, more)).unwrap();
        Config::load(Some(&file), std::iter::empty()).unwrap_or_else(|e| panic!("{e}"))
    };
    let back = config(&named(&one, &format!("sealing_key_previous_file = {two:?}\n")));
    let done = ssf_hub::app::reseal(&back).unwrap();
    assert!(done["written"].as_u64().unwrap() >= 8 && done["written"] == done["files"], "{done}");
    assert_eq!(ssf_hub::app::reseal(&back).unwrap()["written"], 0);
    ssf_hub::app::verify(&config(&named(&one, ""))).unwrap();
    assert!(ssf_hub::app::verify(&config("")).is_err());
    let hub = start(&named(&one, "")).await;
    assert_eq!(jwks(&hub).await, published);
    hub.stop().await;
}
