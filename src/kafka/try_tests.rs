use super::super::topics::{self, Topic};
use super::*;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
#[test]
fn try_topics() {
    let settings = Settings {
        bootstrap_servers: "127.77.40.1:9092".into(),
        prefix: "tops".into(),
        create_topics: true,
        partitions: 3,
        ..Settings::default()
    };
    let config = config::client_config(&settings).unwrap();
    for _ in 0..2 {
        topics::create(&config, &settings).unwrap();
    }
    let mut c = config.clone();
    c.remove("enable.idempotence");
    let admin = AdminClient::<DefaultClientContext>::from_config(&c).unwrap();
    let names = Topic::ALL.map(|t| t.name("tops"));
    let specs: Vec<_> = names.iter().map(|n| ResourceSpecifier::Topic(n)).collect();
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for r in rt.block_on(admin.describe_configs(&specs, &AdminOptions::new())).unwrap() {
        let r = r.unwrap();
        for k in [
            "cleanup.policy",
            "retention.ms",
            "delete.retention.ms",
            "segment.ms",
            "max.compaction.lag.ms",
            "min.cleanable.dirty.ratio",
        ] {
            eprintln!("{:?} {k}={:?}", r.specifier, r.get(k).unwrap().value);
        }
    }
    let bad = Settings { replication: 3, prefix: "rep".into(), ..settings.clone() };
    eprintln!("{:?}", topics::create(&config, &bad).map_err(|e| e.to_string()));
    // auto.create is off at this broker; that the hub asks for none is in the producer's tests
    let w = Stopwatch::start();
    let bad = Settings { bootstrap_servers: "127.77.40.9:9092".into(), ..settings };
    eprintln!(
        "{:?} {:?}",
        topics::create(&config::client_config(&bad).unwrap(), &bad).map_err(|e| e.to_string()),
        w.elapsed()
    );
}
