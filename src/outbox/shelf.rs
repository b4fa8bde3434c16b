//! What a poll stream offers, and in which order (RFC 8936, 2.3 and 2.4).
//!
//! Oldest first. What was offered ten times and neither acknowledged nor refused steps behind what was
//! offered less often, so that a SET nobody can take never blocks the others. Plain data under the
//! queue's lock.

use std::collections::{BTreeSet, HashMap};

use super::owed::Owed;
use crate::hub::effect::Item;

/// Offers before an item steps back.
pub const ROUND: u32 = 10;

#[derive(Clone, Copy, Default)]
struct Offers {
    made: u32,
    refused: u32,
}

/// The items of one poll stream, in the order in which they are offered: those that were, and the backlog.
#[derive(Default)]
pub struct Shelf {
    /// Those that were offered.
    order: BTreeSet<(u32, Item)>,
    /// Only of items that were offered or refused.
    offers: HashMap<Item, Offers>,
}

impl Shelf {
    /// An item is owed no more.
    pub fn remove(&mut self, item: Item) {
        let made = self.offers.remove(&item).map_or(0, |o| o.made);
        self.order.remove(&(made / ROUND, item));
    }

    /// The next `max` items; each counts as offered. Beside them those that now step back for the first
    /// time: the operator should know.
    pub fn offer(&mut self, max: usize, owed: &mut Owed) -> (Vec<Item>, Vec<Item>) {
        let mut taken: Vec<(u32, Item)> = vec![];
        let mut again = self.order.iter().copied().peekable();
        while taken.len() < max {
            // What was never offered is in round 0.
            let fresh = owed.first().map(|item| (0, item));
            match (again.peek().copied(), fresh) {
                (Some(next), fresh) if fresh.is_none_or(|fresh| next < fresh) => {
                    taken.push(next);
                    again.next();
                }
                (_, Some(fresh)) => {
                    taken.push(fresh);
                    owed.begin();
                }
                _ => break,
            }
        }
        let stuck = self.count(&taken);
        (taken.into_iter().map(|(_, item)| item).collect(), stuck)
    }

    /// The next `max` of those that were never offered; each counts as offered.
    pub fn offer_new(&mut self, max: usize, owed: &mut Owed) -> Vec<Item> {
        let fresh = std::iter::from_fn(|| owed.begin()).take(max);
        let taken: Vec<_> = fresh.map(|(item, _)| (0, item)).collect();
        self.count(&taken);
        taken.into_iter().map(|(_, item)| item).collect()
    }

    /// Each of these is offered now. Those that step back for the first time.
    fn count(&mut self, taken: &[(u32, Item)]) -> Vec<Item> {
        self.order.extend(taken);
        let mut stuck = Vec::new();
        for (round, item) in taken {
            let offers = self.offers.entry(*item).or_default();
            offers.made = offers.made.saturating_add(1);
            if offers.made == ROUND {
                stuck.push(*item);
            }
            if offers.made / ROUND != *round {
                self.order.remove(&(*round, *item));
                self.order.insert((offers.made / ROUND, *item));
            }
        }
        stuck
    }

    /// How often an item was offered.
    pub fn made(&self, item: Item) -> u32 {
        self.offers.get(&item).map_or(0, |offers| offers.made)
    }

    /// The receiver could not take it for now. How often it said so.
    pub fn refused(&mut self, item: Item) -> u32 {
        // An item offered before a restart has no entry yet; its place is that of made = 0 then.
        let offers = self.offers.entry(item).or_default();
        offers.refused = offers.refused.saturating_add(1);
        offers.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::owed::tests::due;
    use crate::tenant::Seq;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    fn with(items: &[u64]) -> (Shelf, Owed) {
        let mut owed = Owed::default();
        items.iter().for_each(|n| assert!(owed.add(&due(*n, 0))));
        (Shelf::default(), owed)
    }

    fn remove(shelf: &mut Shelf, owed: &mut Owed, n: u64) {
        assert!(owed.remove(item(n)).is_some());
        shelf.remove(item(n));
    }

    #[test]
    fn oldest_first_until_it_was_offered_too_often() {
        let (mut shelf, mut owed) = with(&[3, 1, 2]);
        for _ in 1..ROUND {
            assert_eq!(shelf.offer(2, &mut owed), (vec![item(1), item(2)], vec![]));
        }
        assert_eq!(shelf.offer(2, &mut owed), (vec![item(1), item(2)], vec![item(1), item(2)]));
        assert_eq!(shelf.offer(2, &mut owed).0, [item(3), item(1)], "3 was never seen, so it goes first");
        assert_eq!([1, 2, 3].map(|n| shelf.made(item(n))), [ROUND + 1, ROUND, 1]);
        remove(&mut shelf, &mut owed, 1);
        remove(&mut shelf, &mut owed, 3);
        assert_eq!(shelf.offer(9, &mut owed), (vec![item(2)], vec![]));
        remove(&mut shelf, &mut owed, 2);
        assert!(shelf.offer(9, &mut owed).0.is_empty() && shelf.order.is_empty() && shelf.offers.is_empty());
    }

    #[test]
    fn refusals_are_counted() {
        let (mut shelf, mut owed) = with(&[1]);
        assert_eq!((shelf.refused(item(1)), shelf.refused(item(1))), (1, 2));
        assert_eq!(shelf.offer(1, &mut owed).0, [item(1)]);
        remove(&mut shelf, &mut owed, 1);
        assert!(shelf.order.is_empty() && shelf.offers.is_empty());
    }

    #[test]
    fn what_came_between_is_offered_in_its_place() {
        let (mut shelf, mut owed) = with(&[1, 4]);
        assert_eq!(shelf.offer(9, &mut owed).0, [item(1), item(4)]);
        owed.add(&due(5, 0));
        owed.add(&due(2, 0));
        assert_eq!(shelf.offer(3, &mut owed).0, [item(1), item(2), item(4)]);
        assert_eq!(shelf.offer(9, &mut owed).0, [item(1), item(2), item(4), item(5)]);
        owed.add(&due(6, 0));
        owed.add(&due(7, 0));
        assert_eq!(shelf.offer_new(1, &mut owed), [item(6)], "what was never offered, and no more than that");
        assert_eq!(shelf.offer_new(9, &mut owed), [item(7)]);
        assert!(shelf.offer_new(9, &mut owed).is_empty());
        assert_eq!(shelf.offer(9, &mut owed).0.len(), 6, "all of them are owed still");
    }
}
