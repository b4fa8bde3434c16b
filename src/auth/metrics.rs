//! What authorization counts for the metrics page. Labels are tenants that exist and words from fixed tables.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry;
use crate::tenant::TenantId;

type Answers = Family<[(&'static str, String); 2], Counter>;

/// Counters of authorization.
#[derive(Clone)]
pub struct Metrics {
    access: Answers,
    requests: Answers,
    lookups: Gauge,
}

impl Metrics {
    /// Metrics on the metrics page.
    pub fn new(page: &telemetry::Metrics) -> Self {
        Self {
            access: page.register(
                "access",
                "Requests by what their access token allowed",
                Answers::default(),
            ),
            requests: page.register(
                "token_requests",
                "Requests to the built-in authorization server",
                Answers::default(),
            ),
            lookups: page.gauge("stream_lookups", "Streams looked up by id for a client since the start"),
        }
    }

    /// A request with an access token, or without one: `granted`, or why it was not.
    pub fn access(&self, tenant: &TenantId, answer: &str) {
        self.access.get_or_create(&[("tenant", tenant.to_string()), ("answer", answer.into())]).inc();
    }

    /// A request to the built-in authorization server: `granted`, or the `error`.
    pub fn request(&self, tenant: &TenantId, answer: &str) {
        self.requests.get_or_create(&[("tenant", tenant.to_string()), ("answer", answer.into())]).inc();
    }

    /// How many streams were looked up.
    pub fn lookups(&self, n: u64) {
        self.lookups.set(i64::try_from(n).unwrap_or(i64::MAX));
    }
}
