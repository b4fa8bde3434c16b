//! The only outbound HTTP of the hub, with its guard against server-side request forgery.
//!
//! Ground floor. URLs come from tenants and peers, so every address is judged twice: a literal when the
//! URL is parsed, a name when it resolves, and only the judged addresses are connected to. Redirects and
//! proxies are never followed, bodies never decompressed, and errors never carry a body or a URL.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

pub mod address;
mod resolve;

use address::is_forbidden;
use resolve::{Guarded, allowed};

/// How outbound requests are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Networks that may be reached although they are not public, and where plain `http` is allowed.
    #[serde(with = "cidrs")]
    pub allow_cidrs: Vec<IpNet>,
    /// PEM files of certification authorities, beside the system's.
    pub extra_ca_files: Vec<PathBuf>,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout_ms: u64,
    /// Longest wait for a whole answer.
    pub timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { allow_cidrs: vec![], extra_ca_files: vec![], connect_timeout_ms: 3_000, timeout_ms: 10_000 }
    }
}

mod cidrs {
    use super::IpNet;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(nets: &[IpNet], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(nets.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        texts.iter().map(|t| t.parse().map_err(|_| D::Error::custom(format!("`{t}` is no CIDR")))).collect()
    }
}

/// Why a URL or an address is not contacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an absolute URL with a host.
    #[error("not a URL with a host")]
    Url,
    /// Neither `https`, nor `http` to an allowed network.
    #[error("the scheme must be https")]
    Scheme,
    /// A user name or password in the URL.
    #[error("a URL must not carry credentials")]
    Userinfo,
    /// The host is, or resolves only to, addresses that are not public and not allowed.
    #[error("the address is not allowed")]
    Address,
}

/// Why there is no answer. Never holds a URL or a body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The guard said no; repeating it will not help.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// Nothing came in time.
    #[error("timed out")]
    Timeout,
    /// No connection: name not found, refused, unreachable.
    #[error("cannot connect")]
    Connect,
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
    tls: Client,
    plain: Client,
    allow: Arc<[IpNet]>,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl Egress {
    /// Builds the clients, once: reading the system's certificates takes a tenth of a second.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let allow: Arc<[IpNet]> = config.allow_cidrs.clone().into();
        let mut tls =
            base(config).https_only(true).dns_resolver(Guarded { allow: allow.clone(), public: true });
        for file in &config.extra_ca_files {
            let bad = || ConfigError::CaFile(file.clone());
            let pem = std::fs::read(file).map_err(|_| bad())?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| bad())?;
            if certificates.is_empty() {
                return Err(bad());
            }
            tls = tls.tls_certs_merge(certificates);
        }
        // Plain http resolves only into the allowed networks. It needs no certificates.
        let plain = base(config)
            .tls_certs_only(std::iter::empty())
            .dns_resolver(Guarded { allow: allow.clone(), public: false });
        let build = |builder: ClientBuilder| builder.build().map_err(|_| ConfigError::Client);
        Ok(Self { tls: build(tls)?, plain: build(plain)?, allow })
    }

    /// Judges a URL each time it is used.
    pub fn check_url(&self, url: &str) -> Result<Url, Refused> {
        check_url(&self.allow, url)
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

    /// Sends any request. Dropping the future gives the exchange up.
    pub async fn send(&self, outbound: Outbound<'_>) -> Result<Response, Error> {
        let url = self.check_url(outbound.url)?;
        let client = if url.scheme() == "https" { &self.tls } else { &self.plain };
        let mut request = client.request(outbound.method, url).headers(outbound.headers);
        if !outbound.body.is_empty() {
            request = request.body(outbound.body);
        }
        if let Some(ms) = outbound.timeout_ms {
            request = request.timeout(Duration::from_millis(ms));
        }
        let mut answer = request.send().await.map_err(|e| judge(&e))?;
        let (status, headers) = (answer.status().as_u16(), std::mem::take(answer.headers_mut()));
        let (mut body, mut truncated) = (Vec::new(), false);
        while let Some(chunk) = answer.chunk().await.map_err(|e| judge(&e))? {
            let room = outbound.max_response_bytes.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                // Dropping the answer closes the connection: the rest is never read.
                truncated = true;
                break;
            }
        }
        Ok(Response { status, headers, body, truncated })
    }
}

/// Judges a URL: when it is configured (no client is needed for that), and each time it is used.
pub fn check_url(allow: &[IpNet], url: &str) -> Result<Url, Refused> {
    let url = Url::parse(url).map_err(|_| Refused::Url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Userinfo);
    }
    let plain = match url.scheme() {
        "https" => false,
        "http" if !allow.is_empty() => true,
        _ => return Err(Refused::Scheme),
    };
    let address = match url.host().ok_or(Refused::Url)? {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        // An http name may be anything here; the resolver lets only allowed addresses pass.
        Host::Domain(_) => None,
    };
    match address {
        Some(ip) if plain && !allowed(allow, ip) => Err(Refused::Scheme),
        Some(ip) if is_forbidden(ip) && !allowed(allow, ip) => Err(Refused::Address),
        _ => Ok(url),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of HTTP clients")]
fn base(config: &Config) -> ClientBuilder {
    let timeout = Duration::from_millis(config.timeout_ms);
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .timeout(timeout)
        .pool_max_idle_per_host(8)
        .pool_idle_timeout(Duration::from_secs(30))
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .user_agent(concat!("ssf-hub/", env!("CARGO_PKG_VERSION")))
}

/// What reqwest's error means; the causes are looked through because its own kinds are coarse.
fn judge(error: &reqwest::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut tls = false;
    while let Some(e) = cause {
        if let Some(refused) = e.downcast_ref::<Refused>() {
            return Error::Refused(*refused);
        }
        tls |= e.is::<openssl::ssl::Error>() || e.is::<openssl::error::ErrorStack>();
        cause = e.source();
    }
    match error {
        e if e.is_timeout() => Error::Timeout,
        _ if tls => Error::Tls,
        e if e.is_connect() => Error::Connect,
        _ => Error::Other,
    }
}

#[cfg(test)]
mod tests;
