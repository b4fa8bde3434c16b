//! What a registered token brings along although it does not carry it: the keys of all that stands above it.
//!
//! In the flow: `hub::apply` publishes it with the token (and again when a late fact changed what is above), the
//! gate looks each key up beside those that the token itself carries. So one record on an agent, a run or a
//! session stops tokens that never heard of it.

use std::collections::BTreeSet;

use super::key::{KeyHash, Kind, kinds_of};
use crate::lineage::graph::Graph;
use crate::lineage::node::{Class, LinkKind, NodeId};

/// Most keys that a token brings along. A chain of the deepest that facts may make (`Limits.depth`, 64 runs), each of
/// another agent, has some 200 keys by first names; further names of what is above come last, and records on a known
/// principal stand under each of its names.
pub const KEYS_MAX: usize = 1024;
/// Most nodes that are looked at on the way up.
const NODES_MAX: usize = 10_000;

/// What must not be cut before what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Tokens and runs: enforcement goes by them.
    Chain,
    /// The name by which anybody else is known.
    FirstName,
    OtherName,
}

/// The keys of a registered token: its own and its ancestor tokens' `jti`; `run` of its run and every run above,
/// `root_run` of the topmost; their agents with their clients, their workloads; `on_behalf_of` of the people
/// behind them; and `session` only where an interactive run was launched from it, so that an ordinary logout,
/// which holds the session, does not catch the night shift.
pub fn token_lineage(graph: &Graph, token: NodeId) -> Vec<(Kind, KeyHash)> {
    let (mut out, mut queue, mut at) = (vec![], vec![(token, true)], 0);
    let mut seen = BTreeSet::from([(token, true)]);
    while let Some(&(here, session_counts)) = queue.get(at) {
        at += 1;
        brought(graph, here, session_counts, &mut out);
        for (kind, above) in graph.above(here) {
            let counts = kind != LinkKind::LaunchedFrom || graph.is_interactive(here);
            if kind.cascades() && queue.len() < NODES_MAX && seen.insert((above, counts)) {
                queue.push((above, counts));
            }
        }
    }
    // Stable: within a rank the nearest ancestors stay first.
    out.sort_by_key(|(rank, ..)| *rank);
    let mut once = BTreeSet::new();
    let each = out.into_iter().map(|(_, kind, key)| (kind, key)).filter(|pair| once.insert(*pair));
    each.take(KEYS_MAX).collect()
}

/// What one node above a token brings.
fn brought(graph: &Graph, node: NodeId, session_counts: bool, out: &mut Vec<(Rank, Kind, KeyHash)>) {
    let Some(class) = graph.node(node).map(|node| node.class) else { return };
    let root = class == Class::Run && graph.above_by(node, LinkKind::Spawned).next().is_none();
    for (n, (alias, hashes)) in graph.hashed(node).enumerate() {
        for (kind, key) in kinds_of(alias).iter().zip(hashes) {
            let brings = match class {
                Class::Token => *kind == Kind::Jti,
                Class::Run => *kind == Kind::Run || (*kind == Kind::RootRun && root),
                Class::Session => *kind == Kind::Session && session_counts,
                Class::Human => *kind == Kind::OnBehalfOf,
                Class::Agent | Class::Automation | Class::Workload => {
                    matches!(kind, Kind::Agent | Kind::Client | Kind::Workload)
                }
                Class::Unknown | Class::Tool | Class::Device => false,
            };
            if brings {
                let rank = match class {
                    Class::Token | Class::Run => Rank::Chain,
                    _ if n == 0 => Rank::FirstName,
                    _ => Rank::OtherName,
                };
                out.push((rank, *kind, *key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::sample::{Told, alias, run, token};

    #[test]
    fn the_topmost_run_and_agent_of_the_deepest_chain_are_brought() {
        let mut told = Told::new();
        for n in 0..64 {
            // Each agent with as many names as one fact may bring.
            let names: Vec<String> =
                (0..16).map(|k| alias("client", "https://as", &format!("{n}-{k}"))).collect();
            told.tell(&format!(r#"{{"fact":"agent","id":"a{n}","aliases":[{}]}}"#, names.join(",")));
            let parent = if n == 0 { String::new() } else { format!(r#","parent":"r{}""#, n - 1) };
            told.tell(&run(&format!("r{n}"), &format!("a{n}"), &parent));
        }
        told.tell(&token("t", "r63"));
        let keys = token_lineage(&told.graph, told.id("jti", "https://as", "t"));
        assert_eq!(keys.len(), KEYS_MAX);
        for (kind, iss, value) in [("run", "", "r0"), ("agent", "", "a0")] {
            let named = told.graph.named(told.id(kind, iss, value));
            for key in &named.first().unwrap().hashes[..kinds_of(&named[0].alias).len()] {
                assert!(keys.iter().any(|(_, brought)| brought == key), "{kind} {value}");
            }
        }
        assert_eq!(keys.iter().filter(|(kind, _)| *kind == Kind::Run).count(), 64);
    }
}
