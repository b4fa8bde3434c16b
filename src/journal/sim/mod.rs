//! A simulated disk that is as bad as a real one: what was not flushed may be lost, torn or reordered by a crash, any
//! call may fail, and a failed flush leaves bytes that look written and are not.
//!
//! For tests and the simulation. Deterministic: the same seed and the same calls give the same disk. A clone is the same
//! disk.

mod disk;
mod state;

use std::io;

pub use disk::SimDisk;

/// A call that can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// [`Disk::list`]
    List,
    /// [`Disk::allocate`]
    Allocate,
    /// [`Disk::open`]
    Open,
    /// [`Disk::rename`]
    Rename,
    /// [`Disk::remove`]
    Remove,
    /// [`Disk::put`]
    Put,
    /// [`Disk::read`]
    Read,
    /// [`DiskFile::read_at`]
    ReadAt,
    /// [`DiskFile::write_at`]
    WriteAt,
    /// [`DiskFile::sync_data`]
    Sync,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// EIO
    Io,
    /// ENOSPC
    NoSpace,
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io => rustix::io::Errno::IO.into(),
            Fault::NoSpace => rustix::io::Errno::NOSPC.into(),
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Calls of `sync_data`.
    pub syncs: u64,
    /// Calls of `write_at`.
    pub writes: u64,
    /// Bytes given to `write_at` and `put`.
    pub bytes_written: u64,
}
