//! How long a start takes: from the mirror, and when everything is folded again from the first entry.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use ssf_hub::hub::start as fold;
use ssf_hub::journal::{Folder, Position, Reader};

use super::backlog::Owing;
use super::figures::{Aim, Figure, Unit, median};
use super::idle::fact;
use super::process::Site;
use super::{Bench, cpu, peers, wire};

const ENTRIES: usize = 100_000;

pub async fn run(b: &mut Bench, mut history: Owing) {
    let entries = fill(b, &mut history).await;
    let mut empty = Site::start().await;
    let (mut warm, mut raw) = (vec![], vec![]);
    for _ in 0..b.rounds() {
        empty.stop().await;
        raw.push(empty.restart().await);
        history.site.stop().await;
        warm.push(history.site.restart().await);
        assert!(last_start(&history.site).await == "Mirror", "it did not start from the mirror");
    }
    let warm_what = format!("process started → ready, from the mirror, {entries} entries; raw: an empty hub");
    b.figures.put(Figure {
        name: "start",
        what: &warm_what,
        unit: Unit::Us,
        value: median(warm),
        raw: Some(median(raw)),
        aim: Aim::Most(1_000_000.0),
    });
    history.site.stop().await;
    let per_s = (0..b.rounds()).map(|_| folded_per_s(&history.site, entries)).collect();
    std::fs::remove_dir_all(history.site.data().join("mirror")).unwrap();
    let from_zero = history.site.restart().await;
    assert!(last_start(&history.site).await == "Zero", "it did not start from the first entry");
    b.figures.put(Figure {
        name: "start_from_zero",
        what: "the same with the mirror lost: everything is folded again, and the mirror made anew",
        unit: Unit::Us,
        value: from_zero,
        raw: None,
        aim: Aim::None,
    });
    b.figures.put(Figure {
        name: "refold_per_s",
        what: "entries a second of CPU that one core reads and folds again",
        unit: Unit::Number,
        value: median(per_s),
        raw: None,
        aim: Aim::Least(150_000.0),
    });
}

/// Tells tokens until the history is long enough: how many entries it has.
async fn fill(b: &Bench, history: &mut Owing) -> usize {
    let now_s = peers::now_s();
    let hub = history.site.hub();
    let has = async || hub.status().await["tenants"]["default"]["seq"].as_u64().unwrap() as usize;
    let missing = b.many(ENTRIES).saturating_sub(has().await);
    let runs = 1 + missing / 10;
    let run = |n: usize| {
        json!({
            "id": format!("r{n}"), "agent": { "kind": "agent", "value": format!("bot{}", n % 100) },
            "session": { "kind": "session", "iss": "https://idp.example", "value": format!("h{}", n % 1000) },
            "deadline": now_s + 36_000,
        })
    };
    let token = |n: usize| {
        json!({
            "iss": "https://as.example", "jti": format!("t{n}"), "run": format!("r{}", n % runs),
            "aud": "https://tool.example", "iat": now_s, "exp": now_s + 3600,
        })
    };
    let bearer = &history.bearer;
    let all: Vec<_> = (0..runs).map(|n| fact(bearer, "runs", &run(n))).collect();
    wire::all_accepted(history.site.public(), &Arc::new(all), 64).await;
    let all: Vec<_> = (0..missing - missing / 10).map(|n| fact(bearer, "tokens", &token(n))).collect();
    wire::all_accepted(history.site.public(), &Arc::new(all), 64).await;
    history.site.settled_us().await;
    has().await
}

/// Entries that a second of CPU reads and folds, from the first one on; the hub is not running.
fn folded_per_s(site: &Site, entries: usize) -> f64 {
    let disk = Arc::new(Folder::read_only(&site.data().join("journal")));
    let (mut reader, mut states) = (Reader::open(disk).unwrap(), fold::empty());
    let from = cpu::of_thread();
    let folded = fold::fold(&mut reader, Position::default(), &mut states, |_, _| ()).unwrap();
    assert!(folded >= entries as u64, "only {folded} of {entries} entries were folded");
    folded as f64 / (cpu::of_thread() - from) * 1e6
}

/// Where the last start began.
async fn last_start(site: &Site) -> String {
    // Lines gather for 200 ms before they are written.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let log = site.log();
    let line = log.lines().rev().find(|l| l.contains("states loaded")).expect("a start");
    let from = line.split(' ').find_map(|word| word.strip_prefix("from="));
    from.unwrap_or_else(|| panic!("no from in {line}")).to_string()
}
