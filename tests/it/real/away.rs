//! Kafka away (NEED-24, NEED-29): the hub takes SETs, pushes and denies as if nothing were; when the broker comes, it
//! gets everything, in order within each key, whatever happened to the hub meanwhile.

use std::sync::Arc;

use serde_json::json;
use ssf_hub::app::serve::Runtime;
use ssf_hub::clock::{Clock, System};
use ssf_hub::jose::alg::Alg;

use super::super::hub::{Hub, Setup, until};
use super::super::parts::kafka::Kafka;
use super::super::peers::{Idp, PushReceiver};
use super::kit;

const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// A hub, whoever signals to it, and all SETs that it took, in order.
struct Line {
    idp: Idp,
    receiver: PushReceiver,
    taken: Vec<(&'static str, String)>,
}

impl Line {
    async fn furnish(hub: &Hub) -> Self {
        let (idp, receiver) = (Idp::new("https://idp.example", Alg::ES256), PushReceiver::start().await);
        let short = |mut object: serde_json::Value| {
            object["max_token_lifetime_s"] = json!(60);
            object
        };
        hub.put("default", "upstreams", "kc", short(idp.upstream("hub"))).await;
        hub.put("default", "token-issuers", "idp", short(idp.token_issuer())).await;
        hub.put("default", "points", "gw", json!({ "bearer": kit::POINT, "aud": ["api"] })).await;
        hub.client("default", "saas", false).await;
        let stream = json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": ["saas"], "events_requested": ["*"] });
        hub.put("default", "streams", "pushed", stream).await;
        Self { idp, receiver, taken: vec![] }
    }

    /// All sessions of each user end, some times over: each time their record changes.
    async fn signal(&mut self, hub: &Hub, times: usize) {
        for _ in 0..times {
            for user in USERS {
                let jti = format!("j{}", self.taken.len());
                let set = self.idp.session_revoked("hub", &jti, user, None, "admin");
                assert_eq!(hub.push("default", "kc", &set).await.0, 202);
                self.taken.push((user, set));
            }
        }
        self.receiver.wait_for(self.taken.len()).await;
    }

    /// Kafka has what was taken, once at least, in order within each key; gives the number of records of revocation keys.
    async fn is_on(&self, kafka: &Kafka) -> usize {
        let received = kit::by_key(&kit::all(kafka, kit::RECEIVED).await);
        assert_eq!(received.len(), USERS.len(), "one key for each principal: {:?}", received.keys());
        for told in received.values() {
            let sets: Vec<String> = told.iter().map(kit::text).collect();
            let user = self.taken.iter().find(|(_, set)| *set == sets[0]).expect("a SET of ours").0;
            let want: Vec<&String> = self.taken.iter().filter(|(u, _)| *u == user).map(|(_, s)| s).collect();
            assert_eq!(sets.iter().collect::<Vec<_>>(), want, "{user}");
        }
        let records = kit::by_key(&kit::all(kafka, kit::REVOCATIONS).await);
        records.values().map(Vec::len).sum()
    }
}

/// Kafka out stays behind, and the broker is named as the cause.
async fn stays_behind(hub: &Hub) {
    let fault = kit::at_fault(hub, "broker", "away").await;
    assert!(!fault["why"].as_str().unwrap().is_empty());
    kit::lags(hub).await;
    let ready = hub.http.get(format!("{}/readyz", hub.admin)).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 200, "it delays only Kafka");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_delays_only_kafka_and_loses_nothing() {
    let mut kafka = Kafka::claim().await;
    let hub = Hub::start_as(Setup::with(&kit::configured(&kafka.bootstrap()))).await;
    let mut line = Line::furnish(&hub).await;
    let token = line.idp.token("t", "alice", "api", json!({ "exp": super::super::peers::now_s() + 50 }));
    assert_eq!(hub.ask("default", kit::POINT, &token).await.0, 200);
    line.signal(&hub, 3).await;
    assert_eq!(hub.ask("default", kit::POINT, &token).await.0, 401);
    stays_behind(&hub).await;
    // Nobody was ever there, and the hub starts again.
    let hub = hub.restart().await;
    line.signal(&hub, 2).await;
    stays_behind(&hub).await;
    kafka.restart().await;
    kit::drained(&hub).await;
    let first = line.is_on(&kafka).await;
    assert!(first >= 2 * line.taken.len(), "two keys of each user, each time: {first}");
    assert_eq!(kit::fares(&hub).await["fault"], json!(null));

    // The broker dies; the hub takes more, starts again, takes more.
    kafka.kill().await;
    line.signal(&hub, 3).await;
    stays_behind(&hub).await;
    let hub = hub.restart().await;
    line.signal(&hub, 1).await;
    kafka.restart().await;
    kit::drained(&hub).await;
    let second = line.is_on(&kafka).await;
    assert!(second > first, "{second}");
    hub.stop().await;
}

/// The machine's clocks, later.
struct Later(i64);

impl Clock for Later {
    fn wall_ms(&self) -> i64 {
        System.wall_ms() + self.0
    }

