//! What streams are owed, as bits: a row for each item and 256 streams (DESIGN 4).
//!
//! In the flow: `apply` owes and settles here; the mirror, a base and the digest see the rows. What follows from the
//! rows (how much a stream is owed, how many streams an item is owed to) is counted beside them and built anew after
//! loading. Never holds claims.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::effect::Item;
use crate::rows::Table;
use crate::stream::StreamNo;

/// Streams in one row.
const PER_ROW: u32 = 256;

/// Which of 256 streams.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Bits([u8; 32]);

impl Bits {
    fn has(self, n: u8) -> bool {
        self.0[usize::from(n / 8)] & (1 << (n % 8)) != 0
    }

    /// Whether it was not set before.
    fn set(&mut self, n: u8) -> bool {
        let byte = &mut self.0[usize::from(n / 8)];
        let before = *byte;
        *byte |= 1 << (n % 8);
        *byte != before
    }

    fn clear(&mut self, n: u8) {
        self.0[usize::from(n / 8)] &= !(1 << (n % 8));
    }

    fn is_empty(self) -> bool {
        self.0 == [0; 32]
    }

    fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |n| self.has(*n))
    }
}

/// What the streams of one tenant are owed.
#[derive(Debug)]
pub(super) struct Owing {
    /// By the first number of its streams / 256, then item: what is looked through for one stream lies together.
    pub rows: Table<(u32, Item), Bits>,
    /// How much each of 256 streams is owed.
    counts: BTreeMap<u32, Box<[u32; PER_ROW as usize]>>,
    /// To how many streams each item is owed.
    streams_of: HashMap<Item, u32>,
    /// No stream is owed anything older than this, where it stands here.
    oldest: HashMap<StreamNo, Item>,
    newest: Item,
    total: usize,
}

fn place(no: StreamNo) -> (u32, u8) {
    // The remainder by 256 fits a byte.
    (no.0 / PER_ROW, u8::try_from(no.0 % PER_ROW).unwrap_or(0))
}

fn number(row: u32, n: u8) -> StreamNo {
    StreamNo(row.saturating_mul(PER_ROW).saturating_add(u32::from(n)))
}

impl Owing {
    /// Nothing is owed. `tag` is that of its rows.
    pub fn new(tag: u8) -> Self {
        Self {
            rows: Table::new(tag),
            counts: BTreeMap::new(),
            streams_of: HashMap::new(),
            oldest: HashMap::new(),
            newest: Item::FIRST,
            total: 0,
        }
    }

    /// Owes an item to streams, which stand in order. Those that are then owed more than `max`.
    pub fn add(&mut self, item: Item, streams: &[StreamNo], max: usize) -> Vec<StreamNo> {
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        let (mut full, mut added) = (vec![], 0_u32);
        for some in streams.chunk_by(|a, b| place(*a).0 == place(*b).0) {
            let Some(first) = some.first() else { continue };
            let row = place(*first).0;
            let mut bits = self.rows.get(&(row, item)).copied().unwrap_or_default();
            let counts = self.counts.entry(row).or_insert_with(|| Box::new([0; PER_ROW as usize]));
            for no in some {
                let n = place(*no).1;
                if bits.set(n) {
                    let count = &mut counts[usize::from(n)];
                    *count = count.saturating_add(1);
                    added = added.saturating_add(1);
                    if *count > max {
                        full.push(*no);
                    }
                }
            }
            self.rows.insert((row, item), bits);
        }
        if added > 0 {
            let held = self.streams_of.entry(item).or_default();
            *held = held.saturating_add(added);
            self.total += added as usize;
        }
        if item < self.newest {
            for no in streams {
                self.oldest.remove(no);
            }
        }
        self.newest = self.newest.max(item);
        full
    }

