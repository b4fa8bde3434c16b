//! The sequencer's thread and the handle to it.
//!
//! Requests wait in an inbox. Batches form by themselves: whatever came in while the last flush ran is the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::base::Snapshot;
use super::command::{Answer, Command, Done, Redriven, Refused, SetAnswer, SetDraft, StreamAct, Which};
use super::emit::{EmitDraft, Emitted};
use super::entry::{Act, FactInput, IssuerKeys, Outcome};
use super::inbox::Inbox;
pub use super::inbox::Limits;
use super::object::{Object, ObjectKind};
use super::spine::{Fatal, Spine};
use crate::lineage::fact::Fact;
use crate::revocation::key::KeyHash;
use crate::tenant::{EntryId, TenantId};

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
    let inbox = Arc::new(Inbox::new(limits));
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
            let (commands, outcomes, stop) = self.inbox.take(patience);
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
        self.0.end();
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
        self.inbox.stop();
    }

    /// How many commands wait.
    pub fn waiting(&self) -> usize {
        self.inbox.waiting()
    }

    /// Whether the sequencer ended, by itself or because it was stopped.
    pub fn has_ended(&self) -> bool {
        self.inbox.has_ended()
    }
}
