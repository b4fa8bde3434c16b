//! Tables of SETs that pass and that do not, made with our own signer and by hand.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::jose::{SigningKey, sign_compact};
use crate::set::reject::ErrCode;

const NOW_S: i64 = 1_700_000_000;
const TYP: &str = "secevent+jwt";

struct Peer {
    key: SigningKey,
    keys: KeySet,
    aud: Vec<String>,
}

fn peer(alg: Alg) -> Peer {
    let key = SigningKey::generate(alg).unwrap();
    Peer { keys: set_of(&[Value::Object(key.public_jwk().clone())]), key, aud: vec!["hub".into()] }
}

fn set_of(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

impl Peer {
    fn policy(&self) -> Policy<'_> {
        Policy {
            iss: "https://idp.example",
            aud: &self.aud,
            algs: &Alg::ALL,
            dialect: Dialect::Ssf,
            own_issuer_prefix: "https://hub.example/t/",
            clock_tolerance_s: 300,
            now_s: NOW_S,
            max_bytes: 65_536,
        }
    }

    fn check(&self, token: &str) -> Result<VerifiedSet, Reject> {
        verify(token.as_bytes(), &self.policy(), &self.keys)
    }

    fn claims(&self, payload: &str) -> Result<VerifiedSet, Reject> {
        self.check(&sign_compact(&self.key, TYP, payload.as_bytes()).unwrap())
    }

    /// A token with any header, signed with the peer's key (ES256) whatever the header says.
    fn header(&self, header: &Value) -> Result<VerifiedSet, Reject> {
        let payload = URL_SAFE_NO_PAD.encode(payload().to_string());
        let flat = crate::jose::sign::sign_raw(&self.key, &header.to_string(), &payload).unwrap();
        self.check(&flat)
    }
}

fn payload() -> Value {
    json!({
        "iss": "https://idp.example", "aud": ["other", "hub"], "iat": NOW_S, "jti": "j-1", "txn": "t-1",
        "sub_id": {"format": "iss_sub", "iss": "https://idp.example", "sub": "u"},
        "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}
    })
}

fn with(name: &str, value: Value) -> String {
    let mut changed = payload();
    changed[name] = value;
    changed.to_string()
}

#[test]
fn good_sets_of_every_algorithm() {
    for alg in Alg::ALL {
        let peer = peer(alg);
        let body = payload().to_string();
        let token = sign_compact(&peer.key, "application/SecEvent+JWT", body.as_bytes()).unwrap();
        let set = peer.check(&token).unwrap();
        assert_eq!((set.alg(), set.kid(), set.compact()), (alg, Some(peer.key.kid()), token.as_str()));
        assert_eq!(set.payload_hash(), <[u8; 32]>::from(Sha256::digest(&body)));
        assert_eq!(set.claims().jti, "j-1");
        let others: Vec<Alg> = Alg::ALL.into_iter().filter(|a| *a != alg).collect();
        let policy = Policy { algs: &others, ..peer.policy() };
        let refused = verify(token.as_bytes(), &policy, &peer.keys).unwrap_err();
        assert_eq!((refused.err, refused.reason), (ErrCode::InvalidKey, RejectReason::AlgNotAllowed));
    }
}

