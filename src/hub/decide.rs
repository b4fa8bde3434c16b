//! From an input to a decision: outside the fold, on the state that the input met (DESIGN 2).
//!
//! In the flow: the spine calls [`decide`] right behind an input; the result is journaled and then folded. The rules are
//! `policy`'s; this file only brings together the state, the graph's walk and the plan. Pure: no clock, no key.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::hub::entry::{Act, Body, Decision, Derived, FactInput, Lifted, Read, Route, SetInput, Touched};
use crate::hub::late;
use crate::hub::names;
use crate::hub::object::{Object, ObjectKind};
use crate::hub::state::State;
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
use crate::lineage::graph::class_of_kind;
use crate::lineage::keyed::Named;
use crate::lineage::node::{Class, How, NodeId};
use crate::lineage::subject::{Facet, Resolved, Verdict, facet_of, facets};
use crate::lineage::walk::{self, Reach, affected};
use crate::policy::conclude::{Conclusion, Context, Times, conclude};
use crate::policy::conclusion::{DERIVED_MAX, RECORDS_MAX};
use crate::policy::keys::Subject;
use crate::policy::lift;
use crate::policy::plan::{Lift, Plan, Stop, plan};
use crate::revocation::record::{Basis, Record, Until};
use crate::set::dialect::Dialect;
use crate::set::event::Event;
use crate::set::sub_id::SubId;
use crate::tenant::Seq;

/// Which rules these are; a decision names it.
const RULES: &str = "builtin@1";
/// Runs whose deadline one decision ends.
const OVERDUE_MAX: usize = 1000;

/// How far one decision may reach. Configuration, for a decision is journaled with what it reached: another bound
/// later rewrites nothing.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How far a walk goes.
    pub walk: walk::Bounds,
    /// Most records; the rest is counted.
    pub records_max: usize,
    /// Most derived events; the rest is counted.
    pub derived_max: usize,
}

impl Bounds {
    /// Half as far, for a decision that would not fit the journal. `None` where there is nothing left to halve.
    pub fn halved(self) -> Option<Self> {
        let (records_max, derived_max) = (self.records_max / 2, self.derived_max / 2);
        (records_max > 0).then_some(Self { records_max, derived_max, ..self })
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { walk: walk::Bounds::default(), records_max: RECORDS_MAX, derived_max: DERIVED_MAX }
    }
}

/// The state, and how far to go on it.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) state: &'a State,
    pub(super) bounds: &'a Bounds,
}

/// Decides the input that is the last entry of `state`. `None`: nothing is stopped and nothing given back.
pub fn decide(state: &State, journal: &[u8; 16], body: &Body, bounds: &Bounds) -> Option<Decision> {
    let ground = Ground { state, bounds };
    let cause = state.seq();
    let (concluded, txn) = match body {
        Body::Set(set) => (on_set(ground, set)?, set.txn.clone()),
        Body::Fact(fact) => (on_fact(ground, fact)?, names::txn(journal, &state.tenant, cause)),
        Body::Kill(act) => (on_kill(ground, act)?, names::txn(journal, &state.tenant, cause)),
        Body::Lift(act) => (on_lift(ground, act)?, names::txn(journal, &state.tenant, cause)),
        Body::Tick => (on_tick(ground)?, names::txn(journal, &state.tenant, cause)),
        _ => return None,
    };
    Some(decision(state, cause, txn, concluded))
}

/// A record as it will stand: what holds under its key already never shrinks, also for who reads the journal alone.
fn as_it_stands(state: &State, mut record: Record) -> Record {
    let standing = state.standing(record.key).iter().find(|s| s.basis == record.basis);
    if let Some(mut merged) = standing.cloned() {
        merged.merge(&record, state.seq());
        record.until = merged.until;
        record.effect = merged.effect;
        record.expires_at = merged.expires_at;
    }
    record
}

/// The watermark that a lift leaves is no lower than one that stands there already.
fn as_it_stays(state: &State, l: crate::policy::conclude::Lifted) -> Lifted {
    let (mut at_ms, mut expires_at) = (l.at_ms, l.expires_at);
    for standing in state.standing(l.key).iter().filter(|s| s.basis == Basis::Issued) {
        if let Until::Watermark(t) = standing.until {
            at_ms = at_ms.max(t);
        }
        expires_at = expires_at.max(standing.expires_at.unwrap_or(i64::MAX));
    }
    Lifted { kind: l.kind, key: l.key, basis: l.basis, at_ms, expires_at }
}

