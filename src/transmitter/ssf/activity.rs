//! When a receiver gave a sign of life on a stream: a poll, or a management call that names it (SSF 1.0, 8.1.1).
//!
//! Answers to pushes do not count. Kept in memory, by uptime: a restart counts as a sign of life.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::stream::StreamNo;
use crate::tenant::TenantId;

type Key = (TenantId, StreamNo);

/// The last sign of life of each stream that may time out.
#[derive(Default)]
pub struct Activity(Mutex<HashMap<Key, i64>>);

impl Activity {
    /// A sign of life at `boot_ms`. Streams that were never looked at by [`Activity::silent`] are not followed.
    pub fn touch(&self, tenant: &TenantId, no: StreamNo, boot_ms: i64) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = last.get_mut(&(tenant.clone(), no)) {
            *at = boot_ms;
        }
    }

    /// Which of these streams, each with its timeout (s), were silent for too long. They begin anew: who is told once
    /// that his time is up is not told again each second. Streams that are not named any more are forgotten.
    pub fn silent(&self, streams: &[(Key, u32)], boot_ms: i64) -> Vec<Key> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *last);
        let mut silent = vec![];
        for (key, timeout_s) in streams {
            let mut at = before.get(key).copied().unwrap_or(boot_ms);
            if boot_ms.saturating_sub(at) >= i64::from(*timeout_s) * 1000 {
                silent.push(key.clone());
                at = boot_ms;
            }
            last.insert(key.clone(), at);
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_once_and_a_sign_of_life_ends_it() {
        let (activity, t) = (Activity::default(), TenantId::default_tenant());
        let key = |no| (t.clone(), StreamNo(no));
        let streams = [(key(1), 5), (key(2), 5)];
        assert!(activity.silent(&streams, 100).is_empty(), "counted from here");
        activity.touch(&t, StreamNo(1), 4_000);
        activity.touch(&t, StreamNo(3), 4_000);
        assert_eq!(activity.silent(&streams, 5_100), [key(2)]);
        assert!(activity.silent(&streams, 5_200).is_empty());
        assert_eq!(activity.silent(&streams, 9_000), [key(1)]);
        assert_eq!(activity.silent(&streams[1..], 10_100), [key(2)]);
    }
}
