//! `Journal`: appending batches and making them durable.
//!
//! Owned by the sequencer's one thread. `append` then `flush`, and only then may an answer or an effect leave. Never
//! decides what may be appended (the hub filters while intake is closed).

use std::sync::Arc;

use super::chain::Heads;
use super::disk::{Disk, DiskFile};
use super::entry::{Draft, JournalId, Link, Position};
use super::error::Error;
use super::frame::{self, FRAME_BYTES, SALT_BYTES, Size};
use super::header::{HEADER_BYTES, Part};
use super::open::{self, Opened};
use super::roll::{self, SegmentInfo};
use super::segment;
use crate::clock::SharedChance;
use crate::tenant::{Seq, TenantId};

/// How a journal is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a segment's `.pay` file; held within 4 KiB and 1 GiB.
    pub segment_bytes: u64,
    /// The fold version of this release; a journal whose last segment has an older one gets a new segment.
    pub fold_version: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, fold_version: 1 }
    }
}

/// What an append did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Where the batch begins.
    pub at: Position,
    /// Where the next one will, unless it needs a new segment.
    pub position_after: Position,
    /// Bytes written to both files.
    pub bytes: u64,
    /// The sequence number of each draft.
    pub entries: Vec<Seq>,
}

/// The segment that is written to.
pub(super) struct Active {
    pub info: SegmentInfo,
    pub pay: Box<dyn DiskFile>,
    pub log: Box<dyn DiskFile>,
    pub pay_len: u64,
    pub log_len: u64,
    pub pay_end: u64,
    pub log_end: u64,
    /// Where its last batch begins.
    pub last_at: Option<u64>,
}

impl Active {
    pub fn end(&self) -> Position {
        Position { segment: self.info.segment, offset: self.pay_end }
    }

    fn fits(&self, size: &Size) -> bool {
        self.pay_end + size.bytes(Part::Pay) <= self.pay_len
            && self.log_end + size.bytes(Part::Log) <= self.log_len
    }
}

/// An open journal.
pub struct Journal {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: Options,
    pub(super) id: JournalId,
    pub(super) heads: Heads,
    pub(super) sealed: Vec<SegmentInfo>,
    pub(super) active: Active,
    pub(super) next_batch: u64,
    pub(super) reserve: bool,
    /// Something was appended since the last flush.
    pub(super) dirty: bool,
    /// A write failed: nobody knows what the disk holds.
    pub(super) poisoned: bool,
    pub(super) durable: Position,
    pub(super) chance: SharedChance,
    /// Reused by every append.
    pub(super) buffer: Vec<u8>,
    pub(super) salts: Vec<u8>,
}

