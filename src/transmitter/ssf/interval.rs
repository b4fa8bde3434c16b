//! How often a receiver may ask for verification: `min_verification_interval`, stream by stream (SSF 1.0, 8.1.1).
//!
//! Kept in memory, by uptime: after a restart the first request is free, as it is on a fresh stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::stream::StreamNo;
use crate::tenant::TenantId;

/// Beyond so many streams those that may ask again are forgotten.
const FOLLOWED_MAX: usize = 100_000;

/// When each stream may be verified again, by request (ms since boot).
#[derive(Default)]
pub struct Intervals(Mutex<HashMap<(TenantId, StreamNo), i64>>);

/// A request that was taken, to be given back where nothing comes of it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Taken {
    stream: (TenantId, StreamNo),
    free_at_ms: i64,
}

impl Intervals {
    /// Takes one request at `boot_ms`; where it comes too early, how long to wait (ms).
    pub fn take(&self, tenant: &TenantId, no: StreamNo, interval_s: u32, boot_ms: i64) -> Result<Taken, i64> {
        let mut free_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), no);
        if let Some(free) = free_at.get(&key).filter(|free| **free > boot_ms) {
            return Err(free - boot_ms);
        }
        if free_at.len() >= FOLLOWED_MAX {
            free_at.retain(|_, free| *free > boot_ms);
        }
        let free_at_ms = boot_ms.saturating_add(i64::from(interval_s) * 1000);
        free_at.insert(key.clone(), free_at_ms);
        Ok(Taken { stream: key, free_at_ms })
    }

    /// Gives back a request that was refused behind this: the next one need not wait (SSF-VER-12). One that was taken
    /// since stays.
    pub fn give_back(&self, taken: &Taken) {
        let mut free_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free_at.get(&taken.stream) == Some(&taken.free_at_ms) {
            free_at.remove(&taken.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_an_interval_each_stream_for_itself() {
        let (intervals, t) = (Intervals::default(), TenantId::default_tenant());
        let take = |no, at| intervals.take(&t, StreamNo(no), 10, at).map(drop);
        assert_eq!((take(1, 0), take(2, 0)), (Ok(()), Ok(())));
        assert_eq!((take(1, 1), take(1, 9_999)), (Err(9_999), Err(1)));
        assert_eq!(take(1, 10_000), Ok(()));
        for _ in 0..2 {
            assert!(intervals.take(&t, StreamNo(3), 0, 5).is_ok(), "no interval, no wait");
        }
    }

    #[test]
    fn what_came_to_nothing_is_given_back_once() {
        let (intervals, t) = (Intervals::default(), TenantId::default_tenant());
        let take = |at| intervals.take(&t, StreamNo(1), 10, at);
        let taken = take(0).unwrap();
        assert_eq!(take(1).err(), Some(9_999));
        intervals.give_back(&taken);
        let again = take(2).unwrap();
        intervals.give_back(&taken);
        assert_eq!(take(3).err(), Some(9_999), "another's stays");
        intervals.give_back(&again);
        assert!(take(4).is_ok());
    }
}
