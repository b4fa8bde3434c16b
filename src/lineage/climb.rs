//! Short ways through the graph: up to the root, the person, everything above; down to what a fact may have
//! changed.
//!
//! In the flow: used by walks, resolution and the fold's caller. Bounded and cycle-safe like every walk; changes
//! nothing.

use std::collections::{BTreeSet, VecDeque};

use super::graph::Graph;
use super::node::{Class, LinkKind, NodeId};

impl Graph {
    /// The run at the top of the chain of runs that `run` belongs to.
    pub fn root_of(&self, run: NodeId) -> NodeId {
        let (mut here, mut seen) = (run, BTreeSet::new());
        while seen.insert(here) {
            match self.above_by(here, LinkKind::Spawned).next() {
                Some(above) => here = above,
                None => break,
            }
        }
        here
    }

    /// The person behind a run: on whose behalf it acts, else whose session launched it, else the same of the
    /// run that spawned it.
    pub fn user_of(&self, run: NodeId) -> Option<NodeId> {
        let (mut here, mut seen) = (run, BTreeSet::new());
        while seen.insert(here) {
            let launched = || {
                let mut sessions = self.above_by(here, LinkKind::LaunchedFrom);
                sessions.find_map(|session| self.above_by(session, LinkKind::SessionOf).next())
            };
            let user = self.above_by(here, LinkKind::OnBehalfOf).next().or_else(launched);
            match (user, self.above_by(here, LinkKind::Spawned).next()) {
                (Some(user), _) => return Some(user),
                (None, Some(above)) => here = above,
                (None, None) => break,
            }
        }
        None
    }

    /// At most `bound` runs and tokens at and below nodes, in the order they are met, and whether that is all:
    /// those whose lineage a late fact changed, and which it may have put under something dead.
    pub fn runs_and_tokens_at(&self, nodes: &[NodeId], bound: usize) -> (Vec<NodeId>, bool) {
        let (mut seen, mut queue) =
            (BTreeSet::from_iter(nodes.iter().copied()), VecDeque::from_iter(nodes.iter().copied()));
        let (mut out, mut whole) = (vec![], true);
        while let Some(here) = queue.pop_front() {
            if self.node(here).is_some_and(|node| matches!(node.class, Class::Run | Class::Token)) {
                if out.len() >= bound {
                    return (out, false);
                }
                out.push(here);
            }
            for (kind, below) in self.below(here) {
                if kind.cascades() && seen.insert(below) {
                    // A queue as long as what may still come out is long enough.
                    if queue.len() + out.len() > bound.saturating_mul(2) {
                        whole = false;
                        break;
                    }
                    queue.push_back(below);
                }
            }
        }
        (out, whole)
    }

    /// Everything above a node by links that cascade, nearest first, without itself.
    pub fn ancestors(&self, id: NodeId) -> Vec<NodeId> {
        const MAX: usize = 10_000;
        let (mut out, mut at) = (vec![id], 0);
        let mut seen = BTreeSet::from([id]);
        while let Some(&here) = out.get(at) {
            at += 1;
            for (kind, above) in self.above(here) {
                if kind.cascades() && out.len() < MAX && seen.insert(above) {
                    out.push(above);
                }
            }
        }
        out.remove(0);
        out
    }
}
