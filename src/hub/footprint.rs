//! How much the state may come to, from its own limits and the sizes of its own rows: for `check-config`.
//!
//! Beside the flow. Worst case: every row is as long as its limit allows, every node of a tree half empty. What no limit
//! bounds (lineage, records) is counted for a million.

use std::mem::size_of;
use std::sync::Arc;

use super::accounts::Accounts;
use super::effect::{Claims, Item};
use super::state::{
    DEAD_LETTERS_MAX, DeadLetter, ECHOES_MAX, Echo, IDEMPOTENCY_MAX, OWED_MAX, SEEN_MAX, Seen, Timer,
};
use super::subjects::Leaving;
use super::subjects::complex::Complex;
use super::subjects::lists::ListNo;
use crate::lineage::node::{Node, NodeId};
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::Standing;
use crate::stream::StreamNo;
use crate::stream::subject::SubjectHash;
use crate::tenant::Seq;

/// A node of a `BTreeMap` may be half empty; a `VecDeque` grows by doubling.
const SLACK: usize = 2;
/// Longest client id and `Idempotency-Key`, in bytes (`stream::is_id`, `api/facts.rs`).
const IDEMPOTENCY_TEXT: usize = 64 + 255;
/// Bytes of text with a lineage node and of a record beside what `size_of` sees: an id, an alias, a reason code.
const TEXT: usize = 128;
/// Bytes that the allocator adds to what lies by itself.
const ALLOCATED: usize = 16;
/// Members of each of a million complex subjects, at most: `2^3 - 2` times a million is all that there may be to look up. Those with
/// more take more rows to look up, which count by themselves.
const MEMBERS: usize = 3;
/// What no limit bounds is counted for so many.
pub const MILLION: usize = 1_000_000;

/// What a limit is for one of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Per {
    /// The whole hub.
    Hub,
    /// Each tenant.
    Tenant,
    /// Each upstream.
    Upstream,
    /// Each stream.
    Stream,
    /// Each subject that a stream may have.
    Subject,
    /// Each subject that may leave a stream after a while.
    Leaving,
    /// Each row by which a complex subject may be looked up.
    LookUp,
}

/// Rows of one sort.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What.
    pub what: &'static str,
    /// The limit: a constant, or the key that it hangs on.
    pub limit: &'static str,
    /// Rows at the limit.
    pub rows: usize,
    /// Bytes of one in memory.
    pub bytes: usize,
    /// For one of what.
    pub per: Per,
}

/// Everything that the state keeps. `set_bytes`: the longest SET (`limits.set_bytes`).
pub fn kept(set_bytes: usize) -> [Kept; 12] {
    let row = |key: usize, value: usize| SLACK * (key + value);
    let order = |item: usize| SLACK * item;
    let names = (size_of::<String>(), size_of::<(Seq, KeyHash)>());
    let idempotency = 2 * names.0 + IDEMPOTENCY_TEXT;
    let node = size_of::<NodeId>() + size_of::<Node>() + TEXT;
    let subject = size_of::<(SubjectHash, ListNo)>();
    let members = ALLOCATED + MEMBERS * size_of::<SubjectHash>();
    [
        Kept {
            what: "SETs seen",
            limit: "hub/state.rs SEEN_MAX",
            rows: SEEN_MAX,
            bytes: row(size_of::<KeyHash>(), size_of::<Seen>()) + order(size_of::<(Seq, i64, KeyHash)>()),
            per: Per::Upstream,
        },
        Kept {
            what: "events that went out",
            limit: "hub/state.rs ECHOES_MAX",
            rows: ECHOES_MAX,
            bytes: row(size_of::<KeyHash>(), size_of::<Echo>()) + order(size_of::<(Seq, KeyHash)>()),
            per: Per::Tenant,
        },
        Kept {
            what: "idempotency keys",
            limit: "hub/state.rs IDEMPOTENCY_MAX",
            rows: IDEMPOTENCY_MAX,
            bytes: row(idempotency, names.1) + order(idempotency),
            per: Per::Tenant,
        },
        Kept {
            what: "dead letters",
            limit: "hub/state.rs DEAD_LETTERS_MAX × limits.set_bytes",
            rows: DEAD_LETTERS_MAX,
            bytes: row(size_of::<(StreamNo, Item)>(), size_of::<DeadLetter>()) + set_bytes,
            per: Per::Tenant,
        },
        Kept {
            what: "owed to a stream, references",
            limit: "hub/state.rs OWED_MAX",
            rows: OWED_MAX,
            // In the state and in the outbox.
            bytes: 2 * row(size_of::<(StreamNo, Item)>(), size_of::<usize>()),
            per: Per::Stream,
        },
        Kept {
            what: "owed to a stream, SETs that no other is owed",
            limit: "hub/state.rs OWED_MAX × limits.set_bytes",
            rows: OWED_MAX,
            bytes: row(size_of::<Item>(), size_of::<Arc<Claims>>()) + size_of::<Claims>() + set_bytes,
            per: Per::Stream,
        },
        Kept {
            what: "subjects of streams",
            limit: "receiver.streams_max × receiver.subjects_max",
            rows: 1,
            // Complex ones are longer. Of those with more members fewer fit: they take more look-up rows.
            bytes: row(subject, size_of::<Complex>()) + members + row(subject, 0),
            per: Per::Subject,
        },
        Kept {
            what: "look-up rows of streams' complex subjects",
            limit: "receiver.streams_max × hub/subjects/complex.rs LOOK_UPS_MAX, or what subjects_max allows",
            rows: 1,
            bytes: row(subject, size_of::<u32>()),
            per: Per::LookUp,
        },
        Kept {
            what: "subjects that leave a stream after receiver.removal_grace_s",
            limit: "receiver.streams_max × receiver.subjects_max",
            rows: 1,
            bytes: row(subject, size_of::<Leaving>()) + members + row(size_of::<(i64, Timer)>(), 0),
            per: Per::Leaving,
        },
        Kept {
            what: "opt-outs, for a million names (no limit)",
            limit: "opt-in takes a name out",
            rows: MILLION,
            bytes: row(size_of::<KeyHash>(), Accounts::ROW_BYTES),
            per: Per::Tenant,
        },
        Kept {
            what: "lineage, for a million nodes (no limit)",
            limit: "lineage/graph.rs Limits",
            rows: MILLION,
            bytes: SLACK * node,
            per: Per::Tenant,
        },
        Kept {
            what: "revocation records, for a million (no limit)",
            limit: "max_token_lifetime_s, max_refresh_lifetime_s",
            rows: MILLION,
            // In the state and in the gate's set.
            bytes: 2
                * (row(size_of::<KeyHash>(), size_of::<(Kind, Vec<Standing>)>())
                    + size_of::<Standing>()
                    + TEXT),
            per: Per::Tenant,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_measured_and_longer_sets_take_more() {
        let (small, large) = (kept(4096), kept(65_536));
        for (a, b) in small.iter().zip(&large) {
            assert!(a.bytes >= 16 && a.rows > 0, "{}", a.what);
            assert_eq!(
                b.bytes - a.bytes,
                if a.limit.contains("set_bytes") { 61_440 } else { 0 },
                "{}",
                a.what
            );
        }
    }
}
