//! What all peers share: an HTTP client, listeners on loopback, and one end for all of them.
//!
//! The client is the hub's own egress, allowed to reach loopback and nothing else that is not public.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::serve::{self, Limits, Served};
use crate::app::Tasks;
use crate::clock::{Clock as _, Stopwatch, System};
use crate::egress::{Config, Egress, Outbound, Response};

/// The only network that the demo knows.
pub const LOOPBACK: &str = "127.0.0.0/8";

/// Longest answer that a peer reads (bytes).
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Limits of a peer's listener.
const LIMITS: Limits =
    Limits { connections_max: 64, header_read_timeout_ms: 10_000, write_timeout_ms: 10_000 };

/// How long peers may take to end.
const END: Duration = Duration::from_secs(2);

/// What peers run on. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    egress: Arc<Egress>,
    tasks: Tasks,
    stop: Arc<watch::Sender<bool>>,
    began: Stopwatch,
}

impl Peers {
    /// Nobody yet.
    pub fn new() -> anyhow::Result<Self> {
        let egress = Egress::new(&Config { allow_cidrs: vec![LOOPBACK.parse()?], ..Config::default() })?;
        let (stop, _) = watch::channel(false);
        Ok(Self {
            egress: Arc::new(egress),
            tasks: Tasks::default(),
            stop: Arc::new(stop),
            began: Stopwatch::start(),
        })
    }

    /// Time since the demo began, on one monotonic clock for all peers.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The wall clock (ms since 1970).
    pub fn wall_ms(&self) -> i64 {
        System.wall_ms()
    }

    /// Runs `future` until it ends or the peers end.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.stop.subscribe();
        self.tasks.spawn(name, async move {
            tokio::select! {
                () = future => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Serves `router` on a free port of loopback.
    pub async fn serve(&self, name: &'static str, router: Router) -> anyhow::Result<SocketAddr> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = bound.with_context(|| format!("{name} cannot bind a port of loopback"))?;
        let at = listener.local_addr()?;
        let served = Served { name, router, limits: LIMITS, tls: None, metrics: Default::default() };
        let serving = serve::serve(listener, served, self.tasks.spawner(), self.stop.subscribe());
        self.tasks.spawn(name, serving);
        Ok(at)
    }

    /// Sends any request.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        timeout_ms: Option<u64>,
    ) -> anyhow::Result<Response> {
        let max_response_bytes = ANSWER_BYTES_MAX;
        let sent = self.egress.send(Outbound { method, url, headers, body, max_response_bytes, timeout_ms });
        sent.await.with_context(|| url.to_string())
    }

    /// Sends JSON under a bearer and reads JSON; an answer that is no 2xx is an error.
    pub async fn json(&self, method: Method, url: &str, bearer: &str, body: &Value) -> anyhow::Result<Value> {
        let mut headers = bearing(AUTHORIZATION, bearer)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let said = format!("{method} {url}");
        let answer = self.send(method, url, headers, body, None).await?;
        let status = answer.status;
        let body = answer.whole_body()?;
        anyhow::ensure!(
            (200..300).contains(&status),
            "{said} was answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).with_context(|| format!("{said} was not answered with JSON"))
    }

    /// Ends all of them.
    pub async fn end(&self) {
        self.stop.send_replace(true);
        if !self.tasks.wait(END).await {
            tracing::warn!("peers of the demo were still busy and are cut");
        }
    }
}

/// One header field that holds `Bearer` and a secret.
pub fn bearing(name: HeaderName, bearer: &str) -> anyhow::Result<HeaderMap> {
    let mut value = HeaderValue::from_str(&format!("Bearer {bearer}"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, value)]))
}
