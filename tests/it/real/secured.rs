//! Kafka that asks who we are (NEED-24): librdkafka's security settings pass through the hub's configuration, and what
//! the broker refuses is named as the operator's to mend, apart from a broker that is away. It delays only Kafka.

use serde_json::json;
use ssf_hub::jose::alg::Alg;
use tempfile::TempDir;

use super::super::hub::{Hub, Setup};
use super::super::parts::kafka::{Kafka, SECURED_GUEST, SECURED_USER};
use super::super::peers::{Idp, PushReceiver, SESSION_REVOKED, now_s};
use super::kit;

/// Where a hub finds the password of the broker.
struct Login {
    folder: TempDir,
    user: &'static str,
}

impl Login {
    fn new((user, password): (&'static str, &str)) -> Self {
        let login = Self { folder: TempDir::new().unwrap(), user };
        login.write(password);
        login
    }

    fn write(&self, password: &str) {
        std::fs::write(self.folder.path().join("password"), password).unwrap();
    }

    fn configured(&self, kafka: &Kafka) -> String {
        format!(
            "{}[kafka.properties]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
             \"sasl.username\" = {:?}\n\"sasl.password\" = \"file:{}\"\n",
            kit::configured(&kafka.secured_bootstrap()),
            self.user,
            self.folder.path().join("password").display(),
        )
    }
}

/// An upstream and a receiver by push.
async fn furnish(hub: &Hub) -> (Idp, PushReceiver) {
    let (idp, receiver) = (Idp::new("https://idp.example", Alg::ES256), PushReceiver::start().await);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    hub.client("default", "saas", false).await;
    let stream = json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": ["saas"], "events_requested": ["*"] });
    hub.put("default", "streams", "pushed", stream).await;
    (idp, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_named_and_delays_only_kafka() {
    let (kafka, login) = (Kafka::start_secured().await, Login::new((SECURED_USER.0, "wrong-password-4711")));
    let hub = Hub::start_as(Setup::with(&login.configured(&kafka))).await;
    let (idp, receiver) = furnish(&hub).await;
    let fault = kit::at_fault(&hub, "operator", "authentication").await;
    let why = fault["why"].as_str().unwrap();
    assert!(why.to_lowercase().contains("authentication failed"), "librdkafka's own reason: {why}");
    assert!(!why.contains("wrong-password"), "{why}");
    let set = idp.session_revoked("hub", "j1", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    receiver.wait_for(1).await;
    let ready = hub.http.get(format!("{}/readyz", hub.admin)).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
    let page = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("\nssf_hub_kafka_operator_fault 1\n"), "{page}");

    login.write(SECURED_USER.1);
    let hub = hub.restart().await;
    kit::drained(&hub).await;
    let found = kafka.consume(kit::RECEIVED, 1, kit::PATIENCE).await;
    assert_eq!(kit::text(&found[0]), set);
    assert_eq!(kit::fares(&hub).await["fault"], json!(null));
    let password = |p: &str| ("the broker's password".to_string(), p.as_bytes().to_vec());
    let secrets = [password(SECURED_USER.1), password("wrong-password-4711")];
    assert!(kit::holds_no_secret(&kafka, &secrets).await >= 2);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_is_named() {
    let (kafka, login) = (Kafka::start_secured().await, Login::new(SECURED_GUEST));
    let hub = Hub::start_as(Setup::with(&login.configured(&kafka))).await;
    let (idp, receiver) = furnish(&hub).await;
    let fault = kit::at_fault(&hub, "operator", "authorization").await;
    assert!(fault["why"].as_str().unwrap().to_lowercase().contains("authorization failed"), "{fault}");
    let set = idp.session_revoked("hub", "j1", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    receiver.wait_for(1).await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_missing_are_named_and_taken_up_once_they_are_there() {
    let (kafka, login) = (Kafka::start_secured().await, Login::new(SECURED_USER));
    let more = login.configured(&kafka).replace("create_topics = true", "create_topics = false");
    let hub = Hub::start_as(Setup::with(&more)).await;
    let (idp, _receiver) = furnish(&hub).await;
    let fault = kit::at_fault(&hub, "operator", "topic").await;
    assert!(fault["why"].as_str().unwrap().contains(kit::REVOCATIONS), "{fault}");
    let set = idp.session_revoked("hub", "j1", "alice", Some("s1"), "user");
    assert_eq!(hub.push("default", "kc", &set).await.0, 202);
    kafka.create_topics(&[kit::RECEIVED, kit::REVOCATIONS, kit::REJECTED]).await;
    kit::drained(&hub).await;
    assert_eq!(kit::text(&kafka.consume(kit::RECEIVED, 1, kit::PATIENCE).await[0]), set);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_broker_finds_too_large_is_left_out_and_the_rest_goes_on() {
    let kafka = Kafka::start().await;
    let small = [("max.message.bytes", "4000")];
    kafka.create_topics_with(&[kit::RECEIVED, kit::REJECTED], 1, &small).await;
    kafka.create_topics_with(&[kit::REVOCATIONS], 1, &[("cleanup.policy", "compact")]).await;
    let hub = Hub::start_as(Setup::with(&kit::configured(&kafka.bootstrap()))).await;
    let (idp, _receiver) = furnish(&hub).await;
    // Not to be made smaller by compression: the parts of many signatures.
    let noise: String =
        (0..120).map(|n| idp.sign(&json!(n)).rsplit('.').next().unwrap().to_string()).collect();
    let mut want = vec![];
    for n in 0..5 {
        let event = json!({ "event_timestamp": now_s(), "initiating_entity": "user",
                            "x_noise": if n == 2 { noise.as_str() } else { "" } });
        let subject = json!({ "format": "iss_sub", "iss": idp.iss, "sub": "alice" });
        let set = idp.sign(&idp.claims("hub", &format!("j{n}"), SESSION_REVOKED, subject, event));
        assert_eq!(hub.push("default", "kc", &set).await.0, 202);
        if n != 2 {
            want.push(set);
        }
    }
    kit::drained(&hub).await;
    let mut found: Vec<String> = vec![];
    for set in kit::all(&kafka, kit::RECEIVED).await.iter().map(kit::text) {
        if !found.contains(&set) {
            found.push(set);
        }
    }
    assert_eq!(found, want);
    let page = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("\nssf_hub_kafka_refused 1\n"), "{page}");
    hub.stop().await;
}
