//! What goes ahead of everything else on a stream: the events that tell a receiver that its status changes.
//!
//! One at a time, in order, with its own retries; plain data under the queue's lock. While the stream stops it is the
//! only thing that goes; where the stream is open, the others wait for no more than its first try.

use std::collections::VecDeque;

use super::pace::Tries;
use crate::hub::effect::Item;

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
    items: VecDeque<Item>,
    place: Place,
    tries: Tries,
}

/// What is to be done about them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// There is none, or it has failed and waits: the others may go. When it is due, if it waits (ms since boot).
    Others(Option<i64>),
    /// Send this; the count includes this try.
    Send(Item, Tries),
    /// It is on its way for the first time: the others wait.
    Wait,
}

impl Ahead {
    /// Something new goes first.
    pub fn add(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// All of them, in order.
    pub fn items(&self) -> impl Iterator<Item = Item> {
        self.items.iter().copied()
    }

    /// Whether it is the one whose turn it is.
    pub fn is_head(&self, item: Item) -> bool {
        self.items.front() == Some(&item)
    }

    /// What is to be done now, where anything may be sent at all.
    pub fn next_if(&mut self, open: bool, now_ms: i64) -> First {
        if open { self.next(now_ms) } else { First::Wait }
    }

    fn next(&mut self, now_ms: i64) -> First {
        let Some(item) = self.items.front() else { return First::Others(None) };
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
                First::Send(*item, self.tries)
            }
        }
    }

    /// It failed and is tried again.
    pub fn retry(&mut self, tries: Tries, due_ms: i64, floor_ms: i64) {
        self.tries = tries;
        self.place = Place::Waiting { due_ms, floor_ms };
    }

    /// It is owed no more; whether it was one of these.
    pub fn remove(&mut self, item: Item) -> bool {
        let Some(at) = self.items.iter().position(|other| *other == item) else { return false };
        self.items.remove(at);
        if at == 0 {
            (self.place, self.tries) = (Place::Ready, Tries::default());
        }
        true
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
    use crate::tenant::Seq;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    #[test]
    fn one_at_a_time_and_only_its_first_try_holds_others_up() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.next(0), First::Others(None));
        ahead.add(item(1));
        ahead.add(item(2));
        assert!(matches!(ahead.next(5), First::Send(i, Tries { count: 1, .. }) if i == item(1)));
        assert_eq!(ahead.next(5), First::Wait);
        ahead.retry(Tries { count: 1, first_ms: 5, ..Tries::default() }, 50, 40);
        assert_eq!(ahead.next(6), First::Others(Some(50)));
        ahead.release(7);
        assert_eq!(ahead.next(7), First::Others(Some(40)), "the receiver's own minimum stays");
        assert!(matches!(ahead.next(40), First::Send(_, Tries { count: 2, .. })));
        assert_eq!(ahead.next(41), First::Others(None));
        assert!(ahead.remove(item(1)) && !ahead.remove(item(1)));
        assert!(matches!(ahead.next(42), First::Send(i, Tries { count: 1, .. }) if i == item(2)));
        assert_eq!(ahead.items().collect::<Vec<_>>(), [item(2)]);
    }
}
