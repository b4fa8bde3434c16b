//! Too many at once: connections, requests that wait for the journal, calls of one receiver. Who waits for himself is cut, who
//! is worked for stays, and who is refused is told when to come again (NEED-24; DESIGN 12).

use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use ssf_hub::app::serve::Runtime;
use ssf_hub::clock::{Clock, System};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::authorization::shifted_with;
use super::hub::{Hub, Setup, until};

const JWKS: &str = "GET /t/default/jwks.json HTTP/1.1\r\nHost: hub\r\n";
/// Far less than the hub would wait for those who stall.
const SOON: Duration = Duration::from_secs(20);

async fn connect(hub: &Hub, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(format!("127.0.0.1:{}", hub.setup.0).parse().unwrap()).await.unwrap()
}

/// Connects `n` times and says `words` on each.
async fn open(hub: &Hub, n: usize, words: &str) -> Vec<TcpStream> {
    let mut all = vec![];
    for _ in 0..n {
        let mut stream = connect(hub, Ipv4Addr::LOCALHOST).await;
        // One that was cut already is told so here; that is for others to notice.
        let _ = stream.write_all(words.as_bytes()).await;
        all.push(stream);
    }
    all
}

/// Everything until the hub closes, as far as it comes soon.
async fn rest(stream: &mut TcpStream) -> Option<String> {
    let mut all = vec![];
    // A reset is an end too.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await.ok()?;
    Some(String::from_utf8_lossy(&all).into_owned())
}

