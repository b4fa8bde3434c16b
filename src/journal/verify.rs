//! Checking a journal as a stranger would: needs no lock, no state, no key.
//!
//! Reads every used byte: headers, tables of heads, checksums, commitments (`.pay` against `.log`), sequence numbers, the
//! chain of every tenant, and its agreement with heads that were signed. Never repairs: a chain file that a crash left
//! torn is named here until the journal has been opened once.

use std::collections::BTreeMap;

use super::chain::{Head, Heads};
use super::disk::Disk;
use super::entry::{JournalId, Link};
use super::error::Error;
use super::frame::{Body, FRAME_BYTES, Frame};
use super::header::{HEADER_BYTES, Part};
use super::segment::{self, Image, Listing, Verdict, corrupt, judge, used};
use crate::tenant::{Seq, TenantId};

/// How often the active segment is looked at before it is called damaged.
const LOOKS: usize = 3;

/// A chain head whose signature the caller has already checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedHeadClaim {
    /// Whose chain.
    pub tenant: TenantId,
    /// At which entry.
    pub seq: Seq,
    /// The head with that entry.
    pub head: Link,
}

/// What a sound journal holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The journal's id.
    pub journal: JournalId,
    /// Segments that are kept.
    pub segments: usize,
    /// Batches in them.
    pub batches: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries whose payload was erased; their header and commitment are still chained.
    pub erased: u64,
    /// Bytes of a last batch that is being written, or that a crash left unfinished.
    pub unfinished_bytes: u64,
    /// Where every tenant stands.
    pub tenants: Vec<(TenantId, Seq, Link)>,
    /// Signed heads that the chain agrees with.
    pub heads_agreed: usize,
    /// Signed heads below the oldest segment: they can't be checked any more.
    pub heads_below: usize,
}

/// Verifies a whole journal.
///
/// Errors: [`Error::Corrupt`] names segment, file and offset; [`Error::Head`] a signed head that the chain contradicts
/// or does not reach.
///
/// Beside a running writer the active segment may be caught in the middle of a write; what looks damaged there is
/// looked at again, for damage stays.
pub fn verify(disk: &dyn Disk, heads: &[SignedHeadClaim]) -> Result<Report, Error> {
    for _ in 1..LOOKS {
        let mut listing = Listing::read(disk)?;
        let active = listing.segments.last().copied();
        match attempt(disk, &mut listing, heads) {
            Err(Error::Corrupt { segment, .. }) if Some(segment) >= active => {}
            result => return result,
        }
    }
    attempt(disk, &mut Listing::read(disk)?, heads)
}

fn attempt(disk: &dyn Disk, listing: &mut Listing, heads: &[SignedHeadClaim]) -> Result<Report, Error> {
    let journal = segment::read_id(disk)?;
    listing.check(disk)?;
    let mut run =
        Run { journal, heads: None, next_batch: 0, claims: Claims::of(heads), report: blank(journal) };
    for (at, segment) in listing.segments.iter().enumerate() {
        run.segment(disk, *segment, at + 1 < listing.segments.len())?;
        run.report.segments += 1;
    }
    let last = listing.segments.last().copied().unwrap_or(0);
    for segment in listing.logs.iter().filter(|segment| **segment > last) {
        segment::check_lone_log(disk, &journal, *segment, last)?;
    }
    run.finish()
}

fn blank(journal: JournalId) -> Report {
    Report {
        journal,
        segments: 0,
        batches: 0,
        entries: 0,
        erased: 0,
        unfinished_bytes: 0,
        tenants: Vec::new(),
        heads_agreed: 0,
        heads_below: 0,
    }
}

/// The signed heads that are still to be met.
struct Claims<'a>(BTreeMap<&'a str, BTreeMap<u64, Vec<&'a SignedHeadClaim>>>);

impl<'a> Claims<'a> {
    fn of(heads: &'a [SignedHeadClaim]) -> Self {
        let mut claims: BTreeMap<&str, BTreeMap<u64, Vec<_>>> = BTreeMap::new();
        for claim in heads {
            claims.entry(claim.tenant.as_str()).or_default().entry(claim.seq.0).or_default().push(claim);
        }
        Self(claims)
    }

    /// Takes the claims about a head; returns how many there were.
    fn meet(&mut self, head: &Head) -> Result<usize, Error> {
        let claims = self.0.get_mut(head.tenant.as_str()).and_then(|claims| claims.remove(&head.seq.0));
        let claims = claims.unwrap_or_default();
        match claims.iter().find(|claim| claim.head != head.link) {
            Some(claim) => Err(contradicted(claim, "another head was signed")),
            None => Ok(claims.len()),
        }
    }

    /// Takes the claims below a head; returns how many there were.
    fn below(&mut self, head: &Head) -> usize {
        let Some(claims) = self.0.get_mut(head.tenant.as_str()) else { return 0 };
        let kept = claims.split_off(&head.seq.0);
        std::mem::replace(claims, kept).values().map(Vec::len).sum()
    }
}

