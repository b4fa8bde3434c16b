//! The formats, byte by byte. All integers are big-endian.
//!
//! A segment N is two files: `N.pay` (headers, commitments, salts, payloads; the only file that a batch waits for) and
//! `N.log` (the same without salts and payloads: the chain, free of personal data). Behind the last frame of either
//! file there are only zeros.
//!
//! `journal.id` (28 bytes): `SSFHUBID`, id 16, crc32 of the 24 bytes before it.
//!
//! **File header** (64 bytes), at the start of both files:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `SSFHUBJP` in `.pay`, `SSFHUBJL` in `.log` |
//! | 2 | format version, [`super::header::FORMAT`] |
//! | 2 | fold version of the release that began the segment |
//! | 16 | journal id |
//! | 4 | segment number, from 1 |
//! | 8 | number of the segment's first batch; batches are numbered from 1 through all segments |
//! | 20 | zeros |
//! | 4 | crc32 of the 60 bytes before it |
//!
//! **Table of heads**, in `.log` behind the header: where every tenant stood when the segment began.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `SHtb` |
//! | 4 | number of rows |
//! | 4 | length of the rows in bytes |
//! | 4 | crc32 of journal id ‖ the 12 bytes before ‖ the rows |
//! | … | rows in the order of tenants: tenant length u8, tenant, seq u64, head 32 |
//!
//! **Batch frame**, in `.pay` behind the header and in `.log` behind the table:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `SHbf` |
//! | 8 | batch number |
//! | 4 | number of entries |
//! | 4 | length of the entry headers with their commitments |
//! | 4 | length of the body in `.pay` |
//! | 4 | crc32 of journal id ‖ the 24 bytes before ‖ entry headers and commitments |
//! | … | per entry: **header** (tenant length u8, tenant, seq u64, time_ms i64, kind u8, version u16, payload length u32), commitment 32 |
//! | … | body, in `.pay` only; per entry: salt 16, payload |
//!
//! The frame in `.log` is, byte for byte, the frame in `.pay` without its body. The crc does not cover the body: the
//! commitments (SHA-256 of salt ‖ payload) do, so a payload can be erased by overwriting its salt and itself with zeros.
//! The journal id under the crc keeps whoever chooses payload bytes from planting something that reads as a frame.

use super::chain;
use super::entry::{Draft, JournalId, Link};
use super::header::{Fields, Part, crc, put_tenant};
use crate::tenant::Seq;

/// Bytes of a batch frame's fixed part.
pub const FRAME_BYTES: usize = 28;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// The magic number of a batch frame.
pub const FRAME_MAGIC: [u8; 4] = *b"SHbf";
/// Bytes of an entry header and its commitment, without the tenant's name.
const ENTRY_BYTES: usize = 24 + 32;

/// The lengths of a batch before it is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Entry headers and commitments.
    pub head: usize,
    /// Salts and payloads.
    pub body: usize,
}

impl Size {
    /// Measures drafts.
    pub fn of(batch: &[Draft]) -> Self {
        let head = batch.iter().map(|d| ENTRY_BYTES + d.tenant.as_str().len()).sum();
        let body = batch.iter().map(|d| SALT_BYTES + d.payload.len()).sum();
        Self { head, body }
    }

    /// Bytes that the frame takes in a file.
    pub fn bytes(&self, part: Part) -> u64 {
        let body = if part == Part::Pay { self.body } else { 0 };
        (FRAME_BYTES + self.head + body) as u64
    }
}

/// Writes an entry's header and commitment.
pub fn put_entry(out: &mut Vec<u8>, draft: &Draft, seq: Seq, salt: &[u8]) {
    put_tenant(out, &draft.tenant);
    out.extend_from_slice(&seq.0.to_be_bytes());
    out.extend_from_slice(&draft.time_ms.to_be_bytes());
    out.push(draft.kind);
    out.extend_from_slice(&draft.version.to_be_bytes());
    // The writer refused the batch if it does not fit a segment, whose length is below 4 GiB.
    out.extend_from_slice(&(draft.payload.len() as u32).to_be_bytes());
    out.extend_from_slice(&chain::commitment(salt, &draft.payload));
}

