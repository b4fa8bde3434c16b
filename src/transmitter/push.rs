//! Push delivery (RFC 8935): one task per push stream, several posts at once, each of another subject.
//!
//! In the flow: asks the destination for a place, takes from the stream's queue, signs (or relays the original),
//! posts, and tells how it ended (`landed`). Order is kept per subject across retries and dead letters. What happens if we crash
//! on any line here: the item is still owed, and goes out again under the same name. Never logs a body or a secret.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use tokio::sync::watch;

use super::config::Config;
use super::credential::Credential;
use super::metrics::Metrics;
use super::report::Report;
use super::signer::Signer;
use super::site::Site;
use crate::clock::{SharedChance, SharedClock};
use crate::egress::Egress;
use crate::keys::vault::Keys;
use crate::operations::Operations;
use crate::outbox::destination::Pass;
use crate::outbox::destinations::Destinations;
use crate::outbox::job::{Job, Todo};
use crate::outbox::lanes::Limits;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::pace::{Class, Pace};
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
    pub(super) pace: Pace,
    pub(super) limits: Limits,
    pub(super) report: Report,
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
}

/// Sleeps; without a duration for ever, so that only other events wake.
async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
