//! When a subject of a stream and the subject of an event are the same (SSF 1.0, 8.1.3.1).
//!
//! Used by the fold: works on hashes of the JSON as it was said, so it needs no knowledge of formats and its answer
//! never changes with them. Simple subjects match when they are identical, whatever the order of members. Complex
//! ones match by their members; which and how is `hub::subjects`. Never canonicalises a value: `A@x` is not `a@x`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of SHA-256 over a subject in canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SubjectHash(pub [u8; 16]);

impl SubjectHash {
    /// Before all.
    pub const FIRST: Self = Self([0; 16]);
    /// Behind all.
    pub const LAST: Self = Self([0xff; 16]);
}

/// What of a subject is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matcher {
    /// All of it.
    pub whole: SubjectHash,
    /// A complex subject's members by name, in order of their names; `None` for a simple one.
    pub parts: Option<Vec<(String, SubjectHash)>>,
}

impl Matcher {
    /// Of a subject's JSON text; `None` for what is no JSON object, which matches nothing.
    pub fn of(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let members = value.as_object()?;
        let is_complex = members.get("format").and_then(Value::as_str) == Some("complex");
        let parts = is_complex.then(|| {
            let named = members.iter().filter(|(name, _)| *name != "format");
            let mut parts: Vec<_> = named.map(|(name, part)| (name.clone(), hash(part))).collect();
            parts.sort();
            parts
        });
        Some(Self { whole: hash(&value), parts })
    }
}

/// Several hashes as one.
pub fn joined(hashes: impl Iterator<Item = SubjectHash>) -> SubjectHash {
    let mut sha = Sha256::new();
    hashes.for_each(|h| sha.update(h.0));
    cut(sha)
}

fn hash(value: &Value) -> SubjectHash {
    let mut sha = Sha256::new();
    feed(&mut sha, value);
    cut(sha)
}

/// The first 16 bytes of a digest.
pub fn cut(sha: Sha256) -> SubjectHash {
    let mut out = [0; 16];
    out.copy_from_slice(&sha.finalize()[..16]);
    SubjectHash(out)
}

/// Each value behind its kind and its length, so that no two different values feed the same bytes.
fn feed(sha: &mut Sha256, value: &Value) {
    let put = |sha: &mut Sha256, kind: u8, bytes: &[u8]| {
        sha.update([kind]);
        sha.update((bytes.len() as u64).to_be_bytes());
        sha.update(bytes);
    };
    match value {
        Value::Null => put(sha, b'z', b""),
        Value::Bool(b) => put(sha, b'b', &[u8::from(*b)]),
        // An integer by its value, anything else by its bits: how a float is written is not ours to fix for ever.
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), ..) => put(sha, b'i', &i.to_be_bytes()),
            (_, Some(u), _) => put(sha, b'u', &u.to_be_bytes()),
            (.., f) => put(sha, b'f', &f.unwrap_or_default().to_bits().to_be_bytes()),
        },
        Value::String(s) => put(sha, b's', s.as_bytes()),
        Value::Array(many) => {
            put(sha, b'a', &(many.len() as u64).to_be_bytes());
            many.iter().for_each(|one| feed(sha, one));
        }
        Value::Object(members) => {
            put(sha, b'o', &(members.len() as u64).to_be_bytes());
            let mut names: Vec<_> = members.iter().collect();
            names.sort_by(|a, b| a.0.cmp(b.0));
            for (name, member) in names {
                put(sha, b'n', name.as_bytes());
                feed(sha, member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> SubjectHash {
        Matcher::of(text).unwrap().whole
    }

    #[test]
    fn identical_is_identical_whatever_the_order_and_the_blanks() {
        let a = r#"{"format":"iss_sub","iss":"https://i","sub":"x"}"#;
        assert_eq!(whole(a), whole(r#"{ "sub":"\u0078", "iss":"https://i", "format":"iss_sub" }"#));
        for other in [
            r#"{"format":"iss_sub","iss":"https://i","sub":"X"}"#,
            r#"{"format":"iss_sub","iss":"https://i","sub":"x","more":1}"#,
            r#"{"format":"opaque","iss":"https://i","sub":"x"}"#,
            r#"{"format":"iss_sub","iss":"https://ix","sub":""}"#,
        ] {
            assert_ne!(whole(a), whole(other), "{other}");
        }
        for (a, b) in [("1", "\"1\""), ("null", "false"), ("[]", "{}"), ("[[1],2]", "[[1,2]]"), ("1", "1.0")]
        {
            let of = |v: &str| whole(&format!(r#"{{"format":"x","v":{v}}}"#));
            assert_ne!(of(a), of(b), "{a} {b}");
        }
    }

    /// These hashes lie in mirrors and bases: a change of them is a new fold version.
    #[test]
    fn hashes_are_fixed() {
        let hex = |h: SubjectHash| h.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(whole(r#"{"format":"email","email":"a@b.example"}"#)), GOLDEN);
    }
    const GOLDEN: &str = "e21ae08ce2c619244624c131dca8ad36";

    #[test]
    fn parts_are_those_of_complex_subjects_only() {
        assert_eq!(Matcher::of(r#"{"format":"email","email":"a@b"}"#).unwrap().parts, None);
        let complex = r#"{"format":"complex","user":{"format":"opaque","id":"1"},"device":{"format":"opaque","id":"1"}}"#;
        let parts = Matcher::of(complex).unwrap().parts.unwrap();
        assert_eq!(parts.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["device", "user"]);
        assert_eq!(parts[0].1, parts[1].1);
        assert_eq!(parts[0].1, whole(r#"{"id":"1","format":"opaque"}"#));
        assert_eq!(Matcher::of("[]"), None);
        assert_eq!(Matcher::of("{"), None);
    }
}
