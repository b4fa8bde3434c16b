//! The half of a queue that polls use: what is offered, under which names, and how it leaves.
//!
//! Under the queue's lock, as the other half; names have a lock of their own, never held together with it but for the
//! look-up of a name that was forgotten.

use std::sync::{Arc, PoisonError};

use super::{Inner, Queue, Work};
use crate::hub::effect::{Claims, Flow, Item};
use crate::outbox::job::Offer;
use crate::outbox::names::Name;

impl Queue {
    /// What a poll may offer: at most `max` items, oldest first. `None` unless this is a poll stream.
    pub fn offer(&self, max: usize) -> Option<Offer> {
        self.offering(max, false)
    }

    /// The same, but only of what no poll was ever given: what another one has is that one's to acknowledge.
    pub fn offer_new(&self, max: usize) -> Option<Offer> {
        self.offering(max, true)
    }

    fn offering(&self, max: usize, only_new: bool) -> Option<Offer> {
        let mut inner = self.inner();
        let Inner { stream: Some(stream), owed, work: Work::Poll(shelf), flow, ahead, .. } = &mut *inner
        else {
            return None;
        };
        let (mut offered, mut stuck, mut depth, mut new) = (vec![], vec![], 0, 0);
        if *flow != Flow::Shut {
            let first = if only_new { 0 } else { max };
            offered.extend(ahead.items().take(first).cloned());
            depth = ahead.len();
        }
        if *flow == Flow::Open {
            let room = max - offered.len();
            new = owed.untouched();
            let (items, tired) =
                if only_new { (shelf.offer_new(room, owed), vec![]) } else { shelf.offer(room, owed) };
            let with_claims = |item| Some((item, Arc::clone(owed.begun(item)?)));
            offered.extend(items.into_iter().filter_map(with_claims));
            stuck = tired;
            depth += owed.depth();
        }
        let available = if only_new { new } else { depth };
        Some(Offer { stream: Arc::clone(stream), items: offered, depth, available, stuck })
    }

    /// How often an item was offered to polls.
    pub fn times_offered(&self, item: Item) -> u32 {
        match &self.inner().work {
            Work::Poll(shelf) => shelf.made(item),
            _ => 0,
        }
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
