//! Our signing keys of all four algorithms, rotated and revoked by the command line while SETs flow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::hub::{Hub, until};
use super::super::power::process::Site;
use super::sender::Sender;
use super::takers::{Jwks, Polled, Pushed, Taker, verifies};
use super::world::Credential;
use super::{QUICKLY, stream};

/// Time enough to revoke a key before it signs, and for what was signed to be verified, on a machine that is busy.
const KEYS: &str =
    "[keys]\njwks_max_age_s = 1\npublish_ahead_s = 5\noverlap_s = 6\n[journal]\nsegment_bytes = 262144\n";
const IN: [Alg; 4] = [Alg::RS256, Alg::EdDSA, Alg::ES256, Alg::PS256];

/// A hub with a stream for each algorithm: two that push, two that are polled.
struct Stand {
    site: Site,
    hub: Hub,
    sender: Sender,
    jwks: Arc<Jwks>,
    pushed: [Pushed; 2],
    polled: [Polled; 2],
}

async fn stand(site: Site) -> Stand {
    let hub = site.hub();
    let bearer = hub.client("default", "saas", false).await;
    let sender = Sender::new(hub.http.clone(), format!("{}/in/kc", hub.iss("default")));
    let upstream =
        json!({ "iss": "https://idp.example", "aud": ["hub"], "jwks": { "inline": sender.jwks() } });
    hub.put("default", "upstreams", "kc", upstream).await;
    let jwks = || Jwks::new(hub.http.clone(), format!("{}/jwks.json", hub.iss("default")));
    let pushed = [Pushed::start(&jwks(), IN[0]).await, Pushed::start(&jwks(), IN[1]).await];
    for (alg, receiver) in IN.iter().zip(&pushed) {
        stream(&hub, alg.name(), "saas", alg.name(), Some(&receiver.url)).await;
    }
    for alg in &IN[2..] {
        stream(&hub, alg.name(), "saas", alg.name(), None).await;
    }
    let iss = hub.iss("default");
    let poll = |alg: Alg| Polled::start(&jwks(), alg, &iss, alg.name(), Credential::Bearer(bearer.clone()));
    let polled = [poll(IN[2]), poll(IN[3])];
    let jwks = jwks();
    Stand { site, hub, sender, jwks, pushed, polled }
}

impl Stand {
    fn takers(&self) -> [(Alg, &Taker); 4] {
        let [a, b] = &self.pushed;
        let [c, d] = &self.polled;
        [(IN[0], &a.taker), (IN[1], &b.taker), (IN[2], &c.taker), (IN[3], &d.taker)]
    }

    /// A key of each algorithm more, by the command line, and waits until each has signed.
    async fn rotate(&self) -> BTreeSet<String> {
        let rotated = self.site.answer(&["keys", "rotate", "default"]).await;
        let new: Vec<String> =
            rotated.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().into()).collect();
        assert_eq!(new.len(), 4, "{rotated}");
        until("each new key signs", 40, || async {
            let signs = |(_, taker): (Alg, &Taker)| {
                taker.book.lock().unwrap().kids().iter().any(|kid| new.iter().any(|new| new == kid))
            };
            self.takers().into_iter().all(signs)
        })
        .await;
        new.into_iter().collect()
    }

    async fn signing(&self, alg: Alg) -> String {
        let listed = self.site.answer(&["keys", "list"]).await;
        let mut keys = listed.as_array().unwrap().iter();
        let key = keys.find(|key| key["alg"] == alg.name() && key["stage"] == "signing").unwrap();
        key["kid"].as_str().unwrap().into()
    }

    /// Revokes the keys of one stream that pushes and one that is polled while receivers have SETs before them that they did
    /// not take. The keys.
    async fn revoke(&self) -> BTreeSet<String> {
        let closed = [self.takers()[0], self.takers()[2]];
        for (_, taker) in closed {
            taker.open.store(false, Ordering::Relaxed);
        }
        let mut revoked = BTreeSet::new();
        for (alg, taker) in closed {
            let kid = self.signing(alg).await;
            let is_held = || taker.book.lock().unwrap().held.values().any(|came| came.kid == kid);
            until("the key signed what nobody has", 30, || async { is_held() }).await;
            let gone = self.site.answer(&["keys", "revoke", "default", &kid]).await;
            assert_ne!(gone["signing"], json!(kid));
            revoked.insert(kid);
        }
        // Told by whoever revoked them: what the copy of the JWKS says counts no more.
        let published = kids(&self.jwks.fetch().await);
        assert!(published.is_disjoint(&revoked), "at once");
        for (_, taker) in closed {
            taker.jwks.forget().await;
            taker.open.store(true, Ordering::Relaxed);
        }
        revoked
    }

    /// A new key that is revoked before it ever signed.
    async fn revoke_a_coming_one(&self) -> String {
        let old = self.signing(Alg::PS256).await;
        let rotated = self.site.answer(&["keys", "rotate", "default", "--alg", "PS256"]).await;
        let kid = rotated[0]["kid"].as_str().unwrap().to_string();
        assert!(kids(&self.jwks.fetch().await).contains(&kid));
        let gone = self.site.answer(&["keys", "revoke", "default", &kid]).await;
        assert_eq!(gone["signing"], json!(old), "it signs on");
        assert!(!kids(&self.jwks.fetch().await).contains(&kid));
        kid
    }

    /// A backup of the running hub.
    async fn backup(&self) -> Value {
        let dir = self.site.dir.path().join("backup");
        let told = self.site.answer(&["backup", dir.to_str().unwrap()]).await;
        let seq = told["tenants"]["default"]["seq"].as_u64().unwrap();
        until("more came behind it", 30, || async { self.hub.mark("default").await.1 > seq + 10 }).await;
        told
    }
}

