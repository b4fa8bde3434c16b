//! The loop: pull steps, send them, move the cursor behind what the broker has.
//!
//! In the flow: `app` runs [`run`] on a thread of its own, gives it a [`Source`] over the journal and rings the
//! [`Wake`] behind each durable batch. A broker that is away holds up this loop only: at most 10,000 messages and
//! 10,000 steps are in memory, the rest waits in the journal. If we crash, the steps behind the last saved cursor
//! go out again. Never writes to the journal.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::config::ClientConfig;

use super::config::{self, Settings};
use super::fault::Fault;
use super::link::{Health, Link};
use super::producer::{self, Producer, WINDOW};
use super::source::{CursorStore, Source};
use super::topics;
use super::tracker::Mark;
use super::wake::Wake;
use super::wire::Message;
use crate::clock::Stopwatch;

/// How long the loop waits when nothing rings.
const IDLE: Duration = Duration::from_millis(50);
/// How often the cursor is saved, at most.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Steps asked for at a time.
const PULL: usize = 64;

/// The projection cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's settings.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The cursor cannot be read.
    #[error("kafka: the cursor cannot be read: {0}")]
    Cursor(String),
}

/// Runs the projection until `stop` is set (ring the wake to have it seen at once). Blocking. After `stop` it ends
/// within 50 ms if idle, 5 s more for what is queued; a probe (2 s) or the creation of topics (10 s) that is under
/// way is waited for. Not within an async runtime.
///
/// # Errors
/// [`Error`], before anything is sent only.
pub fn run<S: Source, C: CursorStore>(
    source: S,
    settings: &Settings,
    mut cursor: C,
    wake: Arc<Wake>,
    stop: &AtomicBool,
    health: Arc<Health>,
) -> Result<(), Error> {
    let config = config::client_config(settings)?;
    let saved = cursor.load().map_err(Error::Cursor)?;
    let mut projection = Projection {
        source,
        cursor,
        settings,
        config,
        wake: wake.clone(),
        link: Link::new(health.clone()),
        health,
        producer: None,
        may_create: settings.create_topics,
        pending: VecDeque::new(),
        unsent: VecDeque::new(),
        next_mark: 1,
        pulled: saved.clone(),
        acked: saved.clone(),
        saved,
        since_save: Stopwatch::start(),
        is_silent: false,
    };
    while !stop.load(Ordering::Acquire) {
        if projection.turn() == Turn::Rest {
            wake.wait(IDLE);
        }
    }
    projection.close();
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more to do.
    Again,
    /// Wait for a ring.
    Rest,
}

struct Projection<'a, S, C> {
    source: S,
    cursor: C,
    settings: &'a Settings,
    config: ClientConfig,
    wake: Arc<Wake>,
    link: Link,
    health: Arc<Health>,
    producer: Option<Producer>,
    may_create: bool,
    /// Steps that are pulled and not acknowledged, with the cursor behind each.
    pending: VecDeque<(Mark, Vec<u8>)>,
    /// Messages of pulled steps that are not queued yet.
    unsent: VecDeque<(Mark, Message)>,
    next_mark: Mark,
    /// Behind the last pulled step.
    pulled: Vec<u8>,
    /// Behind the last acknowledged step.
    acked: Vec<u8>,
    /// As the store has it.
    saved: Vec<u8>,
    since_save: Stopwatch,
    /// Whether the trouble with the source was said already.
    is_silent: bool,
}