fn decision(state: &State, cause: Seq, txn: String, mut c: Conclusion) -> Decision {
    c.unify();
    let derived = |d: crate::policy::derive::Derived| Derived {
        echo: names::echo(&txn, names::event_hash(&d.uri, d.sub_id.get(), d.event.get())),
        uri: d.uri,
        sub_id: d.sub_id,
        event: d.event,
    };
    let derived = c.derived.into_iter().map(derived).collect();
    let lifted = c.lifted.into_iter().map(|l| as_it_stays(state, l)).collect();
    Decision {
        cause,
        rule: RULES.into(),
        reason_code: c.reason.code().into(),
        path: c.path,
        records: c.records.into_iter().map(|r| as_it_stands(state, r)).collect(),
        lifted,
        ends: c.ends,
        revived: c.revived,
        closed: c.closed,
        derived,
        touched: Touched {
            runs: c.runs,
            tokens: c.tokens,
            truncated: c.truncated,
            ambiguous: c.ambiguous,
            left_out: c.records_cut.saturating_add(c.derived_cut),
        },
        residual: c.residual.iter().map(|n| format!("{} {}", n.alias.kind, n.alias.value)).collect(),
        txn,
    }
}

/// Keeps a conclusion only where it changes something (DESIGN 6: `no_change` makes no decision).
pub(super) fn changing(state: &State, concluded: Conclusion) -> Option<Conclusion> {
    concluded.changes(|key| state.standing(key)).then_some(concluded)
}

fn on_set(ground: Ground<'_>, set: &SetInput) -> Option<Conclusion> {
    let state = ground.state;
    // Beyond its sender's authority, an echo, or about the stream itself: kept, and nothing more (DESIGN 6, 11).
    if !matches!(set.route, Route::Forward | Route::Heard) {
        return None;
    }
    let Object::Upstream(upstream) = &state.object(ObjectKind::Upstream, &set.upstream)?.object else {
        return None;
    };
    let read = read(set, upstream.dialect)?;
    let Read { sub_id, facets: said, event, .. } = &*read;
    let own = own_times(state);
    let times = Times {
        // RISC's events have no time of their own; then it is that of the SET (RFC 8417 §2.2).
        event_ms: event.common.event_timestamp_ms.or_else(|| set.toe.map(|s| s.saturating_mul(1000))),
        tolerance_ms: own.tolerance_ms.max(i64::from(upstream.clock_tolerance_s) * 1000),
        ..own
    };
    match plan(event, sub_id, set.all_sessions, upstream.authority.effect) {
        Plan::Nothing(_) => None,
        Plan::Stop(stop) => {
            let resolved = state.graph.resolve_to(said, stop.aims);
            let subject = Subject { facets: said, names: &set.names, resolved: &resolved };
            stopped(ground, &stop, &subject, times)
        }
        Plan::Lift(lift) => {
            let resolved = state.graph.resolve_to(said, lift.aims);
            let subject = Subject { facets: said, names: &set.names, resolved: &resolved };
            lifted(ground, &lift, &subject, times)
        }
    }
}

/// The event as the door read it. At a start, or where the dialect is another by now, it is read again from what was
/// journaled.
fn read(set: &SetInput, dialect: Dialect) -> Option<Cow<'_, Read>> {
    if let Some(read) = set.read.as_deref().filter(|read| read.dialect == dialect) {
        return Some(Cow::Borrowed(read));
    }
    let event = Event::parse_str(&set.uri, set.event.get(), dialect).ok()?;
    let sub_id = SubId::parse_str(set.sub_id.get()).ok()?;
    let facets = facets(&sub_id, &set.iss);
    Some(Cow::Owned(Read { sub_id, facets, event, dialect }))
}

fn stopped(ground: Ground<'_>, stop: &Stop, subject: &Subject<'_>, times: Times) -> Option<Conclusion> {
    let state = ground.state;
    let touched = affected(&state.graph, subject.resolved, stop.reach(subject.resolved), ground.bounds.walk);
    let concluded = conclude(stop, subject, &touched, &context(ground, times));
    changing(state, Conclusion { ambiguous: is_ambiguous(subject), ..concluded })
}

fn is_ambiguous(subject: &Subject<'_>) -> bool {
    subject.resolved.verdict == Verdict::Ambiguous
}

fn lifted(ground: Ground<'_>, lift: &Lift, subject: &Subject<'_>, times: Times) -> Option<Conclusion> {
    let state = ground.state;
    let touched = affected(&state.graph, subject.resolved, Reach::Lifting(lift.how), ground.bounds.walk);
    let concluded =
        lift::conclude(lift, subject, &touched, &context(ground, times), |key| state.standing(key));
    changing(state, Conclusion { ambiguous: is_ambiguous(subject), ..concluded })
}

