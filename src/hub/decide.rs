//! From an input to a decision: outside the fold, on the state that the input met (DESIGN 2).
//!
//! In the flow: the spine calls [`decide`] right behind an input; the result is journaled and then folded. The rules are
//! `policy`'s; this file only brings together the state, the graph's walk and the plan. Pure: no clock, no key.

use std::collections::BTreeSet;

use crate::hub::entry::{Act, Body, Decision, Derived, FactInput, Lifted, Route, SetInput, Touched};
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
use crate::policy::conclusion::{DERIVED_MAX, RECORDS_MAX};
use crate::policy::conclude::{Born, Conclusion, Context, Times, born, conclude};
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
/// How far clocks of issuers that are no upstream may differ (ms).
const TOLERANCE_MS: i64 = 2000;
/// Runs and tokens that one late edge or name may stop.
const RELINKED_MAX: usize = 1000;
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
struct Ground<'a> {
    state: &'a State,
    bounds: &'a Bounds,
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
        derived,
        touched: Touched {
            runs: c.runs,
            tokens: c.tokens,
            truncated: c.truncated,
            left_out: c.records_cut.saturating_add(c.derived_cut),
        },
        residual: c.residual.iter().map(|n| format!("{} {}", n.alias.kind, n.alias.value)).collect(),
        txn,
    }
}

/// Keeps a conclusion only where it changes something (DESIGN 6: `no_change` makes no decision).
fn changing(state: &State, concluded: Conclusion) -> Option<Conclusion> {
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
    let event = parse_event(set, upstream.dialect)?;
    let sub_id = SubId::parse_str(set.sub_id.get()).ok()?;
    let times = Times {
        accepted_ms: state.time_ms(),
        event_ms: event.common.event_timestamp_ms,
        tolerance_ms: i64::from(upstream.clock_tolerance_s) * 1000,
        max_token_lifetime_ms: i64::from(upstream.max_token_lifetime_s) * 1000,
    };
    let said = facets(&sub_id, &set.iss);
    match plan(&event, &sub_id, set.all_sessions, upstream.authority.effect) {
        Plan::Nothing(_) => None,
        Plan::Stop(stop) => {
            let resolved = state.graph.resolve_to(&sub_id, &set.iss, stop.aims);
            let subject = Subject { facets: &said, names: &set.names, resolved: &resolved };
            stopped(ground, &stop, &subject, times)
        }
        Plan::Lift(lift) => {
            let resolved = state.graph.resolve_to(&sub_id, &set.iss, lift.aims);
            let subject = Subject { facets: &said, names: &set.names, resolved: &resolved };
            lifted(ground, &lift, &subject, times)
        }
    }
}

/// The event was parsed at the door; here it is read again from what was journaled.
fn parse_event(set: &SetInput, dialect: Dialect) -> Option<Event> {
    Event::parse_str(&set.uri, set.event.get(), dialect).ok()
}

fn stopped(ground: Ground<'_>, stop: &Stop, subject: &Subject<'_>, times: Times) -> Option<Conclusion> {
    let state = ground.state;
    let touched = affected(&state.graph, subject.resolved, stop.reach(subject.resolved), ground.bounds.walk);
    let context = context(ground, times);
    changing(state, conclude(stop, subject, &touched, &context))
}

fn lifted(ground: Ground<'_>, lift: &Lift, subject: &Subject<'_>, times: Times) -> Option<Conclusion> {
    let state = ground.state;
    let touched = affected(&state.graph, subject.resolved, Reach::Lifting(lift.how), ground.bounds.walk);
    let context = context(ground, times);
    changing(state, lift::conclude(lift, subject, &touched, &context, |key| state.standing(key)))
}

fn context(ground: Ground<'_>, times: Times) -> Context<'_> {
    let Bounds { records_max, derived_max, .. } = *ground.bounds;
    Context { records_max, derived_max, ..Context::new(ground.state.tenant.as_str(), times) }
}

/// Times of what no issuer said: an operator, a source of facts, the clock.
fn own_times(state: &State) -> Times {
    Times {
        accepted_ms: state.time_ms(),
        event_ms: None,
        tolerance_ms: TOLERANCE_MS,
        max_token_lifetime_ms: state.longest_token_ms(),
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
    let times = Times { tolerance_ms: 0, ..own_times(state) };
    lifted(ground, &Lift::kill(), &subject, times)
}

fn on_fact(ground: Ground<'_>, input: &FactInput) -> Option<Conclusion> {
    let state = ground.state;
    match &input.fact {
        Fact::Complete { target } => {
            let id = state.graph.find(target)?;
            end_known(ground, id, &Stop::complete(target.kind == "agent"))
        }
        Fact::Run(run) => born_dead(ground, state.graph.find(&Alias::new("run", "", &run.id))?),
        Fact::Token(token) => {
            born_dead(ground, state.graph.find(&Alias::new("jti", &token.iss, &token.jti))?)
        }
        Fact::Agent(_) | Fact::Edge(_) => relinked(ground, &input.fact),
        Fact::Tool(_) => None,
    }
}

/// A late name or edge may bring runs and tokens below something that is dead.
fn relinked(ground: Ground<'_>, fact: &Fact) -> Option<Conclusion> {
    let state = ground.state;
    let nodes: Vec<NodeId> = fact.aliases().iter().filter_map(|alias| state.graph.find(alias)).collect();
    let (below, whole) = state.graph.runs_and_tokens_at(&nodes, RELINKED_MAX);
    let mut all: Option<Conclusion> = None;
    for one in below.into_iter().filter_map(|id| born_dead(ground, id)) {
        match &mut all {
            None => all = Some(one),
            Some(all) => all.absorb(one),
        }
    }
    if let Some(all) = &mut all {
        all.truncated |= !whole;
    }
    all
}

/// A run or token told of under something dead is revoked from the start (LINEAGE, rule 2).
fn born_dead(ground: Ground<'_>, id: NodeId) -> Option<Conclusion> {
    let state = ground.state;
    let ends = state.graph.ends_over(id);
    if ends.is_empty() {
        return None;
    }
    let class = state.graph.node(id).map_or(Class::Unknown, |n| n.class);
    let touched = affected(&state.graph, &Resolved::to(id, class), Reach::Everything, ground.bounds.walk);
    let it = match class {
        Class::Run => Born::Run(touched.runs.iter().find(|run| run.node == id)?),
        _ => Born::Token(touched.tokens.iter().find(|token| token.node == id)?),
    };
    changing(state, born(&it, &ends, &context(ground, own_times(state))))
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
