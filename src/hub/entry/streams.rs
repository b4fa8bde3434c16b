//! What is journaled of a stream beside its configuration: its subjects, its status, its verification.
//!
//! Said by the receiver whose stream it is, by an operator, or by the hub itself (`by` tells which). The payloads of
//! entry kinds 12, 13 and 14.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::stream::StreamNo;
use crate::stream::status::Status;

/// A subject was added to a stream or removed from it (SSF 1.0, 8.1.3.2 and 8.1.3.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subjects {
    /// Which stream.
    pub stream: StreamNo,
    /// Added, or removed.
    pub add: bool,
    /// The subject, as it was said.
    pub subject: Box<RawValue>,
    /// By whom.
    pub by: String,
    /// A removed subject is still in the stream for so long (ms).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grace_ms: i64,
}

/// The status of a stream was changed (SSF 1.0, 8.1.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusChange {
    /// Which stream.
    pub stream: StreamNo,
    /// The new status.
    pub status: Status,
    /// Why, for the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By whom.
    pub by: String,
    /// Not asked for by the receiver: a stream-updated event tells it. One that stops does so once the event has
    /// arrived, or after so long (ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announce_ms: Option<i64>,
    /// `txn` of that event.
    pub txn: String,
}

/// A verification event is to go out (SSF 1.0, 8.1.4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Control {
    /// On which stream.
    pub stream: StreamNo,
    /// By whom: the receiver, or the hub for keep-alive.
    pub by: String,
    /// The receiver's `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `txn` of the event.
    pub txn: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}
