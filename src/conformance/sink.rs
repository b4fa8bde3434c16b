//! The push sink: where a transmitter under test pushes to (RFC 8935), served by the run itself.
//!
//! Each endpoint has a path that nobody can guess and an `Authorization` of its own; it answers what its case says, then
//! 202. Everything that comes is kept as it came. Never judges; an unknown path is 404.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openssl::ssl::{Ssl, SslAcceptor, SslFiletype, SslMethod};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use super::action::Answer;
use super::exchange::fields;
use super::settings::SinkSettings;
use crate::clock::Stopwatch;

/// Longest push that is read (bytes).
const PUSH_BYTES_MAX: usize = 1024 * 1024;

#[derive(Default)]
struct Endpoint {
    answers: VecDeque<Answer>,
    requests: Vec<Value>,
}

struct Shared {
    endpoints: Mutex<BTreeMap<String, Endpoint>>,
    began: Stopwatch,
}

impl Shared {
    fn with<T>(&self, path: &str, f: impl FnOnce(&mut Endpoint) -> T) -> Option<T> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.get_mut(path).map(f)
    }
}

/// The sink; it ends when it is dropped.
pub struct Sink {
    shared: Arc<Shared>,
    base: String,
    _serving: JoinSet<()>,
}

impl Sink {
    /// Listens.
    pub async fn start(settings: &SinkSettings) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let listener = TcpListener::bind(settings.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
        // A port that the system chose is told to the transmitter instead of `0`.
        let port = listener.local_addr()?.port();
        let base = settings.url.trim_end_matches('/').replace(":0/", &format!(":{port}/"));
        let base = base.strip_suffix(":0").map(|b| format!("{b}:{port}")).unwrap_or(base);
        let shared = Arc::new(Shared { endpoints: Mutex::default(), began: Stopwatch::start() });
        let tls = settings.tls.as_ref().map(acceptor).transpose()?.map(Arc::new);
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, tls, shared.clone()));
        Ok(Self { shared, base, _serving: serving })
    }

    /// A new endpoint at `name`; its URL.
    pub fn endpoint(&self, name: &str, answers: Vec<Answer>) -> String {
        let endpoint = Endpoint { answers: answers.into(), requests: vec![] };
        let url = format!("{}/{name}", self.base);
        let path = url::Url::parse(&url).map_or_else(|_| format!("/{name}"), |u| u.path().to_string());
        self.shared.endpoints.lock().unwrap_or_else(PoisonError::into_inner).insert(path, endpoint);
        url
    }

    /// Whether there is an endpoint at this URL.
    pub fn has(&self, url: &str) -> bool {
        self.requests_from(url, 0).is_some()
    }

    /// What came to the endpoint at `url`, from the n-th request on.
    pub fn requests_from(&self, url: &str, n: usize) -> Option<Vec<Value>> {
        let path = url::Url::parse(url).ok()?.path().to_string();
        self.shared.with(&path, |e| e.requests.get(n..).unwrap_or_default().to_vec())
    }
}

fn acceptor((certificate, key): &(PathBuf, PathBuf)) -> anyhow::Result<SslAcceptor> {
    use anyhow::Context as _;
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    let read = builder.set_certificate_chain_file(certificate);
    read.with_context(|| format!("{} is no certificate chain", certificate.display()))?;
    let read = builder.set_private_key_file(key, SslFiletype::PEM);
    read.with_context(|| format!("{} is no private key", key.display()))?;
    builder.check_private_key().context("the key is not that of the certificate")?;
    Ok(builder.build())
}

async fn accept(listener: TcpListener, tls: Option<Arc<SslAcceptor>>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(shake_and_serve(stream, tls.clone(), shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn shake_and_serve(stream: TcpStream, tls: Option<Arc<SslAcceptor>>, shared: Arc<Shared>) {
    let Some(tls) = tls else { return serve(stream, shared).await };
    let Ok(mut stream) = Ssl::new(tls.context()).and_then(|ssl| SslStream::new(ssl, stream)) else { return };
    if Pin::new(&mut stream).accept().await.is_ok() {
        serve(stream, shared).await;
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send, shared: Arc<Shared>) {
    let service = service_fn(move |request| take(shared.clone(), request));
    // A connection that breaks off is the transmitter's business; what it brought before is kept.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn take(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let at_ms = u64::try_from(shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let body = Limited::new(body, PUSH_BYTES_MAX).collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let taken = shared.with(parts.uri.path(), |endpoint| {
        let answer = endpoint.answers.pop_front().unwrap_or(Answer { status: 202, ..Answer::default() });
        endpoint.requests.push(json!({
            "at_ms": at_ms, "method": parts.method.as_str(), "path": parts.uri.path(), "query": parts.uri.query(),
            "headers": fields(&parts.headers), "body": String::from_utf8_lossy(&body), "answered": answer.status,
        }));
        answer
    });
    let answer = taken.unwrap_or(Answer { status: 404, ..Answer::default() });
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let mut broken = Response::new(Full::default());
    *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    Ok(response.body(Full::from(answer.body)).unwrap_or(broken))
}