pub(super) fn context(ground: Ground<'_>, times: Times) -> Context<'_> {
    let Bounds { records_max, derived_max, .. } = *ground.bounds;
    Context { records_max, derived_max, ..Context::new(ground.state.tenant.as_str(), times) }
}

/// Times of what no upstream said: an operator, a source of facts, the clock.
pub(super) fn own_times(state: &State) -> Times {
    Times {
        accepted_ms: state.time_ms(),
        event_ms: None,
        tolerance_ms: state.widest_tolerance_ms(),
        max_token_lifetime_ms: state.longest_token_ms(),
        max_refresh_lifetime_ms: state.longest_refresh_ms(),
    }
}

/// The subject that an alias names, known or not.
fn resolve_alias(state: &State, alias: &Alias) -> Resolved {
    match state.graph.find(alias) {
        Some(id) => Resolved::to(id, state.graph.node(id).map_or(Class::Unknown, |n| n.class)),
        None => {
            let aim = facet_of(class_of_kind(&alias.kind));
            Resolved { aim, nodes: vec![], within: vec![], verdict: Verdict::None }
        }
    }
}

fn on_kill(ground: Ground<'_>, act: &Act) -> Option<Conclusion> {
    let state = ground.state;
    let resolved = resolve_alias(state, &act.target.alias);
    let said = [(resolved.aim, act.target.alias.clone())];
    let subject = Subject { facets: &said, names: std::slice::from_ref(&act.target), resolved: &resolved };
    stopped(ground, &Stop::kill(), &subject, own_times(state))
}

fn on_lift(ground: Ground<'_>, act: &Act) -> Option<Conclusion> {
    let state = ground.state;
    let resolved = resolve_alias(state, &act.target.alias);
    let said = [(resolved.aim, act.target.alias.clone())];
    let subject = Subject { facets: &said, names: std::slice::from_ref(&act.target), resolved: &resolved };
    lifted(ground, &Lift::kill(), &subject, own_times(state))
}

fn on_fact(ground: Ground<'_>, input: &FactInput) -> Option<Conclusion> {
    let state = ground.state;
    match &input.fact {
        Fact::Complete { target } => {
            let id = state.graph.find(target)?;
            end_known(ground, id, &Stop::complete(target.kind == "agent"))
        }
        fact => late::on_fact(ground, fact),
    }
}

fn end_known(ground: Ground<'_>, id: NodeId, stop: &Stop) -> Option<Conclusion> {
    changing(ground.state, ended(ground, id, stop))
}

/// What follows where a node that the graph knows is stopped.
fn ended(ground: Ground<'_>, id: NodeId, stop: &Stop) -> Conclusion {
    let state = ground.state;
    let class = state.graph.node(id).map_or(Class::Unknown, |n| n.class);
    let resolved = Resolved::to(id, class);
    let names: Vec<Named> = state.graph.named(id);
    let said: Vec<(Facet, Alias)> = names.iter().map(|n| (resolved.aim, n.alias.clone())).collect();
    let subject = Subject { facets: &said, names: &names, resolved: &resolved };
    let touched = affected(&state.graph, &resolved, stop.reach(&resolved), ground.bounds.walk);
    conclude(stop, &subject, &touched, &context(ground, own_times(state)))
}

/// Runs whose deadline passed end together, in one decision; those that find no room in it with the next tick.
///
/// Each of them ends, also one that is dead of something else by now: its deadline must not ring again.
fn on_tick(ground: Ground<'_>) -> Option<Conclusion> {
    let state = ground.state;
    let mut all: Option<Conclusion> = None;
    let mut told = BTreeSet::new();
    for id in state.overdue(state.time_ms(), OVERDUE_MAX) {
        if all.as_ref().is_some_and(|all| all.is_full(&context(ground, own_times(state)))) {
            break;
        }
        // A sub-run of one that is told of here is told of with it.
        if let Some(all) = &mut all
            && state.graph.ancestors(id).iter().any(|above| told.contains(above))
        {
            all.ends.push((id, How::Deadline));
            continue;
        }
        let mut one = ended(ground, id, &Stop::deadline());
        if !one.changes(|key| state.standing(key)) {
            one.only_ends();
        } else if one.records_cut == 0 && !one.truncated {
            told.insert(id);
        }
        if !one.ends.iter().any(|(node, _)| *node == id) {
            one.ends.push((id, How::Deadline));
        }
        match &mut all {
            None => all = Some(one),
            Some(all) => all.absorb(one),
        }
    }
    all
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
