//! Poll delivery (RFC 8936): the receiver asks, waits if it likes, and acknowledges.
//!
//! In the flow: the handler has authenticated the client and parsed the request; acknowledgements are applied
//! before anything is selected (POLL-23); what was not acknowledged is offered again, oldest first.
//! Woken only by what was published behind the durable mark. Signs outside every lock.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tokio::sync::watch;
use tokio::time::Sleep;

use super::config::Config;
use super::metrics::Metrics;
use super::reported::Said;
use super::request::PollRequest;
use super::signer::{SignedSet, Signer};
use super::waiting::{Seat, Waiting};
use crate::clock::{SharedClock, Stopwatch};
use crate::operations::Operations;
use crate::outbox::job::Offer;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::queue::Queue;
use crate::outbox::queues::Outbox;
use crate::stream::{Method, Stream};
use crate::tenant::TenantId;

/// What a SET costs in an answer beside its own bytes: name, quotes, separators.
const SET_OVERHEAD: usize = 32;
/// So long what one poll was given is not given to another that waits already.
const HANDED_OUT: Duration = Duration::from_secs(5);

/// What poll delivery works with.
pub struct Parts {
    /// What is owed.
    pub outbox: Arc<Outbox>,
    /// Names and signs.
    pub signer: Arc<Signer>,
    /// Hears how deliveries ended.
    pub outcomes: Arc<dyn Outcomes>,
    /// Time.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Metrics,
    /// Hears of dead letters.
    pub operations: Arc<Operations>,
    /// Settings.
    pub config: Config,
    /// Becomes true, or is dropped, when the hub stops: waiting polls are answered.
    pub shutdown: watch::Receiver<bool>,
}

/// Poll delivery.
pub struct Poll {
    pub(super) parts: Parts,
    waiting: Waiting,
}

/// How a poll is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PollAnswer {
    /// 200 with this JSON body.
    Sets(Vec<u8>),
    /// No such stream, or not one that is polled: 404.
    NoStream,
    /// This client has too many polls waiting: 429. What it acknowledged is acknowledged.
    TooManyWaiting {
        /// `Retry-After`, in seconds.
        retry_after_s: u32,
    },
}

/// Why waiting ended.
enum Woken {
    /// Something changed: look again.
    Changed,
    /// What another poll was given a while ago may not have been acknowledged: look at everything.
    Lapsed,
    /// Too many wait on this stream, and this one has waited longest: what there is is the others' to get.
    Replaced,
    /// Time is up, or the hub stops: answer with what there is.
    Over,
}

impl Poll {
    /// Poll delivery.
    pub fn new(parts: Parts) -> Self {
        let waiting =
            Waiting::new(parts.config.poll_waiters_per_client, parts.config.poll_waiters_per_stream);
        Self { parts, waiting }
    }

    /// The polls that wait.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Answers one poll. That the client may poll this stream is the caller's to check (POLL-29).
    pub async fn poll(&self, tenant: &TenantId, stream_id: &str, request: PollRequest) -> PollAnswer {
        let Some(queue) = self.parts.outbox.by_id(tenant, stream_id) else { return PollAnswer::NoStream };
        let Some(stream) = queue.stream().filter(|s| s.method == Method::Poll) else {
            return PollAnswer::NoStream;
        };
        self.acknowledge(&queue, &stream, &request.ack);
        self.refuse(&queue, &stream, &request.set_errs);
        let max = request.max_events.and_then(|n| usize::try_from(n).ok());
        let max = max.unwrap_or(usize::MAX).min(self.parts.config.poll_batch_max);
        let offer = if request.return_immediately {
            queue.offer(max)
        } else {
            match self.wait(&queue, &stream, max).await {
                Ok(offer) => offer,
                Err(too_many) => return too_many,
            }
        };
        match offer {
            Some(offer) => self.answer(&queue, offer).await,
            None => PollAnswer::NoStream,
        }
    }

