//! Who changes the objects of a tenant, one after the other; and who wants them all as they are.
//!
//! What a change leaves as it was is looked up before it is journaled, and a secret in `keys/` changes together with the
//! entry that names it: nobody else may come in between. Tenants do not wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::tenant::TenantId;

/// The locks of all tenants.
#[derive(Default)]
pub struct Editing {
    all: RwLock<()>,
    tenants: Mutex<HashMap<TenantId, Arc<AsyncMutex<()>>>>,
}

/// Held while objects of one tenant change.
pub struct One<'a> {
    _all: RwLockReadGuard<'a, ()>,
    _own: OwnedMutexGuard<()>,
}

impl Editing {
    /// Waits until nobody else changes objects of this tenant. That it exists the caller knows: asking makes its lock.
    pub async fn of(&self, tenant: &TenantId) -> One<'_> {
        let own = {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.entry(tenant.clone()).or_default().clone()
        };
        // The own one first: who waits for it must not keep anybody from having all.
        let own = own.lock_owned().await;
        One { _all: self.all.read().await, _own: own }
    }

    /// Waits until nobody changes an object, of whatever tenant, and keeps it so.
    pub async fn all(&self) -> RwLockWriteGuard<'_, ()> {
        self.all.write().await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn tenants_wait_for_themselves_and_for_who_wants_all() {
        let editing = Editing::default();
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let first = editing.of(&a).await;
        let other = editing.of(&b).now_or_never().expect("another tenant does not wait");
        let mut second = pin!(editing.of(&a));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.as_mut().now_or_never().expect("its turn");
        let mut all = pin!(editing.all());
        assert!(all.as_mut().now_or_never().is_none());
        drop(second);
        assert!(all.as_mut().now_or_never().is_none());
        drop(other);
        let all = all.as_mut().now_or_never().expect("nobody else");
        let mut late = pin!(editing.of(&b));
        assert!(late.as_mut().now_or_never().is_none());
        drop(all);
        assert!(late.as_mut().now_or_never().is_some());
    }
}
