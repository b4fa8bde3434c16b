//! Upstreams' keys, parsed once and kept; a key set becomes evidence in the journal when a SET was
//! verified with it for the first time, not when it arrives: who cannot sign writes nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::SharedClock;
use crate::egress::Egress;
use crate::hub::entry::IssuerKeys;
use crate::hub::object::Upstream;
use crate::hub::sequencer::Hub;
use crate::jose::remote::{Config, Error, JwksSource, Published, RemoteKeys};
use crate::tenant::TenantId;

type Kept = HashMap<(TenantId, String), (JwksSource, Arc<RemoteKeys>)>;

/// The keys of every upstream.
pub struct Issuers {
    config: Config,
    egress: Arc<Egress>,
    clock: SharedClock,
    kept: RwLock<Kept>,
}

impl Issuers {
    /// Nothing is fetched before it is needed.
    pub fn new(config: Config, egress: Arc<Egress>, clock: SharedClock) -> Self {
        Self { config, egress, clock, kept: RwLock::default() }
    }

    /// The keys of an upstream; made anew when its source changed.
    pub fn of(&self, tenant: &TenantId, upstream: &Upstream) -> Result<Arc<RemoteKeys>, Error> {
        let key = (tenant.clone(), upstream.id.clone());
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((source, keys)) = kept.get(&key)
                && *source == upstream.jwks
            {
                return Ok(keys.clone());
            }
        }
        let keys = Arc::new(RemoteKeys::new(
            &upstream.jwks,
            self.config.clone(),
            self.egress.clone(),
            self.clock.clone(),
        )?);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, (upstream.jwks.clone(), keys.clone()));
        Ok(keys)
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
