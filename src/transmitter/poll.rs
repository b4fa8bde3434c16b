//! Poll delivery (RFC 8936): the receiver asks, waits if it likes, and acknowledges.
//!
//! In the flow: the handler has authenticated the client and parsed the request; acknowledgements are applied
//! before anything is selected (POLL-23); what was not acknowledged is offered again, oldest first.
//! Woken only by what was published behind the durable mark. Signs outside every lock.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tokio::sync::watch;

use super::answer::is_credential;
use super::config::Config;
use super::issue::{jti, name_of};
use super::metrics::{DELIVERED, GAVE_UP, Metrics};
use super::request::{PollRequest, SetErr};
use super::signer::{SignedSet, Signer};
use super::waiting::Waiting;
use crate::clock::SharedClock;
use crate::hub::effect::Item;
use crate::hub::entry::{Fate, Outcome};
use crate::operations::Operations;
use crate::outbox::job::Offer;
use crate::outbox::names::Name;
use crate::outbox::outcomes::{Outcomes, reason};
use crate::outbox::queue::Queue;
use crate::outbox::queues::Outbox;
use crate::stream::{Method, Stream};
use crate::tenant::TenantId;

/// What a SET costs in an answer beside its own bytes: name, quotes, separators.
const SET_OVERHEAD: usize = 32;

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
    parts: Parts,
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
    /// Time is up, the hub stops, or a later poll took over: answer with what there is.
    Over,
}

impl Poll {
    /// Poll delivery.
    pub fn new(parts: Parts) -> Self {
        let waiting = Waiting::new(parts.config.poll_waiters_per_client);
        Self { parts, waiting }
    }

    /// Answers one poll. That the client may poll this stream is the caller's to check (POLL-29).
    pub async fn poll(&self, tenant: &TenantId, stream_id: &str, request: PollRequest) -> PollAnswer {
        let Some(queue) = self.parts.outbox.by_id(tenant, stream_id) else { return PollAnswer::NoStream };
        let Some(stream) = queue.stream().filter(|s| s.method == Method::Poll) else {
            return PollAnswer::NoStream;
        };
        // A request that only acknowledges asks for nothing, so it takes nobody's place.
        let mine = (!request.only_acknowledges()).then(|| queue.begin_poll());
        self.acknowledge(&queue, &stream, &request.ack);
        self.refuse(&queue, &stream, &request.set_errs);
        let max = request.max_events.and_then(|n| usize::try_from(n).ok());
        let max = max.unwrap_or(usize::MAX).min(self.parts.config.poll_batch_max);
        let offer = if request.return_immediately {
            queue.offer(max)
        } else {
            match self.wait(&queue, &stream, max, mine).await {
                Ok(offer) => offer,
                Err(too_many) => return too_many,
            }
        };
        match offer {
            Some(offer) => self.answer(&queue, offer).await,
            None => PollAnswer::NoStream,
        }
    }

    /// Waits until something is owed, and takes it. Only what is to be returned counts as offered.
    async fn wait(
        &self,
        queue: &Queue,
        stream: &Stream,
        max: usize,
        mine: Option<u64>,
    ) -> Result<Option<Offer>, PollAnswer> {
        // The waiter stands before the queue is looked at: what comes in between wakes it.
        let mut changes = queue.watch();
        let mut shutdown = self.parts.shutdown.clone();
        let timeout = tokio::time::sleep(Duration::from_millis(self.parts.config.poll_timeout_ms));
        tokio::pin!(timeout);
        let mut seat = None;
        loop {
            let superseded = mine.is_some_and(|mine| changes.borrow_and_update().polls != mine);
            if superseded {
                // The later poll gets what comes; offering it twice at once would help nobody.
                return Ok(queue.offer(0));
            }
            let offer = queue.offer(max);
            if offer.as_ref().is_none_or(|o| !o.items.is_empty() || (max == 0 && o.depth > 0)) {
                return Ok(offer);
            }
            if seat.is_none() {
                let taken = self.waiting.seat(&queue.tenant, &stream.client, queue.no);
                seat = Some(taken.ok_or(PollAnswer::TooManyWaiting { retry_after_s: 1 })?);
            }
            let woken = tokio::select! {
                changed = changes.changed() => if changed.is_ok() { Woken::Changed } else { Woken::Over },
                () = &mut timeout => Woken::Over,
                _ = shutdown.wait_for(|stop| *stop) => Woken::Over,
            };
            if let Woken::Over = woken {
                return Ok(queue.offer(max));
            }
        }
    }

    /// Signs what is offered, all at once, and writes the answer (POLL-12).
    async fn answer(&self, queue: &Queue, offer: Offer) -> PollAnswer {
        let (tenant, stream) = (&queue.tenant, &offer.stream);
        let signer = &self.parts.signer;
        let together = offer.items.len();
        let signing =
            offer.items.iter().map(|(item, claims)| signer.signed(tenant, *item, claims, stream, together));
        let (mut sets, mut names, mut size, mut unsigned) = (Vec::new(), Vec::new(), 0_usize, 0_usize);
        for (signed, (item, claims)) in join_all(signing).await.into_iter().zip(&offer.items) {
            let set = match signed {
                Ok(set) => set,
                Err(error) => {
                    let (txn, stream_id) = (claims.txn.as_str(), stream.stream_id.as_str());
                    tracing::error!(txn, %tenant, stream_id, %error, "cannot sign");
                    unsigned += 1;
                    continue;
                }
            };
            if offer.stuck.contains(item) {
                let (txn, jti, stream_id) =
                    (claims.txn.as_str(), set.jti.as_str(), stream.stream_id.as_str());
                tracing::warn!(txn, jti, %tenant, stream_id, "offered often, neither acknowledged nor refused");
            }
            size = size.saturating_add(set.compact.len() + SET_OVERHEAD);
            if size > self.parts.config.poll_batch_bytes && !sets.is_empty() {
                break;
            }
            names.push((set.name, *item));
            sets.push(set);
        }
        queue.name(names);
        self.parts.metrics.answered(tenant, &stream.stream_id, sets.len());
        // What cannot be signed is not available: asking again at once would not help.
        let more_available = offer.depth > sets.len() + unsigned;
        let body = Body { sets: Sets(&sets), more_available };
        // Strings in a map always become JSON.
        PollAnswer::Sets(serde_json::to_vec(&body).unwrap_or_else(|_| br#"{"sets":{}}"#.to_vec()))
    }

    fn acknowledge(&self, queue: &Queue, stream: &Stream, acks: &[String]) {
        for jti in acks {
            if let Some(named) = self.item_of(queue, stream, jti) {
                self.over(queue, stream, named, Fate::Delivered, None);
            }
        }
    }

    /// What the receiver refuses: for good, unless it speaks of a credential (AMB-30).
    fn refuse(&self, queue: &Queue, stream: &Stream, set_errs: &[SetErr]) {
        for SetErr { jti, err } in set_errs {
            let Some(named) = self.item_of(queue, stream, jti) else { continue };
            if self.parts.signer.was_revoked(&queue.tenant, named.1, stream) {
                let (tenant, stream_id) = (&queue.tenant, stream.stream_id.as_str());
                tracing::warn!(jti, %tenant, stream_id, error = %reason("", err), "refused under a revoked key: signed anew");
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
