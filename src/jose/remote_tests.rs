//! A key source on loopback that counts how often it is asked, and a clock moved by hand.

use super::*;
use crate::jose::{Alg, SigningKey};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Default)]
struct Hand(AtomicI64);
impl crate::clock::Clock for Hand {
    fn wall_ms(&self) -> i64 {
        self.0.load(SeqCst)
    }
    fn boot_ms(&self) -> i64 {
        self.0.load(SeqCst)
    }
}

/// An issuer whose set has as many keys as it was asked, or which is broken.
#[derive(Default)]
struct Issuer {
    asked: AtomicUsize,
    broken: AtomicBool,
    same: AtomicBool,
}

async fn issuer() -> (JwksSource, Arc<Issuer>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let state = Arc::new(Issuer::default());
    let theirs = state.clone();
    let key = serde_json::Value::Object(SigningKey::generate(Alg::EdDSA).unwrap().public_jwk().clone());
    #[expect(clippy::disallowed_methods, reason = "a peer of the test")]
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let asked = theirs.asked.fetch_add(1, SeqCst) + 1;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let keys = vec![key.clone(); if theirs.same.load(SeqCst) { 1 } else { asked }];
            let mut body = serde_json::json!({ "keys": keys }).to_string();
            if theirs.broken.load(SeqCst) {
                body = "<html>".into();
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (JwksSource::Url(url), state)
}

fn remote(source: &JwksSource) -> (RemoteKeys, Arc<Hand>) {
    let config = crate::egress::Config {
        allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()],
        ..crate::egress::Config::default()
    };
    let (egress, clock) = (Arc::new(Egress::new(&config).unwrap()), Arc::new(Hand::default()));
    (RemoteKeys::new(source, Config::default(), egress, clock.clone()).unwrap(), clock)
}

#[tokio::test]
async fn one_fetch_for_many_callers_and_for_unknown_kids() {
    let (source, issuer) = issuer().await;
    let (remote, clock) = remote(&source);
    let all = futures_util::future::join_all((0..20).map(|_| remote.keys())).await;
    assert!(all.iter().all(|keys| keys.as_ref().unwrap().keys().len() == 1));
    assert_eq!(issuer.asked.load(SeqCst), 1);
    let first = all[0].as_ref().unwrap().clone();
    assert!(first.not_kept().unwrap().contains("Ed25519"));
    first.mark_kept();
    assert!(remote.keys().await.unwrap().not_kept().is_none());

    let ask = || remote.refetch_for_unknown_kid(first.keys());
    let all = futures_util::future::join_all((0..20).map(|_| ask())).await;
    assert!(all.iter().all(|keys| keys.as_ref().unwrap().keys().len() == 2));
    assert!(all[0].as_ref().unwrap().not_kept().is_some(), "another text is other evidence");
    let second = all[0].as_ref().unwrap().clone();
    let ask = || remote.refetch_for_unknown_kid(second.keys());
    clock.0.store(29_999, SeqCst);
    assert_eq!(ask().await.unwrap().keys().len(), 2, "not in it a moment ago");
    assert_eq!(issuer.asked.load(SeqCst), 2);
    clock.0.store(30_000, SeqCst);
    assert_eq!(ask().await.unwrap().keys().len(), 3);
    assert_eq!(ask().await.unwrap().keys().len(), 3, "newer than what the caller saw: no fetch");
    assert_eq!(issuer.asked.load(SeqCst), 3);
}

#[tokio::test]
async fn a_fetch_that_began_before_is_followed_by_one_of_its_own() {
    let (source, issuer) = issuer().await;
    issuer.same.store(true, SeqCst);
    let (remote, clock) = remote(&source);
    let seen = remote.keys().await.unwrap().keys().clone();
    clock.0.store(i64::from(Config::default().fresh_s) * 1000 + 1, SeqCst);
    let (old, looked) = tokio::join!(remote.keys(), remote.refetch_for_unknown_kid(&seen));
    assert!(Arc::ptr_eq(old.unwrap().keys(), looked.unwrap().keys()), "the same text both times");
    assert_eq!(issuer.asked.load(SeqCst), 3, "the first, the one for its age, one for the kid");
    remote.refetch_for_unknown_kid(&seen).await.unwrap();
    assert_eq!(issuer.asked.load(SeqCst), 3, "within the pause");
}

