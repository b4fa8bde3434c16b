//! Enforcement points: who may ask the gate, and for which audiences.
//!
//! `app` maps the journaled objects to these. Holds hashes of secrets, never a secret.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Longest secret of a point that is hashed, in bytes.
pub const SECRET_BYTES_MAX: usize = 512;

/// An enforcement point, as it is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PointDef {
    /// Its id.
    pub id: String,
    /// SHA-256 of the secret that it sends in `X-Hub-Point` behind `Bearer `.
    pub bearer_sha256: [u8; 32],
    /// From when that secret is not taken any more (s since 1970), if it was replaced: a point is here once for each.
    pub expires_at: Option<i64>,
    /// Audiences of tokens that it accepts.
    pub aud: Vec<String>,
}

/// Reads a SHA-256 as text: base64url without padding (43 characters) or hexadecimal (64).
pub fn hash_of_text(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok();
    }
    let mut out = [0u8; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = [*pair.first()?, *pair.last()?].map(|c| char::from(c).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(out)
}

/// The points of a tenant, by the hash of their secret.
#[derive(Debug, Default)]
pub struct Points(HashMap<[u8; 32], Arc<PointDef>>);

impl Points {
    /// Two points with one secret would be two answers to one question: the first one stays.
    pub fn new(defs: Vec<PointDef>) -> Self {
        let mut points = HashMap::new();
        for def in defs {
            if let Some(first) = points.get(&def.bearer_sha256) {
                let first: &Arc<PointDef> = first;
                tracing::warn!(point = %def.id, like = %first.id, "point left out: its secret is another's");
                continue;
            }
            points.insert(def.bearer_sha256, Arc::new(def));
        }
        Self(points)
    }

    /// The point that a secret belongs to. The secret itself is never compared, only its hash: how long that
    /// takes tells nothing of use to who cannot choose the hash, and the last word is a constant-time compare.
    pub fn by_secret(&self, secret: &[u8], now_s: i64) -> Option<&Arc<PointDef>> {
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let point = self.0.get(&hash).filter(|point| openssl::memcmp::eq(&point.bearer_sha256, &hash))?;
        Some(point).filter(|point| point.expires_at.is_none_or(|until| now_s < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(id: &str, secret: &str) -> PointDef {
        PointDef {
            id: id.into(),
            bearer_sha256: Sha256::digest(secret).into(),
            expires_at: None,
            aud: vec![],
        }
    }

    #[test]
    fn only_the_right_secret_and_only_the_first_of_two() {
        let points = Points::new(vec![point("a", "s"), point("b", "t"), point("c", "s")]);
        let id = |secret: &[u8]| points.by_secret(secret, 100).map(|p| p.id.clone());
        assert_eq!((id(b"s"), id(b"t")), (Some("a".into()), Some("b".into())));
        for bad in [&b""[..], b"S", b"s ", &[b's'; 513]] {
            assert_eq!(id(bad), None);
        }
    }

    #[test]
    fn a_secret_that_was_replaced_ends() {
        let old = PointDef { expires_at: Some(100), ..point("a", "old") };
        let points = Points::new(vec![point("a", "new"), old]);
        let id = |secret: &[u8], now_s| points.by_secret(secret, now_s).map(|p| p.id.as_str());
        assert_eq!([id(b"old", 99), id(b"old", 100), id(b"new", 100)], [Some("a"), None, Some("a")]);
    }

    #[test]
    fn hashes_in_both_spellings() {
        let hash: [u8; 32] = Sha256::digest("s").into();
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hash_of_text(&hex), Some(hash));
        assert_eq!(hash_of_text(&hex.to_uppercase()), Some(hash));
        assert_eq!(hash_of_text(&URL_SAFE_NO_PAD.encode(hash)), Some(hash));
        for bad in ["", "ab", &"g".repeat(64), &"é".repeat(32), &"A".repeat(44)] {
            assert_eq!(hash_of_text(bad), None, "{bad}");
        }
    }
}
