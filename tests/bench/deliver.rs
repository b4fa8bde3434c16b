//! CPU per SET taken in and delivered: by push, and by push and long poll at the same time.

use std::sync::Arc;

use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::figures::{Aim, Figure, Unit, median};
use super::process::Site;
use super::receivers::{Polled, Pushed};
use super::{Bench, sets, wire};

const IN_FLIGHT: usize = 64;

/// Measured, and what josekit needs for the same signatures (µs).
struct Cost {
    us: f64,
    raw_us: f64,
}

/// One SET in and pushed on, signed with `alg` at both ends.
pub async fn push(b: &mut Bench, name: &str, alg: Alg, aim: f64) {
    let cost = cost(b, alg, alg, false).await;
    b.figures.put(Figure {
        name,
        what: &format!("pushed on; raw: {alg} verification and signature"),
        unit: Unit::Us,
        value: cost.us,
        raw: Some(cost.raw_us),
        aim: Aim::Ratio(aim),
    });
}

/// One SET in (ES256), one push and one long-polling receiver of different audiences, both signed with `alg`.
pub async fn whole(b: &mut Bench, name: &str, alg: Alg, aim_us: f64) {
    let cost = cost(b, Alg::ES256, alg, true).await;
    b.figures.put(Figure {
        name,
        what: &format!("ES256 in, pushed and polled; raw: verification and two {alg} signatures"),
        unit: Unit::Us,
        value: cost.us,
        raw: Some(cost.raw_us),
        aim: Aim::Most(aim_us),
    });
}

async fn cost(b: &mut Bench, from: Alg, to: Alg, poll: bool) -> Cost {
    let site = Site::start().await;
    let hub = site.hub();
    let idp = sets::idp("https://idp.example", from);
    sets::register(&hub, "idp", &idp).await;
    let bearer = hub.client("default", "app", false).await;
    let pushed = Pushed::counting().await;
    let stream = |aud: &str| json!({ "client": "app", "aud": [aud], "events_requested": ["*"], "alg": to });
    let mut by_push = stream("https://one.example");
    by_push["method"] = "push".into();
    by_push["endpoint_url"] = pushed.url.clone().into();
    hub.put("default", "streams", "one", by_push).await;
    let mut polled = None;
    if poll {
        let mut by_poll = stream("https://two.example");
        by_poll["method"] = "poll".into();
        hub.put("default", "streams", "two", by_poll).await;
        polled = Some(Polled::start(site.public(), "two", &bearer));
    }
    let per_round = b.many(if to == Alg::RS256 { 1000 } else { 3000 });
    let (mut us, mut raw_us, mut sent) = (vec![], vec![], 0);
    for round in 0..=b.rounds() {
        let warming = round == 0;
        let n = if warming { 300 } else { per_round };
        let all = Arc::new(sets::requests("idp", &sets::sign(&idp, &format!("r{round}"), n)));
        let signatures = if poll { 2.0 } else { 1.0 };
        let raw = b.josekit.verify_us(from) + signatures * b.josekit.sign_us(to);
        let before = site.cpu_us();
        wire::all_accepted(site.public(), &all, IN_FLIGHT).await;
        sent += n;
        pushed.seen.wait_for(sent).await;
        if let Some(polled) = &polled {
            polled.seen.wait_for(sent).await;
        }
        let used = site.settled_us().await - before;
        if !warming {
            us.push(used / n as f64);
            raw_us.push(raw);
        }
    }
    Cost { us: median(us), raw_us: median(raw_us) }
}
