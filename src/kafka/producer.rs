//! librdkafka's producer with a tracker of what the broker has acknowledged.
//!
//! In the flow: `run` sends through it and reads the watermark. Sending never blocks: a full queue is told to
//! the caller. A producer of which a delivery failed is done for; its successor sends again from the watermark.
//! Never logs what librdkafka says above debug: the one line for an operator is `link`'s.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;

use super::fault::{Fault, Kind};
use super::link::Health;
use super::topics::Topic;
use super::tracker::{Mark, Tracker};
use super::wake::Wake;
use super::wire::Message;

/// Messages in flight, at most.
pub const WINDOW: usize = 10_000;
/// How long the broker may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long closing may take to send what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a message was not taken, or the broker not reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue is full: try again later.
    #[error("the queue is full")]
    Full,
    /// Larger than `message.max.bytes`: it can never be sent.
    #[error("the message is larger than message.max.bytes")]
    TooLarge,
    /// Anything else; the producer should be replaced.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    /// The broker is there, but these topics are not.
    #[error("topics are missing and create_topics is off, or they are not visible: {}", .0.join(", "))]
    Missing(Vec<String>),
}

impl Error {
    /// Whose it is to mend.
    pub fn fault(&self) -> Fault {
        let kind = match self {
            Self::Full => Kind::Away,
            Self::TooLarge => Kind::TooLarge,
            Self::Missing(_) => Kind::Topic,
            // A client that cannot be made at all: a certificate that can't be read, for example.
            Self::Kafka(KafkaError::ClientCreation(_)) => Kind::Tls,
            Self::Kafka(error) => Kind::of(error.rdkafka_error_code()),
        };
        Fault { kind, why: self.to_string() }
    }
}

struct Context {
    tracker: Mutex<Tracker>,
    /// All connections were lost since it was last asked.
    doubt: AtomicBool,
    /// What a connection met last: says more than the time-out that follows from it.
    complaint: Mutex<Option<Fault>>,
    /// One message at a time is sent: what the broker says is about that one.
    alone: AtomicBool,
    health: Arc<Health>,
    wake: Arc<Wake>,
}

impl Context {
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, fault: Fault) {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// The broker gave a message up: whether it can be left out, for it was sent alone and is too large.
    fn is_left_out(&self, code: Option<RDKafkaErrorCode>) -> bool {
        Kind::of(code) == Kind::TooLarge && self.alone.load(Ordering::Acquire)
    }
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "librdkafka", facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        let code = error.rdkafka_error_code();
        // That all are down sums up what was said of each before.
        if !matches!(code, Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Fatal)) {
            self.complain(Fault::new(code, reason));
        }
        match code {
            // librdkafka mends one lost broker by itself.
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Authentication) => {
                self.doubt.store(true, Ordering::Release);
                self.wake.ring();
            }
            // An idempotent producer that lost its place takes nothing any more.
            Some(RDKafkaErrorCode::Fatal) => {
                self.tracker().fail(reason.to_owned());
                self.wake.ring();
            }
            _ => {}
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Mark;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: Mark) {
        let mut tracker = self.tracker();
        match result {
            Ok(_) => {
                self.health.sent.fetch_add(1, Ordering::Relaxed);
                tracker.acked(mark);
            }
            Err((error, message)) if self.is_left_out(error.rdkafka_error_code()) => {
                let (topic, size_bytes) = (message.topic(), message.payload_len());
                tracing::error!(%error, topic, size_bytes, "kafka: the broker refuses a message; it is left out");
                self.health.refused.fetch_add(1, Ordering::Relaxed);
                tracker.unsent();
                tracker.settle(mark);
            }
            Err((error, _)) => {
                let code = error.rdkafka_error_code();
                // Purged by our own closing: what is not acknowledged is simply sent again by the next.
                let purged = [Some(RDKafkaErrorCode::PurgeQueue), Some(RDKafkaErrorCode::PurgeInflight)];
                if !purged.contains(&code) {
                    self.health.failed.fetch_add(1, Ordering::Relaxed);
                }
                // A time-out only says that what a connection met did not pass.
                if Kind::of(code) != Kind::Away {
                    self.complain(Fault::new(code, error.to_string()));
                }
                tracker.lost(error.to_string());
            }
        }
        let in_flight = tracker.in_flight();
        if in_flight == 0 || in_flight == WINDOW / 2 || tracker.failed().is_some() {
            self.wake.ring();
        }
    }
}

/// A producer; one life of it.
pub struct Producer {
    inner: ThreadedProducer<Context>,
    context: Arc<Context>,
    names: [(Topic, String); 3],
}

