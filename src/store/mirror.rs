//! `Mirror`: rows and a cursor, changed together or not at all.
//!
//! Opened by the rules that sled 0.34 needs: half-written snapshots are removed first (the next open would read them as
//! snapshots and refuse). Files that sled calls corrupt are never salvaged: without its snapshots sled reads its log
//! again, and now and then comes to other rows without saying so (seen in one of ten tries), while the journal is
//! always right. Never the only copy, so nothing here is flushed before an answer; [`Mirror::barrier`] is there for an
//! orderly end.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::chunk::{self, CURSOR_KEY, FORMAT, FORMAT_KEY, KEY_BYTES, PIECES, ROWS, Stored, VALUE_BYTES};

/// Why the mirror is of no use. Whatever it is: close it, [`Mirror::wipe`] it, build it again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or one of its files.
    #[error("mirror: {0}")]
    Io(#[from] io::Error),
    /// sled refused; it gives the same answer to every later call.
    #[error("mirror: {0}")]
    Sled(#[from] sled::Error),
    /// sled panicked while opening its files.
    #[error("mirror: sled could not read its files")]
    Unreadable,
    /// Written by another layout, or an item that no build of ours wrote.
    #[error("mirror: {0}")]
    Format(&'static str),
    /// A key of more than 1 KiB, or a cursor of more than 4 KiB: a bug of the caller. Nothing was changed.
    #[error("mirror: {what} of {bytes} bytes is longer than {limit}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Up to where the rows are what the journal says; only the caller knows how to read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor(pub Vec<u8>);

/// A changed row: its key, and its value or `None` where it is gone.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// sled's cache, in bytes; its memory is about three times that.
const CACHE_BYTES: u64 = 64 << 20;
/// How often sled's own thread syncs.
const FLUSH_EVERY_MS: u64 = 500;
/// How often and how long to wait for sled to let go: 5 s in all.
const SETTLE_TRIES: usize = 500;
const SETTLE_STEP: Duration = Duration::from_millis(10);
const LOCK: &str = "mirror.lock";

/// An open mirror. Owned by one thread.
pub struct Mirror {
    dir: PathBuf,
    pub(super) db: sled::Db,
    /// The short keys of rows that lie in pieces, and in how many.
    pub(super) pieces: BTreeMap<Vec<u8>, u32>,
    /// Held until drop.
    _lock: File,
}

impl Mirror {
    /// Opens a mirror, or begins an empty one.
    ///
    /// Errors: any means that the rows are lost; the caller wipes and rebuilds. `ResourceBusy` means that another
    /// process has it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let lock = lock(dir)?;
        remove_half_snapshots(dir)?;
        let db = open_sled(dir)?;
        File::open(dir)?.sync_all()?;
        let mut mirror = Self { dir: dir.into(), db, pieces: BTreeMap::new(), _lock: lock };
        mirror.check_format()?;
        mirror.find_pieces()?;
        Ok(mirror)
    }

    /// Removes everything that a mirror leaves in its directory, and nothing else. It must not be open.
    pub fn wipe(dir: &Path) -> Result<(), Error> {
        if !dir.exists() {
            return Ok(());
        }
        let _lock = lock(dir)?;
        for item in std::fs::read_dir(dir)? {
            let item = item?;
            match item.file_name().to_str() {
                Some("blobs") => std::fs::remove_dir_all(item.path())?,
                Some("db" | "conf") => std::fs::remove_file(item.path())?,
                Some(name) if name.starts_with("snap.") => std::fs::remove_file(item.path())?,
                _ => {}
            }
        }
        Ok(File::open(dir)?.sync_all()?)
    }

    /// The cursor of the last [`Mirror::apply`]; `None` in an empty mirror.
    pub fn cursor(&self) -> Result<Option<Cursor>, Error> {
        Ok(self.db.get(CURSOR_KEY)?.map(|bytes| Cursor(bytes.to_vec())))
    }

    /// All rows; in the order of their keys as far as these have 225 bytes.
    pub fn rows(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> + '_ {
        self.db.scan_prefix([ROWS]).map(|item| {
            let (at, item) = item?;
            let row = chunk::split_row_item(&at, &item).ok_or(Error::Format("a row that cannot be read"))?;
            let (key, value) = match row {
                (key, Stored::Whole(value)) => (key, value.to_vec()),
                (key, Stored::Pieces(pieces)) => (key, self.join(&chunk::short(key), pieces)?),
            };
            Ok((key.to_vec(), value))
        })
    }

    /// Changes rows and the cursor, all or nothing. Not durable before [`Mirror::barrier`]; after a crash the mirror
    /// stands at this or at an earlier cursor, with exactly the rows of that cursor.
    pub fn apply(&mut self, changes: Vec<Change>, cursor: &[u8]) -> Result<(), Error> {
        within("the cursor", cursor.len(), VALUE_BYTES)?;
        changes.iter().try_for_each(|(key, _)| within("a row's key", key.len(), KEY_BYTES))?;
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            self.stage(&mut batch, &key, value.as_deref());
        }
        batch.insert(CURSOR_KEY, cursor);
        Ok(self.db.apply_batch(batch)?)
    }

    /// Makes everything applied durable. sled's own flush does not reach the device on Linux; the second step does.
    pub fn barrier(&self) -> Result<(), Error> {
        self.db.flush()?;
        Ok(File::open(self.dir.join("db"))?.sync_data()?)
    }

    /// Bytes that the mirror takes on disk.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        Ok(self.db.size_on_disk()?)
    }

    /// Files that sled wrote beside its log, unsynced. Always 0, or the limits of `chunk` are wrong.
    pub fn blob_files(&self) -> Result<usize, Error> {
        Ok(std::fs::read_dir(self.dir.join("blobs"))?.count())
    }

    fn stage(&mut self, batch: &mut sled::Batch, key: &[u8], value: Option<&[u8]>) {
        let (short, stored) = (chunk::short(key), value.map(Stored::of));
        match stored {
            Some(stored) => {
                let (at, item) = chunk::row_item(&short, key, stored);
                batch.insert(at, item);
            }
            None => batch.remove(chunk::row_key(&short)),
        }
        let pieces = if let Some(Stored::Pieces(n)) = stored { n } else { 0 };
        if pieces > 0 {
            for (n, piece) in (0u32..).zip(value.unwrap_or_default().chunks(VALUE_BYTES)) {
                batch.insert(chunk::piece_key(&short, n), piece);
            }
        }
        for left_over in pieces..self.pieces.get(&*short).copied().unwrap_or(0) {
            batch.remove(chunk::piece_key(&short, left_over));
        }
        // If the batch fails after this, sled fails for good, and the mirror is rebuilt.
        if pieces > 0 {
            self.pieces.insert(short.into_owned(), pieces);
        } else {
            self.pieces.remove(&*short);
        }
    }

    fn join(&self, short: &[u8], pieces: u32) -> Result<Vec<u8>, Error> {
        let mut value = Vec::new();
        for n in 0..pieces {
            let piece = self.db.get(chunk::piece_key(short, n))?;
            value.extend_from_slice(&piece.ok_or(Error::Format("a piece of a row is missing"))?);
        }
        Ok(value)
    }

    fn check_format(&self) -> Result<(), Error> {
        match self.db.get(FORMAT_KEY)? {
            Some(found) if *found == FORMAT.to_be_bytes() => Ok(()),
            Some(_) => Err(Error::Format("it was written by another layout")),
            None if self.db.is_empty() => {
                self.db.insert(FORMAT_KEY, &FORMAT.to_be_bytes())?;
                Ok(())
            }
            None => Err(Error::Format("it does not say which layout wrote it")),
        }
    }

    fn find_pieces(&mut self) -> Result<(), Error> {
        for at in self.db.scan_prefix([PIECES]).keys() {
            let at = at?;
            let (short, piece) =
                chunk::split_piece_key(&at).ok_or(Error::Format("a piece that cannot be read"))?;
            self.pieces.insert(short.to_vec(), piece.saturating_add(1));
        }
        Ok(())
    }
}

