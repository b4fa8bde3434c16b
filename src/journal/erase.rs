//! Overwriting payloads and their salts with zeros, so that the chain still verifies.
//!
//! The hub has already written the entry that says so, and a base behind it. What is to be overwritten is first written
//! down in a file of its own: a crash in the middle would otherwise leave half a payload, which nobody could tell from
//! damage. `open` finishes what it finds there.

use super::disk::Disk;
use super::entry::Position;
use super::error::Error;
use super::frame::{Frame, SALT_BYTES, Shape};
use super::header::Part;
use super::segment;
use super::writer::Journal;
use crate::tenant::{Seq, TenantId};

/// The file that says what is being overwritten.
const INTENT: &str = "erase.intent";
/// One range: segment u32, offset u64, length u32.
const RANGE_BYTES: usize = 16;

struct Range {
    segment: u32,
    offset: u64,
    len: u32,
}

impl Range {
    fn encode(&self) -> [u8; RANGE_BYTES] {
        let mut out = [0; RANGE_BYTES];
        out[..4].copy_from_slice(&self.segment.to_be_bytes());
        out[4..12].copy_from_slice(&self.offset.to_be_bytes());
        out[12..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = super::header::Fields(bytes);
        Some(Self {
            segment: u32::from_be_bytes(*fields.array()?),
            offset: fields.u64()?,
            len: u32::from_be_bytes(*fields.array()?),
        })
    }
}

impl Journal {
    /// Erases entries, each named by the batch that holds it. Durable when it returns; returns how many were found.
    ///
    /// Errors: [`Error::LastBatch`] for an entry of the active segment's last batch, [`Error::NoBatch`] for a position
    /// where no batch begins; nothing was erased then.
    pub fn erase(&mut self, entries: &[(Position, TenantId, Seq)]) -> Result<usize, Error> {
        self.flush()?;
        let mut ranges = Vec::new();
        for (at, tenant, seq) in entries {
            ranges.extend(self.find(*at, tenant, *seq)?);
        }
        if !ranges.is_empty() {
            let mut intent = ranges.iter().flat_map(Range::encode).collect::<Vec<u8>>();
            intent.extend_from_slice(&crc32fast::hash(&intent).to_be_bytes());
            let erased = self
                .disk
                .put(INTENT, &intent)
                .map_err(Error::io("write", INTENT))
                .and_then(|()| overwrite(&*self.disk, &ranges));
            self.poison(erased)?;
        }
        Ok(ranges.len())
    }

    fn find(&self, at: Position, tenant: &TenantId, seq: Seq) -> Result<Option<Range>, Error> {
        if at.segment == self.active.info.segment && Some(at.offset) == self.active.last_at {
            return Err(Error::LastBatch);
        }
        let Position { segment, offset } = at;
        let name = segment::name(segment, Part::Pay);
        let file = self.disk.open(&name).map_err(|_| Error::Gone { segment })?;
        let bytes = segment::read_from(&*file, offset).map_err(Error::io("read", &name))?;
        let frame = Shape::read(&bytes).and_then(|_| Frame::parse(&self.id, Part::Pay, &bytes).ok());
        let frame = frame.ok_or(Error::NoBatch { segment, offset })?;
        let mut body = frame.without_body.len();
        for raw in &frame.entries {
            let len = SALT_BYTES + raw.payload_len;
            if raw.tenant == tenant.as_str() && raw.seq == seq {
                return Ok(Some(Range { segment, offset: offset + body as u64, len: len as u32 }));
            }
            body += len;
        }
        Ok(None)
    }
}

/// Finishes an erasure that a crash interrupted.
pub(super) fn finish(disk: &dyn Disk) -> Result<(), Error> {
    let names = disk.list().map_err(Error::io("list", "journal"))?;
    if !names.iter().any(|name| name == INTENT) {
        return Ok(());
    }
    let bytes = disk.read(INTENT).map_err(Error::io("read", INTENT))?;
    let ranges = decode(&bytes).ok_or_else(|| Error::Corrupt {
        segment: 0,
        file: INTENT.into(),
        offset: 0,
        what: "the list of what to erase is damaged",
    })?;
    overwrite(disk, &ranges)
}

fn decode(bytes: &[u8]) -> Option<Vec<Range>> {
    let (ranges, crc) = bytes.split_last_chunk::<4>()?;
    let sound = crc32fast::hash(ranges).to_be_bytes() == *crc;
    sound.then(|| ranges.chunks(RANGE_BYTES).map(Range::decode).collect::<Option<_>>()).flatten()
}

fn overwrite(disk: &dyn Disk, ranges: &[Range]) -> Result<(), Error> {
    for range in ranges {
        let name = segment::name(range.segment, Part::Pay);
        let mut file = match disk.open(&name) {
            Ok(file) => file,
            // Dropped with its segment meanwhile: nothing is left to erase.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("open", &name)(e)),
        };
        file.write_at(range.offset, &vec![0; range.len as usize]).map_err(Error::io("erase", &name))?;
        file.sync_data().map_err(Error::io("sync", &name))?;
    }
    disk.remove(INTENT).map_err(Error::io("remove", INTENT))
}
