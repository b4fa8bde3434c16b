//! What the hub may hold in memory for a while: at the doors, on the way out, in caches; and the originals of its state.
//!
//! Rows of the table that [`super`] makes.

use std::mem::size_of;

use super::{Counts, Row, row};
use crate::api::judge::SET_REQUESTS_MAX;
use crate::api::serve::CONNECTION_BUFFER_MAX;
use crate::auth::claims::Claims;
use crate::auth::introspect::ANSWER_BYTES_MAX;
use crate::auth::rate::PRINCIPALS_MAX;
use crate::config::Config;
use crate::gate::cache::{Admitted, TokenDigest};
use crate::gate::keys::KEYS_MAX;
use crate::hub::effect::{Item, Original};
use crate::hub::mirror;
use crate::hub::spine::STAGED_MAX;
use crate::hub::state::{DEAD_LETTERS_MAX, HeldOriginal, OWED_MAX};
use crate::jose::remote::BODY_BYTES_MAX;
use crate::jose::sources::SOURCES_MAX;
use crate::outbox::names::Name;
use crate::revocation::key::KeyHash;
use crate::telemetry::lines;
use crate::tenant::TenantId;
use crate::transmitter::post::ANSWER_MAX;

/// A compact SET is its payload in base64url, and more.
const COMPACT: (usize, usize) = (4, 3);

/// All of it.
pub(super) fn rows(config: &Config, counts: &Counts) -> Vec<Row> {
    [doors(config, counts), caches(config, counts)].into_iter().flatten().collect()
}

fn doors(config: &Config, counts: &Counts) -> Vec<Row> {
    let (limits, outbox) = (&config.limits, &config.outbox);
    let bodies = [limits.set_bytes, limits.facts_bytes, limits.poll_bytes, limits.admin_bytes];
    let body = bodies.into_iter().max().unwrap_or(0);
    let compact = limits.set_bytes * COMPACT.0 / COMPACT.1;
    let exchange = BODY_BYTES_MAX.max(ANSWER_MAX) + compact;
    vec![
        row(
            "connections' buffers",
            "2 × limits.connections_max",
            &[2, limits.connections_max, CONNECTION_BUFFER_MAX],
        ),
        row(
            "bodies being read",
            "2 × limits.connections_max × limits.{set,facts,poll,admin}_bytes",
            &[2, limits.connections_max, body],
        ),
        row(
            "a set being judged",
            "api/judge.rs SET_REQUESTS_MAX × limits.admin_bytes",
            &[SET_REQUESTS_MAX, limits.admin_bytes],
        ),
        row(
            "answers to polls",
            "limits.connections_max × limits.poll_batch_bytes",
            &[limits.connections_max, limits.poll_batch_bytes],
        ),
        row(
            "requests waiting for the journal",
            "limits.in_flight_max × limits.set_bytes",
            &[limits.in_flight_max, 2 * body.max(limits.set_bytes)],
        ),
        row("the batch being written", "hub/spine.rs STAGED_MAX", &[2, STAGED_MAX]),
        row(
            "pushes under way",
            "outbox.in_flight_per_stream × limits.set_bytes",
            &[counts.streams, outbox.in_flight_per_stream, compact + ANSWER_MAX],
        ),
        row(
            "outbound exchanges under way",
            "egress.connections_max × jose/remote.rs BODY_BYTES_MAX",
            &[config.egress.connections_max, exchange],
        ),
        row(
            "names offered by poll",
            "hub/state.rs OWED_MAX",
            &[counts.polled, OWED_MAX, 2 * (size_of::<Name>() + size_of::<Item>())],
        ),
        row("log lines", "telemetry/lines.rs WAITING_MAX", &[2, lines::WAITING_MAX]),
    ]
}

/// Rows of the state that only relays have.
pub(super) fn originals(config: &Config, counts: &Counts) -> Vec<Row> {
    let original = size_of::<Item>() + size_of::<HeldOriginal>() + size_of::<Original>();
    // Twice: a handle in the state and one in the outbox; the text once.
    let original = 4 * original + config.limits.set_bytes * COMPACT.0 / COMPACT.1;
    vec![
        row(
            "originals of relays, owed",
            "hub/state.rs OWED_MAX × limits.set_bytes",
            &[counts.relays, OWED_MAX, original],
        ),
        row(
            "originals of relays, dead letters",
            "hub/state.rs DEAD_LETTERS_MAX × limits.set_bytes",
            &[counts.relays.min(counts.tenants), DEAD_LETTERS_MAX, original],
        ),
    ]
}

fn caches(config: &Config, counts: &Counts) -> Vec<Row> {
    let compact = config.limits.set_bytes * COMPACT.0 / COMPACT.1;
    let principal = 2 * size_of::<((TenantId, String), i64)>() + 2 * 64;
    let admitted = 2 * (size_of::<TokenDigest>() + size_of::<usize>()) + size_of::<Admitted>();
    let mut rows = vec![
        row(
            "tokens that were checked",
            "gate.cached_tokens",
            &[config.gate.cached_tokens, admitted + KEYS_MAX * size_of::<KeyHash>()],
        ),
        row(
            "signed SETs",
            "outbox.signed_cache_max × limits.set_bytes",
            &[config.outbox.signed_cache_max, compact + size_of::<crate::transmitter::signed::Key>()],
        ),
        // As text and as keys, of an upstream and of a token issuer each.
        row(
            "key sets of issuers",
            "jose/remote.rs BODY_BYTES_MAX",
            &[2, counts.upstreams + counts.issuers, BODY_BYTES_MAX],
        ),
        row(
            "key sets of clients and authorization servers",
            "jose/sources.rs SOURCES_MAX",
            &[2, counts.keyed.min(SOURCES_MAX), BODY_BYTES_MAX],
        ),
        row(
            "introspection answers",
            "authorization.introspection_cache_max",
            &[config.authorization.introspection_cache_max, ANSWER_BYTES_MAX + size_of::<Claims>()],
        ),
        row(
            "assertions remembered",
            "authorization.assertions_max",
            &[config.authorization.assertions_max, principal],
        ),
        // Facts and subjects, SETs, management calls.
        row("rates of clients and upstreams", "auth/rate.rs PRINCIPALS_MAX", &[3, PRINCIPALS_MAX, principal]),
        row("rows waiting for the mirror", "hub/mirror.rs ROWS_MAX", &[mirror::ROWS_MAX, mirror::ROW_BYTES]),
    ];
    if config.kafka.is_on() {
        rows.extend(kafka(compact));
    }
    rows
}

#[cfg(feature = "kafka")]
fn kafka(compact: usize) -> Vec<Row> {
    use crate::kafka::producer::WINDOW;
    use crate::transmitter::followed::{FOLLOWED_MAX, Followed};
    vec![
        row("messages under way to Kafka", "kafka/producer.rs WINDOW", &[WINDOW, compact]),
        row(
            "records followed for Kafka",
            "transmitter/followed.rs FOLLOWED_MAX",
            &[2, FOLLOWED_MAX, size_of::<Followed>()],
        ),
    ]
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: usize) -> Vec<Row> {
    vec![]
}
