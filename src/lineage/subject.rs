//! Whom a subject identifier names: its aliases by role, and the one principal that they agree on.
//!
//! In the flow: `hub` takes the names of a received subject before the entry is written (their keyed hashes
//! travel with it), and resolves the subject against the graph when it decides (LINEAGE 1.3, rule 3). Matching
//! is exact; a name that is not known here still has its keys, so an empty graph stops the user all the same.

use super::alias::Alias;
use super::graph::Graph;
use super::node::{Class, NodeId};
use crate::set::sub_id::{Simple, SubId};

/// Which role of a subject a name plays, the narrowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Facet {
    /// A token: a `jwt_id`, wherever it stands.
    Token,
    /// Member `run`.
    Run,
    /// Member `session`.
    Session,
    /// Member `device`.
    Device,
    /// Members `agent` and `application`.
    Agent,
    /// Member `workload`.
    Workload,
    /// Member `tool`.
    Tool,
    /// Member `user`.
    User,
    /// A simple subject: what it is, the graph may know.
    Plain,
}

/// Every alias that a subject names, with the role it plays, in a fixed order. `scope_iss` is the SET's `iss`:
/// an opaque id is unique within it. `tenant`, groups and members that nobody agreed on are passed over.
pub fn facets(sub_id: &SubId, scope_iss: &str) -> Vec<(Facet, Alias)> {
    let members = match sub_id {
        SubId::Simple(simple) => vec![("", simple)],
        SubId::Complex(parts) => parts.iter().map(|(name, part)| (name.as_str(), part)).collect(),
    };
    let mut out = vec![];
    for (name, simple) in members {
        let facet = match name {
            "" => Facet::Plain,
            "token" => Facet::Token,
            "run" => Facet::Run,
            "session" => Facet::Session,
            "device" => Facet::Device,
            "agent" | "application" => Facet::Agent,
            "workload" => Facet::Workload,
            "tool" => Facet::Tool,
            "user" => Facet::User,
            _ => continue,
        };
        member(facet, name, simple, scope_iss, &mut out);
    }
    let mut seen = std::collections::BTreeSet::new();
    out.retain(|one| seen.insert(one.clone()));
    out
}

/// Every alias that a subject names, in a fixed order: what the entry carries the keyed hashes of.
pub fn names_in(sub_id: &SubId, scope_iss: &str) -> Vec<Alias> {
    names_of(&facets(sub_id, scope_iss))
}

/// The same, where its names by role are known.
pub fn names_of(named: &[(Facet, Alias)]) -> Vec<Alias> {
    let mut out: Vec<Alias> = Vec::with_capacity(named.len());
    for (_, alias) in named {
        if !out.contains(alias) {
            out.push(alias.clone());
        }
    }
    out
}

fn member(facet: Facet, name: &str, simple: &Simple, scope: &str, out: &mut Vec<(Facet, Alias)>) {
    let mut put = |kind: &str, iss: &str, value: &str| out.push((facet, Alias::new(kind, iss, value)));
    match (facet, simple) {
        (_, Simple::Aliases(many)) => many.iter().for_each(|one| member(facet, name, one, scope, out)),
        (_, Simple::JwtId { iss, jti }) => out.push((Facet::Token, Alias::new("jti", iss, jti))),
        (Facet::Plain, Simple::Opaque { id }) => {
            put("opaque", scope, id);
            put("session", scope, id);
            put("iss_sub", scope, id);
            put("device", scope, id);
        }
        (Facet::User, Simple::Opaque { id }) => {
            put("iss_sub", scope, id);
            put("opaque", scope, id);
        }
        (Facet::Token, Simple::Opaque { id }) => put("jti", scope, id),
        (Facet::Run, Simple::Opaque { id } | Simple::Uri { uri: id }) => put("run", "", id),
        (Facet::Session, Simple::Opaque { id } | Simple::Uri { uri: id }) => put("session", scope, id),
        (Facet::Session, Simple::IssSub { iss, sub }) => put("session", iss, sub),
        (Facet::Device, Simple::Opaque { id } | Simple::Uri { uri: id }) => put("device", scope, id),
        (Facet::Device, Simple::IssSub { iss, sub }) => put("device", iss, sub),
        (Facet::Agent, Simple::Opaque { id }) if name == "agent" => put("agent", "", id),
        (Facet::Agent, Simple::Opaque { id }) => {
            put("client", scope, id);
            put("iss_sub", scope, id);
        }
        (Facet::Agent, Simple::IssSub { iss, sub }) => {
            put("client", iss, sub);
            put("iss_sub", iss, sub);
        }
        (Facet::Agent, Simple::Uri { uri }) if !uri.starts_with("spiffe://") => put("client", scope, uri),
        (Facet::Workload, Simple::Opaque { id }) => put("workload", scope, id),
        (Facet::Workload, Simple::IssSub { iss, sub }) => put("workload", iss, sub),
        (Facet::Tool, Simple::Opaque { id } | Simple::Uri { uri: id }) => put("tool", "", id),
        (Facet::Plain, Simple::Uri { uri }) if !uri.starts_with("spiffe://") => {
            put("uri", "", uri);
            put("tool", "", uri);
        }
        (_, simple) => out.extend(Alias::of_simple(simple, scope).into_iter().map(|alias| (facet, alias))),
    }
}

