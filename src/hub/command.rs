//! What the sequencer is asked to do, and what it answers.
//!
//! Every answer is sent behind the durable mark. A command that is refused changes nothing.

use tokio::sync::oneshot;

use super::base::Snapshot;
use super::effect::Item;
use super::emit::{EmitDraft, Emitted};
use super::entry::{Act, FactInput, IssuerKeys, Named, Outcome, Read, Route, Touched};
use super::object::{self, Object, ObjectKind};
use super::spine::Spine;
use super::subjects::complex::Unfit;
use crate::lineage::check::Conflict;
use crate::revocation::key::KeyHash;
use crate::stream::StreamNo;
use crate::stream::status::Status;
use crate::tenant::{EntryId, TenantId};

/// Why the hub does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such tenant.
    #[error("there is no such tenant")]
    NoTenant,
    /// The disk has no room for another segment; only kills, lifts and outcomes are still written.
    #[error("intake is closed: the disk is full")]
    DiskFull,
    /// The wall clock leapt; intake is closed until it is back or an operator accepts it.
    #[error("intake is closed: the wall clock leapt")]
    ClockLeapt,
    /// More requests wait than the limit allows.
    #[error("too many requests are waiting")]
    Busy,
    /// The hub is shutting down, or the journal failed.
    #[error("the hub is stopping")]
    Stopping,
    /// An object that does not hold by itself.
    #[error(transparent)]
    Object(#[from] object::Error),
    /// An object that does not fit those that exist.
    #[error("{0}")]
    Unfit(String),
    /// A file holds the object: it is changed there.
    #[error("this object is in {0}: change it there; taken out of it, the next start leaves it to the API")]
    Owned(String),
    /// An operator holds the object: what a client may not change, and need not know more of.
    #[error("this is not the client's to change")]
    NotTheClients,
    /// Of several objects, which one is meant.
    #[error("{0}: {1}")]
    Of(String, Box<Refused>),
    /// No such object.
    #[error("there is no such {}", .0.collection())]
    NoObject(ObjectKind),
    /// A fact that contradicts what is known.
    #[error(transparent)]
    Fact(#[from] Conflict),
    /// The idempotency key was used for something else.
    #[error("this Idempotency-Key was used for another fact")]
    IdempotencyKey,
    /// A stream has as many subjects as it may.
    #[error("the stream has as many subjects as it may")]
    SubjectsMax,
    /// A complex subject that is beyond what a receiver may have.
    #[error(transparent)]
    Subject(#[from] Unfit),
    /// A receiver has as many streams as it may.
    #[error("this receiver has as many streams as it may")]
    StreamsMax,
    /// Nothing is known under the name.
    #[error("nothing is known under this name")]
    Unknown,
    /// The entry is larger than a journal segment may take.
    #[error("the entry is too large")]
    TooLarge,
}

impl Refused {
    /// The same, with the object that is meant.
    pub fn of(self, object: &Object) -> Self {
        Self::Of(format!("{}/{}", object.kind().collection(), object.id()), Box::new(self))
    }
}

/// A verified SET on its way into the journal.
#[derive(Debug)]
pub struct SetDraft {
    /// The upstream's id.
    pub upstream: String,
    /// `iss`.
    pub iss: String,
    /// `jti`.
    pub jti: String,
    /// The original.
    pub compact: String,
    /// Hash of the decoded payload.
    pub payload_hash: KeyHash,
    /// Event type URI.
    pub uri: String,
    /// `sub_id` as received.
    pub sub_id: Box<serde_json::value::RawValue>,
    /// The event object as received.
    pub event: Box<serde_json::value::RawValue>,
    /// What it says, whoever says it (`names::event_hash`).
    pub event_hash: KeyHash,
    /// `txn`, if it had one.
    pub txn: Option<String>,
    /// `toe`, if it had one (s since 1970).
    pub toe: Option<i64>,
    /// The dialect says: every session of this user, by an admin.
    pub all_sessions: bool,
    /// Forward, control or beyond; whether it is an echo is seen by the sequencer.
    pub route: Route,
    /// The names in its subject.
    pub names: Vec<Named>,
    /// What was read in it on the way here, lest it is read again.
    pub read: Option<Box<Read>>,
}

/// What was concluded from an input, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concluded {
    /// The decision.
    pub id: EntryId,
    /// Its reason code.
    pub reason_code: String,
    /// How far it reaches.
    pub touched: Touched,
}

/// What became of a SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetAnswer {
    /// It is journaled.
    Accepted {
        /// Its entry.
        id: EntryId,
        /// Its `txn`.
        txn: String,
        /// Where it goes.
        route: Route,
        /// What stops or goes on by it, if anything does.
        concluded: Option<Concluded>,
    },
    /// It was seen before; nothing happens again.
    Duplicate,
    /// Its `jti` was seen with another payload.
    Conflict,
}

/// What became of a fact, a kill or a lift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The entry.
    pub id: EntryId,
    /// The decision's entry, if one followed.
    pub decision: Option<EntryId>,
    /// How far it reached.
    pub touched: Touched,
    /// Whether the fact said nothing new, or the act asked for what already holds.
    pub no_change: bool,
    /// Born revoked: something above it is already dead.
    pub born_revoked: bool,
}

/// Which dead letters are meant. What is not said is not asked about: nothing said means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Those of this stream.
    pub stream: Option<StreamNo>,
    /// One of these: what a `jti` names, for each stream that has it.
    pub items: Option<Vec<(StreamNo, Item)>>,
    /// Those with this reason.
    pub reason: Option<String>,
    /// Those behind this one.
    pub after: Option<(StreamNo, Item)>,
    /// Whether they are thrown away, not sent again.
    pub discard: bool,
}

