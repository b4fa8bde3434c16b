//! What the limits come to at worst, in memory and on disk: the table of `check-config`.
//!
//! Every row names the key or constant that bounds it. Computed from the configuration and from the sizes of the hub's
//! own types; for the objects that the file names, and `default`. What the admin API makes comes on top.

use std::mem::size_of;

use serde_json::{Value, json};

use crate::api::judge::SET_REQUESTS_MAX;
use crate::api::serve::CONNECTION_BUFFER_MAX;
use crate::auth::rate::PRINCIPALS_MAX;
use crate::config::Config;
use crate::gate::cache::{Admitted, TokenDigest};
use crate::gate::keys::KEYS_MAX;
use crate::hub::footprint::{Per, kept};
use crate::hub::mirror;
use crate::hub::object::ObjectKind;
use crate::hub::spine::STAGED_MAX;
use crate::jose::remote::BODY_BYTES_MAX;
use crate::operations;
use crate::revocation::key::KeyHash;
use crate::tenant::TenantId;
use crate::transmitter::post::ANSWER_MAX;

/// A compact SET is its payload in base64url, and more.
const COMPACT: (usize, usize) = (4, 3);
/// A row on disk beside a row in memory: no half-empty nodes, but sled keeps what was written before for a while.
const MIRROR_FACTOR: u128 = 2;
/// About how many bytes signed heads have beside those of each tenant.
const HEADS_BYTES: u128 = 400;
/// About how many each tenant's head has.
const HEAD_BYTES: u128 = 160;

/// One row of the table.
struct Row {
    what: String,
    key: String,
    bytes: u128,
}

fn row(what: &str, key: &str, factors: &[usize]) -> Row {
    Row { what: what.into(), key: key.into(), bytes: factors.iter().map(|f| *f as u128).product() }
}

/// How many there are, as far as the file tells.
struct Counts {
    tenants: usize,
    upstreams: usize,
    issuers: usize,
    streams: usize,
}

impl Counts {
    fn of(config: &Config) -> Self {
        let count = |kind| config.objects().iter().filter(|o| o.object.kind() == kind).count();
        Self {
            tenants: 1 + count(ObjectKind::Tenant),
            upstreams: count(ObjectKind::Upstream),
            issuers: count(ObjectKind::TokenIssuer),
            streams: count(ObjectKind::Stream),
        }
    }

    fn per(&self, per: Per) -> usize {
        match per {
            Per::Hub => 1,
            Per::Tenant => self.tenants,
            Per::Upstream => self.upstreams,
            Per::Stream => self.streams,
        }
    }
}

/// The table: memory, disk, and what was counted.
pub fn worst_case(config: &Config) -> Value {
    let counts = Counts::of(config);
    let state = state(config, &counts);
    let held: u128 = state.iter().map(|row| row.bytes).sum();
    let memory: Vec<Row> =
        state.into_iter().chain(doors(config, &counts)).chain(caches(config, &counts)).collect();
    let disk = disk(config, &counts, held);
    json!({
        "counted": {
            "tenants": counts.tenants, "upstreams": counts.upstreams,
            "token_issuers": counts.issuers, "streams": counts.streams,
        },
        "memory": shown(memory),
        "disk": shown(disk),
    })
}

fn state(config: &Config, counts: &Counts) -> Vec<Row> {
    let all = kept(config.limits.set_bytes).into_iter();
    all.map(|k| row(k.what, k.limit, &[k.rows, k.bytes, counts.per(k.per)])).collect()
}

fn doors(config: &Config, counts: &Counts) -> Vec<Row> {
    let (limits, outbox) = (&config.limits, &config.outbox);
    let bodies = [limits.set_bytes, limits.facts_bytes, limits.poll_bytes, limits.admin_bytes];
    let body = bodies.into_iter().max().unwrap_or(0);
    let compact = limits.set_bytes * COMPACT.0 / COMPACT.1;
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
    ]
}

