//! An orderly end; starts that are refused; the admin credential.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::json;
use ssf_hub::clock::Stopwatch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::hub::{Hub, until};
use super::super::peers::{Idp, PushReceiver, axum_serve};
use super::load::{Load, Poller, Sender};
use super::process::Site;

/// A receiver that never answers.
#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
async fn silent() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    let never = axum::routing::post(std::future::pending::<()>);
    tokio::spawn(axum_serve(listener, axum::Router::new().route("/events", never)));
    url
}

/// Begins a POST. Its connection, once the hub asks for the body: then the request is in its hands.
async fn begun(port: u16, path: &str, fields: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: hub\r\n{fields}content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Says the rest of a request; everything that is answered.
async fn ended(mut stream: TcpStream, rest: &str) -> String {
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_is_an_orderly_end_that_waits_for_nobody_who_is_silent() {
    let site = Site::new("[outbox]\npush_timeout_ms = 120000\n");
    let mut process = site.start().await;
    let hub = site.hub();
    let bearer = hub.client("default", "saas", false).await;
    let receiver = PushReceiver::start().await;
    for (id, url) in [("pushed", receiver.url.clone()), ("silent", silent().await)] {
        let stream = json!({ "client": "saas", "method": "push", "endpoint_url": url, "aud": [id],
                             "events_requested": ["*"], "alg": "ES256" });
        hub.put("default", "streams", id, stream).await;
    }
    let idle = json!({ "client": "saas", "method": "poll", "aud": ["idle"], "events_requested": ["https://x.example/none"] });
    hub.put("default", "streams", "idle", idle).await;
    let polled = json!({ "client": "saas", "method": "poll", "aud": ["polled"], "events_requested": ["*"], "alg": "ES256" });
    hub.put("default", "streams", "polled", polled).await;
    let senders =
        [Sender::register(&hub, "default", "kc").await, Sender::register(&hub, "default", "itdr").await];
    let load = Load::start(&senders, Duration::ZERO);
    until("there is load", 10, || async { load.count() > 100 }).await;

    // A request that was begun is finished, a poll that waits is answered.
    let late = senders[0].idp.session_revoked("hub", "late", "alice", Some("s"), "user");
    let (first, second) = late.split_at(late.len() / 2);
    let fields = "content-type: application/secevent+jwt\r\n";
    let mut slow = begun(site.public, "/t/default/in/kc", fields, late.len()).await;
    slow.write_all(first.as_bytes()).await.unwrap();
    let fields = format!("authorization: Bearer {bearer}\r\ncontent-type: application/json\r\n");
    let mut waiting = begun(site.public, "/t/default/poll/idle", &fields, 2).await;
    waiting.write_all(b"{}").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let watch = Stopwatch::start();
    process.term();
    until("it is stopping", 20, || async { site.readyz().await.0 != 200 }).await;
    let (answer, polled) = tokio::join!(ended(slow, second), ended(waiting, ""));
    let (exit, took) = (process.exit(Duration::from_secs(60)).await, watch.elapsed());
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(polled.starts_with("HTTP/1.1 200") && polled.ends_with("{\"sets\":{}}"), "{polled}");
    assert_eq!(exit.code(), Some(0), "{}", site.log());
    println!("SIGTERM under load: ended after {took:?}");
    // Pushes to who is silent would run for two minutes.
    assert!(site.log().contains("requests were still running after 7 s and are cut"), "{}", site.log());
    assert!(took < Duration::from_secs(60), "{took:?}");

    let process = site.start().await;
    let poller = Poller::start(&hub, "default", "polled", &bearer);
    let mut acked = load.finish().await;
    acked.push(("default", "txn-late".into()));
    until("everything acknowledged is delivered", 60, || async {
        let names = poller.names.lock().unwrap();
        let pushed: std::collections::BTreeSet<String> =
            receiver.got().iter().map(|g| g.claims["txn"].as_str().unwrap().to_string()).collect();
        acked.iter().all(|(_, txn)| names.has("polled", txn) && pushed.contains(txn))
    })
    .await;
    let mut names = poller.finish().await;
    receiver.got().iter().for_each(|got| names.note(&got.claims));
    names.check();
    drop(process);
}

#[tokio::test]
async fn a_start_that_is_given_up_is_begun_anew() {
    let site = Site::new("");
    for n in 0..8 {
        let mut process = site.spawn();
        tokio::time::sleep(Duration::from_millis(40 * n)).await;
        process.term();
        let exit = process.exit(Duration::from_secs(60)).await;
        assert_eq!(exit.code(), Some(0), "{}", site.log());
    }
    site.start().await.stop().await;
    site.answer(&["journal", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hubs_never_share_a_data_directory() {
    // Both at once, on an empty one: one wins.
    let site = Site::new("");
    let twin = site.twin();
    let (mut a, mut b) = (site.spawn(), twin.spawn());
    until("one of them ends", 20, || {
        let over = !a.is_running() || !b.is_running();
        async move { over }
    })
    .await;
    let (winner, mut process, mut loser) = if a.is_running() { (&site, a, b) } else { (&twin, b, a) };
    assert_eq!(loser.exit(Duration::from_secs(30)).await.code(), Some(1));
    assert!(site.log().contains("another process"), "{}", site.log());
    until("the other is ready", 60, || async { winner.readyz().await.0 == 200 }).await;
    let hub = winner.hub();
    let idp = Idp::new("https://idp.example", ssf_hub::jose::alg::Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    let jwks = hub.http.get(format!("{}/jwks.json", hub.iss("default"))).send().await.unwrap();
    let jwks = jwks.text().await.unwrap();

    // And beside one that runs: nothing of it is touched.
    let other = winner.twin();
    let refused = other.cli(&["serve"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).to_string();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("another process"), "{said}");
    let rebuild = other.cli(&["store", "rebuild"]).await;
    assert_eq!(rebuild.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&rebuild.stderr).contains("stop the hub first"));
    assert_eq!(hub.push("default", "kc", &idp.session_revoked("hub", "j", "a", None, "user")).await.0, 202);
    let live = hub.mark("default").await;
    process.kill();
    let process = winner.start().await;
    assert_eq!(hub.mark("default").await, live);
    let again = hub.http.get(format!("{}/jwks.json", hub.iss("default"))).send().await.unwrap();
    assert_eq!(again.text().await.unwrap(), jwks, "the keys are the winner's");
    process.stop().await;
}

#[tokio::test]
async fn all_mistakes_of_the_configuration_are_told_together() {
    let site = Site::new("");
    let text = format!(
        "data_dir = {:?}\nnonsense = 1\n[public]\nlisten = \"0.0.0.0:{}\"\n[admin]\nlisten = \"0.0.0.0:{}\"\n\
         [limits]\nset_bytes = 1\n[journal]\nsegmnt_bytes = 5\n",
        site.data(),
        site.public,
        site.admin
    );
    std::fs::write(site.file(), text).unwrap();
    for command in ["check-config", "serve"] {
        let output = site.cli(&[command]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        for word in ["nonsense", "public.listen", "admin.listen", "behind_proxy", "set_bytes", "segmnt_bytes"]
        {
            assert!(said.contains(word), "{command} does not name {word}: {said}");
        }
    }
    let output = site.cli(&["--json", "check-config"]).await;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["ok"]), (Some(2), &json!(false)));
    assert_eq!(answer["mistakes"].as_array().unwrap().len(), 5, "{answer}");
    assert!(!site.data().exists(), "nothing was begun");
    // Each alone is refused too.
    for (more, word) in [("nonsense = 1\n", "nonsense"), ("[publik]\nx = 1\n", "publik")] {
        std::fs::write(site.file(), format!("{more}data_dir = {:?}\n", site.data())).unwrap();
        let output = site.cli(&["serve"]).await;
        let said = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn a_deleted_admin_credential_is_made_anew_and_the_old_one_is_over() {
    let mut hub = Hub::start().await;
    let file = hub.data().join("admin.credential");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    let old = hub.credential.clone();
    hub = hub.restart().await;
    assert_eq!(hub.credential, old, "a restart alone changes nothing");
    std::fs::remove_file(&file).unwrap();
    hub = hub.restart().await;
    assert_eq!(mode(&file), 0o600);
    assert_ne!(hub.credential, old);
    assert_eq!(hub.admin_send("GET", "/admin/v1/status", None).await.0, 200);
    hub.credential = old;
    assert_eq!(hub.admin_send("GET", "/admin/v1/status", None).await.0, 401);
    hub.stop().await;
}
