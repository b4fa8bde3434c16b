//! The state of one tenant: what its entries add up to.
//!
//! Made of [`rows::Table`]s, so that the mirror, a base and the digest see the same rows. Changed by `apply`
//! only. Indexes that follow from rows are no rows: they are built anew after loading.

mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use self::table::Copied;
pub(super) use self::table::expiries_of;
use super::accounts::Accounts;
use super::apply::flow::Life;
use super::dead::Dead;
use super::effect::{Claims, Item, Original};
use super::kept::Meta;
pub use super::kept::{DeadLetter, Echo, HeldOriginal, Seen, Stored, Timer};
use super::object::ObjectKind;
use super::owing::Owing;
use super::subjects::Subjects;
use crate::lineage::graph::{Graph, Limits};
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::Standing;
use crate::rows::Table;
use crate::stream::receiver::DefaultSubjects;
use crate::stream::topics::Topics;
use crate::stream::{Stream, StreamNo};
use crate::tenant::{Seq, TenantId};

/// How this build folds. A release that folds differently raises it (DESIGN 8).
pub const FOLD_VERSION: u16 = 3;
/// How long a `jti` is remembered (ms of entry time).
pub const SEEN_WINDOW_MS: i64 = 24 * 3_600_000;
/// How many are remembered for one upstream.
pub const SEEN_MAX: usize = 1_000_000;
/// How many events that went out are remembered, to know an echo.
pub const ECHOES_MAX: usize = 1_000_000;
/// How many idempotency keys are remembered for the tenant.
pub const IDEMPOTENCY_MAX: usize = 100_000;
/// How many dead letters are kept for the tenant; its streams share them (see `dead`).
pub const DEAD_LETTERS_MAX: usize = 100_000;

/// How many SETs may be owed to one stream.
pub const OWED_MAX: usize = 200_000;

/// How many streams an event may have to be looked at for more than its type.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Special {
    /// Those that begin without subjects.
    pub selective: usize,
    /// Those that relay originals.
    pub relays: usize,
}

/// The state of one tenant.
pub struct State {
    pub(super) tenant: TenantId,
    pub(super) meta: Table<u8, Meta>,
    pub(super) objects: Table<(ObjectKind, String), Stored>,
    pub(super) seen: Table<KeyHash, Seen>,
    pub(super) echoes: Table<KeyHash, Echo>,
    pub(super) idempotency: Table<(String, String), (Seq, KeyHash)>,
    pub(super) standing: Table<KeyHash, (Kind, Vec<Standing>)>,
    pub(super) timers: Table<(i64, Timer), ()>,
    /// Claims that are still owed to somebody.
    pub(super) claims: Table<Item, Arc<Claims>>,
    pub(super) owing: Owing,
    pub(super) dead: Dead,
    pub(super) evidence: Table<String, KeyHash>,
    pub(super) originals: Table<Item, HeldOriginal>,
    pub(super) graph: Graph,
    pub(super) life: Table<StreamNo, Life>,
    pub(super) subjects: Subjects,
    pub(super) accounts: Accounts,
    /// The past is folded again: no row, and never while anybody is told.
    pub(super) refolding: bool,
    // built from the rows
    pub(super) expiries: BTreeSet<(i64, KeyHash)>,
    pub(super) topics: Topics,
    pub(super) streams: BTreeMap<StreamNo, Arc<Stream>>,
    pub(super) special: Special,
    pub(super) seen_order: BTreeMap<u32, VecDeque<(Seq, i64, KeyHash)>>,
    pub(super) echo_order: VecDeque<(Seq, KeyHash)>,
    pub(super) idempotency_order: VecDeque<(Seq, (String, String))>,
}

impl State {
    /// The empty state.
    pub fn new(tenant: TenantId) -> Self {
        let mut meta = Table::new(1);
        meta.insert(0, Meta { next_no: 1, ..Meta::default() });
        Self {
            tenant,
            meta,
            objects: Table::new(2),
            seen: Table::new(3),
            echoes: Table::new(4),
            idempotency: Table::new(5),
            standing: Table::new(6),
            timers: Table::new(7),
            claims: Table::new(8),
            owing: Owing::new(12),
            dead: Dead::new(10),
            evidence: Table::new(11),
            originals: Table::new(29),
            graph: Graph::new(Limits::default()),
            life: Table::new(30),
            subjects: Subjects::new([31, 41, 42, 44]),
            accounts: Accounts::new(43),
            refolding: false,
            expiries: BTreeSet::new(),
            topics: Topics::default(),
            streams: BTreeMap::new(),
            special: Special::default(),
            seen_order: BTreeMap::new(),
            echo_order: VecDeque::new(),
            idempotency_order: VecDeque::new(),
        }
    }