    /// Waits until something is owed, and takes it. Only what is to be returned counts as offered. At first everything
    /// owed is looked at, then what comes: where several polls wait, one of them gets it. What that one has not
    /// acknowledged after a while is everybody's again.
    async fn wait(&self, queue: &Queue, stream: &Stream, max: usize) -> Result<Option<Offer>, PollAnswer> {
        // The waiter stands before the queue is looked at: what comes in between wakes it.
        let mut changes = queue.watch();
        let mut shutdown = self.parts.shutdown.clone();
        let timeout = tokio::time::sleep(Duration::from_millis(self.parts.config.poll_timeout_ms));
        tokio::pin!(timeout);
        let (mut turns, mut lapse, mut seat) = (None, None, None);
        loop {
            let now = changes.borrow_and_update().turns;
            let whole = turns.replace(now) != Some(now) || max == 0;
            let offer = if whole { queue.offer(max) } else { queue.offer_new(max) };
            let Some(owed) = offer else { return Ok(None) };
            if !owed.items.is_empty() || (max == 0 && owed.depth > 0) {
                return Ok(Some(owed));
            }
            if owed.depth > 0 && lapse.is_none() {
                lapse = Some(Box::pin(tokio::time::sleep(HANDED_OUT)));
            }
            let seat = match &mut seat {
                Some(seat) => seat,
                none => none.insert(self.seat(queue, stream)?),
            };
            let woken = tokio::select! {
                changed = changes.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Over },
                () = over(&mut lapse) => Woken::Lapsed,
                () = seat.lost() => Woken::Replaced,
                () = &mut timeout => Woken::Over,
                _ = shutdown.wait_for(|stop| *stop) => Woken::Over,
            };
            match woken {
                Woken::Changed => {}
                Woken::Lapsed => (turns, lapse) = (None, None),
                Woken::Replaced => return Ok(queue.offer(0)),
                Woken::Over => return Ok(queue.offer(max)),
            }
        }
    }

    fn seat(&self, queue: &Queue, stream: &Stream) -> Result<Seat<'_>, PollAnswer> {
        let seat = self.waiting.seat(&queue.tenant, &stream.client, queue.no);
        seat.ok_or(PollAnswer::TooManyWaiting { retry_after_s: 1 })
    }

    /// Signs what is offered, all at once, and writes the answer (POLL-12).
    async fn answer(&self, queue: &Queue, offer: Offer) -> PollAnswer {
        let watch = Stopwatch::start();
        let (tenant, stream) = (&queue.tenant, &offer.stream);
        let signer = &self.parts.signer;
        let together = offer.items.len();
        let signing =
            offer.items.iter().map(|(item, claims)| signer.signed(tenant, *item, claims, stream, together));
        let (mut sets, mut names, mut stuck) = (Vec::<SignedSet>::new(), Vec::new(), Vec::new());
        let (mut size, mut unready) = (0_usize, 0_usize);
        for (signed, (item, claims)) in join_all(signing).await.into_iter().zip(&offer.items) {
            // Signing took its time. Who was told "paused" meanwhile gets nothing more (STAT-08).
            if !queue.goes(stream, *item) {
                unready += 1;
                continue;
            }
            let set = match signed {
                Ok(set) => set,
                Err(error) => {
                    let (txn, stream_id) = (claims.txn.as_str(), stream.stream_id.as_str());
                    tracing::error!(txn, %tenant, stream_id, %error, "cannot sign");
                    unready += 1;
                    continue;
                }
            };
            if offer.stuck.contains(item) {
                stuck.push((claims.txn.clone(), set.jti.clone()));
            }
            size = size.saturating_add(set.compact.len() + SET_OVERHEAD);
            if size > self.parts.config.poll_batch_bytes && !sets.is_empty() {
                break;
            }
            names.push((set.name, *item));
            sets.push(set);
        }
        if let (Some((_, item)), Some(first)) = (names.first(), sets.first()) {
            let (jti, sets) = (first.jti.as_str(), Some(sets.len()));
            let ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.record(queue, Said { jti, item: *item, sets, error: None }, ms);
        }
        queue.name(names);
        self.tell_stuck(queue, stream, &stuck);
        self.parts.metrics.answered(tenant, &stream.stream_id, sets.len());
        // What cannot be signed, or must not go, is not available: asking again at once would not help.
        let more_available = offer.available > sets.len() + unready;
        let body = Body { sets: Sets(&sets), more_available };
        // Strings in a map always become JSON.
        PollAnswer::Sets(serde_json::to_vec(&body).unwrap_or_else(|_| br#"{"sets":{}}"#.to_vec()))
    }
}

/// Returns when a sleep is over; without one never.
async fn over(sleep: &mut Option<Pin<Box<Sleep>>>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// The answer's body. `moreAvailable` is left out when it is false: one receiver cannot read it.
#[derive(Serialize)]
struct Body<'a> {
    sets: Sets<'a>,
    #[serde(rename = "moreAvailable", skip_serializing_if = "std::ops::Not::not")]
    more_available: bool,
}

struct Sets<'a>(&'a [SignedSet]);

impl Serialize for Sets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for set in self.0 {
            map.serialize_entry(&set.jti, &*set.compact)?;
        }
        map.end()
    }
}
