//! From an input to a decision: outside the fold, on the state that the input met (DESIGN 2).
//!
//! In the flow: the spine calls [`decide`] right behind an input; the result is journaled and then folded. The rules are
//! `policy`'s; this file only brings together the state, the graph's walk and the plan. Pure: no clock, no key.

use crate::hub::entry::{Act, Body, Decision, Derived, FactInput, Lifted, SetInput, Touched};
use crate::hub::names;
use crate::hub::object::{Object, ObjectKind};
use crate::hub::state::State;
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
use crate::lineage::graph::class_of_kind;
use crate::lineage::keyed::Named;
use crate::lineage::node::{Class, NodeId};
use crate::lineage::subject::{Facet, Resolved, Verdict, facet_of, facets};
use crate::lineage::walk::{Bounds, Reach, affected};
use crate::policy::conclude::{Born, Conclusion, Context, Times, born, conclude};
use crate::policy::keys::Subject;
use crate::policy::lift;
use crate::policy::plan::{Lift, Plan, Stop, plan};
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

/// Decides the input that is the last entry of `state`. `None`: nothing is stopped and nothing given back.
pub fn decide(state: &State, journal: &[u8; 16], body: &Body) -> Option<Decision> {
    let cause = state.seq();
    let (concluded, txn) = match body {
        Body::Set(set) => (on_set(state, set)?, set.txn.clone()),
        Body::Fact(fact) => (on_fact(state, fact)?, names::txn(journal, &state.tenant, cause)),
        Body::Kill(act) => (on_kill(state, act)?, names::txn(journal, &state.tenant, cause)),
        Body::Lift(act) => (on_lift(state, act)?, names::txn(journal, &state.tenant, cause)),
        Body::Tick => (on_tick(state)?, names::txn(journal, &state.tenant, cause)),
        _ => return None,
    };
    Some(decision(cause, txn, concluded))
}

fn decision(cause: Seq, txn: String, c: Conclusion) -> Decision {
    let derived = |d: crate::policy::derive::Derived| Derived {
        echo: names::echo(&txn, &d.uri, d.sub_id.get(), d.event.get()),
        uri: d.uri,
        sub_id: d.sub_id,
        event: d.event,
    };
    let derived = c.derived.into_iter().map(derived).collect();
    let lifted = c.lifted.into_iter().map(|l| Lifted {
        kind: l.kind,
        key: l.key,
        basis: l.basis,
        at_ms: l.at_ms,
        expires_at: l.expires_at,
    });
    Decision {
        cause,
        rule: RULES.into(),
        reason_code: c.reason.code().into(),
        path: c.path,
        records: c.records,
        lifted: lifted.collect(),
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

fn on_set(state: &State, set: &SetInput) -> Option<Conclusion> {
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
            stopped(state, &stop, &subject, times)
        }
        Plan::Lift(lift) => {
            let resolved = state.graph.resolve_to(&sub_id, &set.iss, lift.aims);
            let subject = Subject { facets: &said, names: &set.names, resolved: &resolved };
            lifted(state, &lift, &subject, times)
        }
    }
}

/// The event was parsed at the door; here it is read again from what was journaled.
fn parse_event(set: &SetInput, dialect: Dialect) -> Option<Event> {
    Event::parse_str(&set.uri, set.event.get(), dialect).ok()
}

fn stopped(state: &State, stop: &Stop, subject: &Subject<'_>, times: Times) -> Option<Conclusion> {
    let touched = affected(&state.graph, subject.resolved, stop.reach(subject.resolved), Bounds::default());
    let context = Context::new(state.tenant.as_str(), times);
    changing(state, conclude(stop, subject, &touched, &context))
}

