//! The keys of one tenant: signing keys, the key of its subject hashes, the key of its feed.
//!
//! Made on first need. The subject key is kept for good and never rotated, because every revocation record of the tenant
//! is a hash under it (GATES 2.2); signing keys come and go ([`super::ring`]).

use std::sync::Arc;

use super::ring::{Gone, Listed, Ring, Rotated};
use super::safe::Safe;
use super::vault::Error;
use crate::clock::{Chance, random};
use crate::jose::{Alg, SigningKey, sign};
use crate::revocation::key::SubjectKey;

/// One tenant's keys. Shared; making a missing signing key blocks for some 100 ms, once.
pub struct TenantKeys {
    subject_key: SubjectKey,
    feed_key: [u8; 32],
    ring: Ring,
    folder: String,
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantKeys").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl TenantKeys {
    /// Opens the tenant's folder; makes its symmetric keys if they are not there.
    pub(super) fn open(safe: &Safe, folder: String, ring: Ring, chance: &dyn Chance) -> Result<Self, Error> {
        let subject_key = SubjectKey::new(&symmetric(safe, &format!("{folder}/subject.key"), chance)?);
        let feed_key = symmetric(safe, &format!("{folder}/feed-1.key"), chance)?;
        Ok(Self { subject_key, feed_key, ring, folder })
    }

    /// The key under which subjects are hashed in revocation records. Never leaves the hub.
    pub fn subject_key(&self) -> &SubjectKey {
        &self.subject_key
    }

    /// The key of the revocation feed's first epoch; enforcement points of this tenant hold it too.
    pub fn feed_key(&self) -> &[u8; 32] {
        &self.feed_key
    }

    /// The key that signs with `alg` now; made if there is none.
    pub fn signing(&self, alg: Alg) -> Result<Arc<SigningKey>, Error> {
        self.ring.signing(alg)
    }

    /// The same where it was read or made before: never blocks.
    pub fn ready(&self, alg: Alg) -> Option<Arc<SigningKey>> {
        self.ring.ready(alg)
    }

    /// The JWKS document that is published for the tenant now.
    pub fn jwks(&self) -> Result<Arc<str>, Error> {
        self.ring.jwks().map(Into::into)
    }

    /// A new key of `alg` is published, and signs after a while (configuration, `keys.publish_ahead_s`).
    pub fn rotate(&self, alg: Alg) -> Result<Rotated, Error> {
        self.ring.rotate(alg)
    }

    /// A key is published no more and signs no more, at once.
    pub fn revoke(&self, kid: &str, by: &str) -> Result<Gone, Error> {
        self.ring.revoke(kid, by)
    }

    /// Whether a key was revoked.
    pub fn is_revoked(&self, kid: &str) -> bool {
        self.ring.is_revoked(kid)
    }

    /// Whether receivers may not know a key yet: it took the place of a revoked one a short while ago.
    pub fn may_be_unknown(&self, kid: &str) -> bool {
        self.ring.may_be_unknown(kid)
    }

    /// The names of the keys that were revoked and signed with `alg`.
    pub fn revoked(&self, alg: Alg) -> Vec<String> {
        self.ring.revoked(alg)
    }

    /// All signing keys, as operators see them.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        self.ring.list()
    }

    /// Forgets signing keys whose overlap is over. Their names.
    pub fn sweep(&self) -> Result<Vec<String>, Error> {
        self.ring.sweep()
    }

    /// How long the signing keys sign already (ms).
    pub fn ages_ms(&self) -> Vec<(Alg, i64)> {
        self.ring.ages_ms()
    }
}

/// Reads 32 bytes, or draws them and keeps them.
fn symmetric(safe: &Safe, name: &str, chance: &dyn Chance) -> Result<[u8; 32], Error> {
    if let Some(content) = safe.read(name)? {
        // A key that is cut short must never be replaced silently: everything hashed under it would be lost.
        return content.try_into().map_err(|_| Error::Damaged(safe.path(name)));
    }
    let key = random::<32>(chance);
    safe.write(name, &key)?;
    Ok(key)
}

/// Reads a private key, or makes and keeps one.
pub(super) fn asymmetric(safe: &Safe, name: &str, alg: Alg) -> Result<SigningKey, Error> {
    let damaged = |_| Error::Damaged(safe.path(name));
    let pem = match safe.read(name)? {
        Some(pem) => pem,
        None => {
            let pem = sign::generate_pem(alg).map_err(damaged)?;
            safe.write(name, &pem)?;
            pem
        }
    };
    SigningKey::from_pem(alg, &pem).map_err(damaged)
}
