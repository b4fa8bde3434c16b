//! Tokens whose signature need not be checked again.
//!
//! Holds what follows from a token's text and its issuer's keys and settings, never a verdict: times,
//! audience and records are checked on every call. Two generations: when the young one is full it becomes the
//! old one, and what nobody asked for in between is forgotten. Bounded by count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::derive::Derived;
use super::issuer::Issuer;
use super::times::Times;
use crate::jose::keyset::KeySet;
use crate::tenant::TenantId;

const SHARDS: usize = 16;

/// SHA-256 over the tenant and the token's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token at a tenant. A tenant's id holds no NUL.
    pub fn new(tenant: &TenantId, compact: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(tenant.as_str()).chain_update([0]).chain_update(compact);
        Self(hash.finalize().into())
    }
}

/// What is kept of a token whose signature held.
#[derive(Debug)]
pub struct Admitted {
    /// When it is good.
    pub times: Times,
    /// Its audiences.
    pub aud: Vec<String>,
    /// Its revocation keys.
    pub derived: Derived,
    /// Who signed it; good only while this is the issuer in force.
    pub issuer: Arc<Issuer>,
    /// The key set under which the signature held; good only while this is the set in use.
    pub keys: Arc<KeySet>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<TokenDigest, Arc<Admitted>>,
    old: HashMap<TokenDigest, Arc<Admitted>>,
}

/// The cache, for all tenants together.
pub struct Cache {
    shards: [Mutex<Generations>; SHARDS],
    generation_max: usize,
}

impl Cache {
    /// A cache of at most `entries_max` tokens; with fewer than 32, nothing is kept.
    pub fn new(entries_max: usize) -> Self {
        Self { shards: Default::default(), generation_max: entries_max / (2 * SHARDS) }
    }

    fn shard(&self, digest: TokenDigest) -> MutexGuard<'_, Generations> {
        let at = usize::from(digest.0[0]) % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under `digest`.
    pub fn find(&self, digest: TokenDigest) -> Option<Arc<Admitted>> {
        let mut shard = self.shard(digest);
        if let Some(found) = shard.young.get(&digest) {
            return Some(found.clone());
        }
        let found = shard.old.remove(&digest)?;
        let forgotten = shard.insert(digest, found.clone(), self.generation_max);
        // Thousands of tokens may go at once: not under the lock.
        drop(shard);
        drop(forgotten);
        Some(found)
    }

    /// Keeps a token.
    pub fn insert(&self, digest: TokenDigest, admitted: Arc<Admitted>) {
        if self.generation_max > 0 {
            let forgotten = self.shard(digest).insert(digest, admitted, self.generation_max);
            drop(forgotten);
        }
    }

    /// Forgets a token that is of no use any more.
    pub fn forget(&self, digest: TokenDigest) {
        let mut shard = self.shard(digest);
        shard.young.remove(&digest);
        shard.old.remove(&digest);
    }

    /// Number of tokens kept.
    pub fn len(&self) -> usize {
        let len = |shard: &Mutex<Generations>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(len).sum()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Generations {
    /// Inserts, and hands back what is forgotten for it.
    fn insert(
        &mut self,
        digest: TokenDigest,
        admitted: Arc<Admitted>,
        generation_max: usize,
    ) -> HashMap<TokenDigest, Arc<Admitted>> {
        let mut forgotten = HashMap::new();
        if self.young.len() >= generation_max && !self.young.contains_key(&digest) {
            forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        }
        // The same token must not stand in both: it would count twice.
        self.old.remove(&digest);
        self.young.insert(digest, admitted);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::claims::Token;
    use super::super::fixture::{def, issuers, payload, subject_key};
    use super::*;

    fn admitted() -> Arc<Admitted> {
        let token = Token::read(payload(json!({})).to_string().as_bytes(), &def()).unwrap();
        let derived = Derived::new(&token, &subject_key()).unwrap();
        let issuer = issuers().into_values().next().unwrap();
        Arc::new(Admitted { times: token.times, aud: token.aud, derived, issuer, keys: Arc::default() })
    }

    fn digest(n: u32) -> TokenDigest {
        TokenDigest::new(&TenantId::default_tenant(), &n.to_be_bytes())
    }

    #[test]
    fn never_more_than_the_limit_and_what_is_used_stays() {
        let (cache, one) = (Cache::new(320), admitted());
        cache.insert(digest(0), one.clone());
        for n in 1..5_000 {
            cache.insert(digest(n), one.clone());
            assert!(cache.find(digest(0)).is_some(), "in use after {n}");
            assert!(cache.len() <= 320);
        }
        assert!(cache.find(digest(1)).is_none() && cache.len() > 160);
        cache.forget(digest(0));
        assert!(cache.find(digest(0)).is_none());
        let again = Cache::new(320);
        (0..400).for_each(|n| again.insert(digest(n % 200), one.clone()));
        assert!(again.len() <= 200, "no token stands twice");
        let none = Cache::new(31);
        none.insert(digest(0), one);
        assert!(none.is_empty());
    }

    #[test]
    fn tenants_do_not_share() {
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        assert_ne!(TokenDigest::new(&a, b"x"), TokenDigest::new(&b, b"x"));
        assert_eq!(TokenDigest::new(&a, b"x"), TokenDigest::new(&a, b"x"));
    }
}
