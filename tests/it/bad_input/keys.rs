//! Key sets by URL that hang, flood, lead inside or say nothing; a `kid` that nobody can look for; and what an unsigned
//! SET must not bring about (NEED-3: a real sender must neither be lost nor be let in unproved).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::app::serve::Runtime;
use ssf_hub::clock::{Clock, System};
use ssf_hub::jose::alg::Alg;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::hub::{Hub, Setup};
use super::super::peers::Idp;

/// What a key server does with one request, given how many came before.
type Serving = dyn Fn(usize) -> Vec<u8> + Send + Sync;

/// A server of key sets. An empty answer is none: the connection stays open and says nothing.
struct Server {
    url: String,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn http(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(jwks: &Value) -> Vec<u8> {
    http("200 OK", "Content-Type: application/json\r\n", jwks.to_string().as_bytes())
}

#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
async fn serving(answer: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let (asked, answer): (_, Arc<Serving>) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
    let count = asked.clone();
    let task = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let (count, answer) = (count.clone(), answer.clone());
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let bytes = answer(count.fetch_add(1, SeqCst));
                if bytes.is_empty() {
                    // Until the hub gives up.
                    let _ = stream.read(&mut [0; 16]).await;
                    return;
                }
                let _ = stream.write_all(&bytes).await;
            });
        }
    });
    Server { url, asked, task }
}

async fn hub(more: &str) -> Hub {
    let egress = "[egress]\nallow_cidrs = [\"127.0.0.0/8\"]\n";
    Hub::start_as(Setup::with(&format!("{egress}{more}"))).await
}

async fn upstream(hub: &Hub, id: &str, idp: &Idp, url: &str) {
    let object = json!({ "iss": idp.iss, "aud": ["hub"], "jwks": { "url": url } });
    hub.put("default", "upstreams", id, object).await;
}

fn set(idp: &Idp, jti: &str) -> String {
    idp.session_revoked("hub", jti, jti, None, "admin")
}

/// Status, `err`, `Retry-After`.
async fn push(hub: &Hub, upstream: &str, set: &str) -> (u16, String, Option<u64>) {
    let url = format!("{}/t/default/in/{upstream}", hub.public);
    let request = hub.http.post(url).header("content-type", "application/secevent+jwt").body(set.to_string());
    let answer = request.send().await.unwrap();
    let retry = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().parse().unwrap());
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, body["err"].as_str().unwrap_or_default().into(), retry)
}

#[tokio::test]
async fn a_key_set_that_hangs_floods_or_leads_inside() {
    // Nobody waits long for the two that hang; the others have time to answer, on a busy machine too.
    let (hub, patient) = (hub("timeout_ms = 1000\n").await, hub("").await);
    let idp = Arc::new(Idp::new("https://idp.example", Alg::ES256));
    let jwks = idp.jwks();
    let inside = serving({
        let jwks = jwks.clone();
        move |_| ok(&jwks)
    })
    .await;
    let location = format!("Location: {}\r\n", inside.url);
    let mut flood = jwks.clone();
    flood["x"] = json!("a".repeat(10_000_000));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("hangs", vec![]),
        ("hangs in its body", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"keys\":".to_vec()),
        ("10_MB", ok(&flood)),
        ("302", http("302 Found", &location, b"")),
        ("307", http("307 Temporary Redirect", &location, b"")),
        ("404", http("404 Not Found", "", jwks.to_string().as_bytes())),
        ("500", http("500 Internal Server Error", "", b"")),
        ("html", http("200 OK", "", b"<html>")),
        ("empty", http("200 OK", "", b"")),
        ("no_keys", ok(&json!({ "keys": [] }))),
        ("no_set", ok(&json!([idp.key.public_jwk()]))),
        ("no_text", http("200 OK", "", b"\xff\xfe")),
        ("gzip", http("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00")),
        ("no_http", b"220 smtp ready\r\n".to_vec()),
    ];
    for (n, (what, bytes)) in cases.into_iter().enumerate() {
        // The one that hangs in its body must not close: its length is never reached.
        let server = if what == "hangs in its body" {
            hanging(bytes).await
        } else {
            serving(move |_| bytes.clone()).await
        };
        let hub = if what.starts_with("hangs") { &hub } else { &patient };
        let id = format!("u{n}");
        upstream(hub, &id, &idp, &server.url).await;
        let before = hub.mark("default").await;
        let (status, err, retry) = push(hub, &id, &set(&idp, &id)).await;
        assert_eq!((status, err.as_str()), (503, ""), "{what}");
        assert!(retry.is_some_and(|s| (1..=5).contains(&s)), "{what}: {retry:?}");
        assert_eq!(server.asked.load(SeqCst), 1, "{what}: asked once");
        assert_eq!(push(hub, &id, &set(&idp, &id)).await.0, 503, "{what}");
        assert_eq!(server.asked.load(SeqCst), 1, "{what}: not again at once");
        assert_eq!(hub.mark("default").await, before, "{what}");
    }
    assert_eq!(inside.asked.load(SeqCst), 0, "a redirect was followed");
    upstream(&patient, "good", &idp, &inside.url).await;
    assert_eq!(push(&patient, "good", &set(&idp, "good")).await.0, 202);
    patient.stop().await;
    hub.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
