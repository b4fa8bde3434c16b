//! One real Apache Kafka broker (with its own controller) on `ADDRESS:9092`, and a plain client of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tempfile::TempDir;

use super::{address::Address, install, leash::Leash};

const PAUSE: Duration = Duration::from_millis(20);

/// Who may do everything on a secured broker: user and password.
pub const SECURED_USER: (&str, &str) = ("hub", "hub-broker-password-4711");
/// Whom a secured broker knows and allows nothing.
pub const SECURED_GUEST: (&str, &str) = ("guest", "guest-broker-password-4711");

/// One record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    /// None is a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

/// A broker; ends when dropped, and its data with it.
pub struct Kafka {
    leash: Option<Leash>,
    address: Address,
    data: TempDir,
    /// Has a listener that asks for a password, and an authorizer.
    secured: bool,
}

impl Kafka {
    /// A new, empty broker, ready to serve (about 2 s). Topics are never made by themselves.
    pub async fn start() -> Self {
        let mut kafka = Self::claim().await;
        kafka.restart().await;
        kafka
    }

    /// A new, empty broker that does not run yet: nothing listens on its address before [`Kafka::restart`].
    pub async fn claim() -> Self {
        install::install("kafka").await;
        let data = TempDir::new_in(install::unpacked()).expect("a folder for Kafka's data");
        Self { leash: None, address: Address::claim(), data, secured: false }
    }

    /// A new, empty broker whose second listener (SASL_PLAINTEXT, mechanism PLAIN) knows [`SECURED_USER`], who may do
    /// everything, and [`SECURED_GUEST`], who may do nothing. The first one stays open, for the test itself.
    pub async fn start_secured() -> Self {
        let mut kafka = Self { secured: true, ..Self::claim().await };
        kafka.restart().await;
        kafka
    }

    /// `bootstrap.servers` of clients that have a password.
    pub fn secured_bootstrap(&self) -> String {
        assert!(self.secured, "this broker asks nobody for a password");
        self.address.port(9094).to_string()
    }

    /// `bootstrap.servers` of its clients.
    pub fn bootstrap(&self) -> String {
        self.address.port(9092).to_string()
    }

    /// Ends it in good order (SIGTERM).
    pub async fn stop(&mut self) {
        self.end("TERM").await;
    }

    /// Ends it at once (SIGKILL). It comes back only after its old session ran out (some 3 s).
    pub async fn kill(&mut self) {
        self.end("KILL").await;
    }

    async fn end(&mut self, signal: &str) {
        let mut leash = self.leash.take().expect("a broker that runs");
        leash.signal(signal);
        leash.ended(90).await;
    }

    /// Starts it again on the same address and data.
    pub async fn restart(&mut self) {
        let argv = [
            install::folder().join("kafka/run.sh").into_os_string(),
            install::unpacked().join("kafka").into_os_string(),
            self.address.ip.to_string().into(),
            self.data.path().as_os_str().to_owned(),
            (if self.secured { "secured" } else { "single" }).into(),
        ];
        let mut leash = Leash::start(&argv, &self.data.path().join("broker.log"));
        leash.serves(self.address.port(9092), 180).await;
        self.leash = Some(leash);
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("message.timeout.ms", "60000");
        config
    }

    /// Makes topics of one partition each. Panics when one can't be made.
    pub async fn create_topics(&self, names: &[&str]) {
        self.create_topics_with(names, 1, &[]).await;
    }

    /// Makes topics with so many partitions and these settings (`cleanup.policy`, …).
    pub async fn create_topics_with(&self, names: &[&str], partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let topics: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| {
                let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
                settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let options = AdminOptions::new()
            .operation_timeout(Some(Duration::from_secs(60)))
            .request_timeout(Some(Duration::from_secs(60)));
        for made in admin.create_topics(&topics, &options).await.expect("an answer of the broker") {
            made.expect("the topic");
        }
    }

    /// Writes one record and waits for the acknowledgement of it; gives partition and offset.
    pub async fn produce(
        &self,
        topic: &str,
        key: &str,
        value: &[u8],
        headers: &[(&str, &str)],
    ) -> (i32, i64) {
        let producer: FutureProducer = self.client().create().expect("a producer");
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, &(key, value)| all.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(topic).key(key).payload(value).headers(headers);
        let delivered = producer.send(record, Duration::from_secs(60)).await.map_err(|(error, _)| error);
        let delivered = delivered.expect("an acknowledgement");
        (delivered.partition, delivered.offset)
    }

    /// The first `n` records of a topic (by arrival here; in order within a partition), without a consumer group and
    /// committed ones only. Panics, showing what did come, when they are not there by the deadline.
    pub async fn consume(&self, topic: &str, n: usize, deadline: Duration) -> Vec<Message> {
        let (mut found, whole) = (Vec::new(), AtomicBool::new(false));
        if tokio::time::timeout(deadline, self.read(topic, n, &mut found, &whole)).await.is_err() {
            panic!("{} of {n} records in {topic} after {deadline:?}: {found:?}", found.len());
        }
        found
    }

    /// All that a topic holds now and what comes within `wait`. Panics when the end of it is not reached by the deadline.
    pub async fn consume_all(&self, topic: &str, wait: Duration, deadline: Duration) -> Vec<Message> {
        let (mut found, whole) = (Vec::new(), AtomicBool::new(false));
        let waiting = async {
            tokio::time::sleep(wait).await;
            while !whole.load(Ordering::Relaxed) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let over = tokio::select! {
            () = self.read(topic, usize::MAX, &mut found, &whole) => true,
            over = tokio::time::timeout(deadline, waiting) => over.is_ok(),
        };
        assert!(over, "the end of {topic} is not reached after {deadline:?}: {found:?}");
        found
    }

    /// Reads `n` records; `whole` is told when the end of each partition was reached.
    async fn read(&self, topic: &str, n: usize, found: &mut Vec<Message>, whole: &AtomicBool) {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "parts") // librdkafka wants one; nothing is committed to it
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .create()
            .expect("a consumer");
        let mut all = TopicPartitionList::new();
        while all.count() == 0 {
            // a topic just made may be missing from the metadata for a moment
            if let Ok(metadata) = consumer.fetch_metadata(Some(topic), Duration::from_secs(1)) {
                for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                    all.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        consumer.assign(&all).expect("the partitions");
        let mut ended = BTreeSet::new();
        while found.len() < n {
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => found.push(owned(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                    whole.store(ended.len() == all.count(), Ordering::Relaxed);
                }
                Some(Err(_)) | None => tokio::time::sleep(PAUSE).await, // librdkafka tries again by itself
            }
        }
    }
}

fn owned(message: &BorrowedMessage<'_>) -> Message {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().map(|headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.map(text).unwrap_or_default())).collect()
    });
    Message {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