#[tokio::test]
async fn a_kid_that_nobody_could_look_for_is_not_absent() {
    let (source, issuer) = issuer().await;
    let (remote, clock) = remote(&source);
    let seen = remote.keys().await.unwrap().keys().clone();
    issuer.broken.store(true, SeqCst);
    let wait = |result: Result<_, Error>| match result {
        Err(Error::Unavailable { retry_after_s }) => retry_after_s,
        other => panic!("{:?}", other.map(drop)),
    };
    assert_eq!(wait(remote.refetch_for_unknown_kid(&seen).await), 30);
    clock.0.store(10_000, SeqCst);
    assert_eq!(wait(remote.refetch_for_unknown_kid(&seen).await), 20, "nobody looked since");
    assert_eq!(remote.keys().await.unwrap().keys().len(), 1, "what is known still verifies");
    assert_eq!(issuer.asked.load(SeqCst), 2);
    issuer.broken.store(false, SeqCst);
    clock.0.store(30_000, SeqCst);
    assert_eq!(remote.refetch_for_unknown_kid(&seen).await.unwrap().keys().len(), 3);
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_spoils_no_fetch() {
    let (source, issuer) = issuer().await;
    let (remote, clock) = remote(&source);
    let soon = std::time::Duration::from_millis(5);
    assert!(tokio::time::timeout(soon, remote.keys()).await.is_err(), "gone before the answer came");
    assert_eq!(remote.keys().await.unwrap().keys().len(), 1, "the next one goes on with it");
    assert_eq!(issuer.asked.load(SeqCst), 1);
    // With a copy at hand nobody but who drives a fetch waits for it, and a fetch without a driver gets one.
    clock.0.store(600_000, SeqCst);
    let mut driver = Box::pin(remote.keys());
    assert!((&mut driver).now_or_never().is_none());
    assert_eq!(remote.keys().await.unwrap().keys().len(), 1, "the old copy, at once");
    drop(driver);
    assert_eq!(remote.keys().await.unwrap().keys().len(), 2);
    assert_eq!(issuer.asked.load(SeqCst), 2);
}

#[tokio::test]
async fn the_same_text_stays_the_same_set() {
    let (source, issuer) = issuer().await;
    issuer.same.store(true, SeqCst);
    let (remote, clock) = remote(&source);
    let first = remote.keys().await.unwrap();
    first.mark_kept();
    clock.0.store(600_000, SeqCst);
    let again = remote.keys().await.unwrap();
    assert!(Arc::ptr_eq(&first, &again) && again.not_kept().is_none());
    assert_eq!(issuer.asked.load(SeqCst), 2);
}

#[tokio::test]
async fn a_stale_copy_serves_until_the_hard_age() {
    let (source, issuer) = issuer().await;
    let (remote, clock) = remote(&source);
    remote.keys().await.unwrap();
    issuer.broken.store(true, SeqCst);
    clock.0.store(600_000, SeqCst);
    assert_eq!(remote.keys().await.unwrap().keys().len(), 1);
    assert_eq!(remote.keys().await.unwrap().keys().len(), 1);
    assert_eq!(issuer.asked.load(SeqCst), 2, "a failure is not repeated at once");
    clock.0.store(86_400_000, SeqCst);
    assert!(matches!(remote.keys().await, Err(Error::Unavailable { retry_after_s: 5 })));
    issuer.broken.store(false, SeqCst);
    clock.0.store(86_405_000, SeqCst);
    assert!(remote.keys().await.is_ok());
}

#[tokio::test]
async fn inline_sets_never_go_out() {
    let key = SigningKey::generate(Alg::ES256).unwrap().public_jwk().clone();
    let source: JwksSource = serde_json::from_value(serde_json::json!({"inline": {"keys": [key]}})).unwrap();
    let (remote, clock) = remote(&source);
    clock.0.store(i64::MAX, SeqCst);
    let keys = remote.keys().await.unwrap();
    assert_eq!(keys.keys().len(), 1);
    assert!(Arc::ptr_eq(&keys, &remote.refetch_for_unknown_kid(keys.keys()).await.unwrap()));
    assert!(keys.not_kept().is_some());
    let bad = JwksSource::Inline(serde_json::json!([]));
    assert!(RemoteKeys::new(&bad, Config::default(), remote.source.egress.clone(), clock).is_err());
    let url: JwksSource = toml::from_str("url = \"https://idp/jwks\"").unwrap();
    assert_eq!(url, JwksSource::Url("https://idp/jwks".into()));
}
