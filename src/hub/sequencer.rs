//! The sequencer's thread and the handle to it.
//!
//! Requests wait in an inbox, one lane per tenant, taken in turn, so that no tenant starves another; operators' acts go
//! first. Batches form by themselves: whatever came in while the last flush ran is the next one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::base::Snapshot;
use super::command::{
    Answer, Command, Done, Outcomes, Redriven, Refused, SetAnswer, SetDraft, StreamAct, Which,
};
use super::emit::{EmitDraft, Emitted};
use super::entry::{Act, FactInput, IssuerKeys, Outcome};
use super::object::{Object, ObjectKind};
use super::spine::{Fatal, Spine};
use crate::clock::Stopwatch;
use crate::lineage::fact::Fact;
use crate::revocation::key::KeyHash;
use crate::tenant::{EntryId, TenantId};

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
    stop: bool,
    ended: bool,
}

struct Inbox {
    lanes: Mutex<Lanes>,
    wake: Condvar,
    limits: Limits,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command into its lane. One that is refused is dropped, and its answer with it.
    fn put(&self, command: Command) -> Result<(), Refused> {
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
        drop(lanes);
        self.wake.notify_one();
        Ok(())
    }

    fn tell(&self, tenant: &TenantId, outcome: Outcome) {
        let mut lanes = self.lock();
        if lanes.outcomes.is_empty() {
            lanes.oldest_outcome = Some(Stopwatch::start());
            self.wake.notify_one();
        }
        lanes.outcomes.push((tenant.clone(), outcome));
        if lanes.outcomes.len() == OUTCOMES_MAX {
            self.wake.notify_one();
        }
    }

