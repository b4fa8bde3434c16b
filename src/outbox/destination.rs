//! One destination: scheme, host and port that streams of any tenant push to. How much goes there at once, and whether.
//!
//! Asked by each push task before it takes a SET from its queue, so that nobody holds a place while waiting. Who
//! waits, waits in line: whichever stream came first goes next. A gate says how much goes: `open`; `limited`
//! while answers are slow or the destination recovers; `shut` after posts in a row without any answer, but for one probe
//! after each pause. So a receiver that hangs takes a few places for a moment, and then none. Plain data under one
//! short lock; no I/O, no clock of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use super::budget::{Budget, Rate};
use super::health::Health;
pub use super::health::{Bounds, Gate, Went};

/// The gate moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Of which destination.
    pub origin: Arc<str>,
    /// What it is now.
    pub gate: Gate,
    /// Posts in a row without any answer.
    pub failures: u32,
    /// How long answers take in the mean (ms).
    pub mean_ms: i64,
}

/// What a stream that wants to send may do.
pub enum Admission {
    /// Send one SET. `retries_at_ms`: no retry before this (ms since boot).
    Go {
        /// To be held while the post is under way.
        pass: Pass,
        /// `None`: a retry may go now.
        retries_at_ms: Option<i64>,
    },
    /// Nothing before this (ms since boot), or before the bell rings.
    Wait(Option<i64>),
}

/// What is shown of a destination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// Scheme, host and port.
    pub origin: Arc<str>,
    /// Its gate.
    pub state: Gate,
    /// Posts in flight, of all streams and tenants.
    pub in_flight: usize,
    /// Posts in a row without any answer.
    pub failures: u32,
    /// How long answers take in the mean (ms).
    pub mean_ms: i64,
}

struct Inner {
    health: Health,
    in_flight: usize,
    budget: Budget,
    line: VecDeque<(u64, Arc<Notify>)>,
    visitors: u64,
}

/// A destination.
pub struct Destination {
    /// Scheme, host and port.
    pub origin: Arc<str>,
    bounds: Bounds,
    inner: Mutex<Inner>,
}

impl Destination {
    /// One that nothing is known of: open.
    pub fn new(origin: &str, bounds: Bounds, now_ms: i64) -> Self {
        let rate = Rate { percent: bounds.retry_percent, per_s: bounds.retry_per_s };
        let inner = Inner {
            health: Health::default(),
            in_flight: 0,
            budget: Budget::new(rate, now_ms),
            line: VecDeque::new(),
            visitors: 0,
        };
        Self { origin: origin.into(), bounds, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream comes to push here.
    pub fn visit(self: &Arc<Self>) -> Visitor {
        let mut inner = self.inner();
        inner.visitors = inner.visitors.wrapping_add(1);
        let id = inner.visitors;
        drop(inner);
        Visitor { destination: Arc::clone(self), id, stands: AtomicBool::new(false), bell: Arc::default() }
    }

    /// As it is now.
    pub fn shown(&self) -> Shown {
        let inner = self.inner();
        Shown {
            origin: Arc::clone(&self.origin),
            state: inner.health.gate,
            in_flight: inner.in_flight,
            failures: inner.health.failures,
            mean_ms: inner.health.mean_ms,
        }
    }

    /// Its gate.
    pub fn gate(&self) -> Gate {
        self.inner().health.gate
    }
}

impl Inner {
    fn ring(&self) {
        if let Some((_, bell)) = self.line.front() {
            bell.notify_one();
        }
    }
}

/// One stream at a destination. Dropping it leaves the line.
pub struct Visitor {
    destination: Arc<Destination>,
    id: u64,
    /// Whether it stands in line; changed under the destination's lock. Nobody searches a long line to find out.
    stands: AtomicBool,
    /// Rings when it may be this stream's turn.
    pub bell: Arc<Notify>,
}

impl Visitor {
    /// Where.
    pub fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// May this stream send one? If not, it stands in line; the first in line is rung when something changes.
    pub fn ask(&self, now_ms: i64) -> Admission {
        let mut inner = self.destination.inner();
        let first = inner.line.front().map(|(id, _)| *id);
        if first.is_some_and(|id| id != self.id) {
            self.stand(&mut inner);
            return Admission::Wait(None);
        }
        if let Err(until) = inner.health.has_place(&self.destination.bounds, inner.in_flight, now_ms) {
            self.stand(&mut inner);
            return Admission::Wait(until);
        }
        if first.is_some() {
            inner.line.pop_front();
            self.stands.store(false, Ordering::Relaxed);
        }
        let probe = inner.health.begin();
        inner.in_flight += 1;
        let retries_at_ms = inner.budget.wait(now_ms);
        // There may be room for the next in line as well.
        inner.ring();
        drop(inner);
        let pass = Pass { destination: Arc::clone(&self.destination), probe, landed: false };
        Admission::Go { pass, retries_at_ms }
    }

    fn stand(&self, inner: &mut Inner) {
        if !self.stands.swap(true, Ordering::Relaxed) {
            inner.line.push_back((self.id, Arc::clone(&self.bell)));
        }
    }

    /// This stream has nothing to send: it stands in nobody's way.
    pub fn leave(&self) {
        if !self.stands.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.destination.inner();
        self.stands.store(false, Ordering::Relaxed);
        let was_first = inner.line.front().is_some_and(|(id, _)| *id == self.id);
        inner.line.retain(|(id, _)| *id != self.id);
        if was_first {
            inner.ring();
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A place at a destination. Dropping it, sent or not, gives it back.
pub struct Pass {
    destination: Arc<Destination>,
    probe: bool,
    landed: bool,
}

impl Pass {
    /// It is used for this.
    pub fn sent(&self, is_retry: bool) {
        self.destination.inner().budget.sent(is_retry);
    }

    /// The post is over. How the gate moved, if it did.
    pub fn land(mut self, went: Went, now_ms: i64) -> Option<Change> {
        let mut inner = self.destination.inner();
        let before = inner.health.gate;
        inner.health.judge(&self.destination.bounds, self.probe, went, now_ms);
        let Health { gate, failures, mean_ms, .. } = inner.health;
        self.destination.give_back(&mut inner, self.probe);
        drop(inner);
        self.landed = true;
        let origin = Arc::clone(&self.destination.origin);
        (gate != before).then_some(Change { origin, gate, failures, mean_ms })
    }
}

impl Destination {
    fn give_back(&self, inner: &mut Inner, probe: bool) {
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.health.end(probe);
        inner.ring();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.landed {
            let mut inner = self.destination.inner();
            self.destination.give_back(&mut inner, self.probe);
        }
    }
}

#[cfg(test)]
#[path = "destination_tests.rs"]
pub(in crate::outbox) mod tests;
