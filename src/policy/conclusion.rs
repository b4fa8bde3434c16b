//! A conclusion as plain data, and the times and limits it is made within.
//!
//! In the flow: filled by `conclude`, `born` and `lift`, mapped by `hub::decide` onto the journaled decision.
//! Concludes nothing itself.

use std::collections::BTreeSet;

use super::derive::Derived;
use super::reason::Reason;
use crate::lineage::affected::Affected;
use crate::lineage::alias::Alias;
use crate::lineage::keyed::{KeyHash, Named};
use crate::lineage::node::{How, NodeId};
use crate::revocation::key::Kind;
use crate::revocation::record::{Basis, Record, Standing};

/// Records of one decision, unless it must be smaller to fit the journal.
pub const RECORDS_MAX: usize = 10_000;
/// Derived events of one decision, unless the configuration says otherwise.
pub const DERIVED_MAX: usize = 1_000;

/// The times that a conclusion is made of (ms since 1970, and durations in ms).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// When the hub accepted the input.
    pub accepted_ms: i64,
    /// When it happened, if that was said.
    pub event_ms: Option<i64>,
    /// How far the clock of whoever mints the tokens that a record catches may differ from ours.
    pub tolerance_ms: i64,
    /// How long such tokens live at most.
    pub max_token_lifetime_ms: i64,
    /// How long a refresh token may outlive what it was given for.
    pub max_refresh_lifetime_ms: i64,
}

impl Times {
    /// T: acceptance and the tolerance. An event in the future counts as accepted now, so T is never before it.
    pub fn watermark_ms(&self) -> i64 {
        self.accepted_ms.saturating_add(self.tolerance_ms)
    }

    /// When the last token that `from_ms` catches is dead by itself.
    pub fn outlived_ms(&self, from_ms: i64) -> i64 {
        // The gate grants `exp` the same tolerance.
        from_ms.saturating_add(self.max_token_lifetime_ms).saturating_add(self.tolerance_ms)
    }

    /// When the last token of a run or session is dead by itself: who holds a refresh token may mint for it behind
    /// its end.
    pub(super) fn run_until_ms(&self, deadline_ms: Option<i64>) -> i64 {
        let t = self.watermark_ms();
        let end = deadline_ms.map_or(t, |deadline| deadline.max(t));
        self.outlived_ms(end.saturating_add(self.max_refresh_lifetime_ms))
    }

    /// When a known token is dead by itself.
    pub(super) fn token_until_ms(&self, exp_ms: Option<i64>) -> i64 {
        let t = self.watermark_ms();
        exp_ms.map_or_else(|| self.outlived_ms(t), |exp| exp.max(t).saturating_add(self.tolerance_ms))
    }

    pub(super) fn event_ms(&self) -> i64 {
        self.event_ms.map_or(self.accepted_ms, |ms| ms.min(self.accepted_ms))
    }
}

/// Where and when, and how much one decision may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context<'a> {
    /// The tenant's id, for derived subjects.
    pub tenant: &'a str,
    /// The times.
    pub times: Times,
    /// Most records.
    pub records_max: usize,
    /// Most derived events.
    pub derived_max: usize,
}

impl<'a> Context<'a> {
    /// With the usual limits.
    pub fn new(tenant: &'a str, times: Times) -> Self {
        Self { tenant, times, records_max: RECORDS_MAX, derived_max: DERIVED_MAX }
    }
}

/// A record to be taken back: what stands on this basis under the key becomes a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// Kind of key.
    pub kind: Kind,
    /// The key.
    pub key: KeyHash,
    /// Which basis.
    pub basis: Basis,
    /// Tokens issued up to then stay dead (ms since 1970).
    pub at_ms: i64,
    /// When that watermark expires (ms since 1970).
    pub expires_at: i64,
}