    /// Waits for a batch, at most `patience`; empty when a timer is due or the hub stops.
    fn take(&self, patience: Duration) -> (Vec<Command>, Outcomes, bool) {
        let mut lanes = self.lock();
        let waited = Stopwatch::start();
        loop {
            let left = patience.saturating_sub(waited.elapsed());
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
            lanes = self.wake.wait_timeout(lanes, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        let commands = lanes.next_batch(self.limits.batch_max);
        lanes.oldest_outcome = None;
        let outcomes = std::mem::take(&mut lanes.outcomes);
        let stop = lanes.stop && lanes.waiting == 0 && lanes.urgent.is_empty();
        (commands, outcomes, stop)
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

/// The handle to the sequencer. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inbox: Arc<Inbox>,
}

/// The sequencer's thread: owns the spine.
pub struct Sequencer {
    inbox: Arc<Inbox>,
    spine: Spine,
}

/// A sequencer over a spine, and the handle to it.
pub fn sequencer(spine: Spine, limits: Limits) -> (Hub, Sequencer) {
    let lanes = Mutex::new(Lanes::default());
    let inbox = Arc::new(Inbox { lanes, wake: Condvar::new(), limits });
    (Hub { inbox: inbox.clone() }, Sequencer { inbox, spine })
}

impl Sequencer {
    /// Works until [`Hub::stop`]; run on a thread of its own. An error means that the process must end.
    pub fn run(mut self) -> Result<Spine, Fatal> {
        let _ended = Ended(self.inbox.clone());
        loop {
            // A tick that finds no room waits until the next look for room.
            let patience = match self.spine.next_timer_ms().filter(|_| self.spine.has_room()) {
                Some(at) => Duration::from_millis(u64::try_from(at - self.spine.now_ms()).unwrap_or(0)),
                None => Duration::from_secs(1),
            };
            let (commands, outcomes, stop) = self.inbox.take(patience.min(Duration::from_secs(1)));
            self.spine.batch(commands, outcomes)?;
            if stop {
                return Ok(self.spine);
            }
        }
    }
}

/// However the sequencer ends, also by a panic: who waits is answered that it stops, and nobody waits any more.
struct Ended(Arc<Inbox>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut lanes = self.0.lock();
        lanes.ended = true;
        lanes.waiting = 0;
        let left = (std::mem::take(&mut lanes.urgent), std::mem::take(&mut lanes.lanes));
        drop(lanes);
        // An answer that is dropped says `Stopping`.
        drop(left);
    }
}

impl Hub {
    async fn ask<T>(&self, make: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refused> {
        let (answer, wait) = oneshot::channel();
        self.inbox.put(make(answer))?;
        wait.await.unwrap_or(Err(Refused::Stopping))
    }

    /// Accepts a SET; answers when it is durable.
    pub async fn set(&self, tenant: &TenantId, draft: SetDraft) -> Result<SetAnswer, Refused> {
        self.ask(|answer| Command::Set(tenant.clone(), Box::new(draft), answer)).await
    }

    /// Accepts a fact; answers when it is durable.
    pub async fn fact(
        &self,
        tenant: &TenantId,
        client: &str,
        fact: Fact,
        hashes: Vec<Vec<KeyHash>>,
        idempotency_key: Option<String>,
    ) -> Result<Done, Refused> {
        let input = Box::new(FactInput { client: client.to_string(), fact, hashes, idempotency_key });
        self.ask(|answer| Command::Fact(tenant.clone(), input, answer)).await
    }

    /// Says something; answers when it is durable.
    pub async fn emit(&self, tenant: &TenantId, draft: EmitDraft) -> Result<Emitted, Refused> {
        self.ask(|answer| Command::Emit(tenant.clone(), Box::new(draft), answer)).await
    }

    /// Kills (`true`) or lifts (`false`); answers when it is durable.
    pub async fn act(&self, tenant: &TenantId, kill: bool, act: Act) -> Result<Done, Refused> {
        let tenant = tenant.clone();
        self.ask(|answer| Command::Act { tenant, kill, act, answer }).await
    }

    /// Makes or changes an object.
    pub async fn put(&self, tenant: &TenantId, object: Object, by: &str) -> Result<EntryId, Refused> {
        let by = by.to_string();
        self.ask(|answer| Command::Put(tenant.clone(), Box::new(object), by, answer)).await
    }

    /// Makes or changes several objects, each with whose it is then: all of them or none. The entry of the first.
    pub async fn put_all(&self, tenant: &TenantId, puts: Vec<(Object, String)>) -> Result<EntryId, Refused> {
        self.ask(|answer| Command::PutAll(tenant.clone(), puts, answer)).await
    }

    /// Takes an object away.
    pub async fn remove(
        &self,
        tenant: &TenantId,
        kind: ObjectKind,
        id: &str,
        by: &str,
    ) -> Result<EntryId, Refused> {
        let (id, by) = (id.to_string(), by.to_string());
        self.ask(|answer| Command::Remove(tenant.clone(), kind, id, by, answer)).await
    }

    /// Keeps an upstream's keys as evidence.
    pub async fn keys(&self, tenant: &TenantId, keys: IssuerKeys) -> Result<EntryId, Refused> {
        self.ask(|answer| Command::Keys(tenant.clone(), keys, answer)).await
    }

    /// Changes a stream's subjects or status, or has it verified; answers when it is durable.
    pub async fn stream(&self, tenant: &TenantId, act: StreamAct) -> Result<EntryId, Refused> {
        self.ask(|answer| Command::Stream(tenant.clone(), act, answer)).await
    }

    /// Sends dead letters again, or throws them away: one entry's worth. The answer says where to go on.
    pub async fn redrive(&self, tenant: &TenantId, which: Which, by: &str) -> Result<Redriven, Refused> {
        let by = by.to_string();
        self.ask(|answer| Command::Redrive(tenant.clone(), which, by, answer)).await
    }

    /// Accepts the wall clock as it is now.
    pub async fn accept_clock(&self, by: &str) -> Result<EntryId, Refused> {
        let by = by.to_string();
        self.ask(|answer| Command::AcceptClock(by, answer)).await
    }

    /// Copies what the spine holds, and looks at what stands there: the journal ends where the snapshot was taken.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::Stopping`].
    pub async fn snapshot<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Spine) -> T + Send + 'static,
    ) -> Result<(T, Snapshot), Refused> {
        self.ask(|answer| {
            Command::Snapshot(Box::new(move |spine, snapshot| {
                let _ = answer.send(Ok((look(spine), snapshot)));
            }))
        })
        .await
    }

    /// Looks at the states, between two batches; what was seen is durable when this answers.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Spine) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (answer, wait) = oneshot::channel();
        let look = move |spine: &Spine| -> Box<dyn FnOnce() + Send> {
            let seen = look(spine);
            Box::new(move || drop(answer.send(seen)))
        };
        self.inbox.put(Command::Look(Box::new(look)))?;
        wait.await.map_err(|_| Refused::Stopping)
    }

    /// Tells what became of a delivery: it rides in the next batch and causes no flush of its own.
    pub fn tell(&self, tenant: &TenantId, outcome: Outcome) {
        self.inbox.tell(tenant, outcome);
    }

    /// Lets the sequencer finish what waits, and end.
    pub fn stop(&self) {
        self.inbox.lock().stop = true;
        self.inbox.wake.notify_all();
    }

    /// How many commands wait.
    pub fn waiting(&self) -> usize {
        let lanes = self.inbox.lock();
        lanes.waiting + lanes.urgent.len()
    }

    /// Whether the sequencer ended, by itself or because it was stopped.
    pub fn has_ended(&self) -> bool {
        self.inbox.lock().ended
    }
}
