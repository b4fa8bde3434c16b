//! Which streams an event is found in, whether it was there before or comes from its row; what goes when a stream goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::rows::Tables as _;

mod bounds;

const S: StreamNo = StreamNo(7);
const NAMED: [&str; 7] = ["application", "device", "group", "org_unit", "session", "tenant", "user"];
const TAGS: [u8; 4] = [1, 2, 3, 4];

/// The subjects of some streams, and those streams.
struct Tenant {
    all: Subjects,
    streams: BTreeMap<StreamNo, Arc<Stream>>,
}

fn matcher(value: &Value) -> Matcher {
    Matcher::of(&value.to_string()).unwrap()
}

fn complex<N: AsRef<str>, V: AsRef<str>>(members: &[(N, V)]) -> Matcher {
    let mut value = json!({"format": "complex"});
    for (name, id) in members {
        value[name.as_ref()] = json!({"format": "opaque", "id": id.as_ref()});
    }
    matcher(&value)
}

/// A complex subject that has these of seven members, each with the same value.
fn chosen(names: &[String], choice: usize, value: &str) -> Matcher {
    let some = names.iter().enumerate().filter(|(at, _)| choice & (1 << at) != 0);
    complex(&some.map(|(_, name)| (name, value)).collect::<Vec<_>>())
}

fn simple(email: &str) -> Matcher {
    matcher(&json!({"format": "email", "email": email}))
}

fn named() -> Vec<String> {
    NAMED.iter().map(ToString::to_string).collect()
}

impl Tenant {
    fn new(default_subjects: DefaultSubjects) -> Self {
        Self::within(default_subjects, Bounds::default())
    }

    fn within(default_subjects: DefaultSubjects, bounds: Bounds) -> Self {
        let stream = |client: &str| {
            Arc::new(Stream {
                client: client.into(),
                default_subjects,
                literal_matching: true,
                ..Stream::default()
            })
        };
        let streams = [(S, stream("c")), (StreamNo(8), stream("c")), (StreamNo(9), stream("d"))];
        Self { all: Subjects::within(TAGS, bounds), streams: streams.into() }
    }

    fn add(&mut self, no: StreamNo, subject: &Matcher) {
        self.all.insert(no, &self.streams[&no], subject.into());
    }

    fn remove(&mut self, no: StreamNo, subject: &Matcher) {
        self.all.remove(no, &self.streams[&no], &subject.into());
    }

    fn fits(&self, no: StreamNo, subject: &Matcher) -> Result<(), Unfit> {
        self.all.fits(no, &self.streams[&no], &subject.into())
    }

    fn is_apart(&self, event: &Matcher) -> bool {
        self.all.is_apart(S, Some(event))
    }

    fn named(&self, event: &Matcher) -> Vec<u32> {
        self.all.find(event).named.iter().map(|no| no.0).collect()
    }

    fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = vec![];
        self.all.dump(&mut rows);
        rows
    }

    /// Loaded from its rows: it must be as one that never stopped.
    fn again(&self) -> Self {
        let mut all = Subjects::within(TAGS, self.all.bounds);
        for (key, value) in self.rows() {
            assert!(all.load(&key, &value).unwrap());
        }
        all.pack();
        all.reindex(&self.streams);
        let mut changes = vec![];
        all.drain(&[], &mut changes);
        assert!(changes.is_empty(), "loading changes nothing");
        for no in self.streams.keys() {
            assert_eq!(all.count(*no), self.all.count(*no));
        }
        assert_eq!((all.index.rows(), all.index.kinds()), (self.all.index.rows(), self.all.index.kinds()));
        Self { all, streams: self.streams.clone() }
    }
}

