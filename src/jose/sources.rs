//! Other people's key sets, one for each name in a tenant: made on first need, kept, made anew when the source changed.
//!
//! Shared by the parts that verify what others signed: SETs of upstreams, access tokens of outside authorization servers,
//! assertions of clients. Nothing is fetched before it is needed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::remote::{Config, Error, JwksSource, RemoteKeys};
use crate::clock::SharedClock;
use crate::egress::Egress;
use crate::tenant::TenantId;

/// How many sources are kept. Beyond it all are forgotten and fetched again as they are needed: so many are there only
/// where most of their owners are gone.
pub const SOURCES_MAX: usize = 20_000;

type Kept = HashMap<(TenantId, String), (JwksSource, Arc<RemoteKeys>)>;

/// Key sets by tenant and name.
pub struct Sources {
    config: Config,
    egress: Arc<Egress>,
    clock: SharedClock,
    kept: RwLock<Kept>,
}

impl Sources {
    /// No key sets yet.
    pub fn new(config: Config, egress: Arc<Egress>, clock: SharedClock) -> Self {
        Self { config, egress, clock, kept: RwLock::default() }
    }

    /// The keys of `name`, which come from `source`.
    ///
    /// # Errors
    /// An inline key set that is none.
    pub fn of(&self, tenant: &TenantId, name: &str, source: &JwksSource) -> Result<Arc<RemoteKeys>, Error> {
        let key = (tenant.clone(), name.to_string());
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((known, keys)) = kept.get(&key)
                && known == source
            {
                return Ok(keys.clone());
            }
        }
        let (config, egress, clock) = (self.config.clone(), self.egress.clone(), self.clock.clone());
        let keys = Arc::new(RemoteKeys::new(source, config, egress, clock)?);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SOURCES_MAX {
            kept.clear();
        }
        kept.insert(key, (source.clone(), keys.clone()));
        Ok(keys)
    }
}
