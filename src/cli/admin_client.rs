//! One call to the admin API of the hub that runs on this machine.
//!
//! Not outbound traffic: the address is the hub's own listener, taken from the configuration, never a URL
//! from anywhere; so it goes past `egress` and its guard, straight over one connection. The credential is
//! read from its 0600 file for each command and never shown.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::failure::Failure;
use crate::config::Config;
use crate::config::secret::{BEARER_CHARS_MIN, Secret};

/// Longest wait for an answer; writing a base takes longest.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Longest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The admin API of one hub.
#[derive(Debug)]
pub struct AdminClient {
    address: SocketAddr,
    tls: Option<crate::tls::Config>,
    credential: Secret,
    timeout: Duration,
}

impl AdminClient {
    /// The hub of this configuration, with the credential in its data directory.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        let path = config.admin_credential();
        let text = std::fs::read_to_string(&path).map_err(|e| {
            let hint = "it is made when the hub first starts, for the user that runs it";
            Failure::failed(format!("the admin credential {} cannot be read: {e} ({hint})", path.display()))
        })?;
        let credential = text.trim();
        if credential.len() < BEARER_CHARS_MIN || !crate::auth::bearer::is_token(credential) {
            return Err(Failure::failed(format!("{} holds no admin credential", path.display())));
        }
        let tls = Some(&config.admin.tls).filter(|tls| tls.is_on()).cloned();
        let (address, credential) = (config.admin_address(), Secret::new(credential.into()));
        Ok(Self { address, tls, credential, timeout: TIMEOUT })
    }

    /// Calls, and waits for the answer's JSON (`null` where there is none). An answer other than 2xx is a
    /// failure with the hub's own words (RFC 9457).
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        super::block_on(false, self.exchange(method, path, body))
    }

    /// The same for what may take longer.
    pub fn patiently(mut self, wait: Duration) -> Self {
        self.timeout = wait;
        self
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let request = self.request(method, path, body).map_err(Failure::failed)?;
        let answer = tokio::time::timeout(self.timeout, self.send(request)).await;
        let (status, body) =
            answer.map_err(|_| Failure::failed(format!("the hub at {} does not answer", self.address)))??;
        let value = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        match (status.is_success(), value) {
            (true, Ok(value)) => Ok(value),
            (true, Err(e)) => {
                Err(Failure::failed(format!("the hub at {} answers no JSON: {e}", self.address)))
            }
            (false, value) => Err(refusal(status, &value.unwrap_or_default())),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut credential = HeaderValue::from_str(&format!("Bearer {}", self.credential.reveal()))?;
        credential.set_sensitive(true);
        let builder = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, credential);
        match body {
            Some(value) => {
                builder.header(CONTENT_TYPE, "application/json").body(Full::new(value.to_string().into()))
            }
            None => builder.body(Full::default()),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(|e| {
            Failure::failed(format!("no hub answers at {}: {e}; is it running?", self.address))
        })?;
        let Some(tls) = &self.tls else { return self.over(stream, request).await };
        let stream = crate::tls::dial::dial(tls, stream).await;
        let stream = stream.map_err(|e| Failure::failed(format!("the hub at {}: {e}", self.address)))?;
        self.over(stream, request).await
    }

    async fn over<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let broken = |e: hyper::Error| {
            Failure::failed(format!("the exchange with the hub at {} broke: {e}", self.address))
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|e| Failure::failed(format!("the hub's answer cannot be read: {e}")))?;
            Ok((status, body.to_bytes()))
        };
        // The connection does the reading and writing while the exchange waits. It may end first, when the
        // hub closes right behind its answer; what it read is then still handed over.
        let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
        tokio::select! {
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        }
    }
}

fn refusal(status: StatusCode, problem: &Value) -> Failure {
    let title = problem["title"].as_str().unwrap_or("the hub refused");
    match problem["detail"].as_str() {
        Some(detail) => Failure::failed(format!("{title}: {detail} ({status})")),
        None => Failure::failed(format!("{title} ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers one request with `answer`, and returns what was asked.
    async fn peer(listener: TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut asked, mut buf) = (String::new(), [0u8; 4096]);
        while !asked.contains("\r\n\r\n") || (asked.contains("PUT") && !asked.ends_with('}')) {
            let n = stream.read(&mut buf).await.unwrap();
            asked.push_str(std::str::from_utf8(&buf[..n]).unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        asked
    }

    async fn exchange(method: Method, body: Option<Value>, answer: &str) -> (Result<Value, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let credential = Secret::new("0123456789abcdef".into());
        let client = AdminClient { address, tls: None, credential, timeout: TIMEOUT };
        let (done, asked) =
            tokio::join!(client.exchange(method, "/admin/v1/status", body.as_ref()), peer(listener, answer));
        (done, asked)
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn answers_and_refusals() {
        let (done, asked) = exchange(Method::GET, None, &answer("200 OK", "{\"ok\": true}")).await;
        assert_eq!(done.unwrap(), serde_json::json!({"ok": true}));
        assert!(asked.starts_with("GET /admin/v1/status HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer 0123456789abcdef\r\n"), "{asked}");

        let body = serde_json::json!({"id": "u"});
        let (done, asked) = exchange(Method::PUT, Some(body), "HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(done.unwrap(), Value::Null);
        assert!(asked.contains("application/json") && asked.ends_with("{\"id\":\"u\"}"), "{asked}");

        let table = [
            (
                answer("409 x", r#"{"title": "in use", "detail": "stream s"}"#),
                "in use: stream s (409 Conflict)",
            ),
            (answer("409 x", r#"{"title": "in use"}"#), "in use (409 Conflict)"),
            (answer("500 x", "<p>"), "the hub refused (500 Internal Server Error)"),
            (answer("200 OK", "<p>"), "answers no JSON"),
            ("nonsense\r\n\r\n".into(), "broke"),
        ];
        for (text, want) in table {
            let (done, _) = exchange(Method::GET, None, &text).await;
            let failure = done.unwrap_err();
            assert!(failure.to_string().contains(want), "{failure} for {text}");
            assert_eq!(failure.status(), 1);
        }
    }

    #[test]
    fn nobody_there() {
        // Taken, so that nobody else gets it, and nobody listens.
        let taken = tokio::net::TcpSocket::new_v4().unwrap();
        taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = taken.local_addr().unwrap();
        let credential = Secret::new("0123456789abcdef".into());
        let client = AdminClient { address, tls: None, credential, timeout: TIMEOUT };
        let failure = client.call(Method::GET, "/admin/v1/status", None).unwrap_err();
        assert!(failure.to_string().contains("is it running?"), "{failure}");
        assert!(!format!("{client:?}").contains("0123456789abcdef"));
    }
}
