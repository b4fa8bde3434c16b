//! The directory `keys/`: tenants' keys, the hub's audit key, and the secrets that entries name by id.
//!
//! Opened once at start by `app`. Deleting a file here forgets the value for good; the journal still
//! shows that it existed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::file;
use super::tenant::{TenantKeys, asymmetric};
use crate::clock::SharedChance;
use crate::jose::{Alg, SigningKey};
use crate::tenant::TenantId;

/// Why a key or secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file is not what it should be. Never replaced: the operator must restore it.
    #[error("key file {} is damaged", .0.display())]
    Damaged(PathBuf),
    /// The hub does not sign with this algorithm.
    #[error("the hub has no {0} key")]
    NotOurs(Alg),
    /// A secret's id is not 1 to 128 characters of `A-Z a-z 0-9 _ - .`, beginning with no dot.
    #[error("not the id of a secret")]
    BadId,
}

impl Error {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

/// All keys and secrets of this hub.
pub struct Keys {
    dir: PathBuf,
    chance: SharedChance,
    tenants: Mutex<BTreeMap<TenantId, Arc<TenantKeys>>>,
    audit: OnceLock<Arc<SigningKey>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Keys {
    /// Opens `dir`, making it if it is not there.
    pub fn open(dir: impl Into<PathBuf>, chance: SharedChance) -> Result<Self, Error> {
        let dir = dir.into();
        file::private_dir(&dir).map_err(|e| Error::io(&dir, e))?;
        Ok(Self { dir, chance, tenants: Mutex::default(), audit: OnceLock::new() })
    }

    /// The keys of a tenant. Whether the tenant exists is the caller's to know: asking makes the files.
    pub fn tenant(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, Error> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = tenants.get(tenant) {
            return Ok(keys.clone());
        }
        let keys = Arc::new(TenantKeys::open(self.dir.join("t").join(tenant.as_str()), &*self.chance)?);
        tenants.insert(tenant.clone(), keys.clone());
        Ok(keys)
    }

    /// The hub-wide ES256 key that signs chain heads and bases.
    pub fn audit(&self) -> Result<Arc<SigningKey>, Error> {
        if let Some(key) = self.audit.get() {
            return Ok(key.clone());
        }
        // The tenants' lock keeps two first callers from making two keys.
        let _one = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.audit.get() {
            return Ok(key.clone());
        }
        let key = Arc::new(asymmetric(&self.dir.join("audit-ES256.pem"), Alg::ES256)?);
        Ok(self.audit.get_or_init(|| key).clone())
    }

    /// The value of a secret, or `None` if there is none (any more).
    pub fn secret(&self, tenant: &TenantId, id: &str) -> Result<Option<String>, Error> {
        let path = self.secret_path(tenant, id)?;
        let Some(content) = file::read(&path).map_err(|e| Error::io(&path, e))? else { return Ok(None) };
        String::from_utf8(content).map(Some).map_err(|_| Error::Damaged(path))
    }

    /// Keeps a secret under an id, durably: call it before the entry that names the id is journaled.
    pub fn put_secret(&self, tenant: &TenantId, id: &str, value: &str) -> Result<(), Error> {
        let path = self.secret_path(tenant, id)?;
        if let Some(dir) = path.parent() {
            file::private_dir(dir).map_err(|e| Error::io(dir, e))?;
        }
        file::write(&path, value.as_bytes()).map_err(|e| Error::io(&path, e))
    }

    /// Forgets a secret. That there is none is no error.
    pub fn drop_secret(&self, tenant: &TenantId, id: &str) -> Result<(), Error> {
        let path = self.secret_path(tenant, id)?;
        file::remove(&path).map_err(|e| Error::io(&path, e))
    }

    fn secret_path(&self, tenant: &TenantId, id: &str) -> Result<PathBuf, Error> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        if id.is_empty() || id.len() > 128 || id.starts_with('.') || !id.bytes().all(plain) {
            return Err(Error::BadId);
        }
        Ok(self.dir.join("secrets").join(tenant.as_str()).join(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsChance;
    use crate::jose::KeySet;

    fn open(dir: &Path) -> Keys {
        Keys::open(dir, Arc::new(OsChance)).unwrap()
    }

    #[test]
    fn keys_are_made_once_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let tenant = TenantId::parse("a").unwrap();
        let seen = |keys: &Keys| {
            let t = keys.tenant(&tenant).unwrap();
            let kids = [Alg::RS256, Alg::ES256].map(|alg| t.signing(alg).unwrap().kid().to_string());
            (
                t.subject_key().hash_parts(crate::revocation::key::Kind::User, "email", "", "a@b").0,
                *t.feed_key(),
                kids,
                t.jwks().unwrap(),
                keys.audit().unwrap().kid().to_string(),
            )
        };
        let keys = open(root.path());
        let first = seen(&keys);
        assert_eq!(first, seen(&keys));
        assert_eq!(first, seen(&open(root.path())));

        let other = keys.tenant(&TenantId::parse("b").unwrap()).unwrap();
        assert_ne!(
            other.subject_key().hash_parts(crate::revocation::key::Kind::User, "email", "", "a@b").0,
            first.0
        );
        assert_eq!(KeySet::parse(first.3.as_bytes()).unwrap().len(), 2);
        assert!(!first.3.contains("\"d\""));
        assert!(matches!(other.signing(Alg::PS256), Err(Error::NotOurs(Alg::PS256))));
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        let tenant = TenantId::default_tenant();
        open(root.path()).tenant(&tenant).unwrap();
        let path = root.path().join("t/default/subject.key");
        std::fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(open(root.path()).tenant(&tenant), Err(Error::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap(), [1; 31]);
        std::fs::write(root.path().join("audit-ES256.pem"), b"half a pem").unwrap();
        assert!(matches!(open(root.path()).audit(), Err(Error::Damaged(_))));
    }

    #[test]
    fn secrets_come_and_go_within_their_tenant() {
        let root = tempfile::tempdir().unwrap();
        let keys = open(root.path());
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        keys.put_secret(&a, "stream-1.push", "Bearer x").unwrap();
        assert_eq!(keys.secret(&a, "stream-1.push").unwrap().as_deref(), Some("Bearer x"));
        assert_eq!(keys.secret(&b, "stream-1.push").unwrap(), None);
        keys.drop_secret(&a, "stream-1.push").unwrap();
        keys.drop_secret(&a, "stream-1.push").unwrap();
        assert_eq!(keys.secret(&a, "stream-1.push").unwrap(), None);
        for bad in ["", ".", "..", "../a", "a/b", ".x", "a\0", "é", &"x".repeat(129)] {
            assert!(matches!(keys.put_secret(&a, bad, "v"), Err(Error::BadId)), "{bad}");
        }
    }
}
