//! HTTP/1.1 over kept-alive connections, as cheap as it gets: the load generator shares the machine with the hub.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::secure::{Over, secure};

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

/// Where a peer is, and what is spoken with it.
#[derive(Clone, Copy)]
pub struct At {
    pub address: SocketAddr,
    pub over: Over,
}

impl At {
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, over: Over::Plain }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One end of a connection.
pub struct Connection {
    stream: Box<dyn Stream>,
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
    fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: Vec::with_capacity(4096), used: 0 }
    }

    pub async fn open(at: At) -> Self {
        Self::try_open(at).await.expect("the peer listens")
    }

    pub async fn try_open(at: At) -> std::io::Result<Self> {
        let stream = TcpStream::connect(at.address).await?;
        stream.set_nodelay(true)?;
        Ok(match at.over {
            Over::Plain => Self::new(Box::new(stream)),
            Over::Tls => Self::new(Box::new(secure().connect(stream).await)),
        })
    }

    /// The listener's end.
    pub async fn accepted(stream: TcpStream, over: Over) -> Self {
        stream.set_nodelay(true).unwrap();
        match over {
            Over::Plain => Self::new(Box::new(stream)),
            Over::Tls => Self::new(Box::new(secure().accept(stream).await)),
        }
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

/// Connections that are open before anything is measured.
pub struct Load(Vec<Connection>);

impl Load {
    pub async fn open(at: At, connections: usize) -> Self {
        let opened = (0..connections).map(|_| tokio::spawn(Connection::open(at)));
        let mut all = vec![];
        for connection in opened.collect::<Vec<_>>() {
            all.push(connection.await.unwrap());
        }
        Self(all)
    }

    /// Sends all requests, one at a time on each connection; every one must be answered with a success.
    pub async fn all_accepted(&mut self, requests: &Arc<Vec<Vec<u8>>>) {
        let next = Arc::new(AtomicUsize::new(0));
        let workers = self.0.drain(..).map(|mut connection| {
            let (next, requests) = (next.clone(), requests.clone());
            tokio::spawn(async move {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = connection.exchange(request).await;
                    let ok = (200..300).contains(&answer.status());
                    assert!(ok, "answered {}: {}", answer.first, String::from_utf8_lossy(answer.body));
                }
                connection
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            self.0.push(worker.await.unwrap());
        }
    }
}

/// The same over as many connections of its own.
pub async fn all_accepted(at: At, requests: &Arc<Vec<Vec<u8>>>, connections: usize) {
    Load::open(at, connections.min(requests.len())).await.all_accepted(requests).await;
}
