//! Facts: what a source says about agents, runs, tokens, tools and edges (DESIGN, Doors).
//!
//! These are the bodies of `POST v1/{agents,runs,tokens,tools,edges}` and, unchanged, what is journaled.
//! The source of a fact is the authenticated client, never a member. Times are seconds since 1970.

use serde::{Deserialize, Serialize};

use super::alias::{self, Alias};
use super::node::{Class, LinkKind};

/// Most aliases that one agent fact may bring.
pub const ALIASES_MAX: usize = 16;

/// Why a fact is malformed, whoever says it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// An alias in it is malformed.
    #[error("{member}: {source}")]
    Alias {
        /// Which member.
        member: &'static str,
        /// What is wrong.
        source: alias::Error,
    },
    /// A member that must hold something is empty or too long.
    #[error("{0} must have 1 to 256 characters, none of them a control character")]
    Id(&'static str),
    /// A time out of range.
    #[error("{0} must lie between 1970 and 9999, in seconds")]
    Time(&'static str),
    /// Too many aliases.
    #[error("at most {ALIASES_MAX} aliases")]
    TooManyAliases,
    /// A run that parents itself, a token that ends before it begins, and the like.
    #[error("{0}")]
    Contradiction(&'static str),
    /// An edge of a type that this API does not take.
    #[error("edges of this type follow from runs and tokens and cannot be posted")]
    EdgeType,
}

/// `POST v1/agents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentFact {
    /// The agent's id at its source.
    pub id: String,
    /// Its class: `agent` (default), `automation`, `workload`, or `human` for a person's record.
    #[serde(default = "agent_class")]
    pub class: Class,
    /// Its other names: OAuth client, subject at an issuer, SPIFFE id, e-mail address, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Which system it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

fn agent_class() -> Class {
    Class::Agent
}

/// `POST v1/runs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFact {
    /// The run's id at its source, unique within the tenant.
    pub id: String,
    /// Whose run.
    pub agent: Alias,
    /// The run that spawned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The session from which a person launched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Alias>,
    /// On whose behalf it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Alias>,
    /// Whether a person sits in front of it; default: true with a session, else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
    /// Dead at the latest then (s since 1970).
    pub deadline: i64,
    /// Counts from then (s since 1970); default: when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<i64>,
}

/// `POST v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFact {
    /// The token's issuer.
    pub iss: String,
    /// Its id there.
    pub jti: String,
    /// The run it was minted for.
    pub run: String,
    /// Its audience: a string or an array of strings.
    #[serde(default, deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// Issued (s since 1970).
    pub iat: i64,
    /// Expires (s since 1970).
    pub exp: i64,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Aud {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Aud::deserialize(d)? {
        Aud::One(s) => vec![s],
        Aud::Many(v) => v,
    })
}

/// `POST v1/tools`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolFact {
    /// The tool's canonical resource URI.
    pub id: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether a stale enforcement point must deny it.
    #[serde(default)]
    pub high_risk: bool,
}

/// `POST v1/edges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeFact {
    /// What joins the two.
    #[serde(rename = "type")]
    pub kind: EdgeType,
    /// From (LINEAGE 1.3 gives the direction of each type).
    pub from: Alias,
    /// To.
    pub to: Alias,
    /// Holds from (s since 1970); default: when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<i64>,
    /// Given: the edge ended then (s since 1970). Ending never shrinks a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<i64>,
}

/// Types of edges that may be posted; the others follow from runs and tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeType {
    /// session → human
    SessionOf,
    /// session → device
    OnDevice,
    /// run → workload
    RunsOn,
    /// token → token
    ExchangedInto,
    /// token → tool
    PresentedTo,
    /// agent → tool
    MayUse,
    /// owner → agent or tool
    Owns,
    /// `to` is another name of `from`
    AliasOf,
}

