//! A key source on loopback that counts how often it is asked, and a clock moved by hand.

use super::*;
use crate::jose::{Alg, SigningKey};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
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
            let keys = vec![key.clone(); asked];
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
    assert!(all.iter().all(|keys| keys.as_ref().unwrap().len() == 1));
    assert_eq!(issuer.asked.load(SeqCst), 1);
    assert!(remote.take_new_text().await.unwrap().contains("Ed25519"));
    assert!(remote.take_new_text().await.is_none());

    let all = futures_util::future::join_all((0..20).map(|_| remote.refetch_for_unknown_kid())).await;
    assert!(all.iter().all(|keys| keys.as_ref().unwrap().len() == 2));
    clock.0.store(29_999, SeqCst);
    remote.refetch_for_unknown_kid().await.unwrap();
    assert_eq!(issuer.asked.load(SeqCst), 2);
    clock.0.store(30_000, SeqCst);
    assert_eq!(remote.refetch_for_unknown_kid().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_stale_copy_serves_until_the_hard_age() {
    let (source, issuer) = issuer().await;
    let (remote, clock) = remote(&source);
    remote.keys().await.unwrap();
    issuer.broken.store(true, SeqCst);
    clock.0.store(600_000, SeqCst);
    assert_eq!(remote.keys().await.unwrap().len(), 1);
    assert_eq!(remote.keys().await.unwrap().len(), 1);
    assert_eq!(issuer.asked.load(SeqCst), 2, "a failure is not repeated at once");
    clock.0.store(86_400_000, SeqCst);
    assert!(matches!(remote.keys().await, Err(Error::Unavailable)));
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
    assert_eq!(remote.keys().await.unwrap().len(), 1);
    assert_eq!(remote.refetch_for_unknown_kid().await.unwrap().len(), 1);
    assert!(remote.take_new_text().await.is_some());
    let bad = JwksSource::Inline(serde_json::json!([]));
    assert!(RemoteKeys::new(&bad, Config::default(), remote.egress.clone(), clock).is_err());
    let url: JwksSource = toml::from_str("url = \"https://idp/jwks\"").unwrap();
    assert_eq!(url, JwksSource::Url("https://idp/jwks".into()));
}