fn within(what: &'static str, bytes: usize, limit: usize) -> Result<(), Error> {
    if bytes > limit { Err(Error::TooLong { what, bytes, limit }) } else { Ok(()) }
}

/// Makes the directory and takes its lock: sled takes its own only after it has read its snapshots.
fn lock(dir: &Path) -> Result<File, Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK))?;
    if !try_lock(&lock)? {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process has it").into());
    }
    settle(dir)?;
    Ok(lock)
}

fn try_lock(file: &File) -> Result<bool, Error> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(io::Error::from(e).into()),
    }
}

/// Waits until a mirror that this process closed just now is really closed: sled's own threads outlive its handle for a
/// moment, and would go on writing.
pub(super) fn settle(dir: &Path) -> Result<(), Error> {
    let db = match File::open(dir.join("db")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    for _ in 0..SETTLE_TRIES {
        if try_lock(&db)? {
            return Ok(());
        }
        std::thread::sleep(SETTLE_STEP);
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "sled did not let go of it").into())
}

pub(super) fn open_sled(dir: &Path) -> Result<sled::Db, Error> {
    // On some damage sled panics where it should answer; the mirror must never take the hub with it.
    let opened = std::panic::catch_unwind(|| {
        sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(FLUSH_EVERY_MS))
            .mode(sled::Mode::HighThroughput)
            .open()
    });
    opened.map_err(|_| Error::Unreadable)?.map_err(Error::Sled)
}

pub(super) fn snapshots(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let item = item?;
        if let Some(name) = item.file_name().to_str().filter(|name| name.starts_with("snap.")) {
            found.push((name.into(), item.path()));
        }
    }
    Ok(found)
}

/// A process that was killed while it wrote a snapshot leaves `snap.….generating`.
fn remove_half_snapshots(dir: &Path) -> Result<(), Error> {
    for (_, path) in snapshots(dir)?.into_iter().filter(|(name, _)| name.ends_with(".generating")) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