/// Fills in the fixed part at the front of a frame whose rest is written.
pub fn finish(frame: &mut [u8], journal: &JournalId, batch: u64, count: usize, size: &Size) {
    frame[..4].copy_from_slice(&FRAME_MAGIC);
    frame[4..12].copy_from_slice(&batch.to_be_bytes());
    frame[12..16].copy_from_slice(&(count as u32).to_be_bytes());
    frame[16..20].copy_from_slice(&(size.head as u32).to_be_bytes());
    frame[20..24].copy_from_slice(&(size.body as u32).to_be_bytes());
    let sum = crc([&journal.0, &frame[..24], &frame[FRAME_BYTES..FRAME_BYTES + size.head]]);
    frame[24..28].copy_from_slice(&sum.to_be_bytes());
}

/// What a frame says of itself before anything is checked.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Batch number.
    pub batch: u64,
    count: u32,
    /// The lengths.
    pub size: Size,
    crc: u32,
}

impl Shape {
    /// Reads the fixed part; `None` if it does not begin with the magic number.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if *fields.array::<4>()? != FRAME_MAGIC {
            return None;
        }
        let (batch, count) = (fields.u64()?, fields.u32()?);
        let size = Size { head: fields.length()?, body: fields.length()? };
        Some(Self { batch, count, size, crc: fields.u32()? })
    }
}

/// What lies in the body for an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// The payload, as committed to.
    Present(&'a [u8]),
    /// Salt and payload are all zero.
    Erased,
    /// Neither: bytes were lost or changed.
    Broken,
    /// A `.log` has no bodies.
    Elsewhere,
}

/// An entry within a frame.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Whose entry.
    pub tenant: &'a str,
    /// Its position.
    pub seq: Seq,
    /// Entry time.
    pub time_ms: i64,
    /// Kind.
    pub kind: u8,
    /// Payload version.
    pub version: u16,
    /// Payload length in bytes.
    pub payload_len: usize,
    /// Header and commitment: what the chain takes in.
    pub linked: &'a [u8],
    /// The payload.
    pub body: Body<'a>,
}

/// A batch whose checksum is right.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Batch number.
    pub batch: u64,
    /// The frame up to its body: what `.log` holds.
    pub without_body: &'a [u8],
    /// Bytes of the frame in the file it was read from.
    pub len: usize,
    /// The entries.
    pub entries: Vec<Raw<'a>>,
}

impl<'a> Frame<'a> {
    /// Reads the frame at the front of `bytes`.
    pub fn parse(journal: &JournalId, part: Part, bytes: &'a [u8]) -> Result<Self, &'static str> {
        let shape = Shape::read(bytes).ok_or("no batch frame begins here")?;
        let mut rest = Fields(&bytes[FRAME_BYTES..]);
        let head = rest.bytes(shape.size.head).ok_or("the frame runs past the end of the file")?;
        if crc([&journal.0, &bytes[..24], head]) != shape.crc {
            return Err("the frame's checksum is wrong");
        }
        let body_len = if part == Part::Pay { shape.size.body } else { 0 };
        let body = rest.bytes(body_len).ok_or("the frame runs past the end of the file")?;
        let entries = Self::entries(&shape, part, head, body).ok_or("the frame's entries cannot be read")?;
        let head_end = FRAME_BYTES + shape.size.head;
        Ok(Self { batch: shape.batch, without_body: &bytes[..head_end], len: head_end + body_len, entries })
    }

    fn entries(shape: &Shape, part: Part, head: &'a [u8], body: &'a [u8]) -> Option<Vec<Raw<'a>>> {
        let mut entries = Vec::with_capacity((shape.count as usize).min(head.len() / ENTRY_BYTES));
        let (mut fields, mut bodies, mut body_len) = (Fields(head), Fields(body), 0);
        for _ in 0..shape.count {
            let raw = Self::entry(&mut fields, part, &mut bodies)?;
            body_len += SALT_BYTES + raw.payload_len;
            entries.push(raw);
        }
        (fields.0.is_empty() && bodies.0.is_empty() && body_len == shape.size.body).then_some(entries)
    }

