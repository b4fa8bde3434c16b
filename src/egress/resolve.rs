//! Name resolution behind the guard.
//!
//! Asked for every name, by reqwest and by the tunnel, and what it yields is connected to and nothing else: no
//! gap for a name that resolves otherwise the second time. Look-ups run on threads that cannot be stopped, so
//! only so many run at once.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::guard::{Guard, Refused};

/// Look-ups at once: a name server that is silent must not take the threads that sign.
const LOOKUPS_MAX: usize = 64;
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// Resolves names and judges what comes back.
#[derive(Clone)]
pub(super) struct Resolver {
    guard: Guard,
    lookups: Arc<Semaphore>,
}

impl Resolver {
    /// A resolver behind this guard.
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard, lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }

    /// The addresses of a name that may be connected to; at least one. `strict`: none that may not be, either.
    pub(super) async fn resolve(
        &self,
        host: String,
        plain: bool,
        strict: bool,
    ) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let permit = self.lookups.clone().acquire_owned().await?;
        let looking = tokio::task::spawn_blocking(move || {
            // The permit lies in here: a caller that gives up does not let one more in.
            let _permit = permit;
            (host.as_str(), 0).to_socket_addrs().map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>())
        });
        let found = looking.await??;
        let all = found.len();
        let good: Vec<_> = found.into_iter().filter(|a| self.guard.passes(a.ip(), plain)).collect();
        if good.is_empty() || (strict && good.len() < all) {
            return Err(Refused::Address.into());
        }
        Ok(good)
    }
}

/// The resolver as reqwest asks it (never for a literal).
pub(super) struct Guarded {
    /// Who resolves.
    pub(super) resolver: Resolver,
    /// Whether it is for http.
    pub(super) plain: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, plain) = (self.resolver.clone(), self.plain);
        Box::pin(async move {
            let good = resolver.resolve(name.as_str().into(), plain, false).await?;
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}
