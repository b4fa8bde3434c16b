//! The subjects of a tenant's streams, and which streams an event's subject is in (SSF 1.0, 8.1.3).
//!
//! Part of the state. A row means: of a stream that begins with none, this subject is in it; of one that begins with
//! all, this subject is out of it. Rows are ordered by subject, so that an event finds its streams in one look-up
//! however many subjects there are. Holds hashes only. Deterministic: what is built beside the rows follows from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::rows::{Rows, Table, Tables};
use crate::stream::receiver::DefaultSubjects;
use crate::stream::subject::{Matcher, SubjectHash, joined};
use crate::stream::{Stream, StreamNo};

/// The members of a complex subject, in order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Complex {
    /// Their names, each behind a NUL: what kind of complex subject it is.
    pub shape: Box<str>,
    /// Their hashes, in the same order.
    pub parts: Box<[SubjectHash]>,
}

/// A subject that was removed and is still in its stream for a while (SSF 1.0, 9.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaving {
    /// Until when (ms since 1970).
    pub due_ms: i64,
    /// Its members, if it is complex.
    pub complex: Option<Complex>,
}

/// Which streams an event's subject was found in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// A row of theirs matches it: it is in those that begin with none.
    pub named: BTreeSet<StreamNo>,
    /// A row of theirs covers it: it is out of those that begin with all.
    pub covered: BTreeSet<StreamNo>,
    /// A row of theirs shares no member with it: by the letter of the specification that matches too (AMB-07).
    pub apart: BTreeSet<StreamNo>,
}

impl Found {
    /// Whether the event is for a stream.
    pub fn is_for(&self, no: StreamNo, stream: &Stream) -> bool {
        match stream.default_subjects {
            DefaultSubjects::All => !self.covered.contains(&no),
            DefaultSubjects::None => {
                self.named.contains(&no) || (stream.literal_matching && self.apart.contains(&no))
            }
        }
    }
}

/// One kind of complex subject: by which of its members it was looked up so far, and what is found there.
#[derive(Default)]
struct Shape {
    names: Vec<String>,
    subjects: usize,
    by: BTreeMap<Vec<u16>, BTreeMap<(SubjectHash, StreamNo), u32>>,
}

/// The subjects of all streams of a tenant.
pub struct Subjects {
    simple: Table<(SubjectHash, StreamNo), ()>,
    complex: Table<(SubjectHash, StreamNo), Complex>,
    leaving: Table<(StreamNo, SubjectHash), Leaving>,
    // built from the rows
    shapes: BTreeMap<Box<str>, Shape>,
    counts: BTreeMap<StreamNo, usize>,
}

impl Subjects {
    /// No subjects; `tags` are those of its three tables.
    pub fn new(tags: [u8; 3]) -> Self {
        Self {
            simple: Table::new(tags[0]),
            complex: Table::new(tags[1]),
            leaving: Table::new(tags[2]),
            shapes: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// How many rows a stream has.
    pub fn count(&self, stream: StreamNo) -> usize {
        self.counts.get(&stream).copied().unwrap_or(0)
    }

    /// Whether no stream has any.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Whether there is a row of this very subject.
    pub fn has(&self, stream: StreamNo, subject: &Matcher) -> bool {
        let key = (subject.whole, stream);
        if subject.parts.is_some() { self.complex.contains(&key) } else { self.simple.contains(&key) }
    }

    /// When a removed subject leaves for good, if it has not yet (ms since 1970).
    pub fn leaves_at(&self, stream: StreamNo, subject: SubjectHash) -> Option<i64> {
        self.leaving.get(&(stream, subject)).map(|l| l.due_ms)
    }

    /// Makes a row.
    pub fn insert(&mut self, stream: StreamNo, whole: SubjectHash, complex: Option<Complex>) {
        let key = (whole, stream);
        let new = match complex {
            None => self.simple.insert(key, ()).is_none(),
            Some(complex) => {
                let new = !self.complex.contains(&key);
                if new {
                    self.shape(&complex.shape).enter(stream, &complex.parts);
                    self.complex.insert(key, complex);
                }
                new
            }
        };
        if new {
            *self.counts.entry(stream).or_default() += 1;
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, stream: StreamNo, whole: SubjectHash) {
        let key = (whole, stream);
        let complex = self.complex.remove(&key);
        if let Some(complex) = &complex {
            self.shape(&complex.shape).leave(stream, &complex.parts);
        }
        if complex.is_some() || self.simple.remove(&key).is_some() {
            self.uncount(stream);
        }
    }

    fn uncount(&mut self, stream: StreamNo) {
        if let Some(count) = self.counts.get_mut(&stream) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&stream);
            }
        }
    }

    /// A subject was removed, with a grace.
    pub fn leave_later(&mut self, stream: StreamNo, whole: SubjectHash, leaving: Leaving) {
        self.leaving.insert((stream, whole), leaving);
    }

