//! The HTTP clients: made once, shared, made anew when the authorities they trust change.
//!
//! Two of reqwest's for direct connections (https; http to allowed networks), one over tunnels behind a proxy.
//! Connections are pooled inside. Building them reads the system's certificates, which takes a tenth of a second.

use std::error::Error as StdError;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{self, Client as Legacy};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::config::Config;
use super::guard::Refused;
use super::proxy::Proxy;
use super::resolve::{Guarded, Resolver};
use super::trust::Trust;
use super::tunnel::Tunnels;
use super::{ConfigError, Error, Outbound, Response};

/// How the hub names itself.
const USER_AGENT: &str = concat!("ssf-hub/", env!("CARGO_PKG_VERSION"));
/// Connections to one host that are kept for later, and how long: as many as one busy stream uses at a time
/// (`outbox.in_flight_per_stream`), or each burst would open the rest anew.
const IDLE_MAX: usize = 16;
const IDLE: Duration = Duration::from_secs(30);

/// The clients.
pub(super) struct Clients {
    tls: Client,
    plain: Client,
    proxied: Option<(Proxy, Legacy<Tunnels, Full<bytes::Bytes>>)>,
}

impl Clients {
    /// Builds them.
    pub(super) fn new(config: &Config, resolver: &Resolver, trust: &Trust) -> Result<Self, ConfigError> {
        let guarded = |plain| Guarded { resolver: resolver.clone(), plain };
        let mut tls = base(config).https_only(true).dns_resolver(guarded(false));
        for (file, pem) in trust.pems() {
            let bad = || ConfigError::CaFile(file.clone());
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| bad())?;
            if certificates.is_empty() {
                return Err(bad());
            }
            tls = tls.tls_certs_merge(certificates);
        }
        // Plain http resolves only into the allowed networks. It needs no certificates.
        let plain = base(config).tls_certs_only(std::iter::empty()).dns_resolver(guarded(true));
        let build = |builder: ClientBuilder| builder.build().map_err(|_| ConfigError::Client);
        let proxied = match Proxy::of(config).map_err(ConfigError::Proxy)? {
            Some(proxy) => Some((proxy.clone(), tunnelled(config, resolver.clone(), proxy, trust)?)),
            None => None,
        };
        Ok(Self { tls: build(tls)?, plain: build(plain)?, proxied })
    }

    /// One exchange. The caller bounds its time; dropping the future gives it up.
    pub(super) async fn exchange(&self, url: Url, outbound: Outbound<'_>) -> Result<Response, Error> {
        match &self.proxied {
            Some((proxy, client)) if !proxy.is_past(&url) => through(client, &url, outbound).await,
            _ => {
                let client = if url.scheme() == "https" { &self.tls } else { &self.plain };
                direct(client, url, outbound).await
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of HTTP clients")]
fn base(config: &Config) -> ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .pool_max_idle_per_host(IDLE_MAX)
        .pool_idle_timeout(IDLE)
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .user_agent(USER_AGENT)
}

fn tunnelled(
    config: &Config,
    resolver: Resolver,
    proxy: Proxy,
    trust: &Trust,
) -> Result<Legacy<Tunnels, Full<bytes::Bytes>>, ConfigError> {
    let mut tls = native_tls::TlsConnector::builder();
    tls.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
    for (file, pem) in trust.pems() {
        let stack =
            openssl::x509::X509::stack_from_pem(pem).map_err(|_| ConfigError::CaFile(file.clone()))?;
        for certificate in stack {
            let der = certificate.to_der().map_err(|_| ConfigError::CaFile(file.clone()))?;
            let certificate = native_tls::Certificate::from_der(&der);
            tls.add_root_certificate(certificate.map_err(|_| ConfigError::CaFile(file.clone()))?);
        }
    }
    let tls = tls.build().map_err(|_| ConfigError::Client)?.into();
    let patience = Duration::from_millis(config.connect_timeout_ms);
    let tunnels = Tunnels { proxy, resolver, tls, patience };
    let mut builder = Legacy::builder(TokioExecutor::new());
    builder.pool_max_idle_per_host(IDLE_MAX).pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
    Ok(builder.build(tunnels))
}

async fn direct(client: &Client, url: Url, outbound: Outbound<'_>) -> Result<Response, Error> {
    let mut request = client.request(outbound.method, url).headers(outbound.headers);
    if !outbound.body.is_empty() {
        request = request.body(outbound.body);
    }
    let mut answer = request.send().await.map_err(|e| judge(&e, e.is_timeout(), e.is_connect()))?;
    let (status, headers) = (answer.status().as_u16(), std::mem::take(answer.headers_mut()));
    let mut body = Body::new(outbound.max_response_bytes);
    while let Some(chunk) = answer.chunk().await.map_err(|e| judge(&e, e.is_timeout(), false))? {
        if body.is_full(&chunk) {
            break;
        }
    }
    Ok(Response { status, headers, body: body.bytes, truncated: body.truncated })
}

async fn through(
    client: &Legacy<Tunnels, Full<bytes::Bytes>>,
    url: &Url,
    outbound: Outbound<'_>,
) -> Result<Response, Error> {
    let mut request = http::Request::new(Full::from(outbound.body));
    *request.method_mut() = outbound.method;
    *request.uri_mut() = url.as_str().parse().map_err(|_| Refused::Url)?;
    *request.headers_mut() = outbound.headers;
    request.headers_mut().insert(http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT));
    let connect = |e: &legacy::Error| e.is_connect();
    let answer = client.request(request).await.map_err(|e| judge(&e, false, connect(&e)))?;
    let (parts, mut incoming) = answer.into_parts();
    let mut body = Body::new(outbound.max_response_bytes);
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|e| judge(&e, false, false))?;
        if frame.data_ref().is_some_and(|chunk| body.is_full(chunk)) {
            break;
        }
    }
    Ok(Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.bytes,
        truncated: body.truncated,
    })
}

/// An answer's body as far as it is read.
struct Body {
    bytes: Vec<u8>,
    max: usize,
    truncated: bool,
}

impl Body {
    fn new(max: usize) -> Self {
        Self { bytes: vec![], max, truncated: false }
    }

    /// Takes a chunk. `true`: there is no room for more, and dropping the answer closes the connection.
    fn is_full(&mut self, chunk: &[u8]) -> bool {
        let room = self.max.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        self.truncated = chunk.len() > room;
        self.truncated
    }
}

/// What a client's error means; the causes are looked through because its own kinds are coarse.
fn judge(error: &(dyn StdError + 'static), timeout: bool, connect: bool) -> Error {
    let mut cause = Some(error);
    let mut tls = false;
    while let Some(e) = cause {
        if let Some(ours) = e.downcast_ref::<Error>() {
            return *ours;
        }
        if let Some(refused) = e.downcast_ref::<Refused>() {
            return Error::Refused(*refused);
        }
        tls |= e.is::<openssl::ssl::Error>() || e.is::<openssl::error::ErrorStack>();
        cause = e.source();
    }
    match (timeout, tls, connect) {
        (true, ..) => Error::Timeout,
        (_, true, _) => Error::Tls,
        (.., true) => Error::Connect,
        _ => Error::Other,
    }
}
