//! Reading a journal, also beside a running writer, without a lock.
//!
//! Yields whole batches in order, each payload proven by its commitment and each entry with its chain head. Ends quietly
//! at the tail, where the writer may be in the middle of a batch; asked again from there, it yields what came since. What
//! it yields at the tail may not be durable yet: a reader within the hub stops at `Journal::durable_end`.

use std::sync::Arc;

use super::chain::{Heads, TABLE_BYTES};
use super::disk::{Disk, DiskFile};
use super::entry::{Entry, JournalId, Payload, Position};
use super::error::Error;
use super::frame::{Body, FRAME_BYTES, Frame, Shape};
use super::header::{HEADER_BYTES, Part};
use super::segment::{self, Listing, Verdict, corrupt, judge};

/// Bytes read ahead.
const AHEAD_BYTES: usize = 64 << 10;

/// A batch as read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Its number in the journal, from the first one ever written.
    pub number: u64,
    /// Where it begins.
    pub at: Position,
    /// Where the next one begins, unless that is in the next segment: the position to go on from.
    pub after: Position,
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// Reads a journal. Remembers where it stands, so that going on from there costs nothing.
pub struct Reader {
    disk: Arc<dyn Disk>,
    journal: JournalId,
    cursor: Option<Cursor>,
}

impl Reader {
    /// Opens a journal for reading.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let journal = segment::read_id(&*disk)?;
        Ok(Self { disk, journal, cursor: None })
    }

    /// The journal's id.
    pub fn id(&self) -> JournalId {
        self.journal
    }

    /// The batches from a position on: one where a batch begins or the last one ended, or [`Position::OLDEST`].
    ///
    /// Errors: [`Error::Gone`] for a segment that is not there, [`Error::NoBatch`] for an offset that is none.
    pub fn batches(&mut self, from: Position) -> Result<Batches<'_>, Error> {
        if self.cursor.as_ref().is_none_or(|cursor| cursor.at != from) {
            self.cursor = Some(self.seek(from)?);
        }
        Ok(Batches { reader: self })
    }

    /// The number of the batch that begins, or will begin, at a position. Errors as [`Reader::batches`].
    pub fn number_at(&mut self, from: Position) -> Result<u64, Error> {
        self.batches(from)?;
        Ok(self.cursor.as_ref().map_or(0, |cursor| cursor.batch))
    }

    fn seek(&self, from: Position) -> Result<Cursor, Error> {
        let listing = Listing::read(&*self.disk)?;
        let segment = if from == Position::OLDEST {
            listing.segments.first().copied().ok_or(Error::Gone { segment: 1 })?
        } else {
            listing
                .segments
                .binary_search(&from.segment)
                .map_err(|_| Error::Gone { segment: from.segment })?;
            from.segment
        };
        let mut cursor = Cursor::begin(&*self.disk, &self.journal, segment)?;
        // The chain has to be followed from the segment's beginning.
        while cursor.at.offset < from.offset {
            let (batch, _) = cursor.next(&*self.disk, &self.journal)?;
            batch.ok_or(Error::NoBatch { segment, offset: from.offset })?;
        }
        if cursor.at.offset > from.offset.max(HEADER_BYTES as u64) {
            return Err(Error::NoBatch { segment, offset: from.offset });
        }
        Ok(cursor)
    }
}

/// The batches from a position to the tail. After an error it ends.
pub struct Batches<'a> {
    reader: &'a mut Reader,
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reader { disk, journal, cursor } = &mut *self.reader;
        loop {
            let at = cursor.as_mut()?;
            let result = match at.next(&**disk, journal) {
                Ok((None, false)) => return None,
                Ok((None, true)) => at.advance(&**disk, journal),
                Ok((Some(batch), _)) => return Some(Ok(batch)),
                Err(e) => Err(e),
            };
            match result {
                Ok(next) => *cursor = Some(next),
                Err(e) => {
                    *cursor = None;
                    return Some(Err(e));
                }
            }
        }
    }
}

/// Where a reader stands, and what it needs to go on.
struct Cursor {
    at: Position,
    batch: u64,
    heads: Heads,
    pay: Window,
    /// Known to be sealed.
    sealed: bool,
}

impl Cursor {
    fn begin(disk: &dyn Disk, journal: &JournalId, segment: u32) -> Result<Self, Error> {
        let mut pay = Window::open(disk, segment, Part::Pay)?;
        let mut log = Window::open(disk, segment, Part::Log)?;
        let header = segment::check_header(pay.bytes(0, HEADER_BYTES)?, segment, Part::Pay, journal)?;
        let other = segment::check_header(log.bytes(0, HEADER_BYTES)?, segment, Part::Log, journal)?;
        if header.first_batch != other.first_batch {
            return Err(corrupt(
                segment,
                Part::Log,
                0,
                "the file headers of .pay and .log contradict each other",
            ));
        }
        let fixed = log.bytes(HEADER_BYTES as u64, TABLE_BYTES)?;
        let len = fixed.get(8..12).and_then(|len| len.try_into().ok()).map_or(0, u32::from_be_bytes);
        let table = log.bytes(HEADER_BYTES as u64, TABLE_BYTES.saturating_add(len as usize))?;
        let (heads, _) = Heads::read_table(journal, table)
            .map_err(|what| corrupt(segment, Part::Log, HEADER_BYTES as u64, what))?;
        let at = Position { segment, offset: HEADER_BYTES as u64 };
        Ok(Self { at, batch: header.first_batch, heads, pay, sealed: false })
    }