    /// Whose state.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(super) fn meta(&self) -> Meta {
        self.meta.get(&0).cloned().unwrap_or_default()
    }

    pub(super) fn meta_mut(&mut self, change: impl FnOnce(&mut Meta)) {
        if let Some(meta) = self.meta.get_mut(&0) {
            change(meta);
        }
    }

    /// The last entry folded.
    pub fn seq(&self) -> Seq {
        self.meta.get(&0).map(|m| m.seq).unwrap_or_default()
    }

    /// The time of the last entry folded (ms since 1970).
    pub fn time_ms(&self) -> i64 {
        self.meta.get(&0).map_or(0, |m| m.time_ms)
    }

    /// When the next timer is due (ms since 1970).
    pub fn next_timer_ms(&self) -> Option<i64> {
        let row = self.timers.iter().next().map(|((at, _), ())| *at);
        let expiry = self.expiries.first().map(|(at, _)| *at);
        row.into_iter().chain(expiry).min()
    }

    /// An object.
    pub fn object(&self, kind: ObjectKind, id: &str) -> Option<&Stored> {
        self.objects.get(&(kind, id.to_string()))
    }

    /// All objects, by kind and id.
    pub fn objects(&self) -> impl Iterator<Item = &Stored> {
        self.objects.iter().map(|(_, stored)| stored)
    }

    /// Objects of one kind, by id: others are not even looked at, however many there are.
    pub fn objects_of(&self, kind: ObjectKind) -> impl Iterator<Item = &Stored> {
        let rows = self.objects.range((kind, String::new())..);
        rows.take_while(move |((of, _), _)| *of == kind).map(|(_, stored)| stored)
    }

    /// Streams by number.
    pub fn streams(&self) -> &BTreeMap<StreamNo, Arc<Stream>> {
        &self.streams
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What stands under a key.
    pub fn standing(&self, key: KeyHash) -> &[Standing] {
        self.standing.get(&key).map_or(&[], |(_, list)| list.as_slice())
    }

    /// Every key with what stands under it.
    pub fn standings(&self) -> impl Iterator<Item = (KeyHash, Kind, &[Standing])> {
        self.standing.iter().map(|(key, (kind, list))| (*key, *kind, list.as_slice()))
    }

    /// Number of keys under which something stands.
    pub fn standings_len(&self) -> usize {
        self.standing.len()
    }

    /// The SET seen under a hash of (upstream, iss, jti).
    pub fn seen(&self, key: KeyHash) -> Option<&Seen> {
        self.seen.get(&key)
    }

    /// The event that already went out under this hash.
    pub fn echo(&self, echo: KeyHash) -> Option<&Echo> {
        self.echoes.get(&echo)
    }

    /// The entry that an idempotency key led to, and the hash of what it said.
    pub fn idempotent(&self, client: &str, key: &str) -> Option<(Seq, KeyHash)> {
        self.idempotency.get(&(client.to_string(), key.to_string())).copied()
    }

    /// What is owed: stream, item, claims; in order.
    pub fn owed(&self) -> impl Iterator<Item = (StreamNo, Item, &Arc<Claims>)> {
        self.owing.iter().filter_map(|(no, item)| Some((no, item, self.claims.get(&item)?)))
    }

    /// Hash of the key set of an upstream that was kept last.
    pub fn evidence(&self, upstream: &str) -> Option<KeyHash> {
        self.evidence.get(upstream).copied()
    }

    /// Number of things owed.
    pub fn owed_len(&self) -> usize {
        self.owing.len()
    }

    /// Dead letters by stream, in order.
    pub fn dead_letters(&self) -> impl Iterator<Item = (StreamNo, Item, &DeadLetter)> {
        self.dead.rows.iter().map(|((no, item), letter)| (*no, *item, letter))
    }

    /// Number of dead letters.
    pub fn dead_letters_len(&self) -> usize {
        self.dead.rows.len()
    }

    /// Dead letters between two places, in order.
    pub fn dead_letters_in(
        &self,
        range: impl std::ops::RangeBounds<(StreamNo, Item)>,
    ) -> impl DoubleEndedIterator<Item = (StreamNo, Item, &DeadLetter)> {
        self.dead.rows.range(range).map(|((no, item), letter)| (*no, *item, letter))
    }

    /// The original of an item, while a relay stream holds it.
    pub fn original(&self, item: Item) -> Option<&Arc<Original>> {
        self.originals.get(&item).map(|held| &held.original)
    }

    /// How much more may be owed to a stream.
    pub fn room_of(&self, stream: StreamNo) -> usize {
        OWED_MAX.saturating_sub(self.owing.count(stream))
    }

    pub(super) fn count_special(&mut self) {
        let count = |is: fn(&Stream) -> bool| self.streams.values().filter(|s| is(s)).count();
        let selective = count(|s| s.default_subjects == DefaultSubjects::None);
        self.special = Special { selective, relays: count(|s| s.relay) };
    }
}
