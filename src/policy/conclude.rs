//! From a plan and what it touches to a conclusion: records, ends, derived events.
//!
//! In the flow: `hub::decide` journals the conclusion as a decision right behind its input; `apply` only carries
//! it out. The narrowest key that was named is used, and one record stands for all that its key covers: runs
//! below a root need none of their own (DESIGN 10). Pure: the same input, the same conclusion.

use super::derive::{self, Derived};
use super::keys::{self, Subject};
use super::plan::{Mark, Stop};
use super::reason::Reason;
use crate::lineage::affected::{Affected, Run, Start, Token};
use crate::lineage::keyed::{KeyHash, Named};
use crate::lineage::node::{Class, End, How, NodeId};
use crate::lineage::subject::Facet;
use crate::revocation::key::Kind;
use crate::revocation::record::{Basis, Effect, Record, Standing, Until};

/// How long a cut walk suspends the roots of what it touched, unless it is renewed.
pub const SUSPEND_MS: i64 = 15 * 60 * 1000;

/// The times that a conclusion is made of (ms since 1970, and durations in ms).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// When the hub accepted the input.
    pub accepted_ms: i64,
    /// When it happened, if that was said.
    pub event_ms: Option<i64>,
    /// How far the issuer's clock may differ from ours.
    pub tolerance_ms: i64,
    /// How long the issuer's tokens live at most.
    pub max_token_lifetime_ms: i64,
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

    fn event_ms(&self) -> i64 {
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
    /// With the usual limits: 5,000 records, 1,000 derived events.
    pub fn new(tenant: &'a str, times: Times) -> Self {
        Self { tenant, times, records_max: 5_000, derived_max: 1_000 }
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
    }

    /// Whether it changes anything, given what stands under each key: else the signal asked for what already
    /// holds, and there is no decision (DESIGN 6).
    pub fn changes<'s>(&self, standing: impl Fn(KeyHash) -> &'s [Standing]) -> bool {
        let covered = |record: &Record| {
            let mut same = standing(record.key).iter().filter(|old| old.basis == record.basis);
            same.any(|old| old.covers(record))
        };
        !self.lifted.is_empty() || !self.revived.is_empty() || self.runs > 0 || self.tokens > 0 || {
            !self.records.iter().all(covered)
        }
    }
}

/// What a stop means for whom it names and for all that it touches.
pub fn conclude(
    stop: &Stop,
    subject: &Subject<'_>,
    affected: &Affected,
    context: &Context<'_>,
) -> Conclusion {
    let stop = stop.settled(subject.resolved);
    let how = stop.how;
    let basis = if stop.basis == Basis::Issued { Basis::Ended } else { stop.basis };
    let out = Conclusion::new(stop.reason, affected);
    let mut work = Work { stop, subject, affected, context, basis, how, out };
    work.named();
    work.below();
    work.ends();
    work.derive();
    work.out
}

struct Work<'a> {
    stop: Stop,
    subject: &'a Subject<'a>,
    affected: &'a Affected,
    context: &'a Context<'a>,
    /// What records below the named rest on.
    basis: Basis,
    /// How what is below ends.
    how: How,
    out: Conclusion,
}