    /// An item is owed to a stream no longer; whether it was.
    pub fn remove(&mut self, no: StreamNo, item: Item) -> bool {
        let (row, n) = place(no);
        let Some(bits) = self.rows.get(&(row, item)).copied().filter(|bits| bits.has(n)) else {
            return false;
        };
        let mut left = bits;
        left.clear(n);
        if left.is_empty() {
            self.rows.remove(&(row, item));
        } else {
            self.rows.insert((row, item), left);
        }
        if let Some(counts) = self.counts.get_mut(&row) {
            let count = &mut counts[usize::from(n)];
            *count = count.saturating_sub(1);
            if *count == 0 && counts.iter().all(|count| *count == 0) {
                self.counts.remove(&row);
            }
        }
        let held = self.streams_of.get(&item).copied().unwrap_or(0);
        if held > 1 {
            self.streams_of.insert(item, held - 1);
        } else {
            self.streams_of.remove(&item);
        }
        self.total = self.total.saturating_sub(1);
        true
    }

    /// Everything that a stream is owed is owed to it no longer. What it was, oldest first.
    pub fn clear(&mut self, no: StreamNo) -> Vec<Item> {
        let items: Vec<Item> = self.of(no, Item::FIRST).collect();
        for item in &items {
            self.remove(no, *item);
        }
        self.oldest.remove(&no);
        items
    }

    /// Whether an item is owed to anybody.
    pub fn is_owed(&self, item: Item) -> bool {
        self.streams_of.contains_key(&item)
    }

    /// How much a stream is owed.
    pub fn count(&self, no: StreamNo) -> usize {
        let (row, n) = place(no);
        self.counts.get(&row).map_or(0, |counts| counts[usize::from(n)] as usize)
    }

    /// The oldest that a stream is owed. What was looked through is not looked through again.
    pub fn oldest(&mut self, no: StreamNo) -> Option<Item> {
        let from = self.oldest.get(&no).copied().unwrap_or(Item::FIRST);
        let oldest = self.of(no, from).next();
        match oldest {
            Some(item) => self.oldest.insert(no, item),
            None => self.oldest.remove(&no),
        };
        oldest
    }

    fn of(&self, no: StreamNo, from: Item) -> impl Iterator<Item = Item> {
        let (row, n) = place(no);
        let rows = self.rows.range((row, from)..=(row, Item::LAST));
        rows.filter(move |(_, bits)| bits.has(n)).map(|((_, item), _)| *item)
    }

    /// How much is owed in all.
    pub fn len(&self) -> usize {
        self.total
    }

    /// By stream, then item.
    pub fn iter(&self) -> impl Iterator<Item = (StreamNo, Item)> {
        let streams = self.counts.iter().flat_map(|(row, counts)| {
            let some = (0..=u8::MAX).filter(|n| counts[usize::from(*n)] > 0);
            some.map(|n| number(*row, n))
        });
        streams.flat_map(|no| self.of(no, Item::FIRST).map(move |item| (no, item)))
    }

    /// By row: an item, and up to 256 streams in order. For each stream the items come oldest first.
    pub fn by_row(&self) -> impl Iterator<Item = (Item, Vec<StreamNo>)> {
        self.rows.iter().map(|((row, item), bits)| (*item, bits.iter().map(|n| number(*row, n)).collect()))
    }

