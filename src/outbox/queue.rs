//! What one stream is owed: ordered items with shared claims, until each is delivered or given up.
//!
//! In the flow: effects fill it ([`super::queues::Outbox`]), the push task or a poll empties it. An item leaves
//! at once when its delivery is over; that it left is remembered until the journal says so too
//! (`Settled`), so that nothing owed comes back. One short lock, never held across an await; its depth is
//! bounded by what the state bounds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::ahead::{Ahead, First};
use super::attempts::Ring;
use super::job::{Job, Landing, Offer, Signal, Todo};
use super::lanes::{Lanes, Limits, Next};
use super::names::{Name, Names};
use super::owed::{Due, Owed};
use super::shelf::Shelf;
use crate::hub::effect::{Claims, Flow, Item};
use crate::set::event_type::EventType;
use crate::stream::{Method, Stream, StreamNo};
use crate::tenant::TenantId;

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

    /// Begins a poll: an earlier one ends. The number of this one.
    pub fn begin_poll(&self) -> u64 {
        let mut mine = 0;
        self.signal.send_modify(|s| {
            s.polls = s.polls.wrapping_add(1);
            mine = s.polls;
        });
        mine
    }

    fn wake(&self) {
        self.signal.send_modify(|s| s.changes = s.changes.wrapping_add(1));
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
        inner.mended = inner.stream.is_some();
        inner.stream = Some(stream);
        drop(inner);
        self.wake();
    }

    /// Whether SETs flow changed.
    pub fn set_flow(&self, flow: Flow) {
        self.inner().flow = flow;
        self.wake();
    }

    /// Something outside the configuration was mended, such as a secret: what waits is tried at once.
    pub fn retry_now(&self) {
        self.inner().mended = true;
        self.wake();
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
        self.wake();
    }

    /// Something is owed. Said twice, it is still one item; said of what is already over, it is none.
    pub fn owe(&self, due: &Arc<Due>) {
        let mut inner = self.inner();
        if inner.closed || inner.done.contains(&due.item) {
            return;
        }
        if due.claims.uri == EventType::StreamUpdated.uri() {
            inner.ahead.add(due.item, &due.claims);
        } else if !inner.owed.add(due) {
            return;
        }
        drop(inner);
        self.wake();
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
        let Inner { stream: Some(stream), owed, work: Work::Push(lanes), flow, ahead, .. } = &mut *inner
        else {
            return Todo::Wait(None);
        };
        if mended {
            lanes.release(now_ms);
            ahead.release(now_ms);
        }
        let job = |item, claims, tries| Todo::Send(Job { item, claims, tries, stream: Arc::clone(stream) });
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

    /// A post is over. Whether the item was still owed: then its outcome is to be told.
    pub fn land(&self, item: Item, subject: u64, landing: Landing, now_ms: i64, limits: &Limits) -> bool {
        let mut inner = self.inner();
        if inner.ahead.contains(item) {
            match landing {
                Landing::Retry { tries, due_ms, floor_ms } => {
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
                Landing::Retry { tries, due_ms, floor_ms } if owed => {
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

    /// What a poll may offer: at most `max` items, oldest first. `None` unless this is a poll stream.
    pub fn offer(&self, max: usize) -> Option<Offer> {
        let mut inner = self.inner();
        let Inner { stream: Some(stream), owed, work: Work::Poll(shelf), flow, ahead, .. } = &mut *inner
        else {
            return None;
        };
        let (mut offered, mut stuck, mut depth) = (vec![], vec![], 0);
        if *flow != Flow::Shut {
            offered.extend(ahead.items().take(max).cloned());
            depth = ahead.len();
        }
        if *flow == Flow::Open {
            let (items, tired) = shelf.offer(max - offered.len(), owed);
            let with_claims = |item| Some((item, Arc::clone(owed.begun(item)?)));
            offered.extend(items.into_iter().filter_map(with_claims));
            stuck = tired;
            depth += owed.depth();
        }
        Some(Offer { stream: Arc::clone(stream), items: offered, depth, stuck })
    }

    /// A receiver said that it has it, or that it never will: it leaves. Its claims, if it was still owed.
    pub fn take_out(&self, item: Item) -> Option<Arc<Claims>> {
        let mut inner = self.inner();
        let claims = inner.drop_item(item)?;
        inner.done.insert(item);
        Some(claims)
    }

    /// A receiver could not take it for now. How often it said so; `None` when it is not owed.
    pub fn refused(&self, item: Item) -> Option<u32> {
        let mut inner = self.inner();
        let Inner { owed, work: Work::Poll(shelf), .. } = &mut *inner else { return None };
        owed.contains(item).then(|| shelf.refused(item))
    }

    /// Remembers the names of what is offered.
    pub fn name(&self, names: impl IntoIterator<Item = (Name, Item)>) {
        let depth = self.depth();
        let mut known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.into_iter().for_each(|(name, item)| known.offered(name, item));
        known.tidy(depth, || self.owed_items());
    }

    /// The item that a name stands for; `derive` computes the name of an item.
    pub fn named(&self, name: &Name, derive: impl Fn(Item) -> Name) -> Option<Item> {
        let mut known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        known.resolve(name, || self.owed_items(), derive)
    }

    /// Forgets a name.
    pub fn forget(&self, name: &Name) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).forget(name);
    }

    fn owed_items(&self) -> Vec<Item> {
        let inner = self.inner();
        let mut items = inner.owed.items();
        items.extend(inner.ahead.items().map(|(item, _)| *item));
        items
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