impl Work<'_> {
    fn put(&mut self, (kind, key): (Kind, KeyHash), until: Until, basis: Basis, expires_at: Option<i64>) {
        if self.out.records.iter().take(64).any(|old| (old.key, old.basis) == (key, basis)) {
            return;
        }
        if self.out.records.len() >= self.context.records_max {
            self.out.records_cut = self.out.records_cut.saturating_add(1);
            return;
        }
        let (effect, reason_code) = (self.stop.effect, self.stop.reason.code().into());
        self.out.records.push(Record { kind, key, until, effect, basis, reason_code, expires_at });
    }

    /// Records on whom the signal names.
    fn named(&mut self) {
        if self.stop.mark == Mark::BelowOnly {
            return;
        }
        let own = self.stop.mark == Mark::AtEvent;
        let times = self.context.times;
        let root = self.affected.runs.iter().find(|run| self.is_start(run.node)).is_none_or(|run| run.root);
        for (kind, key) in self.subject.keys(self.affected, !self.stop.is_by_user(), own) {
            if kind == Kind::RootRun && !root {
                continue;
            }
            let ends = matches!(kind, Kind::Jti | Kind::Run | Kind::RootRun | Kind::Session);
            let (until, basis) = match self.stop.mark {
                Mark::Hold => (Until::Hold, self.stop.basis),
                Mark::ByRole if ends => (Until::Hold, Basis::Ended),
                Mark::AtEvent => (Until::Watermark(times.event_ms()), self.stop.basis),
                _ => (Until::Watermark(times.watermark_ms()), self.stop.basis),
            };
            let expires_at = match (until, basis) {
                (Until::Watermark(t), _) => Some(times.outlived_ms(t)),
                (Until::Hold, Basis::Ended) => Some(self.ended_until(kind)),
                (Until::Hold, _) => None,
            };
            self.put((kind, key), until, basis, expires_at);
        }
    }

    /// When nobody can mint any more for what was named and ended.
    fn ended_until(&self, kind: Kind) -> i64 {
        let until = self.affected.starts.iter().filter_map(|start| start.until_ms).max();
        match kind {
            Kind::Jti => token_until(until, &self.context.times),
            _ => run_until(until, &self.context.times),
        }
    }

    fn is_start(&self, id: NodeId) -> bool {
        self.affected.starts.iter().any(|start| start.node == id)
    }

    /// Records below: where no key that is written already covers what a token carries.
    fn below(&mut self) {
        let (affected, times) = (self.affected, self.context.times);
        for root in &affected.suspend {
            self.suspend(root);
        }
        let returns = matches!(self.basis, Basis::Suspended | Basis::Disabled | Basis::Killed);
        let expires = (!returns).then(|| run_until(None, &times));
        for session in &affected.sessions {
            for key in keys::of_kind(&session.names, Kind::Session) {
                self.put(key, Until::Hold, self.basis, expires);
            }
        }
        for run in &affected.runs {
            if self.is_start(run.node) || !self.needs_record(run) {
                continue;
            }
            for key in keys::of_run(&run.name, run.root) {
                self.put(key, Until::Hold, self.basis, Some(run_until(run.deadline_ms, &times)));
            }
        }
        for token in affected.tokens.iter().filter(|token| token.top && !token.of_run) {
            if self.is_start(token.node) {
                continue;
            }
            for key in keys::of_kind(std::slice::from_ref(&token.name), Kind::Jti) {
                self.put(key, Until::Hold, self.basis, Some(token_until(token.until_ms, &times)));
            }
        }
    }

    /// A run below a touched root is covered by the root's key, and a run without children by the hold on its
    /// agent.
    fn needs_record(&self, run: &Run) -> bool {
        let held_by_agent =
            run.top && !run.branches && self.stop.mark == Mark::Hold && self.subject.role() == Facet::Agent;
        !run.covered && !held_by_agent
    }

    /// The walk was cut below runs that others spawned: their roots wait for a human (LINEAGE 1.3, rule 4).
    fn suspend(&mut self, root: &Named) {
        let expires_at = Some(self.context.times.accepted_ms.saturating_add(SUSPEND_MS));
        for (kind, key) in keys::of_run(root, true).filter(|(kind, _)| *kind == Kind::RootRun) {
            let (until, effect, basis) = (Until::Hold, Effect::Suspend, Basis::Suspended);
            let reason_code = Reason::Suspended.code().into();
            self.out.records.push(Record { kind, key, until, effect, basis, reason_code, expires_at });
        }
    }

    /// What ends: whom the signal names, if he does; else the topmost of what is below. What hangs below is
    /// dead with it.
    fn ends(&mut self) {
        let narrowed = !self.subject.resolved.within.is_empty();
        let lives_on = |class| !matches!(class, Class::Session | Class::Run | Class::Token);
        let named_ends = |start: &Start| match self.stop.mark {
            Mark::Hold => !(narrowed && lives_on(start.class)),
            Mark::ByRole => !lives_on(start.class),
            _ => false,
        };
        let affected = self.affected;
        let mut ends: Vec<NodeId> =
            affected.starts.iter().filter(|start| named_ends(start)).map(|start| start.node).collect();
        // What can be taken back is put at one place, so that it can be taken back there: everything below
        // inherits it. What is over for good is put on each topmost run and token.
        let returns = self.how.is_reversible();
        if self.stop.mark != Mark::AtEvent && !(returns && !ends.is_empty()) {
            ends.extend(affected.sessions.iter().map(|session| session.node));
            if !(returns && !ends.is_empty()) {
                ends.extend(affected.runs.iter().filter(|run| run.top).map(|run| run.node));
                let tokens = affected.tokens.iter().filter(|token| token.top && !token.of_run);
                ends.extend(tokens.map(|token| token.node));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        ends.retain(|id| seen.insert(*id));
        self.out.ends =
            ends.into_iter().take(self.context.records_max).map(|id| (id, self.how_of(id))).collect();
    }

    /// Only a session is logged out of; what was launched from it is revoked.
    fn how_of(&self, id: NodeId) -> How {
        let named = self.affected.starts.iter().any(|s| s.node == id && s.class == Class::Session);
        let is_session = named || self.affected.sessions.iter().any(|session| session.node == id);
        if self.how == How::LoggedOut && !is_session { How::Revoked } else { self.how }
    }

    /// What must stop and had not: counted, and told to who asked for it.
    fn derive(&mut self) {
        let suspends = self.stop.effect == Effect::Suspend;
        let stops = |dead: Option<How>| dead.is_none_or(|how| how == How::Suspended && !suspends);
        let (affected, context) = (self.affected, *self.context);
        if self.stop.cascade == super::plan::Cascade::No {
            return;
        }
        let runs = affected.runs.iter().filter(|run| stops(run.dead));
        let tokens = affected.tokens.iter().filter(|token| stops(token.dead));
        self.out.runs = count(runs.clone().count());
        self.out.tokens = count(tokens.clone().count());
        let at_s = context.times.accepted_ms.div_euclid(1000);
        let reason = self.stop.reason;
        let of_runs = runs.filter_map(|run| derive::of_run(run, context.tenant, at_s, reason));
        let of_tokens =
            tokens.filter(|token| !token.of_run).filter_map(|t| derive::of_token(t, at_s, reason));
        let mut all = of_runs.chain(of_tokens);
        self.out.derived = all.by_ref().take(context.derived_max).collect();
        self.out.derived_cut = count(all.count());
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Nobody mints for a run behind its deadline; the last token lives as long as tokens may.
fn run_until(deadline_ms: Option<i64>, times: &Times) -> i64 {
    let t = times.watermark_ms();
    times.outlived_ms(deadline_ms.map_or(t, |deadline| deadline.max(t)))
}

/// A known token is dead by itself when it expires.
fn token_until(exp_ms: Option<i64>, times: &Times) -> i64 {
    let t = times.watermark_ms();
    exp_ms.map_or_else(|| times.outlived_ms(t), |exp| exp.max(t).saturating_add(times.tolerance_ms))
}

/// A run or token that a fact told of although what it belongs to is dead: a record for it alone, one for each
/// basis, so that a lift gives it back only when all are lifted.
pub fn born(it: &Born<'_>, ends: &[(NodeId, End)], context: &Context<'_>) -> Conclusion {
    let mut out = Conclusion::new(Reason::BornRevoked, &Affected::default());
    let (node, expires_at) = match it {
        Born::Run(run) => (run.node, run_until(run.deadline_ms, &context.times)),
        Born::Token(token) => (token.node, token_until(token.until_ms, &context.times)),
    };
    let keys: Vec<(Kind, KeyHash)> = match it {
        Born::Run(run) => keys::of_run(&run.name, run.root).collect(),
        Born::Token(token) => keys::of_kind(std::slice::from_ref(&token.name), Kind::Jti).collect(),
    };
    let mut over = false;
    for (_, end) in ends {
        let basis = match end.how {
            How::Suspended => Basis::Suspended,
            How::Disabled => Basis::Disabled,
            How::Killed => Basis::Killed,
            How::LoggedOut | How::Completed | How::Deadline | How::Revoked => Basis::Ended,
        };
        over |= basis == Basis::Ended;
        let effect = if basis == Basis::Suspended { Effect::Suspend } else { Effect::Deny };
        for (kind, key) in &keys {
            if out.records.iter().all(|old| (old.key, old.basis) != (*key, basis)) {
                let (kind, key, until, reason_code) = (*kind, *key, Until::Hold, out.reason.code().into());
                out.records.push(Record {
                    kind,
                    key,
                    until,
                    effect,
                    basis,
                    reason_code,
                    expires_at: Some(expires_at),
                });
            }
        }
    }
    if over {
        out.ends.push((node, How::Revoked));
    }
    if ends.is_empty() {
        return out;
    }
    let at_s = context.times.accepted_ms.div_euclid(1000);
    match it {
        Born::Run(run) => {
            out.runs = 1;
            out.derived.extend(derive::of_run(run, context.tenant, at_s, out.reason));
        }
        Born::Token(token) => {
            out.tokens = 1;
            // A token of a run is known by its run; only one without is told of by itself.
            let derived = (!token.of_run).then(|| derive::of_token(token, at_s, out.reason)).flatten();
            out.derived.extend(derived);
        }
    }
    out
}

/// What a fact told of.
#[derive(Clone, Copy, Debug)]
pub enum Born<'a> {
    /// A run.
    Run(&'a Run),
    /// A token.
    Token(&'a Token),
}
