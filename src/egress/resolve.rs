//! Name resolution behind the guard.
//!
//! Asked for every name, by reqwest and by the tunnel, and what it yields is connected to and nothing else: no
//! gap for a name that resolves otherwise the second time. Look-ups run on threads that cannot be stopped, and one that
//! hangs keeps its thread: so there is one at a time for a name, a few for a zone, and so many in all. Who does
//! not get at one in time is told [`Error::Busy`], which says nothing of where he wanted to go. Keeps no answer.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Notify, watch};

use super::Error;
use super::guard::{Guard, Refused};

/// Look-ups at once: a name server that is silent must not take the threads that sign.
const LOOKUPS_MAX: usize = 64;
/// Of these, below the last two labels of a name: one silent server must not take them all.
const ZONE_LOOKUPS_MAX: usize = 8;
/// Addresses of one name that are connected to.
const ADDRESSES_MAX: usize = 16;
/// So much of the time for a connection is waited for a look-up to begin; the rest is for the look-up and what follows.
const PATIENCE_SHARE: u32 = 4;

/// What looks a name up; blocks.
pub(super) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The system's own look-up.
pub(super) fn system() -> Lookup {
    Arc::new(|host| Ok((host, 0).to_socket_addrs()?.collect()))
}

/// What a look-up found; `None` while it runs.
type Found = Option<Result<Arc<[SocketAddr]>, Error>>;

/// Look-ups under way.
#[derive(Default)]
struct UnderWay {
    by_name: HashMap<String, watch::Receiver<Found>>,
    of_zone: HashMap<String, usize>,
}

struct Desk {
    under_way: Mutex<UnderWay>,
    ended: Notify,
    look: Lookup,
}

/// Resolves names and judges what comes back.
#[derive(Clone)]
pub(super) struct Resolver {
    guard: Guard,
    desk: Arc<Desk>,
    patience: Duration,
}

impl Resolver {
    /// A resolver behind this guard. `connect`: how long a connection may take.
    pub(super) fn new(guard: Guard, connect: Duration, look: Lookup) -> Self {
        let desk = Desk { under_way: Mutex::default(), ended: Notify::new(), look };
        Self { guard, desk: Arc::new(desk), patience: connect / PATIENCE_SHARE }
    }

    /// The addresses of a name that may be connected to; at least one. `strict`: none that may not be, either.
    pub(super) async fn resolve(
        &self,
        host: &str,
        plain: bool,
        strict: bool,
    ) -> Result<Vec<SocketAddr>, Error> {
        let host = host.to_ascii_lowercase();
        let begun = tokio::time::timeout(self.patience, self.begin(&host)).await;
        let mut flight = begun.map_err(|_| Error::Busy)?;
        let found = match flight.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or(Err(Error::Connect))?,
            Err(_) => return Err(Error::Connect),
        };
        // All are judged, and only then some are left out: the one that must not be may be the last.
        let mut good: Vec<_> = found.iter().copied().filter(|a| self.guard.passes(a.ip(), plain)).collect();
        if good.is_empty() || (strict && good.len() < found.len()) {
            return Err(Refused::Address.into());
        }
        good.truncate(ADDRESSES_MAX);
        Ok(good)
    }

    /// The look-up of this name that runs, or a new one as soon as there is room for it.
    async fn begin(&self, host: &str) -> watch::Receiver<Found> {
        loop {
            let ended = self.desk.ended.notified();
            tokio::pin!(ended);
            // From here on no end is missed.
            ended.as_mut().enable();
            if let Some(flight) = Desk::begin(&self.desk, host) {
                return flight;
            }
            ended.await;
        }
    }
}

impl Desk {
    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: there is no room for a new one.
    fn begin(this: &Arc<Self>, host: &str) -> Option<watch::Receiver<Found>> {
        let mut under_way = this.under_way();
        if let Some(flight) = under_way.by_name.get(host) {
            return Some(flight.clone());
        }
        let of_zone = under_way.of_zone.get(zone(host)).copied().unwrap_or(0);
        if under_way.by_name.len() >= LOOKUPS_MAX || of_zone >= ZONE_LOOKUPS_MAX {
            return None;
        }
        let (tell, told) = watch::channel(None);
        under_way.by_name.insert(host.into(), told.clone());
        under_way.of_zone.insert(zone(host).into(), of_zone + 1);
        drop(under_way);
        let flight = Flight { desk: this.clone(), host: host.into() };
        // Its place is left by the thread itself: callers that give up do not let one more in.
        tokio::task::spawn_blocking(move || {
            let found = (flight.desk.look)(&flight.host).map(Arc::from).map_err(|_| Error::Connect);
            drop(flight);
            tell.send_replace(Some(found));
        });
        Some(told)
    }
}

/// A look-up under way; over when it is dropped.
struct Flight {
    desk: Arc<Desk>,
    host: String,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut under_way = self.desk.under_way();
        under_way.by_name.remove(&self.host);
        let zone = zone(&self.host);
        match under_way.of_zone.get(zone).copied() {
            Some(left) if left > 1 => drop(under_way.of_zone.insert(zone.into(), left - 1)),
            _ => drop(under_way.of_zone.remove(zone)),
        }
        drop(under_way);
        self.desk.ended.notify_waiters();
    }
}

/// The last two labels of a name: mostly answered for by the same servers.
fn zone(host: &str) -> &str {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.rmatch_indices('.').nth(1).map_or(name, |(at, _)| name.get(at + 1..).unwrap_or(name))
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
            let good = resolver.resolve(name.as_str(), plain, false).await?;
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
