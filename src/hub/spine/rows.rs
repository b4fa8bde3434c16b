//! What the spine tells the mirror: behind the flush, the rows that changed.

use super::Spine;
use crate::hub::effect::Effect;
use crate::hub::mirror::row_key;
use crate::tenant::TenantId;

impl Spine {
    /// Gives the mirror what the tail changed at start: it stands where the fold began. Of every tenant, for the
    /// cursor goes to the end of the journal, and a row left out would be missing for good.
    pub fn mirror_tail(&mut self) {
        let Some(mirror) = &self.parts.mirror else { return };
        let mut changes = Vec::new();
        for (tenant, state) in &mut self.states {
            state.drain(&row_key(tenant, &[]), &mut changes);
        }
        if !changes.is_empty() {
            mirror.put(changes, self.journal.id(), self.journal.end());
        }
    }

    pub(super) fn feed_mirror(&mut self, effects: &[(TenantId, Vec<Effect>)]) {
        // A new tenant has a row before it has an entry: without it a start from the mirror would not know it.
        let new = effects.iter().flat_map(|(_, fx)| fx).filter_map(|effect| match effect {
            Effect::Tenant(tenant) => Some(tenant),
            _ => None,
        });
        let mut touched: Vec<&TenantId> = effects.iter().map(|(t, _)| t).chain(new).collect();
        touched.sort_unstable();
        touched.dedup();
        let mut changes = Vec::new();
        for tenant in touched {
            let Some(state) = self.states.get_mut(tenant) else { continue };
            match &self.parts.mirror {
                None => state.settle(),
                Some(_) => state.drain(&row_key(tenant, &[]), &mut changes),
            }
        }
        if let Some(mirror) = &self.parts.mirror
            && !changes.is_empty()
        {
            mirror.put(changes, self.journal.id(), self.journal.end());
        }
    }
}
