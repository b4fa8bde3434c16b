//! Facts that come after the signal: what they tell of is revoked from the start (DESIGN 10; LINEAGE 1.3, rules 2, 3).
//!
//! In the flow: [`super::decide`] asks here behind each fact. Whoever was not known when he was stopped has no end in
//! the graph, only holds under the keys of his names; both count. So whichever came first, the fact or the signal,
//! the same stops. Pure, like all that decides.

use super::decide::{Ground, changing, context, own_times};
use super::state::State;
use crate::lineage::alias::Alias;
use crate::lineage::fact::{EdgeType, Fact};
use crate::lineage::node::{Class, End, How, NodeId};
use crate::lineage::subject::Resolved;
use crate::lineage::walk::{Reach, affected};
use crate::policy::conclude::{Born, Conclusion, born, known_at_last};
use crate::policy::late;

/// Runs and tokens that one late fact may stop.
const RELINKED_MAX: usize = 1000;

/// What a fact leads to, a complete aside.
pub(super) fn on_fact(ground: Ground<'_>, fact: &Fact) -> Option<Conclusion> {
    let mut all = told(ground, fact);
    let stopped = stopped_by_name(ground.state, fact);
    if !stopped.is_empty() {
        join(&mut all, Some(known_at_last(stopped)));
    }
    all
}

/// Whom this fact made known and who was stopped under his name before. Without an end of his own a lift of something
/// above would give him back.
fn stopped_by_name(state: &State, fact: &Fact) -> Vec<(NodeId, How)> {
    let mut out = vec![];
    let known = fact.aliases().into_iter().filter_map(|alias| state.graph.find(&alias));
    for id in known.filter(|id| id.seq() == state.seq()) {
        let keys = state.graph.named(id).into_iter().flat_map(|named| named.hashes);
        let holds = keys.flat_map(|key| state.standing(key)).filter_map(late::how_of);
        for how in holds.filter(|how| how.is_reversible()) {
            if !out.contains(&(id, how)) {
                out.push((id, how));
            }
        }
    }
    out
}

fn told(ground: Ground<'_>, fact: &Fact) -> Option<Conclusion> {
    let find = |alias: &Alias| ground.state.graph.find(alias);
    match fact {
        Fact::Run(run) => told_of(ground, find(&Alias::new("run", "", &run.id))?),
        Fact::Token(token) => told_of(ground, find(&Alias::new("jti", &token.iss, &token.jti))?),
        Fact::Agent(_) => {
            let mut nodes: Vec<NodeId> = fact.aliases().iter().filter_map(find).collect();
            nodes.sort();
            nodes.dedup();
            named(ground, &nodes)
        }
        Fact::Edge(edge) if edge.kind == EdgeType::AliasOf => named(ground, &[find(&edge.from)?]),
        Fact::Edge(edge) => {
            let (kind, from_above) = edge.kind.link()?;
            // Only what is below came below something.
            let below = find(if from_above { &edge.to } else { &edge.from })?;
            if kind.cascades() { all_at(ground, &[below], None) } else { None }
        }
        Fact::Tool(_) | Fact::Complete { .. } => None,
    }
}

/// A run or token, and what was told of below it before.
fn told_of(ground: Ground<'_>, id: NodeId) -> Option<Conclusion> {
    all_at(ground, &[id], Some(id))
}

/// Principals that got names: what stands under one of these stands under all, and stops what is below.
fn named(ground: Ground<'_>, nodes: &[NodeId]) -> Option<Conclusion> {
    let state = ground.state;
    let mut all = None;
    for id in nodes {
        let Some(node) = state.graph.node(*id).filter(|n| !matches!(n.class, Class::Run | Class::Token))
        else {
            continue;
        };
        let ended: Vec<How> = node.ends.iter().map(|end| end.how).collect();
        let names = state.graph.named(*id);
        let context = context(ground, own_times(state));
        let linked = late::linked((*id, node.class), &names, &ended, &context, |key| state.standing(key));
        join(&mut all, changing(state, linked));
    }
    join(&mut all, all_at(ground, nodes, None));
    all
}

/// Runs and tokens at and below nodes that are dead. `told`: what the fact told of itself.
fn all_at(ground: Ground<'_>, nodes: &[NodeId], told: Option<NodeId>) -> Option<Conclusion> {
    let (below, whole) = ground.state.graph.runs_and_tokens_at(nodes, RELINKED_MAX);
    let mut all: Option<Conclusion> = None;
    for id in below {
        join(&mut all, born_dead(ground, id, told == Some(id)));
    }
    if let Some(all) = &mut all {
        all.truncated |= !whole;
    }
    all
}

fn join(all: &mut Option<Conclusion>, one: Option<Conclusion>) {
    let Some(one) = one else { return };
    match all {
        Some(all) => all.absorb(one),
        None => *all = Some(one),
    }
}

/// A run or token told of under something dead is revoked from the start. One that was known before, and on which all
/// stands already, is not told of again.
fn born_dead(ground: Ground<'_>, id: NodeId, told: bool) -> Option<Conclusion> {
    let state = ground.state;
    let ends = ends_over(state, id);
    if ends.is_empty() {
        return None;
    }
    let class = state.graph.node(id).map_or(Class::Unknown, |n| n.class);
    // It alone: what hangs below it is asked for by itself.
    let touched = affected(&state.graph, &Resolved::to(id, class), Reach::Nothing, ground.bounds.walk);
    let it = match class {
        Class::Run => Born::Run(touched.runs.iter().find(|run| run.node == id)?),
        _ => Born::Token(touched.tokens.iter().find(|token| token.node == id)?),
    };
    let concluded = born(&it, &ends, &context(ground, own_times(state)));
    let stands = concluded.records.iter().all(|record| {
        state.standing(record.key).iter().any(|old| old.basis == record.basis && old.covers(record))
    });
    if stands && !told { None } else { changing(state, concluded) }
}

/// Every end of a node and of what is above it, and every hold under a name of one of these, nearest first, one per
/// kind: whose, and which.
pub(super) fn ends_over(state: &State, id: NodeId) -> Vec<(NodeId, End)> {
    let graph = &state.graph;
    let mut out = graph.ends_over(id);
    for (node, logout_counts) in graph.over(id) {
        let hashes =
            graph.aliases(node).filter_map(|alias| graph.name(alias)).flat_map(|name| name.hashes.iter());
        for standing in hashes.flat_map(|hash| state.standing(*hash)) {
            let Some(how) = late::how_of(standing) else { continue };
            let counts = logout_counts || how != How::LoggedOut;
            if counts && out.iter().all(|(_, end)| end.how != how) {
                out.push((node, End { at_ms: state.time_ms(), seq: standing.seq, how }));
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "late_tests.rs"]
mod tests;