impl Producer {
    /// Makes a producer; connects in the background.
    ///
    /// # Errors
    /// [`Error::Kafka`]: a certificate that can't be read, for example.
    pub fn open(
        config: &ClientConfig,
        prefix: &str,
        health: Arc<Health>,
        wake: Arc<Wake>,
    ) -> Result<Self, Error> {
        let (tracker, complaint) = (Mutex::default(), Mutex::default());
        let (doubt, alone) = (AtomicBool::new(false), AtomicBool::new(false));
        let context = Context { tracker, doubt, complaint, alone, health, wake };
        let inner = ThreadedProducer::from_config_and_context(config, context)?;
        let context = inner.client().context().clone();
        Ok(Self { inner, context, names: Topic::ALL.map(|topic| (topic, topic.name(prefix))) })
    }

    /// Announces a step of so many messages. Marks count from 1 and increase.
    pub fn expect(&self, mark: Mark, messages: usize) {
        self.context.tracker().expect(mark, messages);
    }

    /// Queues one message of an announced step; never blocks.
    ///
    /// # Errors
    /// [`Error::Full`]: try again later. [`Error::TooLarge`]: never (see [`Producer::skip`]). Else: replace the
    /// producer.
    pub fn send(&self, message: &Message, mark: Mark) -> Result<(), Error> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value.as_str()) });
        }
        let mut record: BaseRecord<'_, [u8], [u8], Mark> =
            BaseRecord::with_opaque_to(self.name(message.topic), mark)
                .key(message.key.as_slice())
                .headers(headers);
        record.payload = message.payload.as_deref();
        // Counted first: the report may come before `send` returns.
        self.context.tracker().sent();
        self.inner.send(record).map_err(|(error, _)| {
            self.context.tracker().unsent();
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => Error::Full,
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => Error::TooLarge,
                _ => Error::Kafka(error),
            }
        })
    }

    /// Whether one message at a time is sent from now on. One that is refused then for its size is left out.
    pub fn set_alone(&self, alone: bool) {
        self.context.alone.store(alone, Ordering::Release);
    }

    /// What keeps this producer from delivering: what ended it, else what its connections met, else `why`.
    pub fn fault(&self, why: &str) -> Fault {
        if let Some((code, text)) = self.inner.client().fatal_error() {
            return Fault::new(Some(code), text);
        }
        let complaint = self.context.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        complaint.unwrap_or_else(|| Fault::new(None, why))
    }

    /// Leaves a message of `mark` out for good.
    pub fn skip(&self, mark: Mark) {
        self.context.health.refused.fetch_add(1, Ordering::Relaxed);
        self.context.tracker().settle(mark);
    }

    /// Declares this producer done for.
    pub fn fail(&self, why: String) {
        self.context.tracker().fail(why);
    }

    /// The highest mark up to which the broker has everything.
    pub fn watermark(&self) -> Mark {
        self.context.tracker().watermark()
    }

    /// Messages queued and not reported on.
    pub fn in_flight(&self) -> usize {
        self.context.tracker().in_flight()
    }

    /// Whether the broker has acknowledged anything that this producer sent.
    pub fn has_delivered(&self) -> bool {
        self.context.tracker().has_delivered()
    }

    /// Why a delivery failed, if one did: drop this producer and send again from the watermark.
    pub fn failed(&self) -> Option<String> {
        self.context.tracker().failed().map(str::to_owned)
    }

    /// Whether all connections were lost since this was last asked; idle ones are closed by brokers too.
    pub fn take_doubt(&self) -> bool {
        self.context.doubt.swap(false, Ordering::AcqRel)
    }

    /// Asks the cluster for its topics; up to 2 s. Creates none.
    ///
    /// # Errors
    /// [`Error::Kafka`] when nobody answers, [`Error::Missing`] when one of ours is not there.
    pub fn probe(&self) -> Result<(), Error> {
        let metadata = self.inner.client().fetch_metadata(None, PROBE_TIMEOUT)?;
        let there = |name: &str| metadata.topics().iter().any(|topic| topic.name() == name);
        let missing: Vec<String> =
            self.names.iter().map(|(_, name)| name).filter(|name| !there(name)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
    }

    /// Sends what is queued, for 5 s at most; what is not acknowledged by then stays above the watermark.
    pub fn flush(&self) {
        if let Err(error) = self.inner.flush(Timeout::After(FLUSH_TIMEOUT)) {
            tracing::warn!(%error, "kafka: closed with messages that are not acknowledged; they go out again");
        }
    }

    fn name(&self, topic: Topic) -> &str {
        self.names.iter().find(|(t, _)| *t == topic).map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
#[path = "producer_tests.rs"]
pub(super) mod tests;
