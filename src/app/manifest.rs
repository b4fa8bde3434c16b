//! What a backup is made of: the manifest, the hashes of its files, and copying them.
//!
//! `manifest.jws` is written last and signed with the audit key: a directory without it is no backup. `backup` writes
//! what is here, `restore` reads it; neither belongs to the flow.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::folders;
use crate::hub::base::{Mark, hex};
use crate::journal::Position;
use crate::tenant::TenantId;

/// The file that makes a directory a backup.
pub const MANIFEST: &str = "manifest.jws";
/// Format of the manifest.
pub const VERSION: u16 = 1;
/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format.
    pub version: u16,
    /// The release that wrote it.
    pub release: String,
    /// When (ms since 1970).
    pub at_ms: i64,
    /// How its base was folded.
    pub fold_version: u16,
    /// Which journal (hex).
    pub journal: String,
    /// Where it was cut: everything before is in.
    pub position: Position,
    /// The base at that place.
    pub base: String,
    /// Where each tenant stood there.
    pub tenants: BTreeMap<TenantId, Mark>,
    /// Every file but the manifest, by its path in the directory.
    pub files: BTreeMap<String, Sum>,
}

/// A file's length and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 (hex).
    pub sha256: String,
}

/// Copies the first `bytes` of a file (all, where `None`) into a new file (0600), durably.
pub fn copy(from: &Path, to: &Path, bytes: Option<u64>) -> anyhow::Result<Sum> {
    let copying = || -> std::io::Result<Sum> {
        let source = File::open(from)?;
        let mut source = source.take(bytes.unwrap_or(u64::MAX));
        if let Some(dir) = to.parent() {
            folders::private(dir)?;
        }
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let (mut sha, mut len, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
        loop {
            let n = source.read(&mut piece)?;
            if n == 0 {
                break;
            }
            sha.update(&piece[..n]);
            target.write_all(&piece[..n])?;
            len += n as u64;
        }
        target.sync_all()?;
        Ok(Sum { bytes: len, sha256: hex(&sha.finalize()) })
    };
    let sum =
        copying().with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    anyhow::ensure!(bytes.is_none_or(|all| all == sum.bytes), "{} is shorter than it was", from.display());
    Ok(sum)
}

/// A file's length and hash, as it lies there.
pub fn sum_of(path: &Path) -> anyhow::Result<Sum> {
    let summed = || -> std::io::Result<Sum> {
        let (mut source, mut sha, mut len, mut piece) = (File::open(path)?, Sha256::new(), 0, vec![0; PIECE]);
        loop {
            let n = source.read(&mut piece)?;
            if n == 0 {
                return Ok(Sum { bytes: len, sha256: hex(&sha.finalize()) });
            }
            sha.update(&piece[..n]);
            len += n as u64;
        }
    };
    summed().with_context(|| format!("{} cannot be read", path.display()))
}

/// All files below a directory, as paths from there; what was never finished is left out. None where it is not there.
pub fn files_below(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (vec![], vec![PathBuf::new()]);
    while let Some(below) = open.pop() {
        let listed = match std::fs::read_dir(dir.join(&below)) {
            Ok(listed) => listed,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && below.as_os_str().is_empty() => break,
            Err(e) => {
                return Err(e).with_context(|| format!("{} cannot be listed", dir.join(&below).display()));
            }
        };
        for item in listed {
            let item = item?;
            let name = item.file_name();
            let hidden = name.to_str().is_none_or(|n| n.starts_with('.') || n.ends_with(".tmp"));
            let path = below.join(&name);
            if item.file_type()?.is_dir() {
                open.push(path);
            } else if !hidden && name != "journal.lock" {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path of a manifest, if it stays within the directory.
pub fn inside(path: &str) -> anyhow::Result<&Path> {
    let path = Path::new(path);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    anyhow::ensure!(
        plain && path.components().next().is_some(),
        "{} leads out of the backup",
        path.display()
    );
    Ok(path)
}

/// Makes a directory that must be new or empty.
pub fn empty_dir(dir: &Path) -> anyhow::Result<()> {
    if let Ok(mut listed) = std::fs::read_dir(dir) {
        anyhow::ensure!(listed.next().is_none(), "{} is not empty", dir.display());
    }
    folders::private(dir).with_context(|| format!("{} cannot be made", dir.display()))
}

/// Takes everything out of a directory that was empty before: what failed must not look like something.
pub fn clear(dir: &Path) {
    let Ok(listed) = std::fs::read_dir(dir) else { return };
    for item in listed.flatten() {
        let path = item.path();
        // What cannot be removed has no manifest, or has the mark of an unfinished restore beside it.
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

/// Makes names durable: a directory and all below it.
pub fn sync_dirs(dir: &Path) -> std::io::Result<()> {
    for item in std::fs::read_dir(dir)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            sync_dirs(&item.path())?;
        }
    }
    folders::flush(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_are_copied_privately_and_cut() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a"), b"abcdef").unwrap();
        let to = home.path().join("x/y/a");
        let sum = copy(&home.path().join("a"), &to, Some(3)).unwrap();
        assert_eq!((sum.bytes, std::fs::read(&to).unwrap().as_slice()), (3, b"abc".as_slice()));
        assert_eq!(sum.sha256, hex(&Sha256::digest(b"abc")));
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(copy(&home.path().join("a"), &to, None).is_err(), "never over another file");
        assert!(copy(&home.path().join("a"), &home.path().join("b"), Some(7)).is_err());
        std::fs::write(home.path().join("x/.t.tmp"), b"").unwrap();
        assert_eq!(files_below(&home.path().join("x")).unwrap(), [PathBuf::from("y/a")]);
        assert!(files_below(&home.path().join("none")).unwrap().is_empty());
        assert!(empty_dir(home.path()).is_err());
        empty_dir(&home.path().join("new")).unwrap();
        clear(&home.path().join("x"));
        empty_dir(&home.path().join("x")).unwrap();
    }

    #[test]
    fn paths_stay_inside() {
        for bad in ["", "/etc/x", "../x", "a/../../x", "./../x"] {
            assert!(inside(bad).is_err(), "{bad}");
        }
        assert!(inside("keys/t/default/subject.key").is_ok());
    }
}
