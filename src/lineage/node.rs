//! Nodes and links of the graph.

use serde::{Deserialize, Serialize};

use super::alias::Alias;
use crate::tenant::Seq;

/// A node's id: the sequence number of the entry that created it, and which of that entry's nodes it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The `n`-th node (of at most 256) that entry `seq` created.
    pub fn new(seq: Seq, n: u8) -> Self {
        Self(seq.0.saturating_mul(256).saturating_add(u64::from(n)))
    }
}

impl NodeId {
    /// The entry that created it.
    pub fn seq(self) -> Seq {
        Seq(self.0 / 256)
    }
}

/// What a principal is; exactly one of these (NEED-5). `Unknown` was only mentioned so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Named by somebody, registered by nobody.
    Unknown,
    /// A person.
    Human,
    /// An orchestrator, an assistant, a remediation bot.
    Agent,
    /// A pipeline or a scheduler.
    Automation,
    /// A service, a batch job.
    Workload,
    /// A connector, a plugin, an API.
    Tool,
    /// A device.
    Device,
    /// A login session.
    Session,
    /// One run of an agent.
    Run,
    /// One token.
    Token,
}

impl Class {
    /// The class as it is written in facts and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Automation => "automation",
            Self::Workload => "workload",
            Self::Tool => "tool",
            Self::Device => "device",
            Self::Session => "session",
            Self::Run => "run",
            Self::Token => "token",
        }
    }
}

/// How a node came to its end, the weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Not ended but suspended: a device fell out of compliance; the opposite signal takes it back.
    Suspended,
    /// A person logged out of a session: ends the interactive runs launched from it, and only those.
    LoggedOut,
    /// Its source said so.
    Completed,
    /// Its deadline passed.
    Deadline,
    /// A signal or something above it ended it.
    Revoked,
    /// The account was disabled; it may come back.
    Disabled,
    /// An operator killed it; it may be lifted.
    Killed,
}

impl How {
    /// Whether it can be taken back: by the opposite signal or by an operator's lift.
    pub fn is_reversible(self) -> bool {
        matches!(self, Self::Suspended | Self::Disabled | Self::Killed)
    }
}

/// A node's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct End {
    /// When (ms since 1970).
    pub at_ms: i64,
    /// The decision that ended it.
    pub seq: Seq,
    /// How.
    pub how: How,
}

/// What is known of a node beyond its class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Body {
    /// Nothing more.
    Plain,
    /// An agent.
    Agent {
        /// Who answers for it.
        owner: Option<String>,
        /// Which system it belongs to.
        system: Option<String>,
    },
    /// A run.
    Run {
        /// Whether a person sits in front of it: an ordinary logout ends only such runs.
        interactive: bool,
        /// Dead at the latest then (ms since 1970).
        deadline_ms: i64,
        /// From when it counts (ms since 1970).
        valid_from_ms: i64,
    },
    /// A token.
    Token {
        /// Its audience.
        aud: Vec<String>,
        /// Issued (s since 1970).
        iat_s: i64,
        /// Expires (s since 1970).
        exp_s: i64,
    },
    /// A tool.
    Tool {
        /// Who answers for it.
        owner: Option<String>,
        /// Whether a stale enforcement point must deny it.
        high_risk: bool,
    },
}

/// A principal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its one class.
    pub class: Class,
    /// The client that registered it; `None` while it was only mentioned.
    pub source: Option<Box<str>>,
    /// The name under which it is spoken of: the first alias it got.
    pub name: Alias,
    /// Details by class.
    pub body: Body,
    /// How it ended or was stopped: at most one per [`How`], the weakest first. Several can stand beside each
    /// other (disabled and killed), and each is taken back by its own opposite only.
    pub ends: Vec<End>,
}

impl Node {
    /// The strongest of its ends.
    pub fn end(&self) -> Option<&End> {
        self.ends.last()
    }

    /// Whether it ended for good.
    pub fn is_over(&self) -> bool {
        self.ends.iter().any(|end| !end.how.is_reversible())
    }

