//! Decisions, as they are journaled.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lineage::alias::Alias;
use crate::lineage::node::{How, NodeId};
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::{Basis, Effect, Record, Until};
use crate::tenant::Seq;

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

impl Touched {
    /// Whether a human must look: not all of it is enumerated, or it may be more than was meant.
    pub fn is_doubtful(&self) -> bool {
        self.truncated || self.ambiguous || self.left_out > 0
    }
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
