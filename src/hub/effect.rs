//! What follows from an entry outside the state: acted on only behind the durable mark (DESIGN 3).
//!
//! `apply` returns effects, the sequencer hands them to the [`Sink`] after the flush; `app` wires the sink
//! to the outbox, the revocation sets and the metrics. Never carries a secret.

use std::sync::Arc;

use super::accounts::{Opted, Word};
use super::entry::Fate;
use crate::revocation::key::KeyHash;
use crate::revocation::record::{Record, Standing};
use crate::revocation::set::Lineage;
use crate::stream::{Stream, StreamNo};
use crate::tenant::{Seq, TenantId};

/// One thing that can be owed: index 0 of a cause is the signal itself, 1… what lineage added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Item {
    /// The cause.
    pub seq: Seq,
    /// Which of its events.
    pub index: u32,
}

impl Item {
    /// Before every other.
    pub const FIRST: Self = Self { seq: Seq(0), index: 0 };
    /// Behind every other.
    pub const LAST: Self = Self { seq: Seq(u64::MAX), index: u32::MAX };
}

/// The claims of something owed that do not depend on who gets it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    /// Event type URI.
    pub uri: String,
    /// `sub_id` as JSON text.
    pub sub_id: String,
    /// The event object as JSON text.
    pub event: String,
    /// `txn`.
    pub txn: String,
    /// `toe` (s since 1970).
    pub toe: Option<i64>,
    /// `iat`: entry time in seconds.
    pub iat: i64,
    /// When the hub accepted the cause (ms since 1970).
    pub accepted_ms: i64,
    /// What order is kept within: a hash of the subject.
    pub subject: u64,
}

/// Whether SETs flow on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Flow {
    /// They do.
    #[default]
    Open,
    /// Only this one: it tells the receiver that the stream stops.
    Only(Item),
    /// None does; what is owed waits.
    Shut,
}

/// A received SET as its issuer signed it, held while a relay stream is owed it or has it as a dead letter.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Original {
    /// Its own `jti`.
    pub jti: String,
    /// The compact JWS, byte for byte.
    pub compact: String,
}

/// One effect.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Streams are owed something.
    Owed {
        /// What.
        item: Item,
        /// Its claims.
        claims: Arc<Claims>,
        /// Which streams, in the order of their numbers.
        streams: Arc<[StreamNo]>,
    },
    /// A delivery is over.
    Settled {
        /// Which stream.
        stream: StreamNo,
        /// What.
        item: Item,
        /// How it went.
        fate: Fate,
    },
    /// What was owed is owed no longer: the stream was disabled.
    Dropped {
        /// Which stream.
        stream: StreamNo,
        /// What.
        item: Item,
    },
    /// More was owed to a stream than it may have: its oldest became a dead letter.
    Overfull {
        /// Which stream.
        stream: StreamNo,
    },
    /// So many dead letters are kept already: this one is not, only its outcome is journaled.
    Unkept {
        /// Whose it would have been.
        stream: StreamNo,
    },
    /// A stream stops without its receiver having heard so: the event that says it is a dead letter.
    Unannounced {
        /// Which stream.
        stream: StreamNo,
    },
    /// Streams wanted an item and are not owed it: its account has opted out (RISC 2.8).
    Withheld {
        /// What.
        item: Item,
        /// How many streams.
        streams: usize,
    },
    /// An opt event came for which the account's state has no transition; it holds all the same (RISC 2.8).
    Undefined {
        /// Its entry.
        seq: Seq,
        /// The state that it came in.
        from: Opted,
        /// What it said.
        word: Word,
    },
    /// The original of an item is held for relay streams, or no longer. Comes ahead of what is owed of it.
    Original {
        /// Which item.
        item: Item,
        /// The original; `None` when it is held no longer.
        original: Option<Arc<Original>>,
    },
    /// A stream was made or changed.
    Stream {
        /// Its number.
        no: StreamNo,
        /// Its configuration; `None` when it was taken away.
        stream: Option<Arc<Stream>>,
    },
    /// Whether SETs flow on a stream changed.
    Flow {
        /// Which stream.
        stream: StreamNo,
        /// How it is now.
        flow: Flow,
    },
    /// What stands under a revocation key changed; an empty list clears it.
    Standing {
        /// The key.
        key: KeyHash,
        /// What stands.
        standing: Vec<Standing>,
    },
    /// A record was written (what Kafka's `revocations` carries).
    Recorded {
        /// Whose entry.
        seq: Seq,
        /// The record.
        record: Record,
    },
    /// A token became known, or was forgotten.
    Token {
        /// Its `jti` key.
        key: KeyHash,
        /// The keys of its ancestors.
        lineage: Option<Lineage>,
    },
    /// An object was made, changed or taken away: views are built anew.
    Objects,
    /// A tenant was made.
    Tenant(TenantId),
}

/// Where effects go.
pub trait Sink: Send + Sync + 'static {
    /// Objects of a tenant changed: what is built from them is built anew. Called ahead of the effects.
    fn objects(&self, state: &super::state::State);
    /// Everything before this position is durable. Called ahead of the effects.
    fn durable(&self, end: crate::journal::Position);
    /// Acts on the effects of one tenant, in order. Must not block.
    fn publish(&self, tenant: &TenantId, effects: Vec<Effect>);
    /// Something happened to the hub itself that an operator wants to know. Must not block.
    fn noted(&self, kind: &'static str, what: &str);
}
