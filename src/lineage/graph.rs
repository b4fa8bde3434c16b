//! The graph of one tenant: nodes, names and links as rows, with the indexes that walks need.
//!
//! In the flow: `fold` changes it, `walk` and `subject` read it, the mirror and the base take its rows.
//! The rows are the state; the indexes are rebuilt from them and are no state. Every look-up is exact and
//! every iteration in key order. Never judges a fact (that is `check`), never reads a clock.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alias::Alias;
use super::keyed::{KeyHash, Named};
use super::node::{Class, Link, LinkKind, Node, NodeId, Validity};
use crate::rows::Table;

/// Tags of the graph's tables begin here: nodes, names, links.
pub const TABLE_BASE: u8 = 0x20;

/// What may grow how far. A fact beyond a limit is refused with 409, not cut (DESIGN 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most runs that one run may spawn.
    pub children_per_run: u32,
    /// Most links of one kind below one node.
    pub links_below: u32,
    /// Most links of one kind above one node.
    pub links_above: u32,
    /// Deepest chain of runs or of exchanged tokens.
    pub depth: u32,
    /// Most names of one node.
    pub aliases_per_node: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            children_per_run: 10_000,
            links_below: 2_000_000,
            links_above: 64,
            depth: 64,
            aliases_per_node: 64,
        }
    }
}

/// A name's row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Name {
    /// Whose name.
    pub node: NodeId,
    /// The client that asserted it; `None` while it was only mentioned.
    pub source: Option<Box<str>>,
    /// Its keyed hashes, in the order of `revocation::key::kinds_of`.
    pub hashes: Box<[KeyHash]>,
}

