//! What is dead: a node's own ends, and those of what stands above it.
//!
//! In the flow: `hub::apply` puts and takes back ends as decisions say, and asks after each fact whether what
//! it told of was born dead. A dead ancestor is found by walking up, so that ending a root is one change.
//! Never ends anything by itself and never reads a clock.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::node::{Body, Class, End, How, LinkKind, NodeId};

/// Most nodes that a walk up looks at. A node so entangled counts as far as it was seen.
const UP_MAX: usize = 10_000;

impl Graph {
    /// Puts an end; `false` if it was there already or there is no such node.
    pub fn end(&mut self, id: NodeId, end: End) -> bool {
        let known = self.node(id).is_none_or(|node| node.ends.iter().any(|old| old.how == end.how));
        !known && self.node_mut(id).is_some_and(|node| node.put_end(end))
    }

    /// Takes an end of this kind back.
    pub fn revive(&mut self, id: NodeId, how: How) -> bool {
        let known = self.node(id).is_some_and(|node| node.ends.iter().any(|end| end.how == how));
        if known && let Some(node) = self.node_mut(id) {
            node.ends.retain(|end| end.how != how);
        }
        known
    }

    /// Every end that a node has itself or inherits, nearest first, one per kind: whose, and which.
    pub fn ends_over(&self, id: NodeId) -> Vec<(NodeId, End)> {
        let mut out: Vec<(NodeId, End)> = vec![];
        for (here, logout_counts) in self.over(id) {
            for end in self.node(here).map_or(&[][..], |node| &node.ends) {
                if (logout_counts || end.how != How::LoggedOut) && out.iter().all(|(_, e)| e.how != end.how) {
                    out.push((here, *end));
                }
            }
        }
        out
    }

    /// A node and everything above it by links that cascade, nearest first; and whether an ordinary logout there
    /// reaches down to it: not to a run at which nobody sits.
    pub fn over(&self, id: NodeId) -> Vec<(NodeId, bool)> {
        let (mut seen, mut queue, mut at) = (BTreeSet::from([(id, true)]), vec![(id, true)], 0);
        while let Some(&(here, _)) = queue.get(at) {
            at += 1;
            for (kind, above) in self.above(here) {
                let counts = kind != LinkKind::LaunchedFrom || self.is_interactive(here);
                if kind.cascades() && queue.len() < UP_MAX && seen.insert((above, counts)) {
                    queue.push((above, counts));
                }
            }
        }
        queue
    }

    /// The strongest end that a node has itself or inherits.
    pub fn is_dead(&self, id: NodeId) -> Option<End> {
        self.ends_over(id).into_iter().map(|(_, end)| end).max_by_key(|end| end.how)
    }

    /// Whether anybody but `except` stops a node in this way, itself or from above.
    pub fn is_stopped_by_other(&self, id: NodeId, how: How, except: &[(NodeId, Class)]) -> bool {
        let stops = |id: &NodeId| {
            let own = self.node(*id).is_some_and(|node| node.ends.iter().any(|end| end.how == how));
            own && except.iter().all(|(other, _)| other != id)
        };
        stops(&id) || self.ancestors(id).iter().any(stops)
    }

    /// Whether a person sits in front of this run.
    pub fn is_interactive(&self, id: NodeId) -> bool {
        matches!(self.node(id).map(|node| &node.body), Some(Body::Run { interactive: true, .. }))
    }

    /// When the node's last token can be minted or dies by itself (ms since 1970): a run's deadline, a token's
    /// expiry.
    pub fn lasts_until_ms(&self, id: NodeId) -> Option<i64> {
        match self.node(id)?.body {
            Body::Run { deadline_ms, .. } => Some(deadline_ms),
            Body::Token { exp_s, .. } => Some(exp_s.saturating_mul(1000)),
            _ => None,
        }
    }

    /// Takes a token, run or session out of memory if it was over before `before_ms` (ms since 1970) and nothing
    /// hangs below it; with it sessions that only it kept. What a hold stops that may be taken back stays.
    pub fn forget(&mut self, id: NodeId, before_ms: i64) -> bool {
        if !self.is_forgettable(id, before_ms) {
            return false;
        }
        let sessions: Vec<NodeId> = self.above_by(id, LinkKind::LaunchedFrom).collect();
        self.take_node(id);
        for session in sessions {
            let alone = self.below(session).next().is_none() && self.above(session).next().is_none();
            let unmarked = self.node(session).is_some_and(|node| node.ends.is_empty());
            if (alone && unmarked) || self.is_forgettable(session, before_ms) {
                self.take_node(session);
            }
        }
        true
    }

