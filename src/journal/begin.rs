//! A journal that goes on from the heads of another one: what a restore begins (ADR 0015).
//!
//! Looks like a journal whose older segments were dropped: the table of heads of its first segment says where every
//! tenant stands, and its chains go on from there. Its id is new, so no name of the other one comes again.

use super::chain::{Head, Heads};
use super::disk::Disk;
use super::entry::{JournalId, Link, Position};
use super::error::Error;
use super::header;
use super::roll::{self, SegmentInfo};
use super::segment::{self, ID_FILE};
use super::writer::{Journal, Options};
use crate::tenant::{Seq, TenantId};

impl Journal {
    /// Begins a journal in an empty directory. A crash on the way leaves a directory that is no whole journal: whoever
    /// calls this must know it again. Open it afterwards.
    pub fn begin(
        disk: &dyn Disk,
        options: &Options,
        id: JournalId,
        heads: &[(TenantId, Seq, Link)],
    ) -> Result<(), Error> {
        disk.put(ID_FILE, &header::encode_id(&id)).map_err(Error::io("write", ID_FILE))?;
        let rows =
            heads.iter().map(|(tenant, seq, link)| Head { tenant: tenant.clone(), seq: *seq, link: *link });
        let heads = Heads::of(id, rows.collect());
        roll::allocate(disk, options, &heads)?;
        let info = SegmentInfo { segment: 1, fold_version: options.fold_version, first_batch: 1 };
        roll::begin(disk, options, id, info, &heads).map(drop)
    }

    /// Where the journal ends: a position in `.pay`, and as many bytes of the same segment's `.log`. What lies before
    /// never changes again.
    pub fn ends(&self) -> (Position, u64) {
        (self.active.end(), self.active.log_end)
    }
}

/// The names of a segment's two files.
pub fn file_names(number: u32) -> [String; 2] {
    [header::Part::Pay, header::Part::Log].map(|part| segment::name(number, part))
}
