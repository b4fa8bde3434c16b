//! Secrets that peers present: only a hash is kept, and it is compared in constant time.
//!
//! For secrets of our own making (32 random bytes): a plain SHA-256 is enough there, and cheap per
//! request. Not for passwords that people choose.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What is kept of a high-entropy secret: base64url of its SHA-256 (43 characters).
pub fn hash_secret(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// Whether `presented` is the secret behind `hash`. Time does not depend on where they differ.
pub fn secret_matches(hash: &str, presented: &str) -> bool {
    let presented = hash_secret(presented);
    hash.len() == presented.len() && openssl::memcmp::eq(hash.as_bytes(), presented.as_bytes())
}

/// The id in `keys/` of what is sent as `Authorization` to a push stream. It depends on the stream's id
/// alone: a name made of the value would put a hash of a perhaps weak secret into the journal.
pub fn authorization_id(stream_id: &str) -> String {
    let mut hash = hash_secret(stream_id);
    hash.truncate(22);
    format!("authorization-{hash}")
}

/// The id in `keys/` of what the hub presents to the introspection endpoint of an authorization server.
pub fn introspection_id(authorization_server: &str) -> String {
    let mut hash = hash_secret(authorization_server);
    hash.truncate(22);
    format!("introspection-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret() {
        let hash = hash_secret("abc");
        assert_eq!(hash, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert!(secret_matches(&hash, "abc"));
        for bad in ["", "abd", "abc ", &hash] {
            assert!(!secret_matches(&hash, bad));
        }
        assert!(!secret_matches("", "abc"));
    }
}
