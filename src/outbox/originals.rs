//! The originals of what relay streams are owed, by item.
//!
//! Filled by effects, behind the durable mark; read by push. The state holds the same text: here is only another handle
//! to it. Bounded by what the state bounds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hub::effect::{Item, Original};
use crate::tenant::TenantId;

/// All originals that are held.
#[derive(Default)]
pub struct Originals(Mutex<HashMap<(TenantId, Item), Arc<Original>>>);

impl Originals {
    /// One is held, or no longer.
    pub fn put(&self, tenant: &TenantId, item: Item, original: Option<Arc<Original>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match original {
            Some(original) => all.insert((tenant.clone(), item), original),
            None => all.remove(&(tenant.clone(), item)),
        };
    }

    /// The one of an item.
    pub fn of(&self, tenant: &TenantId, item: Item) -> Option<Arc<Original>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant.clone(), item)).cloned()
    }
}
