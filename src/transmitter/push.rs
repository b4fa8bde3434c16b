//! Push delivery (RFC 8935): one task per push stream, several posts at once, each of another subject.
//!
//! In the flow: asks the destination for a place, takes from the stream's queue, signs (or relays the original),
//! posts, and tells how it ended. Order is kept per subject across retries and dead letters. What happens if we crash
//! on any line here: the item is still owed, and goes out again under the same name. Never logs a body or a secret.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use tokio::sync::watch;

use super::answer::Answer;
use super::config::Config;
use super::credential::Credential;
use super::metrics::{FAILED, Metrics, OK};
use super::post::Posted;
use super::report::Report;
use super::signer::Signer;
use super::site::Site;
use crate::clock::{SharedChance, SharedClock};
use crate::egress::Egress;
use crate::keys::vault::Keys;
use crate::operations::Operations;
use crate::outbox::attempts::Attempt;
use crate::outbox::destination::Pass;
use crate::outbox::destinations::Destinations;
use crate::outbox::job::{Job, Landing, Todo};
use crate::outbox::lanes::Limits;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::pace::{Class, Pace, Verdict};
use crate::outbox::queue::Queue;
use crate::outbox::queues::Outbox;

/// Starts a named task that shutdown knows of.
pub type Spawn = Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) + Send + Sync>;

/// What push delivery works with.
pub struct Parts {
    /// What is owed.
    pub outbox: Arc<Outbox>,
    /// Where to, and how much of it at once.
    pub destinations: Arc<Destinations>,
    /// Names and signs.
    pub signer: Arc<Signer>,
    /// Posts.
    pub egress: Arc<Egress>,
    /// Holds the receivers' `Authorization` values.
    pub keys: Arc<Keys>,
    /// Hears how deliveries ended.
    pub outcomes: Arc<dyn Outcomes>,
    /// Time.
    pub clock: SharedClock,
    /// Jitter.
    pub chance: SharedChance,
    /// Counters.
    pub metrics: Metrics,
    /// Hears what push does on its own.
    pub operations: Arc<Operations>,
    /// Settings.
    pub config: Config,
    /// Starts the streams' tasks.
    pub spawn: Spawn,
    /// Becomes true, or is dropped, when the hub stops.
    pub shutdown: watch::Receiver<bool>,
}

/// Push delivery.
pub struct Push {
    pub(super) parts: Parts,
    pace: Pace,
    limits: Limits,
    report: Report,
}

/// What a stream's task does after it has sent what may go.
enum Next {
    /// Nothing before this (ms since boot), or before something changes.
    Wait(Option<i64>),
    /// The stream is gone.
    Closed,
}

impl Push {
    /// Push delivery, not yet running.
    pub fn new(parts: Parts) -> Arc<Self> {
        let pace = Pace::new(parts.config.retry.clone());
        let limits = parts.config.limits();
        let report = Report {
            outcomes: Arc::clone(&parts.outcomes),
            metrics: parts.metrics.clone(),
            operations: Arc::clone(&parts.operations),
        };
        Arc::new(Self { parts, pace, limits, report })
    }

