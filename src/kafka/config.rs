//! Settings → librdkafka's configuration, by a pure function.
//!
//! In the flow: `config` fills [`Settings`], [`client_config`] checks them at start, `run` uses the result.
//! Safe defaults first, the operator's own properties over them, a few refused because they would lose or
//! misplace signals. Never reads a file or the environment, never prints a property's value.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use serde::Deserialize;

use super::topics::{self, Topic};

/// How to reach Kafka and what may be done there.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// What topic names begin with.
    pub prefix: String,
    /// Whether the hub may create its topics.
    pub create_topics: bool,
    /// Partitions of a topic that the hub creates.
    pub partitions: i32,
    /// Replicas of a topic that the hub creates; -1: the cluster's default.
    pub replication: i32,
    /// Properties of librdkafka, by its own names: TLS, SASL and tuning.
    pub properties: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bootstrap_servers: String::new(),
            prefix: "ssfhub".into(),
            create_topics: false,
            partitions: 6,
            replication: -1,
            properties: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Settings {
    // Passwords and keys are among the values: only the names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("prefix", &self.prefix)
            .field("create_topics", &self.create_topics)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The operator's settings cannot be used: refuse to start.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No servers.
    #[error("kafka: bootstrap_servers is empty")]
    NoServers,
    /// Bad prefix.
    #[error(
        "kafka: prefix `{0}` makes a topic name of other than a-z, A-Z, 0-9, `.`, `_`, `-`, or one that is too long"
    )]
    Prefix(String),
    /// Bad number.
    #[error("kafka: partitions must be at least 1, replication at least 1 or -1 (the cluster's default)")]
    Size,
    /// A property that would lose or misplace signals.
    #[error("kafka: property `{name}` is refused: {why}")]
    Refused {
        /// Its name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A property that librdkafka does not take.
    #[error("kafka: property `{name}`: {why}")]
    Property {
        /// Its name.
        name: String,
        /// In librdkafka's words.
        why: String,
    },
}

/// What holds unless the operator says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "ssf-hub"),
    // No duplicate and no change of order by a retry within one producer's life.
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("compression.type", "zstd"),
    ("linger.ms", "5"),
    ("message.timeout.ms", "30000"),
    // librdkafka's own default is 1 GiB.
    ("queue.buffering.max.kbytes", "65536"),
    // Its default sends client telemetry to the cluster.
    ("enable.metrics.push", "false"),
    // A topic made by accident would have the wrong cleanup policy.
    ("allow.auto.create.topics", "false"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "2000"),
    // As Java clients hash keys: topics stay co-partitioned whoever writes or joins them.
    ("partitioner", "murmur2_random"),
];

/// Two names of one property: the operator's alias must replace our default, not stand beside it.
const ALIASES: &[(&str, &str)] = &[
    ("request.required.acks", "acks"),
    ("compression.codec", "compression.type"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("sasl.mechanisms", "sasl.mechanism"),
];

fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, canonical)| canonical)
}

/// Why a property with this value is refused, if it is. `name` is canonical.
fn refusal(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim().to_ascii_lowercase();
    let is_true = matches!(value.as_str(), "true" | "t" | "1");
    match name {
        "bootstrap.servers" => Some("it has a setting of its own, bootstrap_servers"),
        "transactional.id" => Some("projections use no transactions, and it would fence another hub"),
        "enable.idempotence" if !is_true => Some("a retry could change the order of revocations"),
        "acks" if value != "all" && value != "-1" => Some("a message that one broker holds can be lost"),
        "delivery.report.only.error" if is_true => Some("without reports the cursor can never move"),
        "allow.auto.create.topics" if is_true => Some("set create_topics instead"),
        "sasl.mechanism" if value == "oauthbearer" => Some("this build cannot fetch tokens"),
        "plugin.library.paths" => Some("it loads foreign code"),
        _ if name.starts_with("test.mock.") => Some("signals would go to a mock cluster and vanish"),
        _ => None,
    }
}

