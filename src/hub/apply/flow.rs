//! Whether SETs flow on a stream, its subjects, its control events.
//!
//! A stream that the hub stops by itself is told so first: it goes on by status until the stream-updated event has
//! arrived or its time is up, and only that event is sent meanwhile (SSF 1.0, 8.1.5; AMB-12).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Stamped;
use crate::hub::command::Refused;
use crate::hub::effect::{Claims, Effect, Flow, Item};
use crate::hub::entry::streams::{Control, StatusChange, Subjects};
use crate::hub::entry::{Fate, Outcome};
use crate::hub::names;
use crate::hub::state::{State, Timer};
use crate::hub::subjects::complex::Subject;
use crate::hub::subjects::lists::Count;
use crate::set::event_type::EventType;
use crate::stream::receiver::DefaultSubjects;
use crate::stream::status::Status;
use crate::stream::subject::{Matcher, SubjectHash};
use crate::stream::{Stream, StreamNo};

/// A stop that was told, and waits for the receiver to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// What the status becomes.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// The stream-updated event.
    pub item: Item,
    /// When it stops at the latest (ms since 1970).
    pub due_ms: i64,
}

/// The status of a stream that is not simply enabled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Its status.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// What it is about to become.
    pub ending: Option<Ending>,
}

impl State {
    /// The status of a stream.
    pub fn life(&self, stream: StreamNo) -> Life {
        self.life.get(&stream).cloned().unwrap_or_default()
    }

    /// How many subjects a stream has (or lacks, where it begins with all).
    pub fn subject_count(&self, stream: StreamNo) -> usize {
        self.subjects.count(stream).subjects
    }

    /// Whether adding (or removing) this subject would change nothing.
    pub fn subject_is(&self, stream: StreamNo, add: bool, subject: &Subject) -> bool {
        let Some(configured) = self.streams.get(&stream) else { return true };
        let has = self.subjects.has(stream, subject);
        let leaving = self.subjects.leaves_at(stream, subject.whole).is_some();
        let is_in = match configured.default_subjects {
            DefaultSubjects::None => has,
            DefaultSubjects::All => !has,
        };
        if add { is_in && !leaving } else { !is_in || leaving }
    }

    /// Whether adding (or removing) this subject is within the bounds: it makes a row where the stream begins with none
    /// (with all).
    pub fn subject_fits(
        &self,
        no: StreamNo,
        add: bool,
        subject: &Subject,
        max: usize,
    ) -> Result<(), Refused> {
        let Some(stream) = self.streams.get(&no) else { return Ok(()) };
        let Count { subjects, leaving, .. } = self.subjects.count(no);
        let rows = match (stream.default_subjects, add) {
            // One in its grace still has its row.
            (DefaultSubjects::None, true) if !self.subjects.has(no, subject) => subjects,
            (DefaultSubjects::All, false) => subjects.saturating_add(leaving),
            _ => return Ok(()),
        };
        if rows >= max {
            return Err(Refused::SubjectsMax);
        }
        Ok(self.subjects.fits(no, stream, subject)?)
    }

    pub(super) fn flow_of(&self, stream: StreamNo) -> Flow {
        match self.life.get(&stream) {
            None => Flow::Open,
            Some(Life { ending: Some(ending), .. }) => Flow::Only(ending.item),
            Some(Life { status: Status::Enabled, .. }) => Flow::Open,
            Some(_) => Flow::Shut,
        }
    }

    pub(super) fn subjects_changed(&mut self, entry: &Stamped, change: &Subjects) {
        let Some(stream) = self.streams.get(&change.stream).cloned() else { return };
        let Some(matcher) = Matcher::of(change.subject.get()) else { return };
        let (no, subject) = (change.stream, Subject::from(&matcher));
        let was_leaving = self.subjects.left(no, &stream, subject.whole).is_some();
        if !change.add && change.grace_ms > 0 && !was_leaving {
            let due_ms = entry.time_ms.saturating_add(change.grace_ms);
            self.timers.insert((due_ms, Timer::Leave(no, subject.whole)), ());
            self.subjects.leave_later(no, &stream, subject, due_ms);
        } else {
            self.subject_set(no, &stream, change.add, subject);
        }
    }

    fn subject_set(&mut self, no: StreamNo, stream: &Stream, is_in: bool, subject: Subject) {
        if is_in == (stream.default_subjects == DefaultSubjects::None) {
            self.subjects.insert(no, stream, subject);
        } else {
            self.subjects.remove(no, stream, &subject);
        }
    }

    /// The grace of a removed subject is over.
    pub(super) fn grace_over(&mut self, no: StreamNo, whole: SubjectHash, now_ms: i64) {
        let Some(stream) = self.streams.get(&no).cloned() else { return };
        // Added again and removed again meanwhile: that grace has a timer of its own.
        if self.subjects.leaves_at(no, whole).is_none_or(|due| due > now_ms) {
            return;
        }
        if let Some(leaving) = self.subjects.left(no, &stream, whole) {
            self.subject_set(no, &stream, false, Subject { whole, complex: leaving.complex });
        }
    }

