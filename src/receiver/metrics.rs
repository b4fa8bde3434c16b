//! What the doors count.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::hub::entry::Route;
use crate::telemetry;
use crate::tenant::TenantId;

type Labels = [(&'static str, String); 3];

/// The doors' counters.
#[derive(Clone, Default)]
pub struct Metrics {
    received: Family<Labels, Counter>,
    routed: Family<[(&'static str, String); 2], Counter>,
}

impl Metrics {
    /// Counters on the metrics page.
    pub fn new(page: &telemetry::Metrics) -> Self {
        let metrics = Self::default();
        page.register("sets_received", "SETs pushed to the hub, by answer", metrics.received.clone());
        page.register("sets_routed", "SETs journaled, by route", metrics.routed.clone());
        metrics
    }

    /// A request was answered.
    pub fn received(&self, tenant: &TenantId, upstream: &str, answer: &'static str) {
        let labels =
            [("tenant", tenant.to_string()), ("upstream", upstream.into()), ("answer", answer.into())];
        self.received.get_or_create(&labels).inc();
    }

    /// A SET was journaled.
    pub fn routed(&self, tenant: &TenantId, route: Route) {
        let route = route.as_str();
        self.routed.get_or_create(&[("tenant", tenant.to_string()), ("route", route.into())]).inc();
    }
}
