//! What goes ahead of everything else on a stream: the events that tell a receiver that its status changes.
//!
//! One at a time, in order, with its own retries; plain data under the queue's lock. While the stream stops it is the
//! only thing that goes; where the stream is open, the others wait for no more than its first try.

use std::collections::VecDeque;
use std::sync::Arc;

use super::pace::Tries;
use crate::hub::effect::{Claims, Item};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Place {
    #[default]
    Ready,
    InFlight,
    Waiting {
        due_ms: i64,
        floor_ms: i64,
    },
}

/// The items that go first.
#[derive(Default)]
pub struct Ahead {
    items: VecDeque<(Item, Arc<Claims>)>,
    place: Place,
    tries: Tries,
}

/// What is to be done about them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum First {
    /// There is none, or it has failed and waits: the others may go. When it is due, if it waits (ms since boot).
    Others(Option<i64>),
    /// Send this; the count includes this try.
    Send(Item, Arc<Claims>, Tries),
    /// It is on its way for the first time: the others wait.
    Wait,
}

impl Ahead {
    /// Something new goes first. Said twice, it is still one item.
    pub fn add(&mut self, item: Item, claims: &Arc<Claims>) {
        if !self.contains(item) {
            self.items.push_back((item, Arc::clone(claims)));
        }
    }

    /// All of them, in order.
    pub fn items(&self) -> impl Iterator<Item = &(Item, Arc<Claims>)> {
        self.items.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it is one of these.
    pub fn contains(&self, item: Item) -> bool {
        self.items.iter().any(|(other, _)| *other == item)
    }

    /// What is to be done now, where anything may be sent at all.
    pub fn next_if(&mut self, open: bool, now_ms: i64) -> First {
        if open { self.next(now_ms) } else { First::Wait }
    }

    fn next(&mut self, now_ms: i64) -> First {
        let Some((item, claims)) = self.items.front() else { return First::Others(None) };
        match self.place {
            Place::InFlight if self.tries.count > 1 => First::Others(None),
            Place::InFlight => First::Wait,
            Place::Waiting { due_ms, .. } if due_ms > now_ms => First::Others(Some(due_ms)),
            Place::Ready | Place::Waiting { .. } => {
                self.place = Place::InFlight;
                if self.tries.count == 0 {
                    self.tries.first_ms = now_ms;
                }
                self.tries.count = self.tries.count.saturating_add(1);
                First::Send(*item, Arc::clone(claims), self.tries)
            }
        }
    }

    /// The first failed and is tried again.
    pub fn retry(&mut self, item: Item, tries: Tries, due_ms: i64, floor_ms: i64) {
        if self.items.front().is_some_and(|(head, _)| *head == item) {
            self.tries = tries;
            self.place = Place::Waiting { due_ms, floor_ms };
        }
    }

    /// The first was taken and not sent: no try is counted.
    pub fn put_back(&mut self, item: Item) {
        if self.items.front().is_some_and(|(head, _)| *head == item) && self.place == Place::InFlight {
            self.tries.count = self.tries.count.saturating_sub(1);
            self.place = Place::Ready;
        }
    }

    /// It is owed no more. Its claims, if it was one of these.
    pub fn remove(&mut self, item: Item) -> Option<Arc<Claims>> {
        let at = self.items.iter().position(|(other, _)| *other == item)?;
        let (_, claims) = self.items.remove(at)?;
        if at == 0 {
            (self.place, self.tries) = (Place::Ready, Tries::default());
        }
        Some(claims)
    }

    /// The receiver came back: what waits is due, but for what it asked for itself.
    pub fn release(&mut self, now_ms: i64) {
        if let Place::Waiting { due_ms, floor_ms } = &mut self.place {
            *due_ms = now_ms.max(*floor_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(ahead: &mut Ahead, n: u64) -> Item {
        let due = crate::outbox::owed::tests::due(n, 0);
        ahead.add(due.item, &due.claims);
        due.item
    }

    fn sent(ahead: &mut Ahead, now_ms: i64) -> Option<(Item, u32)> {
        match ahead.next(now_ms) {
            First::Send(item, _, tries) => Some((item, tries.count)),
            _ => None,
        }
    }

    #[test]
    fn one_at_a_time_and_only_its_first_try_holds_others_up() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.next(0), First::Others(None));
        let (one, two) = (add(&mut ahead, 1), add(&mut ahead, 2));
        add(&mut ahead, 1);
        assert_eq!(ahead.len(), 2, "said twice");
        assert_eq!(sent(&mut ahead, 5), Some((one, 1)));
        assert_eq!(ahead.next(5), First::Wait);
        ahead.retry(one, Tries { count: 1, first_ms: 5, ..Tries::default() }, 50, 40);
        assert_eq!(ahead.next(6), First::Others(Some(50)));
        ahead.release(7);
        assert_eq!(ahead.next(7), First::Others(Some(40)), "the receiver's own minimum stays");
        assert_eq!(sent(&mut ahead, 40), Some((one, 2)));
        assert_eq!(ahead.next(41), First::Others(None));
        ahead.put_back(two);
        assert_eq!(ahead.next(41), First::Others(None), "that one was not taken");
        ahead.put_back(one);
        assert_eq!(sent(&mut ahead, 41), Some((one, 2)), "not sent, not counted");
        assert!(ahead.remove(one).is_some() && ahead.remove(one).is_none());
        assert_eq!(sent(&mut ahead, 42), Some((two, 1)));
        assert!(ahead.contains(two) && !ahead.contains(one));
    }
}
