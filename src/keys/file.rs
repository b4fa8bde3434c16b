//! Files that only the hub may read (0600), written whole or not at all.
//!
//! Used by `keys` alone. A crash leaves the old file or the new one; a half-written one only ever has a
//! temporary name, which the next write of the same file replaces.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::folders;

/// Largest key or secret file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Writes a file so that it is durable under its name once this returns.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    let temporary = dir.join(temporary);
    // What a crash left behind may have any mode: begin anew.
    remove(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&temporary, path)?;
    folders::flush(dir)
}

/// Reads a file, or `None` if there is none.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut content = vec![];
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some(content))
}

/// Removes a file, durably; that it is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), folders::flush),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn private_and_whole() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("keys/t");
        folders::private(&dir).unwrap();
        let path = dir.join("a");
        assert_eq!(read(&path).unwrap(), None);
        std::fs::write(dir.join(".a.tmp"), b"left by a crash").unwrap();
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&path)), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::write(&path, vec![0; 64 * 1024 + 1]).unwrap();
        assert!(read(&path).is_err());
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }
}