#[test]
fn bad_headers() {
    let peer = peer(Alg::ES256);
    let kid = peer.key.kid();
    let good = json!({"alg": "ES256", "typ": TYP, "kid": kid});
    assert!(peer.header(&good).is_ok());
    let jwk = Value::Object(peer.key.public_jwk().clone());
    let table = [
        ("typ", json!("JWT"), RejectReason::Typ),
        ("typ", json!("at+jwt"), RejectReason::Typ),
        ("alg", json!("none"), RejectReason::AlgNotAllowed),
        ("alg", json!("HS256"), RejectReason::AlgNotAllowed),
        ("alg", json!("RS256"), RejectReason::NoKey),
        ("kid", json!("unknown"), RejectReason::UnknownKid),
        ("crit", json!(["exp"]), RejectReason::Critical),
        ("crit", json!([]), RejectReason::Critical),
        ("jwk", jwk, RejectReason::OwnKey),
        ("jku", json!("https://evil.example/jwks"), RejectReason::OwnKey),
        ("x5u", json!("https://evil.example/x5u"), RejectReason::OwnKey),
    ];
    for (name, value, want) in table {
        let mut header = good.clone();
        header[name] = value;
        let reject = peer.header(&header).unwrap_err();
        assert_eq!(reject.reason, want, "{header}");
        assert_eq!(reject.retry_with_fresh_keys, want == RejectReason::UnknownKid);
        let key_fault = matches!(reject.reason.as_str(), "alg_not_allowed" | "no_key" | "unknown_kid");
        let want = if key_fault { ErrCode::InvalidKey } else { ErrCode::InvalidRequest };
        assert_eq!(reject.err, want, "{header}");
    }
    let mut ignored = good.clone();
    ignored["x5t"] = json!("AAAA");
    ignored["x5c"] = json!(["not even a certificate"]);
    assert!(peer.header(&ignored).is_ok());
    // Without kid the only fitting key is taken.
    assert!(peer.header(&json!({"alg": "ES256", "typ": TYP})).is_ok());
    assert_eq!(peer.header(&json!({"alg": "ES256", "kid": kid})).unwrap_err().reason, RejectReason::Typ);
}

#[test]
fn forged_signatures() {
    let peer = peer(Alg::RS256);
    let token = sign_compact(&peer.key, TYP, payload().to_string().as_bytes()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    // alg none, with and without a signature.
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": TYP}).to_string());
    for signature in ["", parts[2]] {
        let reject = peer.check(&format!("{none}.{}.{signature}", parts[1])).unwrap_err();
        assert_eq!((reject.err, reject.reason), (ErrCode::InvalidKey, RejectReason::AlgNotAllowed));
    }
    // HMAC with the public key's text as the secret.
    let header =
        URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": TYP, "kid": peer.key.kid()}).to_string());
    let secret = Value::Object(peer.key.public_jwk().clone()).to_string();
    let mut mac = <hmac::Hmac<Sha256> as hmac::Mac>::new_from_slice(secret.as_bytes()).unwrap();
    hmac::Mac::update(&mut mac, format!("{header}.{}", parts[1]).as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::Mac::finalize(mac).into_bytes());
    let reject = peer.check(&format!("{header}.{}.{signature}", parts[1])).unwrap_err();
    assert_eq!((reject.err, reject.reason), (ErrCode::InvalidKey, RejectReason::AlgNotAllowed));
    // Another payload, another key, no signature, a signature of zeros.
    let other = URL_SAFE_NO_PAD.encode(with("jti", json!("j-2")));
    let foreign = SigningKey::generate(Alg::RS256).unwrap();
    let by_foreign = crate::jose::sign::sign_raw(
        &foreign,
        &json!({"alg": "RS256", "typ": TYP, "kid": peer.key.kid()}).to_string(),
        parts[1],
    );
    let zeros = URL_SAFE_NO_PAD.encode([0; 256]);
    for bad in [
        format!("{}.{other}.{}", parts[0], parts[2]),
        by_foreign.unwrap(),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{zeros}", parts[0], parts[1]),
    ] {
        let reject = peer.check(&bad).unwrap_err();
        assert_eq!((reject.err, reject.reason), (ErrCode::InvalidKey, RejectReason::Signature), "{bad}");
    }
    // Who holds no key learns nothing about issuer or audience: the signature is judged first.
    let wrong = with("iss", json!("https://other"));
    let unsigned = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(wrong), parts[2]);
    assert_eq!(peer.check(&unsigned).unwrap_err().reason, RejectReason::Signature);
}

#[test]
fn a_weak_key_is_no_key() {
    let rsa = openssl::rsa::Rsa::generate(1024).unwrap();
    let n = URL_SAFE_NO_PAD.encode(rsa.n().to_vec());
    let keys = set_of(&[json!({"kty": "RSA", "n": n, "e": "AQAB", "kid": "weak"})]);
    assert_eq!((keys.len(), keys.skipped()), (0, 1));
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "typ": TYP, "kid": "weak"}).to_string());
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload().to_string()));
    let key = openssl::pkey::PKey::from_rsa(rsa).unwrap();
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap());
    let peer = peer(Alg::ES256);
    let reject = verify(format!("{signed}.{signature}").as_bytes(), &peer.policy(), &keys).unwrap_err();
    assert_eq!(reject.err, ErrCode::InvalidKey);
}

