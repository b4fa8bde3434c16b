//! Certificates of the listeners: loaded at start, looked at while the hub runs, at once on SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::config::sections::Listener;
use crate::operations::Operations;
use crate::telemetry;
use crate::tls::{Limits, Tls, metrics::Metrics};

/// TLS at each listener.
pub struct Loaded {
    /// The public one.
    pub public: Option<Arc<Tls>>,
    /// The admin one.
    pub admin: Option<Arc<Tls>>,
}

/// Loads what is configured.
pub fn load(
    config: &Config,
    clock: &SharedClock,
    operations: &Arc<Operations>,
    page: &telemetry::Metrics,
) -> anyhow::Result<Loaded> {
    let limits = Limits {
        timeout: Duration::from_millis(config.limits.handshake_timeout_ms),
        // Who shakes hands holds a place among the connections: half of them are for those who have.
        handshakes_max: config.limits.handshakes_max.min(config.limits.connections_max / 2),
    };
    let metrics = Metrics::new(page);
    let one = |name: &'static str, listener: &Listener| -> anyhow::Result<Option<Arc<Tls>>> {
        if !listener.tls.is_on() {
            return Ok(None);
        }
        let around = (clock.clone(), operations.clone());
        let loaded = Tls::load(name, listener.tls.clone(), limits, around, metrics.clone());
        Ok(Some(Arc::new(loaded.with_context(|| format!("{name}.tls"))?)))
    };
    let loaded = Loaded { public: one("public", &config.public)?, admin: one("admin", &config.admin)? };
    if let Some(tls) = loaded.public.as_ref().filter(|_| config.public.behind_proxy.is_empty()) {
        let url = url::Url::parse(&config.public_url).ok();
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
        let host = host.trim_matches(['[', ']']);
        if !tls.is_for(host) {
            tracing::warn!(
                host,
                "public_url names a host that the certificate is not for: clients will refuse it"
            );
        }
    }
    Ok(loaded)
}

/// Looks at a listener's files every so often, and when it is told to, until `stop`.
pub async fn watch(tls: Arc<Tls>, mut stop: watch::Receiver<bool>) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => Some(hangup),
        Err(error) => {
            tracing::warn!(%error, "SIGHUP is not heard; certificates are looked at by time alone");
            None
        }
    };
    loop {
        let told = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let asked = tokio::select! {
            () = tokio::time::sleep(tls.look_every()) => false,
            _ = told => true,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let looking = tls.clone();
        // Its outcome is logged, counted and noted there.
        let _ = tokio::task::spawn_blocking(move || looking.look(asked)).await;
    }
}
