//! A segment's files: their names, their beginnings, and the verdict about the bytes at an offset.
//!
//! Shared by opening, reading and verifying, so that all three call the same thing whole, unfinished or damaged.

use std::io;

use super::chain::Heads;
use super::disk::{Disk, DiskFile, UNFINISHED};
use super::entry::JournalId;
use super::error::Error;
use super::frame::{Body, FRAME_BYTES, FRAME_MAGIC, Frame, Shape};
use super::header::{FORMAT, HEADER_BYTES, Header, Part};

/// The file of the journal's id.
pub const ID_FILE: &str = "journal.id";

/// A segment file's name.
pub fn name(segment: u32, part: Part) -> String {
    match part {
        Part::Pay => format!("{segment:08}.pay"),
        Part::Log => format!("{segment:08}.log"),
    }
}

/// The name of a file of the reserve.
pub fn reserve(part: Part) -> &'static str {
    match part {
        Part::Pay => "reserve.pay",
        Part::Log => "reserve.log",
    }
}

/// Damage at an offset of a segment's file.
pub fn corrupt(segment: u32, part: Part, offset: u64, what: &'static str) -> Error {
    Error::Corrupt { segment, file: name(segment, part), offset, what }
}

/// What lies in the directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// Segments that have a `.pay`, ascending.
    pub segments: Vec<u32>,
    /// Segments that have a `.log`, ascending.
    pub logs: Vec<u32>,
    /// Files that were never finished.
    pub unfinished: Vec<String>,
}

impl Listing {
    /// Lists a directory; names that are not ours are left alone.
    pub fn read(disk: &dyn Disk) -> Result<Self, Error> {
        let mut listing = Self::default();
        for file in disk.list().map_err(Error::io("list", "journal"))? {
            if file.ends_with(UNFINISHED) {
                listing.unfinished.push(file);
                continue;
            }
            let Some(number) = file.split('.').next().and_then(|stem| stem.parse().ok()) else { continue };
            if file == name(number, Part::Pay) {
                listing.segments.push(number);
            } else if file == name(number, Part::Log) {
                listing.logs.push(number);
            }
        }
        listing.segments.sort_unstable();
        listing.logs.sort_unstable();
        Ok(listing)
    }

    /// Refuses holes: every segment between the first and the last has both files. What was renamed while the
    /// directory was read may not have been listed, so a file is missing only if it cannot be opened.
    pub fn check(&mut self, disk: &dyn Disk) -> Result<(), Error> {
        let (Some(first), Some(last)) = (self.segments.first().copied(), self.segments.last().copied())
        else {
            return Ok(());
        };
        for (part, listed) in [(Part::Pay, &mut self.segments), (Part::Log, &mut self.logs)] {
            for segment in first..=last {
                if let Err(at) = listed.binary_search(&segment) {
                    if !exists(disk, segment, part)? {
                        return Err(corrupt(segment, part, 0, "the file is missing"));
                    }
                    listed.insert(at, segment);
                }
            }
        }
        Ok(())
    }
}

/// Whether a segment has a file.
pub fn exists(disk: &dyn Disk, segment: u32, part: Part) -> Result<bool, Error> {
    let name = name(segment, part);
    match disk.open(&name) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io("open", &name)(e)),
    }
}

