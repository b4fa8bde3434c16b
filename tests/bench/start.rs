//! How long a start takes: from the mirror, and when everything is folded again from the first entry.

use std::sync::Arc;

use serde_json::json;

use super::backlog::Owing;
use super::figures::{Aim, Figure, Unit, median};
use super::idle::fact;
use super::process::Site;
use super::{Bench, peers, wire};

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
        assert!(last_start(&history.site.log()).0 == "Mirror", "it did not start from the mirror");
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
    let mut per_s = vec![];
    for _ in 0..b.rounds() {
        history.site.stop().await;
        std::fs::remove_dir_all(history.site.data().join("mirror")).unwrap();
        history.site.restart().await;
        let (from, folded, ms) = last_start(&history.site.log());
        assert!(from == "Zero" && folded >= entries as f64, "it started from {from}, folded {folded}");
        per_s.push(folded / ms.max(1.0) * 1000.0);
    }
    b.figures.put(Figure {
        name: "refold_per_s",
        what: "entries a second when all are folded again, files opened and states checked",
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

/// Where the last start began, how many entries it folded, how long that took (ms).
fn last_start(log: &str) -> (String, f64, f64) {
    let line = log.lines().rev().find(|l| l.contains("states loaded")).expect("a start");
    let field = |name: &str| {
        let value = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {line}")).to_string()
    };
    let number = |name| field(name).parse::<f64>().unwrap();
    (field("from"), number("folded"), number("ms"))
}
