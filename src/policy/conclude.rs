//! From a plan and what it touches to a conclusion: records, ends, derived events.
//!
//! In the flow: `hub::decide` journals the conclusion as a decision right behind its input; `apply` only carries
//! it out. The narrowest key that was named is used, and one record stands for all that its key covers: runs
//! below a root need none of their own (DESIGN 10). Pure: the same input, the same conclusion.

use std::collections::BTreeSet;

pub use super::born::{Born, born, known_at_last};
pub use super::conclusion::{Conclusion, Context, Lifted, Times};
use super::derive;
use super::keys::{self, Subject};
use super::plan::{Mark, Stop};
use super::reason::Reason;
use crate::lineage::affected::{Affected, Run, Start};
use crate::lineage::alias::Alias;
use crate::lineage::keyed::{KeyHash, Named};
use crate::lineage::node::{Class, How, NodeId};
use crate::lineage::subject::Facet;
use crate::revocation::key::Kind;
use crate::revocation::record::{Basis, Effect, Record, Until};

/// How long a cut walk suspends the roots of what it touched, unless it is renewed.
pub const SUSPEND_MS: i64 = 15 * 60 * 1000;

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
    let (written, cut) = (BTreeSet::new(), BTreeSet::new());
    let mut work = Work { stop, subject, affected, context, basis, how, written, cut, out };
    work.named();
    work.close();
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
    written: BTreeSet<(KeyHash, Basis)>,
    /// Keys that found no room: what they were for goes on, and the same signal takes it the next time.
    cut: BTreeSet<KeyHash>,
    out: Conclusion,
}