fn lifted(state: &State, lift: &Lift, subject: &Subject<'_>, times: Times) -> Option<Conclusion> {
    let touched = affected(&state.graph, subject.resolved, Reach::Lifting(lift.how), Bounds::default());
    let context = Context::new(state.tenant.as_str(), times);
    changing(state, lift::conclude(lift, subject, &touched, &context, |key| state.standing(key)))
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

fn on_kill(state: &State, act: &Act) -> Option<Conclusion> {
    let resolved = resolve_alias(state, &act.target.alias);
    let said = [(resolved.aim, act.target.alias.clone())];
    let subject = Subject { facets: &said, names: std::slice::from_ref(&act.target), resolved: &resolved };
    stopped(state, &Stop::kill(), &subject, own_times(state))
}

fn on_lift(state: &State, act: &Act) -> Option<Conclusion> {
    let resolved = resolve_alias(state, &act.target.alias);
    let said = [(resolved.aim, act.target.alias.clone())];
    let subject = Subject { facets: &said, names: std::slice::from_ref(&act.target), resolved: &resolved };
    let times = Times { tolerance_ms: 0, ..own_times(state) };
    lifted(state, &Lift::kill(), &subject, times)
}

fn on_fact(state: &State, input: &FactInput) -> Option<Conclusion> {
    match &input.fact {
        Fact::Complete { target } => {
            let id = state.graph.find(target)?;
            end_known(state, id, &Stop::complete(target.kind == "agent"))
        }
        Fact::Run(run) => born_dead(state, state.graph.find(&Alias::new("run", "", &run.id))?),
        Fact::Token(token) => born_dead(state, state.graph.find(&Alias::new("jti", &token.iss, &token.jti))?),
        Fact::Agent(_) | Fact::Edge(_) => relinked(state, &input.fact),
        Fact::Tool(_) => None,
    }
}

/// A late name or edge may bring runs and tokens below something that is dead.
fn relinked(state: &State, fact: &Fact) -> Option<Conclusion> {
    let nodes: Vec<NodeId> = fact.aliases().iter().filter_map(|alias| state.graph.find(alias)).collect();
    let (below, _) = state.graph.runs_and_tokens_at(&nodes, RELINKED_MAX);
    let mut all: Option<Conclusion> = None;
    for one in below.into_iter().filter_map(|id| born_dead(state, id)) {
        match &mut all {
            None => all = Some(one),
            Some(all) => all.absorb(one),
        }
    }
    all
}

/// A run or token told of under something dead is revoked from the start (LINEAGE, rule 2).
fn born_dead(state: &State, id: NodeId) -> Option<Conclusion> {
    let ends = state.graph.ends_over(id);
    if ends.is_empty() {
        return None;
    }
    let class = state.graph.node(id).map_or(Class::Unknown, |n| n.class);
    let touched = affected(&state.graph, &Resolved::to(id, class), Reach::Everything, Bounds::default());
    let it = match class {
        Class::Run => Born::Run(touched.runs.iter().find(|run| run.node == id)?),
        _ => Born::Token(touched.tokens.iter().find(|token| token.node == id)?),
    };
    changing(state, born(&it, &ends, &Context::new(state.tenant.as_str(), own_times(state))))
}

fn end_known(state: &State, id: NodeId, stop: &Stop) -> Option<Conclusion> {
    let class = state.graph.node(id).map_or(Class::Unknown, |n| n.class);
    let resolved = Resolved::to(id, class);
    let names: Vec<Named> = state.graph.named(id);
    let said: Vec<(Facet, Alias)> = names.iter().map(|n| (resolved.aim, n.alias.clone())).collect();
    let subject = Subject { facets: &said, names: &names, resolved: &resolved };
    stopped(state, stop, &subject, own_times(state))
}

/// Runs whose deadline passed end together, in one decision.
fn on_tick(state: &State) -> Option<Conclusion> {
    let mut all: Option<Conclusion> = None;
    for id in state.overdue(state.time_ms(), OVERDUE_MAX) {
        let Some(one) = end_known(state, id, &Stop::deadline()) else { continue };
        match &mut all {
            None => all = Some(one),
            Some(all) => all.absorb(one),
        }
    }
    all
}
