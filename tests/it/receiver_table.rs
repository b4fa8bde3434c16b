//! The receiver decision table, `conformance/receiver.json`, against a running hub over real HTTP.
//!
//! Its README explains the form of a case. Signatures are made here with OpenSSL, not with the hub's own code. All cases
//! run; every one that came out otherwise is named at the end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha256;
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Map, Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, generate_pem};

use super::hub::Hub;
use super::peers::now_s;

const TABLE: &str = include_str!("../../conformance/receiver.json");
const ISS: &str = "https://idp.example/Realm";
const AUD: &str = "https://hub.example/Inbox";
const TENANTS: [&str; 2] = ["default", "other"];

/// One algorithm's private key.
struct Key {
    alg: Alg,
    key: PKey<Private>,
}

/// The keys of the table's issuer.
struct Keys {
    own: Vec<Key>,
    other: PKey<Private>,
    small: PKey<Private>,
    /// What an operator may write down: the issuer's keys, without the small one.
    jwks: Value,
    /// What the issuer serves: the small one stands in it.
    served: Value,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn kid(name: &str) -> String {
    format!("table-{name}")
}

impl Keys {
    fn new() -> Self {
        let (mut own, mut jwks) = (vec![], vec![]);
        for alg in Alg::ALL {
            let pem = generate_pem(alg).unwrap();
            let mut jwk = SigningKey::from_pem(alg, &pem).unwrap().public_jwk().clone();
            jwk.insert("kid".into(), kid(alg.name()).into());
            jwks.push(Value::Object(jwk));
            own.push(Key { alg, key: PKey::private_key_from_pem(&pem).unwrap() });
        }
        let small = Rsa::generate(1024).unwrap();
        let (n, e) = (encode(small.n().to_vec()), encode(small.e().to_vec()));
        let mut served = jwks.clone();
        served
            .push(json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid("small"), "n": n, "e": e }));
        let other = PKey::private_key_from_pem(&generate_pem(Alg::RS256).unwrap()).unwrap();
        Self {
            own,
            other,
            small: PKey::from_rsa(small).unwrap(),
            jwks: json!({ "keys": jwks }),
            served: json!({ "keys": served }),
        }
    }

    /// The key for `alg`; RS256's for an algorithm that the issuer has no key for.
    fn of(&self, alg: Option<Alg>) -> &Key {
        self.own.iter().find(|k| Some(k.alg) == alg).unwrap_or(&self.own[0])
    }

    fn signature(&self, how: &str, alg: Option<Alg>, signed: &[u8]) -> Vec<u8> {
        match how {
            "none" | "empty" => vec![],
            "garbage" => vec![7; 256],
            "zeros" => vec![0; 64],
            "other_key" => rs256(&self.other, signed),
            "rsa1024" => rs256(&self.small, signed),
            "hs256_with_public_key" => {
                let secret = self.of(Some(Alg::RS256)).key.public_key_to_pem().unwrap();
                let key = PKey::hmac(&secret).unwrap();
                Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(signed).unwrap()
            }
            "tampered_signature" => {
                let mut signature = self.of(alg).sign(signed);
                signature[0] ^= 1;
                signature
            }
            "own" | "tampered_payload" => self.of(alg).sign(signed),
            other => panic!("sign: {other}"),
        }
    }
}

fn rs256(key: &PKey<Private>, signed: &[u8]) -> Vec<u8> {
    Signer::new(MessageDigest::sha256(), key).unwrap().sign_oneshot_to_vec(signed).unwrap()
}

impl Key {
    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        match self.alg {
            Alg::RS256 => rs256(&self.key, signed),
            Alg::PS256 => {
                let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
                signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
                signer.sign_oneshot_to_vec(signed).unwrap()
            }
            Alg::ES256 => {
                let sig = EcdsaSig::sign(&sha256(signed), &self.key.ec_key().unwrap()).unwrap();
                [sig.r().to_vec_padded(32).unwrap(), sig.s().to_vec_padded(32).unwrap()].concat()
            }
            Alg::EdDSA => Signer::new_without_digest(&self.key).unwrap().sign_oneshot_to_vec(signed).unwrap(),
        }
    }
}

/// What the names of one case stand for.
struct Names {
    case: String,
    hub: String,
    iss: String,
    jwks_url: String,
    now_s: i64,
}

