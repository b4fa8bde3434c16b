//! What a poll reports about earlier SETs: acknowledged, or refused (RFC 8936, 2.2 and 2.6).
//!
//! In the flow: behind the request, before anything is selected for its answer (POLL-23). What is over leaves the
//! queue and is told as an outcome. A receiver's words are data: short, plain, counted.

use super::answer::{is_credential, is_key};
use super::issue::{jti, name_of};
use super::metrics::{DELIVERED, GAVE_UP};
use super::poll::Poll;
use super::request::SetErr;
use crate::hub::effect::Item;
use crate::hub::entry::{Fate, Outcome};
use crate::outbox::attempts::Attempt;
use crate::outbox::names::Name;
use crate::outbox::outcomes::reason;
use crate::outbox::queue::Queue;
use crate::outbox::shelf::ROUND;
use crate::stream::Stream;

/// What an answer held, or what was refused.
pub(super) struct Said<'a> {
    /// Which SET; of several the first.
    pub(super) jti: &'a str,
    /// The same.
    pub(super) item: Item,
    /// How many, in an answer.
    pub(super) sets: Option<usize>,
    /// What it was refused for.
    pub(super) error: Option<Box<str>>,
}

impl Poll {
    /// What the receiver has.
    pub(super) fn acknowledge(&self, queue: &Queue, stream: &Stream, acks: &[String]) {
        for jti in acks {
            if let Some(named) = self.item_of(queue, stream, jti) {
                self.over(queue, stream, named, Fate::Delivered, None);
            }
        }
    }

    /// What the receiver refuses: for good, unless it speaks of a credential (AMB-30), or of a key that it may not know yet.
    pub(super) fn refuse(&self, queue: &Queue, stream: &Stream, set_errs: &[SetErr]) {
        for SetErr { jti, err } in set_errs {
            let Some(named) = self.item_of(queue, stream, jti) else { continue };
            self.record(
                queue,
                Said { jti, item: named.1, sets: None, error: Some(reason("setErrs:", err)) },
                0,
            );
            if self.parts.signer.was_revoked(&queue.tenant, named.1, stream) {
                let (tenant, stream_id) = (&queue.tenant, stream.stream_id.as_str());
                tracing::warn!(jti, %tenant, stream_id, error = %reason("", err), "refused under a revoked key: signed anew");
                continue;
            }
            if is_key(err) && self.parts.signer.signs_with_new(&queue.tenant, stream.alg) {
                let (tenant, stream_id) = (&queue.tenant, stream.stream_id.as_str());
                tracing::warn!(jti, %tenant, stream_id, error = %reason("", err), "refused under a new key: offered again");
                continue;
            }
            if is_credential(err) {
                let Some(times) = queue.refused(named.1) else { continue };
                if times < self.parts.config.poll_refusals_max {
                    let (tenant, stream_id) = (&queue.tenant, stream.stream_id.as_str());
                    tracing::warn!(jti, %tenant, stream_id, error = %reason("", err), times, "refused by poll");
                    continue;
                }
            }
            self.over(queue, stream, named, Fate::GaveUp, Some(reason("setErrs:", err)));
        }
    }

    /// Something passed between the hub and a receiver that polls: a place in the ring.
    pub(super) fn record(&self, queue: &Queue, said: Said<'_>, duration_ms: u64) {
        queue.attempts.push(Attempt {
            at_ms: self.parts.clock.wall_ms(),
            jti: said.jti.into(),
            sets: said.sets,
            attempt: queue.times_offered(said.item).max(1),
            status: said.sets.map(|_| 200),
            duration_ms,
            error: said.error,
        });
    }

    /// The receiver was offered these often, and never said anything about them. The operator should know: one event for all
    /// of an answer.
    pub(super) fn tell_stuck(&self, queue: &Queue, stream: &Stream, stuck: &[(String, String)]) {
        let Some((txn, jti)) = stuck.first() else { return };
        let (tenant, stream_id, sets) = (queue.tenant.as_str(), stream.stream_id.as_str(), stuck.len());
        self.parts.metrics.stuck(&queue.tenant, stream_id, sets);
        let what = format!(
            "{sets} SETs were offered {ROUND} times, neither acknowledged nor refused; the first is {jti}, txn {txn}"
        );
        self.parts.operations.note(tenant, "set_stuck", stream_id, &what, 0);
    }

    /// The item that a `jti` names on this stream; `None` for unknown ones, which are ignored (POLL-32).
    fn item_of(&self, queue: &Queue, stream: &Stream, jti: &str) -> Option<(Name, Item)> {
        let (name, aud_json) = (name_of(jti)?, stream.aud_json());
        let derive = |item| self.parts.signer.issuer.name(&queue.tenant, item, &aud_json);
        Some((name, queue.named(&name, derive)?))
    }

    fn over(
        &self,
        queue: &Queue,
        stream: &Stream,
        (name, item): (Name, Item),
        fate: Fate,
        why: Option<Box<str>>,
    ) {
        queue.forget(&name);
        let Some(claims) = queue.take_out(item) else { return };
        let (txn, jti, tenant) = (claims.txn.as_str(), jti(&name), &queue.tenant);
        let stream_id = stream.stream_id.as_str();
        let after_ms = self.parts.clock.wall_ms().saturating_sub(claims.accepted_ms);
        let ended = match fate {
            Fate::Delivered => {
                tracing::info!(txn, jti, %tenant, stream_id, after_ms, "acknowledged by poll");
                DELIVERED
            }
            Fate::GaveUp => {
                let error = why.as_deref().unwrap_or_default();
                tracing::warn!(txn, jti, %tenant, stream_id, after_ms, error, "refused by poll: a dead letter");
                self.parts.operations.note(tenant.as_str(), "dead_letter", stream_id, error, 0);
                GAVE_UP
            }
        };
        self.parts.outcomes.tell(tenant, Outcome(queue.no, item.seq, item.index, fate, why));
        self.parts.metrics.polled(tenant, stream_id, ended);
    }
}
