//! Opening a journal after whatever happened.
//!
//! Sealed segments are checked by their beginnings only, so that the time to open does not grow with history; their
//! inside is checked by whoever reads it (`reader`, `verify`). The active segment is read whole: an unfinished last
//! batch is cut, the chain's file is written again from the carrier. Anything else that is not as written is damage,
//! and refused: a journal that repairs itself by guessing forgets what was promised.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::chain::Heads;
use super::disk::Disk;
use super::entry::{JournalId, Position};
use super::erase;
use super::error::{Error, is_full};
use super::frame::{FRAME_BYTES, Frame};
use super::header::{self, HEADER_BYTES, Part};
use super::roll::{self, SegmentInfo};
use super::segment::{self, ID_FILE, Image, Listing, Verdict, corrupt, judge, used};
use super::writer::{Active, Journal, Options};
use crate::clock::{SharedChance, random};

/// What opening found and did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The journal was begun just now.
    pub created: bool,
    /// Bytes of an unfinished last batch that were cut; 0 after an orderly end.
    pub cut_bytes: u64,
    /// Where the journal goes on.
    pub end: Position,
}

pub(super) fn open(
    disk: Arc<dyn Disk>,
    options: Options,
    chance: SharedChance,
) -> Result<(Journal, Opened), Error> {
    let mut listing = Listing::read(&*disk)?;
    listing.check(&*disk)?;
    for name in &listing.unfinished {
        disk.remove(name).map_err(Error::io("remove", name))?;
    }
    let begun = !listing.segments.is_empty();
    let id = if begun { segment::read_id(&*disk)? } else { first_id(&*disk, &chance)? };
    erase::finish(&*disk)?;
    drop_lone_logs(&*disk, &id, &listing)?;
    let (sealed, recovered) = match listing.segments.split_last() {
        Some((last, before)) => {
            let sealed = before.iter().map(|n| info(&*disk, &id, *n)).collect::<Result<Vec<_>, _>>()?;
            (sealed, recover(&*disk, &id, *last)?)
        }
        None => (Vec::new(), create(&*disk, &options, id)?),
    };
    let ours = options.fold_version;
    for info in sealed.iter().chain([&recovered.active.info]) {
        if info.fold_version > ours {
            return Err(Error::Fold { segment: info.segment, found: info.fold_version, known: ours });
        }
    }
    let reserve = reserve(&*disk, &options, &recovered.heads)?;
    let durable = recovered.active.end();
    let mut journal = Journal {
        disk,
        options,
        id,
        heads: recovered.heads,
        sealed,
        active: recovered.active,
        next_batch: recovered.next_batch,
        reserve,
        dirty: false,
        poisoned: false,
        durable,
        chance,
        buffer: Vec::new(),
        salts: Vec::new(),
    };
    if journal.active.info.fold_version != ours {
        journal.roll()?;
    }
    let opened = Opened { created: !begun, cut_bytes: recovered.cut_bytes, end: journal.end() };
    Ok((journal, opened))
}

/// The id of a journal without segments: one that an interrupted beginning left, or a new one.
fn first_id(disk: &dyn Disk, chance: &SharedChance) -> Result<JournalId, Error> {
    match segment::read_id(disk) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let id = JournalId(random(&**chance));
            disk.put(ID_FILE, &header::encode_id(&id)).map_err(Error::io("write", ID_FILE))?;
            Ok(id)
        }
        id => id,
    }
}

/// A roll or a drop that a crash interrupted leaves a `.log` without its `.pay`: before the first segment, or behind
/// the last one and without a batch.
fn drop_lone_logs(disk: &dyn Disk, id: &JournalId, listing: &Listing) -> Result<(), Error> {
    let (first, last) = match (listing.segments.first(), listing.segments.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => (1, 0),
    };
    for segment in listing.logs.iter().copied().filter(|n| *n < first || *n > last) {
        if segment > last {
            segment::check_lone_log(disk, id, segment, last)?;
        }
        let name = segment::name(segment, Part::Log);
        disk.remove(&name).map_err(Error::io("remove", &name))?;
    }
    Ok(())
}

