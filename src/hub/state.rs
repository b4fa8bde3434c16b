//! The state of one tenant: what its entries add up to.
//!
//! Made of [`rows::Table`]s, so that the mirror, a base and the digest see the same rows. Changed by `apply`
//! only. Indexes that follow from rows are no rows: they are built anew after loading.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::accounts::Accounts;
use super::apply::flow::Life;
use super::base::Folded;
use super::dead::Dead;
use super::effect::{Claims, Item, Original};
use super::object::{Object, ObjectKind, Strength};
use super::owing::Owing;
use super::subjects::Subjects;
use crate::lineage::graph::{Graph, Limits};
use crate::lineage::node::NodeId;
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::Standing;
use crate::rows::{BadRow, Change, Rows, Table, Tables};
use crate::stream::receiver::DefaultSubjects;
use crate::stream::subject::SubjectHash;
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

    /// SHA-256 over all rows: two states with the same digest are the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        self.each(&mut |rows| rows.digest(&mut sha));
        sha.finalize().into()
    }

    /// Hands over the rows that changed since the last call; `prefix` stands in front of every key.
    pub fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>) {
        Tables::drain(self, prefix, out);
    }

    /// Forgets what changed: nobody mirrors this state.
    pub fn settle(&mut self) {
        self.each_mut(&mut |rows| rows.settle());
    }

    /// Every row.
    pub fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        Tables::dump(self, out);
    }

    /// The rows as they are now, for who writes or adds them up while the state goes on.
    pub fn copy(&self) -> Copied {
        let mut tables = vec![];
        self.each(&mut |rows| tables.push(rows.copy()));
        Copied { seq: self.seq(), tables }
    }

    /// Takes a row back in.
    ///
    /// # Errors
    /// [`BadRow`] if it is no table's, or cannot be read.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), BadRow> {
        if Tables::load(self, key, value)? {
            Ok(())
        } else {
            Err(BadRow { table: key.first().copied().unwrap_or(0) })
        }
    }

    pub(super) fn count_special(&mut self) {
        let count = |is: fn(&Stream) -> bool| self.streams.values().filter(|s| is(s)).count();
        let selective = count(|s| s.default_subjects == DefaultSubjects::None);
        self.special = Special { selective, relays: count(|s| s.relay) };
    }

    /// Builds what follows from the rows, after the last [`State::load`].
    pub fn reindex(&mut self) {
        self.streams.clear();
        self.topics.clear();
        for stored in self.objects.iter().map(|(_, s)| s) {
            if let Object::Stream(stream) = &stored.object {
                self.topics.insert(StreamNo(stored.no), stream);
                self.streams.insert(StreamNo(stored.no), Arc::new(stream.clone()));
            }
        }
        self.count_special();
        self.subjects.reindex(&self.streams);
        self.owing.reindex();
        self.dead.reindex();
        let standing = self.standing.iter().flat_map(|(key, (_, list))| expiries_of(*key, list));
        self.expiries = standing.collect();
        let mut seen: Vec<_> = self.seen.iter().map(|(k, s)| (s.seq, s.at_ms, *k, s.upstream)).collect();
        seen.sort_unstable();
        self.seen_order.clear();
        for (seq, at_ms, key, upstream) in seen {
            self.seen_order.entry(upstream).or_default().push_back((seq, at_ms, key));
        }
        let mut echoes: Vec<_> = self.echoes.iter().map(|(k, echo)| (echo.seq, *k)).collect();
        echoes.sort_unstable();
        self.echo_order = echoes.into();
        let mut keys: Vec<_> = self.idempotency.iter().map(|(k, (seq, _))| (*seq, k.clone())).collect();
        keys.sort();
        self.idempotency_order = keys.into();
        self.graph.reindex();
    }
}

impl Tables for State {
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows)) {
        visit(&self.meta);
        visit(&self.objects);
        visit(&self.seen);
        visit(&self.echoes);
        visit(&self.idempotency);
        visit(&self.standing);
        visit(&self.timers);
        visit(&self.claims);
        visit(&self.owing.rows);
        visit(&self.dead.rows);
        visit(&self.evidence);
        visit(&self.originals);
        self.graph.each(visit);
        visit(&self.life);
        self.subjects.each(visit);
        self.accounts.each(visit);
    }

    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows)) {
        visit(&mut self.meta);
        visit(&mut self.objects);
        visit(&mut self.seen);
        visit(&mut self.echoes);
        visit(&mut self.idempotency);
        visit(&mut self.standing);
        visit(&mut self.timers);
        visit(&mut self.claims);
        visit(&mut self.owing.rows);
        visit(&mut self.dead.rows);
        visit(&mut self.evidence);
        visit(&mut self.originals);
        self.graph.each_mut(visit);
        visit(&mut self.life);
        self.subjects.each_mut(visit);
        self.accounts.each_mut(visit);
    }
}

impl Folded for State {
    fn seq(&self) -> Seq {
        self.seq()
    }

    fn digest(&self) -> [u8; 32] {
        self.digest()
    }

    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.dump(out);
    }
}

/// The rows of a state at one place of the journal; the state goes on without them.
pub struct Copied {
    seq: Seq,
    tables: Vec<Box<dyn Rows>>,
}

impl Folded for Copied {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        self.tables.iter().for_each(|rows| rows.digest(&mut sha));
        sha.finalize().into()
    }

    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.tables.iter().for_each(|rows| rows.dump(out));
    }
}

/// When what stands under a key expires.
pub(super) fn expiries_of(key: KeyHash, list: &[Standing]) -> impl Iterator<Item = (i64, KeyHash)> {
    list.iter().filter_map(move |standing| Some((standing.expires_at?, key)))
}