    /// Starts a task for each push stream that there is or comes, until shutdown.
    pub async fn run(self: Arc<Self>) {
        let mut shutdown = self.parts.shutdown.clone();
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                queues = self.parts.outbox.arrivals() => {
                    for queue in queues {
                        let push = Arc::clone(&self);
                        (self.parts.spawn)("push", Box::pin(async move { push.stream(&queue).await }));
                    }
                }
            }
        }
    }

    /// Delivers one stream until it is taken away or the hub stops; then waits for what is in flight.
    async fn stream(&self, queue: &Queue) {
        let mut shutdown = self.parts.shutdown.clone();
        let mut changes = queue.watch();
        let mut credential = Credential::default();
        let mut site = Site::default();
        let mut posts = FuturesUnordered::new();
        loop {
            // Marked as seen before the queue is looked at: what comes in between wakes us again.
            changes.borrow_and_update();
            let begin = |job: Job, pass, headers| posts.push(self.post(queue, job, pass, headers));
            let wake_ms = match self.send_what_may_go(queue, &mut site, &mut credential, begin) {
                Next::Wait(until) => until,
                Next::Closed => return,
            };
            let wait = wake_ms.map(|until| self.until(until));
            tokio::select! {
                Some(posted) = posts.next(), if !posts.is_empty() => {
                    if self.land(queue, posted) == Some(Class::Credential) {
                        credential = Credential::default();
                    }
                }
                changed = changes.changed() => if changed.is_err() { return },
                () = site.rung() => {}
                () = sleep(wait) => {}
                _ = shutdown.wait_for(|stop| *stop) => break,
            }
        }
        drop(site);
        while let Some(posted) = posts.next().await {
            self.land(queue, posted);
        }
    }

    /// Takes from the queue while the destination has places. No place is held when this returns but by posts.
    fn send_what_may_go(
        &self,
        queue: &Queue,
        site: &mut Site,
        credential: &mut Credential,
        mut begin: impl FnMut(Job, Option<Pass>, Option<HeaderMap>),
    ) -> Next {
        loop {
            let now_ms = self.parts.clock.boot_ms();
            let stream = queue.stream();
            let admitted = match stream.as_deref() {
                Some(stream) if queue.depth() > 0 => site.ask(&self.parts.destinations, stream, now_ms),
                Some(_) => {
                    site.leave();
                    return Next::Wait(None);
                }
                // Not configured yet, or taken away: the queue knows which.
                None => Ok((None, None)),
            };
            let (pass, retries_at_ms) = match admitted {
                Ok(admitted) => admitted,
                Err(until) => return Next::Wait(until),
            };
            let limits = Limits { retries: retries_at_ms.is_none(), ..self.limits };
            match queue.next(now_ms, &limits) {
                Todo::Send(job) => {
                    // Reconfigured in this moment: a place at the old destination is none at the new one.
                    let same = stream.is_some_and(|stream| Arc::ptr_eq(&stream, &job.stream));
                    let pass = pass.filter(|_| same);
                    if let Some(pass) = &pass {
                        pass.sent(job.tries.count > 1);
                    }
                    let headers = self.headers(queue, &job.stream, credential);
                    begin(job, pass, headers);
                }
                Todo::Wait(until) => return Next::Wait(until.map(|at| at.max(retries_at_ms.unwrap_or(at)))),
                Todo::Closed => return Next::Closed,
            }
        }
    }

    fn until(&self, boot_ms: i64) -> Duration {
        let ms = boot_ms.saturating_sub(self.parts.clock.boot_ms());
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// A post is over: what follows from it. The class of its failure.
    fn land(&self, queue: &Queue, mut posted: Posted) -> Option<Class> {
        let now_ms = self.parts.clock.boot_ms();
        if let Some(change) = posted.pass.take().and_then(|pass| pass.land(posted.went, now_ms)) {
            self.report.gate(&change);
        }
        let job = &posted.job;
        let (landing, class) = match &posted.answer {
            Answer::Taken => (Landing::OverWell, None),
            // Its key was revoked while it was on its way: that is what was refused. It goes again, signed anew.
            Answer::Failed { .. } if self.parts.signer.is_revoked(&queue.tenant, &posted.kid) => {
                let again = Landing::Retry { tries: job.tries, due_ms: now_ms, floor_ms: now_ms };
                (again, Some(Class::Transient))
            }
            Answer::Failed { class, retry_after_ms, .. } => {
                (self.after(queue, job, *class, now_ms, *retry_after_ms), Some(*class))
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

    fn after(&self, queue: &Queue, job: &Job, class: Class, now_ms: i64, asked_ms: Option<u64>) -> Landing {
        let mut tries = job.tries;
        match self.pace.after(&mut tries, class, now_ms, asked_ms, &*self.parts.chance) {
            Verdict::Retry { due_ms, floor_ms } => {
                // The stream was changed while this post was on its way: the failure is the old one's.
                let changed = queue.stream().is_some_and(|now| !Arc::ptr_eq(&now, &job.stream));
                Landing::Retry { tries, due_ms: if changed { floor_ms } else { due_ms }, floor_ms }
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

/// Sleeps; without a duration for ever, so that only other events wake.
async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
