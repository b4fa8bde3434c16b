//! How much subjects may cost: look-ups of an event, rows of a subject, what a receiver may have; counted, not timed.

use super::super::complex::{COMBINATIONS_MAX, MEMBERS_MAX};
use super::super::lists::Count;
use super::*;

/// The worst that receivers may do: every combination of the members that SSF names, and each receiver all that it may
/// have of its own. An event takes one look-up for each, whatever is in them; nothing depends on how many there are,
/// on what was asked before, or on a restart.
#[test]
fn an_event_takes_a_bounded_number_of_look_ups() {
    let mut tenant = Tenant::new(DefaultSubjects::None);
    let (seven, own) = (named(), |client: &str, n: usize| format!("{client}-{n}"));
    for value in ["x", "y", "z"] {
        for choice in 1..128 {
            tenant.add(S, &chosen(&seven, choice, value));
        }
        for n in 0..1_000 {
            for (no, client) in [(S, "c"), (StreamNo(8), "c"), (StreamNo(9), "d")] {
                tenant.add(no, &complex(&[("user", value), (own(client, n).as_str(), "1")]));
            }
        }
    }
    let kinds = 127 + 2 * COMBINATIONS_MAX;
    assert_eq!(tenant.all.index.kinds(), kinds);
    // An event with every member that anybody has, a hundred of them; two of those that there are; an unknown one.
    let many: Vec<String> = seven.iter().cloned().chain((0..93).map(|n| own("c", n))).collect();
    let many = complex(&many.iter().map(|name| (name, "x")).collect::<Vec<_>>());
    let tenant = [tenant.again(), tenant];
    for tenant in &tenant {
        for (event, most) in [
            (&many, 1 + kinds),
            (&complex(&[("user", "x"), ("session", "y")]), 1 + kinds),
            (&complex(&[("session", "x")]), 1 + 64),
            (&complex(&[("unheard-of", "x")]), 1),
            (&simple("a@x"), 1),
        ] {
            for _ in 0..2 {
                let found = tenant.all.find(event);
                assert!(found.look_ups <= most, "{} look-ups for {event:?}", found.look_ups);
            }
        }
        assert!(tenant.all.find(&many).look_ups >= 127 + COMBINATIONS_MAX);
    }
}

/// A subject costs as many look-up rows as it has choices of members, and takes all of them along.
#[test]
fn a_subject_takes_a_bounded_number_of_rows() {
    let mut tenant = Tenant::new(DefaultSubjects::None);
    let mut names = named();
    names.push("workload".into());
    assert_eq!(names.len(), MEMBERS_MAX);
    let mut before = 0;
    for value in ["x", "y"] {
        tenant.add(S, &chosen(&names, 255, value));
        tenant.add(S, &chosen(&names, 255, value));
        assert_eq!(tenant.all.index.rows() - before, 254);
        before = tenant.all.index.rows();
    }
    assert_eq!(tenant.all.count(S), Count { subjects: 2, look_ups: 508, leaving: 0 });
    for value in ["x", "y", "z"] {
        tenant.remove(S, &chosen(&names, 255, value));
    }
    assert_eq!((tenant.all.index.rows(), tenant.all.count(S)), (0, Count::default()));
}

#[test]
fn each_receiver_has_its_own_bounds() {
    let bounds = Bounds { combinations: 2, look_ups: 20, ..Bounds::default() };
    let mut tenant = Tenant::within(DefaultSubjects::None, bounds);
    let own = |name: &str| complex(&[("user", "u"), (name, "1")]);
    for (no, name) in [(S, "a"), (StreamNo(8), "b")] {
        assert_eq!(tenant.fits(no, &own(name)), Ok(()));
        tenant.add(no, &own(name));
    }
    for tenant in [&tenant, &tenant.again()] {
        let full = Err(Unfit::Combinations(2));
        assert_eq!((tenant.fits(S, &own("c")), tenant.fits(StreamNo(8), &own("c"))), (full, full));
        assert_eq!(tenant.fits(S, &own("b")), Ok(()), "its other stream has them");
        assert_eq!(tenant.fits(StreamNo(9), &own("c")), Ok(()), "what others have does not show");
        assert_eq!(tenant.fits(S, &complex(&[("user", "u"), ("session", "s")])), Ok(()));
        assert_eq!(tenant.fits(S, &simple("a@x")), Ok(()));
    }
    // 2 + 6 + 6 + 6 look-up rows.
    for n in 0..3 {
        tenant.add(S, &complex(&[("user", n.to_string()), ("group", n.to_string()), ("tenant", "t".into())]));
    }
    assert_eq!(tenant.fits(S, &complex(&[("user", "v"), ("device", "d")])), Err(Unfit::LookUps(20)));
    assert_eq!(tenant.fits(StreamNo(8), &complex(&[("user", "v"), ("device", "d")])), Ok(()));
    assert_eq!(tenant.fits(S, &complex(&[("user", "v")])), Ok(()), "one member takes none");
    tenant.remove(StreamNo(8), &own("b"));
    assert_eq!(tenant.fits(S, &own("c")), Err(Unfit::LookUps(20)));
    assert_eq!(tenant.fits(StreamNo(8), &own("c")), Ok(()));
}

