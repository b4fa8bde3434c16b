//! When a receiver gave a sign of life on a stream: a poll, or a management call that names it (SSF 1.0, 8.1.1).
//!
//! Answers to pushes do not count. Kept in memory, by uptime: a restart counts as a sign of life.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stream::StreamNo;
use crate::tenant::TenantId;

type Key = (TenantId, StreamNo);

#[derive(Default)]
struct Inner {
    last: HashMap<Key, i64>,
    /// How many polls of a stream are being answered.
    polls: HashMap<Key, usize>,
}

/// The last sign of life of each stream that may time out.
#[derive(Default)]
pub struct Activity(Mutex<Inner>);

/// A poll that is being answered: as long as it waits, its receiver is there.
pub struct Polling<'a> {
    activity: &'a Activity,
    key: Key,
}

impl Activity {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll begins; it ends when this is dropped.
    pub fn polling(&self, tenant: &TenantId, no: StreamNo) -> Polling<'_> {
        let key = (tenant.clone(), no);
        *self.inner().polls.entry(key.clone()).or_default() += 1;
        Polling { activity: self, key }
    }

    /// A sign of life at `boot_ms`. Streams that were never looked at by [`Activity::silent`] are not followed.
    pub fn touch(&self, tenant: &TenantId, no: StreamNo, boot_ms: i64) {
        if let Some(at) = self.inner().last.get_mut(&(tenant.clone(), no)) {
            *at = boot_ms;
        }
    }

    /// Which of these streams, each with its timeout (s), were silent for too long. They begin anew: who is told once
    /// that his time is up is not told again each second. Streams that are not named any more are forgotten.
    pub fn silent(&self, streams: &[(Key, u32)], boot_ms: i64) -> Vec<Key> {
        let mut inner = self.inner();
        let Inner { last, polls } = &mut *inner;
        let before = std::mem::take(last);
        let mut silent = vec![];
        for (key, timeout_s) in streams {
            let mut at = before.get(key).copied().filter(|_| !polls.contains_key(key)).unwrap_or(boot_ms);
            if boot_ms.saturating_sub(at) >= i64::from(*timeout_s) * 1000 {
                silent.push(key.clone());
                at = boot_ms;
            }
            last.insert(key.clone(), at);
        }
        silent
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let mut inner = self.activity.inner();
        let Some(polls) = inner.polls.get_mut(&self.key) else { return };
        *polls = polls.saturating_sub(1);
        if *polls == 0 {
            inner.polls.remove(&self.key);
        }
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

    #[test]
    fn a_stream_whose_poll_waits_is_not_silent() {
        let (activity, t) = (Activity::default(), TenantId::default_tenant());
        let streams = [((t.clone(), StreamNo(1)), 5)];
        assert!(activity.silent(&streams, 0).is_empty());
        let (one, two) = (activity.polling(&t, StreamNo(1)), activity.polling(&t, StreamNo(1)));
        assert!(activity.silent(&streams, 60_000).is_empty());
        drop(one);
        assert!(activity.silent(&streams, 120_000).is_empty(), "the other one still waits");
        drop(two);
        assert!(activity.inner().polls.is_empty());
        assert!(activity.silent(&streams, 124_999).is_empty(), "counted from when it was seen last");
        assert_eq!(activity.silent(&streams, 125_000).len(), 1);
    }
}