/// Whether there is a reserve, after making one if there was none or only half of one.
fn reserve(disk: &dyn Disk, options: &Options, heads: &Heads) -> Result<bool, Error> {
    let names: BTreeSet<String> = disk.list().map_err(Error::io("list", "journal"))?.into_iter().collect();
    let clean = |part| -> Result<bool, Error> {
        let name = segment::reserve(part);
        if !names.contains(name) {
            return Ok(false);
        }
        let file = disk.open(name).map_err(Error::io("open", name))?;
        let bytes = segment::read_from(&*file, 0).map_err(Error::io("read", name))?;
        let len = bytes.len() as u64;
        let long_enough = match part {
            Part::Pay => len == roll::pay_bytes(options),
            Part::Log => len >= roll::log_bytes(options),
        };
        Ok(long_enough && used(&bytes) == 0)
    };
    if clean(Part::Pay)? && clean(Part::Log)? {
        return Ok(true);
    }
    // First give back what is there: on a full disk it is the space for the new one.
    roll::release(disk);
    match roll::allocate(disk, options, heads) {
        Ok(()) => Ok(true),
        Err(Error::Io { source, .. }) if is_full(&source) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Checks the beginnings of a sealed segment.
fn info(disk: &dyn Disk, id: &JournalId, segment: u32) -> Result<SegmentInfo, Error> {
    let header = |part| {
        let name = segment::name(segment, part);
        let file = disk.open(&name).map_err(Error::io("open", &name))?;
        let mut bytes = [0; HEADER_BYTES];
        segment::fill(&*file, 0, &mut bytes).map_err(Error::io("read", &name))?;
        segment::check_header(&bytes, segment, part, id)
    };
    let (pay, log) = (header(Part::Pay)?, header(Part::Log)?);
    if (pay.fold_version, pay.first_batch) != (log.fold_version, log.first_batch) {
        return Err(corrupt(
            segment,
            Part::Log,
            0,
            "the file headers of .pay and .log contradict each other",
        ));
    }
    Ok(SegmentInfo { segment, fold_version: pay.fold_version, first_batch: pay.first_batch })
}

struct Recovered {
    active: Active,
    heads: Heads,
    next_batch: u64,
    cut_bytes: u64,
}

/// Begins the first segment of a new journal.
fn create(disk: &dyn Disk, options: &Options, id: JournalId) -> Result<Recovered, Error> {
    let heads = Heads::new(id);
    // An interrupted beginning may have left a reserve with half a header.
    roll::release(disk);
    roll::allocate(disk, options, &heads)?;
    let info = SegmentInfo { segment: 1, fold_version: options.fold_version, first_batch: 1 };
    let active = roll::begin(disk, options, id, info, &heads)?;
    Ok(Recovered { active, heads, next_batch: 1, cut_bytes: 0 })
}

/// Reads the active segment, cuts what was never flushed, and makes all that is left durable.
fn recover(disk: &dyn Disk, id: &JournalId, segment: u32) -> Result<Recovered, Error> {
    let mut pay = Image::read(disk, id, segment, Part::Pay)?;
    let mut log = Image::read(disk, id, segment, Part::Log)?;
    Image::same_beginning(&pay, &log)?;
    let (mut heads, log_from) = log.heads(id)?;
    let (mut at, mut next_batch, mut last_at) = (HEADER_BYTES, pay.header.first_batch, None);
    let mut chain = Chain { bytes: Vec::new(), ends: Vec::new() };
    loop {
        let bad = |what| corrupt(segment, Part::Pay, at as u64, what);
        let frame = match judge(id, &pay.bytes[at..], next_batch, false) {
            Verdict::Whole(frame) => frame,
            Verdict::End | Verdict::Unfinished => break,
            Verdict::Corrupt(what) => return Err(bad(what)),
        };
        heads.fold(&frame, |_, _| {}).map_err(bad)?;
        chain.push(&frame);
        last_at = Some(at as u64);
        at += frame.len;
        next_batch += 1;
    }
    let cut = used(&pay.bytes[at..]);
    cut_and_settle(&mut pay, last_at.map_or(at, |from| from as usize), at)?;
    chain.repair(id, &mut log, log_from)?;
    let info =
        SegmentInfo { segment, fold_version: pay.header.fold_version, first_batch: pay.header.first_batch };
    let active = Active {
        info,
        pay_len: pay.bytes.len() as u64,
        log_len: log.bytes.len() as u64,
        pay_end: at as u64,
        log_end: (log_from + chain.bytes.len()) as u64,
        pay: pay.file,
        log: log.file,
        last_at,
    };
    Ok(Recovered { active, heads, next_batch, cut_bytes: cut as u64 })
}

/// Zeros everything from `at` on, and makes durable what is kept.
///
/// To the end of the file, not only over what is seen there: after a failed flush a page may read as zeros and still
/// hold, on the disk, a batch that was cut; a crash would bring it back behind the batches of a sealed segment.
/// The last batch is written again: after a failed `fdatasync` the kernel may call pages clean that never reached the
/// disk, and a second one alone would then prove nothing.
fn cut_and_settle(pay: &mut Image, last_at: usize, at: usize) -> Result<(), Error> {
    let name = segment::name(pay.header.segment, Part::Pay);
    let mut settle = || {
        pay.file.write_at(at as u64, &vec![0; pay.bytes.len() - at])?;
        if last_at < at {
            pay.file.write_at(last_at as u64, &pay.bytes[last_at..at])?;
        }
        pay.file.sync_data()
    };
    settle().map_err(Error::io("repair", &name))
}

/// What the active segment's `.log` must hold behind its table.
struct Chain {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Chain {
    fn push(&mut self, frame: &Frame<'_>) {
        self.bytes.extend_from_slice(frame.without_body);
        self.ends.push(self.bytes.len());
    }

    /// Writes the chain's file again. It is not flushed per batch, so anything may be missing or torn; but a whole
    /// frame that says something else was never written by us.
    fn repair(&self, id: &JournalId, log: &mut Image, from: usize) -> Result<(), Error> {
        let segment = log.header.segment;
        let have = &log.bytes[from..];
        if have.len() < self.bytes.len() {
            return Err(corrupt(segment, Part::Log, from as u64, "the file is too short for its batches"));
        }
        let mut begin = 0;
        for end in &self.ends {
            let other = have[begin..*end] != self.bytes[begin..*end];
            if other
                && have.len() >= begin + FRAME_BYTES
                && Frame::parse(id, Part::Log, &have[begin..]).is_ok()
            {
                return Err(corrupt(
                    segment,
                    Part::Log,
                    (from + begin) as u64,
                    "a batch contradicts its .pay",
                ));
            }
            begin = *end;
        }
        let mut whole = self.bytes.clone();
        // To the end of the file, as in `.pay`: what was cut must not come back beside another batch there.
        whole.resize(have.len(), 0);
        let name = segment::name(segment, Part::Log);
        log.file
            .write_at(from as u64, &whole)
            .and_then(|()| log.file.sync_data())
            .map_err(Error::io("repair", &name))
    }
}
