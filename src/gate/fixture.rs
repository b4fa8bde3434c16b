//! What the tests of this folder share: an issuer with one key, a point, and a gate with a clock set by hand.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::home::TenantDef;
use super::issuer::{Issuer, IssuerDef, Issuers};
use super::judge::{Config, Gate};
use super::metrics::Counters;
use super::point::PointDef;
use crate::clock::Clock;
use crate::egress::{self, Egress};
use crate::jose::alg::Alg;
use crate::jose::remote::{self, JwksSource};
use crate::jose::{SigningKey, sign_compact};
use crate::revocation::key::{KeyHash, Kind, SubjectKey};
use crate::revocation::record::{Basis, Effect, Standing, Until};
use crate::revocation::set::Set;
use crate::tenant::{Seq, TenantId};

pub const ISS: &str = "https://as.example";
pub const NOW_S: i64 = 1_700_000_000;
pub const POINT: &str = "point secret";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Alg::ES256).unwrap());

pub fn key() -> &'static SigningKey {
    &KEY
}

pub fn subject_key() -> SubjectKey {
    SubjectKey::new(&[7; 32])
}

pub fn def() -> IssuerDef {
    IssuerDef {
        iss: ISS.into(),
        jwks: JwksSource::Inline(json!({"keys": [key().public_jwk()]})),
        algs: vec![Alg::ES256, Alg::EdDSA],
        clock_tolerance_s: 2,
        max_token_lifetime_s: 3600,
        alias_claims: vec!["email".into()],
        lineage_stamp: false,
    }
}

/// A good payload with members replaced or added.
pub fn payload(changes: Value) -> Value {
    let mut payload = json!({
        "iss": ISS, "sub": "alice", "aud": "tool-a", "iat": NOW_S, "exp": NOW_S + 300, "jti": "j1", "sid": "s1",
        "client_id": "app", "azp": "app", "email": "Alice@Example.com"
    });
    for (name, value) in changes.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

pub fn sign(typ: &str, payload: &Value) -> String {
    sign_compact(key(), typ, payload.to_string().as_bytes()).unwrap()
}

/// A token with any header and a signature that does not fit.
pub fn sign_with_header(header: &Value, payload: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{}", part(header), part(payload), "A".repeat(86))
}

fn egress() -> Arc<Egress> {
    let allow_cidrs = vec!["127.0.0.0/8".parse().unwrap()];
    Arc::new(Egress::new(&egress::Config { allow_cidrs, ..egress::Config::default() }).unwrap())
}

pub fn issuers() -> Issuers {
    issuers_with(def().jwks)
}

pub fn issuers_with(jwks: JwksSource) -> Issuers {
    let (clock, def) = (Arc::new(Hand::default()), IssuerDef { jwks, ..def() });
    let issuer = Issuer::new(def, remote::Config::default(), egress(), clock).unwrap();
    Issuers::from([(ISS.to_string(), Arc::new(issuer))])
}

/// Does `calls` while a peer answers one request after the other with these bodies, then none any more.
pub async fn served<T>(listener: &TcpListener, bodies: &[Value], calls: impl Future<Output = T>) -> T {
    let peer = async {
        for body in bodies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let body = body.to_string();
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
        std::future::pending().await
    };
    tokio::select! { done = calls => done, never = peer => never }
}

/// A clock set by hand.
#[derive(Default)]
pub struct Hand(AtomicI64);

impl Hand {
    pub fn set_s(&self, now_s: i64) {
        self.0.store(now_s * 1000, SeqCst);
    }
}

impl Clock for Hand {
    fn wall_ms(&self) -> i64 {
        self.0.load(SeqCst)
    }
    fn boot_ms(&self) -> i64 {
        self.0.load(SeqCst)
    }
}

/// A gate with the tenant `default`.
pub struct Bench {
    pub gate: Gate,
    pub clock: Arc<Hand>,
    pub set: Arc<Set>,
    pub tenant: TenantId,
}

impl Bench {
    pub fn new() -> Self {
        let (clock, set) = (Arc::new(Hand::default()), Arc::new(Set::default()));
        clock.set_s(NOW_S);
        let gate = Gate::new(Config::default(), clock.clone(), egress());
        let bench = Self { gate, clock, set, tenant: TenantId::default_tenant() };
        bench.put_issuers(vec![def()]);
        bench
    }

    pub fn put_issuers(&self, issuers: Vec<IssuerDef>) {
        self.put_with_key(issuers, subject_key());
    }

    pub fn put_with_key(&self, issuers: Vec<IssuerDef>, subject_key: SubjectKey) {
        let point = |id: &str, secret: &str, aud: &str| {
            let bearer_sha256 = Sha256::digest(secret).into();
            PointDef { id: id.into(), bearer_sha256, expires_at: None, aud: vec![aud.into()] }
        };
        let points = vec![point("p", POINT, "tool-a"), point("q", "other point", "tool-q")];
        self.gate.put_tenant(&self.tenant, TenantDef { issuers, points, set: self.set.clone(), subject_key });
    }

    pub fn counters(&self) -> Counters {
        self.gate.metrics().counters(&self.tenant)
    }

    /// The key of a name at the issuer.
    pub fn hash(&self, kind: Kind, alias_kind: &str, value: &str) -> KeyHash {
        self.hash_of(kind, alias_kind, ISS, value)
    }

    pub fn hash_of(&self, kind: Kind, alias_kind: &str, iss: &str, value: &str) -> KeyHash {
        subject_key().hash_parts(kind, alias_kind, iss, value)
    }

    /// Lets one record stand under a key.
    pub fn put(&self, key: KeyHash, seq: u64, basis: Basis, until: Until, effect: Effect) {
        let reason_code = format!("r{seq}");
        self.set
            .put(key, vec![Standing { basis, until, effect, expires_at: None, seq: Seq(seq), reason_code }]);
    }
}
