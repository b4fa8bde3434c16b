//! Kafka out: what the journal says, as messages for `signals.received`, `revocations`, `signals.rejected`.
//!
//! A projection (DESIGN 13): reads the journal's files behind the durable mark with a cursor of its own, so that a
//! broker that is away delays Kafka and loses nothing. Where it begins or goes back, it takes up the records as they
//! stood there: a base and what followed, or what it can take back (`followed`). Refused SETs are no entries: they
//! come from the operational events, at most once. Records are signed, so that a rogue producer can neither forge
//! nor clear one.

use std::sync::{Arc, Mutex, PoisonError};

use super::followed::{Book, FOLLOWED_MAX, Followed};
use super::speaker::Speaker;
use crate::hub::entry::{Body, Decision};
use crate::journal::{Batch, Entry, Payload, Position, Reader};
use crate::kafka::record::State;
use crate::kafka::source::{Source, Step};
use crate::kafka::wire::Message;
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::Standing;
use crate::tenant::TenantId;

/// Records in force at a place of the journal.
pub type Stood = (Position, Vec<(TenantId, Kind, KeyHash, Standing)>);

/// What stood at the newest place known that is not behind a position; `None`: begin with the first entry.
pub type Before = Box<dyn Fn(Position) -> Option<Stood> + Send>;

/// What the projection reads and signs with.
pub struct Parts {
    /// The journal.
    pub reader: Reader,
    /// A second reader, which counts what is still to be read.
    pub ahead: Reader,
    /// Up to where it is durable.
    pub durable: Arc<Mutex<Position>>,
    /// Makes the messages.
    pub speaker: Speaker,
    /// Where to begin.
    pub before: Before,
}

/// The journal as a source of Kafka messages.
pub struct Projection {
    parts: Parts,
    /// Where the book stands, and the number of the next batch if it was read.
    at: Option<(Position, Option<u64>)>,
    book: Book,
    /// How far was counted: where the next batch begins, and its number.
    counted: Option<(Position, u64)>,
}

/// What an entry changes among the records.
struct Changes {
    /// To be cleared and taken out.
    over: Vec<Followed>,
    /// To be said.
    said: Vec<Followed>,
    /// The entry, where its payload is there.
    body: Option<Body>,
}

impl Projection {
    /// A projection of the journal.
    pub fn new(parts: Parts) -> Self {
        Self { parts, at: None, book: Book::new(FOLLOWED_MAX), counted: None }
    }

