//! The directory `keys/` as names and contents, through the seal.
//!
//! Used by the rest of `keys`. Every write is whole and durable or leaves the old file; at start what is plain or under an
//! older seal is written anew, file by file, so that a crash leaves a mixture that the next start goes on with.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::file;
use super::seal::{Closed, Sealing};
use super::vault::Error;
use crate::clock::SharedChance;
use crate::folders;

/// Deepest folder below `keys/`: `t/{tenant}/`, `secrets/{tenant}/`.
const DEPTH_MAX: usize = 4;

/// The directory.
pub struct Safe {
    root: PathBuf,
    sealing: Sealing,
    chance: SharedChance,
    /// Everything was sealed: what is plain from now on is not ours.
    all_sealed: bool,
    /// Held by many who change files that belong together, or by the one who copies them.
    still: RwLock<()>,
}

/// What [`Safe::reseal`] did.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Resealed {
    /// Files there are.
    pub files: usize,
    /// Those written anew.
    pub written: usize,
}

impl Safe {
    /// Opens the directory, making it if it is not there. What no key at hand opens is an error, and nothing was
    /// changed; `writes`: what is not under the current seal is written anew.
    pub fn open(
        root: &Path,
        sealing: Sealing,
        chance: SharedChance,
        writes: bool,
    ) -> Result<(Self, Resealed), Error> {
        folders::private(root).map_err(|e| Error::io(root, e))?;
        let mut safe =
            Self { root: root.into(), sealing, chance, all_sealed: false, still: RwLock::default() };
        let names = safe.names(writes)?;
        let mut stale = vec![];
        for name in &names {
            let Some(kept) = safe.kept(name)? else { continue };
            let is_current = safe.sealing.is_current(&kept);
            let plain = safe.unsealed(name, kept)?;
            if !is_current {
                stale.push((name, plain));
            }
        }
        let mut done = Resealed { files: names.len(), written: 0 };
        if writes {
            for (name, plain) in stale {
                safe.write(name, &plain)?;
                done.written += 1;
            }
            safe.all_sealed = safe.sealing.current.is_some();
        }
        Ok((safe, done))
    }

