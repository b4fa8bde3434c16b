//! Bases on a cron schedule (UTC).

use std::str::FromStr as _;
use std::time::Duration;

use chrono::DateTime;
use cron::Schedule;
use tokio::sync::watch;

use crate::clock::SharedClock;
use crate::hub::sequencer::Hub;

/// Clocks jump: the next time is looked up again at least so often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Writes a base whenever the schedule says so, until `stop`.
pub async fn bases(hub: Hub, cron: String, clock: SharedClock, mut stop: watch::Receiver<bool>) {
    // The configuration was checked; one that is no schedule never gets here.
    let Ok(schedule) = Schedule::from_str(&cron) else { return };
    let now = || DateTime::from_timestamp_millis(clock.wall_ms()).unwrap_or_default();
    let mut after = now();
    loop {
        let Some(next) = schedule.after(&after).next() else { return };
        let left = (next - now()).to_std().unwrap_or(Duration::ZERO);
        tokio::select! {
            () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if now() < next {
            continue;
        }
        after = now();
        match hub.base().await {
            Ok(base) => tracing::info!(base, "a base is written"),
            Err(error) => tracing::error!(%error, "the base could not be written"),
        }
    }
}