/// An older release took any: they are folded at the same cost, and match their identical.
#[test]
fn what_is_beyond_the_bounds_is_matched_by_its_identical_only() {
    let mut tenant = Tenant::new(DefaultSubjects::None);
    let hundred: Vec<(String, &str)> = (0..100).map(|n| (format!("m{n}"), "1")).collect();
    let wide = complex(&hundred);
    tenant.add(S, &wide);
    for n in 0..1_000 {
        tenant.add(S, &complex(&[("user", "u"), (format!("m{n}").as_str(), "1")]));
    }
    assert_eq!((tenant.all.index.kinds(), tenant.all.index.rows()), (COMBINATIONS_MAX, 2 * COMBINATIONS_MAX));
    tenant = tenant.again();
    assert_eq!(tenant.all.count(S).subjects, 1_001);
    assert_eq!(tenant.named(&complex(&hundred[..99])), [7], "by those within the bounds");
    assert!(tenant.named(&complex(&hundred[50..99])).is_empty());
    let found = tenant.all.find(&wide);
    assert!(found.covered.contains(&S) && found.look_ups <= 1 + COMBINATIONS_MAX);
    let odd = complex(&[("user", "w"), ("m999", "1")]);
    tenant.add(S, &odd);
    assert_eq!((tenant.named(&odd), tenant.named(&complex(&[("user", "w")]))), (vec![7], vec![]));
    assert!(tenant.all.has(S, &(&odd).into()) && !tenant.is_apart(&complex(&[("m0", "1"), ("user", "q")])));
    tenant.remove(S, &odd);
    tenant.remove(S, &wide);
    assert!(tenant.named(&odd).is_empty() && tenant.named(&wide) == [7]);
    assert_eq!(tenant.all.count(S).subjects, 1_000);
}

/// What leaves a stream that begins with all becomes a row: its kind is taken from when that is settled.
#[test]
fn what_is_leaving_counts_where_it_becomes_a_row() {
    for (default, counts) in [(DefaultSubjects::All, true), (DefaultSubjects::None, false)] {
        let bounds = Bounds { combinations: 1, ..Bounds::default() };
        let mut tenant = Tenant::within(default, bounds);
        let stream = tenant.streams[&S].clone();
        let (a, b) = (complex(&[("a", "1"), ("user", "u")]), complex(&[("b", "1"), ("user", "u")]));
        tenant.all.leave_later(S, &stream, (&a).into(), 5);
        tenant = tenant.again();
        assert_eq!(tenant.fits(S, &b).is_err(), counts, "{default:?}");
        assert_eq!(tenant.all.count(S).leaving, 1);
        // One beyond the bounds is settled to be matched by its identical.
        tenant.all.leave_later(S, &stream, (&b).into(), 5);
        assert_eq!(tenant.all.left(S, &stream, b.whole).unwrap().complex, None);
        let left = tenant.all.left(S, &stream, a.whole).unwrap();
        assert_eq!((left.complex.is_some(), left.due_ms), (counts, 5));
        assert_eq!((tenant.fits(S, &b), tenant.all.count(S)), (Ok(()), Count::default()));
    }
}

#[test]
fn kinds_pass_to_the_client_that_gets_the_stream() {
    let mut tenant = Tenant::within(DefaultSubjects::None, Bounds { combinations: 1, ..Bounds::default() });
    let own = |name: &str| complex(&[("user", "u"), (name, "1")]);
    tenant.add(S, &own("a"));
    let old = tenant.streams[&S].clone();
    let new = Arc::new(Stream { client: "d".into(), ..(*old).clone() });
    tenant.all.change(S, &old, &new);
    tenant.streams.insert(S, new);
    for tenant in [&tenant, &tenant.again()] {
        let full = Err(Unfit::Combinations(1));
        assert_eq!(
            (tenant.fits(StreamNo(8), &own("b")), tenant.fits(StreamNo(9), &own("b"))),
            (Ok(()), full)
        );
        assert_eq!(tenant.named(&own("a")), [7]);
    }
}
