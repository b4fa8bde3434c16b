//! A disk that is full: a small tmpfs, filled until senders are told to come later.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::super::hub::{Hub, until};
use super::super::peers::{Idp, PushReceiver, SESSION_REVOKED};
use super::load::{Poller, Sender};
use super::process::Site;

const POINT: &str = "point-secret-0123456789";

/// A small disk.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let disk = Self(at.into());
        disk.call(&["mount", "-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0700"), "tmpfs"]);
        disk
    }

    fn grow(&self, megabytes: u32) {
        self.call(&["mount", "-o", &format!("remount,size={megabytes}m")]);
    }

    fn call(&self, words: &[&str]) {
        let done = Command::new(words[0]).args(&words[1..]).arg(&self.0).output().unwrap();
        assert!(
            done.status.success(),
            "this test fills a disk of its own and needs the right to mount one (root): {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that a failing test leaves behind must not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A SET that takes room.
fn large(sender: &Sender, jti: &str) -> String {
    let sub_id = json!({ "format": "complex",
                         "user": { "format": "iss_sub", "iss": sender.idp.iss, "sub": format!("user-{jti}") },
                         "session": { "format": "opaque", "id": format!("session-{jti}") } });
    let event = json!({ "initiating_entity": "user", "reason_admin": { "en": "x".repeat(20_000) } });
    sender.idp.sign(&sender.idp.claims("hub", jti, SESSION_REVOKED, sub_id, event))
}

/// Sends until it is told to come later; `txn` of what got a 202.
async fn fill(sender: Arc<Sender>, name: String) -> Vec<String> {
    let mut acked = vec![];
    for n in 0..2000 {
        let jti = format!("{name}-{n}");
        match sender.push(&large(&sender, &jti)).await.unwrap() {
            (202, _) => acked.push(format!("txn-{jti}")),
            (503, later) => {
                assert!(later.unwrap().parse::<u64>().unwrap() > 0, "no Retry-After");
                return acked;
            }
            (status, _) => panic!("answered {status}"),
        }
    }
    panic!("the disk does not get full");
}

/// Fills the disk until it stays full: a mirror that is given up, or opened again, may give room back. `txn` of what got a
/// 202.
async fn fill_up(site: &Site, sender: &Arc<Sender>, name: &str) -> Vec<String> {
    let mut acked = vec![];
    for round in 0..20 {
        let filling = (0..8).map(|no| fill(sender.clone(), format!("{name}-{round}-{no}")));
        acked.extend(join_all(filling).await.concat());
        // Longer than from one look for room to the next.
        tokio::time::sleep(Duration::from_secs(2)).await;
        if site.readyz().await.0 == 503 {
            return acked;
        }
    }
    panic!("the disk does not stay full");
}

async fn kill(hub: &Hub, agent: &str) -> u16 {
    let act = json!({ "target": { "kind": "agent", "value": agent }, "reason": "the disk is full" });
    hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await.0
}

async fn furnish(hub: &Hub, issuer: &Idp, receiver: &PushReceiver) -> (Arc<Sender>, String) {
    hub.put("default", "token-issuers", "foreign", issuer.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let bearer = hub.client("default", "saas", true).await;
    for (id, how) in [
        ("pushed", json!({ "method": "push", "endpoint_url": receiver.url })),
        ("polled", json!({ "method": "poll" })),
    ] {
        let mut stream = json!({ "client": "saas", "aud": [id], "events_requested": ["*"], "alg": "ES256" });
        stream.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        hub.put("default", "streams", id, stream).await;
    }
    for agent in ["deployer", "second"] {
        let fact =
            json!({ "id": agent, "aliases": [{ "kind": "client", "iss": issuer.iss, "value": agent }] });
        assert_eq!(hub.fact("default", &bearer, "agents", fact).await.0, 201);
    }
    (Sender::register(hub, "default", "kc").await, bearer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_takes_nothing_in_loses_nothing_and_still_kills() {
    let site = Site::new(
        "[journal]\nsegment_bytes = 1048576\n[limits]\npoll_timeout_ms = 500\n[log]\nfilter = \"error\"\n",
    );
    let disk = Tmpfs::mount(&site.data(), 24);
    let receiver = PushReceiver::start().await;
    let issuer = Idp::new("https://foreign.example", Alg::ES256);
    let mut process = site.start().await;
    let hub = site.hub();
    let (sender, bearer) = furnish(&hub, &issuer, &receiver).await;
    let token = |agent: &str| issuer.token(agent, "svc", "api", json!({ "client_id": agent }));
    assert_eq!(hub.ask("default", POINT, &token("deployer")).await.0, 200);

    let acked = fill_up(&site, &sender, "fill").await;
    println!("{} SETs until the disk was full", acked.len());
    assert!(acked.len() > 50);
    let (status, why) = site.readyz().await;
    assert_eq!((status, why.contains("the disk is full")), (503, true), "{why}");

    // What stops things still works, also behind a crash.
    assert_eq!(kill(&hub, "deployer").await, 200);
    assert_eq!(hub.ask("default", POINT, &token("deployer")).await.0, 401);
    process.kill();
    process = site.start().await;
    let refilled = fill_up(&site, &sender, "refill").await;
    assert_eq!(site.readyz().await.0, 503);
    assert_eq!(hub.ask("default", POINT, &token("deployer")).await.0, 401);
    assert_eq!(sender.push(&large(&sender, "after-restart")).await.unwrap().0, 503);
    assert_eq!(hub.ask("default", POINT, &token("second")).await.0, 200);
    assert_eq!(kill(&hub, "second").await, 200);
    assert_eq!(hub.ask("default", POINT, &token("second")).await.0, 401);

    // Until not even a kill finds room: refused, and the hub goes on denying.
    let mut statuses = std::collections::BTreeMap::new();
    for wave in 0..200 {
        let agents: Vec<String> = (0..64).map(|n| format!("flood-{wave}-{n}")).collect();
        for status in join_all(agents.iter().map(|agent| kill(&hub, agent))).await {
            *statuses.entry(status).or_insert(0) += 1;
        }
        if statuses.contains_key(&503) {
            break;
        }
    }
    println!("kills on a full disk until there was no room for any: {statuses:?}");
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200, 503]);
    assert!(process.is_running(), "{}", site.log());
    assert_eq!(hub.ask("default", POINT, &token("second")).await.0, 401);

    // Room is made: intake opens by itself.
    disk.grow(96);
    until("intake opens by itself", 30, || async { site.readyz().await.0 == 200 }).await;
    assert_eq!(sender.push(&large(&sender, "at-last")).await.unwrap().0, 202);
    process.kill();
    process = site.start().await;
    let poller = Poller::start(&hub, "default", "polled", &bearer);
    let last = [refilled, vec!["txn-at-last".to_string()]].concat();
    let all: Vec<String> = acked.into_iter().chain(last).collect();
    until("everything acknowledged is delivered", 60, || async {
        let names = poller.names.lock().unwrap();
        let got: std::collections::BTreeSet<String> =
            receiver.got().iter().map(|g| g.claims["txn"].as_str().unwrap().to_string()).collect();
        all.iter().all(|txn| names.has("polled", txn) && got.contains(txn))
    })
    .await;
    let mut names = poller.finish().await;
    receiver.got().iter().for_each(|got| names.note(&got.claims));
    names.check();
    until("the folds agree", 10, || async {
        let live = hub.mark("default").await;
        let folded = site.answer(&["journal", "verify"]).await["tenants"]["default"].clone();
        (folded["digest"].as_str(), folded["seq"].as_u64()) == (Some(live.0.as_str()), Some(live.1))
    })
    .await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fits_no_segment_is_refused_and_ends_nothing() {
    // The smallest segments there are, and SETs of which one, or a batch, is larger.
    let site = Site::new("[journal]\nsegment_bytes = 65536\n");
    let mut process = site.start().await;
    let sender = Sender::register(&site.hub(), "default", "kc").await;
    let padded = |jti: &str, bytes: usize| {
        let event = json!({ "initiating_entity": "user", "reason_admin": { "en": "x".repeat(bytes) } });
        let sub_id = json!({ "format": "iss_sub", "iss": sender.idp.iss, "sub": jti });
        sender.idp.sign(&sender.idp.claims("hub", jti, SESSION_REVOKED, sub_id, event))
    };
    assert_eq!(sender.push(&padded("one", 40_000)).await.map(|a| a.0), Some(413), "{}", site.log());
    let several: Vec<String> = (0..48).map(|n| padded(&format!("several-{n}"), 8000)).collect();
    for answer in join_all(several.iter().map(|set| sender.push(set))).await {
        assert_eq!(answer.map(|a| a.0), Some(202), "{}", site.log());
    }
    assert!(process.is_running(), "{}", site.log());
    process.kill();
    let process = site.start().await;
    site.answer(&["journal", "verify"]).await;
    process.stop().await;
}
