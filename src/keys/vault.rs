//! The directory `keys/`: tenants' keys, the hub's audit key, and the secrets that entries name by id.
//!
//! Opened once at start by `app`. Deleting a file here forgets the value for good; the journal still
//! shows that it existed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::ring::Ring;
use super::safe::{Resealed, Safe};
use super::seal::Sealing;
use super::state::{Times, Unfit};
use super::tenant::{TenantKeys, asymmetric};
use crate::clock::{SharedChance, SharedClock, System};
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
    /// A file is sealed, and the key is not at hand.
    #[error(
        "key file {} is sealed with the sealing key {id}, which is not configured \
         (keys.sealing_key_file, keys.sealing_key_previous_file)",
        path.display()
    )]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// The id of the sealing key.
        id: String,
    },
    /// A signing key cannot be changed so.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A secret's id is not 1 to 128 characters of `A-Z a-z 0-9 _ - .`, beginning with no dot.
    #[error("not the id of a secret")]
    BadId,
}

impl Error {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

/// How keys are kept and changed.
pub struct Setup {
    /// What time it is: which key signs depends on it.
    pub clock: SharedClock,
    /// The times of a rotation.
    pub times: Times,
    /// What files are sealed with.
    pub sealing: Sealing,
    /// Whether files that are not under the current seal are written anew. Not beside a running hub.
    pub writes: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { clock: Arc::new(System), times: Times::default(), sealing: Sealing::default(), writes: true }
    }
}

/// All keys and secrets of this hub.
pub struct Keys {
    safe: Arc<Safe>,
    chance: SharedChance,
    clock: SharedClock,
    times: Times,
    resealed: Resealed,
    tenants: Mutex<BTreeMap<TenantId, Arc<TenantKeys>>>,
    audit: OnceLock<Arc<SigningKey>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("dir", &self.safe.path("")).finish_non_exhaustive()
    }
}

impl Keys {
    /// Opens `dir`, making it if it is not there: nothing is sealed, default times.
    pub fn open(dir: impl Into<PathBuf>, chance: SharedChance) -> Result<Self, Error> {
        Self::open_with(dir, chance, Setup::default())
    }

    /// Opens `dir`, making it if it is not there. Whatever lies there can be read afterwards, or this is an error and
    /// nothing was changed.
    pub fn open_with(dir: impl Into<PathBuf>, chance: SharedChance, setup: Setup) -> Result<Self, Error> {
        let Setup { clock, times, sealing, writes } = setup;
        let (safe, resealed) = Safe::open(&dir.into(), sealing, chance.clone(), writes)?;
        let (safe, tenants, audit) = (Arc::new(safe), Mutex::default(), OnceLock::new());
        Ok(Self { safe, chance, clock, times, resealed, tenants, audit })
    }

    /// Does something while no signing key is made, rotated, revoked or forgotten: each tenant's files fit together, and
    /// a copy of them is good. Who wants to change one waits.
    pub fn while_still<T>(&self, copy: impl FnOnce() -> T) -> T {
        let _still = self.safe.still();
        copy()
    }

    /// What was sealed when it was opened.
    pub fn resealed(&self) -> Resealed {
        self.resealed
    }

    /// The keys of a tenant. Whether the tenant exists is the caller's to know: asking makes the files.
    pub fn tenant(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, Error> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = tenants.get(tenant) {
            return Ok(keys.clone());
        }
        let folder = format!("t/{tenant}");
        let ring = Ring::new(self.safe.clone(), folder.clone(), self.clock.clone(), self.times);
        let keys = Arc::new(TenantKeys::open(&self.safe, folder, ring, &*self.chance)?);
        tenants.insert(tenant.clone(), keys.clone());
        Ok(keys)
    }

    /// The key that signs with `alg` for a tenant, where it was read or made before: never blocks on the disk.
    pub fn ready(&self, tenant: &TenantId, alg: Alg) -> Option<Arc<SigningKey>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).get(tenant)?.ready(alg)
    }

    /// The tenants whose keys were asked for.
    pub fn known(&self) -> Vec<(TenantId, Arc<TenantKeys>)> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.iter().map(|(tenant, keys)| (tenant.clone(), keys.clone())).collect()
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
        let key = Arc::new(asymmetric(&self.safe, "audit-ES256.pem", Alg::ES256)?);
        Ok(self.audit.get_or_init(|| key).clone())
    }

    /// The value of a secret, or `None` if there is none (any more).
    pub fn secret(&self, tenant: &TenantId, id: &str) -> Result<Option<String>, Error> {
        let name = secret_name(tenant, id)?;
        let Some(content) = self.safe.read(&name)? else { return Ok(None) };
        String::from_utf8(content).map(Some).map_err(|_| Error::Damaged(self.safe.path(&name)))
    }

    /// Keeps a secret under an id, durably: call it before the entry that names the id is journaled.
    pub fn put_secret(&self, tenant: &TenantId, id: &str, value: &str) -> Result<(), Error> {
        self.safe.write(&secret_name(tenant, id)?, value.as_bytes())
    }

    /// Forgets a secret. That there is none is no error.
    pub fn drop_secret(&self, tenant: &TenantId, id: &str) -> Result<(), Error> {
        self.safe.remove(&secret_name(tenant, id)?)
    }
}

fn secret_name(tenant: &TenantId, id: &str) -> Result<String, Error> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    if id.is_empty() || id.len() > 128 || id.starts_with('.') || !id.bytes().all(plain) {
        return Err(Error::BadId);
    }
    Ok(format!("secrets/{tenant}/{id}"))
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
        assert_eq!(KeySet::parse(first.3.as_bytes()).unwrap().len(), 4);
        assert!(!first.3.contains("\"d\""));
    }

    #[test]
    fn nothing_of_a_ring_changes_while_it_is_copied() {
        let root = tempfile::tempdir().unwrap();
        let keys = open(root.path());
        let tenant = keys.tenant(&TenantId::parse("a").unwrap()).unwrap();
        let signing = tenant.signing(Alg::ES256).unwrap();
        let kept = || {
            let files = std::fs::read_dir(root.path().join("t/a")).unwrap().map(|file| file.unwrap().path());
            files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
        };
        let (began, begun) = std::sync::mpsc::channel();
        let (rotating, first) = (tenant.clone(), signing.kid().to_string());
        let (copied, rotation) = keys.while_still(|| {
            let before = kept();
            let rotation = std::thread::spawn(move || {
                began.send(()).unwrap();
                rotating.revoke(&first, "test")
            });
            begun.recv().unwrap();
            // As long as a copy may take: the other thread is there and waits.
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert!(!rotation.is_finished());
            assert!(tenant.ready(Alg::ES256).is_some(), "who signs does not wait");
            assert_eq!(kept(), before);
            (before, rotation)
        });
        let gone = rotation.join().unwrap().unwrap();
        assert!(gone.kid == signing.kid() && kept() != copied);
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
