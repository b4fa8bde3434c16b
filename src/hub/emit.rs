//! What an operator says himself: the entry, the command before it and the answer behind it.
//!
//! In the flow: `api` checks the words (`set::emission`), the spine gives them a place and a `txn`, the fold owes them.
//! Saying is not stopping: an emitted event makes no decision and writes no record; a kill does.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::revocation::key::KeyHash;
use crate::stream::StreamNo;
use crate::tenant::EntryId;

/// An event that an operator emitted, as it is journaled. What it is owed as is index 0 of its entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emit {
    /// Who.
    pub by: String,
    /// Event type URI.
    pub uri: String,
    /// `sub_id`.
    pub sub_id: Box<RawValue>,
    /// The event object.
    pub event: Box<RawValue>,
    /// Its `txn`: the operator's, or the one that the hub gave (`names::txn`).
    pub txn: String,
    /// Its `toe`, if it has one (s since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toe: Option<i64>,
    /// The one stream that it is for; `None`: every stream that wants its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamNo>,
    /// What its echo is known by (`names::echo`).
    pub echo: KeyHash,
}

/// The same before it has a place in the journal.
#[derive(Debug)]
pub struct EmitDraft {
    /// Who.
    pub by: String,
    /// Event type URI.
    pub uri: String,
    /// `sub_id`.
    pub sub_id: Box<RawValue>,
    /// The event object.
    pub event: Box<RawValue>,
    /// What it says, whoever says it (`names::event_hash`).
    pub event_hash: KeyHash,
    /// `txn`, if the operator gave one.
    pub txn: Option<String>,
    /// `toe`, if he gave one (s since 1970).
    pub toe: Option<i64>,
    /// The id of the one stream that it is for.
    pub stream_id: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Its entry; the earlier one where the same was said before.
    pub id: EntryId,
    /// Its `txn`.
    pub txn: String,
    /// The streams that are owed it, by number.
    pub owed: Vec<StreamNo>,
    /// How many streams want it and are not owed it: its account has opted out.
    pub withheld: usize,
    /// The same was said under this `txn` before: nothing was written.
    pub no_change: bool,
}
