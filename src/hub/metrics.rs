//! What the spine counts for the metrics page.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::effect::Effect;
use super::entry::Fate;
use super::spine::{Health, Stats};
use crate::telemetry;
use crate::tenant::TenantId;

type PerTenant = Family<[(&'static str, String); 1], Counter>;

/// The spine's counters and gauges.
#[derive(Clone)]
pub struct Metrics {
    /// Tenants whose rows stand on the page.
    tenants: Arc<Mutex<BTreeSet<TenantId>>>,
    owed: PerTenant,
    delivered: PerTenant,
    dead_letters: PerTenant,
    unkept: PerTenant,
    overfull: PerTenant,
    records: PerTenant,
    withheld: PerTenant,
    undefined: PerTenant,
    waiting: Gauge,
    flushes: Gauge,
    entries: Gauge,
    bytes: Gauge,
    intake_open: Gauge,
    clock_leapt: Gauge,
    mirror_open: Gauge,
    base: Gauge,
}

impl Metrics {
    /// Metrics on the metrics page.
    pub fn new(page: &telemetry::Metrics) -> Self {
        let per_tenant = |name, help| page.register(name, help, PerTenant::default());
        Self {
            tenants: Arc::default(),
            owed: per_tenant("sets_owed", "SETs owed to streams since the start"),
            delivered: per_tenant("sets_settled", "SETs that receivers acknowledged, as journaled"),
            dead_letters: per_tenant("dead_letters", "SETs given up, as journaled"),
            unkept: per_tenant("dead_letters_dropped", "SETs given up that are not kept as dead letters"),
            overfull: per_tenant("streams_overfull", "SETs given up because a stream had too many"),
            records: per_tenant("revocation_records", "Revocation records written"),
            withheld: per_tenant("sets_withheld", "SETs not owed to streams because the account opted out"),
            undefined: per_tenant(
                "opt_out_undefined",
                "Opt events that an account's state had no transition for",
            ),
            waiting: page.gauge("sequencer_waiting", "Requests that wait for the sequencer"),
            flushes: page.gauge("journal_flushes", "Journal flushes since the start"),
            entries: page.gauge("journal_entries", "Journal entries written since the start"),
            bytes: page.gauge("journal_bytes", "Journal bytes written since the start"),
            intake_open: page.gauge("intake_open", "Whether new inputs are taken"),
            clock_leapt: page.gauge("clock_leapt", "Whether the wall clock leapt and nobody accepted it"),
            mirror_open: page.gauge("mirror_open", "Whether the mirror of the state is written"),
            base: page
                .gauge("base_written_timestamp_seconds", "When a base was written last, or the hub started"),
        }
    }

    /// Effects left the spine.
    pub fn effects(&self, tenant: &TenantId, effects: &[Effect]) {
        let (mut owed, mut delivered, mut dead, mut records) = (0, 0, 0, 0);
        let (mut unkept, mut overfull, mut withheld, mut undefined) = (0, 0, 0, 0);
        for effect in effects {
            match effect {
                Effect::Owed { streams, .. } => owed += streams.len() as u64,
                Effect::Settled { fate: Fate::Delivered, .. } => delivered += 1,
                Effect::Settled { fate: Fate::GaveUp, .. } => dead += 1,
                Effect::Recorded { .. } => records += 1,
                Effect::Unkept { .. } => unkept += 1,
                Effect::Overfull { .. } => overfull += 1,
                Effect::Withheld { streams, .. } => withheld += *streams as u64,
                Effect::Undefined { .. } => undefined += 1,
                _ => {}
            }
        }
        let counts = [
            (&self.owed, owed),
            (&self.delivered, delivered),
            (&self.dead_letters, dead),
            (&self.records, records),
            (&self.unkept, unkept),
            (&self.overfull, overfull),
            (&self.withheld, withheld),
            (&self.undefined, undefined),
        ];
        let is_new = self.is_new(tenant);
        for (family, n) in counts {
            if n > 0 || is_new {
                family.get_or_create(&[("tenant", tenant.to_string())]).inc_by(n);
            }
        }
    }

    /// Whether nothing of the tenant stands on the page. All of it does from now on: what appears with 1 is no increase to who
    /// watches.
    fn is_new(&self, tenant: &TenantId) -> bool {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        !tenants.contains(tenant) && tenants.insert(tenant.clone())
    }

    /// How many requests wait.
    pub fn waiting(&self, n: usize) {
        self.waiting.set(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// How the spine is now.
    pub fn health(&self, health: Health) {
        self.intake_open.set(i64::from(health.intake_open));
        self.clock_leapt.set(i64::from(health.clock_leapt));
        self.mirror_open.set(i64::from(health.mirror_open));
    }

    /// When a base was written last, or the hub started (ms since 1970).
    pub fn base(&self, at_ms: i64) {
        self.base.set(at_ms / 1000);
    }

    /// What the journal did since the start.
    pub fn journal(&self, stats: Stats) {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.flushes.set(count(stats.flushes));
        self.entries.set(count(stats.entries));
        self.bytes.set(count(stats.bytes));
    }
}
