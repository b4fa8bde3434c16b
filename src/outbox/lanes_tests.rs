//! Lanes, step by step.

use super::*;
use crate::outbox::owed::tests::due;
use crate::tenant::Seq;

const LIMITS: Limits =
    Limits { in_flight: 4, brake_after: 3, brake_ms: 100, brake_max_ms: 1_000, retries: true };

fn item(n: u64) -> Item {
    Item { seq: Seq(n), index: 0 }
}

/// Lanes and what they take from.
struct Stream {
    lanes: Lanes,
    owed: Owed,
}

impl Stream {
    /// Items 10…19 belong to subject 1, 20…29 to subject 2, and so on.
    fn add(&mut self, n: u64) {
        self.owed.add(&due(n, n / 10));
    }

    /// An item is owed no more.
    fn settled(&mut self, n: u64) {
        self.owed.remove(item(n)).unwrap();
        self.lanes.settled(item(n), n / 10);
    }

    /// What was in flight is over, and well.
    fn finish(&mut self, n: u64, now: i64) {
        self.owed.remove(item(n));
        self.lanes.finish(item(n), n / 10, true, now, &LIMITS);
    }
}

fn with(items: &[u64]) -> Stream {
    let mut stream = Stream { lanes: Lanes::default(), owed: Owed::default() };
    items.iter().for_each(|n| stream.add(*n));
    stream
}

fn next(stream: &mut Stream, now: i64) -> Result<(u64, u32), Option<i64>> {
    match stream.lanes.next(now, &LIMITS, &mut stream.owed) {
        Next::Send(item, tries) => Ok((item.seq.0, tries.count)),
        Next::Wait(until) => Err(until),
    }
}

fn retry(stream: &mut Stream, n: u64, due: i64, now: i64) {
    let tries = Tries { count: 1, ..Tries::default() };
    stream.lanes.retry(item(n), n / 10, tries, (due, 0), now, &LIMITS);
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
    lanes.add(40);
    assert_eq!(next(&mut lanes, 50), Ok((40, 1)), "fresh before retries");
    assert_eq!(next(&mut lanes, 50), Ok((10, 2)));
    assert_eq!(next(&mut lanes, 50), Err(None), "four are in flight");
    lanes.finish(10, 60);
    assert_eq!(next(&mut lanes, 60), Ok((11, 1)));
    lanes.finish(11, 60); // as a dead letter would
    assert_eq!(next(&mut lanes, 60), Ok((12, 1)));
    for n in [12, 20, 30, 40] {
        lanes.finish(n, 70);
    }
    let lanes = lanes.lanes;
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
    lanes.finish(10, 6_000);
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
        lanes.lanes.retry(item(n), n / 10, tries, (9_000, floor), 0, &LIMITS);
    }
    lanes.lanes.release(1);
    assert_eq!(next(&mut lanes, 1), Ok((10, 2)));
    assert_eq!(next(&mut lanes, 1), Err(Some(700)));
}

#[test]
fn settled_items_are_skipped_wherever_they_stand() {
    let mut lanes = with(&[10, 11, 12, 20, 30]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    assert_eq!(next(&mut lanes, 0), Ok((20, 1)));
    retry(&mut lanes, 20, 50, 0);
    lanes.settled(20); // waiting
    lanes.settled(10); // in flight: lands later
    lanes.settled(30); // fresh
    assert_eq!(next(&mut lanes, 60), Err(None));
    lanes.settled(11); // behind
    lanes.finish(10, 60);
    assert_eq!(next(&mut lanes, 60), Ok((12, 1)));
    lanes.finish(12, 60);
    let lanes = lanes.lanes;
    assert!(lanes.lanes.is_empty() && lanes.retries.is_empty() && lanes.ready.is_empty());
}

#[test]
fn seeding_out_of_order_still_sends_in_order() {
    let mut lanes = with(&[12, 10, 20, 11]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    lanes.finish(10, 0);
    assert_eq!(next(&mut lanes, 0), Ok((11, 1)));
}

#[test]
fn without_a_budget_retries_wait_and_fresh_items_go() {
    let mut lanes = with(&[10]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    retry(&mut lanes, 10, 5, 0);
    lanes.add(20);
    let none = Limits { retries: false, ..LIMITS };
    let fresh = lanes.lanes.next(50_000, &none, &mut lanes.owed);
    assert!(matches!(fresh, Next::Send(i, _) if i == item(20)), "though 10 is overdue: {fresh:?}");
    assert_eq!(lanes.lanes.next(50_000, &none, &mut lanes.owed), Next::Wait(Some(5)));
    assert_eq!(next(&mut lanes, 50_000), Ok((10, 2)));
}

#[test]
fn what_was_not_sent_is_as_if_it_had_not_been_taken() {
    let mut lanes = with(&[10, 11, 20, 30]);
    assert_eq!(next(&mut lanes, 0), Ok((10, 1)));
    assert_eq!(next(&mut lanes, 0), Ok((20, 1)));
    lanes.lanes.put_back(item(10), 1, true);
    assert_eq!(lanes.lanes.in_flight(), 1);
    assert_eq!(next(&mut lanes, 1), Ok((10, 1)), "in its order, and it was never tried");
    retry(&mut lanes, 10, 50, 1);
    assert_eq!(next(&mut lanes, 1), Ok((30, 1)));
    assert_eq!(next(&mut lanes, 50), Ok((10, 2)));
    lanes.lanes.put_back(item(10), 1, true);
    assert_eq!(next(&mut lanes, 51), Ok((10, 2)));
    // Owed no more: what stands behind it goes.
    lanes.owed.remove(item(10)).unwrap();
    lanes.lanes.put_back(item(10), 1, false);
    assert_eq!(next(&mut lanes, 52), Ok((11, 1)));
    assert!(!lanes.lanes.is_braked(&LIMITS));
}