impl<S: Source, C: CursorStore> Projection<'_, S, C> {
    fn turn(&mut self) -> Turn {
        self.settle();
        if self.since_save.elapsed() >= SAVE_INTERVAL {
            self.save();
        }
        if let Some(why) = self.producer.as_ref().and_then(Producer::failed) {
            self.go_back(&why);
        }
        if self.reach() { self.send() } else { Turn::Rest }
    }

    /// Takes over what the broker has acknowledged.
    fn settle(&mut self) {
        let Some(producer) = &self.producer else { return };
        let watermark = producer.watermark();
        let mut moved = false;
        while self.pending.front().is_some_and(|(mark, _)| *mark <= watermark) {
            if let Some((_, cursor)) = self.pending.pop_front() {
                self.acked = cursor;
                moved = true;
            }
        }
        if moved {
            self.source.settled(&self.acked);
        }
        // Steps without messages move the watermark too, but prove nothing.
        if moved && !self.link.is_up() && producer.has_delivered() {
            self.link.up();
        }
    }

    /// A delivery failed: everything behind the watermark goes out again, through a new producer.
    fn go_back(&mut self, why: &str) {
        let fault = self.producer.as_ref().map_or_else(|| Fault::new(None, why), |p| p.fault(why));
        self.link.failed(fault);
        self.producer = None;
        self.pending.clear();
        self.unsent.clear();
        self.next_mark = 1;
        self.pulled.clone_from(&self.acked);
    }

    /// Whether there is a producer that may send.
    fn reach(&mut self) -> bool {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None if !self.link.may_try() => return false,
            None => {
                let (health, wake) = (self.health.clone(), self.wake.clone());
                match Producer::open(&self.config, &self.settings.prefix, health, wake) {
                    Ok(producer) => producer,
                    Err(error) => {
                        self.link.away(error.fault());
                        return false;
                    }
                }
            }
        };
        producer.set_alone(self.link.is_on_trial());
        if producer.take_doubt() {
            self.link.doubt();
        }
        let reached = !self.link.needs_proof() || (self.link.may_try() && self.prove(&producer));
        self.producer = Some(producer);
        reached
    }

    /// Asks the broker whether it and the topics are there; creates these where that is allowed.
    fn prove(&mut self, producer: &Producer) -> bool {
        let mut seen = producer.probe();
        if self.may_create && matches!(seen, Err(producer::Error::Missing(_))) {
            match topics::create(&self.config, self.settings) {
                Ok(()) => seen = producer.probe(),
                Err(error) => {
                    self.link.away(error.fault());
                    return false;
                }
            }
        }
        match seen {
            Ok(()) => self.link.up(),
            Err(error @ producer::Error::Missing(_)) => self.link.away(error.fault()),
            Err(error) => self.link.away(producer.fault(&error.to_string())),
        }
        self.link.is_up()
    }

    /// Queues what is pulled, then pulls more.
    fn send(&mut self) -> Turn {
        let Some(producer) = &self.producer else { return Turn::Rest };
        // On trial each message goes alone, so that a refusal is about that one and no other.
        let window = if self.link.is_on_trial() { 1 } else { WINDOW };
        while let Some((mark, message)) = self.unsent.front() {
            if producer.in_flight() >= window {
                return Turn::Rest;
            }
            match producer.send(message, *mark) {
                Ok(()) => {}
                Err(producer::Error::Full) => return Turn::Rest,
                Err(producer::Error::TooLarge) => {
                    self.leave_out(message, &producer::Error::TooLarge);
                    producer.skip(*mark);
                }
                Err(error) => {
                    producer.fail(error.to_string());
                    return Turn::Again;
                }
            }
            self.unsent.pop_front();
        }
        self.pull()
    }

    /// A message that can never be sent must not hold up all others, but is said loudly.
    fn leave_out(&self, message: &Message, error: &producer::Error) {
        let topic = message.topic;
        let size_bytes = message.payload.as_ref().map_or(0, Vec::len);
        let id = message.headers.iter().find(|(name, _)| *name == "ce_id").map_or("", |(_, id)| id.as_str());
        tracing::error!(%error, ?topic, size_bytes, id, "kafka: a message is left out");
    }

    fn pull(&mut self) -> Turn {
        let limit = if self.link.is_on_trial() { 1 } else { WINDOW };
        let room = limit.saturating_sub(self.pending.len()).min(PULL);
        if room == 0 {
            return Turn::Rest;
        }
        let steps = match self.source.next(&self.pulled, room) {
            Ok(steps) => steps,
            Err(why) => {
                if !std::mem::replace(&mut self.is_silent, true) {
                    tracing::error!(why, "kafka: the journal cannot be read; tried again");
                }
                return Turn::Rest;
            }
        };
        self.is_silent = false;
        let Some(producer) = &self.producer else { return Turn::Rest };
        if steps.is_empty() && self.pending.is_empty() {
            self.link.nothing_owed();
        }
        let turn = if steps.is_empty() { Turn::Rest } else { Turn::Again };
        for step in steps {
            let mark = self.next_mark;
            self.next_mark = mark.saturating_add(1);
            producer.expect(mark, step.messages.len());
            self.pulled.clone_from(&step.cursor);
            self.pending.push_back((mark, step.cursor));
            self.unsent.extend(step.messages.into_iter().map(|message| (mark, message)));
        }
        turn
    }

    fn save(&mut self) {
        self.since_save = Stopwatch::start();
        let lag = self.source.behind(&self.pulled).saturating_add(self.pending.len() as u64);
        self.health.lag_steps.store(lag, Ordering::Relaxed);
        self.health.drained.store(lag == 0, Ordering::Relaxed);
        if self.acked == self.saved {
            return;
        }
        match self.cursor.save(&self.acked) {
            Ok(()) => self.saved.clone_from(&self.acked),
            Err(why) => tracing::error!(why, "kafka: the cursor cannot be saved; tried again"),
        }
    }

    /// Sends what is queued, saves the cursor, drops the producer here, off the async runtime.
    fn close(mut self) {
        if let Some(producer) = self.producer.as_ref().filter(|_| self.link.is_up()) {
            producer.flush();
        }
        self.settle();
        self.save();
        self.producer = None;
        self.health.connected.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