impl Journal {
    /// Opens a journal, or begins one in an empty directory; repairs what a crash may have left.
    ///
    /// Errors: [`Error::Corrupt`] when something that had been flushed is not as written.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        chance: SharedChance,
    ) -> Result<(Self, Opened), Error> {
        open::open(disk, options, chance)
    }

    /// The journal's id.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// A tenant's last sequence number, 0 if it has no entry.
    pub fn seq(&self, tenant: &TenantId) -> Seq {
        self.heads.seq(tenant)
    }

    /// The chain heads of all tenants, in the order of their names. Between an append and
    /// its flush they cover what is not durable yet.
    pub fn heads(&self) -> Vec<(TenantId, Seq, Link)> {
        self.heads.rows().iter().map(|row| (row.tenant.clone(), row.seq, row.link)).collect()
    }

    /// Where the next batch begins, unless it needs a new segment.
    pub fn end(&self) -> Position {
        self.active.end()
    }

    /// Bytes that the largest batch may have in an empty segment.
    pub fn room_max(&self) -> u64 {
        roll::log_bytes(&self.options)
    }

    /// Bytes that the largest batch may have now, counting the reserve if there is one.
    pub fn room(&self) -> u64 {
        let left = |len: u64, end: u64| len.saturating_sub(end);
        let active = left(self.active.pay_len, self.active.pay_end)
            .min(left(self.active.log_len, self.active.log_end));
        let reserve = if self.reserve { roll::log_bytes(&self.options) } else { 0 };
        active.max(reserve)
    }

    /// Up to where everything is durable: a reader in this process stops here.
    pub fn durable_end(&self) -> Position {
        self.durable
    }

    /// Appends a batch: gives every draft its sequence number and salt, and writes. Not durable before
    /// [`Journal::flush`]; only one batch is ever unflushed, so a batch before this one is flushed first.
    ///
    /// Errors: [`Error::Full`] and [`Error::TooLarge`] wrote nothing, and the caller may go on. After any other error
    /// nothing of the batch counts, and every further append is refused: the process ends, and after opening again
    /// the batch is either whole or gone.
    pub fn append(&mut self, batch: &[Draft]) -> Result<Written, Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        if batch.is_empty() {
            let end = self.end();
            return Ok(Written { at: end, position_after: end, bytes: 0, entries: Vec::new() });
        }
        let size = Size::of(batch);
        let written = self.make_room(&size).and_then(|()| self.write(batch, &size));
        self.poison(written)
    }

    /// Makes everything appended durable: one `fdatasync`.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let flushed = self.flush_pay();
        self.poison(flushed)
    }

    /// Makes the chain's own file durable too. Called before a head is signed, so that the chain of a signed head
    /// can be checked without the payloads.
    pub fn sync_chain(&mut self) -> Result<(), Error> {
        self.flush()?;
        let name = segment::name(self.active.info.segment, Part::Log);
        let synced = self.active.log.sync_data().map_err(Error::io("sync", &name));
        self.poison(synced)
    }

    pub(super) fn poison<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.poisoned |= result.as_ref().is_err_and(|e| !e.is_harmless());
        result
    }

    pub(super) fn flush_pay(&mut self) -> Result<(), Error> {
        if self.dirty {
            let name = segment::name(self.active.info.segment, Part::Pay);
            self.active.pay.sync_data().map_err(Error::io("sync", &name))?;
            self.dirty = false;
            self.durable = self.active.end();
        }
        Ok(())
    }

    /// Leaves the active segment with room for the batch and nothing unflushed.
    fn make_room(&mut self, size: &Size) -> Result<(), Error> {
        if !self.active.fits(size) {
            self.fits_empty_segment(size)?;
            return self.roll();
        }
        self.flush_pay()
    }

    fn fits_empty_segment(&self, size: &Size) -> Result<(), Error> {
        let limits = [
            (size.bytes(Part::Pay), roll::pay_bytes(&self.options)),
            (size.bytes(Part::Log), roll::log_bytes(&self.options)),
        ];
        for (bytes, len) in limits {
            let limit = len - HEADER_BYTES as u64;
            if bytes > limit {
                return Err(Error::TooLarge { bytes, limit });
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &[Draft], size: &Size) -> Result<Written, Error> {
        let entries = self.encode(batch, size);
        let active = &mut self.active;
        let at = active.end();
        let (pay, log) = (self.buffer.as_slice(), &self.buffer[..FRAME_BYTES + size.head]);
        let name = |part| segment::name(at.segment, part);
        // A crash between the two writes: open writes the `.log` again from the `.pay`.
        active.pay.write_at(active.pay_end, pay).map_err(|e| Error::io("write", &name(Part::Pay))(e))?;
        active.log.write_at(active.log_end, log).map_err(|e| Error::io("write", &name(Part::Log))(e))?;
        active.last_at = Some(active.pay_end);
        active.pay_end += pay.len() as u64;
        active.log_end += log.len() as u64;
        self.next_batch += 1;
        self.dirty = true;
        let bytes = (pay.len() + log.len()) as u64;
        Ok(Written { at, position_after: self.active.end(), bytes, entries })
    }

    /// Builds the frame in the buffer. The heads move on: from here an error leaves them wrong, and poisons.
    fn encode(&mut self, batch: &[Draft], size: &Size) -> Vec<Seq> {
        self.salts.resize(batch.len() * SALT_BYTES, 0);
        self.chance.fill(&mut self.salts);
        let (buffer, salts) = (&mut self.buffer, &self.salts);
        buffer.clear();
        buffer.reserve(FRAME_BYTES + size.head + size.body);
        buffer.extend_from_slice(&[0; FRAME_BYTES]);
        let mut entries = Vec::with_capacity(batch.len());
        for (draft, salt) in batch.iter().zip(salts.chunks_exact(SALT_BYTES)) {
            let (head, from) = (self.heads.row_mut(&draft.tenant), buffer.len());
            let seq = head.seq.next();
            frame::put_entry(buffer, draft, seq, salt);
            head.advance(&buffer[from..]);
            entries.push(seq);
        }
        for (draft, salt) in batch.iter().zip(salts.chunks_exact(SALT_BYTES)) {
            buffer.extend_from_slice(salt);
            buffer.extend_from_slice(&draft.payload);
        }
        frame::finish(buffer, &self.id, self.next_batch, batch.len(), size);
        entries
    }
}
