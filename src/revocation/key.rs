//! Kinds of revocation keys and the keyed hash of an alias (GATES 2.2).
//!
//! `h = HMAC-SHA-256(tenant subject key, kind ‖ 0 ‖ canonical alias)`, cut to 16 bytes. It is computed
//! before an entry is written and carried in it, so that folding the journal needs no key.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::lineage::alias::Alias;
pub use crate::lineage::keyed::KeyHash;

/// What kind of thing a key stands for. The numbers are part of released formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// One token, by (iss, jti).
    Jti = 1,
    /// One run.
    Run = 2,
    /// The run at the top of a tree of runs.
    RootRun = 3,
    /// A login session.
    Session = 4,
    /// An agent.
    Agent = 5,
    /// An OAuth client.
    Client = 6,
    /// A user, by a token that no known run holds.
    User = 7,
    /// A user on whose behalf a known run acts.
    OnBehalfOf = 8,
    /// A workload.
    Workload = 9,
    /// A tool.
    Tool = 10,
    /// A whole tenant.
    Tenant = 11,
    /// The key a token is bound to (`cnf`).
    Cnf = 12,
}

impl Kind {
    /// The name that travels: in records, on Kafka, in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::Run => "run",
            Self::RootRun => "root_run",
            Self::Session => "session",
            Self::Agent => "agent",
            Self::Client => "client",
            Self::User => "user",
            Self::OnBehalfOf => "on_behalf_of",
            Self::Workload => "workload",
            Self::Tool => "tool",
            Self::Tenant => "tenant",
            Self::Cnf => "cnf",
        }
    }
}

/// The kinds of names by which an operator can stop somebody: those that subjects, facts and tokens use. Claims that a
/// token issuer names in `alias_claims` and whatever else facts used come on top.
pub const KILLABLE: [&str; 17] = [
    "agent",
    "run",
    "session",
    "iss_sub",
    "email",
    "phone_number",
    "client",
    "jti",
    "workload",
    "spiffe",
    "tool",
    "cnf",
    "account",
    "opaque",
    "did",
    "uri",
    "saml_assertion_id",
];

/// The kinds of keys under which a token may carry `alias`, in a fixed order (the order of the hashes
/// that entries carry: part of released formats).
pub fn kinds_of(alias: &Alias) -> &'static [Kind] {
    match alias.kind.as_str() {
        "iss_sub" => &[Kind::User, Kind::OnBehalfOf, Kind::Agent],
        "client" => &[Kind::Client, Kind::Agent],
        "agent" => &[Kind::Agent],
        "run" => &[Kind::Run, Kind::RootRun],
        "session" => &[Kind::Session],
        "jti" => &[Kind::Jti],
        "workload" | "spiffe" => &[Kind::Workload],
        "tool" => &[Kind::Tool],
        "cnf" => &[Kind::Cnf],
        "device" | "tenant" | "group" | "org_unit" => &[],
        _ => &[Kind::User, Kind::OnBehalfOf],
    }
}

/// A tenant's subject key: made with the tenant, never rotated, never in the journal.
#[derive(Clone)]
pub struct SubjectKey(Hmac<Sha256>);

impl SubjectKey {
    /// Prepares the key once; [`SubjectKey::hash`] then costs two compressions.
    pub fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        Self(Hmac::new_from_slice(key).expect("any length"))
    }

    /// The keyed hash of `alias` as a key of `kind`.
    pub fn hash(&self, kind: Kind, alias: &Alias) -> KeyHash {
        self.hash_parts(kind, &alias.kind, &alias.iss, &alias.value)
    }

    /// As [`SubjectKey::hash`], without an [`Alias`] to build (the gate's hot path).
    pub fn hash_parts(&self, kind: Kind, alias_kind: &str, iss: &str, value: &str) -> KeyHash {
        let mut mac = self.0.clone();
        for part in [kind.as_str(), alias_kind, iss] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        mac.update(value.as_bytes());
        let full = mac.finalize().into_bytes();
        let mut cut = [0u8; 16];
        cut.copy_from_slice(&full[..16]);
        KeyHash(cut)
    }

    /// The hashes of `alias` under every kind that a token may derive from it, in the order of
    /// [`kinds_of`].
    pub fn hashes(&self, alias: &Alias) -> Vec<KeyHash> {
        kinds_of(alias).iter().map(|kind| self.hash(*kind, alias)).collect()
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_issuer_and_key_all_matter() {
        let key = SubjectKey::new(&[7; 32]);
        let alice = Alias::new("iss_sub", "https://a", "alice");
        let base = key.hash(Kind::User, &alice);
        assert_eq!(base, SubjectKey::new(&[7; 32]).hash(Kind::User, &alice));
        assert_ne!(base, key.hash(Kind::OnBehalfOf, &alice));
        assert_ne!(base, key.hash(Kind::User, &Alias::new("iss_sub", "https://b", "alice")));
        assert_ne!(base, key.hash(Kind::User, &Alias::new("iss_sub", "https://aa", "lice")));
        assert_ne!(base, SubjectKey::new(&[8; 32]).hash(Kind::User, &alice));
    }

    #[test]
    fn text_and_binary_forms_come_back() {
        let h = KeyHash([9; 16]);
        let json = serde_json::to_string(&h).unwrap();
        assert_eq!(json.len(), 24);
        assert_eq!(serde_json::from_str::<KeyHash>(&json).unwrap(), h);
        let bytes = postcard::to_stdvec(&h).unwrap();
        assert_eq!(bytes.len(), 16);
        assert_eq!(postcard::from_bytes::<KeyHash>(&bytes).unwrap(), h);
    }
}