/// The graph.
#[derive(Clone, Debug)]
pub struct Graph {
    /// What may grow how far.
    pub limits: Limits,
    pub(super) nodes: Table<NodeId, Node>,
    pub(super) names: Table<Alias, Name>,
    pub(super) links: Table<Link, Validity>,
    /// (below, kind, above) of every link.
    pub(super) up: BTreeSet<(NodeId, LinkKind, NodeId)>,
    /// Number of links of a kind below a node.
    pub(super) below_count: BTreeMap<(NodeId, LinkKind), u32>,
    /// Names of a node beyond the one in its row.
    pub(super) more_names: BTreeMap<NodeId, Vec<Alias>>,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Graph {
    /// An empty graph.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            nodes: Table::new(TABLE_BASE),
            names: Table::new(TABLE_BASE + 1),
            links: Table::new(TABLE_BASE + 2),
            up: BTreeSet::new(),
            below_count: BTreeMap::new(),
            more_names: BTreeMap::new(),
        }
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every node, the oldest first.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// Every node behind `after`, the oldest first: for paging.
    pub fn nodes_after(&self, after: NodeId) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            .map(|(id, n)| (*id, n))
    }

    /// Whose name `alias` is.
    pub fn find(&self, alias: &Alias) -> Option<NodeId> {
        self.names.get(alias).map(|name| name.node)
    }

    /// A name's row.
    pub fn name(&self, alias: &Alias) -> Option<&Name> {
        self.names.get(alias)
    }

    /// Every name of a node, the one in its row first.
    pub fn aliases(&self, id: NodeId) -> impl Iterator<Item = &Alias> {
        let first = self.nodes.get(&id).map(|node| &node.name);
        first.into_iter().chain(self.more_names.get(&id).into_iter().flatten())
    }

    /// Every name of a node with its keyed hashes.
    pub fn named(&self, id: NodeId) -> Vec<Named> {
        let named =
            |(alias, hashes): (&Alias, &[KeyHash])| Named { alias: alias.clone(), hashes: hashes.to_vec() };
        self.hashed(id).map(named).collect()
    }

    /// The same, lent.
    pub fn hashed(&self, id: NodeId) -> impl Iterator<Item = (&Alias, &[KeyHash])> {
        self.aliases(id).filter_map(|alias| Some((alias, &*self.names.get(alias)?.hashes)))
    }

    /// Links to what is below a node, by kind and then by age.
    pub fn below(&self, id: NodeId) -> impl Iterator<Item = (LinkKind, NodeId)> + '_ {
        let from = Link { above: id, kind: LinkKind::SessionOf, below: NodeId(0) };
        let to = Link { above: id, kind: LinkKind::MayUse, below: NodeId(u64::MAX) };
        self.links.range(from..=to).map(|(link, _)| (link.kind, link.below))
    }

    /// What is below a node by one kind of link.
    pub fn below_by(&self, id: NodeId, kind: LinkKind) -> impl Iterator<Item = NodeId> + '_ {
        let link = |below| Link { above: id, kind, below };
        self.links.range(link(NodeId(0))..=link(NodeId(u64::MAX))).map(|(link, _)| link.below)
    }

    /// Links to what is above a node, by kind and then by age.
    pub fn above(&self, id: NodeId) -> impl Iterator<Item = (LinkKind, NodeId)> + '_ {
        let from = (id, LinkKind::SessionOf, NodeId(0));
        self.up.range(from..=(id, LinkKind::MayUse, NodeId(u64::MAX))).map(|(_, kind, above)| (*kind, *above))
    }

    /// What is above a node by one kind of link.
    pub fn above_by(&self, id: NodeId, kind: LinkKind) -> impl Iterator<Item = NodeId> + '_ {
        self.up.range((id, kind, NodeId(0))..=(id, kind, NodeId(u64::MAX))).map(|(_, _, above)| *above)
    }

    /// A link's validity.
    pub fn link(&self, link: &Link) -> Option<&Validity> {
        self.links.get(link)
    }

    /// Number of links of a kind below a node.
    pub fn count_below(&self, id: NodeId, kind: LinkKind) -> u32 {
        self.below_count.get(&(id, kind)).copied().unwrap_or(0)
    }

    /// Whether a node can be of `class`: an only mentioned one if its links and names allow it, a registered
    /// one if it is.
    pub fn can_be(&self, id: NodeId, class: Class) -> bool {
        let Some(node) = self.nodes.get(&id) else { return false };
        if node.class == class || class == Class::Unknown {
            return true;
        }
        let links = |kind: LinkKind| {
            let below = self.below_by(id, kind).next().is_none() || kind.accepts(true, class);
            below && (self.above_by(id, kind).next().is_none() || kind.accepts(false, class))
        };
        node.source.is_none()
            && LinkKind::ALL.into_iter().all(links)
            && self.aliases(id).all(|alias| kind_fits(&alias.kind, class))
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(&id)
    }

    pub(super) fn put_node(&mut self, id: NodeId, node: Node) {
        self.nodes.insert(id, node);
    }

    /// Gives a node a name, or a name another node or source. The node must be there.
    pub(super) fn put_name(&mut self, alias: &Alias, name: Name) {
        let id = name.node;
        if self.nodes.get(&id).is_some_and(|node| node.name != *alias) {
            let more = self.more_names.entry(id).or_default();
            if !more.contains(alias) {
                more.push(alias.clone());
                more.sort();
            }
        }
        self.names.insert(alias.clone(), name);
    }

    /// Puts a link; one that is there keeps its beginning and its source.
    pub(super) fn put_link(&mut self, link: Link, validity: Validity) {
        match self.links.get(&link) {
            Some(old) if old.valid_to_ms == validity.valid_to_ms || validity.valid_to_ms.is_none() => {}
            Some(_) => {
                if let Some(old) = self.links.get_mut(&link) {
                    old.valid_to_ms = validity.valid_to_ms;
                }
            }
            None => {
                self.index_link(&link);
                self.links.insert(link, validity);
            }
        }
    }

    pub(super) fn index_link(&mut self, link: &Link) {
        self.up.insert((link.below, link.kind, link.above));
        *self.below_count.entry((link.above, link.kind)).or_default() += 1;
    }

    pub(super) fn take_link(&mut self, link: &Link) -> Option<Validity> {
        let validity = self.links.remove(link)?;
        self.up.remove(&(link.below, link.kind, link.above));
        if let Some(count) = self.below_count.get_mut(&(link.above, link.kind)) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.below_count.remove(&(link.above, link.kind));
            }
        }
        Some(validity)
    }

    /// Every link at a node, at either end.
    pub(super) fn links_of(&self, id: NodeId) -> Vec<Link> {
        let below = self.below(id).map(|(kind, below)| Link { above: id, kind, below });
        let above = self.above(id).map(|(kind, above)| Link { above, kind, below: id });
        below.chain(above).collect()
    }

    /// Takes a node out with its names and links.
    pub(super) fn take_node(&mut self, id: NodeId) -> Vec<(Alias, Name)> {
        for link in self.links_of(id) {
            self.take_link(&link);
        }
        let aliases: Vec<Alias> = self.aliases(id).cloned().collect();
        self.nodes.remove(&id);
        self.more_names.remove(&id);
        aliases.into_iter().filter_map(|alias| Some((alias.clone(), self.names.remove(&alias)?))).collect()
    }
}

/// Whether a principal of `class` may bear a name of this kind.
pub(super) fn kind_fits(kind: &str, class: Class) -> bool {
    let want = match kind {
        "run" => Class::Run,
        "jti" => Class::Token,
        "session" => Class::Session,
        "device" => Class::Device,
        "tool" => Class::Tool,
        "agent" | "client" | "workload" | "spiffe" => {
            return matches!(class, Class::Agent | Class::Automation | Class::Workload | Class::Unknown);
        }
        _ => return true,
    };
    class == want || class == Class::Unknown
}

/// The class that a kind of alias implies by itself.
pub fn class_of_kind(kind: &str) -> Class {
    match kind {
        "run" => Class::Run,
        "jti" => Class::Token,
        "session" => Class::Session,
        "device" => Class::Device,
        "tool" => Class::Tool,
        "agent" => Class::Agent,
        _ => Class::Unknown,
    }
}
