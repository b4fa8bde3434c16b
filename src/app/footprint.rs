//! What the limits come to at worst, in memory and on disk: the table of `check-config`.
//!
//! Every row names the key or constant that bounds it. Computed from the configuration and from the sizes of the hub's
//! own types; for the objects that the file names, what its receivers may make, and `default`. What the admin API makes
//! comes on top.

use serde_json::{Value, json};

use crate::config::Config;
use crate::hub::footprint::{Per, kept};
use crate::operations;
use counts::Counts;

mod counts;
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
            "token_issuers": counts.issuers, "streams": counts.streams, "subjects": counts.per(Per::Subject),
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
    const RECEIVER: &str = "[[client]]\nid = 'c'\nreceiver = { methods = ['push'] }";
    const POLLING: &str = "[[client]]\nid = 'c'\nreceiver = { methods = ['poll'] }";
    const GRACE: &str = "[[client]]\nid = 'c'\nreceiver = { removal_grace_s = 60 }";
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
            (POLLING, "names offered by poll"),
            (RECEIVER, "owed to a stream, references"),
            (RECEIVER, "owed to a stream, SETs"),
            (RECEIVER, "pushes under way"),
            (RECEIVER, "subjects of streams"),
            (RECEIVER, "look-up rows"),
            (GRACE, "subjects that leave"),
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

    /// A receiver with these rights, by which tenant, and what the file makes for it.
    fn receivers(many: usize, rights: &str, made: &str) -> Value {
        let client = |n| format!("[[client]]\nid = 'c{n}'\nreceiver = {{ {rights} }}\n");
        of(&((0..many).map(client).collect::<String>() + made))
    }

    #[test]
    fn what_receivers_may_make_counts() {
        let (owed, subjects) = ("owed to a stream, references", "subjects of streams");
        let one = receivers(1, "streams_max = 1, subjects_max = 5000", "");
        for (many, rights, streams, each) in [
            (1, "streams_max = 1, subjects_max = 5000", 1, 5_000),
            (100, "streams_max = 10, subjects_max = 5000", 1_000, 5_000),
            (2, "", 20, 1_000_000),
            (1, "subjects_max = 0", 10, 0),
        ] {
            let table = receivers(many, rights, "");
            assert_eq!(bytes(&table, owed), bytes(&one, owed) * streams, "{many} {rights}");
            assert_eq!(
                bytes(&table, subjects),
                bytes(&one, subjects) / 5_000 * streams * each,
                "{many} {rights}"
            );
            assert_eq!(table["counted"]["streams"], streams, "{many} {rights}");
            assert_eq!(table["counted"]["subjects"], streams * each, "{many} {rights}");
        }
        // Few subjects cannot take all the look-up rows that a stream may have: eight members are 254 choices each.
        let look_ups = |max: u32| {
            bytes(&receivers(1, &format!("streams_max = 1, subjects_max = {max}"), ""), "look-up rows")
        };
        assert_eq!(look_ups(100) / 25_400, look_ups(1_000_000) / 6_000_000);
        assert_eq!(look_ups(10_000_000), look_ups(1_000_000), "hub/subjects/complex.rs LOOK_UPS_MAX");
        assert_eq!(bytes(&receivers(1, "", ""), "subjects that leave"), 0, "none stays for a while");
    }

    /// What an operator makes for a receiver takes the place of what it could make itself.
    #[test]
    fn streams_of_the_file_are_among_those_of_their_receiver() {
        let stream = |n| {
            POLLED
                .split_once("[[stream]]")
                .unwrap()
                .1
                .replace("'s'", &format!("'s{n}'"))
                .replace("'c'", "'c0'")
        };
        let made = |many: usize| (0..many).map(|n| format!("[[stream]]{}\n", stream(n))).collect::<String>();
        for (max, many, streams) in [(4, 0, 4), (4, 3, 4), (4, 6, 6), (1, 1, 1)] {
            let table = receivers(1, &format!("streams_max = {max}, subjects_max = 10"), &made(many));
            assert_eq!(table["counted"]["streams"], streams, "{max} {many}");
            assert_eq!(table["counted"]["subjects"], streams * 10, "{max} {many}");
        }
        assert_eq!(of(POLLED)["counted"]["streams"], 1, "a client that is no receiver");
        assert_eq!(of(RELAY)["counted"]["streams"], 1, "a relay");
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
