//! The producer against librdkafka's mock cluster, in process.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{Offset, TopicPartitionList};

use super::super::config::{Settings, client_config};
use super::*;
use crate::clock::Stopwatch;

pub(in crate::kafka) type Mock = MockCluster<'static, DefaultProducerContext>;

pub(in crate::kafka) fn mock() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    for topic in Topic::ALL {
        mock.create_topic(&topic.name("t"), 1, 1).unwrap();
    }
    mock
}

pub(in crate::kafka) fn settings(mock: &Mock, properties: &[(&str, &str)]) -> Settings {
    let properties = properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Settings {
        bootstrap_servers: mock.bootstrap_servers(),
        prefix: "t".into(),
        properties,
        ..Settings::default()
    }
}

pub(in crate::kafka) fn message(n: u64) -> Message {
    Message {
        topic: Topic::Revocations,
        key: b"k".to_vec(),
        payload: Some(n.to_string().into_bytes()),
        headers: vec![("tenant", "t-1".into())],
    }
}

/// Waits until `is_so`, for 60 s at most.
pub(in crate::kafka) fn until(what: &str, is_so: impl Fn() -> bool) {
    let watch = Stopwatch::start();
    while !is_so() {
        assert!(watch.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The values of a topic with one partition, `-` for a tombstone, until `enough`.
pub(in crate::kafka) fn values(
    servers: &str,
    topic: Topic,
    enough: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "test").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(&topic.name("t"), 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let (watch, mut seen) = (Stopwatch::start(), Vec::new());
    while !enough(&seen) {
        assert!(watch.elapsed() < Duration::from_secs(60), "only {seen:?}");
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            assert_eq!(message.headers().unwrap().get(0).key, "tenant");
            let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
            seen.push(message.payload().map_or("-".into(), text));
        }
    }
    seen
}

fn open(settings: &Settings) -> (Producer, Arc<Health>) {
    let health = Arc::new(Health::default());
    let config = client_config(settings).unwrap();
    (Producer::open(&config, &settings.prefix, health.clone(), Arc::default()).unwrap(), health)
}

#[test]
fn what_is_sent_arrives_and_moves_the_watermark() {
    let mock = mock();
    let (producer, health) = open(&settings(&mock, &[]));
    producer.probe().unwrap();
    producer.expect(1, 2);
    producer.expect(2, 0);
    producer.expect(3, 1);
    producer.send(&message(1), 1).unwrap();
    producer.send(&message(2), 1).unwrap();
    until("the first two steps", || producer.watermark() == 2);
    producer.send(&Message { payload: None, ..message(0) }, 3).unwrap();
    producer.flush();
    until("all steps", || producer.watermark() == 3);
    assert_eq!((producer.in_flight(), producer.failed()), (0, None));
    assert_eq!(health.sent.load(Ordering::Relaxed), 3);
    let seen = values(&mock.bootstrap_servers(), Topic::Revocations, |seen| seen.len() == 3);
    assert_eq!(seen, ["1", "2", "-"]);
}

#[test]
fn a_full_queue_is_told_and_not_waited_for() {
    let mock = mock();
    mock.broker_down(-1).unwrap();
    let (producer, _) = open(&settings(&mock, &[("queue.buffering.max.messages", "5")]));
    producer.expect(1, 6);
    for n in 0..5 {
        producer.send(&message(n), 1).unwrap();
    }
    let watch = Stopwatch::start();
    assert!(matches!(producer.send(&message(5), 1), Err(Error::Full)));
    assert!(watch.elapsed() < Duration::from_secs(20));
    assert_eq!((producer.in_flight(), producer.watermark()), (5, 0));
    mock.broker_up(-1).unwrap();
    until("room", || producer.in_flight() == 0);
    producer.send(&message(5), 1).unwrap();
    until("the step", || producer.watermark() == 1);
}

#[test]
fn a_message_that_is_too_large_is_named_and_can_be_left_out() {
    let mock = mock();
    let (producer, health) = open(&settings(&mock, &[("message.max.bytes", "1000")]));
    producer.expect(1, 1);
    let large = Message { payload: Some(vec![b'x'; 2000]), ..message(0) };
    assert!(matches!(producer.send(&large, 1), Err(Error::TooLarge)));
    assert_eq!(producer.watermark(), 0);
    producer.skip(1);
    assert_eq!((producer.watermark(), health.refused.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn a_broker_that_stays_away_is_doubted_and_fails_the_delivery() {
    let mock = mock();
    let (producer, health) = open(&settings(&mock, &[("message.timeout.ms", "15000")]));
    producer.expect(1, 1);
    producer.send(&message(1), 1).unwrap();
    until("the first step", || producer.watermark() == 1);
    assert!(!producer.take_doubt());
    mock.broker_down(-1).unwrap();
    until("a doubt", || producer.take_doubt());
    assert!(matches!(producer.probe(), Err(Error::Kafka(_))));
    producer.expect(2, 1);
    producer.send(&message(2), 2).unwrap();
    until("a failure", || producer.failed().is_some());
    assert_eq!((producer.watermark(), health.failed.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn a_topic_that_is_missing_is_named_and_not_made() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(&Topic::Received.name("t"), 1, 1).unwrap();
    let (producer, _) = open(&settings(&mock, &[]));
    for _ in 0..2 {
        match producer.probe() {
            Err(Error::Missing(names)) => assert_eq!(names, ["t.revocations.v1", "t.signals.rejected.v1"]),
            other => panic!("{other:?}"),
        }
    }
}
