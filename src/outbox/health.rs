//! How a destination fares: its gate, and what posts that landed do to it.
//!
//! Plain data under the lock of [`super::destination::Destination`]; steps of a table, each a count.

use serde::Serialize;

/// Answers in good time, in a row, after which a limited destination is open again.
const RECOVERED_AFTER: u32 = 8;
/// The share of places, and of failures in a row, that a limited destination gets: one in so many.
const LIMITED_SHARE: u32 = 8;

/// How much a destination gets.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Posts in flight.
    pub in_flight: usize,
    /// Posts in a row without any answer after which it is shut.
    pub shut_after: u32,
    /// The first pause while it is shut, doubled each time (ms).
    pub pause_ms: i64,
    /// The longest (ms).
    pub pause_max_ms: i64,
    /// Answers that take longer than this in the mean are slow (ms).
    pub slow_ms: i64,
    /// Retries for a hundred first tries.
    pub retry_percent: u32,
    /// Retries each second besides.
    pub retry_per_s: u32,
}

/// How much goes through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// All that the bounds allow.
    Open,
    /// An eighth of that.
    Limited,
    /// One probe after each pause.
    Shut,
}

impl Gate {
    /// In words, for logs, metrics and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Limited => "limited",
            Self::Shut => "shut",
        }
    }
}

/// How a post went, as far as the destination is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Went {
    /// It answered, whatever it said, after so many ms.
    Answered(i64),
    /// It did not: no connection, no TLS, no answer in time.
    Failed,
    /// Nothing was sent to it.
    Unsent,
}

/// How a destination fares.
#[derive(Clone, Debug)]
pub struct Health {
    /// How much goes through.
    pub gate: Gate,
    /// Posts in a row without any answer.
    pub failures: u32,
    /// How long answers take in the mean (ms).
    pub mean_ms: i64,
    /// Answers in good time in a row, while limited.
    well: u32,
    pauses: u32,
    /// While it is shut: no probe before this (ms since boot).
    until_ms: i64,
    probing: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self { gate: Gate::Open, failures: 0, mean_ms: 0, well: 0, pauses: 0, until_ms: 0, probing: false }
    }
}

impl Health {
    /// Whether one more may go now, and if not, from when on.
    pub fn has_place(&self, bounds: &Bounds, in_flight: usize, now_ms: i64) -> Result<(), Option<i64>> {
        let most = match self.gate {
            Gate::Open => bounds.in_flight,
            Gate::Limited => (bounds.in_flight / LIMITED_SHARE as usize).max(1),
            Gate::Shut if self.probing => return Err(None),
            Gate::Shut if now_ms < self.until_ms => return Err(Some(self.until_ms)),
            Gate::Shut => return Ok(()),
        };
        if in_flight < most { Ok(()) } else { Err(None) }
    }

    /// A post begins. Whether it is a probe.
    pub fn begin(&mut self) -> bool {
        let probe = self.gate == Gate::Shut;
        self.probing |= probe;
        probe
    }

    /// A post is over, or never was.
    pub fn end(&mut self, probe: bool) {
        self.probing &= !probe;
    }

    /// What a post that landed does to the gate.
    pub fn judge(&mut self, bounds: &Bounds, probe: bool, went: Went, now_ms: i64) {
        match went {
            Went::Unsent => {}
            Went::Failed => self.failed(bounds, probe, now_ms),
            Went::Answered(ms) => self.answered(bounds, ms),
        }
    }

    fn failed(&mut self, bounds: &Bounds, probe: bool, now_ms: i64) {
        self.failures = self.failures.saturating_add(1);
        self.well = 0;
        let share = if self.gate == Gate::Limited { LIMITED_SHARE } else { 1 };
        match self.gate {
            // What was on its way when it was shut says nothing new: only probes lengthen the pause.
            Gate::Shut if !probe => return,
            Gate::Shut => self.pauses = self.pauses.saturating_add(1),
            _ if self.failures >= (bounds.shut_after / share).max(1) => {
                (self.gate, self.pauses) = (Gate::Shut, 0);
            }
            _ => return,
        }
        let pause_ms = bounds.pause_ms.saturating_mul(1_i64 << self.pauses.min(20)).min(bounds.pause_max_ms);
        self.until_ms = now_ms.saturating_add(pause_ms);
    }

    fn answered(&mut self, bounds: &Bounds, ms: i64) {
        self.failures = 0;
        self.mean_ms = (self.mean_ms.saturating_mul(7).saturating_add(ms.max(0))) / 8;
        let slow = bounds.slow_ms;
        match self.gate {
            Gate::Shut => (self.gate, self.well, self.mean_ms) = (Gate::Limited, 1, ms.max(0)),
            Gate::Limited if self.mean_ms <= slow / 2 => self.well = self.well.saturating_add(1),
            Gate::Limited => self.well = 0,
            Gate::Open if self.mean_ms > slow => (self.gate, self.well) = (Gate::Limited, 0),
            Gate::Open => {}
        }
        if self.gate == Gate::Limited && self.well >= RECOVERED_AFTER {
            self.gate = Gate::Open;
        }
    }
}
