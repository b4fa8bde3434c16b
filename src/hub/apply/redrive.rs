//! Dead letters that an operator sends again: the same item is owed again, and so it has the same `jti`.
//!
//! What is no dead letter (any more) is passed over, so that asking twice does it once. A stream that is full dead-letters
//! its oldest, as ever.

use std::sync::Arc;

use crate::hub::effect::{Effect, Item};
use crate::hub::entry::Redrive;
use crate::hub::state::State;

impl State {
    /// Folds a redrive.
    pub(super) fn redrive(&mut self, now_ms: i64, redrive: &Redrive, fx: &mut Vec<Effect>) {
        for (stream, seq, index) in &redrive.items {
            let (stream, item) = (*stream, Item { seq: *seq, index: *index });
            let Some(letter) = self.dead.remove(stream, item) else { continue };
            if redrive.discard {
                self.let_original_go(stream, item, fx);
                continue;
            }
            // Others may still be owed it: then its claims are there.
            let claims = self.claims.get(&item).cloned().unwrap_or_else(|| Arc::new(letter.claims));
            self.owe_to(item, vec![stream], now_ms, &claims, fx);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::hub::apply::Stamped;
    use crate::hub::entry::{Body, Fate, Outcome, Route, SetInput};
    use crate::hub::object::Object;
    use crate::hub::state::{DEAD_LETTERS_MAX, DeadLetter, OWED_MAX};
    use crate::revocation::key::KeyHash;
    use crate::stream::{Method, Stream, StreamNo};
    use crate::tenant::{Seq, TenantId};

    const NO: StreamNo = StreamNo(1);

    struct Bench(State);

    impl Bench {
        fn fold(&mut self, body: Body) -> Vec<Effect> {
            let (seq, time_ms) = (self.0.seq().next(), 1);
            self.0.apply(&Stamped { seq, time_ms, body })
        }

        /// A relay stream that is owed one SET.
        fn new() -> (Self, Item) {
            let mut bench = Self(State::new(TenantId::default_tenant()));
            let stream = Stream {
                stream_id: "s".into(),
                method: Method::Push,
                aud: vec!["a".into()],
                events_requested: vec!["*".into()],
                relay: true,
                ..Stream::default()
            };
            bench.fold(Body::Put { object: Object::Stream(stream), by: "t".into() });
            // {"aud":"a"}
            let compact = "h.eyJhdWQiOiJhIn0.s".to_string();
            let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
            bench.fold(Body::Set(SetInput {
                read: None,
                upstream: "u".into(),
                iss: "i".into(),
                jti: "j".into(),
                compact,
                payload_hash: KeyHash([0; 16]),
                uri: "urn:x".into(),
                sub_id: raw("{}"),
                event: raw("{}"),
                txn: "t".into(),
                toe: None,
                all_sessions: false,
                route: Route::Forward,
                echo: KeyHash([0; 16]),
                names: vec![],
            }));
            (bench, Item { seq: Seq(2), index: 0 })
        }

        fn give_up(&mut self, item: Item) -> Vec<Effect> {
            let outcome = Outcome(NO, item.seq, item.index, Fate::GaveUp, Some("x".into()));
            self.fold(Body::Outcomes(vec![outcome]))
        }

        fn redrive(&mut self, item: Item, discard: bool) -> Vec<Effect> {
            let items = vec![(NO, item.seq, item.index)];
            self.fold(Body::Redrive(Redrive { by: "o".into(), items, discard }))
        }

        fn counts(&self) -> (usize, usize, usize, usize) {
            let s = &self.0;
            (s.owing.len(), s.dead.rows.len(), s.claims.len(), s.originals.len())
        }
    }

    #[test]
    fn a_dead_letter_is_owed_again_once_and_its_original_is_held_all_the_time() {
        let (mut bench, item) = Bench::new();
        assert_eq!(bench.counts(), (1, 0, 1, 1));
        bench.give_up(item);
        assert_eq!(bench.counts(), (0, 1, 0, 1));
        let fx = bench.redrive(item, false);
        assert!(
            matches!(&fx[..], [Effect::Owed { streams, item: again, .. }] if *again == item && **streams == [NO]),
            "{fx:?}"
        );
        assert_eq!((bench.counts(), bench.redrive(item, false).len()), ((1, 0, 1, 1), 0));
        bench.give_up(item);
        let fx = bench.redrive(item, true);
        assert!(matches!(&fx[..], [Effect::Original { original: None, .. }]), "{fx:?}");
        assert_eq!(bench.counts(), (0, 0, 0, 0));
    }

    #[test]
    fn a_stream_that_is_taken_away_lets_its_originals_go() {
        for dead in [false, true] {
            let (mut bench, item) = Bench::new();
            if dead {
                bench.give_up(item);
            }
            let kind = crate::hub::object::ObjectKind::Stream;
            bench.fold(Body::Remove { kind, id: "s".into(), by: "o".into() });
            assert_eq!(bench.counts(), (0, 0, 0, 0));
        }
    }

    #[test]
    fn at_the_bounds_what_is_not_kept_is_said() {
        let full_of = |no: StreamNo| {
            let (mut bench, item) = Bench::new();
            let claims = (**bench.0.claims.get(&item).unwrap()).clone();
            for n in 0..DEAD_LETTERS_MAX as u64 {
                let letter = DeadLetter { why: String::new(), at_ms: 0, claims: claims.clone() };
                bench.0.dead.insert(no, Item { seq: Seq(1_000 + n), index: 0 }, letter, usize::MAX);
            }
            let fx = bench.give_up(item);
            (bench, fx)
        };
        let (bench, fx) = full_of(NO);
        assert!(fx.iter().any(|e| matches!(e, Effect::Unkept { stream: NO })), "{fx:?}");
        assert!(fx.iter().any(|e| matches!(e, Effect::Original { original: None, .. })), "{fx:?}");
        assert_eq!(bench.counts(), (0, DEAD_LETTERS_MAX, 0, 0));
        // All are another stream's: it has a share of the room all the same, and what was left out for it is said.
        let (bench, fx) = full_of(StreamNo(9));
        assert!(fx.iter().any(|e| matches!(e, Effect::Unkept { stream: StreamNo(9) })), "{fx:?}");
        assert_eq!(bench.counts(), (0, DEAD_LETTERS_MAX, 0, 1));
        let newest = Item { seq: Seq(999 + DEAD_LETTERS_MAX as u64), index: 0 };
        assert!(bench.0.dead_letters().all(|(_, item, _)| item != newest));
        assert_eq!(bench.0.dead_letters().filter(|(no, ..)| *no == NO).count(), 1);

        // A stream that is full gives its oldest away for what is sent again.
        let (mut bench, item) = Bench::new();
        bench.give_up(item);
        for n in 10..10 + OWED_MAX as u64 {
            bench.0.owing.add(Item { seq: Seq(n), index: 0 }, &[NO], usize::MAX);
        }
        assert_eq!(bench.0.room_of(NO), 0);
        let fx = bench.redrive(item, false);
        assert!(fx.iter().any(|e| matches!(e, Effect::Overfull { stream: NO })), "{fx:?}");
        assert_eq!(bench.0.dead.rows.iter().next().unwrap().1.why, "retention");
    }
}
