//! From bytes to a `VerifiedSet`, or to a `Reject`: the one gate every SET passes (RFC 8935 §2, SSF 4).
//!
//! Called by `receiver` for push, poll and Kafka alike. The order is fixed: size, form, header, key,
//! signature, and only then what the payload says. Complete and closed: what is not understood is refused.
//! Never fetches keys (the caller does, when told `retry_with_fresh_keys`), never looks up a `jti`.

use sha2::{Digest, Sha256};

use super::claims::{Claims, Draft};
use super::dialect::Dialect;
use super::reject::{Reject, RejectReason};
use crate::jose::compact::{Compact, Error};
use crate::jose::{Alg, KeySet};

/// However tolerant an upstream's setting is, `iat` may not lie further ahead than this.
pub const CLOCK_TOLERANCE_S_MAX: i64 = 300;

/// What one upstream may send.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Its issuer, compared exactly.
    pub iss: &'a str,
    /// Our audiences at this upstream; one of them must be in `aud`.
    pub aud: &'a [String],
    /// Signature algorithms it may use.
    pub algs: &'a [Alg],
    /// Which deviations from SSF 1.0 are put up with.
    pub dialect: Dialect,
    /// Every issuer of this hub begins with this; a SET of our own or of another tenant is refused.
    pub own_issuer_prefix: &'a str,
    /// How far `iat` may lie ahead, in seconds; what is above 300 counts as 300.
    pub clock_tolerance_s: i64,
    /// Now, in seconds since 1970.
    pub now_s: i64,
    /// Longest SET, in bytes.
    pub max_bytes: usize,
}

/// A SET that is what it says it is. Only `verify` makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedSet {
    claims: Claims,
    compact: String,
    payload_hash: [u8; 32],
    kid: Option<String>,
    alg: Alg,
}

impl VerifiedSet {
    /// What it says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What it says, the token, and the hash of its payload, for who needs no more of it.
    pub fn into_parts(self) -> (Claims, String, [u8; 32]) {
        (self.claims, self.compact, self.payload_hash)
    }

    /// The token as it came: the evidence.
    pub fn compact(&self) -> &str {
        &self.compact
    }

    /// SHA-256 of the decoded payload: tells two SETs under one `jti` apart.
    pub fn payload_hash(&self) -> [u8; 32] {
        self.payload_hash
    }

    /// The key that signed it, as the header names it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm that it is signed with.
    pub fn alg(&self) -> Alg {
        self.alg
    }
}

/// Verifies a SET in compact form.
pub fn verify(compact: &[u8], policy: &Policy<'_>, keys: &KeySet) -> Result<VerifiedSet, Reject> {
    let parsed = Compact::parse(compact, policy.max_bytes).map_err(reason)?;
    if !parsed.header().typ_is("secevent+jwt") {
        return Err(RejectReason::Typ.into());
    }
    let text = parsed.text();
    let (header, alg, payload) = parsed.verify(keys, policy.algs).map_err(reason)?;
    let claims = judge(&payload, policy)?;
    let payload_hash = Sha256::digest(&payload).into();
    Ok(VerifiedSet { claims, compact: text.into(), payload_hash, kid: header.kid, alg })
}

/// Judges a payload whose signature holds.
fn judge(payload: &[u8], policy: &Policy<'_>) -> Result<Claims, RejectReason> {
    let draft = Draft::open(payload)?;
    let own = policy.own_issuer_prefix;
    if !own.is_empty() && draft.iss().starts_with(own) {
        return Err(RejectReason::OwnIssuer);
    }
    if draft.iss() != policy.iss {
        return Err(RejectReason::ForeignIssuer);
    }
    let ours = draft.aud().iter().any(|aud| policy.aud.contains(aud));
    let without = policy.dialect == Dialect::Keycloak && draft.aud().is_empty() && draft.is_control();
    if !ours && !without {
        return Err(RejectReason::ForeignAudience);
    }
    let claims = draft.finish(policy.dialect)?;
    let ahead = policy.clock_tolerance_s.clamp(0, CLOCK_TOLERANCE_S_MAX);
    if claims.iat > policy.now_s.saturating_add(ahead) {
        return Err(RejectReason::IatAhead);
    }
    Ok(claims)
}

fn reason(error: Error) -> RejectReason {
    match error {
        Error::TooLong => RejectReason::TooLarge,
        Error::Malformed => RejectReason::NotAJws,
        Error::Critical => RejectReason::Critical,
        Error::OwnKey => RejectReason::OwnKey,
        Error::AlgNotAllowed => RejectReason::AlgNotAllowed,
        Error::UnknownKid => RejectReason::UnknownKid,
        Error::NoKey => RejectReason::NoKey,
        Error::Signature => RejectReason::Signature,
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "keycloak_tests.rs"]
mod keycloak_tests;
