//! SIGKILL, fifty times at random moments under load: while SETs come in, while the hub starts, while it writes a base.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use ssf_hub::clock::{OsChance, random};

use super::super::hub::{Hub, until};
use super::super::peers::{PushReceiver, SESSION_REVOKED, now_s};
use super::load::{Load, Names, Poller, Sender};
use super::process::Site;

const KILLS: usize = 50;

/// SplitMix64: the moments of one seed are always the same.
struct Moments(u64);

impl Moments {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    async fn pause(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_micros(self.below(ms * 1000))).await;
    }
}

/// The seed: given in `SSF_POWER_SEED`, or drawn.
#[expect(clippy::disallowed_methods, reason = "a test that can be repeated")]
fn seed() -> u64 {
    let given = std::env::var("SSF_POWER_SEED").ok().map(|text| text.parse().unwrap());
    given.unwrap_or_else(|| u64::from_be_bytes(random(&OsChance)))
}

/// Runs that end by their deadline while the hub is being killed, and facts that come meanwhile.
#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
fn runs(hub: &Hub, bearer: String, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
    let (http, url) = (hub.http.clone(), format!("{}/v1/runs", hub.iss("default")));
    tokio::spawn(async move {
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let agent = json!({ "kind": "agent", "value": "worker" });
            let session = json!({ "kind": "session", "iss": "https://kc.example", "value": format!("session{}", n % 293) });
            let run = json!({ "id": format!("run-{n}"), "agent": agent, "session": session, "deadline": now_s() + 3 });
            let request = http.post(&url).bearer_auth(&bearer).header("content-type", "application/json");
            // A fact that got no answer may be told again or not: both are good here.
            let _ = request.body(run.to_string()).send().await;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
}

/// Two tenants, four senders, three push streams and one that is polled.
async fn furnish(hub: &Hub, receiver: &PushReceiver) -> (Vec<Arc<Sender>>, String) {
    hub.tenant("acme").await;
    let bearer = hub.client("default", "saas", true).await;
    hub.client("acme", "saas", false).await;
    for (tenant, id, derived) in
        [("default", "pushed", false), ("default", "derived", true), ("acme", "acme-pushed", false)]
    {
        let stream = json!({ "client": "saas", "method": "push", "endpoint_url": receiver.url, "aud": [id],
                             "events_requested": ["*"], "derived": derived, "alg": "ES256" });
        hub.put(tenant, "streams", id, stream).await;
    }
    let polled = json!({ "client": "saas", "method": "poll", "aud": ["polled"], "events_requested": [SESSION_REVOKED],
                         "alg": "ES256" });
    hub.put("default", "streams", "polled", polled).await;
    assert_eq!(hub.fact("default", &bearer, "agents", json!({ "id": "worker" })).await.0, 201);
    let mut senders = vec![];
    for (tenant, upstream) in [("default", "kc"), ("default", "itdr"), ("acme", "okta")] {
        senders.push(Sender::register(hub, tenant, upstream).await);
    }
    // Two connections of one upstream.
    senders.push(senders[0].clone());
    (senders, bearer)
}

/// Digests and last entries of all tenants, once nothing changes any more.
async fn at_rest(hub: &Hub) -> Value {
    // Runs end by their deadline for another three seconds.
    let (mut last, mut same) = (Value::Null, 0);
    for _ in 0..600 {
        let status = hub.status().await;
        let owed = status["tenants"].as_object().unwrap().values().map(|t| t["owed"].as_u64().unwrap());
        same = if owed.sum::<u64>() == 0 && status["tenants"] == last { same + 1 } else { 0 };
        if same == 13 {
            return last;
        }
        last = status["tenants"].clone();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("the hub does not come to rest: {last}");
}

fn assert_same(what: &str, seen: &Value, wanted: &Value) {
    for (tenant, want) in wanted.as_object().unwrap() {
        for member in ["seq", "digest"] {
            assert_eq!(seen[tenant][member], want[member], "{what}: {member} of {tenant}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_nothing_that_got_a_202() {
    let seed = seed();
    println!("SSF_POWER_SEED={seed}");
    let mut moments = Moments(seed);
    let site = Site::new(
        "[journal]\nsegment_bytes = 1048576\n[outbox]\nretry_delays_ms = [50, 100, 200]\nbrake_ms = 100\n\
         brake_max_ms = 200\n[limits]\npoll_timeout_ms = 500\n[log]\nfilter = \"warn,ssf_hub::app::serve=info\"\n",
    );
    // Now and then a receiver has no time.
    let receiver = PushReceiver::answering(|n, _| match n % 53 {
        0 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::ACCEPTED,
    })
    .await;
    let mut process = site.start().await;
    let hub = site.hub();
    let (senders, bearer) = furnish(&hub, &receiver).await;
    let load = Load::start(&senders, Duration::from_millis(4));
    let poller = Poller::start(&hub, "default", "polled", &bearer);
    let stop = Arc::new(AtomicBool::new(false));
    let facts = runs(&hub, bearer, stop.clone());

    for round in 0..KILLS {
        if round == KILLS / 2 {
            // One that is whole; of the others that depends on the disk.
            assert_eq!(hub.admin_send("POST", "/admin/v1/base", None).await.0, 200);
        }
        match moments.below(10) {
            // While it starts.
            0..3 => {
                process.kill();
                process = site.spawn();
                moments.pause(150).await;
            }
            // While it writes a base.
            3..6 => {
                let base = hub.admin_try("/admin/v1/base");
                tokio::select! {
                    _ = base => {}
                    () = moments.pause(40) => {}
                }
            }
            // Long enough for the mirror to be written.
            6 => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                moments.pause(1000).await;
            }
            _ => moments.pause(400).await,
        }
        process.kill();
        if round % 10 == 9 {
            let checked = site.cli(&["journal", "verify"]).await;
            assert!(checked.status.success(), "round {round}: {}", String::from_utf8_lossy(&checked.stderr));
        }
        process = site.start().await;
    }
    stop.store(true, Ordering::Relaxed);
    facts.await.unwrap();
    let acked = load.finish().await;
    let log = site.log();
    let [mirror, base, zero] =
        ["from=Mirror", "from=Base", "from=Zero"].map(|from| log.matches(from).count());
    println!(
        "{KILLS} kills, {} SETs acknowledged; starts from mirror {mirror}, base {base}, zero {zero}",
        acked.len()
    );
    assert!(mirror > 0, "no start from the mirror");
    assert!(acked.len() > 4 * KILLS, "there was hardly any load: {}", acked.len());
    let rest = at_rest(&hub).await;
    let mut names = poller.finish().await;
    for got in receiver.got() {
        names.note(&got.claims);
    }
    let lost = lost(&acked, &names);
    assert!(lost.is_empty(), "acknowledged and not delivered: {lost:?}");
    println!("{} names, each of one SET at one receiver", names.check());

    let verified = site.answer(&["journal", "verify"]).await;
    assert_same("folded again", &verified["tenants"], &rest);
    println!("folded from {}", verified["folded_from"]);
    assert_ne!(verified["folded_from"], "zero", "no base was ever written");
    process.stop().await;
    for (what, rebuild) in [("from the mirror", false), ("after `store rebuild`", true)] {
        if rebuild {
            site.answer(&["store", "rebuild"]).await;
        }
        process = site.start().await;
        assert_same(what, &hub.status().await["tenants"], &rest);
        process.kill();
    }
    std::fs::remove_dir_all(site.data().join("mirror")).unwrap();
    process = site.start().await;
    assert_same("without a mirror", &hub.status().await["tenants"], &rest);
    process.stop().await;
}

fn lost<'a>(acked: &'a [(&'static str, String)], names: &Names) -> Vec<(&'static str, &'a str)> {
    let mut lost = vec![];
    for (tenant, txn) in acked {
        let streams: &[&str] =
            if *tenant == "acme" { &["acme-pushed"] } else { &["pushed", "derived", "polled"] };
        lost.extend(streams.iter().filter(|aud| !names.has(aud, txn)).map(|aud| (*aud, txn.as_str())));
    }
    lost
}

impl Hub {
    /// Posts to the admin API; nobody minds whether an answer comes.
    async fn admin_try(&self, path: &str) {
        let request = self.http.post(format!("{}{path}", self.admin)).bearer_auth(&self.credential);
        let _ = request.send().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_right_behind_the_start_it_keeps_one_state() {
    // The tail that a start folds must reach the mirror too: kill, start, one SET, kill, start.
    let site = Site::new("");
    let mut process = site.start().await;
    let hub = site.hub();
    let sender = Sender::register(&hub, "default", "kc").await;
    for n in 0..6 {
        for m in 0..4 {
            let set =
                sender.idp.session_revoked("hub", &format!("{n}-{m}"), &format!("u{m}"), Some("s"), "user");
            assert_eq!(sender.push(&set).await.unwrap().0, 202);
        }
        if n % 2 == 0 {
            // Long enough for the mirror to be written.
            tokio::time::sleep(Duration::from_millis(1300)).await;
        }
        process.kill();
        process = site.start().await;
    }
    until("it is ready", 30, || async { site.readyz().await.0 == 200 }).await;
    let status = hub.status().await;
    let verified = site.answer(&["journal", "verify"]).await;
    assert_same("folded again", &verified["tenants"], &status["tenants"]);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_its_very_first_start_it_begins_all_the_same() {
    let seed = seed();
    println!("SSF_POWER_SEED={seed}");
    let mut moments = Moments(seed);
    let site = Site::new("");
    for _ in 0..15 {
        let mut process = site.spawn();
        moments.pause(200).await;
        process.kill();
    }
    let process = site.start().await;
    until("it is ready", 30, || async { site.readyz().await.0 == 200 }).await;
    let hub = site.hub();
    let sender = Sender::register(&hub, "default", "kc").await;
    let set = sender.idp.session_revoked("hub", "j", "alice", None, "user");
    assert_eq!(sender.push(&set).await.unwrap().0, 202);
    let live = hub.status().await["tenants"].clone();
    let verified = site.answer(&["journal", "verify"]).await;
    assert_same("folded again", &verified["tenants"], &live);
    process.stop().await;
}
