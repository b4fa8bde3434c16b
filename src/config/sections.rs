//! The sections of the file as structs. No field has a default here: `default.toml` is the only home of
//! defaults.
//!
//! Beside these, `egress`, `jwks` and `authorization` are the parts' own structs, and `log` is telemetry's.
//! Beside these, `egress`, `jwks`, `keys` and `tls` are the parts' own structs, and `log` is telemetry's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// A listener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Where it binds.
    pub listen: SocketAddr,
    /// The TLS proxy in front, in words; empty for none.
    pub behind_proxy: String,
    /// TLS here.
    pub tls: crate::tls::Config,
}

/// Bounds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longest SET.
    pub set_bytes: usize,
    /// Longest body of a fact.
    pub facts_bytes: usize,
    /// Longest body at the admin API.
    pub admin_bytes: usize,
    /// Longest body of a poll request.
    pub poll_bytes: usize,
    /// Requests waiting for the sequencer; above: 503 and Retry-After.
    pub in_flight_max: usize,
    /// Longest wait of a poll (ms).
    pub poll_timeout_ms: u64,
    /// Streams of one client on which a poll waits.
    pub poll_waiters_per_client: usize,
    /// Polls that wait on one stream; one more ends the oldest.
    pub poll_waiters_per_stream: usize,
    /// SETs in one poll answer.
    pub poll_batch_max: usize,
    /// Length of one poll answer; a single SET always fits.
    pub poll_batch_bytes: usize,
    /// Reports of refused access for one SET by poll; then it is a dead letter.
    pub poll_refusals_max: u32,
    /// Connections of each listener.
    pub connections_max: usize,
    /// Longest TLS handshake (ms).
    pub handshake_timeout_ms: u64,
    /// TLS handshakes of each listener under way; above it the oldest is cut.
    pub handshakes_max: usize,
    /// Longest wait for a request's head (ms).
    pub header_read_timeout_ms: u64,
    /// Longest wait for a request's whole body (ms).
    pub body_read_timeout_ms: u64,
    /// Longest wait for a client that does not read its answer (ms).
    pub write_timeout_ms: u64,
    /// Nodes that one walk visits.
    pub walk_nodes: usize,
    /// Edges that one walk goes deep.
    pub walk_depth: usize,
    /// Derived events of one signal.
    pub derived_max: usize,
}

/// The journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// Entries of one flush.
    pub batch_max: usize,
    /// How often the chain's head is signed (s).
    pub heads_signed_every_s: u64,
    /// When a base is written; six fields, checked to be readable by crate `cron`.
    pub base_cron: String,
    /// How many bases are kept.
    pub bases_kept: usize,
}

/// Streams of SSF receivers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ssf {
    /// When a verification event goes out on every stream that flows; six fields, or empty for never.
    pub keep_alive_cron: String,
    /// How long a receiver has to hear that the hub stops its stream (ms).
    pub announce_ms: i64,
    /// Management calls of one client, but for those about subjects, per second; with its requests to `oauth`.
    pub calls_per_s: u32,
}

/// The wall clock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// A larger leap stops intake (ms).
    pub leap_max_ms: i64,
}

/// Push: pace and bounds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    /// Pause before each further try; the last repeats (ms).
    pub retry_delays_ms: Vec<u64>,
    /// `Retry-After` counts up to this (ms).
    pub retry_after_max_ms: u64,
    /// After this a SET becomes a dead letter (ms).
    pub give_up_after_ms: u64,
    /// Chance in every pause, in per cent either way.
    pub jitter_percent: u8,
    /// Where in `retry_delays_ms` refused credentials begin.
    pub credential_from: usize,
    /// How often refused credentials are tried.
    pub credential_tries: u32,
    /// How often "wrong place" is tried.
    pub misdirected_tries: u32,
    /// Pushes under way to one stream.
    pub in_flight_per_stream: usize,
    /// Longest push (ms).
    pub push_timeout_ms: u64,
    /// Pushes under way to one destination.
    pub in_flight_per_destination: usize,
    /// Pushes in a row without any answer after which a destination is shut.
    pub shut_after: u32,
    /// A destination whose answers take longer in the mean is limited (ms).
    pub slow_ms: u64,
    /// Retries for a hundred first tries.
    pub retry_budget_percent: u32,
    /// Retries each second besides.
    pub retry_budget_per_s: u32,
    /// Failures in a row after which a receiver counts as down.
    pub brake_after: u32,
    /// The first pause then, doubled each time (ms).
    pub brake_ms: u64,
    /// The longest (ms).
    pub brake_max_ms: u64,
    /// Signatures made at once; 0: one for each core but one.
    pub sign_parallel: usize,
    /// Signed SETs kept.
    pub signed_cache_max: usize,
}

