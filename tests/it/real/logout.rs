//! A real logout, a real stop (NEED-3, NEED-11, NEED-24, NEED-30): users log in at a real Keycloak and start runs; one
//! logs out there, an administrator ends the sessions of another. Keycloak pushes the SETs to the hub; from then on a
//! real NGINX refuses the calls of their runs and lets the innocent pass, and receivers by push, by poll and by a real
//! Kafka have the signal under one `txn`. The times are printed, never judged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use ssf_hub::clock::Stopwatch;

use super::super::hub::{Hub, Setup};
use super::super::parts::address::Address;
use super::super::parts::http::{Answer, Body, call};
use super::super::parts::kafka::Kafka;
use super::super::parts::keycloak::{Keycloak, Tokens, claims};
use super::super::parts::nginx::Nginx;
use super::super::peers::{PushReceiver, SESSION_REVOKED, axum_serve, claims_of, now_s};
use super::kit;

const UPSTREAM: &str = "keycloak-upstream-secret-4711";
const RECEIVER: &str = "Bearer push-receiver-secret-4711";

struct Stage {
    hub: Hub,
    keycloak: Keycloak,
    kafka: Arc<Kafka>,
    nginx: Nginx,
    pushed: PushReceiver,
    polling: String,
    broker: String,
    people: Vec<(&'static str, Tokens)>,
    _gateway: Address,
}

/// Everything that runs, and three people who logged in and each started a run.
async fn stage() -> Stage {
    let setup = Setup::default();
    let push_to = format!("http://127.0.0.1:{}/*", setup.public);
    let (kafka, keycloak) = tokio::join!(Kafka::start(), Keycloak::start(&push_to));
    let hub = Hub::start_as(Setup { more: kit::configured(&kafka.bootstrap()), ..setup }).await;
    let mut people = vec![];
    for who in ["alice", "bob", "carol"] {
        people.push((who, keycloak.login(who).await));
    }
    let broker = hub.client("default", "broker", true).await;
    furnish(&hub, &keycloak, &people[0].1).await;
    let pushed = PushReceiver::start().await;
    let polling = streams(&hub, &pushed).await;
    for (who, tokens) in &people {
        launch(&hub, &keycloak.issuer, &broker, who, tokens).await;
    }
    let (gateway, nginx) = protect(&hub).await;
    Stage { hub, keycloak, kafka: Arc::new(kafka), nginx, pushed, polling, broker, people, _gateway: gateway }
}

/// Keycloak as upstream and as token issuer, its keys by URL; the audience of its SETs is known once its stream is made.
async fn furnish(hub: &Hub, keycloak: &Keycloak, tokens: &Tokens) {
    let url = format!("{}/in/keycloak", hub.iss("default"));
    let (_, aud) = keycloak.create_push_stream("ssf-push", &url, &format!("Bearer {UPSTREAM}")).await;
    let jwks = json!({ "url": format!("{}/protocol/openid-connect/certs", keycloak.issuer) });
    let upstream = json!({ "iss": keycloak.issuer, "aud": [aud], "dialect": "keycloak", "jwks": jwks, "bearer": UPSTREAM });
    hub.put("default", "upstreams", "keycloak", upstream).await;
    hub.put("default", "token-issuers", "keycloak", json!({ "iss": keycloak.issuer, "jwks": jwks })).await;
    let aud = claims(&tokens.access_token)["aud"].clone();
    let aud = if aud.is_array() { aud } else { json!([aud]) };
    hub.put("default", "points", "gateway", json!({ "bearer": kit::POINT, "aud": aud })).await;
}

/// A receiver by push and one by poll; gives the bearer of the second.
async fn streams(hub: &Hub, pushed: &PushReceiver) -> String {
    let bearer = hub.client("default", "saas", false).await;
    let common = json!({ "client": "saas", "events_requested": [SESSION_REVOKED] });
    for (id, more) in [
        (
            "pushed",
            json!({ "method": "push", "aud": ["push"], "endpoint_url": pushed.url, "authorization_header": RECEIVER }),
        ),
        ("polled", json!({ "method": "poll", "aud": ["poll"] })),
    ] {
        let mut stream = common.clone();
        stream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hub.put("default", "streams", id, stream).await;
    }
    bearer
}

/// A run that somebody started from a session, with the session's own token.
async fn launch(hub: &Hub, iss: &str, broker: &str, who: &str, tokens: &Tokens) {
    let token = claims(&tokens.access_token);
    let agent = json!({ "kind": "agent", "value": format!("assistant-of-{who}") });
    let session = json!({ "kind": "session", "iss": iss, "value": tokens.sid });
    let user = json!({ "kind": "iss_sub", "iss": iss, "value": token["sub"] });
    let facts = [
        ("agents", json!({ "id": agent["value"], "owner": who })),
        ("edges", json!({ "type": "session_of", "from": session, "to": user })),
        (
            "runs",
            json!({ "id": format!("run-of-{who}"), "agent": agent, "session": session, "on_behalf_of": user,
                    "deadline": now_s() + 3000 }),
        ),
        (
            "tokens",
            json!({ "iss": iss, "jti": token["jti"], "run": format!("run-of-{who}"), "iat": token["iat"], "exp": token["exp"] }),
        ),
    ];
    for (kind, fact) in facts {
        let (status, answer) = hub.fact("default", broker, kind, fact).await;
        assert_eq!(status, 201, "{who}, {kind}: {answer}");
    }
}

/// A tool, and NGINX in front of it with the recipe that we ship.
#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
async fn protect(hub: &Hub) -> (Address, Nginx) {
    let address = Address::claim();
    let tool = tokio::net::TcpListener::bind(address.port(8082)).await.unwrap();
    tokio::spawn(axum_serve(tool, Router::new().fallback(|| async { "done" })));
    let hub_at = hub.public.strip_prefix("http://").unwrap().parse().unwrap();
    let nginx = Nginx::start(hub_at, address.port(8080), address.port(8082), kit::POINT).await;
    (address, nginx)
}

/// When, from the logout on, who knew of it.
struct Times(Vec<(&'static str, Duration)>);

impl Stage {
    fn tokens(&self, who: &str) -> &Tokens {
        &self.people.iter().find(|(name, _)| *name == who).unwrap().1
    }

    /// A call of somebody's run through the gateway. What the hub did not decide in time, on a machine that is busy, is asked
    /// again.
    async fn calls(&self, who: &str) -> Answer {
        let (bearer, since) = (format!("Bearer {}", self.tokens(who).access_token), Stopwatch::start());
        let (url, fields) = (format!("{}/tool", self.nginx.url()), [("authorization", bearer.as_str())]);
        loop {
            let answer = call("GET", &url, &fields, Body::None).await;
            if answer.status != 503 || since.elapsed() > kit::PATIENCE {
                return answer;
            }
        }
    }

    /// The first refused call.
    async fn refused(&self, who: &str, since: &Stopwatch) -> (Answer, Duration) {
        loop {
            let answer = self.calls(who).await;
            if answer.status == 401 {
                return (answer, since.elapsed());
            }
            assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
            assert!(since.elapsed() < kit::PATIENCE, "{who} is never refused");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The `n`-th SET at the receiver by push; one that comes again is none.
    async fn by_push(&self, n: usize, since: &Stopwatch) -> (Value, Duration) {
        loop {
            let mut names = BTreeSet::new();
            let mut got = self.pushed.got().into_iter().map(|got| got.claims);
            if let Some(claims) = got.find(|c| names.insert(c["jti"].to_string()) && names.len() == n) {
                return (claims, since.elapsed());
            }
            assert!(since.elapsed() < kit::PATIENCE, "nothing is pushed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The next SET at the receiver by long poll, acknowledged.
    async fn by_poll(&self, since: &Stopwatch) -> (Value, Duration) {
        loop {
            let (status, answer) = self.hub.poll("default", "polled", &self.polling, json!({})).await;
            let after = since.elapsed();
            assert_eq!(status, 200, "{answer}");
            if let Some((jti, set)) = answer["sets"].as_object().unwrap().iter().next() {
                let ack = json!({ "ack": [jti], "maxEvents": 0, "returnImmediately": true });
                assert_eq!(self.hub.poll("default", "polled", &self.polling, ack).await.0, 200);
                return (claims_of(set.as_str().unwrap()), after);
            }
            assert!(after < kit::PATIENCE, "nothing is polled");
        }
    }

    /// Somebody's sessions end by `act`; everybody is told, for the `n`-th time.
    #[expect(clippy::disallowed_methods, reason = "a consumer beside the test, whose metadata calls block")]
    async fn ends(&self, who: &str, n: usize, act: impl Future<Output = ()>) -> (String, Times) {
        let (since, kafka) = (Arc::new(Stopwatch::start()), self.kafka.clone());
        let (at, begun) = (since.clone(), Duration::from_secs(1));
        let reading = tokio::spawn(async move {
            let found = kafka.consume(kit::RECEIVED, n, kit::PATIENCE).await;
            (found, at.elapsed())
        });
        tokio::time::sleep(begun).await; // the consumer and the long poll are there when it happens
        let acted = async {
            act.await;
            since.elapsed()
        };
        let before = since.elapsed();
        let (acted, refused, pushed, polled) =
            tokio::join!(acted, self.refused(who, &since), self.by_push(n, &since), self.by_poll(&since));
        let read = reading.await.unwrap();
        let txn = pushed.0["txn"].as_str().unwrap().to_string();
        assert_eq!(polled.0["txn"], txn.as_str());
        // The partitions are read in any order.
        let mut originals = read.0.iter().map(|message| claims_of(&kit::text(message)));
        let original = originals.find(|c| c["txn"] == txn.as_str()).expect("Kafka has the original");
        assert_eq!(original["iss"], self.keycloak.issuer.as_str());
        assert_eq!((&pushed.0["sub_id"], &polled.0["events"]), (&original["sub_id"], &original["events"]));
        self.explains(&refused.0, &txn).await;
        let after = |at: Duration| at.saturating_sub(before);
        let times = [
            ("Keycloak answers the logout", after(acted)),
            ("NGINX refuses the run's next call", after(refused.1)),
            ("the receiver by push has it", after(pushed.1)),
            ("the receiver by long poll has it", after(polled.1)),
            ("the consumer of Kafka has it", after(read.1)),
        ];
        (txn, Times(times.to_vec()))
    }

    /// The decision id of a refusal leads to the SET that caused it.
    async fn explains(&self, refusal: &Answer, txn: &str) {
        let id = refusal.header("x-hub-decision-id").expect("a decision id");
        assert!(refusal.header("www-authenticate").unwrap().contains("invalid_token"));
        let (status, why) = self.hub.admin_send("GET", &format!("/admin/v1/why/{id}"), None).await;
        assert_eq!(status, 200, "{why}");
        assert_eq!(why["decision"]["txn"], txn, "{why}");
    }

    /// Records on Kafka that a signal caused, by kind of key.
    async fn records(&self, txn: &str) -> Vec<String> {
        let records = kit::all(&self.kafka, kit::REVOCATIONS).await;
        let caused = records.iter().map(kit::record).filter(|record| record["cause"]["txn"] == txn);
        caused.map(|record| record["kind"].as_str().unwrap().to_string()).collect()
    }

    /// Every secret in play.
    fn secrets(&self) -> Vec<(String, Vec<u8>)> {
        let mut named = vec![
            ("the admin credential", self.hub.credential.clone()),
            ("the bearer of facts", self.broker.clone()),
            ("the bearer of the poller", self.polling.clone()),
            ("the point's secret", kit::POINT.into()),
            ("the upstream's bearer", UPSTREAM.into()),
            ("the receiver's authorization", RECEIVER["Bearer ".len()..].into()),
        ];
        for receiver in self.keycloak.receivers.values() {
            named.push(("a client secret of Keycloak", receiver.client_secret.clone()));
        }
        for (who, tokens) in &self.people {
            named.push(("a password", self.keycloak.users[*who].password.clone()));
            for token in [&tokens.access_token, &tokens.refresh_token, &tokens.id_token] {
                named.push(("a token's signature", token.rsplit('.').next().unwrap().into()));
            }
        }
        let mut all: Vec<_> = named.into_iter().map(|(name, s)| (name.to_string(), s.into_bytes())).collect();
        all.extend(kit::key_material(&self.hub.data()));
        all
    }
}

fn print(title: &str, Times(times): &Times) {
    println!("\n{title}");
    for (what, after) in times {
        println!("  {what:<36} {:>6} ms", after.as_millis());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_at_keycloak_stops_the_next_call_at_nginx_and_everybody_is_told() {
    let stage = stage().await;
    for (who, _) in &stage.people {
        let answer = stage.calls(who).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "done"), "{who}");
    }
    let refresh = stage.tokens("alice").refresh_token.clone();
    let (first, times) = stage.ends("alice", 1, stage.keycloak.logout(&refresh)).await;
    for who in ["bob", "carol"] {
        assert_eq!(stage.calls(who).await.status, 200, "{who} is innocent");
    }
    print("alice logs out at Keycloak; after", &times);

    let (second, times) = stage.ends("carol", 2, stage.keycloak.admin_logout_all("carol")).await;
    assert_ne!(first, second);
    assert_eq!(stage.calls("bob").await.status, 200, "bob is innocent");
    assert_eq!(stage.calls("alice").await.status, 401);
    print("an administrator ends all sessions of carol; after", &times);

    kit::drained(&stage.hub).await;
    // The narrowest keys that were named: the one session and its run; then every run of the person.
    for (txn, wanted) in [(&first, ["session", "run"]), (&second, ["on_behalf_of", "run"])] {
        let kinds = stage.records(txn).await;
        let missing = wanted.iter().find(|kind| !kinds.iter().any(|k| k == *kind));
        assert_eq!(missing, None, "{kinds:?}");
    }
    // A new login is not caught by the old logout: another session, another run.
    let again = stage.keycloak.login("alice").await;
    assert_eq!(stage.hub.ask("default", kit::POINT, &again.access_token).await.0, 200);

    let looked = kit::holds_no_secret(&stage.kafka, &stage.secrets()).await;
    assert!(looked >= 4, "only {looked} records");
    stage.hub.stop().await;
}