/// SSF 1.0, 8.1.3.1: the three examples, the truth table, and AMB-07's reading; whether the subject was there before
/// or comes from its row.
#[test]
fn complex_subjects_match_by_their_members() {
    type Members = &'static [(&'static str, &'static str)];
    let cases: [(Members, Members, [bool; 3]); 11] = [
        (&[("tenant", "t")], &[("tenant", "t"), ("user", "u")], [true, true, false]),
        (&[("user", "u"), ("device", "d")], &[("user", "u")], [true, false, false]),
        (&[("user", "u"), ("group", "x")], &[("user", "u"), ("group", "y")], [false, false, false]),
        (&[("user", "u")], &[("user", "u")], [true, true, false]),
        (&[("user", "u")], &[("user", "v")], [false, false, false]),
        (&[("user", "u")], &[("group", "g")], [false, false, true]),
        (&[("user", "u"), ("device", "u")], &[("device", "u"), ("user", "u")], [true, true, false]),
        (&[("user", "u"), ("device", "d")], &[("device", "u"), ("user", "d")], [false, false, false]),
        (&[("tenant", "t"), ("user", "u")], &[("tenant", "t"), ("device", "d")], [true, false, false]),
        (&[("tenant", "t"), ("user", "u")], &[("tenant", "s"), ("user", "u")], [false, false, false]),
        (&[("a", "1"), ("b", "2"), ("c", "3")], &[("a", "1"), ("c", "3"), ("x", "9")], [true, false, false]),
    ];
    for (added, event, want) in cases {
        let event = complex(event);
        let mut tenant = Tenant::new(DefaultSubjects::None);
        tenant.add(S, &complex(added));
        for tenant in [&tenant, &tenant.again()] {
            let found = tenant.all.find(&event);
            let got = [found.named.contains(&S), found.covered.contains(&S), tenant.is_apart(&event)];
            assert_eq!(got, want, "{added:?} {event:?}");
        }
        tenant.remove(S, &complex(added));
        let found = tenant.all.find(&event);
        assert_eq!((found.named.len(), found.covered.len(), tenant.is_apart(&event)), (0, 0, false));
        assert!(
            tenant.all.is_empty() && tenant.all.index.kinds() == 0 && tenant.all.count(S) == Count::default()
        );
    }
}

/// What the index says is what looking at every subject says: all combinations of three members, two values each.
#[test]
fn the_index_finds_what_a_search_would() {
    let names = ["device", "tenant", "user"];
    let all: Vec<Vec<(&str, &str)>> = (1..27)
        .map(|n: usize| {
            let of = |at: usize, value: usize| (value > 0).then(|| (names[at], ["", "1", "2"][value]));
            [of(0, n % 3), of(1, n / 3 % 3), of(2, n / 9)].into_iter().flatten().collect()
        })
        .collect();
    let agree = |a: &[(&str, &str)], b: &[(&str, &str)]| {
        let both = |a: &(&str, &str)| b.iter().find(|b| b.0 == a.0).map(|b| b.1 == a.1);
        let shared: Vec<bool> = a.iter().filter_map(both).collect();
        !shared.is_empty() && shared.iter().all(|same| *same)
    };
    let mut tenant = Tenant::new(DefaultSubjects::None);
    for round in 0..3 {
        // Some go, and come again, between the rounds.
        let there: Vec<_> =
            all.iter().enumerate().filter(|(n, _)| (n + round) % 3 != 0).map(|(_, s)| s).collect();
        for subject in &all {
            if there.contains(&subject) {
                tenant.add(S, &complex(subject));
            } else {
                tenant.remove(S, &complex(subject));
            }
        }
        for event in &all {
            let found = tenant.all.find(&complex(event));
            assert_eq!(found.named.contains(&S), there.iter().any(|s| agree(s, event)), "{event:?}");
            let covers = |s: &[(&str, &str)]| s.iter().all(|member| event.contains(member));
            assert_eq!(found.covered.contains(&S), there.iter().any(|s| covers(s)), "{event:?}");
        }
        tenant = tenant.again();
    }
}

