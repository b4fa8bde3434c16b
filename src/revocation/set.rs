//! The revocation set: records by key, as an enforcement point holds them.
//!
//! In the flow: `hub` publishes changes behind the durable mark, `gate` reads. One read lock covers
//! all look-ups of a call; writers hold it for one change at a time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock};

use super::key::{KeyHash, Kind};
use super::record::Standing;

/// The keys are keyed hashes already: their first eight bytes are as good as any hash of them.
#[derive(Default)]
pub struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }
    fn write_u8(&mut self, n: u8) {
        self.0 ^= u64::from(n) << 56;
    }
    fn write_usize(&mut self, _: usize) {}
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<AlreadyHashed>>;

/// What a registered token brings along although it does not carry it: the keys of its ancestors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Keys of the run, its ancestors, its agent, its session.
    pub keys: Box<[(Kind, KeyHash)]>,
}

#[derive(Default)]
struct Inner {
    records: Map<KeyHash, Vec<Standing>>,
    tokens: Map<KeyHash, Lineage>,
}

/// The records of one tenant.
#[derive(Default)]
pub struct Set(RwLock<Inner>);

/// A look at the set that stands still while it is held.
pub struct View<'a>(std::sync::RwLockReadGuard<'a, Inner>);

impl Set {
    /// Replaces what stands under a key; an empty list clears it.
    pub fn put(&self, key: KeyHash, standing: Vec<Standing>) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if standing.is_empty() {
            inner.records.remove(&key);
        } else {
            inner.records.insert(key, standing);
        }
    }

    /// Tells the lineage of a registered token, by its [`Kind::Jti`] key; `None` forgets it.
    pub fn put_token(&self, key: KeyHash, lineage: Option<Lineage>) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match lineage {
            Some(lineage) => inner.tokens.insert(key, lineage),
            None => inner.tokens.remove(&key),
        };
    }

    /// Opens a view; keep it for one decision only.
    pub fn view(&self) -> View<'_> {
        View(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Number of keys with a record.
    pub fn len(&self) -> usize {
        self.view().0.records.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl View<'_> {
    /// What stands under a key. The kind is part of the keyed hash.
    pub fn standing(&self, key: KeyHash) -> &[Standing] {
        self.0.records.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The lineage of a registered token.
    pub fn lineage(&self, jti: KeyHash) -> Option<&Lineage> {
        self.0.tokens.get(&jti)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Basis, Effect, Until};
    use super::*;
    use crate::tenant::Seq;

    #[test]
    fn what_is_put_is_seen_until_cleared() {
        let set = Set::default();
        let key = KeyHash([3; 16]);
        let (basis, until, effect) = (Basis::Killed, Until::Hold, Effect::Deny);
        let s = Standing { basis, until, effect, expires_at: None, seq: Seq(4), reason_code: "k".into() };
        assert!(set.view().standing(key).is_empty());
        set.put(key, vec![s.clone()]);
        assert_eq!(set.view().standing(key), &[s]);
        assert!(set.view().standing(KeyHash([4; 16])).is_empty());
        set.put(key, vec![]);
        assert!(set.is_empty());
    }
}
