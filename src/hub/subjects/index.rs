//! Complex subjects by their members: which streams have one that an event's subject matches (AMB-07).
//!
//! Built from the rows of `hub::subjects`. Subjects with the same member names are one kind. An event shares some of
//! a kind's members, and the subjects that have the same there are found by one look-up: for each choice of a kind's
//! members stands how many subjects of a list have what in them. All choices are kept up to date as subjects come and
//! go, so an event costs one look-up a kind, whatever was registered or asked for before; nothing is ever searched.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::complex::{Complex, Names, key, projection};
use super::lists::ListNo;
use crate::rows::Table;
use crate::stream::subject::SubjectHash;

/// The members of an event's subject, in order of their names.
type Event = [(String, SubjectHash)];

/// Complex subjects with the same member names.
#[derive(Default)]
struct Kind {
    subjects: usize,
    /// By choice of members, as bits; none and all are not there: the rows themselves have all.
    by: Vec<BTreeMap<(SubjectHash, ListNo), u32>>,
}

/// All kinds.
#[derive(Default)]
pub struct Index {
    kinds: BTreeMap<Names, Kind>,
}

/// Of how many members an event shares which with a kind.
fn shared(names: &Names, event: &Event) -> (usize, Vec<SubjectHash>) {
    let (mut choice, mut parts) = (0, vec![]);
    for (at, name) in names.iter().enumerate() {
        let found = event.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok();
        if let Some((_, hash)) = found.and_then(|at| event.get(at)) {
            choice |= 1 << at;
            parts.push(*hash);
        }
    }
    (choice, parts)
}

/// Whether an event shares no member with subjects of these names.
pub fn is_apart(names: &Names, event: &Event) -> bool {
    shared(names, event).0 == 0
}

impl Index {
    /// Lets a subject have the names that the others of its kind have: they are in memory once.
    pub fn share(&self, complex: &mut Complex) {
        if let Some((names, _)) = self.kinds.get_key_value(&complex.names) {
            complex.names = Arc::clone(names);
        }
    }

    /// A subject is there.
    pub fn enter(&mut self, list: ListNo, complex: &Complex) {
        let kind = self.kinds.entry(Arc::clone(&complex.names)).or_default();
        kind.subjects += 1;
        kind.by.resize_with(complex.look_ups() + 1, BTreeMap::new);
        for (choice, by) in kind.by.iter_mut().enumerate().skip(1) {
            *by.entry((complex.projection(choice), list)).or_default() += 1;
        }
    }

    /// A subject that was there is gone.
    pub fn leave(&mut self, list: ListNo, complex: &Complex) {
        let Some(kind) = self.kinds.get_mut(&complex.names) else { return };
        kind.subjects = kind.subjects.saturating_sub(1);
        for (choice, by) in kind.by.iter_mut().enumerate().skip(1) {
            let key = (complex.projection(choice), list);
            match by.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(by.remove(&key)),
            }
        }
        if kind.subjects == 0 {
            self.kinds.remove(&complex.names);
        }
    }

    /// Tells of the lists with a subject that agrees with the event in all that both have, one member at least; and
    /// whether the event has all that the subject has. Returns how many look-ups it took.
    pub fn find(
        &self,
        event: &Event,
        rows: &Table<(SubjectHash, ListNo), Complex>,
        mut hit: impl FnMut(ListNo, bool),
    ) -> usize {
        let mut look_ups = 0;
        for (names, kind) in &self.kinds {
            let (choice, parts) = shared(names, event);
            if choice == 0 {
                continue;
            }
            look_ups += 1;
            if parts.len() == names.len() {
                let whole = key(names, parts.into_iter());
                let range = rows.range((whole, ListNo::FIRST)..=(whole, ListNo::LAST));
                range.for_each(|((_, list), _)| hit(*list, true));
            } else if let Some(by) = kind.by.get(choice) {
                let some = projection(parts.into_iter(), choice.count_ones());
                let range = by.range((some, ListNo::FIRST)..=(some, ListNo::LAST));
                range.for_each(|((_, list), _)| hit(*list, false));
            }
        }
        look_ups
    }

    /// Built anew from all rows, and their names shared: choice by choice, for that is quicker than one by one.
    pub fn build(rows: &mut Table<(SubjectHash, ListNo), Complex>) -> Self {
        let mut index = Self::default();
        for (_, complex) in rows.iter() {
            if !index.kinds.contains_key(&complex.names) {
                index.kinds.insert(Arc::clone(&complex.names), Kind::default());
            }
        }
        rows.amend(|complex| index.share(complex));
        let mut of_kind: BTreeMap<&Names, Vec<(ListNo, &Complex)>> = BTreeMap::new();
        for ((_, list), complex) in rows.iter() {
            of_kind.entry(&complex.names).or_default().push((*list, complex));
        }
        for (names, subjects) in of_kind {
            let choices = subjects.first().map_or(0, |(_, complex)| complex.look_ups());
            let by = (0..=choices).map(|choice| counted(&subjects, choice)).collect();
            index.kinds.insert(Arc::clone(names), Kind { subjects: subjects.len(), by });
        }
        index
    }

    #[cfg(test)]
    pub fn rows(&self) -> usize {
        self.kinds.values().flat_map(|kind| &kind.by).map(BTreeMap::len).sum()
    }

    #[cfg(test)]
    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }
}

fn counted(subjects: &[(ListNo, &Complex)], choice: usize) -> BTreeMap<(SubjectHash, ListNo), u32> {
    if choice == 0 {
        return BTreeMap::new();
    }
    let mut keys: Vec<_> =
        subjects.iter().map(|(list, complex)| (complex.projection(choice), *list)).collect();
    keys.sort_unstable();
    let count = |same: &[(SubjectHash, ListNo)]| {
        same.first().map(|key| (*key, u32::try_from(same.len()).unwrap_or(u32::MAX)))
    };
    keys.chunk_by(|a, b| a == b).filter_map(count).collect()
}