    /// Adds an end; the first of a kind stays.
    pub fn put_end(&mut self, end: End) -> bool {
        match self.ends.binary_search_by_key(&end.how, |old| old.how) {
            Ok(_) => false,
            Err(at) => {
                self.ends.insert(at, end);
                true
            }
        }
    }
}

/// Kinds of links. Each is stored from what is above to what is below: revoking what is above reaches
/// what is below (but see [`LinkKind::cascades`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// human → session
    SessionOf,
    /// device → session
    OnDevice,
    /// session → run
    LaunchedFrom,
    /// agent → run
    RunOf,
    /// run → run
    Spawned,
    /// human → run or token
    OnBehalfOf,
    /// workload → run
    RunsOn,
    /// run → token
    Minted,
    /// token → token
    ExchangedInto,
    /// tool → token
    PresentedTo,
    /// owner → agent or tool
    Owns,
    /// agent → tool
    MayUse,
}

impl LinkKind {
    /// Whether a revocation above reaches below.
    pub fn cascades(self) -> bool {
        !matches!(self, Self::Owns | Self::MayUse | Self::PresentedTo)
    }

    /// Every kind, in order.
    pub const ALL: [Self; 12] = [
        Self::SessionOf,
        Self::OnDevice,
        Self::LaunchedFrom,
        Self::RunOf,
        Self::Spawned,
        Self::OnBehalfOf,
        Self::RunsOn,
        Self::Minted,
        Self::ExchangedInto,
        Self::PresentedTo,
        Self::Owns,
        Self::MayUse,
    ];

    /// In words, for the path that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionOf => "session_of",
            Self::OnDevice => "on_device",
            Self::LaunchedFrom => "launched_from",
            Self::RunOf => "run_of",
            Self::Spawned => "spawned",
            Self::OnBehalfOf => "on_behalf_of",
            Self::RunsOn => "runs_on",
            Self::Minted => "minted",
            Self::ExchangedInto => "exchanged_into",
            Self::PresentedTo => "presented_to",
            Self::Owns => "owns",
            Self::MayUse => "may_use",
        }
    }

    /// Whether a principal of `class` may stand at the upper (`above`) or lower end.
    pub fn accepts(self, above: bool, class: Class) -> bool {
        if class == Class::Unknown {
            return true;
        }
        let acting = matches!(class, Class::Agent | Class::Automation | Class::Workload);
        match (self, above) {
            (Self::RunOf | Self::MayUse, true) => acting,
            (Self::RunsOn, true) => matches!(class, Class::Workload | Class::Automation),
            (Self::OnBehalfOf, false) => matches!(class, Class::Run | Class::Token),
            (Self::Owns, false) => acting || class == Class::Tool,
            (_, true) => self.classes().0 == class,
            (_, false) => self.classes().1 == class,
        }
    }

    /// The classes at its two ends (above, below), where they follow from the link.
    pub fn classes(self) -> (Class, Class) {
        match self {
            Self::SessionOf => (Class::Human, Class::Session),
            Self::OnDevice => (Class::Device, Class::Session),
            Self::LaunchedFrom => (Class::Session, Class::Run),
            Self::RunOf => (Class::Agent, Class::Run),
            Self::Spawned => (Class::Run, Class::Run),
            Self::OnBehalfOf => (Class::Human, Class::Run),
            Self::RunsOn => (Class::Workload, Class::Run),
            Self::Minted => (Class::Run, Class::Token),
            Self::ExchangedInto => (Class::Token, Class::Token),
            Self::PresentedTo => (Class::Tool, Class::Token),
            Self::Owns => (Class::Human, Class::Unknown),
            Self::MayUse => (Class::Agent, Class::Tool),
        }
    }
}

/// A link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The upper end.
    pub above: NodeId,
    /// What joins them.
    pub kind: LinkKind,
    /// The lower end.
    pub below: NodeId,
}

/// Since when and until when a link holds, and who said so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Validity {
    /// Holds from (ms since 1970).
    pub valid_from_ms: i64,
    /// Ended (ms since 1970). A link that ended still carries a revocation (LINEAGE, links that ended).
    pub valid_to_ms: Option<i64>,
    /// The client that asserted it; empty for the hub itself.
    pub source: Box<str>,
}