/// What is concluded.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// Why.
    pub reason: Reason,
    /// What becomes dead.
    pub records: Vec<Record>,
    /// What is taken back.
    pub lifted: Vec<Lifted>,
    /// Nodes that end.
    pub ends: Vec<(NodeId, How)>,
    /// Ends that are taken back.
    pub revived: Vec<(NodeId, How)>,
    /// What lineage adds.
    pub derived: Vec<Derived>,
    /// Derived events beyond the limit: counted, not sent.
    pub derived_cut: u32,
    /// Records beyond the limit: what they were for is covered only by the keys of what stands above it.
    pub records_cut: u32,
    /// Runs that must stop, or may go on.
    pub runs: u32,
    /// Known tokens that must stop, or may go on.
    pub tokens: u32,
    /// The walk was cut: say it loudly, and ask a human.
    pub truncated: bool,
    /// Where it was cut.
    pub residual: Vec<Named>,
    /// The way through the graph, for people.
    pub path: Vec<String>,
    /// Names that whoever had them has no longer.
    pub closed: Vec<Alias>,
    /// The subject named several principals: all of them are meant, and it is said.
    pub ambiguous: bool,
}

impl Conclusion {
    pub(super) fn new(reason: Reason, affected: &Affected) -> Self {
        Self {
            reason,
            records: vec![],
            lifted: vec![],
            ends: vec![],
            revived: vec![],
            derived: vec![],
            derived_cut: 0,
            records_cut: 0,
            runs: 0,
            tokens: 0,
            truncated: affected.truncated,
            residual: affected.residual.clone(),
            path: affected.path.clone(),
            closed: vec![],
            ambiguous: false,
        }
    }

    /// Takes another conclusion of the same reason in: several things that end at one moment.
    pub fn absorb(&mut self, other: Self) {
        self.records.extend(other.records);
        self.lifted.extend(other.lifted);
        self.ends.extend(other.ends);
        self.revived.extend(other.revived);
        self.derived.extend(other.derived);
        self.derived_cut = self.derived_cut.saturating_add(other.derived_cut);
        self.records_cut = self.records_cut.saturating_add(other.records_cut);
        self.runs = self.runs.saturating_add(other.runs);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.truncated |= other.truncated;
        self.residual.extend(other.residual);
        self.path.extend(other.path);
        self.closed.extend(other.closed);
        self.ambiguous |= other.ambiguous;
    }

    /// Whether it has as much as one decision may hold.
    pub fn is_full(&self, context: &Context<'_>) -> bool {
        self.records.len().max(self.ends.len()) >= context.records_max
            || self.derived.len() >= context.derived_max
    }

    /// Leaves only what ends: all else holds already, or is said by another conclusion.
    pub fn only_ends(&mut self) {
        self.records.clear();
        self.derived.clear();
        (self.runs, self.tokens) = (0, 0);
    }

    /// Leaves one of each where several conclusions said the same.
    pub fn unify(&mut self) {
        let mut records = BTreeSet::new();
        self.records.retain(|record| records.insert((record.key, record.basis)));
        let mut derived = BTreeSet::new();
        self.derived.retain(|event| derived.insert((event.uri.clone(), event.sub_id.get().to_string())));
        let mut ends = BTreeSet::new();
        self.ends.retain(|(node, how)| ends.insert((*node, *how)));
    }

    /// Whether it changes anything, given what stands under each key: else the signal asked for what already
    /// holds, and there is no decision (DESIGN 6).
    pub fn changes<'s>(&self, standing: impl Fn(KeyHash) -> &'s [Standing]) -> bool {
        let covered = |record: &Record| {
            let mut same = standing(record.key).iter().filter(|old| old.basis == record.basis);
            same.any(|old| old.covers(record))
        };
        let gives_back = !self.lifted.is_empty() || !self.revived.is_empty();
        let stops = self.runs > 0 || self.tokens > 0 || !self.records.iter().all(covered);
        gives_back || stops || !self.closed.is_empty()
    }
}
