//! What push does on its own is told: an operational event with its log line, and a counter.
//!
//! Deliveries that are over go to the journal as well. Never names a path, a body or a secret.

use std::sync::Arc;

use super::answer::Answer;
use super::metrics::{DELIVERED, GAVE_UP, Metrics};
use super::post::Posted;
use crate::hub::entry::{Fate, Outcome};
use crate::operations::Operations;
use crate::outbox::destination::{Change, Gate};
use crate::outbox::job::Landing;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::queue::Queue;
use crate::stream::Stream;
use crate::tenant::HUB;

/// Tells.
pub(super) struct Report {
    pub(super) outcomes: Arc<dyn Outcomes>,
    pub(super) metrics: Metrics,
    pub(super) operations: Arc<Operations>,
}

impl Report {
    /// The gate of a destination moved. It is nobody's in particular, so the event is the hub's.
    pub(super) fn gate(&self, change: &Change) {
        let Change { origin, gate, failures, mean_ms } = change;
        self.metrics.gate(*gate);
        let (kind, what) = match gate {
            Gate::Shut => ("destination_shut", format!("{failures} posts in a row without any answer")),
            Gate::Limited => {
                ("destination_limited", format!("it recovers, or is slow: {mean_ms} ms in the mean"))
            }
            Gate::Open => ("destination_open", format!("it answers in {mean_ms} ms in the mean")),
        };
        self.operations.note(HUB, kind, origin, &what, 0);
    }

    /// A stream's receiver began or ceased to count as down.
    pub(super) fn brake(&self, queue: &Queue, stream: &Stream, before: bool, now: bool) {
        let (kind, what) = match (before, now) {
            (false, true) => ("stream_braked", "its receiver fails: one post at a time, with pauses"),
            (true, false) => ("stream_released", "its receiver is back"),
            _ => return,
        };
        self.metrics.braked(&queue.tenant, &stream.stream_id, now);
        self.operations.note(queue.tenant.as_str(), kind, &stream.stream_id, what, 0);
    }

    /// A delivery is over.
    pub(super) fn tell(&self, queue: &Queue, posted: &Posted, landing: Landing) {
        let (fate, ended) = match (landing, &posted.answer) {
            (Landing::Retry { .. }, _) => return,
            (_, Answer::Taken) => (Fate::Delivered, DELIVERED),
            _ => (Fate::GaveUp, GAVE_UP),
        };
        let (item, stream_id) = (posted.job.item, posted.job.stream.stream_id.as_str());
        let why: Option<Box<str>> = posted.answer.reason().map(Into::into);
        if fate == Fate::GaveUp {
            let reason = why.as_deref().unwrap_or_default();
            self.operations.note(queue.tenant.as_str(), "dead_letter", stream_id, reason, 0);
        }
        self.outcomes.tell(&queue.tenant, Outcome(queue.no, item.seq, item.index, fate, why));
        self.metrics.pushed(&queue.tenant, stream_id, ended);
    }
}
