//! Signing keys by the clock: rotated on a schedule (UTC), forgotten when their overlap is over.
//!
//! A key is due when the schedule fired since it was made: a time that fell into a stop is made up for at the next start,
//! once. Whose turn it is needs no memory of its own.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use cron::Schedule;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::watch;

use crate::api::keys::rotate_one;
use crate::clock::SharedClock;
use crate::hub::sequencer::Hub;
use crate::jose::Alg;
use crate::keys::ring::Listed;
use crate::keys::state::Stage;
use crate::keys::vault::Error;
use crate::keys::{Keys, TenantKeys};
use crate::operations::Operations;
use crate::telemetry::Metrics;
use crate::tenant::TenantId;

/// Clocks jump, and keys run out: looked at at least so often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Who does it, in logs and operational events.
const BY: &str = "schedule";

/// A rotation was made.
const OK: &str = "ok";
/// A look at a tenant's keys that came to nothing.
const FAILED: &str = "failed";

/// One tenant and how it went.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct Went {
    tenant: String,
    result: &'static str,
}

/// Keys rotated by the schedule, and looks that failed.
pub type Counts = Family<Went, Counter>;

/// The counters on the metrics page.
pub fn counts(page: &Metrics) -> Counts {
    page.counters(
        "key_rotations",
        "Signing keys rotated by the schedule, and looks at a tenant's keys that failed",
    )
}

/// What it works with.
pub struct Parts {
    /// The keys.
    pub keys: Arc<Keys>,
    /// Hears what was done.
    pub operations: Arc<Operations>,
    /// Knows the tenants.
    pub hub: Hub,
    /// What time it is.
    pub clock: SharedClock,
    /// How it went.
    pub counts: Counts,
}

/// Until `stop`; without a schedule keys are only forgotten.
pub async fn run(parts: Parts, cron: String, mut stop: watch::Receiver<bool>) {
    // The configuration was checked: what is no schedule is empty.
    let schedule = Schedule::from_str(&cron).ok();
    let parts = Arc::new(parts);
    loop {
        let now_ms = parts.clock.wall_ms();
        let next = schedule.as_ref().and_then(|schedule| fires_after(schedule, now_ms));
        let left_ms = next.map_or(u64::MAX, |at_ms| u64::try_from(at_ms - now_ms).unwrap_or(0));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(left_ms).min(LOOK_AGAIN)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let Ok(tenants) = parts.hub.look(|spine| spine.states().keys().cloned().collect::<Vec<_>>()).await
        else {
            return;
        };
        for tenant in tenants.into_iter().filter(|tenant| !tenant.is_hub()) {
            let (parts, schedule) = (parts.clone(), schedule.clone());
            let looking = move || parts.look(&tenant, schedule.as_ref());
            // A thread that panicked has logged why; the next look is another one.
            let _ = tokio::task::spawn_blocking(looking).await;
        }
    }
}

/// The first time of the schedule behind a time (ms since 1970).
fn fires_after(schedule: &Schedule, at_ms: i64) -> Option<i64> {
    Some(schedule.after(&DateTime::from_timestamp_millis(at_ms)?).next()?.timestamp_millis())
}

impl Parts {
    fn look(&self, tenant: &TenantId, schedule: Option<&Schedule>) {
        // Both stand on the page before the first failure: what appears with 1 is no increase to who watches.
        self.count(tenant, OK, 0);
        self.count(tenant, FAILED, 0);
        let done = self.keys.tenant(tenant).and_then(|keys| {
            for kid in keys.sweep()? {
                tracing::info!(%tenant, kid, "an old signing key is published no more");
            }
            schedule.map_or(Ok(()), |schedule| self.rotate(tenant, &keys, schedule))
        });
        if let Err(error) = done {
            tracing::error!(%tenant, %error, "signing keys could not be rotated");
            self.count(tenant, FAILED, 1);
            self.operations.note(tenant.as_str(), "key_rotation_failed", BY, &error.to_string(), 0);
        }
    }

    fn rotate(&self, tenant: &TenantId, keys: &TenantKeys, schedule: &Schedule) -> Result<(), Error> {
        let (listed, now_ms) = (keys.list()?, self.clock.wall_ms());
        for alg in Alg::ALL.into_iter().filter(|alg| is_due(&listed, *alg, schedule, now_ms)) {
            rotate_one(keys, &self.operations, tenant, alg, BY)?;
            self.count(tenant, OK, 1);
        }
        Ok(())
    }

    fn count(&self, tenant: &TenantId, result: &'static str, n: u64) {
        self.counts.get_or_create(&Went { tenant: tenant.to_string(), result }).inc_by(n);
    }
}

/// Whether the schedule fired since the newest key was made. One that is published already is waited for.
fn is_due(listed: &[Listed], alg: Alg, schedule: &Schedule, now_ms: i64) -> bool {
    let of = || listed.iter().filter(|key| key.alg == alg && key.stage.is_some());
    let newest = of().map(|key| key.made_ms).max();
    let is_waiting = of().any(|key| key.stage == Some(Stage::Next));
    !is_waiting && newest.and_then(|made| fires_after(schedule, made)).is_some_and(|at| at <= now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_once_for_each_time_that_passed() {
        let schedule = Schedule::from_str("0 0 3 1 * *").unwrap();
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let key = |made: &str, stage| Listed {
            kid: made.into(),
            alg: Alg::ES256,
            stage,
            made_ms: at(made),
            signs_from_ms: at(made),
            until_ms: None,
            by: None,
        };
        let (made, signing) = ("2026-11-15T00:00:00Z", Some(Stage::Signing));
        let old = key("2026-10-15T00:00:00Z", Some(Stage::Retiring));
        for (keys, now, due) in [
            (vec![key(made, signing)], "2026-11-30T23:59:59Z", false),
            (vec![key(made, signing)], "2026-12-01T02:59:59Z", false),
            (vec![key(made, signing)], "2026-12-01T03:00:00Z", true),
            (vec![key(made, signing)], "2027-05-01T00:00:00Z", true),
            (vec![old.clone(), key(made, signing)], "2026-11-30T00:00:00Z", false),
            (vec![key(made, signing), key("2026-12-01T03:00:01Z", signing)], "2026-12-31T00:00:00Z", false),
            (vec![old, key(made, Some(Stage::Next))], "2026-12-02T00:00:00Z", false),
            // Revoked ones and other algorithms do not count.
            (vec![key(made, None)], "2026-12-02T00:00:00Z", false),
            (vec![], "2026-12-02T00:00:00Z", false),
        ] {
            assert_eq!(is_due(&keys, Alg::ES256, &schedule, at(now)), due, "{keys:?} {now}");
            assert!(!is_due(&keys, Alg::RS256, &schedule, at(now)));
        }
    }
}
