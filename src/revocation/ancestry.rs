//! What a registered token brings along although it does not carry it: the keys of all that stands above it.
//!
//! In the flow: `hub::apply` publishes it with the token (and again when a late fact changed what is above), the
//! gate looks each key up beside those that the token itself carries. So one record on an agent, a run or a
//! session stops tokens that never heard of it.

use std::collections::BTreeSet;

use super::key::{KeyHash, Kind, kinds_of};
use crate::lineage::graph::Graph;
use crate::lineage::node::{Class, LinkKind, NodeId};

/// Most keys that a token brings along. The nearest ancestors come first.
pub const KEYS_MAX: usize = 256;

/// The keys of a registered token: its own and its ancestor tokens' `jti`; `run` of its run and every run above,
/// `root_run` of the topmost; their agents with their clients, their workloads; `on_behalf_of` of the people
/// behind them; and `session` only where an interactive run was launched from it, so that an ordinary logout,
/// which holds the session, does not catch the night shift.
pub fn token_lineage(graph: &Graph, token: NodeId) -> Vec<(Kind, KeyHash)> {
    let (mut out, mut queue, mut at) = (vec![], vec![(token, true)], 0);
    let mut seen = BTreeSet::from([(token, true)]);
    while let Some(&(here, session_counts)) = queue.get(at) {
        at += 1;
        if let Some(node) = graph.node(here) {
            let root = node.class == Class::Run && graph.above_by(here, LinkKind::Spawned).next().is_none();
            for named in graph.named(here) {
                for (kind, key) in kinds_of(&named.alias).iter().zip(&named.hashes) {
                    let brings = match node.class {
                        Class::Token => *kind == Kind::Jti,
                        Class::Run => *kind == Kind::Run || (*kind == Kind::RootRun && root),
                        Class::Session => *kind == Kind::Session && session_counts,
                        Class::Human => *kind == Kind::OnBehalfOf,
                        Class::Agent | Class::Automation | Class::Workload => {
                            matches!(kind, Kind::Agent | Kind::Client | Kind::Workload)
                        }
                        Class::Unknown | Class::Tool | Class::Device => false,
                    };
                    if brings && out.len() < KEYS_MAX && !out.contains(&(*kind, *key)) {
                        out.push((*kind, *key));
                    }
                }
            }
        }
        for (kind, above) in graph.above(here) {
            let counts = kind != LinkKind::LaunchedFrom || graph.is_interactive(here);
            if kind.cascades() && queue.len() < KEYS_MAX && seen.insert((above, counts)) {
                queue.push((above, counts));
            }
        }
    }
    out
}
