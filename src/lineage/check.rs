//! What speaks against a fact: classes, sources, cycles, limits.
//!
//! In the flow (edges and chains are in `check_edge`): `api::facts` asks before a fact is journaled, `fold` asks again (without the limits, which are
//! configuration) so that what it does depends on the journal alone. Changes nothing, and tells a caller
//! nothing about other callers beyond that a name is taken.

use std::collections::BTreeSet;

use super::alias::Alias;
use super::fact::{AgentFact, EdgeType, Fact, RunFact, TokenFact, ToolFact, agent_alias};
use super::graph::{Graph, Limits, class_of_kind, kind_fits};
use super::node::{Body, Class, LinkKind, Node, NodeId};

/// A fact may be journaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It says something new.
    New,
    /// It says what is known already: answer as before, journal nothing.
    Same,
}

/// A fact contradicts what is known, or goes beyond a limit.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Conflict {
    /// A run would be its own ancestor, or a token.
    #[error("this would make a principal its own ancestor")]
    Cycle,
    /// A principal would be of two classes (NEED-5).
    #[error("{alias} already names a principal of another class")]
    TwoClasses {
        /// The name.
        alias: String,
    },
    /// A name that another source asserted; refused, never merged (DESIGN 11).
    #[error("{alias} is already asserted by another source")]
    AliasHeldByOther {
        /// The name.
        alias: String,
    },
    /// Two registered principals would become one.
    #[error("{alias} already names another registered principal")]
    TwoPrincipals {
        /// The name.
        alias: String,
    },
    /// A limit is reached: too many.
    #[error("too many {0}")]
    FanOut(&'static str),
    /// A run or token is registered already, with other content.
    #[error("this {0} is already registered with other content")]
    Exists(&'static str),
    /// Only who registered a principal or asserted an edge may change it.
    #[error("only the source that registered it may change it")]
    NotYours,
    /// Nothing of that name is registered.
    #[error("no such run or agent is registered")]
    Unknown,
}

/// How an alias is shown to who sent it.
pub(super) fn shown(alias: &Alias) -> String {
    format!("{}:{}", alias.kind, alias.value)
}

pub(super) fn two_classes(alias: &Alias) -> Conflict {
    Conflict::TwoClasses { alias: shown(alias) }
}

/// The alias of a run.
pub fn run_alias(id: &str) -> Alias {
    Alias::new("run", "", id)
}

impl Graph {
    /// Whether `fact`, said by `source`, may be journaled. Expects [`Fact::checked`] to have passed.
    pub fn check(&self, fact: &Fact, source: &str) -> Result<Checked, Conflict> {
        self.judge(fact, source, Some(&self.limits))
    }

    pub(super) fn judge(&self, fact: &Fact, by: &str, limits: Option<&Limits>) -> Result<Checked, Conflict> {
        match fact {
            Fact::Agent(f) => self.judge_agent(f, by, limits),
            Fact::Run(f) => self.judge_run(f, by, limits),
            Fact::Token(f) => self.judge_token(f, by, limits),
            Fact::Tool(f) => self.judge_tool(f, by),
            Fact::Edge(f) if f.kind == EdgeType::AliasOf => self.judge_alias(f, by, limits),
            Fact::Edge(f) => self.judge_edge(f, by, limits),
            Fact::Complete { target } => {
                let Some((_, node)) = self.registered(target, by)? else { return Err(Conflict::Unknown) };
                Ok(if node.is_over() { Checked::Same } else { Checked::New })
            }
        }
    }

    /// The registered principal of that name, if it is registered; an error if by another source.
    fn registered(&self, alias: &Alias, by: &str) -> Result<Option<(NodeId, &Node)>, Conflict> {
        let found = self.find(alias).and_then(|id| Some((id, self.node(id)?)));
        match found {
            Some((_, node)) if node.source.as_deref().is_some_and(|s| s != by) => Err(Conflict::NotYours),
            Some((id, node)) if node.source.is_some() => Ok(Some((id, node))),
            _ => Ok(None),
        }
    }

    /// Whether `alias` may stand at an end of a link.
    pub(super) fn end_fits(
        &self,
        alias: &Alias,
        kind: LinkKind,
        above: bool,
    ) -> Result<Option<NodeId>, Conflict> {
        let implied = if above { kind.classes().0 } else { kind.classes().1 };
        let found = self.find(alias);
        let fits = match found.and_then(|id| Some((id, self.node(id)?))) {
            Some((id, node)) => {
                (node.class != Class::Unknown && kind.accepts(above, node.class)) || self.can_be(id, implied)
            }
            None => kind.accepts(above, class_of_kind(&alias.kind)) && kind_fits(&alias.kind, implied),
        };
        if fits { Ok(found) } else { Err(two_classes(alias)) }
    }

    pub(super) fn room(
        &self,
        at: Option<NodeId>,
        kind: LinkKind,
        limits: Option<&Limits>,
    ) -> Result<(), Conflict> {
        let (Some(id), Some(limits)) = (at, limits) else { return Ok(()) };
        let (most, what) = match kind {
            LinkKind::Spawned => (limits.children_per_run, "children of one run"),
            _ => (limits.links_below, "links below one principal"),
        };
        if self.count_below(id, kind) >= most { Err(Conflict::FanOut(what)) } else { Ok(()) }
    }

    fn judge_agent(&self, f: &AgentFact, by: &str, limits: Option<&Limits>) -> Result<Checked, Conflict> {
        let own = (f.class != Class::Human).then(|| agent_alias(&f.id));
        if let Some(own) = &own {
            self.registered(own, by)?;
        }
        let (mut mine, mut names, mut all_mine) = (None, BTreeSet::new(), true);
        for alias in own.iter().chain(&f.aliases) {
            names.insert(alias);
            if !kind_fits(&alias.kind, f.class) {
                return Err(two_classes(alias));
            }
            let Some(name) = self.name(alias) else {
                all_mine = false;
                continue;
            };
            let held = |source: &Option<Box<str>>| source.as_deref().is_some_and(|s| s != by);
            let node = self.node(name.node);
            if held(&name.source) || node.is_some_and(|node| held(&node.source)) {
                return Err(Conflict::AliasHeldByOther { alias: shown(alias) });
            }
            if !self.can_be(name.node, f.class) {
                return Err(two_classes(alias));
            }
            if node.is_some_and(|node| node.source.is_some()) {
                // Two agents that share a client stay two: the id at the source is what makes one.
                let other = own.as_ref().is_some_and(|own| self.find(own) != Some(name.node));
                if other || mine.is_some_and(|id| id != name.node) {
                    return Err(Conflict::TwoPrincipals { alias: shown(alias) });
                }
                mine = Some(name.node);
            }
            all_mine &= name.source.is_some();
        }
        if let Some(limits) = limits {
            let more = mine.map_or(0, |id| self.aliases(id).filter(|a| !names.contains(a)).count());
            if names.len() + more > limits.aliases_per_node as usize {
                return Err(Conflict::FanOut("names of one principal"));
            }
        }
        let body = Body::Agent { owner: f.owner.clone(), system: f.system.clone() };
        let same = all_mine && mine.and_then(|id| self.node(id)).is_some_and(|node| node.body == body);
        Ok(if same { Checked::Same } else { Checked::New })
    }

    fn judge_run(&self, f: &RunFact, by: &str, limits: Option<&Limits>) -> Result<Checked, Conflict> {
        let own = run_alias(&f.id);
        if let Some((id, node)) = self.registered(&own, by)? {
            return if self.is_same_run(id, node, f) {
                Ok(Checked::Same)
            } else {
                Err(Conflict::Exists("run"))
            };
        }
        let run = self.end_fits(&own, LinkKind::RunOf, false)?;
        let parent = f.parent.as_deref().map(run_alias);
        let above = [
            (Some(&f.agent), LinkKind::RunOf),
            (parent.as_ref(), LinkKind::Spawned),
            (f.session.as_ref(), LinkKind::LaunchedFrom),
            (f.on_behalf_of.as_ref(), LinkKind::OnBehalfOf),
        ];
        let mut seen = BTreeSet::from([&own]);
        for (alias, kind) in above {
            let Some(alias) = alias else { continue };
            if !seen.insert(alias) {
                return Err(two_classes(alias));
            }
            let at = self.end_fits(alias, kind, true)?;
            self.room(at, kind, limits)?;
            if kind == LinkKind::Spawned {
                self.judge_chain(at, run, kind, limits)?;
            }
        }
        Ok(Checked::New)
    }

    fn is_same_run(&self, id: NodeId, node: &Node, f: &RunFact) -> bool {
        let Body::Run { interactive, deadline_ms, valid_from_ms } = node.body else { return false };
        let parent = f.parent.as_deref().map(run_alias);
        let is = |alias: Option<&Alias>, kind| {
            let mut known = self.above_by(id, kind);
            match alias.map(|alias| self.find(alias)) {
                Some(said) => known.any(|above| Some(above) == said),
                None => known.next().is_none(),
            }
        };
        is(Some(&f.agent), LinkKind::RunOf)
            && is(parent.as_ref(), LinkKind::Spawned)
            && f.session.as_ref().is_none_or(|s| is(Some(s), LinkKind::LaunchedFrom))
            && f.on_behalf_of.as_ref().is_none_or(|h| is(Some(h), LinkKind::OnBehalfOf))
            && interactive == f.interactive.unwrap_or(f.session.is_some())
            && deadline_ms == self.cut_deadline(id, f.deadline.saturating_mul(1000))
            && f.valid_from.is_none_or(|from| from.saturating_mul(1000) == valid_from_ms)
    }

    /// A run ends no later than the run that spawned it (ms since 1970).
    pub(super) fn cut_deadline(&self, run: NodeId, deadline_ms: i64) -> i64 {
        let of = |id| match self.node(id).map(|node| &node.body) {
            Some(Body::Run { deadline_ms, .. }) => Some(*deadline_ms),
            _ => None,
        };
        self.above_by(run, LinkKind::Spawned).filter_map(of).fold(deadline_ms, i64::min)
    }

    fn judge_token(&self, f: &TokenFact, by: &str, limits: Option<&Limits>) -> Result<Checked, Conflict> {
        let own = Alias::new("jti", &f.iss, &f.jti);
        let run = run_alias(&f.run);
        if let Some((id, node)) = self.registered(&own, by)? {
            let body = Body::Token { aud: f.aud.clone(), iat_s: f.iat, exp_s: f.exp };
            let of_run = self.above_by(id, LinkKind::Minted).any(|above| Some(above) == self.find(&run));
            let same = node.body == body && of_run;
            return if same { Ok(Checked::Same) } else { Err(Conflict::Exists("token")) };
        }
        self.end_fits(&own, LinkKind::Minted, false)?;
        let at = self.end_fits(&run, LinkKind::Minted, true)?;
        self.room(at, LinkKind::Minted, limits)?;
        Ok(Checked::New)
    }

    fn judge_tool(&self, f: &ToolFact, by: &str) -> Result<Checked, Conflict> {
        let own = Alias::new("tool", "", &f.id);
        let known = self.registered(&own, by)?;
        let body = Body::Tool { owner: f.owner.clone(), high_risk: f.high_risk };
        if known.is_some_and(|(_, node)| node.body == body) {
            return Ok(Checked::Same);
        }
        match self.find(&own) {
            Some(id) if !self.can_be(id, Class::Tool) => Err(two_classes(&own)),
            _ => Ok(Checked::New),
        }
    }
}
