//! The verification keys of one issuer (RFC 7517 §5): parsed once, looked up per token.
//!
//! Built when a JWKS arrives, then shared read-only. An element that is no usable key is skipped and
//! counted, never the whole set. Lookup is by `kid` and `alg` together and does no parsing.

use std::collections::HashMap;

use serde_json::Value;

use super::alg::Alg;
use super::jwk::Key;

/// Most keys of one set that are used; what comes after them is skipped and counted.
pub const KEYS_MAX: usize = 100;

/// The text is no JWKS at all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a JSON Web Key Set")]
pub struct NotAKeySet;

/// Why a set that an operator wrote into the configuration is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSet {
    /// No JWKS.
    #[error("not a JSON Web Key Set: an object with the array `keys`")]
    NotASet,
    /// More than would be used.
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
    /// A key at fault, counted from 0.
    #[error("keys[{0}] {1}")]
    Key(usize, &'static str),
    /// Nothing in it verifies.
    #[error("no key that a signature can be checked with")]
    NoneUsable,
}

/// Judges a set that an operator wrote down. What others publish is read with [`KeySet::parse`], which passes over what it
/// cannot use.
pub fn check(set: &Value) -> Result<(), BadSet> {
    let keys = set.get("keys").and_then(Value::as_array).ok_or(BadSet::NotASet)?;
    if keys.len() > KEYS_MAX {
        return Err(BadSet::TooMany);
    }
    let mut usable: Vec<Key> = vec![];
    for (at, element) in keys.iter().enumerate() {
        if let Some(what) = super::jwk::fault(element) {
            return Err(BadSet::Key(at, what));
        }
        let Some(key) = Key::parse(element) else { continue };
        let same = |other: &Key| {
            other.kid() == key.kid() && Alg::ALL.iter().any(|alg| other.fits(*alg) && key.fits(*alg))
        };
        if key.kid().is_some() && usable.iter().any(same) {
            return Err(BadSet::Key(at, "has the kid and the algorithm of another one"));
        }
        usable.push(key);
    }
    if usable.is_empty() { Err(BadSet::NoneUsable) } else { Ok(()) }
}

/// Why no key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// No key has this `kid`; fresher keys might.
    UnknownKid,
    /// No key is for this algorithm (under this `kid`).
    NoneFits,
    /// Without `kid`, more than one key fits: guessing is not verifying.
    SeveralFit,
}

/// Verification keys with their cached verifiers.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    by_kid: HashMap<String, Vec<usize>>,
    skipped: usize,
}

impl KeySet {
    /// Reads a JWKS document.
    pub fn parse(json: &[u8]) -> Result<Self, NotAKeySet> {
        #[derive(serde::Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| NotAKeySet)?;
        let mut set = Self::default();
        for element in &document.keys {
            match Key::parse(element) {
                Some(key) if set.keys.len() < KEYS_MAX => set.add(key),
                _ => set.skipped += 1,
            }
        }
        Ok(set)
    }

    fn add(&mut self, key: Key) {
        if let Some(kid) = key.kid() {
            self.by_kid.entry(kid.into()).or_default().push(self.keys.len());
        }
        self.keys.push(key);
    }

    /// Number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no token can be verified.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of elements that were passed over: malformed, private, for encryption, too many.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The one key that `kid` and `alg` name; without `kid`, the only key that is for `alg`.
    pub fn find(&self, kid: Option<&str>, alg: Alg) -> Result<&Key, Absent> {
        let mut fitting: Box<dyn Iterator<Item = &Key>> = match kid {
            Some(kid) => {
                let places = self.by_kid.get(kid).ok_or(Absent::UnknownKid)?;
                Box::new(places.iter().filter_map(|at| self.keys.get(*at)).filter(|key| key.fits(alg)))
            }
            None => Box::new(self.keys.iter().filter(|key| key.fits(alg))),
        };
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(Absent::NoneFits),
            (Some(_), Some(_)) => Err(Absent::SeveralFit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::sign::{SigningKey, generate_pem};

    fn jwks(keys: &[Value]) -> KeySet {
        KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn public(alg: Alg) -> Value {
        let key = SigningKey::from_pem(alg, &generate_pem(alg).unwrap()).unwrap();
        Value::Object(key.public_jwk().clone())
    }

    #[test]
    fn one_bad_element_costs_only_itself() {
        let good = public(Alg::ES256);
        let kid = good["kid"].as_str().unwrap().to_string();
        let set = jwks(&[
            serde_json::json!({"kty":"RSA","n":7}),
            serde_json::json!({"kty":"oct","k":"AAAA","kid":"h"}),
            good,
            serde_json::json!(null),
        ]);
        assert_eq!((set.len(), set.skipped()), (1, 3));
        assert!(set.find(Some(&kid), Alg::ES256).is_ok());
        assert_eq!(set.find(Some(&kid), Alg::RS256).unwrap_err(), Absent::NoneFits);
        assert_eq!(set.find(Some("h"), Alg::ES256).unwrap_err(), Absent::UnknownKid);
        assert!(
            KeySet::parse(b"{}").is_err() && KeySet::parse(b"[]").is_err() && KeySet::parse(b"").is_err()
        );
    }

    #[test]
    fn without_kid_only_the_only_one() {
        let (a, b) = (public(Alg::EdDSA), public(Alg::EdDSA));
        assert!(jwks(std::slice::from_ref(&a)).find(None, Alg::EdDSA).is_ok());
        assert_eq!(jwks(&[a.clone(), b]).find(None, Alg::EdDSA).unwrap_err(), Absent::SeveralFit);
        assert_eq!(jwks(&[a]).find(None, Alg::ES256).unwrap_err(), Absent::NoneFits);
    }

    #[test]
    fn sets_that_an_operator_writes_down() {
        let set = |keys: &[Value]| check(&serde_json::json!({ "keys": keys }));
        let (good, other) = (public(Alg::ES256), public(Alg::RS256));
        let enc = serde_json::json!({"kty":"RSA","n":"AQAB","e":"AQAB","use":"enc"});
        let hmac = serde_json::json!({"kty":"oct","k":"AAAA","kid":"h"});
        assert_eq!(set(&[good.clone(), enc.clone(), other]), Ok(()));
        assert!(matches!(set(&[good.clone(), hmac]), Err(BadSet::Key(1, _))));
        assert!(matches!(set(&[good.clone(), good.clone()]), Err(BadSet::Key(1, _))));
        assert_eq!(set(&[]), Err(BadSet::NoneUsable));
        assert_eq!(set(&[enc]), Err(BadSet::NoneUsable));
        assert_eq!(set(&vec![good; KEYS_MAX + 1]), Err(BadSet::TooMany));
        for bad in [serde_json::json!([]), serde_json::json!({"keys": {}}), serde_json::json!("x")] {
            assert_eq!(check(&bad), Err(BadSet::NotASet));
        }
    }

    #[test]
    fn no_more_than_the_limit() {
        let one = public(Alg::EdDSA);
        let many: Vec<Value> = (0..KEYS_MAX + 5)
            .map(|i| {
                let mut key = one.clone();
                key["kid"] = i.to_string().into();
                key
            })
            .collect();
        let set = jwks(&many);
        assert_eq!((set.len(), set.skipped()), (KEYS_MAX, 5));
    }
}
