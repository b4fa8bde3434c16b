//! The book of records: it never says less than before, forgets nothing that ends, and can go back.

use super::*;
use crate::revocation::record::Basis;

const T: &str = "default";

fn tenant() -> TenantId {
    TenantId::parse(T).unwrap()
}

fn record(n: u8, basis: Basis, until: Until, expires_at: Option<i64>) -> Record {
    Record {
        kind: Kind::User,
        key: KeyHash([n; 16]),
        until,
        effect: Effect::Deny,
        basis,
        reason_code: "x".into(),
        expires_at,
    }
}

fn at(offset: u64) -> Position {
    Position { segment: 1, offset }
}

fn ends(book: &mut Book, now_ms: i64) -> Vec<(u8, State)> {
    book.due(&tenant(), now_ms).iter().map(|f| (f.key.0[0], f.state)).collect()
}

#[test]
fn a_later_record_never_says_less() {
    let mut book = Book::new(10);
    book.stand(&tenant(), Seq(1), &record(1, Basis::Issued, Until::Watermark(50), Some(90)), "a");
    let merged =
        book.stand(&tenant(), Seq(2), &record(1, Basis::Issued, Until::Watermark(30), Some(120)), "b");
    assert_eq!(merged.standing.until, Until::Watermark(50));
    assert_eq!(
        (merged.standing.expires_at, merged.standing.seq, merged.txn.as_str()),
        (Some(120), Seq(2), "b")
    );
    assert_eq!(ends(&mut book, 119), [], "the earlier end does not hold any more");
    assert_eq!(ends(&mut book, 120), [(1, State::Active)]);
    assert_eq!(ends(&mut book, i64::MAX), []);
}

#[test]
fn what_only_a_lift_ends_does_not_end_by_an_earlier_expiry() {
    let mut book = Book::new(10);
    book.stand(&tenant(), Seq(1), &record(1, Basis::Ended, Until::Hold, Some(90)), "a");
    book.stand(&tenant(), Seq(2), &record(1, Basis::Ended, Until::Hold, None), "b");
    assert_eq!(ends(&mut book, i64::MAX), []);
}

#[test]
fn what_was_lifted_leaves_the_topic_with_its_watermark_unless_it_stands_again() {
    let lifted =
        Lifted { kind: Kind::User, key: KeyHash([1; 16]), basis: Basis::Killed, at_ms: 5, expires_at: 90 };
    let mut book = Book::new(10);
    book.stand(&tenant(), Seq(1), &record(1, Basis::Killed, Until::Hold, None), "a");
    let [gone, left] = book.lift(&tenant(), Seq(2), &lifted, "b");
    assert_eq!((gone.state, left.state, left.standing.basis), (State::Cleared, State::Active, Basis::Issued));
    book.begin(at(1));
    assert_eq!(ends(&mut book, 90), [(1, State::Active), (1, State::Cleared)]);
    book.rewind(at(1));
    let again = book.stand(&tenant(), Seq(3), &record(1, Basis::Killed, Until::Hold, None), "c");
    assert_eq!((again.state, again.standing.until), (State::Active, Until::Hold));
    assert_eq!(ends(&mut book, i64::MAX), [(1, State::Active)], "the watermark only");
}

#[test]
fn steps_are_taken_back_until_they_are_settled() {
    let mut book = Book::new(10);
    let one = record(1, Basis::Issued, Until::Watermark(1), Some(50));
    for (step, n) in [(10, 1), (20, 2), (30, 3)] {
        book.begin(at(step));
        book.stand(&tenant(), Seq(step), &Record { key: KeyHash([n; 16]), ..one.clone() }, "a");
    }
    book.begin(at(40));
    assert_eq!(ends(&mut book, 60).len(), 3);
    book.rewind(at(20));
    book.begin(at(20));
    assert_eq!(ends(&mut book, 60), [(1, State::Active)], "cleared once more, for nobody had it");
    book.settle(at(20));
    book.rewind(at(0));
    assert_eq!(ends(&mut book, 60), [(1, State::Active)], "what is settled stays; the rest was not");
}

#[test]
fn the_book_is_bounded_and_what_is_in_it_still_changes() {
    let mut book = Book::new(2);
    for n in 1..=3 {
        book.stand(&tenant(), Seq(1), &record(n, Basis::Issued, Until::Watermark(1), Some(50)), "a");
    }
    book.stand(&tenant(), Seq(2), &record(2, Basis::Issued, Until::Watermark(1), Some(70)), "a");
    assert_eq!(ends(&mut book, 50), [(1, State::Active)]);
    assert_eq!(ends(&mut book, 70), [(2, State::Active)]);
}

#[test]
fn a_tenants_time_is_its_own() {
    let mut book = Book::new(10);
    book.stand(&tenant(), Seq(1), &record(1, Basis::Issued, Until::Watermark(1), Some(50)), "a");
    assert!(book.due(&TenantId::parse("other").unwrap(), i64::MAX).is_empty());
    assert_eq!(ends(&mut book, 50).len(), 1);
}
