//! Names and hashes that follow from an entry: computed, never drawn (DESIGN 5, 6).
//!
//! Imported by `apply`, `decide` and the doors, so that each hash has one definition. Plain SHA-256 over
//! length-prefixed parts; keyed hashes of people live in `revocation::key`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::canonical::canonical;
use crate::lineage::fact::Fact;
use crate::lineage::keyed::Named;
use crate::revocation::key::KeyHash;
use crate::tenant::{Seq, TenantId};

/// SHA-256 over parts, each behind its length, cut to 16 bytes.
pub fn hash(parts: &[&[u8]]) -> KeyHash {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    let full = sha.finalize();
    let mut cut = [0u8; 16];
    cut.copy_from_slice(&full[..16]);
    KeyHash(cut)
}

/// What a duplicate is known by: (upstream, iss, jti).
pub fn seen_key(upstream: &str, iss: &str, jti: &str) -> KeyHash {
    hash(&[b"seen", upstream.as_bytes(), iss.as_bytes(), jti.as_bytes()])
}

/// What an event is, whoever sends it: (type, subject, event object). The two objects are compared in a canonical
/// form, for another hub may write them with other blanks or in another order. Computed at the door, where the
/// work is spread over the cores.
pub fn event_hash(uri: &str, sub_id: &str, event: &str) -> KeyHash {
    hash(&[b"event", uri.as_bytes(), canonical(sub_id).as_bytes(), canonical(event).as_bytes()])
}

/// What an echo is known by: its `txn`, and its [`event_hash`].
pub fn echo(txn: &str, event: KeyHash) -> KeyHash {
    hash(&[b"echo", txn.as_bytes(), &event.0])
}

/// The names of a subject as one hash: two sources that mean the same principals by other names differ in it.
pub fn names_hash(names: &[Named]) -> KeyHash {
    let mut sha: Vec<u8> = Vec::with_capacity(64);
    names.iter().flat_map(|name| &name.hashes).for_each(|h| sha.extend_from_slice(&h.0));
    hash(&[b"names", &sha])
}

/// What order is kept within: a hash of the subject's text.
pub fn subject_order(sub_id: &str) -> u64 {
    let KeyHash(h) = hash(&[b"order", sub_id.as_bytes()]);
    u64::from_be_bytes([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]])
}

/// What an idempotent repetition of a fact is known by.
pub fn fact_hash(fact: &Fact) -> KeyHash {
    hash(&[b"fact", &serde_json::to_vec(fact).unwrap_or_default()])
}

/// The `txn` of a cause that came without one.
pub fn txn(journal: &[u8; 16], tenant: &TenantId, seq: Seq) -> String {
    let h = hash(&[b"txn", journal, tenant.as_str().as_bytes(), &seq.0.to_be_bytes()]);
    URL_SAFE_NO_PAD.encode(h.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_known_whatever_its_blanks_and_order() {
        let (sub_id, event) = (r#"{"format":"email","email":"a@b"}"#, r#"{"x":1,"y":{"b":2,"a":[1,2]}}"#);
        let a = event_hash("u", sub_id, event);
        let other =
            event_hash("u", r#"{ "email":"a@b", "format":"email" }"#, r#"{"y":{"a":[1, 2],"b":2},"x":1}"#);
        assert_eq!(a, other);
        assert_ne!(a, event_hash("u", sub_id, r#"{"x":1,"y":{"b":2,"a":[2,1]}}"#));
        assert_ne!(echo("t", a), echo("t2", a));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(seen_key("a", "bc", "d"), seen_key("ab", "c", "d"));
    }
}
