//! Whether the broker is there, and when to try again.
//!
//! In the flow: `run` tells it what it saw and asks it what it may do. One log line when the broker goes away or
//! refuses us, one when it is back, however often it is tried between. Never talks to the broker.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fault::{Fault, Kind};
use crate::clock::Stopwatch;

/// Between the first two tries.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(500);
/// Between later tries, at most.
const LAST_RETRY_DELAY: Duration = Duration::from_secs(10);

/// How the projection fares, for metrics and the status.
#[derive(Debug, Default)]
pub struct Health {
    /// Whether the broker was there when last seen.
    pub connected: AtomicBool,
    /// Steps of the journal that Kafka has not acknowledged.
    pub lag_steps: AtomicU64,
    /// Whether Kafka has all that is durable: the lag was looked at and is none.
    pub drained: AtomicBool,
    /// Messages that the broker acknowledged; one that was sent again counts again.
    pub sent: AtomicU64,
    /// Deliveries given up by the client; they are sent again.
    pub failed: AtomicU64,
    /// Messages left out for good because they are larger than `message.max.bytes`.
    pub refused: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

impl Health {
    /// What keeps it from delivering now, if anything does.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells what keeps it; what did before.
    fn tell(&self, fault: Option<Fault>) -> Option<Fault> {
        std::mem::replace(&mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner), fault)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not tried yet.
    Unknown,
    /// There.
    Up,
    /// There, but the client lost its connections: perhaps for idleness only.
    Doubted,
    /// Not there.
    Away,
    /// A delivery failed: only an acknowledged step proves that it works again.
    Owed,
}

/// The state of the way to the broker.
#[derive(Debug)]
pub struct Link {
    state: State,
    retry_delay: Duration,
    since_try: Stopwatch,
    health: Arc<Health>,
}

impl Link {
    /// Nothing is known yet.
    pub fn new(health: Arc<Health>) -> Self {
        Self { state: State::Unknown, retry_delay: Duration::ZERO, since_try: Stopwatch::start(), health }
    }

    /// Whether the next try is due.
    pub fn may_try(&self) -> bool {
        self.since_try.elapsed() >= self.retry_delay
    }

    /// Whether the broker must be asked before anything is sent.
    pub fn needs_proof(&self) -> bool {
        matches!(self.state, State::Unknown | State::Doubted | State::Away)
    }

    /// Whether one step at a time is sent, for the last delivery failed: what goes out again before the failing
    /// step is mended stays little.
    pub fn is_on_trial(&self) -> bool {
        self.state == State::Owed
    }

    /// Whether the broker is thought to be there.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// The client lost its connections.
    pub fn doubt(&mut self) {
        if self.state == State::Up {
            self.state = State::Doubted;
        }
    }

    /// The broker did not answer, or would not have us.
    pub fn away(&mut self, fault: Fault) {
        self.down(State::Away, fault);
    }

    /// A delivery failed.
    pub fn failed(&mut self, fault: Fault) {
        self.down(State::Owed, fault);
    }

    /// What failed is not to be sent again (it was not of the journal): an answer of the broker is proof enough.
    pub fn nothing_owed(&mut self) {
        if self.state == State::Owed {
            self.state = State::Away;
        }
    }

    /// The broker answered, or acknowledged a step.
    pub fn up(&mut self) {
        match self.state {
            State::Up | State::Doubted => {}
            State::Unknown => tracing::info!("kafka: connected"),
            State::Away | State::Owed => tracing::info!("kafka: the broker is back"),
        }
        self.state = State::Up;
        self.retry_delay = Duration::ZERO;
        self.health.tell(None);
        self.health.connected.store(true, Ordering::Relaxed);
    }

    fn down(&mut self, to: State, fault: Fault) {
        let (kind, why) = (fault.kind, fault.why.clone());
        let before = self.health.tell(Some(fault)).map(|before| before.kind);
        match (kind, before) {
            (_, Some(before)) if before == kind => {
                tracing::debug!(why, "kafka: still not delivering");
            }
            (Kind::Away, _) => {
                tracing::warn!(why, "kafka: not delivering; the projection waits and nothing is lost");
            }
            _ => tracing::error!(
                fault = kind.as_str(),
                why,
                "kafka: refused; an operator must mend it; the projection waits and nothing is lost"
            ),
        }
        // An owed delivery stays owed: that the broker answers does not mean that it takes the step.
        if self.state != State::Owed {
            self.state = to;
        }
        self.retry_delay = (self.retry_delay * 2).clamp(FIRST_RETRY_DELAY, LAST_RETRY_DELAY);
        self.since_try = Stopwatch::start();
        self.health.connected.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test() -> Fault {
        Fault::new(None, "test")
    }

    #[test]
    fn what_is_at_fault_shows_until_the_broker_takes_something() {
        let health = Arc::new(Health::default());
        let mut link = Link::new(health.clone());
        link.away(Fault { kind: Kind::Authentication, why: "no".into() });
        assert_eq!(health.fault().map(|f| (f.kind, f.why)), Some((Kind::Authentication, "no".into())));
        link.away(test());
        assert_eq!(health.fault().map(|f| f.kind), Some(Kind::Away));
        link.up();
        assert_eq!(health.fault(), None);
    }

    #[test]
    fn the_delay_doubles_up_to_its_bound_and_starts_anew() {
        let mut link = Link::new(Arc::default());
        assert!(link.may_try() && link.needs_proof());
        for want_ms in [500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            link.away(test());
            assert_eq!(link.retry_delay.as_millis(), want_ms);
            assert!(!link.may_try() && link.needs_proof());
        }
        link.up();
        assert!(link.may_try() && link.is_up() && !link.needs_proof());
        link.failed(test());
        assert_eq!(link.retry_delay, FIRST_RETRY_DELAY);
    }

    #[test]
    fn a_failed_delivery_stays_owed_until_a_step_is_through() {
        let health = Arc::new(Health::default());
        let mut link = Link::new(health.clone());
        link.up();
        link.failed(test());
        link.away(test());
        link.doubt();
        assert!(link.is_on_trial() && !link.needs_proof() && !health.connected.load(Ordering::Relaxed));
        link.up();
        assert!(!link.is_on_trial() && health.connected.load(Ordering::Relaxed));
        link.failed(test());
        link.nothing_owed();
        assert!(!link.is_on_trial() && link.needs_proof());
    }

    #[test]
    fn a_doubt_asks_for_proof_but_is_not_an_outage() {
        let health = Arc::new(Health::default());
        let mut link = Link::new(health.clone());
        link.up();
        link.doubt();
        assert!(link.needs_proof() && link.may_try() && health.connected.load(Ordering::Relaxed));
    }
}
