//! The last attempts of one stream, for the operator's eyes.
//!
//! Filled by push and poll, read by the admin API. Bounded; never holds a body, a URL or a secret.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How many are kept per stream.
pub const KEPT: usize = 20;

/// One attempt to push a SET, one answer to a poll that held SETs, or one refusal by `setErrs`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Attempt {
    /// When it ended (ms since 1970).
    pub at_ms: i64,
    /// Which SET; of several the first.
    pub jti: String,
    /// How many, in an answer to a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sets: Option<usize>,
    /// Which try of it, from 1.
    pub attempt: u32,
    /// The receiver's HTTP status, if it answered; the hub's in an answer to a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// What went wrong, if anything did: a short word such as `timeout`, `http_503`, `invalid_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<str>>,
}

/// The last [`KEPT`] attempts, oldest first.
#[derive(Default)]
pub struct Ring(Mutex<VecDeque<Attempt>>);

impl Ring {
    /// Adds one; the oldest falls out.
    pub fn push(&self, attempt: Attempt) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(attempt);
    }

    /// A copy, oldest first.
    pub fn list(&self) -> Vec<Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_kept() {
        let ring = Ring::default();
        for attempt in 1..=25 {
            ring.push(Attempt {
                at_ms: 0,
                jti: "j".into(),
                sets: None,
                attempt,
                status: Some(503),
                duration_ms: 1,
                error: Some("http_503".into()),
            });
        }
        let seen: Vec<u32> = ring.list().iter().map(|a| a.attempt).collect();
        assert_eq!(seen, (6..=25).collect::<Vec<_>>());
    }
}