    fn entry(fields: &mut Fields<'a>, part: Part, bodies: &mut Fields<'a>) -> Option<Raw<'a>> {
        let from = fields.0;
        let tenant = fields.name()?;
        let (seq, time_ms) = (Seq(fields.u64()?), i64::from_be_bytes(*fields.array()?));
        let ([kind], version, payload_len) = (*fields.array()?, fields.u16()?, fields.length()?);
        let commitment = fields.array()?;
        let linked = &from[..from.len() - fields.0.len()];
        let body = match part {
            Part::Log => Body::Elsewhere,
            Part::Pay => judge_body(bodies.bytes(SALT_BYTES + payload_len)?, commitment),
        };
        Some(Raw { tenant, seq, time_ms, kind, version, payload_len, linked, body })
    }

    /// Whether some entry's body is as `what` asks.
    pub fn any_body(&self, what: Body<'_>) -> bool {
        self.entries.iter().any(|raw| raw.body == what)
    }
}

fn judge_body<'a>(body: &'a [u8], expected: &Link) -> Body<'a> {
    let (salt, payload) = body.split_at(SALT_BYTES);
    if chain::commitment(salt, payload) == *expected {
        Body::Present(payload)
    } else if body.iter().all(|byte| *byte == 0) {
        Body::Erased
    } else {
        Body::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::TenantId;

    fn drafts() -> Vec<Draft> {
        ["default", "t-1", "default"]
            .iter()
            .enumerate()
            .map(|(at, tenant)| Draft {
                tenant: TenantId::parse(tenant).unwrap(),
                kind: at as u8,
                version: 0x0102,
                time_ms: -5 + at as i64,
                payload: vec![at as u8 + 1; at * 20],
            })
            .collect()
    }

    fn encoded(journal: &JournalId) -> Vec<u8> {
        let (drafts, mut out) = (drafts(), vec![0; FRAME_BYTES]);
        let salts: Vec<[u8; SALT_BYTES]> = (1..=3).map(|n| [n; SALT_BYTES]).collect();
        for (at, (draft, salt)) in drafts.iter().zip(&salts).enumerate() {
            put_entry(&mut out, draft, Seq(at as u64 + 7), salt);
        }
        for (draft, salt) in drafts.iter().zip(&salts) {
            out.extend_from_slice(salt);
            out.extend_from_slice(&draft.payload);
        }
        finish(&mut out, journal, 41, 3, &Size::of(&drafts));
        assert_eq!(out.len() as u64, Size::of(&drafts).bytes(Part::Pay));
        out
    }

    #[test]
    fn a_frame_comes_back_and_every_flipped_byte_is_noticed() {
        let journal = JournalId([3; 16]);
        let mut bytes = encoded(&journal);
        bytes.extend_from_slice(&[0; 5]);
        let frame = Frame::parse(&journal, Part::Pay, &bytes).unwrap();
        assert_eq!((frame.batch, frame.len, frame.entries.len()), (41, bytes.len() - 5, 3));
        for (draft, raw) in drafts().iter().zip(&frame.entries) {
            assert_eq!((raw.tenant, raw.kind, raw.version), (draft.tenant.as_str(), draft.kind, 0x0102));
            assert_eq!((raw.time_ms, raw.body), (draft.time_ms, Body::Present(&draft.payload)));
        }
        let log = Frame::parse(&journal, Part::Log, frame.without_body).unwrap();
        assert_eq!((log.len, log.entries[2].body), (frame.without_body.len(), Body::Elsewhere));
        for at in 0..frame.len {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let noticed = match Frame::parse(&journal, Part::Pay, &bad) {
                Ok(frame) => frame.any_body(Body::Broken),
                Err(_) => true,
            };
            assert!(noticed, "byte {at}");
        }
        assert!(Frame::parse(&JournalId([4; 16]), Part::Pay, &bytes).is_err(), "bound to its journal");
        for end in 0..bytes.len() - 5 {
            assert!(Frame::parse(&journal, Part::Pay, &bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn erased_means_all_zero() {
        let journal = JournalId([3; 16]);
        let mut bytes = encoded(&journal);
        let end = bytes.len();
        bytes[end - 56..].fill(0);
        assert_eq!(Frame::parse(&journal, Part::Pay, &bytes).unwrap().entries[2].body, Body::Erased);
        bytes[end - 1] = 1;
        assert_eq!(Frame::parse(&journal, Part::Pay, &bytes).unwrap().entries[2].body, Body::Broken);
    }
}