fn contradicted(claim: &SignedHeadClaim, what: &'static str) -> Error {
    Error::Head { tenant: claim.tenant.clone(), seq: claim.seq, what }
}

struct Run<'a> {
    journal: JournalId,
    heads: Option<Heads>,
    next_batch: u64,
    claims: Claims<'a>,
    report: Report,
}

impl Run<'_> {
    fn segment(&mut self, disk: &dyn Disk, segment: u32, sealed: bool) -> Result<(), Error> {
        // The chain's file first: a running writer writes it last, so it is never ahead of the carrier.
        let log = Image::read(disk, &self.journal, segment, Part::Log)?;
        let pay = Image::read(disk, &self.journal, segment, Part::Pay)?;
        Image::same_beginning(&pay, &log)?;
        let log_at = self.begin(&log)?;
        let mut heads = self.heads.take().unwrap_or_else(|| Heads::new(self.journal));
        let walked = self.walk(&pay, &log.bytes[log_at..], log_at, &mut heads, sealed);
        self.heads = Some(heads);
        walked
    }

    /// Checks where a segment begins against where the one before ended; returns the offset of the first frame.
    fn begin(&mut self, log: &Image) -> Result<usize, Error> {
        let bad = |offset: usize, what| corrupt(log.header.segment, Part::Log, offset as u64, what);
        let (table, from) = log.heads(&self.journal)?;
        match &self.heads {
            Some(_) if self.next_batch != log.header.first_batch => {
                return Err(bad(0, "it does not begin with the batch behind the segment before"));
            }
            Some(heads) if *heads != table => {
                return Err(bad(HEADER_BYTES, "the heads contradict the segment before"));
            }
            Some(_) => {}
            None => {
                for head in table.rows() {
                    self.report.heads_below += self.claims.below(head);
                    self.report.heads_agreed += self.claims.meet(head)?;
                }
                self.next_batch = log.header.first_batch;
                self.heads = Some(table);
            }
        }
        Ok(from)
    }

    fn walk(
        &mut self,
        pay: &Image,
        log: &[u8],
        log_from: usize,
        heads: &mut Heads,
        sealed: bool,
    ) -> Result<(), Error> {
        let segment = pay.header.segment;
        let (mut at, mut log_at) = (HEADER_BYTES, 0);
        loop {
            let bad = |what| corrupt(segment, Part::Pay, at as u64, what);
            let log_bad = |what| corrupt(segment, Part::Log, (log_from + log_at) as u64, what);
            match judge(&self.journal, &pay.bytes[at..], self.next_batch, sealed) {
                Verdict::Corrupt(what) => return Err(bad(what)),
                Verdict::Whole(frame) => {
                    self.frame(heads, &frame, bad)?;
                    // At the tail of the active segment the writer may not have come to this file yet.
                    let rest = log.get(log_at..).unwrap_or_default();
                    if sealed || used(rest) > 0 {
                        if !rest.starts_with(frame.without_body) {
                            return Err(log_bad("a batch contradicts its .pay, or is damaged"));
                        }
                        log_at += frame.without_body.len();
                    }
                    at += frame.len;
                }
                Verdict::End | Verdict::Unfinished => {
                    let rest = &log[log_at..];
                    self.report.unfinished_bytes += used(&pay.bytes[at..]) as u64;
                    return if self.may_end(rest, sealed) {
                        Ok(())
                    } else {
                        Err(log_bad("bytes behind the last batch"))
                    };
                }
            }
        }
    }

    /// Behind the last batch there is nothing; or, in the active segment, the batch that was being written.
    fn may_end(&self, rest: &[u8], sealed: bool) -> bool {
        let used = used(rest);
        if used == 0 {
            return true;
        }
        let last = used >= FRAME_BYTES && !sealed;
        last && Frame::parse(&self.journal, Part::Log, rest)
            .is_ok_and(|frame| frame.batch == self.next_batch && used <= frame.len)
    }

    fn frame(
        &mut self,
        heads: &mut Heads,
        frame: &Frame<'_>,
        bad: impl FnOnce(&'static str) -> Error,
    ) -> Result<(), Error> {
        let (report, claims) = (&mut self.report, &mut self.claims);
        let mut met = Ok(());
        let folded = heads.fold(frame, |raw, head| {
            report.entries += 1;
            report.erased += u64::from(raw.body == Body::Erased);
            match claims.meet(head) {
                Ok(agreed) => report.heads_agreed += agreed,
                Err(e) => met = Err(e),
            }
        });
        folded.map_err(bad)?;
        met?;
        self.report.batches += 1;
        self.next_batch += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Report, Error> {
        if let Some(claim) = self.claims.0.values().flat_map(BTreeMap::values).flatten().next() {
            return Err(contradicted(claim, "the journal ends before it, or never had it"));
        }
        let heads = self.heads.iter().flat_map(Heads::rows);
        self.report.tenants = heads.map(|row| (row.tenant.clone(), row.seq, row.link)).collect();
        Ok(self.report)
    }
}
