//! What the journal holds: inputs (what was said), decisions (what was concluded), outcomes (what became
//! of it).
//!
//! In the flow: `receiver`, `api` and the outbox make inputs and outcomes, `decide` makes decisions, the
//! sequencer journals them, `apply` folds them. Payloads are JSON; the kind stands in the entry header,
//! with the format version. Released formats are never broken: members may be added with a default.

pub mod streams;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::object::{Object, ObjectKind};
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
pub use crate::lineage::keyed::Named;
use crate::lineage::node::{How, NodeId};
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::{Basis, Effect, Record, Until};
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

/// An event that lineage adds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Derived {
    /// Event type URI.
    pub uri: String,
    /// `sub_id`.
    pub sub_id: Box<RawValue>,
    /// The event object.
    pub event: Box<RawValue>,
    /// What its echo is known by (`names::echo`).
    pub echo: KeyHash,
}

/// A record taken back: what stands on this basis under the key becomes a watermark at `at_ms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Kind of key.
    pub kind: Kind,
    /// The key.
    pub key: KeyHash,
    /// Which basis.
    pub basis: Basis,
    /// Tokens issued up to then stay dead (ms since 1970).
    pub at_ms: i64,
    /// When that watermark expires (ms since 1970).
    pub expires_at: i64,
}

/// How far a decision reaches, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Runs that must stop.
    pub runs: u32,
    /// Known tokens that must stop.
    pub tokens: u32,
    /// Whether the walk was cut at a bound.
    #[serde(default)]
    pub truncated: bool,
    /// Whether the subject named several principals: all of them are meant (LINEAGE 1.3, rule 3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
    /// Records and derived events beyond the limits of one decision.
    #[serde(default)]
    pub left_out: u32,
}

/// What was concluded from an input. Carries everything that apply needs: no rule is evaluated again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// The input.
    pub cause: Seq,
    /// The `txn` of the cause.
    pub txn: String,
    /// Which rule in which version.
    pub rule: String,
    /// The reason code (`policy::reason`).
    pub reason_code: String,
    /// The way through the graph, one line a step, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// What becomes dead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// What is taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifted: Vec<Lifted>,
    /// Nodes that end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<(NodeId, How)>,
    /// Ends that are taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revived: Vec<(NodeId, How)>,
    /// Names that whoever had them has no longer: the next to register one is somebody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Alias>,
    /// What lineage adds; index 1… of the cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<Derived>,
    /// In numbers.
    #[serde(default)]
    pub touched: Touched,
    /// Where a walk was cut: what hangs below is not enumerated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residual: Vec<String>,
}

impl Lifted {
    /// The record that it leaves: what was issued up to the lift stays dead.
    pub fn left(&self) -> Record {
        Record {
            kind: self.kind,
            key: self.key,
            until: Until::Watermark(self.at_ms),
            effect: Effect::Deny,
            basis: Basis::Issued,
            reason_code: "lifted".into(),
            expires_at: Some(self.expires_at),
        }
    }
}

impl Decision {
    /// At least so many bytes it takes in an entry.
    pub fn weight(&self) -> usize {
        let derived =
            self.derived.iter().map(|d| 200 + d.uri.len() + d.sub_id.get().len() + d.event.get().len());
        let texts = self.path.iter().chain(&self.residual).map(|line| 2 * line.len() + 8);
        let rows =
            300 * self.records.len() + 150 * self.lifted.len() + 40 * (self.ends.len() + self.revived.len());
        1000 + rows + derived.sum::<usize>() + texts.sum::<usize>()
    }
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
}

/// A payload cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kind or version that this build does not know.
    #[error("entry kind {kind} in format version {version} is not known to this build")]
    Unknown {
        /// The kind.
        kind: u8,
        /// The version.
        version: u16,
    },
    /// The JSON does not fit.
    #[error("an entry of kind {kind} cannot be read: {source}")]
    Payload {
        /// The kind.
        kind: u8,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Put {
    object: Object,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct Remove {
    kind: ObjectKind,
    id: String,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct By {
    by: String,
}

/// As JSON, into memory that is asked for once: `about` so many bytes.
fn json(value: &impl Serialize, about: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(about);
    serde_json::to_writer(&mut out, value)?;
    Ok(out)
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
        }
    }

    /// The payload's bytes.
    pub fn to_vec(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Put { object, by } => serde_json::to_vec(&Put { object: object.clone(), by: by.clone() }),
            Self::Remove { kind, id, by } => {
                serde_json::to_vec(&Remove { kind: *kind, id: id.clone(), by: by.clone() })
            }
            Self::Keys(b) => serde_json::to_vec(b),
            Self::Set(b) => {
                let names: usize = b.names.iter().map(|n| 120 + 25 * n.hashes.len()).sum();
                json(b, 600 + b.compact.len() + b.sub_id.get().len() + b.event.get().len() + names)
            }
            Self::Fact(b) => serde_json::to_vec(b),
            Self::Kill(b) | Self::Lift(b) => serde_json::to_vec(b),
            Self::Decision(b) => json(b, 600 + 200 * b.records.len() + 600 * b.derived.len()),
            Self::Outcomes(b) => serde_json::to_vec(b),
            Self::Tick => Ok(Vec::new()),
            Self::ClockAccepted { by } => serde_json::to_vec(&By { by: by.clone() }),
            Self::Subjects(b) => serde_json::to_vec(b),
            Self::Status(b) => serde_json::to_vec(b),
            Self::Control(b) => serde_json::to_vec(b),
        }
    }

    /// Reads a payload back.
    pub fn parse(kind: u8, version: u16, bytes: &[u8]) -> Result<Self, Error> {
        if version != VERSION {
            return Err(Error::Unknown { kind, version });
        }
        let bad = |source| Error::Payload { kind, source };
        Ok(match kind {
            1 => {
                let Put { object, by } = serde_json::from_slice(bytes).map_err(bad)?;
                Self::Put { object, by }
            }
            2 => {
                let Remove { kind: of, id, by } = serde_json::from_slice(bytes).map_err(bad)?;
                Self::Remove { kind: of, id, by }
            }
            3 => Self::Keys(serde_json::from_slice(bytes).map_err(bad)?),
            4 => Self::Set(serde_json::from_slice(bytes).map_err(bad)?),
            5 => Self::Fact(serde_json::from_slice(bytes).map_err(bad)?),
            6 => Self::Kill(serde_json::from_slice(bytes).map_err(bad)?),
            7 => Self::Lift(serde_json::from_slice(bytes).map_err(bad)?),
            8 => Self::Decision(serde_json::from_slice(bytes).map_err(bad)?),
            9 => Self::Outcomes(serde_json::from_slice(bytes).map_err(bad)?),
            10 => Self::Tick,
            11 => Self::ClockAccepted { by: serde_json::from_slice::<By>(bytes).map_err(bad)?.by },
            12 => Self::Subjects(serde_json::from_slice(bytes).map_err(bad)?),
            13 => Self::Status(serde_json::from_slice(bytes).map_err(bad)?),
            14 => Self::Control(serde_json::from_slice(bytes).map_err(bad)?),
            _ => return Err(Error::Unknown { kind, version }),
        })
    }
}
