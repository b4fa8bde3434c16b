//! What becomes of a fact: nodes, names and links.
//!
//! In the flow: `hub::apply` folds each journaled fact here. A principal that was only mentioned gets a
//! placeholder, which a later fact fills, so that the order in which sources report does not matter. A fact
//! that contradicts what is known changes nothing and says so. Same journal, same graph.

use super::alias::Alias;
use super::check::{Checked, Conflict, run_alias};
use super::fact::{AgentFact, EdgeFact, EdgeType, Fact, RunFact, TokenFact, ToolFact, agent_alias};
use super::graph::{Graph, Name, class_of_kind};
use super::keyed::KeyHash;
use super::node::{Body, Class, Link, LinkKind, Node, NodeId, Validity};
use crate::tenant::Seq;

/// What folding a fact did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Whom the fact was about; `None` for an edge.
    pub node: Option<NodeId>,
    /// Whether anything changed.
    pub changed: bool,
    /// Runs whose deadline became known or was cut (ms since 1970): set a timer, replace an older one.
    pub deadlines: Vec<(NodeId, i64)>,
    /// Nodes that came below something or got another name, the one it was about included: what tokens below
    /// bring along changed, and they may be born dead.
    pub relinked: Vec<NodeId>,
    /// A complete: the run or agent that is to end.
    pub complete: Option<NodeId>,
}

struct Folding<'a> {
    graph: &'a mut Graph,
    seq: Seq,
    time_ms: i64,
    source: &'a str,
    names: Vec<Alias>,
    hashes: &'a [Vec<KeyHash>],
    created: u8,
    out: Folded,
}

impl Graph {
    /// Folds entry `seq` of time `time_ms` (ms since 1970): `fact`, said by `source`. `hashes` are the keyed
    /// hashes of [`Fact::aliases`], in that order.
    pub fn fold(
        &mut self,
        seq: Seq,
        time_ms: i64,
        source: &str,
        fact: &Fact,
        hashes: &[Vec<KeyHash>],
    ) -> Result<Folded, Conflict> {
        let checked = self.judge(fact, source, None)?;
        let (names, out) = (fact.aliases(), Folded::default());
        let mut folding = Folding { graph: self, seq, time_ms, source, names, hashes, created: 0, out };
        match fact {
            Fact::Agent(f) => folding.agent(f),
            Fact::Run(f) => folding.run(f),
            Fact::Token(f) => folding.token(f),
            Fact::Tool(f) => folding.tool(f),
            Fact::Edge(f) if f.kind == EdgeType::AliasOf => folding.alias_of(f),
            Fact::Edge(f) => folding.edge(f),
            Fact::Complete { target } => {
                folding.out.node = folding.graph.find(target);
                folding.out.complete = folding.out.node;
            }
        }
        let mut out = folding.out;
        out.changed = checked == Checked::New;
        if checked == Checked::Same {
            (out.complete, out.deadlines, out.relinked) = (None, vec![], vec![]);
        }
        out.relinked.sort();
        out.relinked.dedup();
        Ok(out)
    }
}

