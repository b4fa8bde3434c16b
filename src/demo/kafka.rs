//! A consumer of the hub's topics, where the configuration names a Kafka.
//!
//! Without a consumer group: it assigns itself every partition, reads from where the topics ended when the demo began,
//! and commits nothing. A topic that does not exist yet is read from its beginning once it does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::peers::Peers;
use super::receivers::{By, Told, Trust};
use crate::config::sections::Kafka;
use crate::kafka::topics::Topic;

/// Its name in the story.
pub const NAME: &str = "datalake";
/// Longest wait for the cluster's word on its topics.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Rest before a topic that is not there is looked for again.
const REST: Duration = Duration::from_millis(100);

/// Listens to `signals.received`. `trust` is the IdP's: the topic holds the originals.
pub struct Listener {
    consumer: Arc<StreamConsumer>,
    topic: String,
    known: TopicPartitionList,
}

impl Listener {
    /// Notes where the topic ends now. Only what comes later is listened to.
    pub async fn start(kafka: &Kafka) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        for (name, value) in &kafka.properties {
            config.set(name, value.reveal());
        }
        config
            .set("bootstrap.servers", &kafka.bootstrap_servers)
            .set("group.id", "ssf-hub-demo")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10");
        let consumer: Arc<StreamConsumer> = Arc::new(config.create().context("the Kafka consumer")?);
        let topic = Topic::Received.name(&kafka.prefix);
        let known = ends(&consumer, &topic, true).await?.unwrap_or_default();
        Ok(Self { consumer, topic, known })
    }

    /// Listens for ever.
    pub async fn run(self, trust: Arc<Trust>, aud: String, told: mpsc::Sender<Told>, peers: Peers) {
        if let Err(error) = self.assign().await {
            tracing::warn!(error = format!("{error:#}"), "the demo cannot listen to Kafka");
            return;
        }
        loop {
            match self.consumer.recv().await {
                Ok(message) => {
                    let at = peers.elapsed();
                    let claims = message.payload().and_then(|set| trust.verify(set, &aud).ok());
                    let Some(one) = claims.and_then(|c| Told::new(NAME, By::Kafka, at, &c)) else { continue };
                    let _ = told.send(one).await;
                }
                // librdkafka tries again by itself.
                Err(error) => tracing::debug!(%error, "the demo's Kafka consumer"),
            }
        }
    }

    async fn assign(&self) -> anyhow::Result<()> {
        if self.known.count() > 0 {
            return Ok(self.consumer.assign(&self.known)?);
        }
        loop {
            match ends(&self.consumer, &self.topic, false).await {
                Ok(Some(all)) => return Ok(self.consumer.assign(&all)?),
                Ok(None) => {}
                Err(error) => tracing::debug!(error = format!("{error:#}"), "the topic is looked for again"),
            }
            tokio::time::sleep(REST).await;
        }
    }
}

/// Every partition of a topic, at its end or its beginning; `None` where there is no such topic. librdkafka blocks
/// here, so it gets a thread.
async fn ends(
    consumer: &Arc<StreamConsumer>,
    topic: &str,
    at_end: bool,
) -> anyhow::Result<Option<TopicPartitionList>> {
    let (consumer, topic) = (consumer.clone(), topic.to_string());
    let looked = tokio::task::spawn_blocking(move || -> anyhow::Result<Option<TopicPartitionList>> {
        let metadata =
            consumer.fetch_metadata(Some(&topic), METADATA_TIMEOUT).context("Kafka does not answer")?;
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|t| t.partitions()) {
            let offset = if at_end {
                let (_, end) = consumer.fetch_watermarks(&topic, partition.id(), METADATA_TIMEOUT)?;
                Offset::Offset(end)
            } else {
                Offset::Beginning
            };
            list.add_partition_offset(&topic, partition.id(), offset)?;
        }
        Ok((list.count() > 0).then_some(list))
    });
    looked.await?
}
