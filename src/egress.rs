//! The only outbound HTTP of the hub, with its guard against server-side request forgery.
//!
//! Ground floor. URLs come from tenants and peers, so every address is judged twice: a literal when the
//! URL is parsed, a name when it resolves, and only the judged addresses are connected to, also through a
//! proxy. Redirects are never followed, bodies never decompressed, and errors never carry a body or a URL.
//!
//! - [`config`], [`guard`], [`address`]: settings; what may be contacted
//! - [`proxy`], `tunnel`: behind an outbound proxy
//! - `clients`, `resolve`, `trust`: HTTP clients, names, certification authorities

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

pub mod address;
mod clients;
pub mod config;
pub mod guard;
pub mod proxy;
mod resolve;
mod trust;
mod tunnel;

use clients::Clients;
pub use config::Config;
pub use guard::{Guard, Refused};
use resolve::{Lookup, Resolver};
use trust::Trust;

/// Why there is no answer. Never holds a URL or a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The guard said no; repeating it will not help.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// Nothing was sent: too many exchanges, or look-ups of names, were under way all the time.
    #[error("too many exchanges are under way")]
    Busy,
    /// Nothing came in time, or not all of it.
    #[error("timed out")]
    Timeout,
    /// No connection: name not found, refused, unreachable.
    #[error("cannot connect")]
    Connect,
    /// The proxy does not connect: its status, 0 where it gave none.
    #[error("the proxy does not connect (status {0})")]
    Proxy(u16),
    /// The peer's certificate or its TLS is not acceptable.
    #[error("TLS failed")]
    Tls,
    /// The answer is longer than the caller reads.
    #[error("the answer is too large")]
    TooLarge,
    /// The connection broke, or the peer does not speak HTTP.
    #[error("the exchange failed")]
    Other,
}

/// The operator's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A CA file cannot be read or holds no certificate.
    #[error("CA file {0} holds no readable certificates")]
    CaFile(PathBuf),
    /// The proxy's settings.
    #[error("proxy: {0}")]
    Proxy(proxy::Bad),
    /// The TLS library refused to start.
    #[error("the HTTP client cannot be built")]
    Client,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// All header fields.
    pub headers: HeaderMap,
    /// The body, cut at the caller's limit.
    pub body: Vec<u8>,
    /// Whether there was more body than that.
    pub truncated: bool,
}

impl Response {
    /// The body, if it was read whole.
    pub fn whole_body(self) -> Result<Vec<u8>, Error> {
        if self.truncated { Err(Error::TooLarge) } else { Ok(self.body) }
    }
}

/// A request about to go out.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// `GET`, `POST`, …
    pub method: Method,
    /// Judged by `check_url` once more when sent.
    pub url: &'a str,
    /// Header fields, sent as they are.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Vec<u8>,
    /// How much of the answer's body is read.
    pub max_response_bytes: usize,
    /// Longest wait for the whole answer; `None` = the configured one. Long polls need more.
    pub timeout_ms: Option<u64>,
}

/// The outbound HTTP client. Cheap to share behind an `Arc`; connections are pooled inside.
pub struct Egress {
    config: Config,
    guard: Guard,
    resolver: Resolver,
    clients: ArcSwap<Clients>,
    trust: Mutex<Trust>,
    exchanges: Semaphore,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Egress {
    /// Builds the clients.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Self::looking(config, resolve::system())
    }

    /// Looks names up this way.
    fn looking(config: &Config, look: Lookup) -> Result<Self, ConfigError> {
        let (guard, trust) = (Guard::of(config), Trust::read(&config.extra_ca_files)?);
        let resolver = Resolver::new(guard.clone(), Duration::from_millis(config.connect_timeout_ms), look);
        let clients = Clients::new(config, &resolver, &trust)?;
        Ok(Self {
            config: config.clone(),
            guard,
            resolver,
            clients: ArcSwap::from_pointee(clients),
            trust: Mutex::new(trust),
            exchanges: Semaphore::new(config.connections_max.clamp(1, Semaphore::MAX_PERMITS)),
        })
    }

    /// Reads the CA files again and, where they changed, makes the clients anew; whether it did. Exchanges under way
    /// end with the old ones. On an error the old ones stay. Blocks for a tenth of a second.
    pub fn refresh(&self) -> Result<bool, ConfigError> {
        let now = Trust::read(&self.config.extra_ca_files)?;
        let mut trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        if *trust == now {
            return Ok(false);
        }
        self.clients.store(Clients::new(&self.config, &self.resolver, &now)?.into());
        *trust = now;
        Ok(true)
    }

    /// Judges a URL each time it is used.
    pub fn check_url(&self, url: &str) -> Result<Url, Refused> {
        self.guard.check_url(url)
    }

    /// POSTs `body` and reads at most `max_response_bytes` of the answer.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        max_response_bytes: usize,
    ) -> Result<Response, Error> {
        let method = Method::POST;
        self.send(Outbound { method, url, headers, body, max_response_bytes, timeout_ms: None }).await
    }

    /// GETs and reads at most `max_response_bytes` of the answer.
    pub async fn get(
        &self,
        url: &str,
        headers: HeaderMap,
        max_response_bytes: usize,
    ) -> Result<Response, Error> {
        let (method, body) = (Method::GET, vec![]);
        self.send(Outbound { method, url, headers, body, max_response_bytes, timeout_ms: None }).await
    }

    /// Sends any request. The time is that of the whole exchange, from the look-up of the name to the last byte of the
    /// body that is read. Dropping the future gives the exchange up.
    pub async fn send(&self, outbound: Outbound<'_>) -> Result<Response, Error> {
        let url = self.check_url(outbound.url)?;
        self.place(outbound.timeout_ms).await?.exchange(url, outbound).await
    }

    /// Waits for a place among the exchanges under way: for who has to look once more before something goes.
    pub async fn place(&self, timeout_ms: Option<u64>) -> Result<Place<'_>, Error> {
        let waited = timeout(self.patience(timeout_ms), self.exchanges.acquire()).await;
        let permit = waited.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        Ok(Place { egress: self, _permit: permit })
    }

    fn patience(&self, timeout_ms: Option<u64>) -> Duration {
        Duration::from_millis(timeout_ms.unwrap_or(self.config.timeout_ms))
    }
}

/// A place for one exchange. Dropping it gives it back.
pub struct Place<'a> {
    egress: &'a Egress,
    _permit: SemaphorePermit<'a>,
}

impl Place<'_> {
    /// Sends at once; otherwise as [`Egress::send`].
    pub async fn send(self, outbound: Outbound<'_>) -> Result<Response, Error> {
        let url = self.egress.check_url(outbound.url)?;
        self.exchange(url, outbound).await
    }

    async fn exchange(self, url: Url, outbound: Outbound<'_>) -> Result<Response, Error> {
        let patience = self.egress.patience(outbound.timeout_ms);
        let clients = self.egress.clients.load_full();
        timeout(patience, clients.exchange(url, outbound)).await.unwrap_or(Err(Error::Timeout))
    }
}

#[cfg(test)]
mod tests;
