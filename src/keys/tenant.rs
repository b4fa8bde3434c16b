//! The keys of one tenant: signing keys, the key of its subject hashes, the key of its feed.
//!
//! Made on first need and kept for good: the subject key is never rotated, because every revocation
//! record of the tenant is a hash under it (GATES 2.2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::file;
use super::vault::Error;
use crate::clock::{Chance, random};
use crate::jose::{Alg, SigningKey, sign};
use crate::revocation::key::SubjectKey;

/// The signing keys that a tenant publishes: these and no others are made on demand.
pub const SIGNING_ALGS: [Alg; 2] = [Alg::RS256, Alg::ES256];

/// One tenant's keys. Shared; making a missing signing key blocks for some 100 ms, once.
pub struct TenantKeys {
    dir: PathBuf,
    subject_key: SubjectKey,
    feed_key: [u8; 32],
    signing: Mutex<BTreeMap<Alg, Arc<SigningKey>>>,
    jwks: Mutex<Option<Arc<str>>>,
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantKeys").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl TenantKeys {
    /// Opens the tenant's directory; makes its symmetric keys if they are not there.
    pub(super) fn open(dir: PathBuf, chance: &dyn Chance) -> Result<Self, Error> {
        file::private_dir(&dir).map_err(|e| Error::io(&dir, e))?;
        let subject_key = SubjectKey::new(&symmetric(&dir.join("subject.key"), chance)?);
        let feed_key = symmetric(&dir.join("feed-1.key"), chance)?;
        let (signing, jwks) = (Mutex::default(), Mutex::default());
        Ok(Self { dir, subject_key, feed_key, signing, jwks })
    }

    /// The key under which subjects are hashed in revocation records. Never leaves the hub.
    pub fn subject_key(&self) -> &SubjectKey {
        &self.subject_key
    }

    /// The key of the revocation feed's first epoch; enforcement points of this tenant hold it too.
    pub fn feed_key(&self) -> &[u8; 32] {
        &self.feed_key
    }

    /// The signing key for `alg`, one of `SIGNING_ALGS`.
    pub fn signing(&self, alg: Alg) -> Result<Arc<SigningKey>, Error> {
        if !SIGNING_ALGS.contains(&alg) {
            return Err(Error::NotOurs(alg));
        }
        let mut signing = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = signing.get(&alg) {
            return Ok(key.clone());
        }
        let key = Arc::new(asymmetric(&self.dir.join(format!("sign-{alg}.pem")), alg)?);
        signing.insert(alg, key.clone());
        Ok(key)
    }

    /// The JWKS document that is published for the tenant: both keys, always, so that no receiver has to
    /// fetch again when a stream changes its algorithm.
    pub fn jwks(&self) -> Result<Arc<str>, Error> {
        let mut jwks = self.jwks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = &*jwks {
            return Ok(text.clone());
        }
        let mut keys = vec![];
        for alg in SIGNING_ALGS {
            keys.push(self.signing(alg)?.public_jwk().clone());
        }
        let text: Arc<str> = serde_json::json!({ "keys": keys }).to_string().into();
        *jwks = Some(text.clone());
        Ok(text)
    }
}

/// Reads 32 bytes, or draws them and keeps them.
fn symmetric(path: &Path, chance: &dyn Chance) -> Result<[u8; 32], Error> {
    if let Some(content) = file::read(path).map_err(|e| Error::io(path, e))? {
        // A key that is cut short must never be replaced silently: everything hashed under it would be lost.
        return content.try_into().map_err(|_| Error::Damaged(path.into()));
    }
    let key = random::<32>(chance);
    file::write(path, &key).map_err(|e| Error::io(path, e))?;
    Ok(key)
}

/// Reads a private key, or makes and keeps one.
pub(super) fn asymmetric(path: &Path, alg: Alg) -> Result<SigningKey, Error> {
    let pem = match file::read(path).map_err(|e| Error::io(path, e))? {
        Some(pem) => pem,
        None => {
            let pem = sign::generate_pem(alg).map_err(|_| Error::Damaged(path.into()))?;
            file::write(path, &pem).map_err(|e| Error::io(path, e))?;
            pem
        }
    };
    SigningKey::from_pem(alg, &pem).map_err(|_| Error::Damaged(path.into()))
}
