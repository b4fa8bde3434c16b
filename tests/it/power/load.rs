//! Who sends while the power fails, and who takes: senders note every SET that got a 202, takers every name it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::hub::Hub;
use super::super::peers::{Idp, claims_of};

/// One upstream, and what became of its SETs.
pub struct Sender {
    pub tenant: &'static str,
    pub upstream: &'static str,
    pub idp: Idp,
    url: String,
    http: reqwest::Client,
}

impl Sender {
    /// Makes the upstream at a running hub.
    pub async fn register(hub: &Hub, tenant: &'static str, upstream: &'static str) -> Arc<Self> {
        let idp = Idp::new(&format!("https://{upstream}.example"), Alg::ES256);
        hub.put(tenant, "upstreams", upstream, idp.upstream("hub")).await;
        let url = format!("{}/t/{tenant}/in/{upstream}", hub.public);
        Arc::new(Self { tenant, upstream, idp, url, http: hub.http.clone() })
    }

    /// Pushes a SET: the status and `Retry-After`, or `None` where no answer came.
    pub async fn push(&self, compact: &str) -> Option<(u16, Option<String>)> {
        let request = self.http.post(&self.url).header("content-type", "application/secevent+jwt");
        let answer = request.body(compact.to_string()).send().await.ok()?;
        let later = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().to_string());
        Some((answer.status().as_u16(), later))
    }

    /// The n-th SET of a sender: few users, many sessions; now and then all of a user's.
    fn set(&self, jti: &str, n: usize) -> String {
        let (user, session) = (format!("user{}", n % 17), format!("session{}", n % 293));
        let all = n.is_multiple_of(11);
        let by = if all { "admin" } else { "user" };
        self.idp.session_revoked("hub", jti, &user, (!all).then_some(session.as_str()), by)
    }
}

/// Senders at work.
pub struct Load {
    acked: Arc<Mutex<Vec<(&'static str, String)>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// Every sender sends, one SET after the other, and repeats each until it got its 202.
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub fn start(senders: &[Arc<Sender>], pause: Duration) -> Self {
        let (acked, stop) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicBool::new(false)));
        let work = senders.iter().enumerate().map(|(no, sender)| {
            let (sender, acked, stop) = (sender.clone(), acked.clone(), stop.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let jti = format!("{}-{no}-{n}", sender.upstream);
                    if sent(&sender, &sender.set(&jti, n), &stop).await {
                        acked.lock().unwrap().push((sender.tenant, format!("txn-{jti}")));
                    }
                    tokio::time::sleep(pause).await;
                }
            })
        });
        let tasks = work.collect();
        Self { acked, stop, tasks }
    }

    /// How many got a 202 so far.
    pub fn count(&self) -> usize {
        self.acked.lock().unwrap().len()
    }

    /// Lets every sender finish; tenant and `txn` of each SET that got a 202.
    pub async fn finish(self) -> Vec<(&'static str, String)> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.acked.lock().unwrap())
    }
}

/// Repeats one SET until it got its 202; `false` where it did not, and nobody wants to wait any more.
async fn sent(sender: &Sender, compact: &str, stop: &AtomicBool) -> bool {
    let mut tries_left = 100;
    while tries_left > 0 {
        match sender.push(compact).await {
            Some((202, _)) => return true,
            Some((429 | 503, _)) | None => tokio::time::sleep(Duration::from_millis(20)).await,
            Some((status, _)) => panic!("{}: answered {status}", sender.upstream),
        }
        tries_left -= usize::from(stop.load(Ordering::Relaxed));
    }
    false
}

/// Which names a SET had at a receiver: by audience, `txn`, and what it says.
#[derive(Default)]
pub struct Names(BTreeMap<(String, String), BTreeMap<String, BTreeSet<String>>>);

impl Names {
    pub fn note(&mut self, claims: &Value) {
        let text = |name: &str| claims[name].as_str().unwrap_or_else(|| panic!("{claims}")).to_string();
        let what = format!("{}{}", claims["sub_id"], claims["events"]);
        let said = self.0.entry((text("aud"), text("txn"))).or_default();
        said.entry(what).or_default().insert(text("jti"));
    }

    pub fn has(&self, aud: &str, txn: &str) -> bool {
        self.0.contains_key(&(aud.into(), txn.into()))
    }

    /// One SET has one name at each receiver, and no name is another's. How many names there are.
    pub fn check(&self) -> usize {
        let mut all = BTreeSet::new();
        for ((aud, txn), said) in &self.0 {
            for (what, jtis) in said {
                assert_eq!(jtis.len(), 1, "{aud}, {txn}: {what} has several names: {jtis:?}");
                assert!(all.insert(jtis.first().unwrap()), "{aud}, {txn}: a name came twice: {jtis:?}");
            }
        }
        all.len()
    }
}

/// A receiver that polls, acknowledges, and goes on when nobody answers.
pub struct Poller {
    pub names: Arc<Mutex<Names>>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Poller {
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub fn start(hub: &Hub, tenant: &str, stream: &str, bearer: &str) -> Self {
        let (names, stop) = (Arc::new(Mutex::new(Names::default())), Arc::new(AtomicBool::new(false)));
        let (notes, ending) = (names.clone(), stop.clone());
        let (http, bearer) = (hub.http.clone(), bearer.to_string());
        let url = format!("{}/t/{tenant}/poll/{stream}", hub.public);
        let task = tokio::spawn(async move {
            let mut ack: Vec<String> = vec![];
            // What was taken last is acknowledged before it ends.
            while !(ending.load(Ordering::Relaxed) && ack.is_empty()) {
                let body = json!({ "ack": ack, "maxEvents": 50 }).to_string();
                let request = http.post(&url).bearer_auth(&bearer).header("content-type", "application/json");
                let Ok(answer) = request.body(body).send().await else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let ok = answer.status().is_success();
                let Ok(text) = answer.text().await else { continue };
                if !ok {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                let sets: Value = serde_json::from_str(&text).unwrap();
                ack = sets["sets"].as_object().unwrap().keys().cloned().collect();
                for set in sets["sets"].as_object().unwrap().values() {
                    notes.lock().unwrap().note(&claims_of(set.as_str().unwrap()));
                }
            }
        });
        Self { names, stop, task }
    }

    /// Acknowledges what was taken, and ends.
    pub async fn finish(self) -> Names {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.names.lock().unwrap())
    }
}
