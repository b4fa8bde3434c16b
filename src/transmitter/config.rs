//! The transmitter's settings; each limit of this part has its key here (DESIGN 12).

use serde::Deserialize;

use crate::outbox::destination;
use crate::outbox::lanes::Limits;
use crate::outbox::pace;

/// How SETs go out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// When failed posts are tried again.
    pub retry: pace::Config,
    /// Posts of one stream in flight at once, each of another subject.
    pub in_flight_per_stream: usize,
    /// Longest wait for a receiver's answer.
    pub push_timeout_ms: u64,
    /// Posts to one destination in flight at once.
    pub in_flight_per_destination: usize,
    /// Posts in a row without any answer after which a destination is shut.
    pub shut_after: u32,
    /// A destination whose answers take longer in the mean is limited.
    pub slow_ms: u64,
    /// Retries to one destination for a hundred first tries.
    pub retry_budget_percent: u32,
    /// Retries to it each second besides.
    pub retry_budget_per_s: u32,
    /// After this many failures in a row a receiver counts as down: one post at a time, with pauses.
    pub brake_after: u32,
    /// The first of these pauses; each is twice the one before.
    pub brake_ms: u64,
    /// The longest of them.
    pub brake_max_ms: u64,
    /// How long a poll waits for something to be owed.
    pub poll_timeout_ms: u64,
    /// SETs in one answer to a poll.
    pub poll_batch_max: usize,
    /// Size of one answer to a poll; one SET always goes.
    pub poll_batch_bytes: usize,
    /// Streams of one client on which a poll waits.
    pub poll_waiters_per_client: usize,
    /// Polls that wait on one stream; one more ends the oldest.
    pub poll_waiters_per_stream: usize,
    /// How often a receiver may report `authentication_failed` or `access_denied` for one SET by poll.
    pub poll_refusals_max: u32,
    /// Signatures made at once; 0 means one for each core but one.
    pub sign_parallel: usize,
    /// Signed SETs kept for other streams and for retries.
    pub signed_cache_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retry: pace::Config::default(),
            in_flight_per_stream: 16,
            push_timeout_ms: 10_000,
            in_flight_per_destination: 64,
            shut_after: 16,
            slow_ms: 5_000,
            retry_budget_percent: 20,
            retry_budget_per_s: 10,
            brake_after: 16,
            brake_ms: 1_000,
            brake_max_ms: 60_000,
            poll_timeout_ms: 30_000,
            poll_batch_max: 100,
            poll_batch_bytes: 1 << 20,
            poll_waiters_per_client: 16,
            poll_waiters_per_stream: 8,
            poll_refusals_max: 10,
            sign_parallel: 0,
            signed_cache_max: 10_000,
        }
    }
}

impl Config {
    /// How much of a stream goes at once.
    pub fn limits(&self) -> Limits {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Limits {
            in_flight: self.in_flight_per_stream.max(1),
            brake_after: self.brake_after.max(1),
            brake_ms: ms(self.brake_ms),
            brake_max_ms: ms(self.brake_max_ms),
            retries: true,
        }
    }

    /// What one destination gets.
    pub fn bounds(&self) -> destination::Bounds {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        destination::Bounds {
            in_flight: self.in_flight_per_destination.max(1),
            shut_after: self.shut_after.max(1),
            pause_ms: ms(self.brake_ms),
            pause_max_ms: ms(self.brake_max_ms),
            slow_ms: ms(self.slow_ms),
            retry_percent: self.retry_budget_percent,
            retry_per_s: self.retry_budget_per_s,
        }
    }

    /// Signatures made at once. Where nothing is said, one core stays free of them, if there are two: threads that stand back
    /// on every core still make whom they hold up wait for as long as the kernel lets them run.
    pub fn sign_parallel(&self) -> usize {
        match self.sign_parallel {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1)),
            n => n,
        }
    }
}
