//! The revocation records as Kafka has them: what a new one adds to, when each is to be cleared and taken out.
//!
//! In the flow: `projection` asks it for each decision and each passing of time, and sends what it answers. The same
//! merge as the state's (`hub::apply`), for a compacted topic keeps the last record of a key and that must never say
//! less than the one before. Every change can be taken back, for a failed delivery goes back in the journal.
//! Bounded: records beyond the bound are sent, but consumers rely on their `expires_at` alone.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::hub::entry::Lifted;
use crate::journal::Position;
use crate::kafka::record::State;
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::{Effect, Record, Standing, Until};
use crate::tenant::{Seq, TenantId};

/// Records that are followed, at most.
pub const FOLLOWED_MAX: usize = 1_000_000;

/// Under what a record stands: the keyed hash (which holds tenant and kind) and the basis.
type Key = (KeyHash, u8);

/// One record as Kafka was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Whose.
    pub tenant: TenantId,
    /// Kind of its key.
    pub kind: Kind,
    /// Its key.
    pub key: KeyHash,
    /// What stands.
    pub standing: Standing,
    /// `txn` of its cause.
    pub txn: String,
    /// In force, or taken back already.
    pub state: State,
    /// When it is taken out of the topic; `None`: not by itself.
    ends_at: Option<i64>,
}

impl Followed {
    /// The same, taken back.
    pub fn cleared(&self) -> Self {
        Self { state: State::Cleared, ..self.clone() }
    }

    fn key(&self) -> Key {
        (self.key, self.standing.basis as u8)
    }
}

/// What a step changed: how each record stood before.
type Before = Vec<(Key, Option<Followed>)>;

/// All of them.
pub struct Book {
    max: usize,
    rows: HashMap<Key, Followed>,
    /// When each ends, per tenant: its time passes with its own entries.
    ends: HashMap<TenantId, BTreeSet<(i64, Key)>>,
    /// What each step changed, oldest first, with the position before it.
    changes: VecDeque<(Position, Before)>,
}

impl Book {
    /// An empty book with room for `max`.
    pub fn new(max: usize) -> Self {
        Self { max, rows: HashMap::new(), ends: HashMap::new(), changes: VecDeque::new() }
    }

    /// Begins the step at a position.
    pub fn begin(&mut self, before: Position) {
        self.changes.push_back((before, Vec::new()));
    }

    /// Takes all steps back that began at or behind a position.
    pub fn rewind(&mut self, to: Position) {
        while self.changes.back().is_some_and(|(before, _)| *before >= to)
            && let Some((_, changes)) = self.changes.pop_back()
        {
            for (key, old) in changes.into_iter().rev() {
                self.replace(key, old);
            }
        }
    }

    /// Steps that began before a position will never be taken back.
    pub fn settle(&mut self, acked: Position) {
        while self.changes.front().is_some_and(|(before, _)| *before < acked) {
            self.changes.pop_front();
        }
    }

    /// A record that stood when the book was opened.
    pub fn stands(&mut self, tenant: &TenantId, kind: Kind, key: KeyHash, standing: Standing) {
        let txn = format!("{tenant}:{}", standing.seq);
        let (tenant, ends_at) = (tenant.clone(), standing.expires_at);
        self.put(Followed { tenant, kind, key, standing, txn, state: State::Active, ends_at });
    }

    /// A decision's record: what is to be said of its key now.
    pub fn stand(&mut self, tenant: &TenantId, seq: Seq, record: &Record, txn: &str) -> Followed {
        let old = self.rows.get(&(record.key, record.basis as u8)).filter(|old| old.state == State::Active);
        let standing = match old {
            Some(old) => {
                let mut standing = old.standing.clone();
                standing.merge(record, seq);
                standing
            }
            None => Standing::of(record, seq),
        };
        let followed = Followed {
            tenant: tenant.clone(),
            kind: record.kind,
            key: record.key,
            ends_at: standing.expires_at,
            standing,
            txn: txn.into(),
            state: State::Active,
        };
        self.put(followed.clone());
        followed
    }

    /// What is taken back, and the watermark that it leaves. The key is taken out of the topic with that watermark:
    /// nobody then holds a token any more to whom it matters.
    pub fn lift(&mut self, tenant: &TenantId, seq: Seq, lifted: &Lifted, txn: &str) -> [Followed; 2] {
        let gone = Standing {
            basis: lifted.basis,
            until: Until::Hold,
            effect: Effect::Deny,
            expires_at: None,
            seq,
            reason_code: "lifted".into(),
        };
        let cleared = Followed {
            tenant: tenant.clone(),
            kind: lifted.kind,
            key: lifted.key,
            standing: gone,
            txn: txn.into(),
            state: State::Cleared,
            ends_at: Some(lifted.expires_at),
        };
        self.put(cleared.clone());
        [cleared, self.stand(tenant, seq, &lifted.left(), txn)]
    }

    /// What ends by a tenant's time, in order; followed no longer.
    pub fn due(&mut self, tenant: &TenantId, now_ms: i64) -> Vec<Followed> {
        let mut out = Vec::new();
        while let Some(&(at_ms, key)) = self.ends.get(tenant).and_then(BTreeSet::first)
            && at_ms <= now_ms
            && let Some(old) = self.rows.get(&key).cloned()
        {
            self.change(key, None);
            out.push(old);
        }
        out
    }

    fn put(&mut self, followed: Followed) {
        let key = followed.key();
        if self.rows.len() < self.max || self.rows.contains_key(&key) {
            self.change(key, Some(followed));
        }
    }

    fn change(&mut self, key: Key, new: Option<Followed>) {
        let old = self.replace(key, new);
        if let Some((_, changes)) = self.changes.back_mut() {
            changes.push((key, old));
        }
    }

    /// Puts a row, or takes it out, and its end with it.
    fn replace(&mut self, key: Key, new: Option<Followed>) -> Option<Followed> {
        if let Some(new) = &new
            && let Some(at_ms) = new.ends_at
        {
            self.ends.entry(new.tenant.clone()).or_default().insert((at_ms, key));
        }
        let kept = new.as_ref().and_then(|new| new.ends_at);
        let old = match new {
            Some(new) => self.rows.insert(key, new),
            None => self.rows.remove(&key),
        };
        if let Some(old) = &old
            && let Some(at_ms) = old.ends_at
            && kept != Some(at_ms)
            && let Some(ends) = self.ends.get_mut(&old.tenant)
        {
            ends.remove(&(at_ms, key));
        }
        old
    }
}

#[cfg(test)]
#[path = "followed_tests.rs"]
mod tests;
