//! The spine: order, apply in memory, make durable, then act (DESIGN 3).
//!
//! One [`Spine`] owns the journal and every tenant's state; the sequencer's thread calls [`Spine::batch`], the
//! simulation calls it directly. No answer and no effect leaves before the flush. An error in the
//! flush is fatal: memory is ahead of the disk then, and only a restart makes them one again.

mod admission;
mod clients;
mod emit;
mod health;
mod intake;
mod objects;
mod redrive;
mod rows;
mod streams;
#[cfg(test)]
mod tests;
pub mod trial;
mod unasked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use health::Health;

use super::apply::Stamped;
use super::base::Snapshot;
use super::command::{Answer, Command, Outcomes, Refused};
use super::effect::{Effect, Sink};
use super::entry::{Body, Decision, Touched, VERSION};
use super::mirror::Feed;
use super::state::State;
use crate::clock::SharedClock;
use crate::journal::{self, Draft, Journal};
use crate::tenant::{EntryId, TenantId};

/// A batch is flushed early once it has so many bytes, or a quarter of a segment: decisions may be large.
pub const STAGED_MAX: usize = 1 << 20;

/// The spine cannot go on: what is in memory is ahead of what is on disk.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The journal failed.
    #[error("the journal failed: {0}")]
    Journal(#[from] journal::Error),
    /// An entry could not be encoded.
    #[error("an entry could not be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// The fold of what was written gave something else.
    #[error("{0}")]
    Fold(String),
}

/// What the spine needs from outside.
pub struct Parts {
    /// What time it is.
    pub clock: SharedClock,
    /// Where effects go.
    pub sink: Arc<dyn Sink>,
    /// The mirror, if there is one.
    pub mirror: Option<Arc<Feed>>,
    /// How far the wall clock may leap against CLOCK_BOOTTIME (ms).
    pub leap_max_ms: i64,
    /// How far a decision may reach.
    pub bounds: super::decide::Bounds,
}

/// The journal and every tenant's state.
pub struct Spine {
    pub(super) journal: Journal,
    pub(super) states: BTreeMap<TenantId, State>,
    parts: Parts,
    last_ms: i64,
    boot_offset_ms: i64,
    leapt: bool,
    reserve_at_ms: i64,
    staged: Vec<Draft>,
    staged_bytes: usize,
    staged_max: usize,
    room_min: u64,
    outcomes: Outcomes,
    last_body: Option<Body>,
    effects: Vec<(TenantId, Vec<Effect>)>,
    after: Vec<Box<dyn FnOnce() + Send>>,
    stats: Stats,
    told: Health,
}

/// A decision and where it is.
type Decided = (EntryId, Decision);

/// What the spine counted since it started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Batches flushed.
    pub flushes: u64,
    /// Entries written.
    pub entries: u64,
    /// Bytes written to the durable file.
    pub bytes: u64,
}

impl Spine {
    /// A spine over an opened journal and the states that it adds up to (`start` makes both).
    pub fn new(journal: Journal, states: BTreeMap<TenantId, State>, parts: Parts) -> Self {
        let last_ms = states.values().map(State::time_ms).max().unwrap_or(0);
        let boot_offset_ms = parts.clock.wall_ms() - parts.clock.boot_ms();
        let (staged, effects, after) = (vec![], vec![], vec![]);
        let stats = Stats::default();
        let (leapt, last_body) = (false, None);
        let reserve_at_ms = 0;
        let room_min = admission::ROOM_MIN.min(journal.room_max() / 4);
        let staged_max = usize::try_from(journal.room_max()).map_or(STAGED_MAX, |room| room.min(STAGED_MAX));
        Self {
            journal,
            states,
            parts,
            last_ms,
            boot_offset_ms,
            leapt,
            reserve_at_ms,
            staged,
            staged_bytes: 0,
            staged_max,
            room_min,
            outcomes: Outcomes::new(),
            last_body,
            effects,
            after,
            stats,
            told: Health::GOOD,
        }
    }

    /// A tenant's state.
    pub fn state(&self, tenant: &TenantId) -> Option<&State> {
        self.states.get(tenant)
    }

