//! What streams are owed, by reference: owing, settling, the bound of a stream (DESIGN 4).

use std::sync::Arc;

use crate::hub::effect::{Claims, Effect, Item};
use crate::hub::entry::{Fate, Outcome, SetInput};
use crate::hub::state::{DEAD_LETTERS_MAX, DeadLetter, Held, OWED_MAX, State};
use crate::stream::{Stream, StreamNo};
use crate::tenant::Seq;

/// Where something that is to be owed comes from.
pub(super) enum Came<'a> {
    /// From outside: this SET.
    From(&'a SetInput),
    /// Lineage added it.
    Derived,
}

impl Came<'_> {
    /// Whether it goes on this stream at all, its type aside. `aud`: what the original names, looked up once.
    fn goes_on(&self, stream: &Stream, aud: &mut Option<Vec<String>>) -> bool {
        match self {
            Self::From(set) if stream.relay => {
                let aud = aud.get_or_insert_with(|| super::relay::audience(&set.compact));
                aud.iter().any(|one| stream.aud.contains(one))
            }
            Self::From(_) => true,
            Self::Derived => stream.derived && !stream.relay,
        }
    }
}

impl State {
    /// Owes claims to every stream that wants them; where nobody does, they are not even made.
    pub(super) fn owe(
        &mut self,
        item: Item,
        uri: &str,
        claims: impl FnOnce() -> Claims,
        came: Came<'_>,
        fx: &mut Vec<Effect>,
    ) {
        let mut aud = None;
        let wanting: Vec<StreamNo> = self
            .streams
            .iter()
            .filter(|(_, s)| s.wants(uri) && came.goes_on(s, &mut aud))
            .map(|(no, _)| *no)
            .collect();
        if wanting.is_empty() {
            return;
        }
        let claims = Arc::new(claims());
        let entry_ms = claims.accepted_ms;
        let owed = u32::try_from(wanting.len()).unwrap_or(u32::MAX);
        self.claims.insert(item, Held { claims: claims.clone(), owed });
        if let Came::From(set) = came {
            self.hold_original(item, &wanting, set, fx);
        }
        for stream in wanting {
            self.owed.insert((stream, item), ());
            *self.owed_count.entry(stream).or_default() += 1;
            fx.push(Effect::Owed { stream, item, claims: claims.clone() });
            self.bound(stream, entry_ms, fx);
        }
    }

    /// A stream that nobody takes from keeps its newest: the oldest becomes a dead letter (DESIGN 8, 12).
    pub(super) fn bound(&mut self, stream: StreamNo, now_ms: i64, fx: &mut Vec<Effect>) {
        if self.owed_count.get(&stream).is_none_or(|n| *n <= OWED_MAX) {
            return;
        }
        let first = Item { seq: Seq(0), index: 0 };
        let oldest = self.owed.range((stream, first)..).next().map(|((_, item), ())| *item);
        if let Some(Item { seq, index }) = oldest {
            fx.push(Effect::Overfull { stream });
            self.outcome(now_ms, &Outcome(stream, seq, index, Fate::GaveUp, Some("retention".into())), fx);
        }
    }

    /// Takes what is owed away; whether it was owed.
    pub(super) fn settle_owed(&mut self, stream: StreamNo, item: Item) -> bool {
        let owed = self.owed.remove(&(stream, item)).is_some();
        if owed && let Some(count) = self.owed_count.get_mut(&stream) {
            *count = count.saturating_sub(1);
        }
        owed
    }

    pub(super) fn release(&mut self, item: Item) {
        let over = self.claims.get_mut(&item).is_some_and(|held| {
            held.owed = held.owed.saturating_sub(1);
            held.owed == 0
        });
        if over {
            self.claims.remove(&item);
        }
    }

    pub(super) fn outcome(&mut self, now_ms: i64, outcome: &Outcome, fx: &mut Vec<Effect>) {
        let Outcome(stream, seq, index, fate, why) = outcome;
        let item = Item { seq: *seq, index: *index };
        if !self.settle_owed(*stream, item) {
            return;
        }
        let mut kept = false;
        if *fate == Fate::GaveUp
            && let Some(held) = self.claims.get(&item)
        {
            kept = self.dead.len() < DEAD_LETTERS_MAX;
            if kept {
                let why = why.as_deref().unwrap_or("").to_string();
                let letter = DeadLetter { why, at_ms: now_ms, claims: (*held.claims).clone() };
                self.dead.insert((*stream, item), letter);
            } else {
                fx.push(Effect::Unkept { stream: *stream });
            }
        }
        self.release(item);
        fx.push(Effect::Settled { stream: *stream, item, fate: *fate });
        if !kept {
            self.let_original_go(*stream, item, fx);
        }
    }

    /// What was owed on a stream that is taken away is owed no longer.
    pub(super) fn drop_stream(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        self.owed_count.remove(&no);
        let first = Item { seq: Seq(0), index: 0 };
        let last = Item { seq: Seq(u64::MAX), index: u32::MAX };
        let owed: Vec<_> = self.owed.range((no, first)..=(no, last)).map(|(k, ())| *k).collect();
        for (no, item) in owed {
            self.settle_owed(no, item);
            self.release(item);
            self.let_original_go(no, item, fx);
        }
        let dead: Vec<_> = self.dead.range((no, first)..=(no, last)).map(|(k, _)| *k).collect();
        for key in dead {
            self.dead.remove(&key);
            self.let_original_go(no, key.1, fx);
        }
        self.streams.remove(&no);
        fx.push(Effect::Stream { no, stream: None });
    }
}