#[test]
fn kinds_never_match_each_other_and_rows_come_back() {
    let mut tenant = Tenant::new(DefaultSubjects::None);
    let (u, ud) = (complex(&[("user", "u")]), complex(&[("user", "u"), ("device", "d")]));
    for subject in [&simple("a@x"), &u, &ud] {
        tenant.add(S, subject);
    }
    let mut tenant = tenant.again();
    assert_eq!((tenant.named(&simple("a@x")), tenant.named(&simple("A@x"))), (vec![7], vec![]));
    assert!(tenant.named(&complex(&[("user", "a@x")])).is_empty());
    assert_eq!(tenant.all.count(S).subjects, 3);
    assert!(tenant.all.has(S, &(&u).into()) && !tenant.all.has(S, &(&simple("b@x")).into()));
    // A subject that comes after the start is found as well, and stays when another stream's goes.
    tenant.add(StreamNo(8), &u);
    let event = complex(&[("user", "u"), ("session", "s")]);
    assert_eq!(tenant.named(&event), [7, 8]);
    tenant.remove(S, &u);
    assert_eq!(tenant.named(&event), [7, 8], "by its device");
    tenant.remove(S, &ud);
    assert_eq!(tenant.named(&event), [8]);
}

/// A stream that goes is not found from then on; what it leaves goes with the next entries, a bounded part with each,
/// the same after a restart, and looks at nobody else's.
#[test]
fn what_ends_is_taken_away_bit_by_bit() {
    let mut tenant = Tenant::new(DefaultSubjects::None);
    let wide = chosen(&named(), 127, "x");
    for n in 0..200 {
        tenant.add(S, &simple(&format!("{n}@x")));
        tenant.add(StreamNo(8), &simple(&format!("{n}@x")));
    }
    tenant.add(S, &wide);
    let stream = tenant.streams.remove(&S).unwrap();
    for n in 0..100 {
        let subject = Subject::from(&simple(&format!("{n}@x")));
        tenant.all.leave_later(S, &stream, subject, 5);
    }
    let before = tenant.rows().len();
    tenant.all.end(S, &stream);
    assert_eq!(
        (tenant.all.count(S), tenant.rows().len()),
        (Count::default(), before),
        "nothing is done at once"
    );
    let mut sweeps = 0;
    while tenant.all.lists.ended().is_some() {
        let (before, mut again) = (tenant.rows().len(), tenant.again());
        tenant.all.sweep(SWEPT_PER_ENTRY);
        again.all.sweep(SWEPT_PER_ENTRY);
        assert!(before - tenant.rows().len() <= SWEPT_PER_ENTRY);
        assert_eq!(tenant.rows(), again.rows());
        sweeps += 1;
    }
    assert!((301 / SWEPT_PER_ENTRY..10).contains(&sweeps), "{sweeps}");
    assert_eq!(
        (tenant.rows().len(), tenant.all.index.rows(), tenant.all.count(StreamNo(8)).subjects),
        (200, 0, 200)
    );
    assert!(tenant.named(&wide).is_empty());
}

/// Another beginning turns the meaning of rows round: those from before count no more, though they are still there.
#[test]
fn a_stream_that_begins_anew_has_no_subjects() {
    let mut tenant = Tenant::new(DefaultSubjects::None);
    let (x, user) = (simple("a@x"), complex(&[("user", "u"), ("mine", "1")]));
    for round in 0..3 {
        tenant.add(S, &x);
        tenant.add(S, &user);
        assert_eq!(
            (tenant.named(&x), tenant.named(&user), tenant.all.count(S).subjects),
            (vec![7], vec![7], 2)
        );
        let old = tenant.streams[&S].clone();
        let default_subjects = [DefaultSubjects::All, DefaultSubjects::None][round % 2];
        let new = Arc::new(Stream { default_subjects, ..(*old).clone() });
        tenant.all.change(S, &old, &new);
        tenant.streams.insert(S, new);
        for tenant in [&tenant, &tenant.again()] {
            assert!(tenant.named(&x).is_empty() && tenant.named(&user).is_empty() && !tenant.is_apart(&user));
            assert!(!tenant.all.has(S, &(&x).into()) && tenant.all.count(S) == Count::default());
            assert!(tenant.all.held.has_room("c", &Complex::of(user.parts.as_ref().unwrap()).names, 1));
        }
        tenant = tenant.again();
    }
    tenant.all.sweep(1_000);
    assert_eq!(
        (tenant.rows().len(), tenant.all.is_empty()),
        (2, true),
        "which number was given, and to whom"
    );
}