impl Work<'_> {
    fn put(&mut self, (kind, key): (Kind, KeyHash), until: Until, basis: Basis, expires_at: Option<i64>) {
        if !self.written.insert((key, basis)) {
            return;
        }
        if self.out.records.len() >= self.context.records_max {
            self.out.records_cut = self.out.records_cut.saturating_add(1);
            self.cut.insert(key);
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
        let root = self.affected.starts.iter().all(|start| start.root);
        for (kind, key) in self.subject.keys(self.affected, !self.stop.is_by_user(), own) {
            if kind == Kind::RootRun && !root {
                continue;
            }
            let ends = matches!(kind, Kind::Jti | Kind::Run | Kind::RootRun | Kind::Session);
            let (until, basis) = match self.stop.mark {
                Mark::Hold => (Until::Hold, self.stop.basis),
                Mark::ByRole if kind == Kind::Session => (Until::Hold, self.session_basis()),
                Mark::ByRole if ends => (Until::Hold, Basis::Ended),
                Mark::AtEvent => (Until::Watermark(times.event_ms()), self.stop.basis),
                _ => (Until::Watermark(times.watermark_ms()), self.stop.basis),
            };
            let expires_at = match (until, basis) {
                (Until::Watermark(t), _) => Some(times.outlived_ms(t)),
                (Until::Hold, Basis::Ended | Basis::LoggedOut) if ends => Some(self.ended_until(kind)),
                // What an operator or the opposite signal takes back; and an account that was deleted for good.
                (Until::Hold, _) => None,
            };
            self.put((kind, key), until, basis, expires_at);
        }
    }

    /// What the hold on a session rests on: whoever logged out stops only what he sat at, also what is told of
    /// later. Where nobody said who did it and what is named may be a session, it was the person.
    fn session_basis(&self) -> Basis {
        let maybe = self.stop.unsaid && self.subject.role() == Facet::Plain;
        let by_user = self.stop.is_by_user() || maybe;
        if by_user && self.basis == Basis::Ended { Basis::LoggedOut } else { self.basis }
    }

    /// The names that the signal says are no longer those of a person. An e-mail address or a telephone number is
    /// what RISC means; another identifier of the same subject beside it only says whose it was.
    fn close(&mut self) {
        if self.stop.mark != Mark::AtEvent {
            return;
        }
        let person = |start: &&Start| matches!(start.class, Class::Human | Class::Unknown);
        let known: BTreeSet<_> =
            self.affected.starts.iter().filter(person).flat_map(|s| &s.names).map(|n| &n.alias).collect();
        let said = self.subject.facets.iter().filter(|(facet, _)| *facet == self.subject.resolved.aim);
        let said: Vec<_> = said.map(|(_, alias)| alias).filter(|alias| known.contains(alias)).collect();
        let is_address = |alias: &&&Alias| matches!(alias.kind.as_str(), "email" | "phone_number");
        let addresses = said.iter().filter(is_address).count() > 0;
        let closed = said.iter().filter(|alias| !addresses || is_address(alias));
        self.out.closed = closed.map(|alias| (*alias).clone()).collect();
    }

    /// When nobody can mint any more for what was named and ended.
    fn ended_until(&self, kind: Kind) -> i64 {
        let until = self.affected.starts.iter().filter_map(|start| start.until_ms).max();
        match kind {
            Kind::Jti => self.context.times.token_until_ms(until),
            _ => self.context.times.run_until_ms(until),
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
        let expires = (!returns).then(|| times.run_until_ms(None));
        for session in &affected.sessions {
            for key in keys::of_kind(&session.names, Kind::Session) {
                self.put(key, Until::Hold, self.session_basis(), expires);
            }
        }
        for run in &affected.runs {
            if self.is_start(run.node) || !self.needs_record(run) {
                continue;
            }
            for key in keys::of_run(&run.name, run.root) {
                self.put(key, Until::Hold, self.basis, Some(times.run_until_ms(run.deadline_ms)));
            }
        }
        for token in affected.tokens.iter().filter(|token| token.top && !token.of_run) {
            if self.is_start(token.node) {
                continue;
            }
            for key in keys::of_kind(std::slice::from_ref(&token.name), Kind::Jti) {
                self.put(key, Until::Hold, self.basis, Some(times.token_until_ms(token.until_ms)));
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
            let (until, effect, basis) = (Until::Hold, Effect::Suspend, Basis::Pending);
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
        let lasts = !self.how.is_reversible();
        if self.stop.mark != Mark::AtEvent && (lasts || ends.is_empty()) {
            ends.extend(affected.sessions.iter().map(|session| session.node));
            if lasts || ends.is_empty() {
                let whole =
                    |run: &&Run| keys::of_run(&run.name, run.root).all(|(_, key)| !self.cut.contains(&key));
                ends.extend(affected.runs.iter().filter(|run| run.top).filter(whole).map(|run| run.node));
                let tokens = affected.tokens.iter().filter(|token| token.top && !token.of_run);
                ends.extend(tokens.map(|token| token.node));
            }
        }
        let mut seen = BTreeSet::new();
        ends.retain(|id| seen.insert(*id));
        // Only a session is logged out of; what was launched from it is revoked.
        let starts = affected.starts.iter().filter(|s| s.class == Class::Session).map(|s| s.node);
        let sessions: BTreeSet<NodeId> = starts.chain(affected.sessions.iter().map(|s| s.node)).collect();
        let how = |id| match self.how {
            How::LoggedOut if !sessions.contains(&id) => How::Revoked,
            how => how,
        };
        let ends = ends.into_iter().take(self.context.records_max);
        self.out.ends = ends.map(|id| (id, how(id))).collect();
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
        let sessions = affected.sessions.iter().filter(|session| stops(session.dead));
        let of_sessions = sessions.filter_map(|session| derive::of_session(session, at_s, reason));
        let of_runs = runs.filter_map(|run| derive::of_run(run, context.tenant, at_s, reason));
        let of_tokens =
            tokens.filter(|token| !token.of_run).filter_map(|t| derive::of_token(t, at_s, reason));
        let mut all = of_sessions.chain(of_runs).chain(of_tokens);
        self.out.derived = all.by_ref().take(context.derived_max).collect();
        self.out.derived_cut = count(all.count());
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "conclude_tests.rs"]
mod tests;
