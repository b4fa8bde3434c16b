//! What can go wrong with a journal.
//!
//! The one error enum of `journal`. Never a wire error: the hub decides who is told what.

use std::io;

use crate::tenant::{Seq, TenantId};

/// Why the journal could not do it. Only [`Error::Full`], [`Error::TooLarge`] and [`Error::LastBatch`] let the caller
/// go on; after any other error of a write the process ends and opens again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{what} `{name}`: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Bytes that had been written are not what they were. The operator restores from a copy.
    #[error("the journal is damaged: segment {segment}, file {file}, offset {offset}: {what}")]
    Corrupt {
        /// The segment's number.
        segment: u32,
        /// The file's name.
        file: String,
        /// The byte offset of the frame or header that is wrong.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The active segment is full and there is no reserve, or no space to begin it. Nothing was written.
    #[error("the journal is full: no next segment could be allocated")]
    Full,
    /// The batch would not fit an empty segment. Nothing was written.
    #[error("a batch of {bytes} bytes does not fit a segment ({limit} bytes)")]
    TooLarge {
        /// Bytes that the larger of its two parts needs.
        bytes: u64,
        /// Bytes that an empty segment has for that part.
        limit: u64,
    },
    /// An earlier write failed: nobody knows what the disk holds until it is opened again.
    #[error("an earlier write to the journal failed; it must be opened again")]
    Poisoned,
    /// The active segment's last batch cannot be erased: open could not tell it from an unfinished write.
    #[error("the last batch cannot be erased before another one is behind it")]
    LastBatch,
    /// A file format that this build does not know.
    #[error("file `{file}` has format {found}, this build reads {known}")]
    Format {
        /// The file's name.
        file: String,
        /// Its format version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// The journal was written by a release that folds in a newer way.
    #[error("segment {segment} has fold version {found}, this build folds version {known}")]
    Fold {
        /// The segment's number.
        segment: u32,
        /// Its fold version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// The position's segment was dropped, or never was.
    #[error("segment {segment} is not there (any more)")]
    Gone {
        /// The segment's number.
        segment: u32,
    },
    /// A position that no batch begins or ends at.
    #[error("no batch begins at segment {segment}, offset {offset}")]
    NoBatch {
        /// The segment's number.
        segment: u32,
        /// The offset.
        offset: u64,
    },
    /// The chain disagrees with a head that was signed.
    #[error("the chain of tenant {tenant} disagrees with its signed head at {seq}: {what}")]
    Head {
        /// Whose chain.
        tenant: TenantId,
        /// The position of the signed head.
        seq: Seq,
        /// How it disagrees.
        what: &'static str,
    },
}

impl Error {
    /// Wraps an error of the disk.
    pub(super) fn io(what: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, name: name.into(), source }
    }

    /// Whether the caller may go on appending after this error.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Full | Self::TooLarge { .. } | Self::LastBatch)
    }
}

/// Whether the disk said that it has no room.
pub(super) fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