fn kids(jwks: &Value) -> BTreeSet<String> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().into()).collect()
}

#[tokio::test]
async fn signing_keys_are_rotated_and_revoked_while_sets_flow() {
    let site = Site::new(&format!("{KEYS}{QUICKLY}"));
    let mut process = site.start().await;
    let stand = stand(site).await;
    let first = kids(&stand.jwks.fetch().await);
    let story = async {
        let each_has = |n| stand.takers().into_iter().all(|(_, taker)| taker.count() > n);
        until("SETs flow", 30, || async { each_has(10) }).await;
        let second = stand.rotate().await;
        let told = stand.backup().await;
        let revoked = stand.revoke().await;
        assert!(revoked.is_subset(&second));
        let unborn = stand.revoke_a_coming_one().await;
        let third = stand.rotate().await;
        stand.sender.end();
        (second, told, revoked, unborn, third)
    };
    let ((), (second, told, revoked, unborn, third)) = tokio::join!(stand.sender.run(), story);
    let sent = stand.sender.sent();
    stand.sender.check();
    until("everything is taken", 60, || async { stand.takers().iter().all(|(_, t)| t.count() == sent) })
        .await;
    until("the old keys are published no more", 40, || async { kids(&stand.jwks.fetch().await) == third })
        .await;

    let last = stand.jwks.fetch().await;
    for (alg, taker) in stand.takers() {
        let book = taker.book.lock().unwrap();
        book.check(alg.name(), sent);
        assert!(book.unverified.iter().all(|kid| revoked.contains(kid)), "{alg}: {:?}", book.unverified);
        assert!(!book.kids().contains(unborn.as_str()));
        let by = |keys: &BTreeSet<String>| book.kids().iter().any(|kid| keys.contains(*kid));
        assert!(by(&first) && by(&second) && by(&third), "{alg}");
        // What was signed before the overlap is not good any more; what is signed now is.
        let one_of_each: BTreeMap<&str, &str> =
            book.taken.values().flatten().map(|came| (came.kid.as_str(), came.compact.as_str())).collect();
        for (kid, compact) in one_of_each {
            assert_eq!(verifies(compact, &last, alg), third.contains(kid), "{alg}");
        }
    }
    // What lay before a receiver when its key was revoked came again, under the same name and another key.
    for (alg, taker) in [stand.takers()[0], stand.takers()[2]] {
        let book = taker.book.lock().unwrap();
        let anew = book.held.iter().filter(|(_, held)| revoked.contains(&held.kid)).map(|(txn, held)| {
            let came = book.taken[txn].last().unwrap();
            assert!(came.jti == held.jti && !revoked.contains(&came.kid), "{alg}: {txn}");
        });
        assert!(anew.count() > 0, "{alg}");
    }
    let status = stand.hub.status().await;
    assert_eq!(status["tenants"]["default"]["dead_letters"], 0);
    restored(&stand.site, &told).await;
    assert!(process.is_running());
    for polled in stand.polled {
        polled.finish().await;
    }
    process.kill();
}

/// The backup that was written under load gives back what it says, its keys included.
async fn restored(site: &Site, told: &Value) {
    let data = site.dir.path().join("restored");
    let (dir, kid) = (site.dir.path().join("backup"), told["audit_kid"].as_str().unwrap());
    let (dir, to) = (dir.to_str().unwrap(), data.to_str().unwrap());
    let restored = site.answer(&["restore", dir, "--data-dir", to, "--audit-kid", kid]).await;
    assert_eq!(restored["digests"], "agreed");
    for (tenant, mark) in told["tenants"].as_object().unwrap() {
        assert_eq!(restored["tenants"][tenant]["digest"], mark["digest"], "{tenant}");
        assert_eq!(restored["tenants"][tenant]["seq"], mark["seq"], "{tenant}");
    }
    assert!(data.join("keys/t/default/signing.json").exists());
}