    /// A subject that was removed is there again, or its time has come.
    pub fn left(&mut self, stream: StreamNo, whole: SubjectHash) -> Option<Leaving> {
        self.leaving.remove(&(stream, whole))
    }

    /// A stream has no subjects any more.
    pub fn clear(&mut self, stream: StreamNo) {
        let first = (stream, SubjectHash([0; 16]));
        let last = (stream, SubjectHash([0xff; 16]));
        let leaving: Vec<_> = self.leaving.range(first..=last).map(|(key, _)| *key).collect();
        for key in leaving {
            self.leaving.remove(&key);
        }
        if self.count(stream) == 0 {
            return;
        }
        let of_it = |key: &&(SubjectHash, StreamNo)| key.1 == stream;
        let simple: Vec<_> = self.simple.iter().map(|(key, ())| key).filter(of_it).copied().collect();
        let complex: Vec<_> = self.complex.iter().map(|(key, _)| key).filter(of_it).copied().collect();
        for (whole, stream) in simple.into_iter().chain(complex) {
            self.remove(stream, whole);
        }
    }

    /// The streams that an event's subject is named in.
    pub fn find(&mut self, event: &Matcher) -> Found {
        let mut found = Found::default();
        let Some(parts) = &event.parts else {
            let first = (event.whole, StreamNo(0));
            let last = (event.whole, StreamNo(u32::MAX));
            found.named = self.simple.range(first..=last).map(|((_, stream), ())| *stream).collect();
            found.covered = found.named.clone();
            return found;
        };
        for shape in self.shapes.values_mut().filter(|shape| shape.subjects > 0) {
            shape.find(parts, &self.complex, &mut found);
        }
        found
    }

    fn shape(&mut self, shape: &str) -> &mut Shape {
        self.shapes.entry(shape.into()).or_insert_with(|| Shape {
            names: shape.split('\0').skip(1).map(Into::into).collect(),
            ..Shape::default()
        })
    }
}

impl Tables for Subjects {
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows)) {
        visit(&self.simple);
        visit(&self.complex);
        visit(&self.leaving);
    }

    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows)) {
        visit(&mut self.simple);
        visit(&mut self.complex);
        visit(&mut self.leaving);
    }
}

impl Subjects {
    /// Builds what follows from the rows.
    pub fn reindex(&mut self) {
        self.shapes.clear();
        self.counts.clear();
        for ((_, stream), ()) in self.simple.iter() {
            *self.counts.entry(*stream).or_default() += 1;
        }
        let rows: Vec<_> = self.complex.iter().map(|(key, complex)| (key.1, complex.clone())).collect();
        for (stream, complex) in rows {
            *self.counts.entry(stream).or_default() += 1;
            self.shape(&complex.shape).enter(stream, &complex.parts);
        }
    }
}

impl Complex {
    /// Of a complex subject's members.
    pub fn of(parts: &[(String, SubjectHash)]) -> Self {
        let shape = parts.iter().flat_map(|(name, _)| ["\0", name.as_str()]).collect::<String>();
        Self { shape: shape.into(), parts: parts.iter().map(|(_, hash)| *hash).collect() }
    }
}

impl Shape {
    fn enter(&mut self, stream: StreamNo, parts: &[SubjectHash]) {
        self.subjects += 1;
        for (common, by) in &mut self.by {
            *by.entry((projection(common, parts), stream)).or_default() += 1;
        }
    }

    fn leave(&mut self, stream: StreamNo, parts: &[SubjectHash]) {
        self.subjects = self.subjects.saturating_sub(1);
        for (common, by) in &mut self.by {
            let key = (projection(common, parts), stream);
            if let Some(count) = by.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    by.remove(&key);
                }
            }
        }
    }

    /// For every member name, undefined in either or identical in both; and at least one is identical (AMB-07).
    fn find(
        &mut self,
        event: &[(String, SubjectHash)],
        rows: &Table<(SubjectHash, StreamNo), Complex>,
        found: &mut Found,
    ) {
        let value_of =
            |name: &String| event.binary_search_by(|(n, _)| n.cmp(name)).ok().and_then(|at| event.get(at));
        let mut common = Vec::new();
        let mut values = Vec::new();
        for (at, name) in (0u16..).zip(&self.names) {
            if let Some((_, hash)) = value_of(name) {
                common.push(at);
                values.push(*hash);
            }
        }
        let apart = common.is_empty();
        let covers = common.len() == self.names.len();
        let name = self.names.iter().flat_map(|name| ["\0", name.as_str()]).collect::<String>();
        // Looked up by these members for the first time since the start: from then on kept up to date.
        let by = self.by.entry(common).or_insert_with_key(|common| {
            let mut by = BTreeMap::new();
            for ((_, stream), complex) in rows.iter().filter(|(_, complex)| *complex.shape == *name) {
                *by.entry((projection(common, &complex.parts), *stream)).or_default() += 1;
            }
            by
        });
        let value = joined(values.into_iter());
        let range = by.range((value, StreamNo(0))..=(value, StreamNo(u32::MAX)));
        for ((_, stream), _) in range {
            if apart {
                found.apart.insert(*stream);
                continue;
            }
            found.named.insert(*stream);
            if covers {
                found.covered.insert(*stream);
            }
        }
    }
}

