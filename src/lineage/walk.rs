//! The walk down: from whom a signal names to every session, run and token below.
//!
//! In the flow: `hub::decide` walks on the state that the signal met and hands the result to `policy`.
//! Breadth first, in the order of kinds and ages, each node once, so cycles end and the same graph gives the
//! same answer. Bounds are counts. A walk that was cut says so and never widens by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::affected::{Affected, Run, Session, Start, Token};
use super::alias::Alias;
use super::graph::Graph;
use super::keyed::Named;
use super::node::{Class, How, LinkKind, NodeId};
use super::subject::{Facet, Resolved};

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Most nodes.
    pub nodes: u32,
    /// Most steps down.
    pub depth: u32,
    /// Most nodes below one node.
    pub fan_out: u32,
    /// Most lines of the path.
    pub path: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { nodes: 100_000, depth: 64, fan_out: 100_000, path: 64 }
    }
}

/// What a revocation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What was launched from the named sessions.
    Sessions {
        /// Runs too at which nobody sits: an administrator ended the session, not the person.
        unattended: bool,
        /// The person's runs too that were launched from no session.
        unbound: bool,
    },
    /// Everything below.
    Everything,
    /// Nothing below: only whom the signal names.
    Nothing,
    /// Everything below that was stopped in this way from above and by nobody else: what a lift gives back.
    Lifting(How),
}

/// How many places are named at which a walk was cut, and how many roots are suspended for it.
const CUTS_MAX: usize = 100;

#[derive(Clone, Copy)]
struct Step {
    node: NodeId,
    depth: u32,
    via: Option<(LinkKind, NodeId)>,
    /// What the node above was dead of for good.
    dead: Option<How>,
    of_run: bool,
    /// Below a touched run that is a root.
    covered: bool,
}

struct Walk<'a> {
    graph: &'a Graph,
    reach: Reach,
    bounds: Bounds,
    resolved: &'a Resolved,
    queue: VecDeque<Step>,
    seen: BTreeSet<NodeId>,
    known_as: BTreeMap<NodeId, Option<Alias>>,
    /// What a lift takes its end from.
    lifted: Vec<(NodeId, Class)>,
    out: Affected,
}

/// Walks down from what a subject was resolved to.
pub fn affected(graph: &Graph, resolved: &Resolved, reach: Reach, bounds: Bounds) -> Affected {
    let (queue, seen, known_as, out) = Default::default();
    let lifted = resolved.nodes.clone();
    let mut walk = Walk { graph, reach, bounds, resolved, queue, seen, known_as, lifted, out };
    walk.begin();
    while let Some(step) = walk.queue.pop_front() {
        walk.visit(step);
    }
    if walk.out.truncated {
        walk.suspend_roots();
    }
    walk.out
}

