//! The two listeners: bound, given their limits and their TLS, served.
//!
//! Opened last of all: nobody is let in before everything behind the doors stands.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::certificates;
use super::tasks::Tasks;
use crate::api::serve::{Limits, Metrics, Served, serve};
use crate::api::{self, Api};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::operations::Operations;
use crate::telemetry;

/// What they are opened with.
pub struct Parts<'a> {
    /// Addresses, limits, certificates.
    pub config: &'a Config,
    /// Where they count.
    pub page: &'a telemetry::Metrics,
    /// Time.
    pub clock: &'a SharedClock,
    /// Hears of certificates.
    pub operations: &'a Arc<Operations>,
}

/// Opens the public and the admin listener. Where they are bound, in this order.
pub async fn open(
    parts: Parts<'_>,
    api: Arc<Api>,
    (tasks, stopping): (&Tasks, &watch::Receiver<bool>),
) -> anyhow::Result<[SocketAddr; 2]> {
    let Parts { config, page, clock, operations } = parts;
    let public = bind("public", config.public.listen).await?;
    let admin = bind("admin", config.admin.listen).await?;
    let at = [public.local_addr()?, admin.local_addr()?];
    let tls = certificates::load(config, clock, operations, page)?;
    let limits = Limits {
        connections_max: config.limits.connections_max,
        header_read_timeout_ms: config.limits.header_read_timeout_ms,
        write_timeout_ms: config.limits.write_timeout_ms,
    };
    let metrics = Metrics::new(page);
    for (name, task, listener, router, tls) in [
        ("public", "public listener", public, api::public::routes(api.clone()), tls.public.clone()),
        ("admin", "admin listener", admin, api::admin::routes(api), tls.admin.clone()),
    ] {
        let served = Served { name, router, limits, tls, metrics: metrics.clone() };
        tasks.spawn(task, serve(listener, served, tasks.spawner(), stopping.clone()));
    }
    for tls in [tls.public, tls.admin].into_iter().flatten() {
        tasks.spawn("certificates", certificates::watch(tls, stopping.clone()));
    }
    Ok(at)
}

async fn bind(name: &str, at: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at).await.with_context(|| format!("the {name} listener cannot bind {at}"))
}