impl Folding<'_> {
    fn hashes_of(&self, alias: &Alias) -> Box<[KeyHash]> {
        let at = self.names.iter().position(|name| name == alias);
        at.and_then(|at| self.hashes.get(at))
            .map(|hashes| hashes.clone().into_boxed_slice())
            .unwrap_or_default()
    }

    /// The node of that name; a placeholder of `class` if there is none yet.
    fn mention(&mut self, alias: &Alias, class: Class) -> NodeId {
        if let Some(id) = self.graph.find(alias) {
            if class != Class::Unknown
                && let Some(node) = self.graph.node_mut(id)
                && node.class == Class::Unknown
            {
                node.class = class;
            }
            return id;
        }
        let id = NodeId::new(self.seq, self.created);
        self.created = self.created.saturating_add(1);
        let node = Node { class, source: None, name: alias.clone(), body: Body::Plain, ends: vec![] };
        self.graph.put_node(id, node);
        self.graph.put_name(alias, Name { node: id, source: None, hashes: self.hashes_of(alias) });
        id
    }

    /// Asserts that `alias` is a name of `id`.
    fn assert_name(&mut self, alias: &Alias, id: NodeId) {
        let known = self.graph.name(alias).is_some_and(|name| name.node == id && name.source.is_some());
        if !known {
            let name = Name { node: id, source: Some(self.source.into()), hashes: self.hashes_of(alias) };
            self.graph.put_name(alias, name);
            self.out.relinked.push(id);
        }
    }

    fn link(&mut self, above: NodeId, kind: LinkKind, below: NodeId, from_s: Option<i64>, to_s: Option<i64>) {
        let validity = Validity {
            valid_from_ms: from_s.map_or(self.time_ms, |s| s.saturating_mul(1000)),
            valid_to_ms: to_s.map(|s| s.saturating_mul(1000)),
            source: self.source.into(),
        };
        self.graph.put_link(Link { above, kind, below }, validity);
        self.out.relinked.push(below);
    }

    fn register(&mut self, id: NodeId, class: Class, body: Body) {
        self.out.node = Some(id);
        let source = Some(self.source.into());
        if let Some(node) = self.graph.node_mut(id) {
            (node.class, node.source, node.body) = (class, source, body);
        }
    }

    fn agent(&mut self, f: &AgentFact) {
        let names = self.names.clone();
        let registered = |graph: &Graph, id: &NodeId| graph.node(*id).is_some_and(|n| n.source.is_some());
        let found: Vec<NodeId> = names.iter().filter_map(|alias| self.graph.find(alias)).collect();
        let known = found.iter().find(|id| registered(self.graph, id)).or(found.first()).copied();
        let first = names.first().cloned().unwrap_or_else(|| agent_alias(&f.id));
        let id = known.unwrap_or_else(|| self.mention(&first, f.class));
        for alias in &names {
            match self.graph.find(alias) {
                Some(other) if other != id => self.merge(other, id),
                _ => {}
            }
            self.assert_name(alias, id);
        }
        self.register(id, f.class, Body::Agent { owner: f.owner.clone(), system: f.system.clone() });
    }

    fn run(&mut self, f: &RunFact) {
        let own = run_alias(&f.id);
        let id = self.mention(&own, Class::Run);
        if self.graph.node(id).is_some_and(|node| node.source.is_some()) {
            self.out.node = Some(id);
            return;
        }
        self.assert_name(&own, id);
        let parent = f.parent.as_deref().map(run_alias);
        let above = [
            (Some(&f.agent), LinkKind::RunOf),
            (parent.as_ref(), LinkKind::Spawned),
            (f.session.as_ref(), LinkKind::LaunchedFrom),
            (f.on_behalf_of.as_ref(), LinkKind::OnBehalfOf),
        ];
        for (alias, kind) in above {
            let Some(alias) = alias else { continue };
            let at = self.mention(alias, kind.classes().0);
            self.link(at, kind, id, f.valid_from, None);
        }
        let interactive = f.interactive.unwrap_or(f.session.is_some());
        let deadline_ms = self.graph.cut_deadline(id, f.deadline.saturating_mul(1000));
        let valid_from_ms = f.valid_from.map_or(self.time_ms, |s| s.saturating_mul(1000));
        self.register(id, Class::Run, Body::Run { interactive, deadline_ms, valid_from_ms });
        self.out.deadlines.push((id, deadline_ms));
        self.cut_below(id);
    }

    /// Runs that were told of before their parent end no later than it either.
    fn cut_below(&mut self, run: NodeId) {
        let mut next: Vec<NodeId> = self.graph.below_by(run, LinkKind::Spawned).collect();
        while let Some(id) = next.pop() {
            let Some(Body::Run { deadline_ms, .. }) = self.graph.node(id).map(|node| &node.body) else {
                continue;
            };
            let (old, cut) = (*deadline_ms, self.graph.cut_deadline(id, *deadline_ms));
            if cut == old {
                continue;
            }
            if let Some(Node { body: Body::Run { deadline_ms, .. }, .. }) = self.graph.node_mut(id) {
                *deadline_ms = cut;
            }
            self.out.deadlines.push((id, cut));
            next.extend(self.graph.below_by(id, LinkKind::Spawned));
        }
    }

    fn token(&mut self, f: &TokenFact) {
        let own = Alias::new("jti", &f.iss, &f.jti);
        let id = self.mention(&own, Class::Token);
        self.out.node = Some(id);
        if self.graph.node(id).is_some_and(|node| node.source.is_some()) {
            return;
        }
        self.assert_name(&own, id);
        let run = self.mention(&run_alias(&f.run), Class::Run);
        self.link(run, LinkKind::Minted, id, Some(f.iat), None);
        self.register(id, Class::Token, Body::Token { aud: f.aud.clone(), iat_s: f.iat, exp_s: f.exp });
    }

    fn tool(&mut self, f: &ToolFact) {
        let own = Alias::new("tool", "", &f.id);
        let id = self.mention(&own, Class::Tool);
        self.assert_name(&own, id);
        self.register(id, Class::Tool, Body::Tool { owner: f.owner.clone(), high_risk: f.high_risk });
    }

    fn edge(&mut self, f: &EdgeFact) {
        let Some((kind, from_above)) = f.kind.link() else { return };
        let (above, below) = if from_above { (&f.from, &f.to) } else { (&f.to, &f.from) };
        let class = |alias: &Alias, implied| {
            let own = class_of_kind(&alias.kind);
            if own == Class::Unknown { implied } else { own }
        };
        let up = self.mention(above, class(above, kind.classes().0));
        let down = self.mention(below, class(below, kind.classes().1));
        self.link(up, kind, down, f.valid_from, f.valid_to);
    }

    /// `to` is another name of `from`: one that was only mentioned goes up in the other.
    fn alias_of(&mut self, f: &EdgeFact) {
        let (from, to) = (self.graph.find(&f.from), self.graph.find(&f.to));
        let id = match (from, to) {
            (Some(a), Some(b)) if a != b => {
                let fixed = |id| self.graph.node(id).is_some_and(|n| n.source.is_some());
                let class = |id| self.graph.node(id).map_or(Class::Unknown, |n| n.class);
                let keep_b = fixed(b) || (!fixed(a) && !self.graph.can_be(b, class(a)));
                let (gone, kept) = if keep_b { (a, b) } else { (b, a) };
                self.merge(gone, kept);
                kept
            }
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => self.mention(&f.from, class_of_kind(&f.from.kind)),
        };
        for alias in [&f.from, &f.to] {
            let implied = class_of_kind(&alias.kind);
            if let Some(node) = self.graph.node_mut(id)
                && node.class == Class::Unknown
            {
                node.class = implied;
            }
        }
        if from.is_none() {
            self.assert_name(&f.from, id);
        }
        self.assert_name(&f.to, id);
    }

    /// A placeholder turns out to be somebody known: names and links move over, and so do its ends.
    fn merge(&mut self, gone: NodeId, kept: NodeId) {
        let (ends, class) =
            self.graph.node(gone).map_or((vec![], Class::Unknown), |node| (node.ends.clone(), node.class));
        for link in self.graph.links_of(gone) {
            let Some(validity) = self.graph.take_link(&link) else { continue };
            let end = |id| if id == gone { kept } else { id };
            let moved = Link { above: end(link.above), kind: link.kind, below: end(link.below) };
            if moved.above != moved.below {
                self.graph.put_link(moved, validity);
            }
        }
        for (alias, name) in self.graph.take_node(gone) {
            self.graph.put_name(&alias, Name { node: kept, ..name });
        }
        if let Some(node) = self.graph.node_mut(kept) {
            if node.class == Class::Unknown {
                node.class = class;
            }
            for end in ends {
                node.put_end(end);
            }
        }
        self.out.relinked.push(kept);
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