async fn hanging(bytes: Vec<u8>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let task = tokio::spawn(async move {
        let mut open = vec![];
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            count.fetch_add(1, SeqCst);
            let _ = stream.write_all(&bytes).await;
            open.push(stream);
        }
    });
    Server { url, asked, task }
}

/// A sender whose key is new while the key server is away tries again; told 400 it would give the SET up.
#[tokio::test]
async fn a_kid_that_nobody_could_look_for_is_later_and_one_that_is_not_there_is_wrong() {
    let clock = Arc::new(Later::default());
    let runtime = Runtime { clock: clock.clone(), ..Runtime::default() };
    let hub = Hub::start_as(Setup { runtime, ..Setup::default() }).await;
    let (old, new) =
        (Idp::new("https://idp.example", Alg::ES256), Idp::new("https://idp.example", Alg::ES256));
    let (first, both) = (old.jwks(), json!({ "keys": [old.key.public_jwk(), new.key.public_jwk()] }));
    let server = serving(move |n| match n {
        0 | 1 => ok(&first),
        2 => http("500 Internal Server Error", "", b""),
        _ => ok(&both),
    })
    .await;
    upstream(&hub, "kc", &old, &server.url).await;
    assert_eq!(push(&hub, "kc", &set(&old, "a")).await.0, 202);
    let before = hub.mark("default").await;
    // Looked for, and not there.
    assert_eq!(push(&hub, "kc", &set(&new, "b")).await, (400, "invalid_key".into(), None));
    assert_eq!(push(&hub, "kc", &set(&new, "b")).await, (400, "invalid_key".into(), None), "as a moment ago");
    assert_eq!(server.asked.load(SeqCst), 2);
    clock.after_s(31);
    // Nobody could tell.
    let (status, err, retry) = push(&hub, "kc", &set(&new, "b")).await;
    assert_eq!((status, err.as_str()), (503, ""));
    assert!(retry.is_some_and(|s| (1..=30).contains(&s)), "{retry:?}");
    assert_eq!(push(&hub, "kc", &set(&new, "b")).await.0, 503, "nobody looked since");
    assert_eq!(server.asked.load(SeqCst), 3);
    assert_eq!(hub.mark("default").await, before);
    assert_eq!(push(&hub, "kc", &set(&old, "c")).await.0, 202, "what is known goes on");
    clock.after_s(31);
    assert_eq!(push(&hub, "kc", &set(&new, "b")).await.0, 202);
    assert_eq!(push(&hub, "kc", &set(&old, "d")).await.0, 202);
    hub.stop().await;
}

