//! Push delivery (RFC 8935): one task per push stream, several posts at once, each of another subject.
//!
//! In the flow: takes from the stream's queue, signs, posts, and tells how it ended. Order is kept per subject
//! across retries and dead letters. What happens if we crash on any line here: the item is still
//! owed, and goes out again under the same name. Never follows a redirect, never logs a body or a secret.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::watch;

use super::answer::Answer;
use super::config::Config;
use super::credential::Credential;
use super::metrics::{DELIVERED, FAILED, GAVE_UP, Metrics, OK};
use super::signer::Signer;
use crate::clock::{SharedChance, SharedClock, Stopwatch};
use crate::egress::{Egress, Outbound};
use crate::hub::entry::{Fate, Outcome};
use crate::keys::vault::Keys;
use crate::outbox::attempts::Attempt;
use crate::outbox::job::{Job, Landing, Todo};
use crate::outbox::lanes::Limits;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::pace::{Class, Pace, Verdict};
use crate::outbox::queue::Queue;
use crate::outbox::queues::Outbox;
use crate::stream::Stream;

/// How much of a receiver's answer is read, in bytes: enough for an error object.
pub const ANSWER_MAX: usize = 64 << 10;

/// Starts a named task that shutdown knows of.
pub type Spawn = Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) + Send + Sync>;

/// What push delivery works with.
pub struct Parts {
    /// What is owed.
    pub outbox: Arc<Outbox>,
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
    /// Settings.
    pub config: Config,
    /// Starts the streams' tasks.
    pub spawn: Spawn,
    /// Becomes true, or is dropped, when the hub stops.
    pub shutdown: watch::Receiver<bool>,
}

/// Push delivery.
pub struct Push {
    parts: Parts,
    pace: Pace,
    limits: Limits,
}

/// How one post went.
struct Posted {
    job: Job,
    jti: String,
    /// The key that signed it; empty where it was not signed.
    kid: Arc<str>,
    status: Option<u16>,
    duration_ms: u64,
    answer: Answer,
}

impl Push {
    /// Push delivery, not yet running.
    pub fn new(parts: Parts) -> Arc<Self> {
        let pace = Pace::new(parts.config.retry.clone());
        let limits = parts.config.limits();
        Arc::new(Self { parts, pace, limits })
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
        let mut posts = FuturesUnordered::new();
        loop {
            // Marked as seen before the queue is looked at: what comes in between wakes us again.
            changes.borrow_and_update();
            let wake_ms = loop {
                match queue.next(self.parts.clock.boot_ms(), &self.limits) {
                    Todo::Send(job) => {
                        let headers = self.headers(queue, &job.stream, &mut credential);
                        posts.push(self.post(queue, job, headers));
                    }
                    Todo::Wait(until) => break until,
                    Todo::Closed => return,
                }
            };
            let wait = wake_ms.map(|until| self.until(until));
            tokio::select! {
                Some(posted) = posts.next(), if !posts.is_empty() => {
                    if self.land(queue, posted) == Some(Class::Credential) {
                        credential = Credential::default();
                    }
                }
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep(wait) => {}
                _ = shutdown.wait_for(|stop| *stop) => break,
            }
        }
        while let Some(posted) = posts.next().await {
            self.land(queue, posted);
        }
    }

    fn until(&self, boot_ms: i64) -> Duration {
        let ms = boot_ms.saturating_sub(self.parts.clock.boot_ms());
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// The request's header fields (PUSH-02, 03, 06, 07); `None` when the configured secret is missing.
    fn headers(&self, queue: &Queue, stream: &Stream, credential: &mut Credential) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let Some(id) = &stream.authorization_secret else { return Some(headers) };
        let now_ms = self.parts.clock.boot_ms();
        headers.insert(AUTHORIZATION, credential.value(&self.parts.keys, &queue.tenant, id, now_ms)?);
        Some(headers)
    }

    /// One POST of one SET (PUSH-01, PUSH-04).
    async fn post(&self, queue: &Queue, job: Job, headers: Option<HeaderMap>) -> Posted {
        let watch = Stopwatch::start();
        let done = |job, (jti, kid), status, answer| {
            let duration_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
            Posted { job, jti, kid, status, duration_ms, answer }
        };
        let set = match self.parts.signer.signed(&queue.tenant, job.item, &job.claims, &job.stream).await {
            Ok(set) => set,
            Err(error) => {
                tracing::error!(tenant = %queue.tenant, stream_id = job.stream.stream_id, %error, "cannot sign");
                let answer = Answer::of_signer(&error);
                return done(job, (String::new(), "".into()), None, answer);
            }
        };
        let named = (set.jti, set.kid);
        let Some(headers) = headers else { return done(job, named, None, Answer::no_secret()) };
        let stream = Arc::clone(&job.stream);
        let outbound = Outbound {
            method: Method::POST,
            url: stream.endpoint_url.as_deref().unwrap_or_default(),
            headers,
            body: set.compact.as_bytes().to_vec(),
            max_response_bytes: ANSWER_MAX,
            timeout_ms: Some(self.parts.config.push_timeout_ms),
        };
        match self.parts.egress.send(outbound).await {
            Ok(got) => {
                let wall_ms = self.parts.clock.wall_ms();
                let answer = Answer::of_http(got.status, &got.headers, &got.body, wall_ms);
                done(job, named, Some(got.status), answer)
            }
            Err(error) => done(job, named, None, Answer::of_egress(&error)),
        }
    }

    /// A post is over: what follows from it. The class of its failure.
    fn land(&self, queue: &Queue, posted: Posted) -> Option<Class> {
        let now_ms = self.parts.clock.boot_ms();
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
        let owed = queue.land(job.item, job.claims.subject, landing, now_ms, &self.limits);
        if owed {
            self.tell(queue, &posted, landing);
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

    fn tell(&self, queue: &Queue, posted: &Posted, landing: Landing) {
        let (fate, ended) = match (landing, &posted.answer) {
            (Landing::Retry { .. }, _) => return,
            (_, Answer::Taken) => (Fate::Delivered, DELIVERED),
            _ => (Fate::GaveUp, GAVE_UP),
        };
        let item = posted.job.item;
        let why = posted.answer.reason().map(Into::into);
        self.parts.outcomes.tell(&queue.tenant, Outcome(queue.no, item.seq, item.index, fate, why));
        self.parts.metrics.pushed(&queue.tenant, &posted.job.stream.stream_id, ended);
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
