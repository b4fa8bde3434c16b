//! The three topics, and their creation where the operator allows it.
//!
//! In the flow: `run` creates what is missing before it sends for the first time. Never changes or deletes a
//! topic that exists.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::error::RDKafkaErrorCode;

use super::config::Settings;
use super::fault::Fault;

/// How long the cluster may take to create the topics.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// A topic that the hub writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The original SETs, as evidence.
    Received,
    /// Revocation records; compacted.
    Revocations,
    /// What was refused, and why.
    Rejected,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Received, Self::Revocations, Self::Rejected];

    /// The topic's name.
    pub fn name(self, prefix: &str) -> String {
        match self {
            Self::Received => format!("{prefix}.signals.received.v1"),
            Self::Revocations => format!("{prefix}.revocations.v1"),
            Self::Rejected => format!("{prefix}.signals.rejected.v1"),
        }
    }

    /// The configuration that a topic made by the hub begins with.
    pub fn properties(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // 90 days.
            Self::Received => &[("cleanup.policy", "delete"), ("retention.ms", "7776000000")],
            // Never `compact,delete`: a hold has no age. Tombstones outlive a consumer's longest outage (7 days);
            // small segments and a bound on the lag, or the topic never shrinks (the active segment is not cleaned).
            Self::Revocations => &[
                ("cleanup.policy", "compact"),
                ("delete.retention.ms", "604800000"),
                ("segment.ms", "600000"),
                ("max.compaction.lag.ms", "3600000"),
                ("min.cleanable.dirty.ratio", "0.1"),
            ],
            // 14 days, in segments of one: what is older goes, within a day.
            Self::Rejected => {
                &[("cleanup.policy", "delete"), ("retention.ms", "1209600000"), ("segment.ms", "86400000")]
            }
        }
    }
}

/// Whether Kafka takes `name` as a topic's name.
pub fn is_legal(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    name.len() <= 249 && name.bytes().all(plain)
}

/// The topics cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster did not answer, or not for all of them.
    #[error("topics cannot be created: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// No runtime for the admin client.
    #[error("topics cannot be created: {0}")]
    Runtime(#[from] std::io::Error),
    /// The cluster refused one.
    #[error("topic {name} cannot be created: {code}")]
    Topic {
        /// Its name.
        name: String,
        /// Why.
        code: RDKafkaErrorCode,
    },
}

impl Error {
    /// Whose it is to mend.
    pub fn fault(&self) -> Fault {
        let code = match self {
            Self::Kafka(error) => error.rdkafka_error_code(),
            Self::Runtime(_) => None,
            Self::Topic { code, .. } => Some(*code),
        };
        Fault::new(code, self.to_string())
    }
}

/// Creates the three topics; those that exist are left as they are. Blocks up to 10 s: call it on a thread of
/// its own, never within an async runtime.
///
/// # Errors
/// [`Error`]; what was created before it stays, so that it may simply be called again.
pub fn create(config: &ClientConfig, settings: &Settings) -> Result<(), Error> {
    let mut config = config.clone();
    // An admin client needs no producer id.
    config.remove("enable.idempotence");
    let admin = AdminClient::<DefaultClientContext>::from_config(&config)?;
    let names = Topic::ALL.map(|topic| (topic, topic.name(&settings.prefix)));
    let wanted: Vec<NewTopic<'_>> =
        names.iter().map(|(topic, name)| wanted(*topic, name, settings)).collect();
    let options =
        AdminOptions::new().request_timeout(Some(CREATE_TIMEOUT)).operation_timeout(Some(CREATE_TIMEOUT));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for made in runtime.block_on(admin.create_topics(&wanted, &options))? {
        match made {
            Ok(name) => tracing::info!(topic = %name, "kafka: topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(Error::Topic { name, code }),
        }
    }
    Ok(())
}

fn wanted<'a>(topic: Topic, name: &'a str, settings: &Settings) -> NewTopic<'a> {
    let replication = TopicReplication::Fixed(settings.replication);
    let new = NewTopic::new(name, settings.partitions, replication);
    topic.properties().iter().fold(new, |new, (key, value)| new.set(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_policies() {
        for (topic, name, policy) in [
            (Topic::Received, "p.signals.received.v1", "delete"),
            (Topic::Revocations, "p.revocations.v1", "compact"),
            (Topic::Rejected, "p.signals.rejected.v1", "delete"),
        ] {
            assert_eq!(topic.name("p"), name);
            let new = wanted(topic, name, &Settings { partitions: 3, ..Settings::default() });
            assert_eq!((new.name, new.num_partitions), (name, 3));
            assert!(new.config.contains(&("cleanup.policy", policy)), "{name}");
            assert!(policy == "delete" || !new.config.iter().any(|(key, _)| *key == "retention.ms"));
        }
    }

    #[test]
    fn legal_names() {
        assert!(is_legal("a.B_c-9") && !is_legal("a/b") && !is_legal("ä") && !is_legal(&"a".repeat(250)));
    }
}
