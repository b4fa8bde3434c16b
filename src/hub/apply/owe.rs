//! What streams are owed, by reference: owing, settling, the bound of a stream (DESIGN 4).

use std::sync::Arc;

use crate::hub::dead::Kept;
use crate::hub::effect::{Claims, Effect, Item};
use crate::hub::entry::{Fate, Outcome, SetInput};
use crate::hub::state::{DEAD_LETTERS_MAX, DeadLetter, OWED_MAX, State};
use crate::stream::status::Status;
use crate::stream::subject::Matcher;
use crate::stream::{Stream, StreamNo};

/// Where something that is to be owed comes from.
#[derive(Clone, Copy)]
pub(super) enum Came<'a> {
    /// From outside: this SET.
    From(&'a SetInput),
    /// Lineage added it.
    Derived,
    /// The hub or an operator says it.
    Said,
}

impl Came<'_> {
    /// Whether it goes on a stream that relays originals. `aud`: what the original names, looked up once.
    fn is_relayed(self, stream: &Stream, aud: &mut Option<Vec<String>>) -> bool {
        let Self::From(set) = self else { return false };
        let aud = aud.get_or_insert_with(|| super::relay::audience(&set.compact));
        aud.iter().any(|one| stream.aud.contains(one))
    }
}

impl State {
    /// The streams that an event is for, in the order of their numbers: by its type, their status, where it comes from,
    /// and its subject.
    fn wanting(&self, (uri, sub_id): (&str, &str), came: Came<'_>) -> Vec<StreamNo> {
        let mut wanting = self.topics.wanting(uri, matches!(came, Came::Derived));
        if !self.life.is_empty() {
            wanting.retain(|no| self.life.get(no).is_none_or(|life| life.status != Status::Disabled));
        }
        if self.special.relays > 0 {
            let mut aud = None;
            wanting.retain(|no| match self.streams.get(no) {
                Some(stream) if stream.relay => came.is_relayed(stream, &mut aud),
                other => other.is_some(),
            });
        }
        if wanting.is_empty() || (self.special.selective == 0 && self.subjects.is_empty()) {
            return wanting;
        }
        let subject = Matcher::of(sub_id);
        let found = subject.as_ref().map(|subject| self.subjects.find(subject)).unwrap_or_default();
        let is_for = |no, stream: &Stream| self.subjects.is_for(no, stream, subject.as_ref(), &found);
        wanting.retain(|no| self.streams.get(no).is_some_and(|stream| is_for(*no, stream)));
        wanting
    }

    /// Owes claims to every stream that wants them, unless their account has opted out; where nobody wants them, they are
    /// not even made.
    pub(super) fn owe(
        &mut self,
        item: Item,
        about: (&str, &str),
        claims: impl FnOnce() -> Claims,
        came: Came<'_>,
        fx: &mut Vec<Effect>,
    ) {
        let wanting = self.wanting(about, came);
        if wanting.is_empty() {
            return;
        }
        if self.withholds(about, came) {
            return fx.push(Effect::Withheld { item, streams: wanting.len() });
        }
        if let Came::From(set) = came {
            self.hold_original(item, &wanting, set, fx);
        }
        let claims = Arc::new(claims());
        self.owe_to(item, wanting, claims.accepted_ms, &claims, fx);
    }

    /// Owes claims to one stream, if it is still there and they are for it.
    pub(super) fn owe_one(
        &mut self,
        item: Item,
        no: StreamNo,
        about: (&str, &str),
        claims: impl FnOnce() -> Claims,
        fx: &mut Vec<Effect>,
    ) {
        if !self.wanting(about, Came::Said).contains(&no) {
            return;
        }
        if self.withholds(about, Came::Said) {
            fx.push(Effect::Withheld { item, streams: 1 });
        } else {
            let claims = Arc::new(claims());
            self.owe_to(item, vec![no], claims.accepted_ms, &claims, fx);
        }
    }

    /// Owes claims to these streams.
    pub(super) fn owe_to(
        &mut self,
        item: Item,
        wanting: Vec<StreamNo>,
        now_ms: i64,
        claims: &Arc<Claims>,
        fx: &mut Vec<Effect>,
    ) {
        self.claims.insert(item, claims.clone());
        let full = self.owing.add(item, &wanting, OWED_MAX);
        fx.push(Effect::Owed { item, claims: claims.clone(), streams: wanting.into() });
        full.into_iter().for_each(|stream| self.bound(stream, now_ms, fx));
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
        let mut kept = false;
        if *fate == Fate::GaveUp
            && let Some(claims) = self.claims.get(&item)
        {
            let why = why.as_deref().unwrap_or("").to_string();
            let letter = DeadLetter { why, at_ms: now_ms, claims: (**claims).clone() };
            kept = self.keep_dead(*stream, item, letter, fx);
        }
        self.release(item);
        fx.push(Effect::Settled { stream: *stream, item, fate: *fate });
        if !kept {
            self.let_original_go(*stream, item, fx);
        }
        self.stop_if_told(*stream, item, fx);
    }

    /// Keeps a dead letter, if there is room for it or its stream has a share left. What is not kept is told.
    fn keep_dead(&mut self, no: StreamNo, item: Item, letter: DeadLetter, fx: &mut Vec<Effect>) -> bool {
        match self.dead.insert(no, item, letter, DEAD_LETTERS_MAX) {
            Kept::Yes => true,
            Kept::Instead(other, gone) => {
                fx.push(Effect::Unkept { stream: other });
                self.let_original_go(other, gone, fx);
                true
            }
            Kept::No => {
                fx.push(Effect::Unkept { stream: no });
                false
            }
        }
    }

    /// What a stream is owed is dropped: it is disabled (SSF 1.0, 8.1.2.1).
    pub(super) fn drop_owed(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        for item in self.owing.clear(no) {
            self.release(item);
            fx.push(Effect::Dropped { stream: no, item });
            self.let_original_go(no, item, fx);
        }
    }

    /// What was owed on a stream that is taken away is owed no longer.
    pub(super) fn drop_stream(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        for item in self.owing.clear(no) {
            self.release(item);
            self.let_original_go(no, item, fx);
        }
        for item in self.dead.clear(no) {
            self.let_original_go(no, item, fx);
        }
        if let Some(stream) = self.streams.remove(&no) {
            self.topics.remove(no, &stream);
            self.subjects.end(no, &stream);
        }
        self.life.remove(&no);
        self.count_special();
        fx.push(Effect::Stream { no, stream: None });
    }
}