    /// Held while several files change that say something only together. Not taken twice by one thread: it could wait
    /// for itself.
    pub fn changing(&self) -> RwLockReadGuard<'_, ()> {
        self.still.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while all files are copied: none of those changes is under way.
    pub fn still(&self) -> RwLockWriteGuard<'_, ()> {
        self.still.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a name, to be shown.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        file::read(&path).map_err(|e| Error::io(&path, e))
    }

    fn unsealed(&self, name: &str, kept: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.all_sealed && super::seal::sealed_with(&kept).is_none() {
            return Err(Error::Damaged(self.path(name)));
        }
        self.sealing.open(name, kept).map_err(|closed| match closed {
            Closed::OtherKey(id) => Error::Sealed { path: self.path(name), id },
            Closed::Damaged => Error::Damaged(self.path(name)),
        })
    }

    /// What lies under a name.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.kept(name)?.map(|kept| self.unsealed(name, kept)).transpose()
    }

    /// Keeps something under a name, durably.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.path(name);
        if let Some(dir) = path.parent() {
            folders::private(dir).map_err(|e| Error::io(dir, e))?;
        }
        let kept =
            self.sealing.seal(name, content, &*self.chance).map_err(|_| Error::Damaged(path.clone()))?;
        file::write(&path, &kept).map_err(|e| Error::io(&path, e))
    }

    /// Forgets what lies under a name; that there is nothing is no error.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        file::remove(&path).map_err(|e| Error::io(&path, e))
    }

    /// The names in one folder.
    pub fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        let mut names = vec![];
        self.walk(folder, DEPTH_MAX, false, &mut names)?;
        Ok(names)
    }

    fn names(&self, writes: bool) -> Result<Vec<String>, Error> {
        let mut names = vec![];
        self.walk("", 0, writes, &mut names)?;
        Ok(names)
    }

    /// Files of a folder and those below it. What a crash left half written goes: it may hold a key in plain.
    fn walk(&self, folder: &str, depth: usize, writes: bool, names: &mut Vec<String>) -> Result<(), Error> {
        let dir = self.path(folder);
        let io = |e| Error::io(&dir, e);
        let entries = match std::fs::read_dir(&dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(io)?,
        };
        for entry in entries {
            let entry = entry.map_err(io)?;
            let Ok(base) = entry.file_name().into_string() else { continue };
            let name = if folder.is_empty() { base.clone() } else { format!("{folder}/{base}") };
            let kind = entry.file_type().map_err(io)?;
            if kind.is_dir() && depth < DEPTH_MAX {
                self.walk(&name, depth + 1, writes, names)?;
            } else if kind.is_file() && base.starts_with('.') {
                if writes && base.ends_with(".tmp") {
                    self.remove(&name)?;
                }
            } else if kind.is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsChance;
    use crate::keys::seal::SealingKey;
    use std::sync::Arc;

    fn open(root: &Path, keys: (Option<u8>, Option<u8>), writes: bool) -> Result<(Safe, Resealed), Error> {
        let key = |n: Option<u8>| n.map(|n| SealingKey::new([n; 32]));
        Safe::open(root, Sealing { current: key(keys.0), previous: key(keys.1) }, Arc::new(OsChance), writes)
    }

    fn tree(root: &Path) -> Vec<(String, Vec<u8>)> {
        let (safe, _) = open(root, (Some(1), Some(2)), false).unwrap();
        let names = safe.names(false).unwrap();
        names.into_iter().map(|n| (n.clone(), std::fs::read(root.join(n)).unwrap())).collect()
    }

    #[test]
    fn sealed_resealed_and_never_lost() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let (plain, _) = open(root, (None, None), true).unwrap();
        for name in ["audit.pem", "t/a/subject.key", "secrets/a/s.1"] {
            plain.write(name, name.as_bytes()).unwrap();
        }
        std::fs::write(root.join("t/a/.x.tmp"), b"half a key").unwrap();
        let all = |safe: &Safe| {
            for name in ["audit.pem", "t/a/subject.key", "secrets/a/s.1"] {
                assert_eq!(safe.read(name).unwrap().unwrap(), name.as_bytes());
            }
        };
        // Beside a running hub nothing is written.
        let (reading, done) = open(root, (Some(1), None), false).unwrap();
        assert_eq!(done, Resealed { files: 3, written: 0 });
        all(&reading);
        let (one, done) = open(root, (Some(1), None), true).unwrap();
        assert_eq!(done, Resealed { files: 3, written: 3 });
        all(&one);
        assert!(!root.join("t/a/.x.tmp").exists());
        assert!(tree(root).iter().all(|(name, kept)| !kept.windows(5).any(|w| w == &name.as_bytes()[..5])));
        assert_eq!(open(root, (Some(1), None), true).unwrap().1.written, 0);

        // A wrong key, a missing key: a refusal that names what is wanted, and nothing changes.
        let before = tree(root);
        for keys in [(None, None), (Some(2), None), (Some(3), Some(2))] {
            let refused = open(root, keys, true).map(drop).unwrap_err();
            assert!(
                matches!(&refused, Error::Sealed { id, .. } if *id == SealingKey::new([1; 32]).id()),
                "{refused}"
            );
        }
        assert_eq!(tree(root), before);

        // A crash in the middle of resealing: some files under the new seal, some under the old.
        let (two, _) = open(root, (Some(2), Some(1)), false).unwrap();
        two.write("audit.pem", b"audit.pem").unwrap();
        assert!(open(root, (Some(2), None), true).is_err());
        let (two, done) = open(root, (Some(2), Some(1)), true).unwrap();
        assert_eq!(done.written, 2);
        all(&two);
        all(&open(root, (Some(2), None), true).unwrap().0);

        // Swapped, bent or replaced by a plain one: never read.
        std::fs::copy(root.join("audit.pem"), root.join("secrets/a/s.1")).unwrap();
        std::fs::write(root.join("t/a/subject.key"), b"plain").unwrap();
        for name in ["secrets/a/s.1", "t/a/subject.key"] {
            assert!(matches!(two.read(name), Err(Error::Damaged(_))), "{name}");
        }
        assert!(matches!(open(root, (Some(2), None), true), Err(Error::Damaged(_))));
    }
}
