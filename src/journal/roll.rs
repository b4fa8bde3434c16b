//! The next segment and the reserve.
//!
//! One pair of files, `reserve.pay` and `reserve.log`, is always allocated with written zeros, so that a full disk is
//! met here and not in the middle of a batch. Rolling: seal (flush both files), write headers and table of heads into
//! the reserve, sync, rename `.log`, then `.pay`; the name of the `.pay` is what makes a segment exist. A crash on any
//! line of it is undone by `open`.

use super::chain::Heads;
use super::disk::Disk;
use super::entry::JournalId;
use super::error::{Error, is_full};
use super::header::{FORMAT, HEADER_BYTES, Header, Part};
use super::segment;
use super::writer::{Active, Journal, Options};

/// A segment, as its header tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentInfo {
    /// Its number, from 1.
    pub segment: u32,
    /// The fold version of the release that began it.
    pub fold_version: u16,
    /// The number of its first batch.
    pub first_batch: u64,
}

/// Bytes of a new `.pay`.
pub(super) fn pay_bytes(options: &Options) -> u64 {
    options.segment_bytes.clamp(4 << 10, 1 << 30)
}

/// Bytes of a new `.log`, without its table of heads.
pub(super) fn log_bytes(options: &Options) -> u64 {
    pay_bytes(options) / 4
}

/// Bytes of a new `.log` whose table may grow before it is used: to twice the heads there are, and some more.
fn log_bytes_with_table(options: &Options, heads: &Heads) -> u64 {
    log_bytes(options) + 2 * heads.table_bytes() as u64 + (4 << 10)
}

/// Allocates the reserve. On an error neither file is left.
pub(super) fn allocate(disk: &dyn Disk, options: &Options, heads: &Heads) -> Result<(), Error> {
    let log = log_bytes_with_table(options, heads);
    for (part, bytes) in [(Part::Log, log), (Part::Pay, pay_bytes(options))] {
        let name = segment::reserve(part);
        if let Err(e) = disk.allocate(name, bytes) {
            release(disk);
            return Err(Error::io("allocate", name)(e));
        }
    }
    Ok(())
}

/// Gives the reserve's space back. What cannot be removed is found and remade by `open` or by the next `allocate`.
pub(super) fn release(disk: &dyn Disk) {
    for part in [Part::Log, Part::Pay] {
        let _ = disk.remove(segment::reserve(part));
    }
}

/// Turns the reserve into a segment.
///
/// Errors: [`Error::Full`] when the disk had no room before anything was renamed; all others are fatal.
pub(super) fn begin(
    disk: &dyn Disk,
    options: &Options,
    journal: JournalId,
    info: SegmentInfo,
    heads: &Heads,
) -> Result<Active, Error> {
    prepare(disk, options, journal, info, heads).map_err(|e| match e {
        Error::Io { source, .. } if is_full(&source) => Error::Full,
        e => e,
    })?;
    for part in [Part::Log, Part::Pay] {
        let (from, to) = (segment::reserve(part), segment::name(info.segment, part));
        disk.rename(from, &to).map_err(Error::io("rename", from))?;
    }
    let open = |part| {
        let name = segment::name(info.segment, part);
        let file = disk.open(&name).map_err(Error::io("open", &name))?;
        let len = file.len().map_err(Error::io("stat", &name))?;
        Ok::<_, Error>((file, len))
    };
    let ((pay, pay_len), (log, log_len)) = (open(Part::Pay)?, open(Part::Log)?);
    let pay_end = HEADER_BYTES as u64;
    let log_end = pay_end + heads.table_bytes() as u64;
    Ok(Active { info, pay, log, pay_len, log_len, pay_end, log_end, last_at: None })
}

/// Writes the beginnings of both files and makes them durable under their old names.
fn prepare(
    disk: &dyn Disk,
    options: &Options,
    journal: JournalId,
    info: SegmentInfo,
    heads: &Heads,
) -> Result<(), Error> {
    for part in [Part::Log, Part::Pay] {
        let SegmentInfo { segment, fold_version, first_batch } = info;
        let header = Header { part, format: FORMAT, fold_version, journal, segment, first_batch };
        let mut bytes = header.encode().to_vec();
        let name = segment::reserve(part);
        if part == Part::Log {
            heads.write_table(&mut bytes);
            grow_log(disk, options, heads)?;
        }
        let mut file = disk.open(name).map_err(Error::io("open", name))?;
        file.write_at(0, &bytes).map_err(Error::io("write", name))?;
        file.sync_data().map_err(Error::io("sync", name))?;
    }
    Ok(())
}

/// So many tenants may have come since the reserve was allocated that their heads need a larger file.
fn grow_log(disk: &dyn Disk, options: &Options, heads: &Heads) -> Result<(), Error> {
    let name = segment::reserve(Part::Log);
    let len = disk.open(name).and_then(|file| file.len()).map_err(Error::io("open", name))?;
    let table = heads.table_bytes() as u64;
    if len >= log_bytes(options) + table {
        return Ok(());
    }
    disk.allocate(name, log_bytes_with_table(options, heads)).map_err(Error::io("allocate", name))
}

impl Journal {
    /// Whether the next segment is already had. While it is not, the hub takes in nothing but what stops things.
    pub fn intake_open(&self) -> bool {
        self.reserve
    }

    /// Tries to have a next segment; `true` if there is one. Writes a whole segment of zeros: not for every call.
    pub fn try_reserve(&mut self) -> bool {
        self.reserve_or_why().is_ok()
    }

    /// Like [`Journal::try_reserve`], and says why not. A failure is harmless: the reserve is a name apart.
    pub fn reserve_or_why(&mut self) -> Result<(), Error> {
        if !self.reserve {
            allocate(&*self.disk, &self.options, &self.heads)?;
            self.reserve = true;
        }
        Ok(())
    }

    /// All segments that are kept, oldest first; the last is the active one.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.sealed.iter().copied().chain([self.active.info]).collect()
    }

    /// Seals the active segment and goes on in the reserve.
    ///
    /// Errors: [`Error::Full`] when there is no reserve; nothing has changed then.
    pub(super) fn roll(&mut self) -> Result<(), Error> {
        if !self.reserve {
            return Err(Error::Full);
        }
        self.flush_pay()?;
        let name = segment::name(self.active.info.segment, Part::Log);
        self.active.log.sync_data().map_err(Error::io("sync", &name))?;
        let info = SegmentInfo {
            segment: self.active.info.segment + 1,
            fold_version: self.options.fold_version,
            first_batch: self.next_batch,
        };
        let next = begin(&*self.disk, &self.options, self.id, info, &self.heads)?;
        let last = std::mem::replace(&mut self.active, next);
        self.sealed.push(last.info);
        self.durable = self.active.end();
        self.reserve = false;
        // If this fails, intake is closed, and the segment just begun is all there is.
        self.try_reserve();
        Ok(())
    }

    /// Drops sealed segments with numbers below `segment`; returns how many. What may be dropped is the hub's to know.
    ///
    /// A crash between the two files of a segment leaves a `.log` alone, which `open` sweeps away.
    pub fn drop_below(&mut self, segment: u32) -> Result<usize, Error> {
        let mut dropped = 0;
        while let Some(oldest) = self.sealed.first().filter(|info| info.segment < segment) {
            for part in [Part::Pay, Part::Log] {
                let name = segment::name(oldest.segment, part);
                match self.disk.remove(&name) {
                    // An earlier try got this far.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed.map_err(Error::io("remove", &name))?,
                }
            }
            self.sealed.remove(0);
            dropped += 1;
        }
        Ok(dropped)
    }
}