impl EdgeType {
    /// The link it makes, and whether `from` is its upper end; `None` for [`EdgeType::AliasOf`].
    pub fn link(self) -> Option<(LinkKind, bool)> {
        Some(match self {
            Self::SessionOf => (LinkKind::SessionOf, false),
            Self::OnDevice => (LinkKind::OnDevice, false),
            Self::RunsOn => (LinkKind::RunsOn, false),
            Self::ExchangedInto => (LinkKind::ExchangedInto, true),
            Self::PresentedTo => (LinkKind::PresentedTo, false),
            Self::MayUse => (LinkKind::MayUse, true),
            Self::Owns => (LinkKind::Owns, true),
            Self::AliasOf => return None,
        })
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// An agent, automation, workload or human and its names.
    Agent(AgentFact),
    /// A run began.
    Run(RunFact),
    /// A token was minted for a run.
    Token(TokenFact),
    /// A tool.
    Tool(ToolFact),
    /// An edge.
    Edge(EdgeFact),
    /// A run or an agent is done: nothing standing may outlive the work (NEED-11).
    Complete {
        /// The run or agent.
        target: Alias,
    },
}

fn id(member: &'static str, s: &str) -> Result<(), Error> {
    let good = !s.is_empty() && s.len() <= 256 && !s.chars().any(char::is_control);
    if good { Ok(()) } else { Err(Error::Id(member)) }
}

fn time(member: &'static str, s: i64) -> Result<(), Error> {
    if (0..=253_402_300_799).contains(&s) { Ok(()) } else { Err(Error::Time(member)) }
}

fn alias(member: &'static str, a: &mut Alias) -> Result<(), Error> {
    *a = a.clone().checked().map_err(|source| Error::Alias { member, source })?;
    Ok(())
}

impl Fact {
    /// Checks the members by themselves and brings every alias into canonical form.
    pub fn checked(mut self) -> Result<Self, Error> {
        match &mut self {
            Self::Agent(f) => {
                id("id", &f.id)?;
                if f.aliases.len() > ALIASES_MAX {
                    return Err(Error::TooManyAliases);
                }
                f.aliases.iter_mut().try_for_each(|a| alias("aliases", a))?;
                if !matches!(f.class, Class::Agent | Class::Automation | Class::Workload | Class::Human) {
                    return Err(Error::Contradiction("class must be agent, automation, workload or human"));
                }
                if f.class == Class::Human && f.aliases.is_empty() {
                    return Err(Error::Contradiction("a human needs at least one alias"));
                }
            }
            Self::Run(f) => {
                id("id", &f.id)?;
                alias("agent", &mut f.agent)?;
                f.session.as_mut().map_or(Ok(()), |a| alias("session", a))?;
                f.on_behalf_of.as_mut().map_or(Ok(()), |a| alias("on_behalf_of", a))?;
                time("deadline", f.deadline)?;
                f.valid_from.map_or(Ok(()), |t| time("valid_from", t))?;
                if let Some(parent) = &f.parent {
                    id("parent", parent)?;
                    if *parent == f.id {
                        return Err(Error::Contradiction("a run cannot be its own parent"));
                    }
                }
                if f.valid_from.is_some_and(|from| from > f.deadline) {
                    return Err(Error::Contradiction("valid_from lies behind the deadline"));
                }
            }
            Self::Token(f) => {
                id("iss", &f.iss)?;
                id("jti", &f.jti)?;
                id("run", &f.run)?;
                time("iat", f.iat)?;
                time("exp", f.exp)?;
                f.aud.iter().try_for_each(|a| id("aud", a))?;
                if f.exp <= f.iat {
                    return Err(Error::Contradiction("exp must lie behind iat"));
                }
            }
            Self::Tool(f) => id("id", &f.id)?,
            Self::Edge(f) => {
                alias("from", &mut f.from)?;
                alias("to", &mut f.to)?;
                f.valid_from.map_or(Ok(()), |t| time("valid_from", t))?;
                f.valid_to.map_or(Ok(()), |t| time("valid_to", t))?;
                if f.from == f.to {
                    return Err(Error::Contradiction("an edge joins two different principals"));
                }
            }
            Self::Complete { target } => {
                alias("target", target)?;
                if !matches!(target.kind.as_str(), "run" | "agent") {
                    return Err(Error::Contradiction("only a run or an agent can be completed"));
                }
            }
        }
        Ok(self)
    }

    /// Every alias the fact names; their keyed hashes travel with the entry.
    pub fn aliases(&self) -> Vec<Alias> {
        let run = |id: &str| Alias::new("run", "", id);
        match self {
            Self::Agent(f) => {
                let own = if f.class == Class::Human { None } else { Some(agent_alias(&f.id)) };
                own.into_iter().chain(f.aliases.iter().cloned()).collect()
            }
            Self::Run(f) => {
                let some = [Some(run(&f.id)), Some(f.agent.clone()), f.parent.as_deref().map(run)];
                let more = [f.session.clone(), f.on_behalf_of.clone()];
                some.into_iter().chain(more).flatten().collect()
            }
            Self::Token(f) => vec![Alias::new("jti", &f.iss, &f.jti), run(&f.run)],
            Self::Tool(f) => vec![Alias::new("tool", "", &f.id)],
            Self::Edge(f) => vec![f.from.clone(), f.to.clone()],
            Self::Complete { target } => vec![target.clone()],
        }
    }
}

/// The alias under which an agent is registered: its id.
pub fn agent_alias(id: &str) -> Alias {
    Alias::new("agent", "", id)
}
