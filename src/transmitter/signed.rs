//! Signed SETs that may be needed again: by a stream with the same audience, or by a retry.
//!
//! Bounded, in two generations: when the young one is full it becomes the old one, and what nobody asked
//! for since is forgotten. Each place is filled once, however many ask at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::hub::effect::Item;
use crate::stream::dialect::Dialect;
use crate::tenant::TenantId;

/// What makes two SETs the same: cause, audience, key (DESIGN 5). The key is in it so that what a revoked or old one signed is
/// signed anew by itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub item: Item,
    /// For whom, as `Stream::aud_json`.
    pub aud_json: Arc<str>,
    /// Signed with which key.
    pub kid: Arc<str>,
    /// How it deviates from SSF 1.0.
    pub dialect: Dialect,
}

/// A place for one compact SET.
pub type Slot = Arc<OnceCell<Arc<str>>>;

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Slot>,
    old: HashMap<Key, Slot>,
}

/// The cache.
pub struct Cache {
    generations: Mutex<Generations>,
    half: usize,
}

impl Cache {
    /// Holds at most `max` SETs.
    pub fn new(max: usize) -> Self {
        Self { generations: Mutex::default(), half: (max / 2).max(1) }
    }

    /// The place of this SET, filled or not.
    pub fn slot(&self, key: Key) -> Slot {
        let mut g = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = g.young.get(&key) {
            return Arc::clone(slot);
        }
        let slot = g.old.remove(&key).unwrap_or_default();
        let mut forgotten = HashMap::new();
        if g.young.len() >= self.half {
            let young = std::mem::take(&mut g.young);
            forgotten = std::mem::replace(&mut g.old, young);
        }
        g.young.insert(key, Arc::clone(&slot));
        drop(g);
        // Thousands of SETs: nobody else waits for their memory to be given back.
        drop(forgotten);
        slot
    }

    /// Forgets the place of this SET; whether there was a SET in it.
    pub fn forget(&self, key: &Key) -> bool {
        let mut g = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = g.young.remove(key).or_else(|| g.old.remove(key));
        slot.is_some_and(|slot| slot.initialized())
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        let g = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        g.young.len() + g.old.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Seq;

    fn key(n: u64) -> Key {
        let item = Item { seq: Seq(n), index: 0 };
        Key {
            tenant: TenantId::default_tenant(),
            item,
            aud_json: "[]".into(),
            kid: "k".into(),
            dialect: Dialect::Ssf,
        }
    }

    #[test]
    fn bounded_and_what_is_used_stays() {
        let cache = Cache::new(10);
        cache.slot(key(0)).set("kept".into()).unwrap();
        for n in 1..1_000 {
            cache.slot(key(n));
            assert_eq!(cache.slot(key(0)).get().map(|s| &**s), Some("kept"));
            assert!(cache.len() <= 10);
        }
        assert_eq!(cache.slot(key(1)).get(), None, "forgotten");
        assert!(cache.forget(&key(0)) && !cache.forget(&key(0)) && !cache.forget(&key(1)));
    }
}