    /// Counts what the rows say, after loading.
    pub fn reindex(&mut self) {
        let rows = std::mem::replace(&mut self.rows, Table::new(0));
        *self = Self { rows, ..Self::new(0) };
        for ((row, item), bits) in self.rows.iter() {
            let counts = self.counts.entry(*row).or_insert_with(|| Box::new([0; PER_ROW as usize]));
            let mut held = 0_u32;
            for n in bits.iter() {
                counts[usize::from(n)] = counts[usize::from(n)].saturating_add(1);
                held += 1;
            }
            let of = self.streams_of.entry(*item).or_default();
            *of = of.saturating_add(held);
            self.total += held as usize;
            self.newest = self.newest.max(*item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rows::Rows as _;
    use crate::tenant::Seq;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    /// The same in one ordered set.
    #[derive(Default)]
    struct Plain(BTreeSet<(StreamNo, Item)>);

    fn same(owing: &mut Owing, plain: &Plain) {
        assert!(owing.iter().eq(plain.0.iter().copied()));
        assert_eq!(owing.len(), plain.0.len());
        let mut by_row: Vec<_> =
            owing.by_row().flat_map(|(item, nos)| nos.into_iter().map(move |no| (no, item))).collect();
        by_row.sort();
        assert!(by_row.into_iter().eq(plain.0.iter().copied()));
        for no in (0..700).step_by(13).map(StreamNo) {
            let of: Vec<_> = plain.0.iter().filter(|(other, _)| *other == no).collect();
            assert_eq!((owing.count(no), owing.oldest(no)), (of.len(), of.first().map(|(_, i)| *i)));
        }
        for n in 0..40 {
            assert_eq!(owing.is_owed(item(n)), plain.0.iter().any(|(_, other)| *other == item(n)));
        }
    }

    #[test]
    fn it_holds_what_a_plain_set_holds() {
        let (mut owing, mut plain) = (Owing::new(12), Plain::default());
        // A small walk through numbers, the same in every run; 7 comes after the others, as what is owed again does.
        for n in (0..40).filter(|n| *n != 7).chain([7]) {
            let step = usize::try_from(n % 5 + 1).unwrap();
            let streams: Vec<_> =
                (u32::try_from(n).unwrap() % 7..700).step_by(13 * step).map(StreamNo).collect();
            assert!(owing.add(item(n), &streams, 1_000).is_empty());
            plain.0.extend(streams.iter().map(|no| (*no, item(n))));
            if n % 3 == 0 {
                let gone: Vec<_> = plain.0.iter().copied().step_by(3).collect();
                for (no, item) in gone {
                    assert!(owing.remove(no, item) && !owing.remove(no, item));
                    plain.0.remove(&(no, item));
                }
            }
            same(&mut owing, &plain);
        }
        let (mut rows, mut back) = (vec![], Owing::new(12));
        owing.rows.dump(&mut rows);
        rows.iter().for_each(|(key, value)| assert!(back.rows.load(key, value).unwrap()));
        back.rows.pack();
        back.reindex();
        same(&mut back, &plain);
        for no in (0..700).map(StreamNo) {
            let mut of = plain.0.clone();
            of.retain(|(other, _)| *other == no);
            assert!(owing.clear(no).into_iter().eq(of.into_iter().map(|(_, item)| item)));
        }
        assert_eq!((owing.len(), owing.rows.len(), owing.counts.len(), owing.streams_of.len()), (0, 0, 0, 0));
    }

    #[test]
    fn who_is_owed_too_much_is_told_and_what_is_owed_twice_counts_once() {
        let mut owing = Owing::new(12);
        let two = [StreamNo(1), StreamNo(300)];
        assert!(owing.add(item(1), &two, 2).is_empty() && owing.add(item(1), &two, 2).is_empty());
        assert!(owing.add(item(2), &two[1..], 2).is_empty());
        assert_eq!((owing.add(item(3), &two, 2), owing.len()), (vec![StreamNo(300)], 5));
        assert_eq!(owing.oldest(StreamNo(300)), Some(item(1)));
        assert!(owing.remove(StreamNo(300), item(1)));
        assert_eq!(owing.oldest(StreamNo(300)), Some(item(2)));
    }

    #[test]
    fn a_row_is_as_small_as_its_bits() {
        let mut owing = Owing::new(12);
        owing.add(item(1), &(0..256).map(StreamNo).collect::<Vec<_>>(), 9);
        let mut rows = vec![];
        owing.rows.dump(&mut rows);
        assert_eq!((rows.len(), rows[0].1.len()), (1, 32));
    }
}
