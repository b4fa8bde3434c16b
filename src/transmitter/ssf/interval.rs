//! How often a receiver may ask for verification: `min_verification_interval`, stream by stream (SSF 1.0, 8.1.1).
//!
//! Kept in memory, by uptime: after a restart the first request is free, as it is on a fresh stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::stream::StreamNo;
use crate::tenant::TenantId;

/// Beyond so many streams those that may ask again are forgotten.
const FOLLOWED_MAX: usize = 100_000;

/// When each stream was verified last, by request.
#[derive(Default)]
pub struct Intervals(Mutex<HashMap<(TenantId, StreamNo), i64>>);

impl Intervals {
    /// Takes one request at `boot_ms`; where it comes too early, how long to wait (ms).
    pub fn take(&self, tenant: &TenantId, no: StreamNo, interval_s: u32, boot_ms: i64) -> Result<(), i64> {
        let mut free_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), no);
        if let Some(free) = free_at.get(&key).filter(|free| **free > boot_ms) {
            return Err(free - boot_ms);
        }
        if free_at.len() >= FOLLOWED_MAX {
            free_at.retain(|_, free| *free > boot_ms);
        }
        free_at.insert(key, boot_ms.saturating_add(i64::from(interval_s) * 1000));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_an_interval_each_stream_for_itself() {
        let (intervals, t) = (Intervals::default(), TenantId::default_tenant());
        let take = |no, at| intervals.take(&t, StreamNo(no), 10, at);
        assert_eq!((take(1, 0), take(2, 0)), (Ok(()), Ok(())));
        assert_eq!((take(1, 1), take(1, 9_999)), (Err(9_999), Err(1)));
        assert_eq!(take(1, 10_000), Ok(()));
        assert_eq!(intervals.take(&t, StreamNo(3), 0, 5), Ok(()));
        assert_eq!(intervals.take(&t, StreamNo(3), 0, 5), Ok(()), "no interval, no wait");
    }
}
