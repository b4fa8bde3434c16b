//! What streams are owed, by reference: owing, settling, the bound of a stream (DESIGN 4).

use std::sync::Arc;

use crate::hub::effect::{Claims, Effect, Item};
use crate::hub::entry::{Fate, Outcome};
use crate::hub::state::{DEAD_LETTERS_MAX, DeadLetter, OWED_MAX, State};
use crate::stream::StreamNo;
use crate::stream::status::Status;
use crate::stream::subject::Matcher;

impl State {
    /// The streams that an event is for, in the order of their numbers: by its type, their status, and its subject;
    /// `derived`: lineage added it.
    pub(super) fn wanting(&mut self, uri: &str, sub_id: &str, derived: bool) -> Vec<StreamNo> {
        let mut wanting = self.topics.wanting(uri, derived);
        if !self.life.is_empty() {
            wanting.retain(|no| self.life.get(no).is_none_or(|life| life.status != Status::Disabled));
        }
        if wanting.is_empty() || (self.selective == 0 && self.subjects.is_empty()) {
            return wanting;
        }
        let found = Matcher::of(sub_id).map(|subject| self.subjects.find(&subject)).unwrap_or_default();
        wanting.retain(|no| self.streams.get(no).is_some_and(|stream| found.is_for(*no, stream)));
        wanting
    }

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
        self.claims.insert(item, claims.clone());
        let full = self.owing.add(item, &wanting, OWED_MAX);
        fx.push(Effect::Owed { item, claims, streams: wanting.into() });
        full.into_iter().for_each(|stream| self.bound(stream, entry_ms, fx));
    }

    /// A stream that nobody takes from keeps its newest: the oldest becomes a dead letter (DESIGN 8, 12).
    pub(super) fn bound(&mut self, stream: StreamNo, now_ms: i64, fx: &mut Vec<Effect>) {
        if self.owing.count(stream) <= OWED_MAX {
            return;
        }
        if let Some(Item { seq, index }) = self.owing.oldest(stream) {
            fx.push(Effect::Overfull { stream });
            self.outcome(now_ms, &Outcome(stream, seq, index, Fate::GaveUp, Some("retention".into())), fx);
        }
    }

    /// Claims that are owed to nobody any more are forgotten.
    pub(super) fn release(&mut self, item: Item) {
        if !self.owing.is_owed(item) {
            self.claims.remove(&item);
        }
    }

    pub(super) fn outcome(&mut self, now_ms: i64, outcome: &Outcome, fx: &mut Vec<Effect>) {
        let Outcome(stream, seq, index, fate, why) = outcome;
        let item = Item { seq: *seq, index: *index };
        if !self.owing.remove(*stream, item) {
            return;
        }
        if *fate == Fate::GaveUp
            && self.dead.len() < DEAD_LETTERS_MAX
            && let Some(claims) = self.claims.get(&item)
        {
            let why = why.as_deref().unwrap_or("").to_string();
            let letter = DeadLetter { why, at_ms: now_ms, claims: (**claims).clone() };
            self.dead.insert((*stream, item), letter);
        }
        self.release(item);
        fx.push(Effect::Settled { stream: *stream, item, fate: *fate });
        self.stop_if_told(*stream, item, fx);
    }

    /// What a stream is owed is dropped: it is disabled (SSF 1.0, 8.1.2.1).
    pub(super) fn drop_owed(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        for item in self.owing.clear(no) {
            self.release(item);
            fx.push(Effect::Dropped { stream: no, item });
        }
    }

    /// What was owed on a stream that is taken away is owed no longer.
    pub(super) fn drop_stream(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        if let Some(stream) = self.streams.remove(&no) {
            self.topics.remove(no, &stream);
        }
        self.life.remove(&no);
        self.subjects.clear(no);
        self.count_selective();
        self.owing.clear(no).into_iter().for_each(|item| self.release(item));
        let dead: Vec<_> = self.dead.range((no, Item::FIRST)..=(no, Item::LAST)).map(|(k, _)| *k).collect();
        for key in dead {
            self.dead.remove(&key);
        }
        fx.push(Effect::Stream { no, stream: None });
    }
}
