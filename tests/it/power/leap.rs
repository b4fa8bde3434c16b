//! A wall clock that leaps against the machine's uptime.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use ssf_hub::app::serve::Runtime;
use ssf_hub::clock::{Clock, System};
use ssf_hub::jose::alg::Alg;
use ssf_hub::journal::{Folder, Position, Reader};

use super::super::hub::{Hub, Setup, until};
use super::super::peers::{Idp, now_s};

const POINT: &str = "point-secret-0123456789";
const HOUR_MS: i64 = 3_600_000;

/// The machine's clocks, the wall clock shifted.
#[derive(Default)]
struct Shifted(AtomicI64);

impl Clock for Shifted {
    fn wall_ms(&self) -> i64 {
        System.wall_ms() + self.0.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        System.boot_ms()
    }
}

async fn readyz(hub: &Hub) -> (u16, String) {
    let answer = hub.http.get(format!("{}/readyz", hub.admin)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn becomes(hub: &Hub, status: u16) {
    until(&format!("readyz is {status}"), 30, || async { readyz(hub).await.0 == status }).await;
}

/// A request that came to nothing does not use up the interval (SSF 1.0, 8.1.1).
#[tokio::test]
async fn a_verification_that_was_refused_need_not_wait() {
    let clock = Arc::new(Shifted::default());
    let runtime = Runtime { clock: clock.clone(), ..Runtime::default() };
    let hub = Hub::start_as(Setup { runtime, ..Setup::default() }).await;
    let client = json!({ "new_bearer": true, "receiver": { "min_verification_interval_s": 3600 } });
    let made = hub.put("default", "clients", "a", client).await;
    let bearer = made["bearer"].as_str().unwrap();
    let send = async |path: &str| {
        let url = format!("{}/t/default/ssf/{path}", hub.public);
        let request = hub.http.post(url).bearer_auth(bearer).header("content-type", "application/json");
        request.body("{}").send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("streams").await, 201);
    clock.0.store(HOUR_MS, Ordering::Relaxed);
    becomes(&hub, 503).await;
    assert_eq!([send("verify").await, send("verify").await], [503, 503]);
    clock.0.store(0, Ordering::Relaxed);
    becomes(&hub, 200).await;
    assert_eq!([send("verify").await, send("verify").await], [204, 429]);
    hub.stop().await;
}

#[tokio::test]
async fn a_leaping_clock_stops_intake_and_nothing_else() {
    let clock = Arc::new(Shifted::default());
    let runtime = Runtime { clock: clock.clone(), ..Runtime::default() };
    let hub = Hub::start_as(Setup { runtime, ..Setup::default() }).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    hub.put("default", "token-issuers", "idp", idp.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let token = |user: &str| idp.token(user, user, "api", json!({ "exp": now_s() + 4 * 3600 }));
    let pushed = |jti: &str, user: &str| {
        let set = idp.session_revoked("hub", jti, user, None, "admin");
        let hub = &hub;
        async move { hub.push("default", "kc", &set).await.0 }
    };
    let kill = |agent: &str| {
        let act =
            json!({ "target": { "kind": "iss_sub", "iss": idp.iss, "value": agent }, "reason": "drill" });
        let hub = &hub;
        async move { hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await }
    };
    assert_eq!(pushed("j1", "alice").await, 202);
    assert_eq!(hub.ask("default", POINT, &token("alice")).await.0, 401);

    clock.0.store(HOUR_MS, Ordering::Relaxed);
    becomes(&hub, 503).await;
    let why = readyz(&hub).await.1;
    assert!(why.contains("the wall clock leapt"), "{why}");
    assert_eq!(pushed("j2", "bob").await, 503);
    assert_eq!(hub.ask("default", POINT, &token("alice")).await.0, 401, "what is denied stays denied");
    assert_eq!(hub.ask("default", POINT, &token("carol")).await.0, 200);
    let (status, done) = kill("carol").await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(hub.ask("default", POINT, &token("carol")).await.0, 401);

    clock.0.store(0, Ordering::Relaxed);
    becomes(&hub, 200).await;
    assert_eq!(pushed("j2", "bob").await, 202);

    // It is the new time that is right: an operator says so.
    clock.0.store(HOUR_MS, Ordering::Relaxed);
    becomes(&hub, 503).await;
    let (status, said) = hub.admin_send("POST", "/admin/v1/clock/accept", None).await;
    assert_eq!(status, 200, "{said}");
    becomes(&hub, 200).await;
    assert_eq!(pushed("j3", "dave").await, 202);
    assert_eq!(hub.ask("default", POINT, &token("alice")).await.0, 401);

    // Back again: what was accepted at the later time stays where it is.
    clock.0.store(0, Ordering::Relaxed);
    becomes(&hub, 503).await;
    assert_eq!(kill("erin").await.0, 200);
    assert_eq!(hub.admin_send("POST", "/admin/v1/clock/accept", None).await.0, 200);
    assert_eq!(pushed("j4", "frank").await, 202);
    let journal = hub.data().join("journal");
    let _dir = hub.stop().await;

    let mut reader = Reader::open(Arc::new(Folder::read_only(&journal))).unwrap();
    let mut times = vec![];
    for batch in reader.batches(Position::OLDEST).unwrap() {
        times.extend(batch.unwrap().entries.into_iter().map(|e| e.time_ms));
    }
    assert!(times.is_sorted(), "times go back: {times:?}");
    assert!(times.last().unwrap() - times[0] >= HOUR_MS, "the accepted hour is in the journal");
}