impl Which {
    /// Whether it means this one; where it begins is the caller's.
    pub fn means(&self, stream: StreamNo, item: Item, why: &str) -> bool {
        self.stream.is_none_or(|no| no == stream)
            && self.items.as_ref().is_none_or(|all| all.contains(&(stream, item)))
            && self.reason.as_ref().is_none_or(|reason| reason == why)
    }
}

/// What became of a redrive, or a part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redriven {
    /// The entry, if there was anything to do.
    pub id: Option<EntryId>,
    /// How many are owed again, or gone.
    pub items: usize,
    /// How many stay dead letters because their stream is full.
    pub no_room: usize,
    /// Up to where was looked.
    pub last: Option<(StreamNo, Item)>,
    /// Whether there is more behind it.
    pub more: bool,
}

/// Where an answer goes.
pub type Answer<T> = oneshot::Sender<Result<T, Refused>>;

/// A look at the states: runs between batches, what it returns runs behind the durable mark.
pub type Look = Box<dyn FnOnce(&Spine) -> Box<dyn FnOnce() + Send> + Send>;

/// What is to become of a stream's subjects, status or verification.
#[derive(Debug, Clone)]
pub struct StreamAct {
    /// `stream_id`.
    pub stream_id: String,
    /// By whom.
    pub by: String,
    /// What.
    pub what: StreamChange,
}

/// One such change.
#[derive(Debug, Clone)]
pub enum StreamChange {
    /// A subject is added, or removed; `subjects_max` bounds how many there are.
    Subject {
        /// Added, or removed.
        add: bool,
        /// As it was said.
        subject: Box<serde_json::value::RawValue>,
        /// A removed one stays for so long (ms).
        grace_ms: i64,
        /// How many the stream may have.
        subjects_max: usize,
    },
    /// The status.
    Status {
        /// The new one.
        status: Status,
        /// Why.
        reason: Option<String>,
        /// Not asked for by the receiver: told, for at most so long before it stops (ms).
        announce_ms: Option<i64>,
    },
    /// A verification event.
    Verify {
        /// The receiver's `state`.
        state: Option<String>,
    },
}

/// Takes a snapshot over; everything in it is durable, the chain's own files too.
pub type AtSnapshot = Box<dyn FnOnce(&Spine, Snapshot) + Send>;

/// One command.
pub enum Command {
    /// Accept a SET.
    Set(TenantId, Box<SetDraft>, Answer<SetAnswer>),
    /// Accept a fact.
    Fact(TenantId, Box<FactInput>, Answer<Done>),
    /// Say something.
    Emit(TenantId, Box<EmitDraft>, Answer<Emitted>),
    /// Kill (`true`) or lift (`false`).
    Act {
        /// Whose.
        tenant: TenantId,
        /// Kill or lift.
        kill: bool,
        /// By whom, whom, why.
        act: Act,
        /// Where the answer goes.
        answer: Answer<Done>,
    },
    /// Make or change an object.
    Put(TenantId, Box<Object>, String, Answer<EntryId>),
    /// Make or change several of a tenant, each with whose it is then: all of them, or none.
    PutAll(TenantId, Vec<(Object, String)>, Answer<EntryId>),
    /// Take an object away.
    Remove(TenantId, ObjectKind, String, String, Answer<EntryId>),
    /// Keep an upstream's keys as evidence.
    Keys(TenantId, IssuerKeys, Answer<EntryId>),
    /// Change what a stream has beside its configuration.
    Stream(TenantId, StreamAct, Answer<EntryId>),
    /// Send dead letters again, or throw them away: one entry's worth.
    Redrive(TenantId, Which, String, Answer<Redriven>),
    /// Accept the wall clock as it is now.
    AcceptClock(String, Answer<EntryId>),
    /// Look at the states.
    Look(Look),
    /// Copy what the spine holds, behind everything that came before.
    Snapshot(AtSnapshot),
}

impl Command {
    /// Whose turn it takes.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Set(t, ..)
            | Self::Fact(t, ..)
            | Self::Emit(t, ..)
            | Self::Put(t, ..)
            | Self::PutAll(t, ..)
            | Self::Remove(t, ..)
            | Self::Stream(t, ..)
            | Self::Keys(t, ..)
            | Self::Redrive(t, ..) => t.clone(),
            Self::Act { tenant, .. } => tenant.clone(),
            Self::AcceptClock(..) | Self::Look(_) | Self::Snapshot(_) => TenantId::hub(),
        }
    }

    /// Whether it goes ahead of the others and is not counted against the limit: an operator waits for it.
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::Act { .. } | Self::AcceptClock(..) | Self::Look(_) | Self::Snapshot(_))
    }

    /// About how many bytes it will write.
    pub fn weight(&self) -> usize {
        match self {
            Self::Set(_, set, _) => 600 + 2 * set.compact.len(),
            Self::Keys(_, keys, _) => 200 + keys.jwks.len(),
            Self::Emit(_, emit, _) => 600 + emit.sub_id.get().len() + emit.event.get().len(),
            Self::PutAll(_, puts, _) => 1000 * puts.len(),
            Self::Redrive(..) => 25 * super::entry::REDRIVE_MAX,
            _ => 1000,
        }
    }
}

/// What rides along with the next batch.
pub type Outcomes = Vec<(TenantId, Outcome)>;
