//! The projections' threads: Kafka out, where it is configured.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::store::Places;
use crate::config::Config;
use crate::hub::spine::Spine;
use crate::hub::state::State;
use crate::journal::Position;
use crate::keys::Keys;
use crate::operations::Operations;
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record;
use crate::tenant::TenantId;

/// What rings when there is something new.
pub type Ring = Arc<dyn Fn() + Send + Sync>;

/// A running projection: how it is told to stop, how it is woken, its thread.
pub type Running = (Arc<AtomicBool>, Ring, JoinHandle<()>);

/// A bell for the projections.
#[cfg(feature = "kafka")]
pub fn bell() -> (Arc<crate::kafka::wake::Wake>, Ring) {
    let wake = Arc::new(crate::kafka::wake::Wake::default());
    let bell = wake.clone();
    (wake, Arc::new(move || bell.ring()))
}

/// Without Kafka nobody listens.
#[cfg(not(feature = "kafka"))]
pub fn bell() -> ((), Ring) {
    ((), Arc::new(|| {}))
}

/// A record in force: whose, kind and key, what stands.
pub type Standing = (TenantId, Kind, KeyHash, record::Standing);

/// Every record in force.
pub fn standing(spine: &Spine) -> Vec<Standing> {
    let of = |(tenant, state): (&TenantId, &State)| {
        let rows: Vec<_> = state
            .standings()
            .flat_map(|(key, kind, list)| list.iter().map(move |s| (kind, key, s.clone())))
            .map(|(kind, key, s)| (tenant.clone(), kind, key, s))
            .collect();
        rows
    };
    spine.states().iter().flat_map(of).collect()
}

/// What a projection reads.
pub struct Parts<'a> {
    /// Settings.
    pub config: &'a Config,
    /// Where the journal lies.
    pub places: &'a Places,
    /// The journal's id (hex).
    pub journal: String,
    /// Up to where it is durable.
    pub durable: Arc<Mutex<Position>>,
    /// Signs records.
    pub keys: Arc<Keys>,
    /// Refused SETs.
    pub operations: Arc<Operations>,
    /// What stands now: cleared on Kafka when it expires.
    pub standing: Vec<Standing>,
    /// Shows how it goes.
    pub page: &'a crate::telemetry::Metrics,
}

/// Starts Kafka out, if it is configured.
#[cfg(feature = "kafka")]
pub fn start(
    parts: Parts<'_>,
    wake: Arc<crate::kafka::wake::Wake>,
    ring: Ring,
) -> anyhow::Result<Option<Running>> {
    use anyhow::Context as _;

    use crate::journal::{Folder, Reader};
    use crate::kafka::config::client_config;
    use crate::transmitter::projection::{CursorFile, Projection};

    let kafka = &parts.config.kafka;
    if !kafka.is_on() {
        return Ok(None);
    }
    let settings = kafka.settings();
    // Mistakes in the settings are the operator's: refuse to start.
    client_config(&settings)?;
    let reader = Reader::open(Arc::new(Folder::read_only(&parts.places.journal)))?;
    let mut source =
        Projection::new(reader, parts.durable, parts.keys, parts.config.public_url.clone(), parts.operations);
    for (tenant, kind, key, standing) in &parts.standing {
        source.stands(tenant, *kind, *key, standing);
    }
    let cursor = CursorFile::new(parts.places.root.join("kafka.cursor"), parts.journal);
    let health = Arc::new(crate::kafka::link::Health::default());
    parts.page.with(|page| page.register_collector(Box::new(super::health::Kafka(health.clone()))));
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let thread = std::thread::Builder::new()
        .name("kafka".into())
        .spawn(move || {
            if let Err(error) = crate::kafka::run::run(source, &settings, cursor, wake, &stopping, health) {
                tracing::error!(%error, "Kafka out ended; the hub goes on");
            }
        })
        .context("the Kafka thread cannot start")?;
    Ok(Some((stop, ring, thread)))
}

/// This build has no Kafka: a configuration that wants it is refused.
#[cfg(not(feature = "kafka"))]
pub fn start(parts: Parts<'_>, _: (), _: Ring) -> anyhow::Result<Option<Running>> {
    anyhow::ensure!(
        !parts.config.kafka.is_on(),
        "kafka.bootstrap_servers is set, but this build has no Kafka"
    );
    Ok(None)
}
