//! Which item of a push stream goes next: order is kept per subject, subjects do not wait for each other.
//!
//! Each subject with something in flight or waiting for its retry is a lane; what comes later for it waits
//! behind. Everything else is taken oldest first, before retries. Plain data under the queue's lock: no
//! time, no chance, no I/O of its own; every step costs O(log n), whatever the backlog.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::owed::Owed;
use super::pace::Tries;
use crate::hub::effect::Item;

/// A retry that is due this long goes before fresh items (ms): a busy stream cannot put it off for ever.
const OVERDUE_MS: i64 = 10_000;

/// How much goes at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Posts in flight.
    pub in_flight: usize,
    /// After this many failures in a row the receiver counts as down: one post at a time.
    pub brake_after: u32,
    /// Pause between those, doubled each time (ms).
    pub brake_ms: i64,
    /// Its longest (ms).
    pub brake_max_ms: i64,
    /// Whether a retry may go now; the destination's budget says so.
    pub retries: bool,
}

/// What to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Send this; the count includes this try.
    Send(Item, Tries),
    /// Nothing before this (ms since boot), or before something else happens.
    Wait(Option<i64>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Ready,
    InFlight,
    Waiting { due_ms: i64, floor_ms: i64 },
}

struct Lane {
    head: Item,
    place: Place,
    tries: Tries,
    behind: VecDeque<Item>,
}

/// The lanes of one stream.
#[derive(Default)]
pub struct Lanes {
    lanes: HashMap<u64, Lane>,
    /// Heads that may go at once: they stood behind one that is done.
    ready: BTreeSet<(Item, u64)>,
    /// Heads that wait for their retry, by when it is due.
    retries: BTreeSet<(i64, Item, u64)>,
    in_flight: usize,
    failures: u32,
    braked_until_ms: i64,
    /// What was sent to see whether the receiver is back.
    probe: Option<Item>,
}

impl Lanes {
    /// Posts in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether the receiver counts as down.
    pub fn is_braked(&self, limits: &Limits) -> bool {
        self.failures >= limits.brake_after
    }

    /// Takes what goes next; what is fresh is begun.
    pub fn next(&mut self, now_ms: i64, limits: &Limits, owed: &mut Owed) -> Next {
        if self.in_flight >= limits.in_flight {
            return Next::Wait(None);
        }
        let braked = self.failures >= limits.brake_after;
        if braked && self.in_flight > 0 {
            return Next::Wait(None);
        }
        if braked && now_ms < self.braked_until_ms {
            return Next::Wait(Some(self.braked_until_ms));
        }
        // A receiver that is down is asked with what it has failed before, so that those come to an end.
        let overdue = if braked { 0 } else { OVERDUE_MS };
        let allowed = |due_ms: i64| if limits.retries { due_ms } else { i64::MIN };
        let taken = self
            .take_retry(allowed(now_ms.saturating_sub(overdue)))
            .or_else(|| self.take_fresh(owed))
            .or_else(|| self.take_retry(allowed(now_ms)));
        match taken {
            Some(subject) => self.send(subject, now_ms, braked),
            None => Next::Wait(self.retries.first().map(|(due, ..)| *due)),
        }
    }

    fn send(&mut self, subject: u64, now_ms: i64, is_probe: bool) -> Next {
        let Some(lane) = self.lanes.get_mut(&subject) else { return Next::Wait(None) };
        self.probe = is_probe.then_some(lane.head);
        lane.place = Place::InFlight;
        if lane.tries.count == 0 {
            lane.tries.first_ms = now_ms;
        }
        lane.tries.count = lane.tries.count.saturating_add(1);
        self.in_flight += 1;
        Next::Send(lane.head, lane.tries)
    }

    fn take_retry(&mut self, due_by_ms: i64) -> Option<u64> {
        let first = *self.retries.first()?;
        (first.0 <= due_by_ms).then(|| {
            self.retries.remove(&first);
            first.2
        })
    }

