//! A head that never ends, a body that never ends, or comes a byte at a time: cut in a bounded time, at every door, and
//! whoever sends it leaves no trace in the operational events.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::hub::{Hub, Setup};
use super::{Row, marks, send};

/// Far more than the hub waits; a hub that never cuts fails here.
const GENEROUS: Duration = Duration::from_secs(30);

async fn connect(base: &str) -> TcpStream {
    TcpStream::connect(base.trim_start_matches("http://")).await.unwrap()
}

/// Everything that comes until the hub closes the connection.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut all = vec![];
    let read = stream.read_to_end(&mut all);
    // A reset behind the answer is an end too.
    let _ = tokio::time::timeout(GENEROUS, read).await.expect("the connection was not cut");
    String::from_utf8_lossy(&all).into_owned()
}

fn head(method: &str, path: &str, bearer: &str, framing: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {bearer}\r\n\
         Content-Type: application/secevent+jwt\r\n{framing}\r\n\r\n"
    )
}

async fn rows(hub: &Hub) -> usize {
    let url = format!("{}/admin/v1/operations?last=10000", hub.admin);
    let answer = send(hub, &Row::new("operations", "GET", url, 200).bearer(&hub.credential)).await;
    answer.body.as_array().unwrap().len()
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_at_every_door() {
    let more = "[limits]\nbody_read_timeout_ms = 300\nheader_read_timeout_ms = 300\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let broker = hub.client("default", "broker", true).await;
    let stream =
        serde_json::json!({ "client": "broker", "method": "poll", "aud": ["r"], "events_requested": ["*"] });
    hub.put("default", "streams", "s", stream).await;
    let idp = super::super::peers::Idp::new("https://idp.example", ssf_hub::jose::alg::Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    let before = marks(&hub).await;
    let (public, admin) = (hub.public.as_str(), hub.admin.as_str());
    let doors = [
        (public, "POST", "/t/default/in/kc", broker.as_str()),
        (public, "POST", "/t/default/v1/agents", &broker),
        (public, "POST", "/t/default/v1/edges", &broker),
        (public, "POST", "/t/default/poll/s", &broker),
        (admin, "POST", "/admin/v1/t/default/kill", &hub.credential),
        (admin, "POST", "/admin/v1/t/default/lift", &hub.credential),
        (admin, "PUT", "/admin/v1/t/default/upstreams/kc", &hub.credential),
        (admin, "PUT", "/admin/v1/t/_hub/operators/x", &hub.credential),
    ];
    for (base, method, path, bearer) in doors {
        for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
            let mut stream = connect(base).await;
            stream.write_all(head(method, path, bearer, framing).as_bytes()).await.unwrap();
            let begun: &[u8] = if framing.ends_with("chunked") { b"2\r\n{\"\r\n" } else { b"{\"id\"" };
            stream.write_all(begun).await.unwrap();
            let answer = to_the_end(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{path}, {framing}: {answer:?}");
            assert!(answer.to_ascii_lowercase().contains("connection: close"), "{path}: {answer:?}");
        }
    }
    // A byte now and then buys no time: the whole body has one limit.
    let (mut from, mut to) = connect(public).await.into_split();
    to.write_all(head("POST", "/t/default/v1/agents", &broker, "Content-Length: 1000").as_bytes())
        .await
        .unwrap();
    let drip = async {
        while to.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // It is cut; what was answered before that is still there to be read.
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 12];
    let read = tokio::select! {
        () = drip => unreachable!(),
        read = tokio::time::timeout(GENEROUS, from.read_exact(&mut answer)) => read,
    };
    read.expect("the connection was not cut").expect("cut without an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    // A head that never ends gets no answer, but an end.
    for part in ["", "POST /t/default/in/kc HTTP/1.1\r\nHost: hub\r\nX-A: "] {
        let mut stream = connect(public).await;
        stream.write_all(part.as_bytes()).await.unwrap();
        to_the_end(&mut stream).await;
    }
    assert_eq!(marks(&hub).await, before);
    hub.stop().await;
}

/// At a door that does not exist nobody known can be at fault: not even a row says so.
#[tokio::test]
async fn nobody_fills_the_operational_events_from_outside() {
    let hub = Hub::start_as(Setup::with("[limits]\nbody_read_timeout_ms = 200\n")).await;
    let before = rows(&hub).await;
    for path in ["/t/default/in/nobody", "/t/nobody/in/kc", "/t/_hub/in/kc", "/t/default/v1/agents", "/no"] {
        for length in [10, 70_000] {
            let url = format!("{}{path}", hub.public);
            let row = Row::new(path, "POST", url, 404)
                .header("content-type", "application/secevent+jwt")
                .header("x-length", length.to_string());
            let row = Row { body: "a".repeat(length), ..row };
            let status = send(&hub, &row).await.status;
            assert!([404, 401].contains(&status), "{path} {length}: {status}");
        }
        let mut stream = connect(&hub.public).await;
        let head = head("POST", path, "nobody-0123456789abcdef", "Content-Length: 100");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = to_the_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer:?}");
    }
    assert_eq!(rows(&hub).await, before);
    hub.stop().await;
}