async fn is_served(hub: &Hub, from: Ipv4Addr) -> bool {
    let mut stream = connect(hub, from).await;
    stream.write_all(format!("{JWKS}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    rest(&mut stream).await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

async fn crowded(hub: &Hub, at: &str) -> u64 {
    let page = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap();
    let name = format!("ssf_hub_connections_crowded_total{{listener=\"public\",at=\"{at}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn nobody_who_stalls_keeps_others_out() {
    let more =
        "[limits]\nconnections_max = 16\nheader_read_timeout_ms = 60000\nbody_read_timeout_ms = 60000\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let mut held = vec![];
    // Nothing; half a head; one request, then nothing; a head, and a body that does not come.
    for (words, at) in [
        (String::new(), "fresh"),
        (format!("{JWKS}X-A: "), "fresh"),
        (format!("{JWKS}\r\n"), "idle"),
        ("POST /t/default/in/nobody HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\n".into(), "stalled"),
    ] {
        let before = crowded(&hub, at).await;
        for _ in 0..40 {
            let mut stream = open(&hub, 1, &words).await.remove(0);
            if at == "idle" {
                // Nobody works for it any more when the next one comes.
                let answered = tokio::time::timeout(SOON, stream.read_u8()).await;
                assert!(matches!(answered, Ok(Ok(_))), "{answered:?}");
            }
            held.push(stream);
        }
        for _ in 0..3 {
            assert!(is_served(&hub, Ipv4Addr::LOCALHOST).await, "{words:?}");
        }
        // The last ones may have been pushed out before the hub had read what they said.
        for tries in 0.. {
            if crowded(&hub, at).await > before {
                break;
            }
            assert!(tries < 100, "none was cut as {at}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            held.extend(open(&hub, 1, &words).await);
        }
    }
    assert_eq!(crowded(&hub, "working").await, 0);
    hub.stop().await;
}

/// A long poll on each of these streams.
async fn polls(hub: &Hub, bearer: &str, n: usize) -> Vec<TcpStream> {
    let mut all = vec![];
    for n in 0..n {
        let stream =
            json!({ "client": "crm", "method": "poll", "aud": [format!("r{n}")], "events_requested": ["*"] });
        hub.put("default", "streams", &format!("s{n}"), stream).await;
        let mut stream = connect(hub, Ipv4Addr::LOCALHOST).await;
        let head = format!(
            "POST /t/default/poll/s{n} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {bearer}\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        all.push(stream);
    }
    // Until the hub has read them.
    tokio::time::sleep(Duration::from_millis(300)).await;
    all
}

#[tokio::test]
async fn who_is_worked_for_stays_and_one_address_does_not_get_everything() {
    let more = "[limits]\nconnections_max = 4\nheader_read_timeout_ms = 60000\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let bearer = hub.client("default", "crm", false).await;
    let mut polls = polls(&hub, &bearer, 4).await;
    // At the limit one more waits, and the next one is told that there is no use in it.
    let ask = format!("{JWKS}Connection: close\r\n\r\n");
    let mut waits = open(&hub, 1, &ask).await.remove(0);
    let mut nothing = [0; 1];
    assert!(tokio::time::timeout(Duration::from_millis(200), waits.read(&mut nothing)).await.is_err());
    let mut refused = open(&hub, 1, "").await.remove(0);
    assert_eq!(rest(&mut refused).await.as_deref(), Some(""));
    assert_eq!((crowded(&hub, "waiting").await, crowded(&hub, "working").await), (1, 0));
    // Somebody else comes: of the four polls of one address the oldest makes room.
    assert!(is_served(&hub, Ipv4Addr::new(127, 0, 0, 2)).await);
    assert_eq!(rest(&mut polls[0]).await.as_deref(), Some(""), "cut, without an answer");
    assert_eq!(crowded(&hub, "working").await, 1);
    // And when he had gone, there was room for the one that waited.
    assert!(rest(&mut waits).await.unwrap().starts_with("HTTP/1.1 200 "));
    for poll in &mut polls[1..] {
        assert!(tokio::time::timeout(Duration::from_millis(50), poll.read(&mut nothing)).await.is_err());
    }
    hub.stop().await;
}

/// The machine's clock; the sequencer does not get past it while it is held.
#[derive(Default)]
struct Held {
    held: Mutex<(bool, bool)>,
    turn: Condvar,
}

impl Clock for Held {
    fn wall_ms(&self) -> i64 {
        if std::thread::current().name() == Some("sequencer") {
            let mut held = self.held.lock().unwrap();
            held.1 = held.0;
            drop(self.turn.wait_while(held, |held| held.0).unwrap());
        }
        System.wall_ms()
    }

    fn boot_ms(&self) -> i64 {
        System.boot_ms()
    }
}

impl Held {
    fn hold(&self, hold: bool) {
        *self.held.lock().unwrap() = (hold, false);
        self.turn.notify_all();
    }

    fn stands(&self) -> bool {
        self.held.lock().unwrap().1
    }
}

#[tokio::test]
async fn more_requests_than_may_wait_are_told_when_to_come_again() {
    let clock = Arc::new(Held::default());
    let runtime = Runtime { clock: clock.clone(), ..Runtime::default() };
    let hub = Hub::start_as(Setup { runtime, ..Setup::with("[limits]\nin_flight_max = 4\n") }).await;
    let bearer = hub.client("default", "broker", true).await;
    let before = hub.mark("default").await.1;
    let url = format!("{}/t/default/v1/agents", hub.public);
    let agent = |n: usize| {
        let body = json!({ "id": format!("a{n}"), "aliases": [] }).to_string();
        let request = hub.http.post(&url).bearer_auth(&bearer).header("content-type", "application/json");
        async move { request.body(body).send().await.unwrap() }
    };
    clock.hold(true);
    until("the sequencer stands", 30, || async { clock.stands() }).await;
    // Four may wait; four of eight are told so while nothing else goes on.
    let mut asked: FuturesUnordered<_> = (0..8).map(agent).collect();
    for _ in 0..4 {
        let answer = asked.next().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["status"], 503);
    }
    clock.hold(false);
    let taken: Vec<_> = asked.collect().await;
    assert!(taken.len() == 4 && taken.iter().all(|answer| answer.status() == 201));
    assert_eq!(hub.mark("default").await.1, before + 4, "what was refused is not in the journal");
    for n in 0..8 {
        assert!(agent(n).await.status().is_success(), "there is room again");
    }
    hub.stop().await;
}

#[tokio::test]
async fn management_calls_have_a_rate_and_subjects_have_their_own() {
    let (hub, clock) = shifted_with("[ssf]\ncalls_per_s = 2\n").await;
    // So that nobody gets anything back meanwhile.
    clock.hold();
    for id in ["a", "b"] {
        let receiver = json!({ "min_verification_interval_s": 0 });
        hub.put(
            "default",
            "clients",
            id,
            json!({ "bearer": format!("bearer-of-{id}-0123456789"), "receiver": receiver }),
        )
        .await;
    }
    let send = async |who: &str, method: &str, path: &str, body: Value| {
        let url = format!("{}/t/default/ssf/{path}", hub.public);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = hub.http.request(method, url).bearer_auth(format!("bearer-of-{who}-0123456789"));
        let request = request.header("content-type", "application/json").body(body.to_string());
        request.send().await.unwrap()
    };
    let made = send("a", "POST", "streams", json!({})).await;
    assert_eq!(made.status(), 201);
    let stream: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    let of_stream = json!({ "stream_id": stream["stream_id"] });
    let before = hub.mark("default").await.1;
    // A burst of four in all; then nothing is said, changed or owed, whatever is asked.
    let mut answers = vec![];
    for n in 0..12 {
        let (method, path, body) = match n % 3 {
            0 => ("POST", "verify", of_stream.clone()),
            1 => (
                "PATCH",
                "streams",
                json!({ "stream_id": stream["stream_id"], "description": n.to_string() }),
            ),
            _ => ("GET", "status?stream_id=x", Value::Null),
        };
        let answer = send("a", method, path, body).await;
        if answer.status() == 429 {
            let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert_eq!(after, 1, "{method} {path}");
        }
        answers.push(answer.status().as_u16());
    }
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert!(refused == 9 && answers[0] == 204, "{answers:?}");
    let changes = answers.iter().filter(|status| [200, 204].contains(*status)).count() as u64;
    assert_eq!(hub.mark("default").await.1, before + changes, "{answers:?}");
    // Somebody else is not held up, nor is who tells subjects.
    assert_eq!(send("b", "GET", "streams", Value::Null).await.status(), 200);
    for n in 0..20 {
        let subject = json!({ "format": "email", "email": format!("{n}@example.com") });
        let body = json!({ "stream_id": stream["stream_id"], "subject": subject });
        assert_eq!(send("a", "POST", "subjects/add", body).await.status(), 200);
    }
    hub.stop().await;
}
