//! TLS at a listener: the handshake, who showed a certificate, and files that change while the hub runs.
//!
//! Ground floor; in the flow before everything else: `api::serve` hands over an accepted connection and gets it back
//! encrypted, or not at all. TLS 1.2 and 1.3 only (RFC 9325). A pair of files that is no good never replaces one that
//! is. Never looks at a request, never logs a key.
//!
//! - [`pair`]: the PEM files, read and judged
//! - [`acceptor`]: OpenSSL's settings
//! - [`crowd`]: how many may shake hands at a time
//! - [`peer`]: who showed a certificate
//! - [`dial`]: the command line's way to its own hub

pub mod acceptor;
pub mod crowd;
pub mod dial;
pub mod metrics;
pub mod pair;
pub mod peer;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use openssl::ssl::Ssl;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

use crate::clock::SharedClock;
use crate::operations::Operations;
use crate::tenant::HUB;
use acceptor::Loaded;
use crowd::Crowd;
use metrics::{Handshake, Metrics};
use pair::{Error, Files};
use peer::Peer;

/// A certificate that ends within this is said to, once a day (s).
pub const EXPIRY_WARNING_S: i64 = 14 * 86_400;
const DAY_MS: i64 = 86_400_000;

/// Whether clients are asked for certificates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// Nobody is asked.
    Off,
    /// Who shows one must show a good one; who shows none is served too.
    Request,
    /// Who shows no good one is not served.
    Require,
}

/// Settings of TLS at one listener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The certificate and those between it and its authority (PEM); empty: no TLS here.
    pub certificate_file: PathBuf,
    /// Its private key (PEM, RSA or EC, not encrypted).
    pub key_file: PathBuf,
    /// Whether clients show certificates.
    pub client_certificates: ClientCertificates,
    /// The authorities of theirs (PEM).
    pub client_ca_file: PathBuf,
    /// How often the files are looked at (s).
    pub reload_s: u64,
}

impl Config {
    /// Whether the listener speaks TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }
}

/// Bounds of a listener's handshakes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long one may take.
    pub timeout: Duration,
    /// How many may be under way; above it the oldest is cut.
    pub handshakes_max: usize,
}

/// What a look at the files found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// Nothing new.
    Same,
    /// New files, in use from now on.
    Reloaded,
    /// New files that are no good; the old ones stay in use.
    Refused,
}

/// TLS at one listener.
pub struct Tls {
    listener: &'static str,
    config: Config,
    limits: Limits,
    clock: SharedClock,
    operations: Arc<Operations>,
    loaded: ArcSwap<Loaded>,
    watch: Mutex<Watch>,
    crowd: Arc<Crowd>,
    metrics: Metrics,
}

/// What is known of the files.
struct Watch {
    served: [u8; 32],
    /// Seen once and no good: perhaps half of a change.
    suspect: Option<[u8; 32]>,
    refused: Option<[u8; 32]>,
    warned_ms: Option<i64>,
}

impl Tls {
    /// Reads the files for the listener of this name. One that ended or has not begun is taken at start, and said.
    pub fn load(
        listener: &'static str,
        config: Config,
        limits: Limits,
        (clock, operations): (SharedClock, Arc<Operations>),
        metrics: Metrics,
    ) -> Result<Self, Error> {
        let files = Files::read(&config)?;
        let loaded = Loaded::new(&files, config.client_certificates)?;
        let watch = Watch { served: files.digest(), suspect: None, refused: None, warned_ms: None };
        let crowd = Crowd::new(limits.handshakes_max);
        let tls = Self {
            listener,
            config,
            limits,
            clock,
            operations,
            loaded: ArcSwap::from_pointee(loaded),
            watch: Mutex::new(watch),
            crowd,
            metrics,
        };
        tls.in_use(&mut tls.watch());
        Ok(tls)
    }

