//! What the journal holds: inputs (what was said), decisions (what was concluded), outcomes (what became
//! of it).
//!
//! In the flow: `receiver`, `api` and the outbox make inputs and outcomes, `decide` makes decisions, the
//! sequencer journals them, `apply` folds them. Payloads are JSON; the kind stands in the entry header,
//! with the format version. Released formats are never broken: members may be added with a default.

mod code;
mod decision;
pub mod streams;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::code::Error;
pub use self::decision::{Decision, Derived, Lifted, Touched};
use super::emit::Emit;
use super::object::{Object, ObjectKind};
use super::restored::Restored;
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
pub use crate::lineage::keyed::Named;
use crate::lineage::subject::Facet;
use crate::revocation::key::KeyHash;
use crate::set::dialect::Dialect;
use crate::set::event::Event;
use crate::set::sub_id::SubId;
use crate::stream::StreamNo;
use crate::tenant::Seq;

/// The format version of the payloads written by this build.
pub const VERSION: u16 = 1;

/// Where a received SET goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// To every stream that wants it, and it may cause decisions.
    Forward,
    /// A verification or stream-updated event: recorded, never forwarded.
    Control,
    /// Beyond the upstream's authority: recorded and marked, goes nowhere, no effect.
    Beyond,
    /// The same (txn, type, subject, event) already went out: recorded, goes nowhere (DESIGN 6).
    Echo,
    /// As an echo it goes nowhere, but it may cause decisions: what went out before came from a source that may do
    /// less, or knows the subject by other names (ADR 0010).
    Heard,
}

impl Route {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Control => "control",
            Self::Beyond => "beyond",
            Self::Echo => "echo",
            Self::Heard => "heard",
        }
    }
}

/// A received SET.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetInput {
    /// By whom it was pushed.
    pub upstream: String,
    /// Its `iss`.
    pub iss: String,
    /// Its `jti`.
    pub jti: String,
    /// The original, as evidence.
    pub compact: String,
    /// SHA-256 of its decoded payload, first 16 bytes.
    pub payload_hash: KeyHash,
    /// Event type URI.
    pub uri: String,
    /// `sub_id`, as received.
    pub sub_id: Box<RawValue>,
    /// The event object, as received.
    pub event: Box<RawValue>,
    /// Its `txn`; where it had none, the one that the hub gave the cause (`names::txn`).
    pub txn: String,
    /// Its `toe`, if it had one (s since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toe: Option<i64>,
    /// The dialect says: every session of this user, by an admin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_sessions: bool,
    /// Where it goes.
    pub route: Route,
    /// Hash of (txn, type, subject, event): what an echo is known by.
    pub echo: KeyHash,
    /// The names in its subject.
    pub names: Vec<Named>,
    /// What the door read in it; not journaled. Who reads the entry back reads `sub_id` and `event` again.
    #[serde(skip)]
    pub read: Option<Box<Read>>,
}

/// A SET's event as the door read it.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its subject.
    pub sub_id: SubId,
    /// The names in it, by role (`lineage::subject::facets`).
    pub facets: Vec<(Facet, Alias)>,
    /// The event.
    pub event: Event,
    /// In which dialect the event was read.
    pub dialect: Dialect,
}

/// A fact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FactInput {
    /// The authenticated client that said it.
    pub client: String,
    /// What it said.
    pub fact: Fact,
    /// Hashes of the fact's aliases, in the order of [`Fact::aliases`].
    pub hashes: Vec<Vec<KeyHash>>,
    /// `Idempotency-Key`, if it sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// A kill or a lift by an operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Act {
    /// Who.
    pub by: String,
    /// Whom.
    pub target: Named,
    /// Why, in the operator's words; never leaves the hub.
    pub reason: String,
}

/// A signing key set of an upstream, kept as evidence on first use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuerKeys {
    /// Whose.
    pub upstream: String,
    /// The JWK Set as fetched.
    pub jwks: String,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Fate {
    /// The receiver acknowledged it.
    #[serde(rename = "d")]
    Delivered,
    /// The receiver refused it for good, or it was tried too often: a dead letter.
    #[serde(rename = "g")]
    GaveUp,
}

/// A terminal outcome: `(stream, seq, index, fate, why)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome(pub StreamNo, pub Seq, pub u32, pub Fate, #[serde(default)] pub Option<Box<str>>);

/// Dead letters that an operator sends again, or throws away. At most [`REDRIVE_MAX`]: more are several entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// Who.
    pub by: String,
    /// Which: `(stream, seq, index)`.
    pub items: Vec<(StreamNo, Seq, u32)>,
    /// Whether they are thrown away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discard: bool,
}

/// Dead letters in one entry.
pub const REDRIVE_MAX: usize = 500;

/// An entry's payload.
#[derive(Clone, Debug)]
pub enum Body {
    /// An object was made or changed.
    Put {
        /// The object.
        object: Object,
        /// By whom: an operator, or `file`.
        by: String,
    },
    /// An object was taken away.
    Remove {
        /// Its kind.
        kind: ObjectKind,
        /// Its id.
        id: String,
        /// By whom.
        by: String,
    },
    /// Evidence: an upstream's keys.
    Keys(IssuerKeys),
    /// A SET was received.
    Set(SetInput),
    /// A fact was told.
    Fact(FactInput),
    /// A kill.
    Kill(Act),
    /// A lift.
    Lift(Act),
    /// A decision.
    Decision(Decision),
    /// Outcomes of deliveries.
    Outcomes(Vec<Outcome>),
    /// Time passed: a timer was due and nothing else came.
    Tick,
    /// An operator accepted a leap of the wall clock.
    ClockAccepted {
        /// Who.
        by: String,
    },
    /// A subject was added to a stream, or removed.
    Subjects(streams::Subjects),
    /// The status of a stream was changed.
    Status(streams::StatusChange),
    /// A verification event is to go out.
    Control(streams::Control),
    /// An operator said something himself.
    Emit(Emit),
    /// The journal goes on from a backup of another one.
    Restored(Restored),
    /// An operator sends dead letters again.
    Redrive(Redrive),
}

impl Body {
    /// The kind, as it stands in the entry header. Released; never renumbered.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Put { .. } => 1,
            Self::Remove { .. } => 2,
            Self::Keys(_) => 3,
            Self::Set(_) => 4,
            Self::Fact(_) => 5,
            Self::Kill(_) => 6,
            Self::Lift(_) => 7,
            Self::Decision(_) => 8,
            Self::Outcomes(_) => 9,
            Self::Tick => 10,
            Self::ClockAccepted { .. } => 11,
            Self::Subjects(_) => 12,
            Self::Status(_) => 13,
            Self::Control(_) => 14,
            Self::Emit(_) => 15,
            Self::Restored(_) => 17,
            Self::Redrive(_) => 16,
        }
    }

    /// The kind in words, for logs and `why`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put",
            Self::Remove { .. } => "remove",
            Self::Keys(_) => "keys",
            Self::Set(_) => "set",
            Self::Fact(_) => "fact",
            Self::Kill(_) => "kill",
            Self::Lift(_) => "lift",
            Self::Decision(_) => "decision",
            Self::Outcomes(_) => "outcomes",
            Self::Tick => "tick",
            Self::ClockAccepted { .. } => "clock_accepted",
            Self::Subjects(_) => "subjects",
            Self::Status(_) => "status",
            Self::Control(_) => "control",
            Self::Emit(_) => "emit",
            Self::Restored(_) => "restored",
            Self::Redrive(_) => "redrive",
        }
    }
}