fn projection(common: &[u16], parts: &[SubjectHash]) -> SubjectHash {
    joined(common.iter().filter_map(|at| parts.get(usize::from(*at)).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: StreamNo = StreamNo(7);

    fn complex(members: &[(&str, &str)]) -> Matcher {
        let mut value = serde_json::json!({"format": "complex"});
        for (name, id) in members {
            value[*name] = serde_json::json!({"format": "opaque", "id": id});
        }
        Matcher::of(&value.to_string()).unwrap()
    }

    fn simple(email: &str) -> Matcher {
        Matcher::of(&serde_json::json!({"format": "email", "email": email}).to_string()).unwrap()
    }

    fn with(subjects: &[Matcher]) -> Subjects {
        let mut all = Subjects::new([1, 2, 3]);
        for m in subjects {
            all.insert(S, m.whole, m.parts.as_deref().map(Complex::of));
        }
        all
    }

    /// SSF 1.0, 8.1.3.1: the three examples, the truth table, and AMB-07's reading.
    #[test]
    fn complex_subjects_match_by_their_members() {
        let cases: [(&[(&str, &str)], &[(&str, &str)], [bool; 2]); 9] = [
            (&[("tenant", "t")], &[("tenant", "t"), ("user", "u")], [true, true]),
            (&[("user", "u"), ("device", "d")], &[("user", "u")], [true, false]),
            (&[("user", "u"), ("group", "x")], &[("user", "u"), ("group", "y")], [false, false]),
            (&[("user", "u")], &[("user", "u")], [true, true]),
            (&[("user", "u")], &[("user", "v")], [false, false]),
            (&[("user", "u")], &[("group", "g")], [false, false]),
            (&[("tenant", "t"), ("user", "u")], &[("tenant", "t"), ("device", "d")], [true, false]),
            (&[("tenant", "t"), ("user", "u")], &[("tenant", "s"), ("user", "u")], [false, false]),
            (&[("a", "1"), ("b", "2"), ("c", "3")], &[("a", "1"), ("c", "3"), ("x", "9")], [true, false]),
        ];
        for (added, event, [named, covered]) in cases {
            let mut all = with(&[complex(added)]);
            for _ in 0..2 {
                let found = all.find(&complex(event));
                assert_eq!(found.named.contains(&S), named, "{added:?} {event:?}");
                assert_eq!(found.covered.contains(&S), covered, "{added:?} {event:?}");
            }
            all.remove(S, complex(added).whole);
            let found = all.find(&complex(event));
            assert_eq!((found.named.len(), found.covered.len(), found.apart.len()), (0, 0, 0));
            assert!(all.is_empty());
        }
        let mut all = with(&[complex(&[("user", "u")])]);
        assert!(all.find(&complex(&[("group", "g")])).apart.contains(&S), "the literal rule");
    }

    #[test]
    fn kinds_never_match_each_other_and_rows_come_back() {
        let mut all =
            with(&[simple("a@x"), complex(&[("user", "u")]), complex(&[("user", "u"), ("device", "d")])]);
        assert!(all.find(&simple("a@x")).named.contains(&S));
        assert!(all.find(&simple("A@x")).named.is_empty());
        assert!(all.find(&complex(&[("user", "a@x")])).named.is_empty());
        assert_eq!(all.count(S), 3);
        assert!(all.has(S, &simple("a@x")) && !all.has(S, &simple("b@x")));

        let mut rows = vec![];
        all.dump(&mut rows);
        let mut back = Subjects::new([1, 2, 3]);
        for (key, value) in &rows {
            assert!(back.load(key, value).unwrap());
        }
        back.reindex();
        assert_eq!(back.count(S), 3);
        let event = complex(&[("user", "u"), ("session", "s")]);
        assert_eq!(back.find(&event), all.find(&event));
        // A subject that comes after the look-up is found by it too.
        back.insert(
            StreamNo(8),
            complex(&[("user", "u")]).whole,
            complex(&[("user", "u")]).parts.as_deref().map(Complex::of),
        );
        assert_eq!(back.find(&event).named.len(), 2);
        back.clear(S);
        assert_eq!((back.count(S), back.count(StreamNo(8))), (0, 1));
        assert_eq!(back.find(&event).named.into_iter().collect::<Vec<_>>(), [StreamNo(8)]);
    }
}