/// The gate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Tokens remembered whose signature was checked, for all tenants together.
    pub cached_tokens: usize,
    /// Longest token read.
    pub token_bytes_max: usize,
}

/// Kafka out.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// host:port, with commas; empty: no Kafka.
    pub bootstrap_servers: String,
    /// What the topics' names begin with.
    pub prefix: String,
    /// Whether topics may be created.
    pub create_topics: bool,
    /// Partitions of a topic that is created.
    pub partitions: i32,
    /// Replicas of one; -1: the cluster's default.
    pub replication: i32,
    /// librdkafka's settings, `file:` and `env:` already read.
    #[serde(skip)]
    pub properties: BTreeMap<String, Secret>,
}

impl Kafka {
    /// Whether there is a Kafka to write to.
    pub fn is_on(&self) -> bool {
        !self.bootstrap_servers.is_empty()
    }

    /// The settings of the part.
    #[cfg(feature = "kafka")]
    pub fn settings(&self) -> crate::kafka::config::Settings {
        crate::kafka::config::Settings {
            bootstrap_servers: self.bootstrap_servers.clone(),
            prefix: self.prefix.clone(),
            create_topics: self.create_topics,
            partitions: self.partitions,
            replication: self.replication,
            properties: self.properties.iter().map(|(k, v)| (k.clone(), v.reveal().into())).collect(),
        }
    }

    /// Whether a build can write there with these settings. Connects nowhere.
    #[cfg(feature = "kafka")]
    pub fn check(&self) -> Result<(), String> {
        crate::kafka::config::client_config(&self.settings()).map(drop).map_err(|e| e.to_string())
    }

    /// This build has no Kafka.
    #[cfg(not(feature = "kafka"))]
    pub fn check(&self) -> Result<(), String> {
        Err("this build has no Kafka".into())
    }
}

/// All sections, as they are read at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sections {
    pub data_dir: PathBuf,
    pub public_url: String,
    pub public: Listener,
    pub admin: Listener,
    pub limits: Limits,
    pub journal: Journal,
    pub clock: Clock,
    /// Streams of SSF receivers.
    pub ssf: Ssf,
    pub outbox: Outbox,
    pub gate: Gate,
    pub egress: crate::egress::Config,
    pub jwks: crate::jose::remote::Config,
    pub authorization: crate::auth::config::Config,
    pub keys: crate::keys::config::Config,
    pub kafka: Kafka,
    pub log: crate::telemetry::Config,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::TEXT;
    use serde_json::{Value, json};

    /// The keys of a struct with all its members, as serde writes them.
    fn keys(value: &impl Serialize) -> Vec<String> {
        let mut keys: Vec<String> = json!(value).as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    }

    #[test]
    fn every_key_is_in_the_schema_and_the_other_way_round() {
        let config = crate::config::Config::load(None, std::iter::empty()).unwrap();
        let schema: Value = serde_json::from_str(TEXT).unwrap();
        let of = |section: &str| {
            let members = schema["properties"][section]["properties"].as_object().unwrap();
            let mut keys: Vec<String> = members.keys().cloned().collect();
            keys.sort();
            keys
        };
        assert_eq!(of("public"), keys(&config.public));
        assert_eq!(of("admin"), keys(&config.admin));
        assert_eq!(of("limits"), keys(&config.limits));
        assert_eq!(of("journal"), keys(&config.journal));
        assert_eq!(of("clock"), keys(&config.clock));
        assert_eq!(of("ssf"), keys(&config.ssf));
        assert_eq!(of("outbox"), keys(&config.outbox));
        assert_eq!(of("gate"), keys(&config.gate));
        assert_eq!(of("egress"), keys(&config.egress));
        assert_eq!(of("jwks"), keys(&config.jwks));
        assert_eq!(of("authorization"), keys(&config.authorization));
        assert_eq!(of("log"), keys(&config.log));
        assert_eq!(of("keys"), keys(&config.keys));
        for section in ["public", "admin"] {
            let members =
                schema["properties"][section]["properties"]["tls"]["properties"].as_object().unwrap();
            let mut names: Vec<String> = members.keys().cloned().collect();
            names.sort();
            assert_eq!(names, keys(&config.public.tls));
        }
        // Kafka is never serialised, for its properties may be secrets: deny_unknown_fields holds this
        // direction.
        assert_eq!(
            of("kafka"),
            ["bootstrap_servers", "create_topics", "partitions", "prefix", "properties", "replication"]
        );
        let sections: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(sections.len(), 16 + 8);
    }
}
