//! Dead letters of a tenant: so many are kept, and every stream that has some has a share of the room (DESIGN 12).
//!
//! In the flow: `apply` puts here what a stream is not to get; the mirror, a base and the digest see the rows. While there
//! is room a stream takes what it needs. Then a stream that has fewer than another gets its place: the newest one of
//! the stream that has most is left out instead, so that of each stream the first ones stay. How many each has is counted
//! beside the rows and built anew after loading.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::Item;
use super::state::DeadLetter;
use crate::rows::Table;
use crate::stream::StreamNo;

/// What became of a dead letter that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// It is.
    Yes,
    /// It is, and this one no longer.
    Instead(StreamNo, Item),
    /// It is not: its stream has its share.
    No,
}

/// The dead letters of one tenant.
#[derive(Debug)]
pub(super) struct Dead {
    /// By stream, then item.
    pub rows: Table<(StreamNo, Item), DeadLetter>,
    of: BTreeMap<StreamNo, usize>,
    /// The same by number: the last one has most.
    ranks: BTreeSet<(usize, StreamNo)>,
}

impl Dead {
    /// There is none. `tag` is that of its rows.
    pub fn new(tag: u8) -> Self {
        Self { rows: Table::new(tag), of: BTreeMap::new(), ranks: BTreeSet::new() }
    }

    fn count(&self, no: StreamNo) -> usize {
        self.of.get(&no).copied().unwrap_or(0)
    }

    fn set_count(&mut self, no: StreamNo, count: usize) {
        if let Some(before) = self.of.remove(&no) {
            self.ranks.remove(&(before, no));
        }
        if count > 0 {
            self.of.insert(no, count);
            self.ranks.insert((count, no));
        }
    }

    /// Keeps one more, where there are fewer than `max` or its stream has fewer than another.
    pub fn insert(&mut self, no: StreamNo, item: Item, letter: DeadLetter, max: usize) -> Kept {
        let own = self.count(no);
        let mut kept = Kept::Yes;
        if self.rows.len() >= max {
            let Some((_, most)) = self.ranks.last().copied().filter(|(most, _)| *most > own + 1) else {
                return Kept::No;
            };
            let newest = self.of(most).next_back();
            let Some(newest) = newest else { return Kept::No };
            self.remove(most, newest);
            kept = Kept::Instead(most, newest);
        }
        if self.rows.insert((no, item), letter).is_none() {
            self.set_count(no, own + 1);
        }
        kept
    }

    /// Takes one out.
    pub fn remove(&mut self, no: StreamNo, item: Item) -> Option<DeadLetter> {
        let letter = self.rows.remove(&(no, item))?;
        self.set_count(no, self.count(no).saturating_sub(1));
        Some(letter)
    }

    /// Takes out all of a stream; what they were.
    pub fn clear(&mut self, no: StreamNo) -> Vec<Item> {
        let items: Vec<Item> = self.of(no).collect();
        for item in &items {
            self.rows.remove(&(no, *item));
        }
        self.set_count(no, 0);
        items
    }

    fn of(&self, no: StreamNo) -> impl DoubleEndedIterator<Item = Item> {
        self.rows.range((no, Item::FIRST)..=(no, Item::LAST)).map(|((_, item), _)| *item)
    }

    /// Counts what the rows say, after loading.
    pub fn reindex(&mut self) {
        self.of.clear();
        for ((no, _), _) in self.rows.iter() {
            *self.of.entry(*no).or_default() += 1;
        }
        self.ranks = self.of.iter().map(|(no, count)| (*count, *no)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::effect::Claims;
    use crate::tenant::Seq;

    const MAX: usize = 12;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    fn put(dead: &mut Dead, no: u32, n: u64) -> Kept {
        let text = String::new;
        let claims = Claims {
            uri: text(),
            sub_id: text(),
            event: text(),
            txn: text(),
            toe: None,
            iat: 0,
            accepted_ms: 0,
            subject: 0,
        };
        let letter = DeadLetter { why: text(), at_ms: 0, claims };
        dead.insert(StreamNo(no), item(n), letter, MAX)
    }

    fn counts(dead: &Dead) -> Vec<(u32, usize)> {
        dead.of.iter().map(|(no, count)| (no.0, *count)).collect()
    }

    #[test]
    fn one_stream_takes_what_nobody_else_needs_and_no_more_than_its_share_of_the_rest() {
        let mut dead = Dead::new(10);
        for n in 0..MAX as u64 {
            assert_eq!(put(&mut dead, 1, n), Kept::Yes);
        }
        assert_eq!(put(&mut dead, 1, 99), Kept::No, "nobody has more than it");
        for n in 0..6 {
            assert_eq!(
                put(&mut dead, 2, n),
                Kept::Instead(StreamNo(1), item(11 - n)),
                "the newest of the first"
            );
        }
        assert_eq!((put(&mut dead, 2, 6), put(&mut dead, 1, 99)), (Kept::No, Kept::No));
        assert_eq!(counts(&dead), [(1, 6), (2, 6)]);
        // A third: both give, in turn, and all three have the same in the end.
        let gave: Vec<_> = (0..5).map(|n| put(&mut dead, 3, n)).collect();
        let from = |no: u32, n: u64| Kept::Instead(StreamNo(no), item(n));
        assert_eq!(gave, [from(2, 5), from(1, 5), from(2, 4), from(1, 4), Kept::No]);
        assert_eq!(counts(&dead), [(1, 4), (2, 4), (3, 4)]);
        // What is taken out is room for anybody.
        assert!(dead.remove(StreamNo(3), item(0)).is_some() && dead.remove(StreamNo(3), item(0)).is_none());
        assert_eq!((put(&mut dead, 1, 50), counts(&dead)), (Kept::Yes, vec![(1, 5), (2, 4), (3, 3)]));
        assert_eq!(put(&mut dead, 3, 51), Kept::Instead(StreamNo(1), item(50)));

        let before = (dead.of.clone(), dead.ranks.clone());
        dead.reindex();
        assert_eq!((dead.of.clone(), dead.ranks.clone()), before);
        assert_eq!(dead.clear(StreamNo(2)), (0..4).map(item).collect::<Vec<_>>());
        assert_eq!(counts(&dead), [(1, 4), (3, 4)]);
    }

    #[test]
    fn with_more_streams_than_room_the_first_ones_stay() {
        let mut dead = Dead::new(10);
        for no in 0..MAX as u32 {
            assert_eq!(put(&mut dead, no, 1), Kept::Yes);
        }
        assert_eq!(put(&mut dead, 99, 1), Kept::No);
        // The same once more is no other one.
        dead.remove(StreamNo(0), item(1));
        assert_eq!((put(&mut dead, 1, 1), dead.rows.len(), counts(&dead)[0]), (Kept::Yes, MAX - 1, (1, 1)));
    }
}