impl Names {
    fn value(&self, name: &str, arg: &str) -> String {
        match name {
            "iss" => self.iss.clone(),
            "ISS" => self.iss.to_uppercase(),
            "aud" => AUD.into(),
            "AUD" => AUD.to_uppercase(),
            "jti" => format!("jti-{}", self.case),
            "case" => self.case.clone(),
            "hub_iss" if arg.is_empty() => format!("{}/t/default", self.hub),
            "hub_iss" => format!("{}/t/{arg}", self.hub),
            "kid" if arg.is_empty() => kid("RS256"),
            "kid" => kid(arg),
            "bearer" => "first-bearer-0123456789abcdef".into(),
            "bearer2" => "second-bearer-0123456789abcdef".into(),
            "jwks_url" => self.jwks_url.clone(),
            "pad" => "a".repeat(arg.parse().unwrap()),
            "deep" => {
                let levels: usize = arg.parse().unwrap();
                format!("{}{}", "[".repeat(levels), "]".repeat(levels))
            }
            "now" => (self.now_s + if arg.is_empty() { 0 } else { arg.parse::<i64>().unwrap() }).to_string(),
            other => panic!("there is no ${other}"),
        }
    }

    /// Puts values for `$name` and `$name:arg`; `"$now…"` and `"$deep:…"` lose their quotes, for they are no strings.
    fn fill(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, from)) = rest.split_once('$') {
            out.push_str(before);
            let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from.len());
            let (name, mut after) = from.split_at(end);
            let mut arg = "";
            if name == "now" && after.starts_with(['+', '-']) {
                let end = after[1..].find(|c: char| !c.is_ascii_digit()).map_or(after.len(), |n| n + 1);
                (arg, after) = after.split_at(end);
            } else if matches!(name, "pad" | "deep" | "kid" | "hub_iss") && after.starts_with(':') {
                let end =
                    after[1..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(after.len(), |n| n + 1);
                (arg, after) = (&after[1..end], &after[end..]);
            }
            if matches!(name, "now" | "deep") {
                assert_eq!(out.pop(), Some('"'), "${name} stands alone in quotes");
                after = after.strip_prefix('"').unwrap();
            }
            out.push_str(&self.value(name, arg.trim_start_matches('+')));
            rest = after;
        }
        out + rest
    }
}

/// `base` with the members of `make[what]` put over it and those of `make[what_remove]` taken out; or `make[what_text]`.
fn part(make: &Value, what: &str, base: &Value, names: &Names) -> String {
    if let Some(text) = make[format!("{what}_text")].as_str() {
        return names.fill(text);
    }
    let mut members: Map<String, Value> = base.as_object().unwrap().clone();
    if let Some(over) = make[what].as_object() {
        members.extend(over.clone());
    }
    for name in make[format!("{what}_remove")].as_array().into_iter().flatten() {
        members.shift_remove(name.as_str().unwrap());
    }
    names.fill(&Value::Object(members).to_string())
}

