//! Upstreams' keys, parsed once and kept; a key set becomes evidence in the journal when a SET was
//! verified with it for the first time, not when it arrives: who cannot sign writes nothing.

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::egress::Egress;
use crate::hub::entry::IssuerKeys;
use crate::hub::object::Upstream;
use crate::hub::sequencer::Hub;
use crate::jose::remote::{Config, Error, Published, RemoteKeys};
use crate::jose::sources::Sources;
use crate::tenant::TenantId;

/// The keys of every upstream.
pub struct Issuers(Sources);

impl Issuers {
    /// Nothing is fetched before it is needed.
    pub fn new(config: Config, egress: Arc<Egress>, clock: SharedClock) -> Self {
        Self(Sources::new(config, egress, clock))
    }

    /// The keys of an upstream; made anew when its source changed.
    pub fn of(&self, tenant: &TenantId, upstream: &Upstream) -> Result<Arc<RemoteKeys>, Error> {
        self.0.of(tenant, &upstream.id, &upstream.jwks)
    }

    /// Journals a key set that a SET was verified with, once: it can be verified again later.
    pub async fn keep_evidence(&self, hub: &Hub, tenant: &TenantId, upstream: &str, published: &Published) {
        let Some(jwks) = published.not_kept() else { return };
        let evidence = IssuerKeys { upstream: upstream.into(), jwks: jwks.into() };
        match hub.keys(tenant, evidence).await {
            Ok(_) => published.mark_kept(),
            Err(error) => {
                tracing::warn!(%tenant, upstream, %error, "an issuer's keys could not be kept as evidence");
            }
        }
    }
}
