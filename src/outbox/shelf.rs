//! What a poll stream offers, and in which order (RFC 8936, 2.3 and 2.4).
//!
//! Oldest first. What was offered ten times and neither acknowledged nor refused steps behind what was
//! offered less often, so that a SET nobody can take never blocks the others. Plain data under the
//! queue's lock.

use std::collections::{BTreeSet, HashMap};

use crate::hub::effect::Item;

/// Offers before an item steps back.
const ROUND: u32 = 10;

#[derive(Clone, Copy, Default)]
struct Offers {
    made: u32,
    refused: u32,
}

/// The items of one poll stream, in the order in which they are offered.
#[derive(Default)]
pub struct Shelf {
    order: BTreeSet<(u32, Item)>,
    /// Only of items that were offered.
    offers: HashMap<Item, Offers>,
}

impl Shelf {
    /// Something new is owed.
    pub fn add(&mut self, item: Item) {
        self.order.insert((0, item));
    }

    /// An item is owed no more.
    pub fn remove(&mut self, item: Item) {
        let made = self.offers.remove(&item).map_or(0, |o| o.made);
        self.order.remove(&(made / ROUND, item));
    }

    /// The next `max` items; each counts as offered. Beside them those that now step back for the first
    /// time: the operator should know.
    pub fn offer(&mut self, max: usize) -> (Vec<Item>, Vec<Item>) {
        let taken: Vec<(u32, Item)> = self.order.iter().take(max).copied().collect();
        let mut stuck = Vec::new();
        for (round, item) in &taken {
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
        (taken.into_iter().map(|(_, item)| item).collect(), stuck)
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
    use crate::tenant::Seq;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    #[test]
    fn oldest_first_until_it_was_offered_too_often() {
        let mut shelf = Shelf::default();
        [3, 1, 2].iter().for_each(|n| shelf.add(item(*n)));
        for _ in 1..ROUND {
            assert_eq!(shelf.offer(2), (vec![item(1), item(2)], vec![]));
        }
        assert_eq!(shelf.offer(2), (vec![item(1), item(2)], vec![item(1), item(2)]));
        assert_eq!(shelf.offer(2).0, [item(3), item(1)], "3 was never seen, so it goes first");
        shelf.remove(item(1));
        shelf.remove(item(3));
        assert_eq!(shelf.offer(9), (vec![item(2)], vec![]));
        shelf.remove(item(2));
        assert!(shelf.offer(9).0.is_empty() && shelf.order.is_empty() && shelf.offers.is_empty());
    }

    #[test]
    fn refusals_are_counted() {
        let mut shelf = Shelf::default();
        shelf.add(item(1));
        assert_eq!((shelf.refused(item(1)), shelf.refused(item(1))), (1, 2));
        assert_eq!(shelf.offer(1).0, [item(1)]);
    }
}
