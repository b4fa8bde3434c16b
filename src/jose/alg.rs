//! The signature algorithms that the hub signs with and accepts (RFC 7518, RFC 8037, RFC 9864).
//!
//! A closed list: `none`, HMAC and everything else have no name here, so they cannot be allowed by mistake.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A JWS signature algorithm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256, salt of 32 bytes.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519. `Ed25519` (RFC 9864) is read as the same algorithm.
    #[serde(alias = "Ed25519")]
    EdDSA,
}

impl Alg {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    /// The algorithm that a header's `alg` names, exactly as spelled there.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::RS256),
            "PS256" => Some(Self::PS256),
            "ES256" => Some(Self::ES256),
            "EdDSA" | "Ed25519" => Some(Self::EdDSA),
            _ => None,
        }
    }

    /// Whether a signature takes some 20 to 50 µs: no more than to hand it to another thread and back. One with RSA takes
    /// most of a millisecond.
    pub fn is_quick(self) -> bool {
        match self {
            Self::ES256 | Self::EdDSA => true,
            Self::RS256 | Self::PS256 => false,
        }
    }

    /// The name as it stands in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_closed() {
        for alg in Alg::ALL {
            assert_eq!(Alg::from_name(alg.name()), Some(alg));
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.name());
        }
        assert_eq!(Alg::from_name("Ed25519"), Some(Alg::EdDSA));
        for bad in ["none", "None", "HS256", "rs256", "RS512", "ES256K", ""] {
            assert_eq!(Alg::from_name(bad), None, "{bad}");
        }
    }
}