/// The machine's clocks, both set forward: time that passed, no leap.
#[derive(Default)]
struct Later(AtomicI64);

impl Later {
    fn after_s(&self, s: i64) {
        self.0.fetch_add(s * 1000, SeqCst);
    }
}

impl Clock for Later {
    fn wall_ms(&self) -> i64 {
        System.wall_ms() + self.0.load(SeqCst)
    }

    fn boot_ms(&self) -> i64 {
        System.boot_ms() + self.0.load(SeqCst)
    }
}

#[tokio::test]
async fn while_one_looks_for_an_unknown_kid_the_others_are_not_held_up() {
    let hub = Arc::new(hub("timeout_ms = 20000\n").await);
    let (idp, stranger) =
        (Idp::new("https://idp.example", Alg::ES256), Idp::new("https://idp.example", Alg::ES256));
    let jwks = idp.jwks();
    let server = serving(move |n| if n == 0 { ok(&jwks) } else { vec![] }).await;
    upstream(&hub, "kc", &idp, &server.url).await;
    assert_eq!(push(&hub, "kc", &set(&idp, "first")).await.0, 202);
    let unknown = set(&stranger, "unknown");
    let mut waiting = Box::pin(push(&hub, "kc", &unknown));
    tokio::select! {
        _ = &mut waiting => panic!("the key server hangs: nobody can have answered"),
        () = async { while server.asked.load(SeqCst) < 2 { tokio::time::sleep(Duration::from_millis(10)).await } } => {}
    }
    // Its own futures are driven all the while: what is asserted is that these do not wait for it.
    for n in 0..20 {
        let set = set(&idp, &format!("j{n}"));
        tokio::select! {
            _ = &mut waiting => panic!("it was answered before the others: they waited for the fetch"),
            answer = push(&hub, "kc", &set) => assert_eq!(answer.0, 202),
        }
    }
    drop(waiting);
    Arc::into_inner(hub).unwrap().stop().await;
}

/// Evidence of an issuer's keys is an entry: who cannot sign must not write one.
#[tokio::test]
async fn who_cannot_sign_writes_no_evidence() {
    let hub = hub("").await;
    let (idp, thief) =
        (Idp::new("https://idp.example", Alg::ES256), Idp::new("https://idp.example", Alg::ES256));
    let server = serving({
        let jwks = idp.jwks();
        move |_| ok(&jwks)
    })
    .await;
    upstream(&hub, "url", &idp, &server.url).await;
    hub.put("default", "upstreams", "inline", idp.upstream("hub")).await;
    for id in ["url", "inline"] {
        let before = hub.mark("default").await;
        let good = set(&idp, id);
        let (signed, _) = good.rsplit_once('.').unwrap();
        for bad in [format!("{signed}.{}", "A".repeat(86)), set(&thief, id), "x".into(), set(&thief, "y")] {
            assert_eq!(push(&hub, id, &bad).await.0, 400);
            assert_eq!(hub.mark("default").await, before, "{id}");
        }
        let subject = json!({ "format": "opaque", "id": "x" });
        let mut claims = idp.claims("hub", "z", super::super::peers::SESSION_REVOKED, subject, json!({}));
        claims["iss"] = json!("https://elsewhere.example");
        assert_eq!(push(&hub, id, &idp.sign(&claims)).await.0, 400, "well signed, and of another issuer");
        assert_eq!(hub.mark("default").await, before, "{id}");
        assert_eq!(push(&hub, id, &good).await.0, 202);
        // The keys, the SET, its decision.
        assert_eq!(hub.mark("default").await.1, before.1 + 3, "{id}");
        assert_eq!(push(&hub, id, &set(&idp, &format!("{id}-2"))).await.0, 202);
        assert_eq!(hub.mark("default").await.1, before.1 + 5, "{id}: the keys are evidence once");
    }
    hub.stop().await;
}
