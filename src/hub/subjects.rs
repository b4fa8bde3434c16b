//! The subjects of a tenant's streams, and which streams an event's subject is in (SSF 1.0, 8.1.3).
//!
//! Part of the state. A row means: of a stream that begins with none, this subject is in it; of one that begins with
//! all, this subject is out of it. Rows are ordered by subject, so that an event finds its streams in one look-up
//! however many subjects there are; complex ones in one look-up for each combination of members ([`index`]). Holds
//! hashes only. Deterministic: what is built beside the rows follows from them. Nothing here takes longer the more
//! there is: no entry searches, and what a stream leaves behind is taken away a little with each entry.
//!
//! - [`complex`]: complex subjects, and their bounds; [`held`]: what each receiver has of them
//! - [`index`]: complex subjects by members; [`lists`]: which rows are a stream's; [`rows`]: how all of it is kept

pub mod complex;
mod held;
mod index;
pub mod lists;
mod rows;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::rows::Table;
use crate::stream::receiver::DefaultSubjects;
use crate::stream::subject::{Matcher, SubjectHash};
use crate::stream::{Stream, StreamNo};
use complex::{Bounds, Complex, Subject, Unfit};
use held::Held;
use index::Index;
use lists::{Count, ListNo, Lists};

/// How much of what ended one entry takes away: subjects and look-up rows.
pub const SWEPT_PER_ENTRY: usize = 64;

/// A subject that was removed and is still in its stream for a while (SSF 1.0, 9.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaving {
    /// Until when (ms since 1970).
    pub due_ms: i64,
    /// Its members, if it is kept as a complex one.
    pub complex: Option<Complex>,
}

/// Which streams an event's subject was found in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// A row of theirs matches it: it is in those that begin with none.
    pub named: BTreeSet<StreamNo>,
    /// A row of theirs covers it: it is out of those that begin with all.
    pub covered: BTreeSet<StreamNo>,
    /// How many look-ups it took: one, and for a complex subject one for each combination of members that there is.
    pub look_ups: usize,
}

/// The subjects of all streams of a tenant.
pub struct Subjects {
    simple: Table<(SubjectHash, ListNo), ()>,
    complex: Table<(SubjectHash, ListNo), Complex>,
    leaving: Table<(ListNo, SubjectHash), Leaving>,
    lists: Lists,
    bounds: Bounds,
    // built from the rows
    index: Index,
    held: Held,
}

impl Subjects {
    /// None. `tags` are those of their tables.
    pub fn new(tags: [u8; 4]) -> Self {
        Self::within(tags, Bounds::default())
    }

    fn within(tags: [u8; 4], bounds: Bounds) -> Self {
        Self {
            simple: Table::new(tags[0]),
            complex: Table::new(tags[1]),
            leaving: Table::new(tags[2]),
            lists: Lists::new(tags[3]),
            bounds,
            index: Index::default(),
            held: Held::default(),
        }
    }

    /// What a stream has.
    pub fn count(&self, stream: StreamNo) -> Count {
        self.lists.count(self.lists.of(stream))
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.simple.is_empty() && self.complex.is_empty()
    }

    /// Whether there is a row of this very subject.
    pub fn has(&self, stream: StreamNo, subject: &Subject) -> bool {
        let list = self.lists.of(stream);
        self.simple.contains(&(subject.whole, list)) || self.is_kept(list, subject.complex.as_ref())
    }

    fn is_kept(&self, list: ListNo, complex: Option<&Complex>) -> bool {
        complex.is_some_and(|complex| self.complex.contains(&(complex.key(), list)))
    }

    /// When a removed subject leaves for good, if it has not yet (ms since 1970).
    pub fn leaves_at(&self, stream: StreamNo, subject: SubjectHash) -> Option<i64> {
        self.leaving.get(&(self.lists.of(stream), subject)).map(|l| l.due_ms)
    }

    /// Whether a stream may have a row of this subject; one beyond the bounds is kept as it is, and matched only by
    /// its identical. Another receiver's subjects have no part in it.
    pub fn fits(&self, no: StreamNo, stream: &Stream, subject: &Subject) -> Result<(), Unfit> {
        let Some(complex) = &subject.complex else { return Ok(()) };
        complex.check(&self.bounds)?;
        if !self.held.has_room(&stream.client, &complex.names, self.bounds.combinations) {
            return Err(Unfit::Combinations(self.bounds.combinations));
        }
        if self.count(no).look_ups.saturating_add(complex.look_ups()) > self.bounds.look_ups {
            return Err(Unfit::LookUps(self.bounds.look_ups));
        }
        Ok(())
    }

    /// Makes a row.
    pub fn insert(&mut self, no: StreamNo, stream: &Stream, subject: Subject) {
        if self.has(no, &subject) {
            return;
        }
        let list = self.lists.of(no);
        let fits = self.fits(no, stream, &subject).is_ok();
        let Some(mut complex) = subject.complex.filter(|_| fits) else {
            self.simple.insert((subject.whole, list), ());
            self.lists.enter(list, subject.whole, 0);
            return;
        };
        let key = complex.key();
        self.index.share(&mut complex);
        self.index.enter(list, &complex);
        self.held.enter(list, &stream.client, &complex.names);
        self.lists.enter(list, key, complex.look_ups());
        self.complex.insert((key, list), complex);
    }

    /// Takes a row out.
    pub fn remove(&mut self, no: StreamNo, stream: &Stream, subject: &Subject) {
        let list = self.lists.of(no);
        if self.simple.remove(&(subject.whole, list)).is_some() {
            self.lists.leave(list, subject.whole, 0);
        }
        let Some(key) = subject.complex.as_ref().map(Complex::key) else { return };
        if let Some(complex) = self.complex.remove(&(key, list)) {
            self.index.leave(list, &complex);
            self.held.leave(list, &stream.client, &complex.names);
            self.lists.leave(list, key, complex.look_ups());
        }
    }