    fn take_fresh(&mut self, owed: &mut Owed) -> Option<u64> {
        loop {
            let ready = self.ready.first().copied();
            match (ready, owed.first()) {
                (Some((item, subject)), other) if other.is_none_or(|f| item < f) => {
                    self.ready.remove(&(item, subject));
                    if owed.begun(item).is_some() {
                        return Some(subject);
                    }
                    self.leave(subject);
                }
                (_, Some(_)) => {
                    let (item, subject) = owed.begin()?;
                    if let Some(lane) = self.lanes.get_mut(&subject) {
                        lane.behind.push_back(item);
                        continue;
                    }
                    let place = Place::Ready;
                    let lane = Lane { head: item, place, tries: Tries::default(), behind: VecDeque::new() };
                    self.lanes.insert(subject, lane);
                    return Some(subject);
                }
                _ => return None,
            }
        }
    }

    /// The head of a lane is done: the next one may go.
    fn leave(&mut self, subject: u64) {
        let Some(lane) = self.lanes.get_mut(&subject) else { return };
        if let Some(next) = lane.behind.pop_front() {
            lane.head = next;
            lane.place = Place::Ready;
            lane.tries = Tries::default();
            self.ready.insert((next, subject));
        } else {
            self.lanes.remove(&subject);
        }
    }

    fn landed(&mut self, item: Item, subject: u64) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(&subject).filter(|l| l.head == item && l.place == Place::InFlight)?;
        self.in_flight = self.in_flight.saturating_sub(1);
        Some(lane)
    }

    /// What was in flight is over. `well`: the receiver took it, or refused it for what it is; either way
    /// it is up, and what waits for it need not wait any longer.
    pub fn finish(&mut self, item: Item, subject: u64, well: bool, now_ms: i64, limits: &Limits) {
        if self.landed(item, subject).is_none() {
            return;
        }
        self.leave(subject);
        if well {
            let was_down = self.failures >= limits.brake_after;
            self.failures = 0;
            if was_down {
                self.release(now_ms);
            }
        } else {
            self.strain(item, now_ms, limits);
        }
    }

    /// What was in flight failed and is tried again.
    pub fn retry(
        &mut self,
        item: Item,
        subject: u64,
        tries: Tries,
        (due_ms, floor_ms): (i64, i64),
        now_ms: i64,
        limits: &Limits,
    ) {
        let Some(lane) = self.landed(item, subject) else { return };
        lane.tries = tries;
        lane.place = Place::Waiting { due_ms, floor_ms };
        self.retries.insert((due_ms, item, subject));
        self.strain(item, now_ms, limits);
    }

    /// What was taken was not sent, and says nothing of the receiver: its turn comes again, and no try is counted.
    pub fn put_back(&mut self, item: Item, subject: u64, owed: bool) {
        let Some(lane) = self.landed(item, subject) else { return };
        if !owed {
            return self.leave(subject);
        }
        lane.tries.count = lane.tries.count.saturating_sub(1);
        lane.place = Place::Ready;
        self.ready.insert((item, subject));
    }

    fn strain(&mut self, item: Item, now_ms: i64, limits: &Limits) {
        // What was on its way when the receiver went down says nothing new: only probes lengthen the pause.
        if self.failures >= limits.brake_after && self.probe != Some(item) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if let Some(over) = self.failures.checked_sub(limits.brake_after) {
            let pause = limits.brake_ms.saturating_mul(1_i64 << over.min(20)).min(limits.brake_max_ms);
            self.braked_until_ms = now_ms.saturating_add(pause);
        }
    }

    /// An item is owed no more, whatever it was doing. What is in flight frees its lane when it lands; what
    /// stands behind is skipped when its turn comes.
    pub fn settled(&mut self, item: Item, subject: u64) {
        let Some(lane) = self.lanes.get(&subject).filter(|l| l.head == item) else { return };
        match lane.place {
            Place::InFlight => return,
            Place::Ready => self.ready.remove(&(item, subject)),
            Place::Waiting { due_ms, .. } => self.retries.remove(&(due_ms, item, subject)),
        };
        self.leave(subject);
    }

    /// Makes every waiting retry due now, but for what the receiver asked for: it came back, or its
    /// configuration was mended.
    pub fn release(&mut self, now_ms: i64) {
        self.braked_until_ms = now_ms;
        self.retries.clear();
        for (subject, lane) in &mut self.lanes {
            if let Place::Waiting { due_ms, floor_ms } = &mut lane.place {
                *due_ms = now_ms.max(*floor_ms);
                self.retries.insert((*due_ms, lane.head, *subject));
            }
        }
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
