//! How the loop is woken: by a durable batch, by what the broker reports.
//!
//! In the flow: the sequencer's side rings, `run` waits. A ring that nobody waits for is kept until the next
//! wait. Never blocks who rings for longer than a store.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A bell with one waiter.
#[derive(Debug, Default)]
pub struct Wake {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake {
    /// Wakes the waiter, or lets its next wait return at once.
    pub fn ring(&self) {
        let rung = std::mem::replace(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner), true);
        // Who was woken has not come yet, or there is nobody.
        if !rung {
            self.bell.notify_one();
        }
    }

    /// Waits until the bell was rung since the last wait, or until `timeout` is over.
    pub fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .bell
            .wait_timeout_while(rung, timeout, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;

    #[test]
    fn a_ring_is_kept_once() {
        let wake = Wake::default();
        wake.ring();
        wake.ring();
        let watch = Stopwatch::start();
        wake.wait(Duration::from_secs(20));
        assert!(watch.elapsed() < Duration::from_secs(10));
        let watch = Stopwatch::start();
        wake.wait(Duration::from_millis(30));
        assert!(watch.elapsed() >= Duration::from_millis(30));
    }
}
