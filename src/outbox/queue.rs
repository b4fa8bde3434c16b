//! What one stream is owed: ordered items with shared claims, until each is delivered or given up.
//!
//! In the flow: effects fill it ([`super::queues::Outbox`]), the push task or a poll empties it. An item leaves
//! at once when its delivery is over; that it left is remembered until the journal says so too
//! (`Settled`), so that nothing owed comes back. One short lock, never held across an await; its depth is
//! bounded by what the state bounds. What polls ask of it is in `queue/polled.rs`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::ahead::{Ahead, First};
use super::attempts::Ring;
use super::hold::Hold;
use super::job::{Job, Landing, Signal, Todo};
use super::lanes::{Lanes, Limits, Next};
use super::names::Names;
use super::owed::{Due, Owed};
use super::shelf::Shelf;
use crate::hub::effect::{Claims, Flow, Item};
use crate::set::event_type::EventType;
use crate::stream::{Method, Stream, StreamNo};
use crate::tenant::TenantId;

mod polled;

enum Work {
    Unknown,
    Push(Lanes),
    Poll(Shelf),
}

struct Inner {
    stream: Option<Arc<Stream>>,
    closed: bool,
    owed: Owed,
    done: BTreeSet<Item>,
    work: Work,
    flow: Flow,
    ahead: Ahead,
    /// Until when the receiver of a push stream wants nothing.
    hold: Hold,
    /// The configuration changed: what waits for a retry is tried at once.
    mended: bool,
}

/// One stream's queue.
pub struct Queue {
    /// Whose.
    pub tenant: TenantId,
    /// Which stream of that tenant.
    pub no: StreamNo,
    /// The last attempts to push.
    pub attempts: Ring,
    inner: Mutex<Inner>,
    names: Mutex<Names>,
    signal: watch::Sender<Signal>,
}

