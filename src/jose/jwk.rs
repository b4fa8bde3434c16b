//! One JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037) as a cached verifier, and RFC 7638 thumbprints.
//!
//! Every element of a key set is judged alone: what is private, symmetric, for encryption, too small or
//! malformed is no key of ours. Never keeps a private `Jwk` (josekit's prints its secret members).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::jws::{ES256, EdDSA, JwsVerifier, PS256, RS256};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::alg::Alg;

/// Smallest and largest RSA modulus, in bits. Above, one verification is a denial of service.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Members that make a key private or symmetric.
const SECRET: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What is wrong with an element that an operator wrote down himself; `None` also for what only is for other purposes or
/// algorithms, as published sets hold it. Stricter than [`Key::parse`], which reads what others publish.
pub fn fault(element: &Value) -> Option<&'static str> {
    let Some(members) = element.as_object() else { return Some("is no JSON object") };
    let kty = members.get("kty").and_then(Value::as_str);
    if kty == Some("oct") || SECRET.iter().any(|name| members.contains_key(*name)) {
        return Some("is a private or symmetric key; only public ones belong here");
    }
    if members.get("kid").is_some_and(|kid| kid.as_str().is_none_or(str::is_empty)) {
        return Some("has a kid that is no text");
    }
    let ours = match kty {
        Some("RSA") => true,
        Some("EC") => is(members, "crv", "P-256"),
        Some("OKP") => is(members, "crv", "Ed25519"),
        Some(_) => false,
        None => return Some("has no kty"),
    };
    let stated = members.get("alg").is_none_or(|alg| alg.as_str().and_then(Alg::from_name).is_some());
    if !ours || !stated || !for_verifying(members) || Key::parse(element).is_some() {
        return None;
    }
    if kty == Some("RSA") && rsa_modulus_bytes(members).is_none() {
        return Some("is an RSA key that is malformed or has not 2048 to 8192 bits");
    }
    Some("is malformed, or for another algorithm than it says")
}

/// A public verification key; its verifiers are built once.
#[derive(Debug)]
pub struct Key {
    kid: Option<String>,
    verifiers: Vec<(Alg, Box<dyn JwsVerifier>)>,
    signature_bytes: usize,
}

impl Key {
    /// Reads one element of `keys`; `None` if it is no usable public signature key.
    pub fn parse(element: &Value) -> Option<Self> {
        let members = element.as_object()?;
        if SECRET.iter().any(|name| members.contains_key(*name)) || !for_verifying(members) {
            return None;
        }
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if !kid.is_empty() => Some(kid.clone()),
            Some(_) => return None,
        };
        let stated = match members.get("alg") {
            None => None,
            Some(alg) => Some(Alg::from_name(alg.as_str()?)?),
        };
        let (fitting, signature_bytes): (&[Alg], usize) = match members.get("kty")?.as_str()? {
            "RSA" => (&[Alg::RS256, Alg::PS256], rsa_modulus_bytes(members)?),
            "EC" if is(members, "crv", "P-256") && both_32(members, &["x", "y"]) => (&[Alg::ES256], 64),
            "OKP" if is(members, "crv", "Ed25519") && both_32(members, &["x"]) => (&[Alg::EdDSA], 64),
            _ => return None,
        };
        let verifiers: Vec<_> = fitting
            .iter()
            .filter(|alg| stated.is_none_or(|s| s == **alg))
            .filter_map(|alg| Some((*alg, verifier(*alg, members)?)))
            .collect();
        if verifiers.is_empty() { None } else { Some(Self { kid, verifiers, signature_bytes }) }
    }

    /// `kid`, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether signatures of `alg` can be checked with it.
    pub fn fits(&self, alg: Alg) -> bool {
        self.verifiers.iter().any(|(a, _)| *a == alg)
    }

    /// Whether `signature` over `signed` holds. False too for an algorithm that the key is not for.
    pub fn verify(&self, alg: Alg, signed: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_bytes
            && self
                .verifiers
                .iter()
                .find(|(a, _)| *a == alg)
                .is_some_and(|(_, verifier)| verifier.verify(signed, signature).is_ok())
    }
}

fn is(members: &Map<String, Value>, name: &str, want: &str) -> bool {
    members.get(name).and_then(Value::as_str) == Some(want)
}

/// `use` absent or `sig`, `key_ops` absent or with `verify`.
fn for_verifying(members: &Map<String, Value>) -> bool {
    let use_fits = members.get("use").is_none_or(|v| v.as_str() == Some("sig"));
    let ops_fit = members
        .get("key_ops")
        .is_none_or(|v| v.as_array().is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("verify"))));
    use_fits && ops_fit
}

fn decoded(members: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(members.get(name)?.as_str()?).ok()
}

fn both_32(members: &Map<String, Value>, names: &[&str]) -> bool {
    names.iter().all(|name| decoded(members, name).is_some_and(|bytes| bytes.len() == 32))
}