    /// A subject was removed, with a grace.
    pub fn leave_later(&mut self, no: StreamNo, stream: &Stream, subject: Subject, due_ms: i64) {
        let list = self.lists.of(no);
        // It will be a row, or was one: as what it is kept is settled now.
        let is_complex = match stream.default_subjects {
            DefaultSubjects::All => self.fits(no, stream, &subject).is_ok(),
            DefaultSubjects::None => self.is_kept(list, subject.complex.as_ref()),
        };
        let mut leaving = Leaving { due_ms, complex: subject.complex.filter(|_| is_complex) };
        leaving.complex.iter_mut().for_each(|complex| self.index.share(complex));
        self.awaits(list, stream, &leaving);
        self.leaving.insert((list, subject.whole), leaving);
    }

    /// What is leaving is counted; where it becomes a row, its kind is held from now on.
    fn awaits(&mut self, list: ListNo, stream: &Stream, leaving: &Leaving) {
        self.lists.change(list, |count| count.leaving += 1);
        if let Some(complex) = leaving.complex.as_ref().filter(|_| becomes_row(stream)) {
            self.held.enter(list, &stream.client, &complex.names);
            self.lists.change(list, |count| count.look_ups += complex.look_ups());
        }
    }

    /// A subject that was removed is there again, or its time has come.
    pub fn left(&mut self, no: StreamNo, stream: &Stream, whole: SubjectHash) -> Option<Leaving> {
        let list = self.lists.of(no);
        let leaving = self.leaving.remove(&(list, whole))?;
        let complex = leaving.complex.as_ref().filter(|_| becomes_row(stream));
        if let Some(complex) = complex {
            self.held.leave(list, &stream.client, &complex.names);
        }
        let look_ups = complex.map_or(0, Complex::look_ups);
        self.lists.change(list, |count| {
            count.leaving = count.leaving.saturating_sub(1);
            count.look_ups = count.look_ups.saturating_sub(look_ups);
        });
        Some(leaving)
    }

    /// A stream is gone. Its rows are not found any more, and go with the next entries.
    pub fn end(&mut self, no: StreamNo, stream: &Stream) {
        self.held.end(self.lists.of(no), &stream.client);
        self.lists.end(no);
    }

    /// A stream is configured otherwise.
    pub fn change(&mut self, no: StreamNo, old: &Stream, new: &Stream) {
        // The rows of a stream that begins with none mean the opposite of those of one that begins with all.
        if old.default_subjects != new.default_subjects {
            self.held.end(self.lists.of(no), &old.client);
            self.lists.renew(no);
        } else if old.client != new.client {
            self.held.passes(self.lists.of(no), &old.client, &new.client);
        }
    }

    /// Takes away some of what ended: called once an entry, so that what is left behind never outgrows what comes.
    pub fn sweep(&mut self, most: usize) {
        let mut left = most;
        while left > 0 {
            let Some(list) = self.lists.ended() else { return };
            left = left.saturating_sub(1);
            if let Some(row) = self.lists.first(list) {
                self.lists.leave(list, row, 0);
                self.simple.remove(&(row, list));
                if let Some(complex) = self.complex.remove(&(row, list)) {
                    self.index.leave(list, &complex);
                    left = left.saturating_sub(complex.look_ups());
                }
                continue;
            }
            let mut leaving = self.leaving.range((list, SubjectHash::FIRST)..=(list, SubjectHash::LAST));
            match leaving.next().map(|(key, _)| *key) {
                Some(key) => drop(self.leaving.remove(&key)),
                None => self.lists.forget(list),
            }
        }
    }

    /// The streams that an event's subject is named in.
    pub fn find(&self, event: &Matcher) -> Found {
        let mut found = Found { look_ups: 1, ..Found::default() };
        let same = self.simple.range((event.whole, ListNo::FIRST)..=(event.whole, ListNo::LAST));
        found.named = same.filter_map(|((_, list), ())| self.lists.owner(*list)).collect();
        found.covered.clone_from(&found.named);
        if let Some(parts) = &event.parts {
            let look_ups = self.index.find(parts, &self.complex, |list, covers| {
                let Some(stream) = self.lists.owner(list) else { return };
                found.named.insert(stream);
                if covers {
                    found.covered.insert(stream);
                }
            });
            found.look_ups += look_ups;
        }
        found
    }

    /// Whether an event is for a stream, by what was found for its subject.
    pub fn is_for(&self, no: StreamNo, stream: &Stream, event: Option<&Matcher>, found: &Found) -> bool {
        match stream.default_subjects {
            DefaultSubjects::All => !found.covered.contains(&no),
            DefaultSubjects::None => {
                found.named.contains(&no) || (stream.literal_matching && self.is_apart(no, event))
            }
        }
    }

    /// Whether a stream has a complex subject that shares no member with an event's: by the letter of the
    /// specification that matches too (AMB-07).
    fn is_apart(&self, no: StreamNo, event: Option<&Matcher>) -> bool {
        let parts = event.and_then(|event| event.parts.as_deref());
        parts.is_some_and(|parts| self.held.of(self.lists.of(no)).any(|names| index::is_apart(names, parts)))
    }
}

/// Whether a subject that leaves a stream becomes a row with that.
fn becomes_row(stream: &Stream) -> bool {
    stream.default_subjects == DefaultSubjects::All
}

#[cfg(test)]
mod tests;
