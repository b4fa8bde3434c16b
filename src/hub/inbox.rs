//! Where commands wait for the sequencer: one lane per tenant, taken in turn, so that no tenant starves another; operators'
//! acts go first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command::{Command, Outcomes, Refused};
use super::entry::Outcome;
use crate::clock::Stopwatch;
use crate::tenant::TenantId;

/// Outcomes wait at most so long for a batch to ride in.
const OUTCOMES_WAIT: Duration = Duration::from_secs(1);
/// So many outcomes are a batch of their own.
const OUTCOMES_MAX: usize = 10_000;
/// A batch takes no more commands beyond so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// Operators' acts that may wait.
const URGENT_MAX: usize = 1024;

/// Limits of the inbox.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Commands in one batch.
    pub batch_max: usize,
    /// Commands that may wait, over all tenants.
    pub in_flight_max: usize,
}

#[derive(Default)]
struct Lanes {
    urgent: VecDeque<Command>,
    lanes: BTreeMap<TenantId, VecDeque<Command>>,
    turn: Option<TenantId>,
    waiting: usize,
    outcomes: Outcomes,
    oldest_outcome: Option<Stopwatch>,
    /// Whether the sequencer waits to be woken.
    sleeps: bool,
    stop: bool,
    ended: bool,
}

/// Where commands and outcomes wait for the sequencer.
pub(super) struct Inbox {
    lanes: Mutex<Lanes>,
    woken: Condvar,
    limits: Limits,
}

impl Inbox {
    /// An empty one.
    pub(super) fn new(limits: Limits) -> Self {
        Self { lanes: Mutex::new(Lanes::default()), woken: Condvar::new(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command into its lane. One that is refused is dropped, and its answer with it.
    pub(super) fn put(&self, command: Command) -> Result<(), Refused> {
        let mut lanes = self.lock();
        if lanes.stop || lanes.ended {
            return Err(Refused::Stopping);
        }
        if command.is_urgent() {
            if lanes.urgent.len() >= URGENT_MAX {
                return Err(Refused::Busy);
            }
            lanes.urgent.push_back(command);
        } else {
            // While others wait a tenant may fill half of the room.
            let tenant = command.tenant();
            let own = lanes.lanes.get(&tenant).map_or(0, VecDeque::len);
            let crowded = lanes.lanes.len() > 1 || own == 0;
            let share = if crowded { self.limits.in_flight_max / 2 } else { self.limits.in_flight_max };
            if lanes.waiting >= self.limits.in_flight_max || own >= share.max(1) {
                return Err(Refused::Busy);
            }
            lanes.waiting += 1;
            lanes.lanes.entry(tenant).or_default().push_back(command);
        }
        self.wake(lanes);
        Ok(())
    }

    /// Wakes the sequencer where it sleeps and nobody has woken it.
    fn wake(&self, mut lanes: MutexGuard<'_, Lanes>) {
        let sleeps = std::mem::take(&mut lanes.sleeps);
        drop(lanes);
        if sleeps {
            self.woken.notify_one();
        }
    }

    /// Puts an outcome: it rides in the next batch. Nobody is woken for the first: [`Inbox::take`] looks in time.
    pub(super) fn tell(&self, tenant: &TenantId, outcome: Outcome) {
        let mut lanes = self.lock();
        if lanes.outcomes.is_empty() {
            lanes.oldest_outcome = Some(Stopwatch::start());
        }
        lanes.outcomes.push((tenant.clone(), outcome));
        if lanes.outcomes.len() == OUTCOMES_MAX {
            self.wake(lanes);
        }
    }

    /// Waits for a batch, at most `patience` and [`OUTCOMES_WAIT`]; empty when a timer is due or the hub stops.
    pub(super) fn take(&self, patience: Duration) -> (Vec<Command>, Outcomes, bool) {
        let mut lanes = self.lock();
        let waited = Stopwatch::start();
        loop {
            let left = patience.min(OUTCOMES_WAIT).saturating_sub(waited.elapsed());
            let outcomes_left = match (&lanes.oldest_outcome, lanes.outcomes.len()) {
                (_, n) if n >= OUTCOMES_MAX => Duration::ZERO,
                (Some(since), _) => OUTCOMES_WAIT.saturating_sub(since.elapsed()),
                (None, _) => Duration::MAX,
            };
            let work = lanes.waiting > 0 || !lanes.urgent.is_empty();
            let rest = left.min(outcomes_left);
            if work || lanes.stop || rest.is_zero() {
                break;
            }
            lanes.sleeps = true;
            lanes = self.woken.wait_timeout(lanes, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        lanes.sleeps = false;
        let commands = lanes.next_batch(self.limits.batch_max);
        lanes.oldest_outcome = None;
        let outcomes = std::mem::take(&mut lanes.outcomes);
        let stop = lanes.stop && lanes.waiting == 0 && lanes.urgent.is_empty();
        (commands, outcomes, stop)
    }

    /// Nothing more is taken in; what waits is still done.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.woken.notify_all();
    }

    /// Nobody does what waits: who asked is answered that the hub stops.
    pub(super) fn end(&self) {
        let mut lanes = self.lock();
        lanes.ended = true;
        lanes.waiting = 0;
        let left = (std::mem::take(&mut lanes.urgent), std::mem::take(&mut lanes.lanes));
        drop(lanes);
        // An answer that is dropped says `Stopping`.
        drop(left);
    }

    /// Whether nobody takes from it any more.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// How many commands wait.
    pub(super) fn waiting(&self) -> usize {
        let lanes = self.lock();
        lanes.waiting + lanes.urgent.len()
    }
}

impl Lanes {
    /// Operators first, then one of each tenant in turn.
    fn next_batch(&mut self, max: usize) -> Vec<Command> {
        let mut batch: Vec<Command> = self.urgent.drain(..).collect();
        let mut bytes = 0;
        while batch.len() < max && bytes < BATCH_BYTES && self.waiting > 0 {
            let after = self.turn.take();
            let next = after
                .and_then(|t| {
                    self.lanes.range((std::ops::Bound::Excluded(t), std::ops::Bound::Unbounded)).next()
                })
                .or_else(|| self.lanes.iter().next())
                .map(|(t, _)| t.clone());
            let Some(tenant) = next else { break };
            if let Some(lane) = self.lanes.get_mut(&tenant) {
                if let Some(command) = lane.pop_front() {
                    self.waiting -= 1;
                    bytes += command.weight();
                    batch.push(command);
                }
                if lane.is_empty() {
                    self.lanes.remove(&tenant);
                }
            }
            self.turn = Some(tenant);
        }
        batch
    }
}
