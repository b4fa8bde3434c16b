//! What streams are owed, by reference: owing, settling, the bound of a stream (DESIGN 4).

use std::sync::Arc;

use crate::hub::effect::{Claims, Effect, Item};
use crate::hub::entry::{Fate, Outcome};
use crate::hub::state::{DEAD_LETTERS_MAX, DeadLetter, Held, OWED_MAX, State};
use crate::stream::status::Status;
use crate::stream::subject::Matcher;
use crate::stream::{Stream, StreamNo};
use crate::tenant::Seq;

const FIRST: Item = Item { seq: Seq(0), index: 0 };
const LAST: Item = Item { seq: Seq(u64::MAX), index: u32::MAX };

impl State {
    /// Owes claims to every stream that wants them; where nobody does, they are not even made.
    pub(super) fn owe(
        &mut self,
        item: Item,
        (uri, sub_id): (&str, &str),
        claims: impl FnOnce() -> Claims,
        derived: bool,
        fx: &mut Vec<Effect>,
    ) {
        let wanting = self.wanting(uri, sub_id, derived);
        if !wanting.is_empty() {
            self.owe_to(item, wanting, claims(), fx);
        }
    }

    /// The streams that an event is for: by its type, their status, and its subject.
    fn wanting(&mut self, uri: &str, sub_id: &str, derived: bool) -> Vec<StreamNo> {
        let wants = |no: &StreamNo, s: &Stream| {
            let holds = self.life.get(no).is_none_or(|life| life.status != Status::Disabled);
            holds && s.wants(uri) && (!derived || s.derived)
        };
        let mut wanting: Vec<StreamNo> =
            self.streams.iter().filter(|(no, s)| wants(no, s)).map(|(no, _)| *no).collect();
        if wanting.is_empty() || (self.selective == 0 && self.subjects.is_empty()) {
            return wanting;
        }
        let found = Matcher::of(sub_id).map(|subject| self.subjects.find(&subject)).unwrap_or_default();
        wanting.retain(|no| self.streams.get(no).is_some_and(|stream| found.is_for(*no, stream)));
        wanting
    }

    /// Owes claims to these streams.
    pub(super) fn owe_to(
        &mut self,
        item: Item,
        wanting: Vec<StreamNo>,
        claims: Claims,
        fx: &mut Vec<Effect>,
    ) {
        let claims = Arc::new(claims);
        let entry_ms = claims.accepted_ms;
        let owed = u32::try_from(wanting.len()).unwrap_or(u32::MAX);
        self.claims.insert(item, Held { claims: claims.clone(), owed });
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
        let oldest = self.owed.range((stream, FIRST)..).next().map(|((_, item), ())| *item);
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
        if *fate == Fate::GaveUp
            && self.dead.len() < DEAD_LETTERS_MAX
            && let Some(held) = self.claims.get(&item)
        {
            let why = why.as_deref().unwrap_or("").to_string();
            let letter = DeadLetter { why, at_ms: now_ms, claims: (*held.claims).clone() };
            self.dead.insert((*stream, item), letter);
        }
        self.release(item);
        fx.push(Effect::Settled { stream: *stream, item, fate: *fate });
        self.stop_if_told(*stream, item, fx);
    }

    /// What a stream is owed is dropped: it is disabled (SSF 1.0, 8.1.2.1).
    pub(super) fn drop_owed(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        let owed: Vec<_> = self.owed.range((no, FIRST)..=(no, LAST)).map(|((_, item), ())| *item).collect();
        for item in owed {
            self.settle_owed(no, item);
            self.release(item);
            fx.push(Effect::Dropped { stream: no, item });
        }
    }

    /// What was owed on a stream that is taken away is owed no longer.
    pub(super) fn drop_stream(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        self.streams.remove(&no);
        self.owed_count.remove(&no);
        self.life.remove(&no);
        self.subjects.clear(no);
        self.count_selective();
        let owed: Vec<_> = self.owed.range((no, FIRST)..=(no, LAST)).map(|(k, ())| *k).collect();
        for (no, item) in owed {
            self.settle_owed(no, item);
            self.release(item);
        }
        let dead: Vec<_> = self.dead.range((no, FIRST)..=(no, LAST)).map(|(k, _)| *k).collect();
        for key in dead {
            self.dead.remove(&key);
        }
        fx.push(Effect::Stream { no, stream: None });
    }
}
