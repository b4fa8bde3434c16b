//! What a walk found, as plain data: all that `policy` sees of the graph.
//!
//! In the flow: `walk` fills it, `policy::conclude` turns it into records, ends and derived events. Holds no
//! reference into the graph and judges nothing.

use super::alias::Alias;
use super::keyed::Named;
use super::node::{Class, End, How, NodeId};

/// A principal at which a walk began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub node: NodeId,
    /// Its class.
    pub class: Class,
    /// All its names.
    pub names: Vec<Named>,
    /// Its own ends.
    pub ends: Vec<End>,
    /// When its last token dies by itself, where that is known (ms since 1970).
    pub until_ms: Option<i64>,
    /// No run spawned it.
    pub root: bool,
}

/// A session that was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub node: NodeId,
    /// All its names.
    pub names: Vec<Named>,
    /// What it was dead of already, itself or from above.
    pub dead: Option<How>,
    /// Its own ends.
    pub ends: Vec<How>,
    /// Whose it is, if known.
    pub user: Option<Alias>,
}

/// A run that was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub node: NodeId,
    /// Its name and keys.
    pub name: Named,
    /// Reached from outside, not through the run that spawned it.
    pub top: bool,
    /// No run spawned it: its `root_run` key covers all below.
    pub root: bool,
    /// Below a touched root.
    pub covered: bool,
    /// It spawned runs.
    pub branches: bool,
    /// What it was dead of already, itself or from above.
    pub dead: Option<How>,
    /// Its own ends.
    pub ends: Vec<How>,
    /// When nobody mints for it any more (ms since 1970), if it was registered.
    pub deadline_ms: Option<i64>,
    /// Its agent by issuer and subject, if it has such a name.
    pub agent: Option<Alias>,
    /// The person behind it, if known.
    pub user: Option<Alias>,
}

/// A known token that was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which.
    pub node: NodeId,
    /// Its name and keys.
    pub name: Named,
    /// Reached from outside: neither through its run nor through the token it was exchanged for.
    pub top: bool,
    /// Below a touched run, whose keys it brings along.
    pub of_run: bool,
    /// It is known for which run it was minted.
    pub minted: bool,
    /// What it was dead of already.
    pub dead: Option<How>,
    /// Its own ends.
    pub ends: Vec<How>,
    /// When it expires (ms since 1970), if it was registered.
    pub until_ms: Option<i64>,
}

/// What a signal touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Where the walk began.
    pub starts: Vec<Start>,
    /// Sessions below, the starts not among them.
    pub sessions: Vec<Session>,
    /// Runs, the nearest first.
    pub runs: Vec<Run>,
    /// Known tokens, the nearest first.
    pub tokens: Vec<Token>,
    /// The way, one line a step, for people; the first of it, if it is long.
    pub path: Vec<String>,
    /// The walk met a bound: what is above is not all.
    pub truncated: bool,
    /// Where it was cut, the first of them.
    pub residual: Vec<Named>,
    /// When it was cut: the roots of touched runs that were spawned by others. No key of a touched run covers
    /// what was not seen below it if it carries its root only, so these are suspended until a human answers
    /// (LINEAGE 1.3, rule 4). Never an agent or more.
    pub suspend: Vec<Named>,
}
