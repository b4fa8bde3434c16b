//! The projections' threads: Kafka out, where it is configured.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::seal::AuditSeal;
use super::store::Places;
use crate::config::Config;
#[cfg(feature = "kafka")]
use crate::hub::{
    base,
    state::{FOLD_VERSION, State},
};
#[cfg(feature = "kafka")]
use crate::journal::Folder;
use crate::journal::{JournalId, Position};
use crate::keys::Keys;
use crate::operations::Operations;
#[cfg(feature = "kafka")]
use crate::revocation::{
    key::{KeyHash, Kind},
    record::Standing,
};
#[cfg(feature = "kafka")]
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

/// How a projection fares, for the status; `null` where there is none.
pub type Told = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// What a projection reads.
pub struct Parts<'a> {
    /// Settings.
    pub config: &'a Config,
    /// Where the journal lies.
    pub places: &'a Places,
    /// The journal's id.
    pub journal: JournalId,
    /// Up to where it is durable.
    pub durable: Arc<Mutex<Position>>,
    /// Signs records.
    pub keys: Arc<Keys>,
    /// Refused SETs.
    pub operations: Arc<Operations>,
    /// Opens bases: where the records are taken up.
    pub seal: Arc<AuditSeal>,
    /// How it goes.
    pub health: Health,
}

/// Kafka's health.
#[cfg(feature = "kafka")]
pub type Health = Arc<crate::kafka::link::Health>;
/// Without Kafka there is none.
#[cfg(not(feature = "kafka"))]
pub type Health = ();

/// Shows how Kafka out fares, on the metrics page and in the status, where it is configured.
#[cfg(feature = "kafka")]
pub fn show(config: &Config, page: &crate::telemetry::Metrics) -> (Health, Told) {
    let health = Health::default();
    if !config.kafka.is_on() {
        return (health, Arc::new(|| serde_json::Value::Null));
    }
    page.with(|page| page.register_collector(Box::new(super::health::Kafka(health.clone()))));
    let shown = health.clone();
    (health, Arc::new(move || super::health::status(&shown)))
}

/// Without Kafka there is nothing to show.
#[cfg(not(feature = "kafka"))]
pub fn show(_: &Config, _: &crate::telemetry::Metrics) -> (Health, Told) {
    ((), Arc::new(|| serde_json::Value::Null))
}

/// Starts Kafka out, if it is configured.
#[cfg(feature = "kafka")]
pub fn start(
    parts: Parts<'_>,
    wake: Arc<crate::kafka::wake::Wake>,
    ring: Ring,
) -> anyhow::Result<Option<Running>> {
    use anyhow::Context as _;

    use crate::journal::Reader;
    use crate::kafka::config::client_config;
    use crate::transmitter::cursor::CursorFile;
    use crate::transmitter::projection::{self, Projection};
    use crate::transmitter::speaker::Speaker;

    let kafka = &parts.config.kafka;
    if !kafka.is_on() {
        return Ok(None);
    }
    let settings = kafka.settings();
    // Mistakes in the settings are the operator's: refuse to start.
    client_config(&settings)?;
    let read = || Reader::open(Arc::new(Folder::read_only(&parts.places.journal)));
    let source = Projection::new(projection::Parts {
        reader: read()?,
        ahead: read()?,
        durable: parts.durable,
        speaker: Speaker::new(parts.keys, parts.config.public_url.clone(), parts.operations),
        before: stood_before(parts.places, parts.journal, parts.seal),
    });
    let cursor = CursorFile::new(parts.places.root.join("kafka.cursor"), base::hex(&parts.journal.0));
    let health = parts.health;
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

/// The records of the newest base that is not behind a position.
#[cfg(feature = "kafka")]
fn stood_before(
    places: &Places,
    journal: JournalId,
    seal: Arc<AuditSeal>,
) -> crate::transmitter::projection::Before {
    let bases = places.bases.clone();
    Box::new(move |at| {
        let disk = Folder::read_only(&bases);
        let names = base::names(&disk).ok()?;
        for name in names.iter().rev().filter(|name| **name <= base::name_of(at)) {
            // One that cannot be used only makes the way longer; the start said so already.
            let Ok((header, states)) = base::read(&disk, &*seal, name) else { continue };
            if header.journal == base::hex(&journal.0) && header.fold_version == FOLD_VERSION {
                let stood = states.iter().flat_map(|(tenant, state)| standing(tenant, state));
                return Some((header.position, stood.collect()));
            }
        }
        None
    })
}

#[cfg(feature = "kafka")]
fn standing(tenant: &TenantId, state: &State) -> Vec<(TenantId, Kind, KeyHash, Standing)> {
    let keys = state.standings();
    keys.flat_map(|(key, kind, list)| list.iter().map(move |s| (tenant.clone(), kind, key, s.clone())))
        .collect()
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