    /// Every tenant's state, by id.
    pub fn states(&self) -> &BTreeMap<TenantId, State> {
        &self.states
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Makes the chain's own files durable too, so that heads signed now can be checked without the payloads.
    pub fn sync_chain(&mut self) -> Result<(), Fatal> {
        Ok(self.journal.sync_chain()?)
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// When the next timer is due, over all tenants (ms since 1970).
    pub fn next_timer_ms(&self) -> Option<i64> {
        self.states.values().filter_map(State::next_timer_ms).min()
    }

    /// Does a batch: everything in it is durable, or nothing of it was answered.
    pub fn batch(&mut self, commands: Vec<Command>, outcomes: Outcomes) -> Result<(), Fatal> {
        self.watch_clock();
        self.try_reserve();
        self.tell_health();
        let mut snapshots = Vec::new();
        self.stage_outcomes(outcomes)?;
        // Timers due fire first: a token told now finds its run already over.
        self.stage_ticks()?;
        for command in commands {
            match command {
                Command::Snapshot(then) => snapshots.push(then),
                other => self.command(other)?,
            }
            if self.staged_bytes >= self.staged_max {
                self.commit()?;
            }
        }
        self.commit()?;
        if !snapshots.is_empty() {
            self.sync_chain()?;
        }
        for then in snapshots {
            then(self, Snapshot::of(self));
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), Fatal> {
        match command {
            Command::Set(tenant, draft, answer) => self.set(tenant, *draft, answer),
            Command::Fact(tenant, input, answer) => self.fact(tenant, *input, answer),
            Command::Emit(tenant, draft, answer) => self.emit(tenant, *draft, answer),
            Command::Act { tenant, kill, act, answer } => self.act(tenant, kill, act, answer),
            Command::Put(tenant, object, by, answer) => self.put(tenant, vec![(*object, by)], answer),
            Command::PutAll(tenant, puts, answer) => self.put(tenant, puts, answer),
            Command::Remove(tenant, kind, id, by, answer) => self.remove(tenant, kind, id, by, answer),
            Command::Keys(tenant, keys, answer) => self.keys(tenant, keys, answer),
            Command::Stream(tenant, act, answer) => self.stream_act(tenant, act, answer),
            Command::Redrive(tenant, which, by, answer) => self.redrive(tenant, &which, by, answer),
            Command::AcceptClock(by, answer) => {
                if !self.room_for_act()? {
                    return self.refuse(answer, Refused::DiskFull);
                }
                self.boot_offset_ms = self.parts.clock.wall_ms() - self.parts.clock.boot_ms();
                self.leapt = false;
                let id = self.stage(&TenantId::hub(), Body::ClockAccepted { by })?;
                self.later(answer, id);
                Ok(())
            }
            Command::Look(look) => {
                let then = look(self);
                self.after.push(then);
                Ok(())
            }
            Command::Snapshot(_) => Ok(()),
        }
    }

    fn refuse<T: Send + 'static>(&mut self, answer: Answer<T>, refused: Refused) -> Result<(), Fatal> {
        self.after.push(Box::new(move || drop(answer.send(Err(refused)))));
        Ok(())
    }

    fn later<T: Send + 'static>(&mut self, answer: Answer<T>, value: T) {
        self.after.push(Box::new(move || drop(answer.send(Ok(value)))));
    }

    /// Applies an entry to its state and puts it into the batch.
    fn stage(&mut self, tenant: &TenantId, body: Body) -> Result<EntryId, Fatal> {
        let time_ms = self.now_ms();
        let Some(state) = self.states.get_mut(tenant) else {
            return Err(Fatal::Fold(format!("no state for tenant {tenant}")));
        };
        let seq = state.seq().next();
        let draft = Draft {
            tenant: tenant.clone(),
            kind: body.kind(),
            version: VERSION,
            time_ms,
            payload: body.to_vec()?,
        };
        let entry = Stamped { seq, time_ms, body };
        let fx = state.apply(&entry);
        self.last_body = Some(entry.body);
        self.last_ms = time_ms;
        self.staged_bytes += draft.payload.len() + 200;
        self.staged.push(draft);
        let made: Vec<TenantId> = fx
            .iter()
            .filter_map(|effect| match effect {
                Effect::Tenant(new) if !self.states.contains_key(new) => Some(new.clone()),
                _ => None,
            })
            .collect();
        self.effects.push((tenant.clone(), fx));
        for new in made {
            self.states.insert(new.clone(), State::new(new.clone()));
            // A tenant without objects has its doors all the same.
            self.effects.push((new, vec![Effect::Objects]));
        }
        Ok(EntryId { tenant: tenant.clone(), seq })
    }

    /// Decides the input that was just staged; a decision is the entry right behind it.
    fn decide(&mut self, tenant: &TenantId) -> Result<Option<Decided>, Fatal> {
        match self.last_body.take() {
            Some(body) => self.decide_on(tenant, &body),
            None => Ok(None),
        }
    }

    /// The same, where no answer tells of it: a line does, once it is durable.
    fn decide_aloud(&mut self, tenant: &TenantId) -> Result<Option<Decided>, Fatal> {
        let decided = self.decide(tenant)?;
        self.say(decided.as_ref());
        Ok(decided)
    }

    fn say(&mut self, decided: Option<&Decided>) {
        if let Some((id, decision)) = decided {
            let told = (id.clone(), decision.txn.clone(), decision.reason_code.clone(), decision.touched);
            self.after.push(Box::new(move || tell(&told)));
        }
    }

    /// Decides an input that is the last entry of its tenant.
    pub(super) fn decide_on(&mut self, tenant: &TenantId, body: &Body) -> Result<Option<Decided>, Fatal> {
        let journal = self.journal.id();
        let Some(state) = self.states.get(tenant) else { return Ok(None) };
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let mut bounds = self.parts.bounds;
        let decision = loop {
            let Some(decision) = super::decide::decide(state, &journal.0, body, &bounds) else {
                return Ok(None);
            };
            // What was folded must fit: what is cut is counted in it and said loudly.
            match bounds.halved().filter(|_| decision.weight() > room) {
                Some(less) => bounds = less,
                None => break decision,
            }
        };
        let id = self.stage(tenant, Body::Decision(decision))?;
        let Some(Body::Decision(decision)) = self.last_body.take() else { return Ok(None) };
        Ok(Some((id, decision)))
    }

    /// Makes the batch durable, then acts.
    pub(super) fn commit(&mut self) -> Result<(), Fatal> {
        if !self.staged.is_empty() {
            let written = self.journal.append(&self.staged)?;
            // A crash up to here: nobody was answered, and the batch is whole or cut.
            self.journal.flush()?;
            self.stats.flushes += 1;
            self.stats.entries += self.staged.len() as u64;
            self.stats.bytes += written.bytes;
            self.staged.clear();
            self.staged_bytes = 0;
        }
        self.parts.sink.durable(self.journal.durable_end());
        // Behind the mark. A crash here repeats deliveries under the same names, and answers nobody twice.
        let effects = std::mem::take(&mut self.effects);
        self.feed_mirror(&effects);
        self.publish_objects(&effects);
        for (tenant, fx) in effects {
            self.publish(&tenant, fx);
        }
        for after in std::mem::take(&mut self.after) {
            after();
        }
        Ok(())
    }

    /// Tells the sink of objects that changed, once for each tenant: the states are behind all of these effects.
    fn publish_objects(&self, effects: &[(TenantId, Vec<Effect>)]) {
        let changed = effects.iter().filter(|(_, fx)| fx.iter().any(|e| matches!(e, Effect::Objects)));
        let changed: BTreeSet<&TenantId> = changed.map(|(tenant, _)| tenant).collect();
        for state in changed.into_iter().filter_map(|tenant| self.states.get(tenant)) {
            self.parts.sink.objects(state);
        }
    }

    fn publish(&self, tenant: &TenantId, fx: Vec<Effect>) {
        if !fx.is_empty() {
            self.parts.sink.publish(tenant, fx);
        }
    }

    /// Publishes everything that follows from the states, at start.
    pub fn publish_all(&self) {
        for (tenant, state) in &self.states {
            self.parts.sink.objects(state);
            self.publish(tenant, state.everything());
        }
    }

    /// Decides inputs that were left at the end of the log without their decision, at start (DESIGN 2).
    pub fn decide_late(&mut self, undecided: Vec<(TenantId, Body)>) -> Result<(), Fatal> {
        for (tenant, body) in undecided {
            let decided = self.decide_on(&tenant, &body)?;
            self.say(decided.as_ref());
        }
        self.commit()
    }
}

/// One line for a decision, once it is durable. A walk that was cut is said loudly: a human must look.
fn tell((id, txn, reason_code, touched): &(EntryId, String, String, Touched)) {
    let Touched { runs, tokens, truncated, ambiguous, left_out } = *touched;
    if ambiguous {
        tracing::warn!(%id, txn, reason_code, runs, tokens, "decided; the subject named several principals, all of them are meant");
    }
    if truncated || left_out > 0 {
        tracing::warn!(%id, txn, reason_code, runs, tokens, truncated, left_out, "decided; not all that it reaches is enumerated");
    } else {
        tracing::info!(%id, txn, reason_code, runs, tokens, "decided");
    }
}
