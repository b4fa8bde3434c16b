//! Under which number the subjects of a stream stand, and which rows belong to it.
//!
//! A list that ends, because its stream goes or begins anew, is forgotten at once and taken away bit by bit: a million
//! rows never go in one entry. Until then nobody finds them, for its number is not given again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::rows::Table;
use crate::stream::StreamNo;
use crate::stream::subject::SubjectHash;

/// The number of a stream's list: the stream's own, until it begins anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListNo(pub u32);

impl ListNo {
    /// Before all.
    pub const FIRST: Self = Self(0);
    /// Behind all.
    pub const LAST: Self = Self(u32::MAX);
}

/// Which number was given last to a list that began anew: they count down, those of streams up.
const GIVEN: StreamNo = StreamNo(0);

/// What a list has.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Count {
    /// Subjects.
    pub subjects: usize,
    /// Subjects that are leaving.
    pub leaving: usize,
    /// Look-up rows of complex subjects.
    pub look_ups: usize,
}

/// All lists of a tenant.
pub struct Lists {
    /// Lists that began anew.
    pub anew: Table<StreamNo, ListNo>,
    // built from the rows
    owners: BTreeMap<ListNo, StreamNo>,
    rows: BTreeSet<(ListNo, SubjectHash)>,
    counts: BTreeMap<ListNo, Count>,
    ended: BTreeSet<ListNo>,
}

impl Lists {
    /// None. `tag` is that of the rows.
    pub fn new(tag: u8) -> Self {
        Self {
            anew: Table::new(tag),
            owners: BTreeMap::new(),
            rows: BTreeSet::new(),
            counts: BTreeMap::new(),
            ended: BTreeSet::new(),
        }
    }

    /// A stream's list.
    pub fn of(&self, stream: StreamNo) -> ListNo {
        self.anew.get(&stream).copied().unwrap_or(ListNo(stream.0))
    }

    /// The stream of a list; `None` where the stream has another one now. It may be gone.
    pub fn owner(&self, list: ListNo) -> Option<StreamNo> {
        if self.anew.is_empty() {
            return Some(StreamNo(list.0));
        }
        if self.anew.get(&GIVEN).is_some_and(|last| list >= *last) {
            return self.owners.get(&list).copied();
        }
        let stream = StreamNo(list.0);
        (!self.anew.contains(&stream)).then_some(stream)
    }

    /// What a list has.
    pub fn count(&self, list: ListNo) -> Count {
        self.counts.get(&list).copied().unwrap_or_default()
    }

    /// Changes what is counted; nothing is counted of a list that ended.
    pub fn change(&mut self, list: ListNo, change: impl FnOnce(&mut Count)) {
        if self.ended.contains(&list) {
            return;
        }
        let count = self.counts.entry(list).or_default();
        change(count);
        if *count == Count::default() {
            self.counts.remove(&list);
        }
    }

    /// A row of a list is there.
    pub fn enter(&mut self, list: ListNo, row: SubjectHash, look_ups: usize) {
        if self.rows.insert((list, row)) {
            self.change(list, |count| {
                count.subjects += 1;
                count.look_ups += look_ups;
            });
        }
    }

    /// A row of a list is gone.
    pub fn leave(&mut self, list: ListNo, row: SubjectHash, look_ups: usize) {
        if self.rows.remove(&(list, row)) {
            self.change(list, |count| {
                count.subjects = count.subjects.saturating_sub(1);
                count.look_ups = count.look_ups.saturating_sub(look_ups);
            });
        }
    }

    /// A stream's list ends, and the stream with it.
    pub fn end(&mut self, stream: StreamNo) {
        let list = self.of(stream);
        if self.counts.remove(&list).is_some() {
            self.ended.insert(list);
        }
        self.anew.remove(&stream);
        self.owners.remove(&list);
    }

    /// A stream's list ends, and another begins.
    pub fn renew(&mut self, stream: StreamNo) {
        if !self.counts.contains_key(&self.of(stream)) {
            return;
        }
        self.end(stream);
        let given = self.anew.get(&GIVEN).map_or(u32::MAX, |last| last.0.saturating_sub(1));
        self.anew.insert(GIVEN, ListNo(given));
        self.anew.insert(stream, ListNo(given));
        self.owners.insert(ListNo(given), stream);
    }

    /// A list that ended and may still have rows.
    pub fn ended(&self) -> Option<ListNo> {
        self.ended.first().copied()
    }

    /// The first row of a list.
    pub fn first(&self, list: ListNo) -> Option<SubjectHash> {
        let range = self.rows.range((list, SubjectHash::FIRST)..=(list, SubjectHash::LAST));
        range.map(|(_, row)| *row).next()
    }

    /// A list that ended has nothing left.
    pub fn forget(&mut self, list: ListNo) {
        self.ended.remove(&list);
    }

    /// Built anew: from the streams that there are, the rows, and what leaves.
    pub fn build(
        &mut self,
        streams: impl Iterator<Item = StreamNo>,
        rows: Vec<(ListNo, SubjectHash)>,
        leaving: impl Iterator<Item = ListNo>,
    ) {
        let live: BTreeSet<ListNo> = streams.map(|no| self.of(no)).collect();
        let anew = self.anew.iter().filter(|(stream, _)| **stream != GIVEN);
        self.owners = anew.map(|(stream, list)| (*list, *stream)).collect();
        let all = rows.iter().map(|(list, _)| *list).chain(leaving);
        self.ended = all.filter(|list| !live.contains(list)).collect();
        self.counts.clear();
        for some in rows.chunk_by(|a, b| a.0 == b.0) {
            if let Some((list, _)) = some.first() {
                self.change(*list, |count| count.subjects += some.len());
            }
        }
        self.rows = rows.into_iter().collect();
    }
}