/// The configuration of the producer. Pure: the same settings, the same result.
///
/// # Errors
/// [`Error`], always the operator's to mend: the first thing found wrong, in the order of names.
pub fn client_config(settings: &Settings) -> Result<ClientConfig, Error> {
    if settings.bootstrap_servers.trim().is_empty() {
        return Err(Error::NoServers);
    }
    if settings.partitions < 1 || (settings.replication < 1 && settings.replication != -1) {
        return Err(Error::Size);
    }
    if !Topic::ALL.iter().all(|t| topics::is_legal(&t.name(&settings.prefix))) || settings.prefix.is_empty() {
        return Err(Error::Prefix(settings.prefix.clone()));
    }
    let mut all: BTreeMap<&str, &str> = DEFAULTS.iter().copied().collect();
    for (name, value) in &settings.properties {
        let known = canonical(name);
        if let Some(why) = refusal(known, value) {
            return Err(Error::Refused { name: name.clone(), why });
        }
        all.insert(known, value);
    }
    all.insert("bootstrap.servers", settings.bootstrap_servers.trim());
    let mut config = ClientConfig::new();
    for (name, value) in all {
        config.set(name, value);
    }
    // Our own lines tell an operator what matters; librdkafka's go to the debug log.
    config.set_log_level(RDKafkaLogLevel::Warning);
    match config.create_native_config() {
        Ok(_) => Ok(config),
        Err(KafkaError::ClientConfig(_, why, name, _)) => Err(Error::Property { name, why }),
        Err(other) => Err(Error::Property { name: "(all)".into(), why: other.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(properties: &[(&str, &str)]) -> Settings {
        let properties = properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Settings { bootstrap_servers: "k:9092".into(), properties, ..Settings::default() }
    }

    #[test]
    fn defaults_are_safe() {
        let config = client_config(&with(&[])).unwrap();
        for (name, want) in [
            ("bootstrap.servers", "k:9092"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", "zstd"),
            ("linger.ms", "5"),
            ("message.timeout.ms", "30000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("enable.metrics.push", "false"),
            ("allow.auto.create.topics", "false"),
        ] {
            assert_eq!(config.get(name), Some(want), "{name}");
        }
    }

    #[test]
    fn the_operators_word_wins() {
        for (name, value, at) in [
            ("security.protocol", "sasl_ssl", "security.protocol"),
            ("sasl.mechanism", "SCRAM-SHA-512", "sasl.mechanism"),
            ("sasl.mechanisms", "PLAIN", "sasl.mechanism"),
            ("sasl.password", "hunter2", "sasl.password"),
            ("ssl.ca.location", "ca.pem", "ssl.ca.location"),
            ("linger.ms", "50", "linger.ms"),
            ("queue.buffering.max.ms", "50", "linger.ms"),
            ("delivery.timeout.ms", "9000", "message.timeout.ms"),
            ("compression.codec", "none", "compression.type"),
            ("enable.idempotence", "true", "enable.idempotence"),
            ("acks", "-1", "acks"),
        ] {
            let config = client_config(&with(&[(name, value)])).unwrap();
            assert_eq!(config.get(at), Some(value), "{name}");
            assert!(name == at || config.get(name).is_none(), "{name} stands beside {at}");
        }
    }

    #[test]
    fn what_would_lose_signals_is_refused() {
        for (name, value) in [
            ("bootstrap.servers", "x:1"),
            ("metadata.broker.list", "x:1"),
            ("transactional.id", "x"),
            ("enable.idempotence", "false"),
            ("acks", "1"),
            ("request.required.acks", "0"),
            ("delivery.report.only.error", "true"),
            ("allow.auto.create.topics", "true"),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("plugin.library.paths", "x.so"),
            ("test.mock.num.brokers", "1"),
        ] {
            match client_config(&with(&[(name, value)])) {
                Err(Error::Refused { name: named, .. }) => assert_eq!(named, name),
                other => panic!("{name}={value}: {other:?}"),
            }
        }
        for (name, value) in [("no.such.thing", "1"), ("linger.ms", "soon")] {
            match client_config(&with(&[(name, value)])) {
                Err(Error::Property { name: named, .. }) => assert_eq!(named, name),
                other => panic!("{name}={value}: {other:?}"),
            }
        }
    }

    #[test]
    fn servers_prefix_and_sizes_are_checked() {
        let good = with(&[]);
        let cases = [
            (Settings { bootstrap_servers: " ".into(), ..good.clone() }, Error::NoServers),
            (Settings { prefix: String::new(), ..good.clone() }, Error::Prefix(String::new())),
            (Settings { prefix: "a b".into(), ..good.clone() }, Error::Prefix("a b".into())),
            (Settings { prefix: "p".repeat(240), ..good.clone() }, Error::Prefix("p".repeat(240))),
            (Settings { partitions: 0, ..good.clone() }, Error::Size),
            (Settings { replication: 0, ..good.clone() }, Error::Size),
        ];
        for (settings, want) in cases {
            assert_eq!(client_config(&settings).unwrap_err(), want);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", with(&[("sasl.password", "hunter2")]));
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }
}