    fn boot_ms(&self) -> i64 {
        System.boot_ms() + self.0
    }
}

/// What happened to each key, in order: `+` in force, `-` cleared, `x` taken out. A repetition is left out.
fn story(kafka: &[super::super::parts::kafka::Message], basis: &str) -> Vec<String> {
    let mut keys = std::collections::BTreeMap::<String, String>::new();
    let mut seen = std::collections::BTreeSet::new();
    for message in kafka {
        let key = message.key.clone().unwrap();
        if key.ends_with(basis) {
            let state = kit::record(message)["state"].as_str().map(|s| if s == "active" { '+' } else { '-' });
            let state = state.unwrap_or('x');
            if seen.insert((key.clone(), state, kit::header(message, "ce_id").to_string())) {
                keys.entry(key).or_default().push(state);
            }
        }
    }
    keys.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lifted_or_expires_while_the_broker_is_away_is_told_too() {
    let mut kafka = Kafka::start().await;
    let hub = Hub::start_as(Setup::with(&kit::configured(&kafka.bootstrap()))).await;
    let mut line = Line::furnish(&hub).await;
    line.signal(&hub, 1).await;
    let act = json!({ "target": { "kind": "agent", "value": "bot" }, "reason": "drill" });
    assert_eq!(hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act.clone())).await.0, 200);
    kit::drained(&hub).await;
    let told = kit::all(&kafka, kit::REVOCATIONS).await;
    assert_eq!(story(&told, "/killed"), ["+"]);
    assert!(story(&told, "/issued").iter().all(|keys| keys == "+"), "{:?}", story(&told, "/issued"));

    // Lifted while nobody is there; then the hub is down until the time of all is over; then it runs, the broker still
    // away, long enough that its own state has forgotten them.
    kafka.stop().await;
    assert_eq!(hub.admin_send("POST", "/admin/v1/t/default/lift", Some(act)).await.0, 200);
    let (public, admin, more) = hub.setup.clone();
    let dir = hub.stop().await;
    let later = || Runtime { clock: Arc::new(Later(48 * 3_600_000)), ..Runtime::default() };
    let hub = Hub::start_in(dir, Setup { public, admin, more: more.clone(), runtime: later() }).await;
    until("the state has forgotten them", 30, || async {
        hub.status().await["tenants"]["default"]["records"] == 0
    })
    .await;
    let dir = hub.stop().await;
    let hub = Hub::start_in(dir, Setup { public, admin, more, runtime: later() }).await;
    kafka.restart().await;
    kit::drained(&hub).await;
    let told = kit::all(&kafka, kit::REVOCATIONS).await;
    assert_eq!(story(&told, "/killed"), ["+-x"], "killed, lifted, taken out");
    let issued = story(&told, "/issued");
    assert_eq!(issued.len(), 2 * USERS.len() + 1, "{issued:?}");
    assert!(issued.iter().all(|key| key == "+-x"), "{issued:?}");
    hub.stop().await;
}
