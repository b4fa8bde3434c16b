//! Connections through the proxy: one CONNECT each, to an address that the guard has judged.
//!
//! reqwest lets its proxy resolve the name a second time, past the guard; so behind a proxy this connector makes
//! the connections. The proxy sees `CONNECT address:port`, the receiver sees its name in SNI, certificate check and
//! `Host`, as without a proxy.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Error;
use super::guard::Refused;
use super::proxy::Proxy;
use super::resolve::Resolver;

/// Longest head of the proxy's answer, in bytes.
const HEAD_MAX: usize = 8 << 10;

/// A stream of bytes, plain or TLS.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

impl Connection for Box<dyn Bytes> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Makes connections through the proxy.
#[derive(Clone)]
pub(super) struct Tunnels {
    pub(super) proxy: Proxy,
    pub(super) resolver: Resolver,
    pub(super) tls: tokio_native_tls::TlsConnector,
    /// Longest wait for a connection, TLS included.
    pub(super) patience: Duration,
}

impl tower::Service<Uri> for Tunnels {
    type Response = TokioIo<Box<dyn Bytes>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let opened = tokio::time::timeout(this.patience, this.open(&uri)).await;
            Ok(TokioIo::new(opened.map_err(|_| Error::Timeout)??))
        })
    }
}

impl Tunnels {
    async fn open(&self, uri: &Uri) -> Result<Box<dyn Bytes>, Error> {
        let plain = uri.scheme_str() == Some("http");
        let host = uri.host().ok_or(Refused::Url)?.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
        let mut last = Error::Connect;
        for authority in self.authorities(host, port, plain).await? {
            let stream = match self.connect(&authority).await {
                Ok(stream) => stream,
                // Another address of the same name may be reachable.
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            if plain {
                return Ok(Box::new(stream));
            }
            let tls = self.tls.connect(host, stream).await.map_err(|_| Error::Tls)?;
            return Ok(Box::new(tls));
        }
        Err(last)
    }

    /// What the proxy is asked for: each judged address, or the name where it can only be asked by name.
    async fn authorities(&self, host: &str, port: u16, plain: bool) -> Result<Vec<String>, Error> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            // Judged with the URL.
            return Ok(vec![SocketAddr::new(ip, port).to_string()]);
        }
        let by_name = self.proxy.by_name;
        // By name the proxy resolves again, and nobody holds it to what was judged: then one bad address is enough.
        let good = self.resolver.resolve(host, plain, by_name).await?;
        if by_name {
            return Ok(vec![format!("{host}:{port}")]);
        }
        Ok(good.into_iter().map(|at| SocketAddr::new(at.ip(), port).to_string()).collect())
    }

    /// One CONNECT (RFC 9110, 9.3.6).
    async fn connect(&self, authority: &str) -> Result<TcpStream, Error> {
        let proxy = (self.proxy.host.as_str(), self.proxy.port);
        let mut stream = TcpStream::connect(proxy).await.map_err(|_| Error::Proxy(0))?;
        // Small writes go at once, as with a direct connection. A socket that refuses the option works all the same.
        let _ = stream.set_nodelay(true);
        let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(value) = &self.proxy.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.map_err(|_| Error::Proxy(0))?;
        match answer(&mut stream).await.and_then(|head| status(&head)) {
            Some(200..=299) => Ok(stream),
            Some(other) => Err(Error::Proxy(other)),
            None => Err(Error::Proxy(0)),
        }
    }
}

/// The head of the proxy's answer. Nothing may follow it: the other end speaks second.
async fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        let whole = head.windows(4).any(|four| four == b"\r\n\r\n");
        if whole || head.len() >= HEAD_MAX || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("HTTP/1.")?.split(' ');
    words.next()?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxys_answer_is_read() {
        let table = [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 407 Proxy Authentication Required\r\nX: y\r\n\r\n", Some(407)),
            ("HTTP/1.1 200\r\n\r\n", Some(200)),
            ("HTTP/2 200\r\n\r\n", None),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
            ("HTTP/1.1 many\r\n\r\n", None),
            ("", None),
        ];
        for (head, want) in table {
            assert_eq!(status(head.as_bytes()), want, "{head:?}");
        }
    }
}
