//! Receivers by push and by poll that only count, or tell what came when.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json, value::RawValue};
use ssf_hub::clock::Stopwatch;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::secure::Over;
use super::wire::{self, At, Connection};

const TAKEN: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

/// When something came, and the compact SET.
pub type Arrival = (Duration, String);

/// Which SETs came, by a hash of each; a SET that comes twice is the same bytes.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<HashSet<u64>>>);

impl Seen {
    fn note(&self, set: &[u8]) {
        let mut hasher = DefaultHasher::new();
        set.hash(&mut hasher);
        self.0.lock().unwrap().insert(hasher.finish());
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Waits until so many different SETs came; more is a mistake too.
    pub async fn wait_for(&self, n: usize) {
        let watch = Stopwatch::start();
        while self.len() < n {
            assert!(watch.elapsed() < Duration::from_secs(120), "{} of {n} SETs came", self.len());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(self.len(), n, "more SETs came than were sent");
    }
}

/// A receiver by push.
pub struct Pushed {
    pub url: String,
    pub seen: Seen,
    server: JoinHandle<()>,
}

impl Pushed {
    /// One that counts.
    pub async fn counting(over: Over) -> Self {
        Self::start(over, None).await
    }

    /// One that tells each arrival, by `watch`.
    pub async fn telling(watch: Stopwatch) -> (Self, mpsc::UnboundedReceiver<Arrival>) {
        let (tell, told) = mpsc::unbounded_channel();
        (Self::start(Over::Plain, Some((watch, tell))).await, told)
    }

    async fn start(over: Over, tell: Option<(Stopwatch, mpsc::UnboundedSender<Arrival>)>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if over == Over::Tls { "https" } else { "http" };
        let url = format!("{scheme}://{}/events", listener.local_addr().unwrap());
        let seen = Seen::default();
        let notes = seen.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, tell) = (notes.clone(), tell.clone());
                tokio::spawn(async move {
                    let mut connection = Connection::accepted(stream, over).await;
                    while let Some(message) = connection.receive().await {
                        match &tell {
                            None => notes.note(message.body),
                            Some((watch, tell)) => {
                                let at = watch.elapsed();
                                let set = String::from_utf8(message.body.to_vec()).unwrap();
                                // Nobody listens any more: the run is over.
                                let _ = tell.send((at, set));
                            }
                        }
                        if connection.send(TAKEN).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, seen, server }
    }
}

impl Drop for Pushed {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One poll: what came.
pub async fn poll(
    connection: &mut Connection,
    path: &str,
    bearer: &str,
    body: &Value,
) -> Vec<(String, String)> {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        sets: HashMap<&'a str, &'a RawValue>,
    }
    let bearer = format!("Bearer {bearer}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let request = wire::post(path, &headers, body.to_string().as_bytes());
    let answer = connection.exchange(&request).await;
    assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(answer.body));
    let answer: Answer<'_> = serde_json::from_slice(answer.body).unwrap();
    answer.sets.iter().map(|(jti, set)| (jti.to_string(), set.get().to_string())).collect()
}

/// A receiver by long polling: acknowledges with the next poll.
pub struct Polled {
    pub seen: Seen,
    task: JoinHandle<()>,
}

impl Polled {
    pub fn start(hub: At, stream: &str, bearer: &str) -> Self {
        let seen = Seen::default();
        let (notes, path, bearer) = (seen.clone(), format!("/t/default/poll/{stream}"), bearer.to_string());
        let task = tokio::spawn(async move {
            let mut connection = Connection::open(hub).await;
            let mut ack: Vec<String> = vec![];
            loop {
                let sets = poll(&mut connection, &path, &bearer, &json!({ "ack": ack })).await;
                sets.iter().for_each(|(_, set)| notes.note(set.as_bytes()));
                ack = sets.into_iter().map(|(jti, _)| jti).collect();
            }
        });
        Self { seen, task }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.task.abort();
    }
}