#[test]
fn bad_claims() {
    let peer = peer(Alg::ES256);
    let two = json!({"urn:a": {}, "urn:b": {}});
    let risk = json!({"https://schemas.openid.net/secevent/caep/event-type/risk-level-change": {"principal": "USER"}});
    let table = [
        (with("iss", json!("https://other.example")), ErrCode::InvalidIssuer, RejectReason::ForeignIssuer),
        (with("iss", json!("https://idp.example/")), ErrCode::InvalidIssuer, RejectReason::ForeignIssuer),
        (with("iss", json!("https://hub.example/t/x")), ErrCode::InvalidIssuer, RejectReason::OwnIssuer),
        (with("aud", json!("other")), ErrCode::InvalidAudience, RejectReason::ForeignAudience),
        (with("aud", json!([])), ErrCode::InvalidAudience, RejectReason::ForeignAudience),
        (with("exp", json!(NOW_S + 60)), ErrCode::InvalidRequest, RejectReason::ForbiddenClaim("exp")),
        (with("sub", json!("u")), ErrCode::InvalidRequest, RejectReason::ForbiddenClaim("sub")),
        (with("iat", json!(1e300)), ErrCode::InvalidRequest, RejectReason::Claim("iat")),
        (with("iat", json!(NOW_S + 301)), ErrCode::InvalidRequest, RejectReason::IatAhead),
        (with("events", two), ErrCode::InvalidRequest, RejectReason::SeveralEvents),
        (with("events", risk), ErrCode::InvalidRequest, RejectReason::Definition("current_level")),
        ("[]".into(), ErrCode::InvalidRequest, RejectReason::NotJson),
        ("no json".into(), ErrCode::InvalidRequest, RejectReason::NotJson),
        (
            payload().to_string().replacen('{', r#"{"iss":"https://idp.example","#, 1),
            ErrCode::InvalidRequest,
            RejectReason::NotJson,
        ),
        (
            with("x", json!("MARK")).replace("\"MARK\"", r#"{"y":[{"z":1,"z":1}]}"#),
            ErrCode::InvalidRequest,
            RejectReason::NotJson,
        ),
        (
            with("x", json!("MARK"))
                .replace("\"MARK\"", &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
            ErrCode::InvalidRequest,
            RejectReason::NotJson,
        ),
    ];
    for (body, err, reason) in table {
        let reject = peer.claims(&body).unwrap_err();
        assert_eq!((reject.err, reject.reason), (err, reason), "{}", &body[..body.len().min(200)]);
        assert!(!reject.description.is_empty() && !reject.retry_with_fresh_keys);
    }
    let mut without = payload();
    without.as_object_mut().unwrap().remove("aud");
    assert_eq!(peer.claims(&without.to_string()).unwrap_err().err, ErrCode::InvalidAudience);
    assert!(peer.claims(&with("iat", json!(NOW_S + 300))).is_ok());
    assert!(peer.claims(&with("aud", json!("hub"))).is_ok());
    assert!(peer.claims(&with("events", json!({"urn:unknown:type": {"a": 1}}))).is_ok());
}

#[test]
fn not_a_set_at_all() {
    let peer = peer(Alg::ES256);
    for bad in ["", "..", "hello", "{\"err\":1}", &"a.".repeat(1000), "eyJhbGciOiJub25lIn0.e30"] {
        let reject = peer.check(bad).unwrap_err();
        assert_eq!((reject.err, reject.reason), (ErrCode::InvalidRequest, RejectReason::NotAJws), "{bad}");
    }
    let deep = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":{}", "[".repeat(10_000)));
    assert_eq!(peer.check(&format!("{deep}.e30.AAAA")).unwrap_err().reason, RejectReason::NotAJws);
    let long = peer.claims(&with("x", json!("y".repeat(70_000)))).unwrap_err();
    assert_eq!((long.err, long.reason), (ErrCode::InvalidRequest, RejectReason::TooLarge));
}
