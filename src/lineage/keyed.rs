//! The keyed hash under which a name is held, and a name together with its hashes.
//!
//! In the flow: `revocation::key` computes the hashes before an entry is written (GATES 2.2); the graph keeps
//! them beside the name, so that a decision has the keys of what it touches and the fold needs no key.
//! Lives here, below `revocation`, because the graph holds them; knows nothing of kinds of keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize};

use super::alias::Alias;

/// The first 16 bytes of the keyed hash of (kind, alias). Says nothing to who lacks the subject key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    /// base64url without padding, 22 characters.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Serialize for KeyHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            return self.0.serialize(s);
        }
        let mut text = [0; 22];
        let len = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).map_err(S::Error::custom)?;
        s.serialize_str(std::str::from_utf8(&text[..len]).map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
            let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
            let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("a key hash has 16 bytes"))?;
            Ok(Self(bytes))
        } else {
            <[u8; 16]>::deserialize(d).map(Self)
        }
    }
}

/// An alias and its keyed hashes, in the order of `revocation::key::kinds_of`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Named {
    /// The alias.
    pub alias: Alias,
    /// Its keyed hashes.
    pub hashes: Vec<KeyHash>,
}
