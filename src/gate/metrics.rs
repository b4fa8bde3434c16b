//! What the gate counts, per tenant. Labels are bounded: configured tenants, a fixed list of outcomes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::ruling::Ruling;
use crate::tenant::TenantId;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Outcome {
    tenant: String,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Lookup {
    tenant: String,
    result: &'static str,
}

/// The gate's metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    decisions: Family<Outcome, Counter>,
    cache: Family<Lookup, Counter>,
}

/// The counters of one tenant, found once.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Calls let through.
    pub allowed: Counter,
    /// Calls with no token, or one that is refused by itself.
    pub refused: Counter,
    /// Calls with a revoked token.
    pub revoked: Counter,
    /// Calls with a token of somebody suspended.
    pub suspended: Counter,
    /// Calls of an unknown enforcement point, or at a tenant that does not exist.
    pub point_unknown: Counter,
    /// Tokens whose signature was already checked.
    pub cache_hit: Counter,
    /// Tokens whose signature had to be checked.
    pub cache_miss: Counter,
}

impl Metrics {
    /// Makes them visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("gate_decisions", "Calls judged by the gate", self.decisions.clone());
        registry.register("gate_token_cache", "Look-ups in the gate's token cache", self.cache.clone());
    }

    /// The counters of `tenant`. Only for tenants that exist: a label stays for ever.
    pub fn counters(&self, tenant: &TenantId) -> Counters {
        let outcome = |outcome| {
            let labels = Outcome { tenant: tenant.as_str().into(), outcome };
            self.decisions.get_or_create(&labels).clone()
        };
        let lookup = |result| {
            let labels = Lookup { tenant: tenant.as_str().into(), result };
            self.cache.get_or_create(&labels).clone()
        };
        Counters {
            allowed: outcome("allowed"),
            refused: outcome("refused"),
            revoked: outcome("revoked"),
            suspended: outcome("suspended"),
            point_unknown: outcome("point_unknown"),
            cache_hit: lookup("hit"),
            cache_miss: lookup("miss"),
        }
    }
}

impl Counters {
    /// Counts an answer.
    pub fn count(&self, ruling: &Ruling) {
        let counter = match ruling {
            Ruling::Allow => &self.allowed,
            Ruling::Refused(_) => &self.refused,
            Ruling::Revoked(_) => &self.revoked,
            Ruling::Suspended(_) => &self.suspended,
            Ruling::PointUnknown => &self.point_unknown,
        };
        counter.inc();
    }
}
