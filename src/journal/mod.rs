//! The journal on one machine: segment files of our own, append-only, framed in batches.
//!
//! Stands below the hub: the sequencer appends drafts, flushes, and only then answers. Frames are opaque here; what an
//! entry means is the hub's business. Never decides, never reads a clock, never holds a secret.
//!
//! | file | holds |
//! |---|---|
//! | `disk` | what a disk must promise, and the real one |
//! | `sim` | a simulated disk that loses, tears and reorders what was not flushed |
//! | `entry` | drafts, entries, positions, the journal's id |
//! | `frame` | the formats, byte by byte; batches |
//! | `header` | the beginning of a file |
//! | `chain` | the hash chain of each tenant |
//! | `segment` | file names, and the verdict about the bytes at an offset |
//! | `begin` | a journal that goes on from the heads of another one |
//! | `open` | opening after any crash: check, cut, repair |
//! | `writer` | `Journal`: append, flush, heads |
//! | `roll` | the reserve, the next segment, dropping old ones |
//! | `erase` | overwriting payloads so that the chain still verifies |
//! | `reader` | reading beside a running writer, without a lock |
//! | `verify` | checking a journal as a stranger would |

pub mod begin;
pub mod chain;
pub mod disk;
pub mod entry;
mod erase;
pub mod error;
pub mod frame;
pub mod header;
mod open;
pub mod reader;
mod roll;
pub mod segment;
pub mod sim;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod writer;

pub use disk::{Disk, DiskFile, Folder};
pub use entry::{Draft, Entry, JournalId, Link, Payload, Position};
pub use error::Error;
pub use open::Opened;
pub use reader::{Batch, Batches, Reader};
pub use roll::SegmentInfo;
pub use writer::{Journal, Options, Written};