    fn is_forgettable(&self, id: NodeId, before_ms: i64) -> bool {
        let Some(node) = self.node(id) else { return false };
        if !matches!(node.class, Class::Run | Class::Token | Class::Session) {
            return false;
        }
        if node.ends.iter().any(|end| end.how.is_reversible()) || self.below(id).next().is_some() {
            return false;
        }
        let ended = |id| {
            let ends = self.node(id).map_or(&[][..], |node| &node.ends);
            ends.iter().any(|end| !end.how.is_reversible() && end.at_ms < before_ms)
        };
        ended(id)
            || self.lasts_until_ms(id).is_some_and(|until| until < before_ms)
            || self.above_by(id, LinkKind::Minted).any(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{IDP, T0_MS, alias, company, run, token};
    use super::*;
    use crate::tenant::Seq;

    fn end(how: How) -> End {
        End { at_ms: T0_MS, seq: Seq(50), how }
    }

    #[test]
    fn who_is_dead_of_what() {
        use How::{Completed, Disabled, Killed, LoggedOut, Revoked, Suspended};
        let s1 = ("session", IDP, "s1");
        // What ends; then of day, sub, night, batch and their tokens which are dead.
        let cases = [
            (s1, LoggedOut, [true, true, false, false]),
            (s1, Revoked, [true, true, false, true]),
            (("device", IDP, "laptop"), Suspended, [true, true, false, true]),
            (("iss_sub", IDP, "alice"), Disabled, [true, true, true, true]),
            (("agent", "", "bot"), Killed, [true, true, true, true]),
            (("agent", "", "helper"), Killed, [false, true, false, false]),
            (("run", "", "day"), Completed, [true, true, false, false]),
            (("run", "", "sub"), Completed, [false, true, false, false]),
        ];
        for ((kind, iss, value), how, want) in cases {
            let mut told = company();
            let at = told.id(kind, iss, value);
            assert!(told.graph.end(at, end(how)) && !told.graph.end(at, end(how)));
            for (id, want) in ["day", "sub", "night", "batch"].into_iter().zip(want) {
                let dead = |node| told.graph.is_dead(node).map(|end| end.how);
                assert_eq!(dead(told.run(id)), want.then_some(how), "{value} {how:?}: {id}");
                assert_eq!(dead(told.id("jti", "https://as", &format!("t-{id}"))), want.then_some(how));
            }
            assert!(told.graph.revive(at, how) && !told.graph.revive(at, how));
            assert_eq!(told.graph.is_dead(told.run("day")), None);
        }
    }

    #[test]
    fn each_end_is_taken_back_by_its_own_opposite() {
        let mut told = company();
        let alice = told.id("iss_sub", IDP, "alice");
        told.graph.end(alice, end(How::Killed));
        told.graph.end(alice, end(How::Disabled));
        assert_eq!(told.graph.ends_over(told.run("night")).len(), 2);
        told.graph.revive(alice, How::Disabled);
        assert_eq!(told.graph.is_dead(told.run("night")).map(|e| e.how), Some(How::Killed));
    }

    #[test]
    fn born_under_something_dead() {
        let mut told = company();
        told.graph.end(told.run("day"), end(How::Completed));
        told.graph.end(told.id("session", IDP, "s1"), end(How::LoggedOut));
        told.tell(&token("late", "day"));
        let s1 = alias("session", IDP, "s1");
        told.tell(&run("late", "helper", &format!(r#","session":{s1}"#)));
        told.tell(&run("late-batch", "helper", &format!(r#","session":{s1},"interactive":false"#)));
        let dead = |id| told.graph.is_dead(id).map(|end| end.how);
        assert_eq!(dead(told.id("jti", "https://as", "late")), Some(How::Completed));
        assert_eq!(dead(told.run("late")), Some(How::LoggedOut));
        assert_eq!(dead(told.run("late-batch")), None);
    }

    #[test]
    fn the_dead_leave_from_below() {
        let mut told = company();
        let after = 1_700_003_600_001;
        let t = |told: &super::super::sample::Told, id: &str| told.id("jti", "https://as", id);
        let (day, sub, night) = (told.run("day"), told.run("sub"), told.run("night"));
        assert!(!told.graph.forget(day, after), "its sub-run and its token hang below");
        told.graph.end(day, end(How::Completed));
        told.graph.end(night, end(How::Killed));
        for token in ["t-day", "t-sub", "t-night"].map(|id| t(&told, id)) {
            assert!(!told.graph.forget(token, T0_MS - 1));
            assert!(told.graph.forget(token, after) && !told.graph.forget(token, after));
        }
        assert!(!told.graph.forget(day, after), "its sub-run hangs below");
        assert!(told.graph.forget(sub, after) && told.graph.forget(day, after));
        assert!(!told.graph.forget(night, after), "a killed run may be lifted");
    }
}