/// How a subject was resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// One principal.
    One(NodeId),
    /// Nobody that is known here: the names still have their keys.
    None,
    /// Several: act on all, and say so.
    Ambiguous,
}

/// What a subject was resolved to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The role that the event aims at: the narrowest that the subject names, whether or not it is known.
    pub aim: Facet,
    /// The principals of that role that agree with the other members; with their classes.
    pub nodes: Vec<(NodeId, Class)>,
    /// Principals that the wider members name. What is touched must not belong to others of their class.
    pub within: Vec<(NodeId, Class)>,
    /// One, none or several.
    pub verdict: Verdict,
}

impl Resolved {
    /// One principal that an operator or a fact names directly.
    pub fn to(id: NodeId, class: Class) -> Self {
        Self { aim: facet_of(class), nodes: vec![(id, class)], within: vec![], verdict: Verdict::One(id) }
    }

    /// The class that the subject has, as far as it is known.
    pub fn class(&self) -> Option<Class> {
        self.nodes.first().map(|(_, class)| *class)
    }

    /// The role that is meant: of a simple subject, that of whom it turned out to be.
    pub fn role(&self) -> Facet {
        match (self.aim, self.class()) {
            (Facet::Plain, Some(class)) if class != Class::Unknown => facet_of(class),
            (aim, _) => aim,
        }
    }
}

/// The role in which a principal of a class is named. Whoever is of no class yet may be anything: he is held under
/// every key that his name can be carried as.
pub fn facet_of(class: Class) -> Facet {
    match class {
        Class::Unknown => Facet::Plain,
        Class::Human => Facet::User,
        Class::Agent | Class::Automation => Facet::Agent,
        Class::Workload => Facet::Workload,
        Class::Tool => Facet::Tool,
        Class::Device => Facet::Device,
        Class::Session => Facet::Session,
        Class::Run => Facet::Run,
        Class::Token => Facet::Token,
    }
}

impl Graph {
    /// Resolves a subject to the narrowest that it names: its members are intersected, a missing one is a
    /// wildcard (LINEAGE 1.3, rule 3).
    pub fn resolve(&self, sub_id: &SubId, scope_iss: &str) -> Resolved {
        self.resolve_to(&facets(sub_id, scope_iss), &[])
    }

    /// Resolves a subject, of which `named` is what it names, to the first role of `wanted` among them, else to the narrowest: an account is
    /// the user's, whatever session is named beside it. A device that is not known stands behind every other role:
    /// no token carries a device, so a record on it would stop nobody.
    pub fn resolve_to(&self, named: &[(Facet, Alias)], wanted: &[Facet]) -> Resolved {
        let device = named.iter().any(|(facet, alias)| *facet == Facet::Device && self.find(alias).is_some());
        let names = |role: &&Facet| named.iter().any(|(facet, _)| facet == *role);
        let counts = |role: &Facet| device || *role != Facet::Device;
        let wanted = wanted.iter().filter(names);
        let wanted = wanted.clone().find(|role| counts(role)).or_else(|| wanted.clone().next()).copied();
        let narrowest = || {
            let roles = named.iter().map(|(facet, _)| *facet);
            roles.clone().filter(counts).min().or_else(|| roles.min()).unwrap_or(Facet::Plain)
        };
        let aim = wanted.unwrap_or_else(narrowest);
        let mut nodes: Vec<(NodeId, Class)> = vec![];
        let mut within: Vec<(NodeId, Class)> = vec![];
        for (facet, alias) in named {
            let Some(id) = self.find(alias) else { continue };
            let class = self.node(id).map_or(Class::Unknown, |node| node.class);
            let list = match (*facet).cmp(&aim) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => &mut nodes,
                std::cmp::Ordering::Greater => &mut within,
            };
            if !list.contains(&(id, class)) {
                list.push((id, class));
            }
        }
        // Whom the wider members belong to is settled by the walk for what lies below; what is named itself
        // must agree here.
        nodes.retain(|(id, _)| self.agrees(*id, &within));
        let verdict = match nodes.as_slice() {
            [] => Verdict::None,
            [(id, _)] => Verdict::One(*id),
            _ => Verdict::Ambiguous,
        };
        Resolved { aim, nodes, within, verdict }
    }

    /// Whether a token, run or session belongs to none but `within`, as far as it is known whose it is.
    pub(super) fn agrees(&self, id: NodeId, within: &[(NodeId, Class)]) -> bool {
        let Some(node) = self.node(id) else { return false };
        let bound = matches!(node.class, Class::Token | Class::Run | Class::Session);
        if within.is_empty() || !bound {
            return true;
        }
        let above = self.ancestors(id);
        within.iter().all(|(want, class)| {
            let mut same =
                above.iter().filter(|id| self.node(**id).is_some_and(|n| n.class == *class)).peekable();
            same.peek().is_none() || same.any(|id| id == want)
        })
    }

    /// Whether `id` is known to belong to every one of `within`.
    pub(super) fn is_within(&self, id: NodeId, within: &[(NodeId, Class)]) -> bool {
        let above = if within.is_empty() { vec![] } else { self.ancestors(id) };
        within.iter().all(|(want, _)| above.contains(want))
    }
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;
