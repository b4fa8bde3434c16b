//! Lanes, step by step.

use super::*;
use crate::tenant::Seq;

const LIMITS: Limits =
    Limits { in_flight: 4, brake_after: 3, brake_ms: 100, brake_max_ms: 1_000, retries: true };

fn item(n: u64) -> Item {
    Item { seq: Seq(n), index: 0 }
}

/// Items 10…19 belong to subject 1, 20…29 to subject 2, and so on.
fn subject(item: Item) -> Option<u64> {
    Some(item.seq.0 / 10)
}

fn with(items: &[u64]) -> Lanes {
    let mut lanes = Lanes::default();
    items.iter().for_each(|n| lanes.add(item(*n)));
    lanes
}

fn next(lanes: &mut Lanes, now: i64) -> Result<(u64, u32), Option<i64>> {
    match lanes.next(now, &LIMITS, &subject) {
        Next::Send(item, tries) => Ok((item.seq.0, tries.count)),
        Next::Wait(until) => Err(until),
    }
}

fn retry(lanes: &mut Lanes, n: u64, due: i64, now: i64) {
    let tries = Tries { count: 1, ..Tries::default() };
    lanes.retry(item(n), n / 10, tries, (due, 0), now, &LIMITS);
}

#[test]
fn order_holds_within_a_subject_and_others_go_on() {
    let mut lanes = with(&[10, 11, 20, 12, 30]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    assert_eq!(next(&mut lanes, 0), Ok((20, 1)));
    assert_eq!(next(&mut lanes, 0), Ok((30, 1)));
    assert_eq!(next(&mut lanes, 0), Err(None), "11 and 12 wait for 10");
    retry(&mut lanes, 10, 50, 0);
    assert_eq!(next(&mut lanes, 49), Err(Some(50)));
    lanes.add(item(40));
    assert_eq!(next(&mut lanes, 50), Ok((40, 1)), "fresh before retries");
    assert_eq!(next(&mut lanes, 50), Ok((10, 2)));
    assert_eq!(next(&mut lanes, 50), Err(None), "four are in flight");
    lanes.finish(item(10), 1, true, 60, &LIMITS);
    assert_eq!(next(&mut lanes, 60), Ok((11, 1)));
    lanes.finish(item(11), 1, true, 60, &LIMITS); // as a dead letter would
    assert_eq!(next(&mut lanes, 60), Ok((12, 1)));
    for (n, s) in [(12, 1), (20, 2), (30, 3), (40, 4)] {
        lanes.finish(item(n), s, true, 70, &LIMITS);
    }
    assert!(lanes.lanes.is_empty() && lanes.in_flight() == 0 && lanes.ready.is_empty());
}

#[test]
fn an_overdue_retry_cannot_be_put_off_for_ever() {
    let mut lanes = with(&[10, 20, 30]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    retry(&mut lanes, 10, 5, 0);
    assert_eq!(next(&mut lanes, 6), Ok((20, 1)));
    assert_eq!(next(&mut lanes, 5 + OVERDUE_MS), Ok((10, 2)));
    assert_eq!(next(&mut lanes, 5 + OVERDUE_MS), Ok((30, 1)));
}

#[test]
fn a_receiver_that_is_down_is_probed_and_then_released() {
    let mut lanes = with(&[10, 20, 30, 40, 50]);
    for n in [10, 20, 30] {
        assert_eq!(next(&mut lanes, 0), Ok((n, 1)));
    }
    for n in [10, 20, 30] {
        retry(&mut lanes, n, 5_000, 0);
    }
    assert_eq!(next(&mut lanes, 0), Err(Some(100)), "three failures in a row");
    assert_eq!(next(&mut lanes, 100), Ok((40, 1)));
    assert_eq!(next(&mut lanes, 100), Err(None), "one at a time");
    retry(&mut lanes, 40, 5_100, 110);
    assert_eq!(next(&mut lanes, 111), Err(Some(310)), "twice as long");
    assert_eq!(next(&mut lanes, 6_000), Ok((10, 2)), "what failed before comes first");
    lanes.finish(item(10), 1, true, 6_000, &LIMITS);
    assert_eq!(next(&mut lanes, 6_000), Ok((50, 1)), "full speed");
    let mut rest: Vec<_> = (0..3).map(|_| next(&mut lanes, 6_000).unwrap()).collect();
    rest.sort_unstable();
    assert_eq!(rest, [(20, 2), (30, 2), (40, 2)]);
}

#[test]
fn what_was_on_its_way_does_not_lengthen_the_pause() {
    let mut lanes = with(&[10, 20, 30, 40, 50]);
    for n in [10, 20, 30, 40] {
        assert_eq!(next(&mut lanes, 0), Ok((n, 1)));
    }
    for (n, now) in [(10, 1), (20, 2), (30, 3), (40, 4)] {
        retry(&mut lanes, n, 5_000, now);
    }
    assert_eq!(next(&mut lanes, 5), Err(Some(103)), "from the third failure, not doubled by the fourth");
}

#[test]
fn release_keeps_what_the_receiver_asked_for() {
    let mut lanes = with(&[10, 20]);
    let tries = Tries { count: 1, ..Tries::default() };
    for (n, floor) in [(10, 0), (20, 700)] {
        assert_eq!(next(&mut lanes, 0), Ok((n, 1)));
        lanes.retry(item(n), n / 10, tries, (9_000, floor), 0, &LIMITS);
    }
    lanes.release(1);
    assert_eq!(next(&mut lanes, 1), Ok((10, 2)));
    assert_eq!(next(&mut lanes, 1), Err(Some(700)));
}

#[test]
fn settled_items_are_skipped_wherever_they_stand() {
    let mut lanes = with(&[10, 11, 12, 20, 30]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    assert_eq!(next(&mut lanes, 0), Ok((20, 1)));
    retry(&mut lanes, 20, 50, 0);
    lanes.settled(item(20), 2); // waiting
    lanes.settled(item(10), 1); // in flight: lands later
    let gone = |i: Item| (![11, 30].contains(&i.seq.0)).then_some(i.seq.0 / 10); // behind, fresh
    assert_eq!(lanes.next(60, &LIMITS, &gone), Next::Wait(None));
    lanes.finish(item(10), 1, true, 60, &LIMITS);
    assert!(matches!(lanes.next(60, &LIMITS, &gone), Next::Send(i, _) if i == item(12)));
    lanes.finish(item(12), 1, true, 60, &LIMITS);
    assert!(lanes.lanes.is_empty() && lanes.retries.is_empty() && lanes.ready.is_empty());
}

#[test]
fn seeding_out_of_order_still_sends_in_order() {
    let mut lanes = with(&[12, 10, 20, 11]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    lanes.finish(item(10), 1, true, 0, &LIMITS);
    assert_eq!(next(&mut lanes, 0), Ok((11, 1)));
}

#[test]
fn without_a_budget_retries_wait_and_fresh_items_go() {
    let mut lanes = with(&[10]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    retry(&mut lanes, 10, 5, 0);
    lanes.add(item(20));
    let none = Limits { retries: false, ..LIMITS };
    let fresh = lanes.next(50_000, &none, &subject);
    assert!(matches!(fresh, Next::Send(i, _) if i == item(20)), "though 10 is overdue: {fresh:?}");
    assert_eq!(lanes.next(50_000, &none, &subject), Next::Wait(Some(5)));
    assert_eq!(next(&mut lanes, 50_000), Ok((10, 2)));
}
