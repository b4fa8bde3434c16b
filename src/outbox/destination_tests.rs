//! The gate of one destination, step by step.

use super::*;

pub(in crate::outbox) const BOUNDS: Bounds = Bounds {
    in_flight: 16,
    shut_after: 8,
    pause_ms: 100,
    pause_max_ms: 300,
    slow_ms: 1_000,
    retry_percent: 20,
    retry_per_s: 1,
};

fn destination() -> Arc<Destination> {
    Arc::new(Destination::new("https://r.example", BOUNDS, 0))
}

fn go(visitor: &Visitor, now_ms: i64) -> Option<Pass> {
    match visitor.ask(now_ms) {
        Admission::Go { pass, .. } => Some(pass),
        Admission::Wait(_) => None,
    }
}

fn until(visitor: &Visitor, now_ms: i64) -> Option<i64> {
    match visitor.ask(now_ms) {
        Admission::Go { .. } => panic!("let through"),
        Admission::Wait(until) => until,
    }
}

fn rung(visitor: &Visitor) -> bool {
    use std::future::Future as _;
    let mut bell = std::pin::pin!(visitor.bell.notified());
    bell.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[test]
fn places_are_bounded_and_given_in_turn() {
    let there = destination();
    let (a, b, c) = (there.visit(), there.visit(), there.visit());
    let mut passes: Vec<Pass> = (0..16).map(|_| go(&a, 0).unwrap()).collect();
    assert!(go(&a, 0).is_none() && go(&b, 0).is_none() && go(&c, 0).is_none());
    assert_eq!(there.shown().in_flight, 16);
    drop(passes.pop());
    assert!(rung(&a) && !rung(&b), "only the first in line is woken");
    assert!(go(&b, 0).is_none(), "b does not overtake a");
    passes.push(go(&a, 0).unwrap());
    assert!(go(&a, 0).is_none(), "a has had its turn: behind c now");
    drop(passes.pop());
    passes.push(go(&b, 0).unwrap());
    drop(passes.pop());
    assert!(go(&a, 0).is_none());
    passes.push(go(&c, 0).unwrap());
    // One that leaves wakes the next, and takes nobody's place.
    assert!(go(&b, 0).is_none());
    while rung(&b) {}
    drop((a, passes.pop()));
    assert!(rung(&b));
    passes.push(go(&b, 0).unwrap());
    drop(passes);
    assert_eq!(there.shown().in_flight, 0);
}

#[test]
fn who_has_nothing_to_send_gives_its_place_on() {
    let there = destination();
    let (a, b) = (there.visit(), there.visit());
    let passes: Vec<Pass> = (0..16).map(|_| go(&a, 0).unwrap()).collect();
    assert!(go(&a, 0).is_none() && go(&b, 0).is_none());
    a.leave();
    assert!(rung(&b));
    drop(passes);
    assert!(go(&b, 0).is_some() && go(&a, 0).is_some());
}

#[test]
fn shut_after_failures_in_a_row_and_probed_with_longer_pauses() {
    let there = destination();
    let (a, b) = (there.visit(), there.visit());
    let fail = |visitor: &Visitor, now_ms| go(visitor, now_ms).unwrap().land(Went::Failed, now_ms);
    // An answer in between, whatever it says, begins the count anew.
    (0..7).for_each(|_| assert_eq!(fail(&a, 0), None));
    assert_eq!(go(&a, 0).unwrap().land(Went::Answered(5), 0), None);
    (0..7).for_each(|_| assert_eq!(fail(&b, 0), None));
    let late = go(&a, 0).unwrap();
    let change = fail(&b, 0).unwrap();
    assert_eq!((change.gate, change.failures), (Gate::Shut, 8));
    assert_eq!(late.land(Went::Failed, 50), None);
    assert_eq!(until(&a, 50), Some(100), "what was under way lengthens no pause");
    let probe = go(&a, 100).unwrap();
    assert_eq!((until(&a, 100), until(&b, 100)), (None, None), "one probe at a time");
    assert_eq!(probe.land(Went::Failed, 100), None);
    assert!(rung(&a));
    for (now, next) in [(300, 600), (600, 900)] {
        assert_eq!(until(&a, now - 1), Some(now));
        assert_eq!(fail(&a, now), None);
        assert!(go(&b, now).is_none(), "b is first in line now, and too early");
        b.leave();
        assert_eq!(until(&a, now), Some(next), "no pause is longer than the longest");
    }
    // A probe that is never sent gives its turn back.
    drop(go(&a, 900).unwrap());
    assert_eq!(go(&a, 900).unwrap().land(Went::Answered(1), 900).unwrap().gate, Gate::Limited);
}

#[test]
fn limited_while_it_recovers() {
    let there = destination();
    let a = there.visit();
    for _ in 0..8 {
        go(&a, 0).unwrap().land(Went::Failed, 0);
    }
    go(&a, 100).unwrap().land(Went::Answered(1), 100);
    let two = (go(&a, 100).unwrap(), go(&a, 100).unwrap());
    assert!(go(&a, 100).is_none(), "an eighth of the places");
    drop(two);
    let mut changes = vec![];
    for _ in 0..7 {
        changes.extend(go(&a, 100).unwrap().land(Went::Answered(1), 100));
    }
    assert_eq!(changes.iter().map(|c| c.gate).collect::<Vec<_>>(), [Gate::Open]);
    // One failure while it recovers is enough.
    for _ in 0..8 {
        go(&a, 100).unwrap().land(Went::Failed, 100);
    }
    go(&a, 200).unwrap().land(Went::Answered(1), 200);
    assert_eq!(go(&a, 200).unwrap().land(Went::Failed, 200).unwrap().gate, Gate::Shut);
}

#[test]
fn limited_while_answers_are_slow() {
    let there = destination();
    let a = there.visit();
    let answer = |ms| go(&a, 0).unwrap().land(Went::Answered(ms), 0);
    let mut slow = 0;
    let change = loop {
        slow += 1;
        if let Some(change) = answer(2_000) {
            break change;
        }
    };
    assert!(
        change.gate == Gate::Limited && change.mean_ms > 1_000 && (3..9).contains(&slow),
        "{change:?} {slow}"
    );
    let mut quick = 0;
    while there.gate() == Gate::Limited {
        answer(10);
        quick += 1;
    }
    assert!((8..20).contains(&quick), "{quick}");
    assert_eq!(there.shown().state, Gate::Open);
}

#[test]
fn what_is_never_sent_says_nothing() {
    let there = destination();
    let a = there.visit();
    for _ in 0..100 {
        assert_eq!(go(&a, 0).unwrap().land(Went::Unsent, 0), None);
    }
    assert_eq!((there.gate(), there.shown().in_flight), (Gate::Open, 0));
}

#[test]
fn retries_have_a_budget_of_their_own() {
    let there = destination();
    let a = there.visit();
    let retry = |now_ms| match a.ask(now_ms) {
        Admission::Go { pass, retries_at_ms: None } => {
            pass.sent(true);
            None
        }
        Admission::Go { retries_at_ms, .. } => retries_at_ms,
        Admission::Wait(_) => panic!("no place"),
    };
    (0..10).for_each(|_| assert_eq!(retry(0), None));
    assert_eq!(retry(0), Some(1_000));
    (0..5).for_each(|_| go(&a, 0).unwrap().sent(false));
    assert_eq!((retry(0), retry(0)), (None, Some(1_000)));
}