/// Reads a file from an offset to its end.
pub fn read_from(file: &dyn DiskFile, offset: u64) -> io::Result<Vec<u8>> {
    let len = file.len()?.saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let got = fill(file, offset, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// Reads as much of `buf` as the file has.
pub fn fill(file: &dyn DiskFile, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(offset + got as u64, &mut buf[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// Reads `journal.id`.
pub fn read_id(disk: &dyn Disk) -> Result<JournalId, Error> {
    let bytes = disk.read(ID_FILE).map_err(Error::io("read", ID_FILE))?;
    super::header::decode_id(&bytes).ok_or_else(|| Error::Corrupt {
        segment: 0,
        file: ID_FILE.into(),
        offset: 0,
        what: "the journal id is damaged",
    })
}

/// Reads and checks the header at the front of a segment's file.
pub fn check_header(bytes: &[u8], segment: u32, part: Part, journal: &JournalId) -> Result<Header, Error> {
    let bad = |what| corrupt(segment, part, 0, what);
    let header = Header::decode(part, bytes).ok_or_else(|| bad("the file header is damaged"))?;
    if header.format != FORMAT {
        return Err(Error::Format { file: name(segment, part), found: header.format, known: FORMAT });
    }
    if header.journal != *journal {
        return Err(bad("the file belongs to another journal"));
    }
    if header.segment != segment {
        return Err(bad("the file belongs to another segment"));
    }
    Ok(header)
}

/// A segment's file, open and read whole.
pub struct Image {
    /// The file.
    pub file: Box<dyn DiskFile>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its header.
    pub header: Header,
}

impl Image {
    /// Reads one of a segment's files.
    pub fn read(disk: &dyn Disk, journal: &JournalId, segment: u32, part: Part) -> Result<Self, Error> {
        let name = name(segment, part);
        let file = disk.open(&name).map_err(Error::io("open", &name))?;
        let bytes = read_from(&*file, 0).map_err(Error::io("read", &name))?;
        let header = check_header(&bytes, segment, part, journal)?;
        Ok(Self { file, bytes, header })
    }

    /// The heads that a `.log` begins with, and the offset of its first frame.
    pub fn heads(&self, journal: &JournalId) -> Result<(Heads, usize), Error> {
        let table = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let (heads, used) = Heads::read_table(journal, table)
            .map_err(|what| corrupt(self.header.segment, Part::Log, HEADER_BYTES as u64, what))?;
        Ok((heads, HEADER_BYTES + used))
    }

    /// Checks that the two files began as one.
    pub fn same_beginning(pay: &Self, log: &Self) -> Result<(), Error> {
        if (Header { part: Part::Log, ..pay.header }) == log.header {
            return Ok(());
        }
        Err(corrupt(
            log.header.segment,
            Part::Log,
            0,
            "the file headers of .pay and .log contradict each other",
        ))
    }
}

/// Checks a `.log` that has no `.pay`, behind the `last` segment: an interrupted roll leaves the next segment's, without
/// a batch. Any other one had a `.pay`, which is missing.
pub fn check_lone_log(disk: &dyn Disk, journal: &JournalId, segment: u32, last: u32) -> Result<(), Error> {
    let log = Image::read(disk, journal, segment, Part::Log)?;
    let (_, from) = log.heads(journal)?;
    let begun = segment != last + 1 || used(&log.bytes[from..]) > 0;
    // Beside a running writer it may have got its `.pay` by now.
    if begun && !exists(disk, segment, Part::Pay)? {
        return Err(corrupt(segment, Part::Pay, 0, "the file is missing"));
    }
    Ok(())
}

/// What lies at an offset where a frame may begin.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// Only zeros from here on.
    End,
    /// A whole batch.
    Whole(Frame<'a>),
    /// The last batch, written and not flushed: it never counted.
    Unfinished,
    /// What was durable is not as written.
    Corrupt(&'static str),
}

/// Judges `rest`, the bytes of a `.pay` from an offset to the end of the file, where batch `expected` should begin.
///
/// In a `sealed` segment everything had been flushed. In the active one only the last batch may be unfinished; that
/// something is not the last is proven by a whole later batch behind it. A body of zeros in the last batch is
/// unfinished, not erased: a lost write looks the same (which is why [`Error::LastBatch`] exists).
pub fn judge<'a>(journal: &JournalId, rest: &'a [u8], expected: u64, sealed: bool) -> Verdict<'a> {
    let last = |from: usize| !sealed && !whole_batch_behind(journal, &rest[from..], expected);
    let (what, from) = match Frame::parse(journal, Part::Pay, rest) {
        Ok(frame) if frame.batch != expected => return Verdict::Corrupt("a batch number out of order"),
        Ok(frame) if frame.any_body(Body::Broken) => ("a payload contradicts its commitment", frame.len),
        Ok(frame) if frame.any_body(Body::Erased) && last(frame.len) => return Verdict::Unfinished,
        Ok(frame) => return Verdict::Whole(frame),
        Err(_) if rest.iter().all(|byte| *byte == 0) => return Verdict::End,
        Err(what) => (what, 1),
    };
    if last(from) { Verdict::Unfinished } else { Verdict::Corrupt(what) }
}

/// Whether a whole batch with a number above `batch` lies anywhere in `bytes`.
fn whole_batch_behind(journal: &JournalId, bytes: &[u8], batch: u64) -> bool {
    let used = used(bytes);
    bytes[..used].windows(FRAME_MAGIC.len()).enumerate().any(|(at, window)| {
        if window != FRAME_MAGIC {
            return false;
        }
        // Claims that reach past what was ever written cost nothing: nobody makes us sum up megabytes per byte.
        let plausible = Shape::read(&bytes[at..])
            .is_some_and(|shape| shape.batch > batch && at + FRAME_BYTES + shape.size.head <= used + 32);
        plausible && Frame::parse(journal, Part::Pay, &bytes[at..]).is_ok_and(|f| !f.any_body(Body::Broken))
    })
}

/// Bytes up to the last one that is not zero.
pub fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}
