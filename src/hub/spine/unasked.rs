//! What the spine stages without a command: outcomes of deliveries, and ticks where a timer is due.

use std::collections::BTreeMap;

use super::{Fatal, Spine};
use crate::hub::command::Outcomes;
use crate::hub::entry::Body;
use crate::tenant::TenantId;

/// About how many bytes an outcome takes in an entry, beside its reason.
const OUTCOME_BYTES: usize = 64;

impl Spine {
    /// As many outcomes as one batch takes; the rest waits for the next, and while there is no room for any, all do.
    pub(super) fn stage_outcomes(&mut self, outcomes: Outcomes) -> Result<(), Fatal> {
        self.outcomes.extend(outcomes);
        if self.outcomes.is_empty() || !self.has_room() {
            return Ok(());
        }
        let mut bytes = 0;
        let fit = self.outcomes.iter().take_while(|(_, outcome)| {
            bytes += OUTCOME_BYTES + outcome.4.as_ref().map_or(0, |why| why.len());
            bytes <= self.staged_max / 4
        });
        // One always fits: a reason is short.
        let fit = fit.count().max(1);
        let mut by_tenant: BTreeMap<TenantId, Vec<_>> = BTreeMap::new();
        for (tenant, outcome) in self.outcomes.drain(..fit) {
            if self.states.contains_key(&tenant) {
                by_tenant.entry(tenant).or_default().push(outcome);
            }
        }
        for (tenant, outcomes) in by_tenant {
            self.stage(&tenant, Body::Outcomes(outcomes))?;
        }
        Ok(())
    }

    /// A `Tick` where a timer is due, and the decision on the runs whose deadline passed.
    pub(super) fn stage_ticks(&mut self) -> Result<(), Fatal> {
        let now_ms = self.now_ms();
        let due: Vec<TenantId> = self
            .states
            .iter()
            .filter(|(_, s)| s.next_timer_ms().is_some_and(|at| at <= now_ms))
            .map(|(t, _)| t.clone())
            .collect();
        for tenant in due {
            if self.staged_bytes >= self.staged_max / 2 {
                self.commit()?;
            }
            if self.has_room() {
                self.stage(&tenant, Body::Tick)?;
                self.decide_aloud(&tenant)?;
            }
        }
        Ok(())
    }
}