/// The SET that a case makes.
fn set(make: &Value, table: &Value, keys: &Keys, names: &Names) -> String {
    let header = part(make, "header", &table["base"]["header"], names);
    let payload = part(make, "payload", &table["base"]["payload"], names);
    let alg = serde_json::from_str::<Value>(&header).ok();
    let alg = alg.and_then(|h| h.get("alg")?.as_str().and_then(Alg::from_name));
    let how = make["sign"].as_str().unwrap_or("own");
    let header = encode(header);
    let signed = format!("{header}.{}", encode(&payload));
    let signature = encode(keys.signature(how, alg, signed.as_bytes()));
    if how == "tampered_payload" {
        let changed = payload.replacen('{', r#"{"x_changed":1,"#, 1);
        return format!("{header}.{}.{signature}", encode(changed));
    }
    format!("{signed}.{signature}")
}

struct Answered {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

async fn send(hub: &Hub, make: &Value, compact: &str, names: &Names) -> Answered {
    let word = |member: &str, default: &'static str| make[member].as_str().unwrap_or(default).to_string();
    let mut url = format!("{}/t/{}/in/{}", hub.public, word("tenant", "default"), word("upstream", "main"));
    if let Some(query) = make["query"].as_str() {
        url = format!("{url}?{}", names.fill(query));
    }
    let method = reqwest::Method::from_bytes(word("method", "POST").as_bytes()).unwrap();
    let body = match make["body"].as_str() {
        Some(body) => names.fill(&body.replace("$set", compact)),
        None => compact.into(),
    };
    let mut request = hub.http.request(method, url).body(body);
    match make.get("content_type") {
        None => request = request.header("content-type", "application/secevent+jwt"),
        Some(Value::String(kind)) => request = request.header("content-type", kind),
        Some(_) => {}
    }
    if let Some(value) = make["authorization"].as_str() {
        request = request.header("authorization", names.fill(value));
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answered { status, headers, body: answer.text().await.unwrap() }
}

/// State digest, last entry and number of records of every tenant.
async fn marks(hub: &Hub) -> (Vec<(String, u64)>, u64) {
    let status = hub.status().await;
    let of =
        |t: &str| (status["tenants"][t]["digest"].to_string(), status["tenants"][t]["seq"].as_u64().unwrap());
    let records = TENANTS.iter().map(|t| status["tenants"][*t]["records"].as_u64().unwrap()).sum();
    (TENANTS.iter().map(|t| of(t)).collect(), records)
}

/// What is wrong with an answer; RFC 8935, 2.2 and 2.3 for its form.
fn judge(case: &Value, answer: &Answered, changed: bool, more_records: bool) -> Vec<String> {
    let mut wrong = vec![];
    let mut want = |what: &str, want: Value, got: Value| {
        if want != got {
            wrong.push(format!("{what}: wanted {want}, got {got}"));
        }
    };
    let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    let header =
        |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_string();
    want("status", case["status"].clone(), answer.status.into());
    want("err", case["err"].clone(), body["err"].clone());
    want("changes", case["changes"].clone(), changed.into());
    if let Some(records) = case.get("records") {
        want("records", records.clone(), more_records.into());
    }
    match answer.status {
        202 => want("body of a 202", "".into(), answer.body.clone().into()),
        400 => {
            want("content-type", "application/json".into(), header("content-type").into());
            want("content-language", "en".into(), header("content-language").into());
            want("a description", true.into(), body["description"].is_string().into());
        }
        _ => {}
    }
    wrong
}

/// Serves the issuer's key set.
#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
async fn serve(jwks: &Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let text = jwks.to_string();
    let router = axum::Router::new().route("/jwks.json", axum::routing::get(async move || text));
    tokio::spawn(super::peers::axum_serve(listener, router));
    url
}

/// Makes the upstreams, and lets each take one SET: an issuer's keys become evidence in the journal when they are first used.
async fn prepare(hub: &Hub, table: &Value, keys: &Keys, jwks_url: &str) {
    hub.tenant("other").await;
    for (n, upstream) in table["upstreams"].as_array().unwrap().iter().enumerate() {
        let (tenant, id) = (upstream["tenant"].as_str().unwrap(), upstream["id"].as_str().unwrap());
        let iss = upstream["members"]["iss"].as_str().unwrap_or(ISS);
        let names = Names {
            case: format!("warm-{n}"),
            hub: hub.public.clone(),
            iss: iss.into(),
            jwks_url: jwks_url.into(),
            now_s: now_s(),
        };
        let mut object = json!({ "iss": iss, "aud": [AUD], "jwks": { "inline": keys.jwks } });
        for (name, value) in upstream["members"].as_object().into_iter().flatten() {
            object[name] = serde_json::from_str(&names.fill(&value.to_string())).unwrap();
        }
        let mut make = json!({ "tenant": tenant, "upstream": id });
        if let Some(bearer) = object["bearer"].as_str() {
            make["authorization"] = format!("Bearer {bearer}").into();
        }
        hub.put(tenant, "upstreams", id, object).await;
        let answer = send(hub, &make, &set(&make, table, keys, &names), &names).await;
        assert_eq!(answer.status, 202, "{tenant}/{id}: {}", answer.body);
    }
}

#[tokio::test]
async fn every_case_of_the_receiver_decision_table() {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let (hub, keys) = (Hub::start().await, Keys::new());
    let jwks_url = serve(&keys.served).await;
    prepare(&hub, &table, &keys, &jwks_url).await;
    let cases = table["cases"].as_array().unwrap();
    assert!(cases.len() >= 200, "the table was cut");
    let mut failed = vec![];
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let names = Names {
            case: id.to_lowercase(),
            hub: hub.public.clone(),
            iss: ISS.into(),
            jwks_url: jwks_url.clone(),
            now_s: now_s(),
        };
        for earlier in case["make"]["before"].as_array().into_iter().flatten() {
            let answer = send(&hub, earlier, &set(earlier, &table, &keys, &names), &names).await;
            assert_eq!(answer.status, 202, "{id}, before: {}", answer.body);
        }
        let (before, records) = marks(&hub).await;
        let answer = send(&hub, &case["make"], &set(&case["make"], &table, &keys, &names), &names).await;
        let (after, more) = marks(&hub).await;
        let wrong = judge(case, &answer, before != after, more > records);
        if !wrong.is_empty() {
            failed.push(format!("{id} {} ({}): {}", case["title"], case["requirements"], wrong.join("; ")));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
    hub.stop().await;
}