    /// The next batch of this segment, and whether the segment is sealed (known only where there is no batch).
    fn next(&mut self, disk: &dyn Disk, journal: &JournalId) -> Result<(Option<Batch>, bool), Error> {
        if let Some(batch) = self.whole(journal)? {
            return Ok((Some(batch), self.sealed));
        }
        // In this order: once there is a next segment, this one does not change any more.
        self.sealed = self.sealed || segment::exists(disk, self.at.segment + 1, Part::Pay)?;
        Ok((self.look_again(journal, !self.sealed)?, self.sealed))
    }

    /// A batch that is whole beyond doubt, out of what was read ahead.
    fn whole(&mut self, journal: &JournalId) -> Result<Option<Batch>, Error> {
        let Some(shape) = Shape::read(self.pay.bytes(self.at.offset, FRAME_BYTES)?) else { return Ok(None) };
        let len = shape.size.bytes(Part::Pay);
        if self.at.offset.saturating_add(len) > self.pay.len {
            return Ok(None);
        }
        let bytes = self.pay.bytes(self.at.offset, len as usize)?;
        match Frame::parse(journal, Part::Pay, bytes) {
            Ok(frame) if self.sealed || !frame.any_body(Body::Erased) => {
                let sound = frame.batch == self.batch && !frame.any_body(Body::Broken);
                if sound {
                    take(&mut self.at, &mut self.batch, &mut self.heads, &frame).map(Some)
                } else {
                    Ok(None)
                }
            }
            _ => Ok(None),
        }
    }

    /// Reads from the disk again and judges. What looks damaged while a writer is at it is looked at twice: the later
    /// batch that makes it damage may have come in between.
    fn look_again(&mut self, journal: &JournalId, twice: bool) -> Result<Option<Batch>, Error> {
        self.pay.forget();
        let fixed = self.pay.bytes(self.at.offset, FRAME_BYTES)?;
        if fixed.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let rest = self.pay.rest(self.at.offset)?;
        match judge(journal, &rest, self.batch, self.sealed) {
            Verdict::Whole(frame) => take(&mut self.at, &mut self.batch, &mut self.heads, &frame).map(Some),
            Verdict::End | Verdict::Unfinished => Ok(None),
            Verdict::Corrupt(_) if twice => self.look_again(journal, false),
            Verdict::Corrupt(what) => Err(corrupt(self.at.segment, Part::Pay, self.at.offset, what)),
        }
    }

    /// The beginning of the next segment, which must go on where this one ended.
    fn advance(&self, disk: &dyn Disk, journal: &JournalId) -> Result<Self, Error> {
        let next = Self::begin(disk, journal, self.at.segment + 1)?;
        if next.batch != self.batch {
            return Err(corrupt(
                self.at.segment,
                Part::Pay,
                self.at.offset,
                "batches are missing at the end",
            ));
        }
        if next.heads != self.heads {
            let what = "the heads contradict the segment before";
            return Err(corrupt(next.at.segment, Part::Log, HEADER_BYTES as u64, what));
        }
        Ok(next)
    }
}

/// Turns a frame into a batch and moves behind it.
fn take(at: &mut Position, batch: &mut u64, heads: &mut Heads, frame: &Frame<'_>) -> Result<Batch, Error> {
    let begin = *at;
    let mut entries = Vec::with_capacity(frame.entries.len());
    let folded = heads.fold(frame, |raw, head| {
        let payload = match raw.body {
            Body::Present(bytes) => Payload::Present(bytes.to_vec()),
            _ => Payload::Erased,
        };
        entries.push(Entry {
            tenant: head.tenant.clone(),
            seq: raw.seq,
            time_ms: raw.time_ms,
            kind: raw.kind,
            version: raw.version,
            payload,
            chain: head.link,
        });
    });
    folded.map_err(|what| corrupt(begin.segment, Part::Pay, begin.offset, what))?;
    at.offset += frame.len as u64;
    *batch += 1;
    Ok(Batch { number: *batch - 1, at: begin, after: *at, entries })
}

/// A file, and a stretch of it that was read ahead.
struct Window {
    name: String,
    file: Box<dyn DiskFile>,
    len: u64,
    from: u64,
    ahead: Vec<u8>,
}

impl Window {
    fn open(disk: &dyn Disk, segment: u32, part: Part) -> Result<Self, Error> {
        let name = segment::name(segment, part);
        let file = disk.open(&name).map_err(Error::io("open", &name))?;
        let len = file.len().map_err(Error::io("stat", &name))?;
        Ok(Self { name, file, len, from: 0, ahead: Vec::new() })
    }

    fn forget(&mut self) {
        self.ahead.clear();
    }

    /// `len` bytes at an offset; fewer at the end of the file.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], Error> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = len.min(left);
        let end = self.from + self.ahead.len() as u64;
        if offset < self.from || offset + len as u64 > end {
            self.ahead.resize(len.max(AHEAD_BYTES).min(left), 0);
            let got = segment::fill(&*self.file, offset, &mut self.ahead);
            let got = got.map_err(Error::io("read", &self.name))?;
            self.ahead.truncate(got);
            self.from = offset;
        }
        let begin = usize::try_from(offset - self.from).unwrap_or(usize::MAX);
        Ok(self.ahead.get(begin..).map_or(&[], |bytes| &bytes[..len.min(bytes.len())]))
    }

    /// All bytes from an offset on, fresh.
    fn rest(&self, offset: u64) -> Result<Vec<u8>, Error> {
        segment::read_from(&*self.file, offset).map_err(Error::io("read", &self.name))
    }
}