    pub(super) fn status_changed(&mut self, entry: &Stamped, change: &StatusChange, fx: &mut Vec<Effect>) {
        let Some(stream) = self.streams.get(&change.stream).cloned() else { return };
        let no = change.stream;
        let before = self.life(no);
        // What was about to happen is overtaken. Its event may be on its way and has said what was true then, so that
        // who goes on after all is told that too.
        let goes_on = change.status == Status::Enabled && before.ending.is_some();
        let announces = change.announce_ms.filter(|_| before.status != change.status);
        match (announces, change.status) {
            (Some(announce_ms), Status::Paused | Status::Disabled) if before.status == Status::Enabled => {
                let item = self.owe_updated(entry, no, &stream, change, fx);
                let due_ms = entry.time_ms.saturating_add(announce_ms);
                let ending = Ending { status: change.status, reason: change.reason.clone(), item, due_ms };
                self.timers.insert((due_ms, Timer::Stop(no)), ());
                self.set_life(no, Life { ending: Some(ending), ..before }, fx);
            }
            (announces, status) => {
                if goes_on || (status == Status::Enabled && announces.is_some()) {
                    self.owe_updated(entry, no, &stream, change, fx);
                }
                self.become_status(no, status, change.reason.clone(), fx);
            }
        }
    }

    fn set_life(&mut self, no: StreamNo, life: Life, fx: &mut Vec<Effect>) {
        if life == Life::default() {
            self.life.remove(&no);
        } else {
            self.life.insert(no, life);
        }
        fx.push(Effect::Flow { stream: no, flow: self.flow_of(no) });
    }

    fn become_status(&mut self, no: StreamNo, status: Status, reason: Option<String>, fx: &mut Vec<Effect>) {
        self.set_life(no, Life { status, reason, ending: None }, fx);
        if status == Status::Disabled {
            self.drop_owed(no, fx);
        }
    }

    /// The receiver knows, or its time is up: the stream stops.
    fn stop(&mut self, no: StreamNo, fx: &mut Vec<Effect>) {
        if let Some(ending) = self.life(no).ending {
            self.become_status(no, ending.status, ending.reason, fx);
        }
    }

    /// The time is up for a stream that stops. An event that has not arrived by then is given up: nothing may be sent
    /// any more.
    pub(super) fn stop_due(&mut self, no: StreamNo, now_ms: i64, fx: &mut Vec<Effect>) {
        let Some(ending) = self.life(no).ending.filter(|e| e.due_ms <= now_ms) else { return };
        let Item { seq, index } = ending.item;
        self.stop(no, fx);
        fx.push(Effect::Unannounced { stream: no });
        self.outcome(now_ms, &Outcome(no, seq, index, Fate::GaveUp, Some("announcement".into())), fx);
    }

    /// A delivery is over: it may be the one that a stop waits for.
    pub(super) fn stop_if_told(&mut self, no: StreamNo, item: Item, fx: &mut Vec<Effect>) {
        if self.life.get(&no).and_then(|l| l.ending.as_ref()).is_some_and(|e| e.item == item) {
            self.stop(no, fx);
        }
    }

    fn owe_updated(
        &mut self,
        entry: &Stamped,
        no: StreamNo,
        stream: &Stream,
        change: &StatusChange,
        fx: &mut Vec<Effect>,
    ) -> Item {
        let mut event = serde_json::json!({ "status": change.status.as_str() });
        if let Some(reason) = &change.reason {
            event["reason"] = reason.as_str().into();
        }
        let said = (EventType::StreamUpdated, event.to_string(), change.txn.clone());
        self.owe_control(entry, no, stream, said, fx)
    }

    pub(super) fn verification(&mut self, entry: &Stamped, control: &Control, fx: &mut Vec<Effect>) {
        let Some(stream) = self.streams.get(&control.stream).cloned() else { return };
        // Disabled: nothing is transmitted and nothing is held (AMB-10).
        if self.life(control.stream).status == Status::Disabled {
            return;
        }
        let event = match &control.state {
            Some(state) => serde_json::json!({ "state": state }),
            None => serde_json::json!({}),
        };
        let said = (EventType::Verification, event.to_string(), control.txn.clone());
        self.owe_control(entry, control.stream, &stream, said, fx);
    }

    /// An event about the stream itself: to this stream, whatever its types and subjects (SSF 1.0, 8.1.4.1).
    fn owe_control(
        &mut self,
        entry: &Stamped,
        no: StreamNo,
        stream: &Stream,
        (event_type, event, txn): (EventType, String, String),
        fx: &mut Vec<Effect>,
    ) -> Item {
        let sub_id = serde_json::json!({ "format": "opaque", "id": stream.stream_id }).to_string();
        let item = Item { seq: entry.seq, index: 0 };
        let claims = Claims {
            uri: event_type.uri().into(),
            subject: names::subject_order(&sub_id),
            sub_id,
            event,
            txn,
            toe: None,
            iat: entry.time_ms / 1000,
            accepted_ms: entry.time_ms,
        };
        self.owe_to(item, vec![no], entry.time_ms, &Arc::new(claims), fx);
        item
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