impl Walk<'_> {
    fn begin(&mut self) {
        for (id, class) in &self.resolved.nodes {
            let node = self.graph.node(*id);
            self.out.starts.push(Start {
                node: *id,
                class: *class,
                names: self.graph.named(*id),
                ends: node.map_or_else(Vec::new, |node| node.ends.clone()),
                until_ms: self.graph.lasts_until_ms(*id),
                root: self.graph.above_by(*id, LinkKind::Spawned).next().is_none(),
            });
            self.push(Step { node: *id, depth: 0, via: None, dead: None, of_run: false, covered: false });
        }
        if let Reach::Sessions { unbound: true, .. } = self.reach {
            self.unbound_runs();
        }
    }

    /// Runs of the person behind the sessions that were launched from none.
    fn unbound_runs(&mut self) {
        let human = |list: &[(NodeId, Class)]| -> Vec<NodeId> {
            list.iter().filter(|(_, class)| *class == Class::Human).map(|(id, _)| *id).collect()
        };
        let mut humans = BTreeSet::from_iter(human(&self.resolved.within));
        humans.extend(human(&self.resolved.nodes));
        for (id, _) in &self.resolved.nodes {
            humans.extend(self.graph.above_by(*id, LinkKind::SessionOf));
        }
        for human in humans {
            let below: Vec<NodeId> = self.graph.below_by(human, LinkKind::OnBehalfOf).collect();
            for id in below {
                if self.graph.above_by(id, LinkKind::LaunchedFrom).next().is_none() {
                    let via = Some((LinkKind::OnBehalfOf, human));
                    self.push(Step { node: id, depth: 1, via, dead: None, of_run: false, covered: false });
                }
            }
        }
    }

    fn push(&mut self, step: Step) {
        if self.seen.contains(&step.node) || !self.belongs(step.node, step.via) {
            return;
        }
        if self.seen.len() >= self.bounds.nodes as usize || step.depth > self.bounds.depth {
            self.cut(step.via.map_or(step.node, |(_, above)| above));
            return;
        }
        self.seen.insert(step.node);
        self.queue.push_back(step);
    }

    fn cut(&mut self, at: NodeId) {
        self.out.truncated = true;
        let Some(name) = self.graph.named(at).into_iter().next() else { return };
        if self.out.residual.len() < CUTS_MAX && !self.out.residual.contains(&name) {
            self.out.residual.push(name);
        }
    }

    /// Whether the other members of a complex subject agree. Below what agreed, everything is touched.
    fn belongs(&self, node: NodeId, via: Option<(LinkKind, NodeId)>) -> bool {
        let within = &self.resolved.within;
        match via {
            Some((LinkKind::Spawned | LinkKind::Minted | LinkKind::ExchangedInto, _)) => true,
            Some(_) if matches!(self.resolved.role(), Facet::Agent | Facet::Workload | Facet::Tool) => {
                self.graph.is_within(node, within)
            }
            _ => self.graph.agrees(node, within),
        }
    }

    fn visit(&mut self, step: Step) {
        let Some(node) = self.graph.node(step.node) else { return };
        let done = matches!(node.class, Class::Run | Class::Token) && node.is_over();
        if done || self.is_held_elsewhere(step) {
            return;
        }
        let dead = step.dead.or_else(|| self.graph.is_dead(step.node).map(|end| end.how));
        let ends: Vec<How> = node.ends.iter().map(|end| end.how).collect();
        match node.class {
            Class::Run => self.run(step, dead, ends),
            Class::Token => self.token(step, dead, ends),
            Class::Session if step.via.is_some() => self.session(step, dead, ends),
            _ => {}
        }
        self.tell(step);
        self.descend(step, node.class, dead.filter(|how| *how != How::Suspended));
    }

    /// A lift gives nothing back that somebody else stopped too. A subject that narrows a device to one person
    /// stopped the sessions themselves, not the device: they count as what is lifted.
    fn is_held_elsewhere(&mut self, step: Step) -> bool {
        let Reach::Lifting(how) = self.reach else { return false };
        if step.via.is_none() {
            return false;
        }
        if step.depth == 1 && !self.resolved.within.is_empty() {
            self.lifted.push((step.node, Class::Unknown));
        }
        self.graph.is_stopped_by_other(step.node, how, &self.lifted)
    }

    fn descend(&mut self, step: Step, class: Class, dead: Option<How>) {
        if self.reach == Reach::Nothing {
            return;
        }
        let below: Vec<(LinkKind, NodeId)> = self.graph.below(step.node).collect();
        let run = class == Class::Run;
        let covered =
            step.covered || (run && self.graph.above_by(step.node, LinkKind::Spawned).next().is_none());
        let mut count = 0u32;
        for (kind, id) in below {
            let follows = match (self.reach, class, kind) {
                (_, _, LinkKind::Owns | LinkKind::MayUse | LinkKind::PresentedTo) => false,
                (Reach::Sessions { .. }, Class::Human, _) => false,
                (Reach::Sessions { unattended, .. }, Class::Session, LinkKind::LaunchedFrom) => {
                    unattended || self.graph.is_interactive(id)
                }
                _ => true,
            };
            if !follows || self.seen.contains(&id) {
                continue;
            }
            if count >= self.bounds.fan_out {
                self.cut(step.node);
                break;
            }
            count += 1;
            let dead = matches!(class, Class::Run | Class::Token).then_some(dead).flatten();
            let (depth, via, of_run) =
                (step.depth.saturating_add(1), Some((kind, step.node)), step.of_run || run);
            self.push(Step { node: id, depth, via, dead, of_run, covered });
        }
    }

    fn session(&mut self, step: Step, dead: Option<How>, ends: Vec<How>) {
        let (node, names) = (step.node, self.graph.named(step.node));
        let user = self.graph.above_by(node, LinkKind::SessionOf).next().and_then(|id| self.alias_of(id));
        self.out.sessions.push(Session { node, names, dead, ends, user });
    }

    fn run(&mut self, step: Step, dead: Option<How>, ends: Vec<How>) {
        let Some(name) = self.graph.named(step.node).into_iter().next() else { return };
        let agent = self.graph.above_by(step.node, LinkKind::RunOf).next();
        let user = self.graph.user_of(step.node);
        let run = Run {
            node: step.node,
            name,
            top: !matches!(step.via, Some((LinkKind::Spawned, _))),
            root: self.graph.above_by(step.node, LinkKind::Spawned).next().is_none(),
            covered: step.covered,
            branches: self.graph.count_below(step.node, LinkKind::Spawned) > 0,
            dead,
            ends,
            deadline_ms: self.graph.lasts_until_ms(step.node),
            agent: agent.and_then(|id| self.alias_of(id)).filter(|alias| alias.kind == "iss_sub"),
            user: user.and_then(|id| self.alias_of(id)),
        };
        self.out.runs.push(run);
    }

    fn token(&mut self, step: Step, dead: Option<How>, ends: Vec<How>) {
        let Some(name) = self.graph.named(step.node).into_iter().next() else { return };
        self.out.tokens.push(Token {
            node: step.node,
            name,
            top: !matches!(step.via, Some((LinkKind::Minted | LinkKind::ExchangedInto, _))),
            of_run: step.of_run,
            minted: self.graph.above_by(step.node, LinkKind::Minted).next().is_some(),
            dead,
            ends,
            until_ms: self.graph.lasts_until_ms(step.node),
        });
    }

    /// The name by which others know a principal: by issuer and subject, else the first that it has.
    fn alias_of(&mut self, id: NodeId) -> Option<Alias> {
        let graph = self.graph;
        let known = self.known_as.entry(id).or_insert_with(|| {
            let by_sub = graph.aliases(id).find(|alias| alias.kind == "iss_sub");
            by_sub.or_else(|| graph.aliases(id).next()).cloned()
        });
        known.clone()
    }

    fn tell(&mut self, step: Step) {
        if self.out.path.len() >= self.bounds.path as usize {
            return;
        }
        let shown = |id| match self.graph.node(id) {
            Some(node) => format!("{} {}", node.class.as_str(), node.name.value),
            None => String::new(),
        };
        let line = match step.via {
            None => shown(step.node),
            Some((kind, above)) => format!("{} --{}--> {}", shown(above), kind.as_str(), shown(step.node)),
        };
        self.out.path.push(line);
    }

    fn suspend_roots(&mut self) {
        let mut roots = BTreeSet::new();
        for run in self.out.runs.iter().filter(|run| run.top && !run.root) {
            roots.insert(self.graph.root_of(run.node));
            if roots.len() >= CUTS_MAX {
                break;
            }
        }
        let names: Vec<Named> =
            roots.iter().filter_map(|id| self.graph.named(*id).into_iter().next()).collect();
        self.out.suspend = names;
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