fn caches(config: &Config, counts: &Counts) -> Vec<Row> {
    let compact = config.limits.set_bytes * COMPACT.0 / COMPACT.1;
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
            "rates of clients and upstreams",
            "auth/rate.rs PRINCIPALS_MAX",
            &[2, PRINCIPALS_MAX, 2 * size_of::<((TenantId, String), i64)>() + 2 * 64],
        ),
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

fn disk(config: &Config, counts: &Counts, state: u128) -> Vec<Row> {
    let journal = &config.journal;
    let segment = usize::try_from(journal.segment_bytes).unwrap_or(usize::MAX);
    let day = 86_400 / u128::from(journal.heads_signed_every_s.max(1));
    let of_state =
        |what: &str, key: &str, times: u128| Row { what: what.into(), key: key.into(), bytes: state * times };
    vec![
        // A segment is a .pay and, of a quarter of its length, a .log.
        row("the open segment and the reserve", "2 × journal.segment_bytes", &[2, segment + segment / 4]),
        row(
            "sealed segments: all that was accepted; none is dropped yet, each",
            "journal.segment_bytes",
            &[segment + segment / 4],
        ),
        // The new one is written before the oldest goes.
        of_state("bases", "journal.bases_kept + 1", journal.bases_kept as u128 + 1),
        of_state("mirror", "the state", MIRROR_FACTOR),
        row(
            "operational events",
            "operations.rs BYTES_MAX",
            &[usize::try_from(operations::BYTES_MAX).unwrap_or(usize::MAX)],
        ),
        Row {
            what: "signed heads, a day".into(),
            key: "journal.heads_signed_every_s".into(),
            bytes: day * (HEADS_BYTES + HEAD_BYTES * (counts.tenants as u128 + 1)),
        },
    ]
}

/// Rows as they are printed, and their sum.
fn shown(rows: Vec<Row>) -> Value {
    let total = Row { what: "all".into(), key: String::new(), bytes: rows.iter().map(|row| row.bytes).sum() };
    let show = |row: Row| {
        let bytes = u64::try_from(row.bytes).unwrap_or(u64::MAX);
        json!({ "what": row.what, "limit": row.key, "at_most": people(bytes), "bytes": bytes })
    };
    rows.into_iter().chain([total]).map(show).collect()
}

/// Bytes in a unit that can be read.
fn people(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.toml");
        std::fs::write(&path, text).unwrap();
        worst_case(&Config::load(Some(&path), std::iter::empty()).unwrap())
    }

    fn bytes(table: &Value, what: &str) -> u64 {
        let rows = ["memory", "disk"].map(|part| table[part].as_array().unwrap()).into_iter().flatten();
        let found: Vec<_> = rows.filter(|row| row["what"].as_str().unwrap().starts_with(what)).collect();
        assert_eq!(found.len(), 1, "{what}");
        found[0]["bytes"].as_u64().unwrap()
    }

    #[test]
    fn every_limit_moves_its_row() {
        let before = of("");
        for (text, what) in [
            ("[limits]\nconnections_max = 8192", "connections' buffers"),
            ("[limits]\nin_flight_max = 8192", "requests waiting"),
            ("[limits]\nset_bytes = 131072", "dead letters"),
            ("[limits]\npoll_batch_bytes = 2097152", "answers to polls"),
            ("[gate]\ncached_tokens = 200000", "tokens that were checked"),
            ("[outbox]\nsigned_cache_max = 20000", "signed SETs"),
            ("[journal]\nsegment_bytes = 33554432", "the open segment"),
            ("[journal]\nbases_kept = 9", "bases"),
            ("[journal]\nheads_signed_every_s = 60", "signed heads"),
            ("[[tenant]]\nid = 'acme'", "events that went out"),
        ] {
            assert!(bytes(&of(text), what) > bytes(&before, what), "{text}");
        }
        let total = before["memory"].as_array().unwrap().last().unwrap();
        assert!(total["what"] == "all" && total["bytes"].as_u64().unwrap() > 1 << 30, "{total}");
        assert_eq!(bytes(&before, "owed to a stream, references"), 0, "there is no stream");
    }

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0.0 B"),
            (1023, "1023.0 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(people(bytes), text);
        }
    }
}
