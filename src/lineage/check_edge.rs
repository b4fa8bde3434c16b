//! What speaks against an edge: classes at its ends, cycles, whose it is; and against another name.
//!
//! In the flow: the part of `check` for edges. Changes nothing.

use std::collections::BTreeSet;

use super::alias::Alias;
use super::check::{Checked, Conflict, shown, two_classes};
use super::fact::EdgeFact;
use super::graph::{Graph, Limits, class_of_kind, kind_fits};
use super::node::{Class, Link, LinkKind, Node, NodeId};

impl Graph {
    /// No cycle, and not too deep, when `below` comes below `above`.
    pub(super) fn judge_chain(
        &self,
        above: Option<NodeId>,
        below: Option<NodeId>,
        kind: LinkKind,
        limits: Option<&Limits>,
    ) -> Result<(), Conflict> {
        let (mut seen, mut level, mut depth) = (BTreeSet::new(), Vec::from_iter(above), 0u32);
        while !level.is_empty() {
            depth = depth.saturating_add(1);
            if limits.is_some_and(|limits| depth >= limits.depth) {
                return Err(Conflict::FanOut("runs or tokens in one chain"));
            }
            if level.iter().any(|id| Some(*id) == below) {
                return Err(Conflict::Cycle);
            }
            let next: BTreeSet<NodeId> = level.iter().flat_map(|id| self.above_by(*id, kind)).collect();
            seen.extend(level);
            level = next.into_iter().filter(|id| !seen.contains(id)).collect();
        }
        Ok(())
    }

    pub(super) fn judge_edge(
        &self,
        f: &EdgeFact,
        by: &str,
        limits: Option<&Limits>,
    ) -> Result<Checked, Conflict> {
        let Some((kind, from_above)) = f.kind.link() else { return Ok(Checked::Same) };
        let (above, below) = if from_above { (&f.from, &f.to) } else { (&f.to, &f.from) };
        let (up, down) = (self.end_fits(above, kind, true)?, self.end_fits(below, kind, false)?);
        if let (Some(above), Some(below)) = (up, down)
            && let Some(known) = self.link(&Link { above, kind, below })
        {
            let to_ms = f.valid_to.map(|s| s.saturating_mul(1000));
            return match to_ms {
                None => Ok(Checked::Same),
                to_ms if to_ms == known.valid_to_ms => Ok(Checked::Same),
                _ if &*known.source == by => Ok(Checked::New),
                _ => Err(Conflict::NotYours),
            };
        }
        if kind == LinkKind::ExchangedInto {
            self.judge_chain(up, down, kind, limits)?;
        }
        self.room(up, kind, limits)?;
        if let (Some(below), Some(limits)) = (down, limits)
            && self.above_by(below, kind).count() >= limits.links_above as usize
        {
            return Err(Conflict::FanOut("links above one principal"));
        }
        Ok(Checked::New)
    }

    /// `to` is another name of `from`.
    pub(super) fn judge_alias(
        &self,
        f: &EdgeFact,
        by: &str,
        limits: Option<&Limits>,
    ) -> Result<Checked, Conflict> {
        let held = |source: Option<&str>| source.is_some_and(|s| s != by);
        let row = |alias: &Alias| {
            let name = self.name(alias)?;
            Some((name.node, name.source.as_deref(), self.node(name.node)?))
        };
        let (from, to) = (row(&f.from), row(&f.to));
        if from.is_some_and(|(_, _, node)| held(node.source.as_deref())) {
            return Err(Conflict::NotYours);
        }
        if to.is_some_and(|(_, source, node)| held(source) || held(node.source.as_deref())) {
            return Err(Conflict::AliasHeldByOther { alias: shown(&f.to) });
        }
        match (from, to) {
            (Some((a, ..)), Some((b, source, _))) if a == b => {
                return Ok(if source.is_some() { Checked::Same } else { Checked::New });
            }
            (Some((a, _, from)), Some((b, _, to))) => {
                let one = match (from.class, to.class) {
                    (Class::Unknown, class) => self.can_be(a, class),
                    (class, Class::Unknown) => self.can_be(b, class),
                    (x, y) => self.can_be(b, x) || self.can_be(a, y),
                };
                if !one {
                    return Err(two_classes(&f.to));
                }
                // A run and a token have one name each by nature; two of them are never one.
                let single = [from.class, to.class].iter().any(|c| matches!(c, Class::Run | Class::Token));
                if single || (from.source.is_some() && to.source.is_some()) {
                    return Err(Conflict::TwoPrincipals { alias: shown(&f.to) });
                }
            }
            (Some((a, _, node)), None) => {
                if !(kind_fits(&f.to.kind, node.class) || self.can_be(a, class_of_kind(&f.to.kind))) {
                    return Err(two_classes(&f.to));
                }
            }
            (None, Some((b, _, node))) => {
                if !(kind_fits(&f.from.kind, node.class) || self.can_be(b, class_of_kind(&f.from.kind))) {
                    return Err(two_classes(&f.from));
                }
            }
            (None, None) => {
                let class = class_of_kind(&f.from.kind);
                if class != Class::Unknown && !kind_fits(&f.to.kind, class) {
                    return Err(two_classes(&f.to));
                }
                if !kind_fits(&f.from.kind, class_of_kind(&f.to.kind)) {
                    return Err(two_classes(&f.from));
                }
            }
        }
        let count =
            |node: Option<(NodeId, Option<&str>, &Node)>| node.map_or(1, |n| self.aliases(n.0).count());
        match limits {
            Some(limits) if count(from) + count(to) > limits.aliases_per_node as usize => {
                Err(Conflict::FanOut("names of one principal"))
            }
            _ => Ok(Checked::New),
        }
    }
}
