//! What the rows of a tenant's state hold.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effect::{Claims, Original};
use super::object::{Object, Strength};
use crate::lineage::node::NodeId;
use crate::revocation::key::KeyHash;
use crate::stream::StreamNo;
use crate::stream::subject::SubjectHash;
use crate::tenant::Seq;

/// An object and what the hub keeps with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The object; a row holds it as JSON, for its members may come and go.
    #[serde(with = "as_json")]
    pub object: Object,
    /// Who made or last changed it: an operator, or `file`.
    pub by: String,
    /// Its number within the tenant, never used again.
    pub no: u32,
}

mod as_json {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::hub::object::Object;

    pub fn serialize<S: Serializer>(object: &Object, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&serde_json::to_string(object).map_err(serde::ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Object, D::Error> {
        serde_json::from_str(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// A SET that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// By which upstream (its number).
    pub upstream: u32,
    /// When (ms since 1970).
    pub at_ms: i64,
    /// Its entry.
    pub seq: Seq,
    /// Hash of its decoded payload.
    pub payload: KeyHash,
}

/// An event that went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// With which entry.
    pub seq: Seq,
    /// What it might cause, and the hash of the names it was said of; `None` where the hub added it itself.
    pub said: Option<(Strength, KeyHash)>,
}

impl Echo {
    /// Whether the same event of another source may still change something (ADR 0010).
    pub fn leaves_room_for(&self, strength: Strength, names: KeyHash) -> bool {
        self.said
            .is_some_and(|(before, said_of)| strength > before || (strength == before && names != said_of))
    }
}

/// What waits for its time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Timer {
    /// A run's deadline.
    Deadline(NodeId),
    /// A record under this key expires. No row: it follows from what stands there.
    Expiry(KeyHash),
    /// A known token expired, or a run ended long ago: it may be forgotten.
    Forget(NodeId),
    /// A stream that was told that it stops does so, whether or not the receiver heard it.
    Stop(StreamNo),
    /// The grace of a removed subject is over.
    Leave(StreamNo, SubjectHash),
}

/// Something a receiver refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Why, as told by the transmitter.
    pub why: String,
    /// When (ms since 1970).
    pub at_ms: i64,
    /// The claims that were not delivered.
    pub claims: Claims,
}

/// An original that relay streams are owed, or have as a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOriginal {
    /// The original.
    pub original: Arc<Original>,
    /// By how many streams it is held.
    pub held: u32,
}

/// What is not in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub seq: Seq,
    pub time_ms: i64,
    pub next_no: u32,
    /// The last entry was an input; its decision, if it has one, is the next entry.
    pub undecided: bool,
}