    fn durable(&self) -> Position {
        *self.parts.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the book stand where the steps begin.
    fn stand_at(&mut self, from: Position) -> Result<(), String> {
        match self.at {
            Some((at, _)) if at == from => Ok(()),
            Some((at, _)) if at > from => {
                self.book.rewind(from);
                self.at = Some((from, None));
                Ok(())
            }
            _ => self.take_up(from),
        }
    }

    /// Reads what stood at a place, from the nearest base before it, without saying anything.
    fn take_up(&mut self, from: Position) -> Result<(), String> {
        self.book = Book::new(FOLLOWED_MAX);
        let (mut at, stood) = (self.parts.before)(from).unwrap_or((Position::OLDEST, vec![]));
        for (tenant, kind, key, standing) in stood {
            self.book.stands(&tenant, kind, key, standing);
        }
        while at < from {
            let Some(batch) = self.parts.reader.batches(at).map_err(|e| e.to_string())?.next() else { break };
            let batch = batch.map_err(|e| e.to_string())?;
            if batch.at >= from {
                break;
            }
            for entry in &batch.entries {
                self.changes(entry)?;
            }
            at = batch.after;
        }
        self.at = Some((from, None));
        Ok(())
    }

    /// What an entry changes among the records.
    fn changes(&mut self, entry: &Entry) -> Result<Changes, String> {
        let over = self.book.due(&entry.tenant, entry.time_ms);
        let mut said = Vec::new();
        let Payload::Present(payload) = &entry.payload else { return Ok(Changes { over, said, body: None }) };
        let body = Body::parse(entry.kind, entry.version, payload).map_err(|e| e.to_string())?;
        if let Body::Decision(Decision { lifted, records, txn, .. }) = &body {
            for lifted in lifted {
                said.extend(self.book.lift(&entry.tenant, entry.seq, lifted, txn));
            }
            for record in records {
                said.push(self.book.stand(&entry.tenant, entry.seq, record, txn));
            }
        }
        Ok(Changes { over, said, body: Some(body) })
    }

    fn messages(&mut self, entry: &Entry) -> Result<Vec<Message>, String> {
        let Changes { over, said, body } = self.changes(entry)?;
        let mut out = Vec::new();
        // Numbered behind the decision's own, whose numbers must not depend on what has expired.
        for (n, old) in over.into_iter().enumerate() {
            let speaker = &mut self.parts.speaker;
            if old.state == State::Active {
                out.push(speaker.revocation(entry, &old.cleared(), said.len() + n)?);
            }
            out.push(speaker.tombstone(&old)?);
        }
        for (n, followed) in said.iter().enumerate() {
            out.push(self.parts.speaker.revocation(entry, followed, n)?);
        }
        if let Some(Body::Set(set)) = &body {
            out.push(self.parts.speaker.received(entry, set)?);
        }
        Ok(out)
    }

    /// The durable batches from a position on, at most `max`. Asks for none that it would not take: the reader would
    /// have to go back for it.
    fn read(&mut self, from: Position, max: usize) -> Result<Vec<Batch>, String> {
        let (durable, mut at, mut out) = (self.durable(), from, Vec::new());
        let mut batches = self.parts.reader.batches(from).map_err(|e| e.to_string())?;
        while out.len() < max && at < durable {
            let Some(batch) = batches.next() else { break };
            let batch = batch.map_err(|e| e.to_string())?;
            if batch.at >= durable {
                break;
            }
            at = batch.after;
            out.push(batch);
        }
        Ok(out)
    }

    fn step(&mut self, batch: &Batch) -> Result<Step, String> {
        let mut messages = Vec::new();
        for entry in &batch.entries {
            messages.extend(self.messages(entry)?);
        }
        let cursor = serde_json::to_vec(&batch.after).map_err(|e| e.to_string())?;
        Ok(Step { cursor, messages })
    }

    /// How many durable batches there are behind a position. Each is read once more for it, and only once.
    fn count_behind(&mut self, from: Position) -> Result<u64, String> {
        let durable = self.durable();
        if from >= durable {
            return Ok(0);
        }
        let (mut at, mut next) = match self.counted {
            Some(counted) => counted,
            None => (from, self.parts.ahead.number_at(from).map_err(|e| e.to_string())?),
        };
        let first = match self.at {
            Some((here, Some(number))) if here == from => number,
            _ => self.parts.reader.number_at(from).map_err(|e| e.to_string())?,
        };
        let mut batches = self.parts.ahead.batches(at).map_err(|e| e.to_string())?;
        while at < durable {
            let Some(batch) = batches.next() else { break };
            let batch = batch.map_err(|e| e.to_string())?;
            if batch.at >= durable {
                break;
            }
            (at, next) = (batch.after, batch.number + 1);
        }
        self.counted = Some((at, next));
        Ok(next.saturating_sub(first))
    }
}

fn position(cursor: &[u8]) -> Result<Position, String> {
    match cursor {
        [] => Ok(Position::OLDEST),
        bytes => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
    }
}

impl Source for Projection {
    fn next(&mut self, after: &[u8], max: usize) -> Result<Vec<Step>, String> {
        let from = position(after)?;
        self.stand_at(from)?;
        let batches = self.read(from, max)?;
        let mut steps = Vec::with_capacity(batches.len() + 1);
        for batch in &batches {
            let before = self.at.map_or(from, |(at, _)| at);
            self.book.begin(before);
            match self.step(batch) {
                Ok(step) => steps.push(step),
                Err(why) => {
                    self.book.rewind(before);
                    return Err(why);
                }
            }
            self.at = Some((batch.after, Some(batch.number + 1)));
        }
        let rejected = self.parts.speaker.rejections();
        if !rejected.is_empty() {
            let cursor = steps.last().map_or_else(|| after.to_vec(), |s| s.cursor.clone());
            steps.push(Step { cursor, messages: rejected });
        }
        Ok(steps)
    }

    fn settled(&mut self, acked: &[u8]) {
        if let Ok(acked) = position(acked) {
            self.book.settle(acked);
        }
    }

    fn behind(&mut self, after: &[u8]) -> u64 {
        // What cannot be counted is at least not nothing.
        position(after).and_then(|from| self.count_behind(from)).unwrap_or(1)
    }
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