    fn watch(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the certificate in use is for this host name or address.
    pub fn is_for(&self, host: &str) -> bool {
        self.loaded.load().is_for(host)
    }

    /// How often [`Tls::look`] is to be called.
    pub fn look_every(&self) -> Duration {
        Duration::from_secs(self.config.reload_s.max(1))
    }

    /// Looks whether the files changed; blocks on the disk. New ones that are good are in use at once, for handshakes
    /// from now on. Others are refused when they are still the same at the next look, for a pair is written file by
    /// file; or now, if somebody asks (`asked`).
    pub fn look(&self, asked: bool) -> Looked {
        let mut watch = self.watch();
        let files = match Files::read(&self.config) {
            Ok(files) => files,
            Err(error) => return self.refuse(&mut watch, error.digest(), &error, asked),
        };
        let digest = files.digest();
        if digest == watch.served {
            (watch.suspect, watch.refused) = (None, None);
            self.warn(&mut watch);
            return Looked::Same;
        }
        let now_s = self.clock.wall_ms() / 1000;
        match Loaded::new(&files, self.config.client_certificates).and_then(|l| l.in_time(now_s)) {
            Ok(loaded) => {
                self.loaded.store(Arc::new(loaded));
                *watch = Watch { served: digest, suspect: None, refused: None, warned_ms: None };
                self.metrics.reloaded(self.listener, true);
                self.note("certificate_reloaded", "new certificate files are in use");
                self.in_use(&mut watch);
                Looked::Reloaded
            }
            Err(error) => self.refuse(&mut watch, digest, &error, asked),
        }
    }

    fn refuse(&self, watch: &mut Watch, digest: [u8; 32], error: &Error, asked: bool) -> Looked {
        if watch.refused == Some(digest) {
            return Looked::Same;
        }
        if !asked && watch.suspect.replace(digest) != Some(digest) {
            return Looked::Same;
        }
        watch.refused = Some(digest);
        self.metrics.reloaded(self.listener, false);
        self.note("certificate_refused", &format!("the old certificate stays in use: {error}"));
        Looked::Refused
    }

    fn in_use(&self, watch: &mut Watch) {
        let loaded = self.loaded.load();
        self.metrics.expires(self.listener, loaded.not_after_s);
        tracing::info!(
            listener = self.listener,
            not_after_s = loaded.not_after_s,
            names = loaded.names.join(" "),
            "certificate in use"
        );
        self.warn(watch);
    }

    /// Says, at most once a day, that the certificate ends soon, has ended, or has not begun.
    fn warn(&self, watch: &mut Watch) {
        let (loaded, now_ms) = (self.loaded.load(), self.clock.wall_ms());
        let left_s = loaded.not_after_s - now_ms / 1000;
        let early = now_ms / 1000 < loaded.not_before_s;
        let said = watch.warned_ms.is_some_and(|at_ms| (now_ms - at_ms).abs() < DAY_MS);
        if said || (left_s >= EXPIRY_WARNING_S && !early) {
            return;
        }
        watch.warned_ms = Some(now_ms);
        let what = match left_s {
            _ if early => "the certificate is not valid yet".into(),
            ..=0 => "the certificate has expired".to_string(),
            left => format!("the certificate expires in {} h", left / 3600),
        };
        self.note("certificate_expires", &what);
    }

    fn note(&self, kind: &str, what: &str) {
        self.operations.note(HUB, kind, self.listener, what, 0);
    }

    /// Shakes hands within the limits. `None`: the connection is over.
    pub async fn handshake<S>(&self, stream: S) -> Option<(SslStream<S>, Option<Arc<Peer>>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut place = self.crowd.enter();
        let ended = tokio::select! {
            ended = tokio::time::timeout(self.limits.timeout, self.accept(stream)) => match ended {
                Ok(Ok(shaken)) => Ok(shaken),
                // Who cannot agree with us is no event of ours, but it is counted.
                Ok(Err(_)) => Err(Handshake::Failed),
                Err(_) => Err(Handshake::Timeout),
            },
            () = place.pushed_out() => Err(Handshake::Crowded),
        };
        self.metrics.shaken(self.listener, ended.as_ref().err().copied().unwrap_or(Handshake::Ok));
        ended.ok()
    }

    async fn accept<S>(&self, stream: S) -> Result<(SslStream<S>, Option<Arc<Peer>>), openssl::ssl::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let loaded = self.loaded.load_full();
        let mut stream = SslStream::new(Ssl::new(loaded.acceptor.context())?, stream)?;
        Pin::new(&mut stream).accept().await?;
        let peer = Peer::of(stream.ssl(), &loaded).map(Arc::new);
        Ok((stream, peer))
    }
}

#[cfg(test)]
mod tests;
