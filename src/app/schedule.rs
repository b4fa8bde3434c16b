//! What is done by the clock: bases on a cron schedule (UTC), signed chain heads.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cron::Schedule;
use tokio::sync::watch;

use super::bases::Bases;
use super::seal::{AuditSeal, heads_of};
use crate::clock::SharedClock;
use crate::hub::base::Place;
use crate::hub::sequencer::Hub;

/// Clocks jump: the next time is looked up again at least so often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The times of a cron schedule.
pub struct Times {
    schedule: Schedule,
    clock: SharedClock,
    after: DateTime<Utc>,
}

impl Times {
    /// None where `cron` is no schedule; the configuration was checked, so that this does not happen.
    pub fn of(cron: &str, clock: SharedClock) -> Option<Self> {
        let after = now(&clock);
        Some(Self { schedule: Schedule::from_str(cron).ok()?, clock, after })
    }

    /// Waits for the next time; false once `stop` says so or the schedule is over.
    pub async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> bool {
        let Some(next) = self.schedule.after(&self.after).next() else { return false };
        while now(&self.clock) < next {
            let left = (next - now(&self.clock)).to_std().unwrap_or(Duration::ZERO);
            tokio::select! {
                () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
                _ = stop.wait_for(|stop| *stop) => return false,
            }
        }
        self.after = now(&self.clock);
        !*stop.borrow()
    }
}

fn now(clock: &SharedClock) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(clock.wall_ms()).unwrap_or_default()
}

/// Writes a base whenever the schedule says so, until `stop`.
pub async fn bases(bases: Arc<Bases>, cron: String, clock: SharedClock, mut stop: watch::Receiver<bool>) {
    let Some(mut times) = Times::of(&cron, clock) else { return };
    while times.next(&mut stop).await {
        match bases.write().await {
            Ok(base) => tracing::info!(base, "a base is written"),
            Err(error) => tracing::error!(%error, "the base could not be written"),
        }
    }
}

/// Signs the chain heads every so many seconds, where they moved.
pub async fn heads(
    hub: Hub,
    seal: Arc<AuditSeal>,
    root: PathBuf,
    clock: SharedClock,
    every_s: u64,
    mut stop: watch::Receiver<bool>,
) {
    let mut last: Vec<u64> = vec![];
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(every_s.max(1))) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let at_ms = clock.wall_ms();
        let Ok(heads) = hub.look(move |spine| heads_of(&Place::end_of(spine.journal()), at_ms)).await else {
            return;
        };
        let seqs: Vec<u64> = heads.heads.iter().map(|h| h.seq.0).collect();
        if std::mem::replace(&mut last, seqs.clone()) == seqs {
            continue;
        }
        if let Err(error) = seal.sign_heads(&root, &heads) {
            tracing::error!(%error, "the chain heads could not be signed");
        }
    }
}
