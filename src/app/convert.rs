//! Configuration to each part's own settings.

use super::store::Places;
use crate::clock::{SharedChance, SharedClock};
use crate::config::Config;
use crate::hub::decide;
use crate::keys::{Keys, Setup};
use crate::lineage::walk;
use crate::outbox::pace;
use crate::transmitter;

/// How far a decision may reach.
pub fn bounds(config: &Config) -> decide::Bounds {
    let limits = &config.limits;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let walk = walk::Bounds {
        nodes: count(limits.walk_nodes),
        depth: count(limits.walk_depth),
        ..walk::Bounds::default()
    };
    decide::Bounds { walk, derived_max: limits.derived_max, ..decide::Bounds::default() }
}

/// The transmitter's settings.
pub fn transmitter(config: &Config) -> transmitter::config::Config {
    let (outbox, limits) = (&config.outbox, &config.limits);
    transmitter::config::Config {
        retry: pace::Config {
            retry_delays_ms: outbox.retry_delays_ms.clone(),
            give_up_after_ms: outbox.give_up_after_ms,
            jitter_percent: outbox.jitter_percent,
            retry_after_max_ms: outbox.retry_after_max_ms,
            credential_from: outbox.credential_from,
            credential_tries: outbox.credential_tries,
            misdirected_tries: outbox.misdirected_tries,
        },
        in_flight_per_stream: outbox.in_flight_per_stream,
        push_timeout_ms: outbox.push_timeout_ms,
        in_flight_per_destination: outbox.in_flight_per_destination,
        shut_after: outbox.shut_after,
        slow_ms: outbox.slow_ms,
        retry_budget_percent: outbox.retry_budget_percent,
        retry_budget_per_s: outbox.retry_budget_per_s,
        poll_timeout_ms: limits.poll_timeout_ms,
        poll_batch_max: limits.poll_batch_max,
        poll_batch_bytes: limits.poll_batch_bytes,
        poll_waiters_per_client: limits.poll_waiters_per_client,
        poll_waiters_per_stream: limits.poll_waiters_per_stream,
        poll_refusals_max: limits.poll_refusals_max,
        brake_after: outbox.brake_after,
        brake_ms: outbox.brake_ms,
        brake_max_ms: outbox.brake_max_ms,
        sign_parallel: outbox.sign_parallel,
        signed_cache_max: outbox.signed_cache_max,
    }
}

/// Our keys, as they are configured. `writes`: what is not sealed as it should be is sealed now.
pub fn keys(
    config: &Config,
    places: &Places,
    (clock, chance): (SharedClock, SharedChance),
    writes: bool,
) -> Result<Keys, crate::keys::vault::Error> {
    let setup = Setup { clock, times: config.keys.times(), sealing: config.keys.sealing.clone(), writes };
    Keys::open_with(&places.keys, chance, setup)
}
