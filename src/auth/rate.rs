//! How often a principal may ask: `authority.rate_per_s` as a long-term mean, bursts of twice as many.
//!
//! Asked once per authenticated request; over the rate the answer is 429 with `Retry-After` (DESIGN 12). A
//! GCRA: one number for each principal, by uptime, never in the journal. Who was not heard of for two seconds
//! has a full bucket and is forgotten when room is needed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// How many principals one [`Rate`] follows by default.
pub const PRINCIPALS_MAX: usize = 100_000;

const NS_PER_MS: i64 = 1_000_000;
const NS_PER_S: i64 = 1_000_000_000;
/// A burst holds the requests of this long.
const BURST_S: i64 = 2;

/// Too many requests; after this long (ms, at least 1) one more may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many requests; one more may come in {retry_after_ms} ms")]
pub struct TooMany {
    /// How long to wait.
    pub retry_after_ms: u64,
}

impl TooMany {
    /// The value of `Retry-After` (s, rounded up).
    pub fn retry_after_s(self) -> u64 {
        self.retry_after_ms.div_ceil(1000)
    }
}

/// The rate of each principal.
#[derive(Debug)]
pub struct Rate<K> {
    principals_max: usize,
    /// When the bucket of each is full again (ns since boot).
    full_at: Mutex<HashMap<K, i64>>,
}

impl<K> Default for Rate<K> {
    fn default() -> Self {
        Self::new(PRINCIPALS_MAX)
    }
}

impl<K> Rate<K> {
    /// Follows up to `principals_max`.
    pub fn new(principals_max: usize) -> Self {
        Self { principals_max: principals_max.max(1), full_at: Mutex::new(HashMap::new()) }
    }
}

impl<K: Hash + Eq + Clone> Rate<K> {
    /// Takes one request of `principal`, who may ask `rate_per_s` (at least 1), at `boot_ms`.
    pub fn take(&self, principal: &K, rate_per_s: u32, boot_ms: i64) -> Result<(), TooMany> {
        let now = boot_ms.saturating_mul(NS_PER_MS);
        let (interval, ahead) = (interval_ns(rate_per_s), ahead_ns(rate_per_s));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.get(principal).copied().unwrap_or(now).max(now);
        let wait = full.saturating_sub(now).saturating_sub(ahead);
        if wait > 0 {
            return Err(too_many(wait));
        }
        if !full_at.contains_key(principal) && full_at.len() >= self.principals_max {
            full_at.retain(|_, full| *full > now);
            if full_at.len() >= self.principals_max {
                // Everybody that is followed is asking right now: closed, not forgetful.
                return Err(too_many(BURST_S * NS_PER_S));
            }
        }
        full_at.insert(principal.clone(), full.saturating_add(interval));
        Ok(())
    }
}

fn interval_ns(rate_per_s: u32) -> i64 {
    NS_PER_S / i64::from(rate_per_s.max(1))
}

/// The last request of a burst finds the bucket to be full one interval before the burst's length.
fn ahead_ns(rate_per_s: u32) -> i64 {
    (BURST_S * NS_PER_S).saturating_sub(interval_ns(rate_per_s)).max(0)
}

fn too_many(wait_ns: i64) -> TooMany {
    let ms = wait_ns.saturating_add(NS_PER_MS - 1) / NS_PER_MS;
    TooMany { retry_after_ms: u64::try_from(ms).unwrap_or(1).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: &Rate<&str>, who: &'static str, per_s: u32, at_ms: i64, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(rate.take(&who, per_s, at_ms).is_ok())).sum()
    }

    #[test]
    fn bursts_are_twice_the_rate_and_the_mean_holds() {
        for per_s in [1, 3, 10, 2000] {
            let rate = Rate::new(10);
            assert_eq!(taken(&rate, "a", per_s, 5_000, 10_000), 2 * per_s, "burst of {per_s}");
            let mut later = 0;
            for ms in 1..=10_000 {
                later += taken(&rate, "a", per_s, 5_000 + ms, 4);
            }
            assert!(later.abs_diff(10 * per_s) <= 1, "mean of {per_s}: {later}");
            assert_eq!(taken(&rate, "b", per_s, 15_000, 1), 1, "somebody else");
        }
    }

    #[test]
    fn a_refusal_says_when() {
        let rate = Rate::new(10);
        assert_eq!(taken(&rate, "a", 2, 0, 4), 4);
        let refused = rate.take(&"a", 2, 0).unwrap_err();
        assert_eq!((refused.retry_after_ms, refused.retry_after_s()), (500, 1));
        assert!(rate.take(&"a", 2, 499).is_err());
        assert!(rate.take(&"a", 2, 500).is_ok());
        assert!(rate.take(&"a", 2, 500).is_err());
        // A slower clock than before (none is expected) never opens the gate.
        assert!(rate.take(&"a", 2, 400).is_err());
    }

    #[test]
    fn it_follows_only_so_many() {
        let rate = Rate::new(2);
        assert_eq!(taken(&rate, "a", 10, 0, 1) + taken(&rate, "b", 10, 0, 1), 2);
        assert_eq!(rate.take(&"c", 10, 0), Err(TooMany { retry_after_ms: 2000 }));
        assert!(rate.take(&"c", 10, 100).is_ok());
        assert_eq!(rate.full_at.lock().unwrap().len(), 1);
    }
}