impl Queue {
    /// An empty queue of a stream that is not configured yet.
    pub fn new(tenant: TenantId, no: StreamNo) -> Self {
        let inner = Inner {
            stream: None,
            closed: false,
            owed: Owed::default(),
            done: BTreeSet::new(),
            work: Work::Unknown,
            flow: Flow::Open,
            ahead: Ahead::default(),
            hold: Hold::default(),
            mended: false,
        };
        Self {
            tenant,
            no,
            attempts: Ring::default(),
            inner: Mutex::new(inner),
            names: Mutex::default(),
            signal: watch::Sender::new(Signal::default()),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What wakes waiters. Take it before looking at the queue.
    pub fn watch(&self) -> watch::Receiver<Signal> {
        self.signal.subscribe()
    }

    fn wake(&self) {
        self.signal.send_modify(|s| s.changes = s.changes.wrapping_add(1));
    }

    /// Wakes, and what was offered before is to be looked at as well.
    fn turn(&self) {
        self.signal.send_modify(|s| s.turns = s.turns.wrapping_add(1));
    }

    /// The stream was made or changed.
    pub fn configure(&self, stream: Arc<Stream>) {
        let mut inner = self.inner();
        let same_method = inner.stream.as_ref().is_some_and(|old| old.method == stream.method);
        if !same_method {
            inner.owed.restart();
            inner.work = match stream.method {
                Method::Push => Work::Push(Lanes::default()),
                Method::Poll => Work::Poll(Shelf::default()),
            };
        }
        if inner.stream.as_ref().is_some_and(|old| old.endpoint_url != stream.endpoint_url) {
            inner.hold = Hold::default();
        }
        inner.mended = inner.stream.is_some();
        inner.stream = Some(stream);
        drop(inner);
        self.turn();
    }

    /// Whether SETs flow changed.
    pub fn set_flow(&self, flow: Flow) {
        self.inner().flow = flow;
        self.turn();
    }

    /// Something outside the configuration was mended, such as a secret: what waits is tried at once.
    pub fn retry_now(&self) {
        self.inner().mended = true;
        self.turn();
    }

    /// The stream was taken away: nothing is owed any more.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        inner.stream = None;
        inner.owed = Owed::default();
        inner.done.clear();
        inner.work = Work::Unknown;
        inner.ahead = Ahead::default();
        drop(inner);
        self.turn();
    }

    /// Something is owed. Said twice, it is still one item; said of what is already over, it is none.
    pub fn owe(&self, due: &Arc<Due>) {
        let mut inner = self.inner();
        if inner.closed || inner.done.contains(&due.item) {
            return;
        }
        if due.claims.uri == EventType::StreamUpdated.uri() {
            inner.ahead.add(due.item, &due.claims);
            drop(inner);
            return self.turn();
        }
        if inner.owed.add(due) {
            drop(inner);
            self.wake();
        }
    }

    /// The journal says that a delivery is over.
    pub fn settled(&self, item: Item) {
        let mut inner = self.inner();
        if !inner.done.remove(&item) {
            inner.drop_item(item);
        }
    }

    /// How many items are owed.
    pub fn depth(&self) -> usize {
        let inner = self.inner();
        inner.owed.depth() + inner.ahead.len()
    }

    /// The stream as it is configured now.
    pub fn stream(&self) -> Option<Arc<Stream>> {
        self.inner().stream.clone()
    }

    /// What the push task does now; `now_ms` is ms since boot.
    pub fn next(&self, now_ms: i64, limits: &Limits) -> Todo {
        let mut inner = self.inner();
        if inner.closed {
            return Todo::Closed;
        }
        let mended = std::mem::take(&mut inner.mended);
        let Inner { stream: Some(stream), owed, work: Work::Push(lanes), flow, ahead, hold, .. } =
            &mut *inner
        else {
            return Todo::Wait(None);
        };
        if mended {
            lanes.release(now_ms);
            ahead.release(now_ms);
        }
        if let Err(until) = hold.check(now_ms) {
            return Todo::Wait(until);
        }
        let mut job = |item, claims, tries| {
            hold.sent(item);
            Todo::Send(Job { item, claims, tries, stream: Arc::clone(stream) })
        };
        let due_ms = match (*flow, ahead.next_if(*flow != Flow::Shut, now_ms)) {
            (Flow::Shut, _) | (_, First::Wait) => return Todo::Wait(None),
            (_, First::Send(item, claims, tries)) => return job(item, claims, tries),
            (Flow::Only(_), First::Others(due_ms)) => return Todo::Wait(due_ms),
            (Flow::Open, First::Others(due_ms)) => due_ms,
        };
        match lanes.next(now_ms, limits, owed) {
            Next::Wait(until) => Todo::Wait(until.into_iter().chain(due_ms).min()),
            Next::Send(item, tries) => match owed.begun(item) {
                Some(claims) => job(item, Arc::clone(claims), tries),
                // A retry whose item was settled has left the lanes with it, so this does not happen; if it
                // did, waiting would be the harmless answer.
                None => Todo::Wait(None),
            },
        }
    }

    /// Whether the receiver of a push stream counts as down.
    pub fn is_braked(&self, limits: &Limits) -> bool {
        matches!(&self.inner().work, Work::Push(lanes) if lanes.is_braked(limits))
    }

    /// Whether what was taken from this stream may still be sent, now that it is ready: it is owed, the stream flows and
    /// is what it was.
    pub fn goes(&self, stream: &Arc<Stream>, item: Item) -> bool {
        let inner = self.inner();
        let same = inner.stream.as_ref().is_some_and(|now| Arc::ptr_eq(now, stream));
        let ahead = inner.ahead.contains(item);
        same && match inner.flow {
            Flow::Shut => false,
            Flow::Only(_) => ahead,
            Flow::Open => ahead || inner.owed.contains(item),
        }
    }

    /// What was taken was not sent. If it is still owed, it is as if it had not been taken: no try is counted.
    pub fn put_back(&self, item: Item, subject: u64) {
        let mut inner = self.inner();
        inner.hold.put_back(item);
        inner.ahead.put_back(item);
        let owed = inner.owed.contains(item);
        if let Work::Push(lanes) = &mut inner.work {
            lanes.put_back(item, subject, owed);
        }
    }

    /// A post is over. Whether the item was still owed: then its outcome is to be told.
    pub fn land(&self, item: Item, subject: u64, landing: Landing, now_ms: i64, limits: &Limits) -> bool {
        let mut inner = self.inner();
        inner.hold.landed(item, landing.holds_until_ms());
        if inner.ahead.contains(item) {
            match landing {
                Landing::Retry { tries, due_ms, floor_ms, .. } => {
                    inner.ahead.retry(item, tries, due_ms, floor_ms);
                }
                Landing::OverWell | Landing::OverFailed => {
                    inner.ahead.remove(item);
                    inner.done.insert(item);
                }
            }
            return true;
        }
        let owed = inner.owed.contains(item);
        if let Work::Push(lanes) = &mut inner.work {
            match landing {
                Landing::Retry { tries, due_ms, floor_ms, .. } if owed => {
                    lanes.retry(item, subject, tries, (due_ms, floor_ms), now_ms, limits);
                }
                Landing::OverWell => lanes.finish(item, subject, true, now_ms, limits),
                _ => lanes.finish(item, subject, false, now_ms, limits),
            }
        }
        if owed && !matches!(landing, Landing::Retry { .. }) {
            inner.owed.remove(item);
            inner.done.insert(item);
            // The stream may have become one that is polled while this was under way.
            if let Work::Poll(shelf) = &mut inner.work {
                shelf.remove(item);
            }
        }
        owed
    }
}

impl Inner {
    fn drop_item(&mut self, item: Item) -> Option<Arc<Claims>> {
        if let Some(claims) = self.ahead.remove(item) {
            return Some(claims);
        }
        let claims = self.owed.remove(item)?;
        match &mut self.work {
            Work::Push(lanes) => lanes.settled(item, claims.subject),
            Work::Poll(shelf) => shelf.remove(item),
            Work::Unknown => {}
        }
        Some(claims)
    }
}
