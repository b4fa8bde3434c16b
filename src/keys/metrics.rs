//! How old the signing keys are: looked at when it is asked for.
//!
//! Registered by `app`. Labels are the tenant and the algorithm, never a `kid`.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Keys;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfKey {
    tenant: String,
    alg: &'static str,
}

/// Looks at the keys that are in use.
#[derive(Debug)]
pub struct Ages(pub Arc<Keys>);

impl Collector for Ages {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let help = "How long the signing key has signed (s)";
        let mut family =
            encoder.encode_descriptor("signing_key_age_seconds", help, None, MetricType::Gauge)?;
        for (tenant, keys) in self.0.known() {
            for (alg, age_ms) in keys.ages_ms() {
                let labels = OfKey { tenant: tenant.to_string(), alg: alg.name() };
                ConstGauge::new(age_ms.max(0) / 1000).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
