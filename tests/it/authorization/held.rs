//! A body that takes its time, and an operator who takes rights away meanwhile: what was taken away counts.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::hub::{Hub, Setup, until};

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";

/// How many access tokens were good so far.
async fn granted(hub: &Hub) -> u64 {
    let (_, page) = hub.admin_send("GET", "/metrics", None).await;
    let name = "ssf_hub_access_total{tenant=\"default\",answer=\"granted\"} ";
    let line = page.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.parse().unwrap())
}

/// A request whose token was judged and whose body is not whole.
struct Held {
    stream: TcpStream,
    end: u8,
}

async fn begin(hub: &Hub, method: &str, path: &str, bearer: &str, body: &Value) -> Held {
    let (before, body) = (granted(hub).await, body.to_string());
    let (end, begun) = body.as_bytes().split_last().unwrap();
    let mut stream = TcpStream::connect(hub.public.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "{method} /t/default/ssf/{path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {bearer}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begun).await.unwrap();
    until("its token was judged", 30, || async { granted(hub).await > before }).await;
    Held { stream, end: *end }
}

impl Held {
    /// Sends the end of the body: the status, and everything that was answered.
    async fn end(mut self) -> (u16, String) {
        self.stream.write_all(&[self.end]).await.unwrap();
        let mut all = vec![];
        let read = self.stream.read_to_end(&mut all);
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("no answer").unwrap();
        let text = String::from_utf8(all).unwrap();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    }
}

async fn rights(hub: &Hub, id: &str, receiver: Value) -> String {
    let made = hub.put("default", "clients", id, json!({ "new_bearer": true, "receiver": receiver })).await;
    made["bearer"].as_str().unwrap().to_string()
}

#[tokio::test]
async fn what_was_taken_away_while_the_body_came_counts() {
    let hub = Hub::start_as(Setup::with("[limits]\nbody_read_timeout_ms = 60000\n")).await;
    let bearer = rights(&hub, "a", json!({})).await;
    let narrow = |receiver: Value| hub.put("default", "clients", "a", json!({ "receiver": receiver }));

    // A method that it has no more.
    let push =
        json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": "https://a.example/in" } });
    let held = begin(&hub, "POST", "streams", &bearer, &push).await;
    narrow(json!({ "methods": ["poll"], "default_subjects": "NONE" })).await;
    let (status, said) = held.end().await;
    assert_eq!(status, 403, "{said}");
    let listed = hub.admin_send("GET", "/admin/v1/t/default/streams", None).await.1;
    assert_eq!(listed, json!([]));

    // Event types: the stream follows its receiver's rights, and the change in flight does not undo that.
    let both = json!({ "events_requested": [REVOKED, CHANGE] });
    let (status, said) = begin(&hub, "POST", "streams", &bearer, &both).await.end().await;
    assert_eq!(status, 201, "{said}");
    let made: Value = serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap();
    let stream = made["stream_id"].as_str().unwrap();
    let wish = json!({ "stream_id": stream, "events_requested": [REVOKED, CHANGE], "description": "mine" });
    let held = begin(&hub, "PATCH", "streams", &bearer, &wish).await;
    narrow(json!({ "methods": ["poll"], "event_types": [CHANGE] })).await;
    let (status, said) = held.end().await;
    assert_eq!(status, 200, "{said}");
    let path = format!("/admin/v1/t/default/streams/{stream}");
    let shown = hub.admin_send("GET", &path, None).await.1;
    assert_eq!((&shown["events_delivered"], &shown["description"]), (&json!([CHANGE]), &json!("mine")));

    // How many subjects; the scope itself.
    let subject = json!({ "stream_id": stream, "subject": { "format": "email", "email": "a@example.com" } });
    let held = begin(&hub, "POST", "subjects/add", &bearer, &subject).await;
    narrow(json!({ "subjects_max": 0 })).await;
    let (status, said) = held.end().await;
    assert_eq!(status, 403, "{said}");
    let held = begin(&hub, "POST", "verify", &bearer, &json!({ "stream_id": stream })).await;
    narrow(json!({ "scopes": ["ssf.read"] })).await;
    let (status, said) = held.end().await;
    assert!(status == 403 && said.contains("insufficient_scope"), "{said}");
    hub.stop().await;
}

#[tokio::test]
async fn who_is_gone_or_locked_out_meanwhile_gets_nothing_of_it() {
    let hub = Hub::start_as(Setup::with("[limits]\nbody_read_timeout_ms = 60000\n")).await;
    let bearer = rights(&hub, "a", json!({})).await;
    let held = begin(&hub, "POST", "streams", &bearer, &json!({})).await;
    assert_eq!(hub.admin_send("DELETE", "/admin/v1/t/default/clients/a", None).await.0, 204);
    let bearer = rights(&hub, "a", json!({})).await;
    let (status, said) = held.end().await;
    assert!(status == 401 && said.contains("invalid_token"), "{said}");
    // Nor does who was locked out meanwhile.
    let held = begin(&hub, "POST", "streams", &bearer, &json!({})).await;
    assert_eq!(hub.admin_send("DELETE", "/admin/v1/t/default/clients/a/tokens", None).await.0, 204);
    let (status, said) = held.end().await;
    assert!(status == 401 && said.contains("invalid_token"), "{said}");
    assert_eq!(hub.admin_send("GET", "/admin/v1/t/default/streams", None).await.1, json!([]));
    hub.stop().await;
}
