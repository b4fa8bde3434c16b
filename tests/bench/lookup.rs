//! The gate's look-ups by themselves, through the library: nothing of HTTP, no signature.

use std::collections::HashMap;
use std::hint::black_box;

use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use ssf_hub::clock::{OsChance, random};
use ssf_hub::gate::claims::Token;
use ssf_hub::gate::decide::{Verdict, decide};
use ssf_hub::gate::derive;
use ssf_hub::gate::issuer::IssuerDef;
use ssf_hub::gate::keys::Keys;
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::remote::JwksSource;
use ssf_hub::revocation::key::{KeyHash, SubjectKey};
use ssf_hub::revocation::record::{Basis, Effect, Standing, Until};
use ssf_hub::revocation::set::Set;
use ssf_hub::tenant::Seq;

use super::Bench;
use super::cpu;
use super::figures::{Aim, Figure, Unit, median};

const RECORDS: usize = 1_000_000;
const KEYS: usize = 13;
const NOW_MS: i64 = 1_700_000_000_000;
const ISS: &str = "https://as.example";

fn standing(n: usize) -> Standing {
    Standing {
        basis: Basis::Ended,
        until: Until::Hold,
        effect: Effect::Deny,
        expires_at: Some(NOW_MS + 1000),
        seq: Seq(n as u64),
        reason_code: "session_revoked".into(),
    }
}

/// A token with thirteen keys and nothing revoked.
fn token() -> Token {
    let issuer = IssuerDef {
        iss: ISS.into(),
        jwks: JwksSource::Inline(json!({ "keys": [] })),
        algs: vec![Alg::ES256],
        clock_tolerance_s: 2,
        max_token_lifetime_s: 3600,
        alias_claims: vec!["email".into()],
        lineage_stamp: false,
    };
    let claims = json!({
        "iss": ISS, "sub": "alice", "aud": ["tool-a", "tool-b", "tool-c"], "iat": NOW_MS / 1000,
        "exp": NOW_MS / 1000 + 300, "jti": "j1", "sid": "s1", "client_id": "app", "email": "alice@example.com",
        "act": { "sub": "bot", "iss": "https://two.example" }, "cnf": { "jkt": "thumbprint" },
    });
    Token::read(claims.to_string().as_bytes(), &issuer).unwrap()
}

pub fn run(b: &mut Bench) {
    let (set, mut plain) = (Set::default(), HashMap::with_capacity(RECORDS));
    let there: Vec<KeyHash> = (0..RECORDS).map(|_| KeyHash(random(&OsChance))).collect();
    for (n, key) in there.iter().enumerate() {
        set.put(*key, vec![standing(n)]);
        plain.insert(key.0, n);
    }
    let absent: Vec<KeyHash> = (0..RECORDS).map(|_| KeyHash(random(&OsChance))).collect();

    let mut hits = 0_usize;
    let mut of = |keys: &[KeyHash]| {
        let mut calls = keys.chunks_exact(KEYS).cycle();
        cpu::of_one(150, || {
            let view = set.view();
            let caught = decide(NOW_MS, calls.next().unwrap().iter().copied(), &view, NOW_MS);
            hits += usize::from(black_box(caught) != Verdict::Allow);
        })
    };
    let missed = median((0..b.rounds()).map(|_| of(&absent)).collect());
    let hit = median((0..b.rounds()).map(|_| of(&there)).collect());
    assert!(hits > 0, "what is revoked was not found");
    let mut calls = absent.chunks_exact(KEYS).cycle();
    let raw = cpu::of_one(150, || {
        calls.next().unwrap().iter().for_each(|key| {
            black_box(plain.get(&key.0));
        });
    });
    let mut put = |name, what, value, raw, aim| {
        b.figures.put(Figure { name, what, unit: Unit::Us, value, raw: Some(raw), aim });
    };
    put("lookup_13", "13 keys, none revoked; raw: std's HashMap", missed, raw, Aim::Most(0.5));
    put("lookup_13_hit", "13 keys, all revoked", hit, raw, Aim::None);

    let (token, key) = (token(), SubjectKey::new(&[7; 32]));
    let mut keys = Keys::default();
    derive::keys(&token, None, &key, &mut keys).unwrap();
    assert_eq!(keys.as_slice().len(), KEYS, "the token has other keys than it should");
    let derived = cpu::of_one(300, || {
        let mut keys = Keys::default();
        derive::keys(&token, None, &key, &mut keys).unwrap();
        assert_eq!(decide(NOW_MS, keys.as_slice().iter().copied(), &set.view(), NOW_MS), Verdict::Allow);
    });
    let mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    let raw = cpu::of_one(300, || {
        for _ in 0..KEYS {
            let mut mac = mac.clone();
            mac.update(black_box(b"on_behalf_of\0iss_sub\0https://as.example\0alice"));
            black_box(mac.finalize());
        }
    });
    put("derive_lookup_13", "derive and look up; raw: 13 HMAC-SHA-256", derived, raw, Aim::Most(4.0));
}
