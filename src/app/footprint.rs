//! What the limits come to at worst, in memory and on disk: the table of `check-config`.
//!
//! Every row names the key or constant that bounds it. Computed from the configuration and from the sizes of the hub's
//! own types; for the objects that the file names, and `default`. What the admin API makes comes on top.

use serde_json::{Value, json};

use crate::config::Config;
use crate::hub::footprint::{Per, kept};
use crate::hub::object::{Object, ObjectKind};
use crate::operations;
use crate::stream::Method;

mod memory;

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
    /// Of these, those that relay originals, and those that are polled.
    relays: usize,
    polled: usize,
    /// Clients and authorization servers with keys of their own.
    keyed: usize,
}

impl Counts {
    fn of(config: &Config) -> Self {
        let is = |what: &dyn Fn(&Object) -> bool| config.objects().iter().filter(|o| what(&o.object)).count();
        let count = |kind| is(&|object| object.kind() == kind);
        Self {
            tenants: 1 + count(ObjectKind::Tenant),
            upstreams: count(ObjectKind::Upstream),
            issuers: count(ObjectKind::TokenIssuer),
            streams: count(ObjectKind::Stream),
            relays: is(&|object| matches!(object, Object::Stream(stream) if stream.relay)),
            polled: is(&|object| matches!(object, Object::Stream(stream) if stream.method == Method::Poll)),
            keyed: is(&|object| match object {
                Object::Client(client) => client.receiver.as_ref().is_some_and(|r| r.jwks.is_some()),
                Object::AuthorizationServer(server) => server.jwks.is_some(),
                _ => false,
            }),
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
    let memory: Vec<Row> = state.into_iter().chain(memory::rows(config, &counts)).collect();
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
    let kept = all.map(|k| row(k.what, k.limit, &[k.rows, k.bytes, counts.per(k.per)]));
    kept.chain(memory::originals(config, counts)).collect()
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
        let environment = [("B".into(), "bearer-0123456789abcdef".into())];
        worst_case(
            &Config::load(Some(&path), environment.into_iter()).unwrap_or_else(|e| panic!("{text}: {e}")),
        )
    }

    fn bytes(table: &Value, what: &str) -> u64 {
        let rows = ["memory", "disk"].map(|part| table[part].as_array().unwrap()).into_iter().flatten();
        let found: Vec<_> = rows.filter(|row| row["what"].as_str().unwrap().starts_with(what)).collect();
        assert_eq!(found.len(), 1, "{what}");
        found[0]["bytes"].as_u64().unwrap()
    }

    const RELAY: &str = "[[client]]\nid = 'c'\nbearer_env = 'B'\n[[stream]]\nstream_id = 's'\nclient = 'c'\nmethod = 'push'\n\
                         endpoint_url = 'https://r.example/'\naud = ['r']\nevents_requested = ['*']\nrelay = true";
    const POLLED: &str = "[[client]]\nid = 'c'\nbearer_env = 'B'\n[[stream]]\nstream_id = 's'\nclient = 'c'\nmethod = 'poll'\n\
                          aud = ['r']\nevents_requested = ['*']";
    const KEYED: &str = "[[client]]\nid = 'c'\nreceiver = { jwks = { url = 'https://r.example/jwks' } }";

    #[test]
    fn every_limit_moves_its_row() {
        let before = of("");
        for (text, what) in [
            ("[limits]\nconnections_max = 8192", "connections' buffers"),
            ("[limits]\nin_flight_max = 8192", "requests waiting"),
            ("[egress]\nconnections_max = 2048", "outbound exchanges"),
            ("[authorization]\nintrospection_cache_max = 20000", "introspection answers"),
            ("[authorization]\nassertions_max = 200000", "assertions remembered"),
            (RELAY, "originals of relays, owed"),
            (RELAY, "originals of relays, dead letters"),
            (POLLED, "names offered by poll"),
            (KEYED, "key sets of clients and authorization servers"),
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
