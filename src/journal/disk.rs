//! What the journal asks of a disk, and the real one.
//!
//! A trait because there are two: [`Folder`] here, and the simulated disk that the tests crash. One flat directory;
//! whoever writes holds its lock, whoever only reads takes none.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// One flat directory. Every method that changes a name is atomic, and durable once it returned `Ok`; after an error it
/// may have happened or not.
pub trait Disk: Send + Sync + 'static {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Creates (or replaces) `name` with `bytes` zero bytes that are really written, so that filling them later needs
    /// no new blocks.
    fn allocate(&self, name: &str, bytes: u64) -> io::Result<()>;
    /// Opens an existing file.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Writes a whole small file.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Reads a whole small file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads at an offset; may read less than asked, 0 at the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at an offset; not durable yet.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
}

/// The lock file of a writer; never listed.
const LOCK: &str = "journal.lock";
/// How a file is called until it is whole.
pub const UNFINISHED: &str = ".tmp";
/// Zeros are written in pieces of this size.
const ZEROS: usize = 1 << 20;

/// A real directory.
pub struct Folder {
    dir: PathBuf,
    /// Held until drop; `None` for who only reads.
    lock: Option<File>,
}

impl Folder {
    /// Opens (or makes, mode 0700) a directory for writing and takes its lock.
    ///
    /// Errors: `ResourceBusy` when another process has it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        crate::folders::make(dir)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { dir: dir.into(), lock: Some(lock) }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process writes this journal"))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// For reading only: takes no lock, makes nothing.
    pub fn read_only(dir: &Path) -> Self {
        Self { dir: dir.into(), lock: None }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name"));
        }
        Ok(self.dir.join(name))
    }

    fn may_write(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading only")),
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        crate::folders::flush(&self.dir)
    }

    /// Fills a file under a temporary name, syncs it, and gives it its name.
    fn create(&self, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        self.may_write()?;
        let (to, temporary) = (self.path(name)?, self.path(&format!("{name}{UNFINISHED}"))?);
        let made = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&temporary, &to));
        if made.is_err() {
            // Gives its blocks back when the disk is full; if this fails too, open sweeps it away.
            let _ = std::fs::remove_file(&temporary);
        }
        made.and_then(|()| self.sync_dir())
    }
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in std::fs::read_dir(&self.dir)? {
            let item = item?;
            if item.file_type()?.is_file() {
                names.extend(item.file_name().into_string().ok().filter(|name| name != LOCK));
            }
        }
        Ok(names)
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.create(name, |file| {
            let zeros = vec![0u8; ZEROS];
            let mut left = bytes;
            while left > 0 {
                let piece = usize::try_from(left).unwrap_or(ZEROS).min(ZEROS);
                file.write_all(&zeros[..piece])?;
                left -= piece as u64;
            }
            Ok(())
        })
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(self.lock.is_some()).open(self.path(name)?)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::rename(self.path(from)?, self.path(to)?)?;
        self.sync_dir()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::remove_file(self.path(name)?)?;
        self.sync_dir()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.create(name, |file| file.write_all(bytes))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(name)?)
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(buf, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn one_writer_many_readers_and_nobody_else_may_look() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/journal");
        let disk = Folder::open(&dir).unwrap();
        assert_eq!(Folder::open(&dir).err().unwrap().kind(), io::ErrorKind::ResourceBusy);
        disk.allocate("x", ZEROS as u64 + 7).unwrap();
        disk.put("y", b"small").unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("x"))), (0o700, 0o600));

        let reader = Folder::read_only(&dir);
        let mut names = reader.list().unwrap();
        names.sort();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(reader.open("x").unwrap().len().unwrap(), ZEROS as u64 + 7);
        assert!(reader.put("z", b"").is_err() && reader.remove("y").is_err());
        assert!(disk.read("../journal/y").is_err(), "one flat directory");
        disk.rename("y", "z").unwrap();
        assert_eq!(reader.read("z").unwrap(), b"small");
        drop(disk);
        Folder::open(&dir).unwrap();
    }
}
