//! Plain HTTP/1.1 over kept-alive connections, as cheap as it gets: the load generator shares the machine with the hub.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request with its head.
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out
}

/// A request without a body.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

/// One end of a connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    used: usize,
}

/// What came: the first line, and the body.
pub struct Message<'a> {
    pub first: &'a str,
    pub body: &'a [u8],
}

impl Message<'_> {
    /// The status, if it is an answer.
    pub fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(4096), used: 0 }
    }

    pub async fn open(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next message; `None` when the peer has closed.
    pub async fn receive(&mut self) -> Option<Message<'_>> {
        self.buffer.drain(..std::mem::take(&mut self.used));
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
        let length = text.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        let (from, to) = (head + 4, head + 4 + length.unwrap_or(0));
        while self.buffer.len() < to {
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
        self.used = to;
        let first = std::str::from_utf8(&self.buffer[..head]).unwrap().split("\r\n").next().unwrap_or("");
        Some(Message { first, body: &self.buffer[from..to] })
    }

    /// Sends a request and takes its answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Message<'_> {
        self.send(request).await.expect("the peer takes requests");
        self.receive().await.expect("the peer answers")
    }
}

/// Sends all requests over so many connections, one at a time on each; every one must be answered with a success.
pub async fn all_accepted(address: SocketAddr, requests: &Arc<Vec<Vec<u8>>>, connections: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..connections.min(requests.len())).map(|_| {
        let (next, requests) = (next.clone(), requests.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = connection.exchange(request).await;
                let ok = (200..300).contains(&answer.status());
                assert!(ok, "answered {}: {}", answer.first, String::from_utf8_lossy(answer.body));
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}
