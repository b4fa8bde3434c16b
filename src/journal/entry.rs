//! What goes into the journal and what comes out: drafts, entries, positions.
//!
//! Opaque on purpose: `kind`, `version` and the payload mean something to the hub only.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tenant::{Seq, TenantId};

/// A link of a hash chain, a head, or a commitment: one SHA-256.
pub type Link = [u8; 32];

/// A journal's id: drawn once, kept in every segment, part of every derived name and of every chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JournalId(pub [u8; 16]);

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a batch begins, or where the next one will: a byte offset into a segment's `.pay` file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// The segment's number, from 1.
    pub segment: u32,
    /// Bytes from the beginning of `.pay`.
    pub offset: u64,
}

impl Position {
    /// Stands for the first batch that is still kept.
    pub const OLDEST: Self = Self { segment: 0, offset: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// An entry to be written: the journal adds sequence number, salt and chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// Whose entry.
    pub tenant: TenantId,
    /// What kind, to the hub.
    pub kind: u8,
    /// The payload's format version, to the hub.
    pub version: u16,
    /// Entry time, milliseconds since 1970.
    pub time_ms: i64,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// What an entry says, if it was not erased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// The bytes, proven by the commitment in the chain.
    Present(Vec<u8>),
    /// Salt and payload were overwritten; the chain still covers that there was an entry.
    Erased,
}

/// An entry as read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Whose entry.
    pub tenant: TenantId,
    /// Its position within the tenant.
    pub seq: Seq,
    /// Entry time, milliseconds since 1970.
    pub time_ms: i64,
    /// What kind, to the hub.
    pub kind: u8,
    /// The payload's format version, to the hub.
    pub version: u16,
    /// What it says.
    pub payload: Payload,
    /// The tenant's chain head with this entry.
    pub chain: Link,
}
