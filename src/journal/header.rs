//! The beginning of a segment's file, the journal's id, and what all formats are read with. `frame` has the byte tables.

use super::entry::JournalId;
use crate::tenant::TenantId;

/// The version of these formats.
pub const FORMAT: u16 = 1;
/// Bytes of a file header.
pub const HEADER_BYTES: usize = 64;
const ID_MAGIC: [u8; 8] = *b"SSFHUBID";

/// Which of a segment's two files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The durable carrier.
    Pay,
    /// The chain.
    Log,
}

impl Part {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Pay => *b"SSFHUBJP",
            Self::Log => *b"SSFHUBJL",
        }
    }
}

/// Takes fields off the front of a byte string.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(field)
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(field)
    }

    /// A name with its length before it.
    pub fn name(&mut self) -> Option<&'a str> {
        let [len] = self.array()?;
        std::str::from_utf8(self.bytes((*len).into())?).ok()
    }

    /// A 16-bit number.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(|b| u16::from_be_bytes(*b))
    }

    /// A 32-bit number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(|b| u32::from_be_bytes(*b))
    }

    /// A 32-bit length.
    pub fn length(&mut self) -> Option<usize> {
        self.u32().and_then(|n| usize::try_from(n).ok())
    }

    /// A 64-bit number.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(|b| u64::from_be_bytes(*b))
    }
}

/// Writes a name with its length before it.
pub fn put_tenant(out: &mut Vec<u8>, tenant: &TenantId) {
    let name = tenant.as_str().as_bytes();
    // A tenant's name has at most 63 bytes.
    out.push(name.len() as u8);
    out.extend_from_slice(name);
}

/// The crc32 over parts that lie one behind the other.
pub fn crc(parts: [&[u8]; 3]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// The contents of `journal.id`.
pub fn encode_id(id: &JournalId) -> Vec<u8> {
    let mut out = [ID_MAGIC.as_slice(), &id.0].concat();
    out.extend_from_slice(&crc([&out, &[], &[]]).to_be_bytes());
    out
}

/// Reads `journal.id`.
pub fn decode_id(bytes: &[u8]) -> Option<JournalId> {
    let id = JournalId(*bytes.get(8..)?.first_chunk()?);
    (encode_id(&id) == bytes).then_some(id)
}

/// A file header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Which file.
    pub part: Part,
    /// Format version.
    pub format: u16,
    /// Fold version of the release that began the segment.
    pub fold_version: u16,
    /// Whose journal.
    pub journal: JournalId,
    /// The segment's number.
    pub segment: u32,
    /// The number of its first batch.
    pub first_batch: u64,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0u8; HEADER_BYTES];
        out[..8].copy_from_slice(&self.part.magic());
        out[8..10].copy_from_slice(&self.format.to_be_bytes());
        out[10..12].copy_from_slice(&self.fold_version.to_be_bytes());
        out[12..28].copy_from_slice(&self.journal.0);
        out[28..32].copy_from_slice(&self.segment.to_be_bytes());
        out[32..40].copy_from_slice(&self.first_batch.to_be_bytes());
        let sum = crc([&out[..60], &[], &[]]);
        out[60..].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// Reads the header of a `part` file; `None` if a single byte is not as written.
    pub fn decode(part: Part, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let mut fields = Fields(&bytes[8..]);
        let header = Self {
            part,
            format: fields.u16()?,
            fold_version: fields.u16()?,
            journal: JournalId(*fields.array()?),
            segment: fields.u32()?,
            first_batch: fields.u64()?,
        };
        (header.encode() == *bytes).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_ids_notice_every_flipped_byte() {
        let journal = JournalId([7; 16]);
        let header = Header {
            part: Part::Log,
            format: FORMAT,
            fold_version: 3,
            journal,
            segment: 9,
            first_batch: 100,
        };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(Part::Log, &bytes), Some(header));
        assert_eq!(Header::decode(Part::Pay, &bytes), None);
        for at in 0..bytes.len() {
            bytes[at] ^= 4;
            assert_eq!(Header::decode(Part::Log, &bytes), None, "byte {at}");
            bytes[at] ^= 4;
        }
        let mut id = encode_id(&journal);
        assert_eq!(decode_id(&id), Some(journal));
        id[20] ^= 1;
        assert_eq!(decode_id(&id), None);
    }
}