/// Length of the modulus in bytes, if its size and the exponent are reasonable.
fn rsa_modulus_bytes(members: &Map<String, Value>) -> Option<usize> {
    let n = decoded(members, "n")?;
    let n: Vec<u8> = n.into_iter().skip_while(|b| *b == 0).collect();
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    let e = decoded(members, "e")?;
    let e = e.iter().try_fold(0u64, |acc, b| acc.checked_mul(256)?.checked_add(u64::from(*b)))?;
    let fits = RSA_BITS.contains(&bits) && e >= 3 && e % 2 == 1 && e <= u64::from(u32::MAX);
    fits.then_some(bits.div_ceil(8))
}

/// Builds josekit's verifier from the public members only: `use`, `alg`, `key_ops` were judged before.
fn verifier(alg: Alg, members: &Map<String, Value>) -> Option<Box<dyn JwsVerifier>> {
    let mut plain = Map::new();
    for name in ["kty", "crv", "x", "y", "n", "e"] {
        if let Some(value) = members.get(name) {
            plain.insert(name.into(), value.clone());
        }
    }
    let jwk = Jwk::from_map(plain).ok()?;
    let built: Box<dyn JwsVerifier> = match alg {
        Alg::RS256 => Box::new(RS256.verifier_from_jwk(&jwk).ok()?),
        Alg::PS256 => Box::new(PS256.verifier_from_jwk(&jwk).ok()?),
        Alg::ES256 => Box::new(ES256.verifier_from_jwk(&jwk).ok()?),
        Alg::EdDSA => Box::new(EdDSA.verifier_from_jwk(&jwk).ok()?),
    };
    Some(built)
}

/// The RFC 7638 thumbprint of a public key: base64url of SHA-256 over its required members in order.
pub fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut required = Map::new();
    for name in names {
        required.insert((*name).into(), jwk.get(*name)?.as_str()?.into());
    }
    let json = serde_json::to_vec(&required).ok()?;
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the thumbprint of RFC 7638 §3.1.
    const RFC7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

    #[test]
    fn thumbprint_of_the_rfc() {
        let key: Value = serde_json::from_str(RFC7638).unwrap();
        let got = thumbprint(key.as_object().unwrap()).unwrap();
        assert_eq!(got, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn only_public_signature_keys() {
        let base: Value = serde_json::from_str(RFC7638).unwrap();
        let key = Key::parse(&base).unwrap();
        assert!(key.fits(Alg::RS256) && !key.fits(Alg::PS256));
        let with = |name: &str, value: Value| {
            let mut changed = base.clone();
            changed[name] = value;
            Key::parse(&changed)
        };
        for (name, value) in [
            ("use", "enc".into()),
            ("use", 7.into()),
            ("key_ops", serde_json::json!(["encrypt"])),
            ("d", "AQAB".into()),
            ("alg", "RSA-OAEP".into()),
            ("alg", "ES256".into()),
            ("kty", "oct".into()),
            ("kid", 5.into()),
            ("e", "AA".into()),
            ("e", "Ag".into()),
            ("e", "".into()),
            ("n", "".into()),
            ("n", "AAAA".into()),
            ("n", URL_SAFE_NO_PAD.encode([0xffu8; 128]).into()),
            ("n", URL_SAFE_NO_PAD.encode([0xffu8; 1025]).into()),
            ("n", "not base64!".into()),
        ] {
            assert!(with(name, value.clone()).is_none(), "{name} {value}");
        }
        let wrong = |name: &str, value: Value| {
            let mut changed = base.clone();
            changed[name] = value;
            fault(&changed)
        };
        assert_eq!(fault(&base), None);
        assert!(wrong("d", "AQAB".into()).unwrap().contains("private"));
        assert!(wrong("kty", "oct".into()).unwrap().contains("symmetric"));
        assert!(wrong("kty", Value::Null).unwrap().contains("kty"));
        assert!(wrong("kid", 5.into()).unwrap().contains("kid"));
        assert!(wrong("n", URL_SAFE_NO_PAD.encode([0xffu8; 128]).into()).unwrap().contains("2048"));
        assert!(wrong("e", "".into()).unwrap().contains("malformed"));
        assert!(wrong("alg", "ES256".into()).unwrap().contains("another algorithm"));
        for (name, value) in [("use", "enc"), ("alg", "RSA-OAEP"), ("kty", "AKP")] {
            assert_eq!(wrong(name, value.into()), None, "{name} {value}: passed over");
        }
        assert_eq!(fault(&"text".into()), Some("is no JSON object"));
        assert!(with("use", "sig".into()).is_some());
        let p384 = serde_json::json!({"kty":"EC","crv":"P-384","x":"AQAB","y":"AQAB"});
        assert!(Key::parse(&p384).is_none());
        let zero = URL_SAFE_NO_PAD.encode([0u8; 32]);
        let off_curve = serde_json::json!({"kty":"EC","crv":"P-256","x":zero,"y":zero});
        assert!(Key::parse(&off_curve).is_none());
        assert!(Key::parse(&"text".into()).is_none());
    }
}
