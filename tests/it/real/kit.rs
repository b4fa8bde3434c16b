//! What the journeys with a real Kafka share: the hub's configuration for it, and how its topics are read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use ssf_hub::clock::Stopwatch;

use super::super::hub::Hub;
use super::super::parts::kafka::{Kafka, Message};

pub const POINT: &str = "point-secret-0123456789";
pub const RECEIVED: &str = "ssfhub.signals.received.v1";
pub const REVOCATIONS: &str = "ssfhub.revocations.v1";
pub const REJECTED: &str = "ssfhub.signals.rejected.v1";

/// How long anything may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// `[kafka]` for a hub that may make its topics, with three partitions each.
pub fn configured(bootstrap: &str) -> String {
    format!("[kafka]\nbootstrap_servers = \"{bootstrap}\"\ncreate_topics = true\npartitions = 3\n")
}

/// How Kafka out fares, by the hub's status.
pub async fn fares(hub: &Hub) -> Value {
    hub.status().await["kafka"].clone()
}

/// Waits until Kafka out fares so; gives how. Panics, showing how it fared last, when it never does.
async fn fares_so(hub: &Hub, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let since = Stopwatch::start();
    loop {
        let fares = fares(hub).await;
        if is_so(&fares) {
            return fares;
        }
        assert!(since.elapsed() < PATIENCE, "never {what}: {fares}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until Kafka has all that the journal had when this was called, and a moment more.
pub async fn drained(hub: &Hub) {
    // What the status says is up to a second old.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    fares_so(hub, "drained", |fares| fares["drained"] == true).await;
}

/// Waits until the status shows a lag, and a broker that is not there.
pub async fn lags(hub: &Hub) {
    let lags = |fares: &Value| {
        let behind = fares["lag_steps"].as_u64().unwrap() > 0 && fares["drained"] == false;
        behind && fares["connected"] == false
    };
    fares_so(hub, "behind", lags).await;
}

/// Waits until the status names this fault; gives it.
pub async fn at_fault(hub: &Hub, by: &str, what: &str) -> Value {
    let named = |fares: &Value| fares["fault"]["by"] == by && fares["fault"]["what"] == what;
    fares_so(hub, &format!("named {by}/{what}"), named).await["fault"].clone()
}

/// All records of a topic, by arrival; in order within a key.
pub async fn all(kafka: &Kafka, topic: &str) -> Vec<Message> {
    kafka.consume_all(topic, Duration::from_secs(4), PATIENCE).await
}

pub fn header<'a>(message: &'a Message, name: &str) -> &'a str {
    message.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

pub fn text(message: &Message) -> String {
    String::from_utf8(message.value.clone().unwrap_or_default()).unwrap()
}

/// The revocation record in a message: the payload of its JWS, unverified. Null for a tombstone.
pub fn record(message: &Message) -> Value {
    let Some(value) = &message.value else { return Value::Null };
    let payload = std::str::from_utf8(value).unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The entry that a message is about, and the index of a record (the end of its `ce_id`, `tenant:seq:index`).
fn seq(message: &Message) -> (u64, u64) {
    let index = header(message, "ce_id").split(':').nth(2).map_or(0, |n| n.parse().unwrap());
    (header(message, "ce_sequence").parse().unwrap(), index)
}

/// What each key was told first, in order. At least once: a repetition is allowed, something new that is older than
/// what went before is not.
pub fn by_key(messages: &[Message]) -> BTreeMap<String, Vec<Message>> {
    let mut keys: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for message in messages.iter().filter(|m| m.value.is_some()) {
        let told = keys.entry(message.key.clone().unwrap()).or_default();
        if seen.insert(header(message, "ce_id").to_string()) {
            if let Some(last) = told.last() {
                assert!(seq(last) < seq(message), "{} before {}", seq(last).0, seq(message).0);
                assert_eq!(last.partition, message.partition, "one key, one partition");
            }
            told.push(message.clone());
        }
    }
    keys
}

/// Searches every byte of every record of every topic for secrets.
pub async fn holds_no_secret(kafka: &Kafka, secrets: &[(String, Vec<u8>)]) -> usize {
    let mut looked = 0;
    for topic in [RECEIVED, REVOCATIONS, REJECTED] {
        for message in all(kafka, topic).await {
            let mut bytes = message.value.clone().unwrap_or_default();
            bytes.extend_from_slice(message.key.clone().unwrap_or_default().as_bytes());
            message.headers.iter().for_each(|(k, v)| bytes.extend_from_slice(format!("{k}{v}").as_bytes()));
            for (name, secret) in secrets {
                let found = bytes.windows(secret.len()).any(|w| w == secret);
                assert!(!found, "{topic} at {}: holds {name}", message.offset);
            }
            looked += 1;
        }
    }
    looked
}

/// A piece of every key file of a hub that no other text has.
pub fn key_material(data: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut out, mut folders) = (vec![], vec![data.join("keys")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let piece = if bytes.starts_with(b"-----BEGIN") {
                &bytes[64..104]
            } else {
                &bytes[..bytes.len().min(40)]
            };
            out.push((path.display().to_string(), piece.to_vec()));
        }
    }
    assert!(!out.is_empty(), "no key files were found");
    out
}
