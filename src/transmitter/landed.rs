//! What follows from a post that is over: delivered, tried again, given up, or never sent.
//!
//! In the flow: behind `post`, called by the stream's task in `push`. The queue is told first, then everybody else; each
//! attempt is one line, one counter, one place in the ring.

use std::sync::Arc;

use super::answer::Answer;
use super::metrics::{FAILED, OK};
use super::post::Posted;
use super::push::Push;
use crate::outbox::attempts::Attempt;
use crate::outbox::job::{Job, Landing};
use crate::outbox::pace::{Class, Verdict};
use crate::outbox::queue::Queue;

impl Push {
    /// A post is over: what follows from it. The class of its failure.
    pub(super) fn land(&self, queue: &Queue, mut posted: Posted) -> Option<Class> {
        let now_ms = self.parts.clock.boot_ms();
        if let Some(change) = posted.pass.take().and_then(|pass| pass.land(posted.went, now_ms)) {
            self.report.gate(&change);
        }
        let job = &posted.job;
        if posted.held_back {
            queue.put_back(job.item, job.claims.subject);
            return None;
        }
        let (landing, class) = match &posted.answer {
            Answer::Taken => (Landing::OverWell, None),
            // Its key was revoked while it was on its way: that is what was refused. It goes again, signed anew.
            Answer::Failed { .. } if self.parts.signer.is_revoked(&queue.tenant, &posted.kid) => {
                let (tries, due_ms) = (job.tries, now_ms);
                let again = Landing::Retry { tries, due_ms, floor_ms: now_ms, holds: false };
                (again, Some(Class::Transient))
            }
            Answer::Failed { class, retry_after_ms, .. } => {
                let class = if self.is_of_a_new_key(queue, &posted) { Class::Transient } else { *class };
                let holds = matches!(posted.status, Some(429 | 503)) && retry_after_ms.is_some();
                (self.after(queue, job, class, now_ms, (*retry_after_ms, holds)), Some(class))
            }
        };
        let was_braked = queue.is_braked(&self.limits);
        let owed = queue.land(job.item, job.claims.subject, landing, now_ms, &self.limits);
        self.report.brake(queue, &job.stream, was_braked, queue.is_braked(&self.limits));
        if owed {
            self.report.tell(queue, &posted, landing);
        }
        self.record(queue, &posted, landing);
        class
    }

    /// Whether a receiver may have refused it because the JWKS that it keeps does not hold the key yet.
    fn is_of_a_new_key(&self, queue: &Queue, posted: &Posted) -> bool {
        posted.answer.may_mean_key() && self.parts.signer.may_be_unknown(&queue.tenant, &posted.kid)
    }

    fn after(
        &self,
        queue: &Queue,
        job: &Job,
        class: Class,
        now_ms: i64,
        (asked_ms, holds): (Option<u64>, bool),
    ) -> Landing {
        let mut tries = job.tries;
        match self.pace.after(&mut tries, class, now_ms, asked_ms, &*self.parts.chance) {
            Verdict::Retry { due_ms, floor_ms } => {
                // The stream was changed while this post was on its way: the failure is the old one's.
                let changed = queue.stream().is_some_and(|now| !Arc::ptr_eq(&now, &job.stream));
                let due_ms = if changed { floor_ms } else { due_ms };
                Landing::Retry { tries, due_ms, floor_ms, holds: holds && !changed }
            }
            // The receiver answered, about this very SET: it is up.
            Verdict::GiveUp if class == Class::Structural => Landing::OverWell,
            Verdict::GiveUp => Landing::OverFailed,
        }
    }

    /// One line, one counter, one place in the ring.
    fn record(&self, queue: &Queue, posted: &Posted, landing: Landing) {
        let (job, wall_ms) = (&posted.job, self.parts.clock.wall_ms());
        let stream_id = job.stream.stream_id.as_str();
        let taken = posted.answer == Answer::Taken;
        self.parts.metrics.attempted(&queue.tenant, stream_id, if taken { OK } else { FAILED });
        queue.attempts.push(Attempt {
            at_ms: wall_ms,
            jti: posted.jti.clone(),
            sets: None,
            attempt: job.tries.count,
            status: posted.status,
            duration_ms: posted.duration_ms,
            error: posted.answer.reason().map(Into::into),
        });
        let (txn, jti, tenant) = (job.claims.txn.as_str(), posted.jti.as_str(), &queue.tenant);
        let (status, attempt) = (posted.status.unwrap_or(0), job.tries.count);
        let after_ms = wall_ms.saturating_sub(job.claims.accepted_ms);
        let error = posted.answer.reason().unwrap_or_default();
        match landing {
            _ if taken => {
                tracing::info!(txn, jti, %tenant, stream_id, status, attempt, after_ms, "pushed");
            }
            Landing::Retry { due_ms, .. } => {
                let retry_in_ms = due_ms.saturating_sub(self.parts.clock.boot_ms());
                tracing::warn!(
                    txn, jti, %tenant, stream_id, status, attempt, after_ms, error, retry_in_ms, "push failed"
                );
            }
            _ => tracing::warn!(
                txn, jti, %tenant, stream_id, status, attempt, after_ms, error, "push gave up: a dead letter"
            ),
        }
    }
}
