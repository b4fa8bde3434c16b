//! CPU per accepted, durable SET at saturation, while nobody is subscribed.

use std::sync::Arc;

use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;

use super::figures::{Aim, Figure, Unit, median};
use super::process::Site;
use super::{Bench, raw, sets, wire};

const IN_FLIGHT: usize = 256;

pub async fn run(b: &mut Bench) {
    let site = Site::start().await;
    let idp = sets::idp("https://idp.example", Alg::RS256);
    sets::register(&site.hub(), "idp", &idp).await;
    let bare = raw::BareAxum::start();
    let per_round = b.many(5000);
    let make = |name: &str, n| Arc::new(sets::requests("idp", &sets::sign(&idp, name, n)));
    let warm = make("warm", 500);
    wire::all_accepted(site.public(), &warm, IN_FLIGHT).await;
    bare.post_us(&warm, IN_FLIGHT).await;
    site.settled_us().await;

    let (mut cost, mut verify, mut post, mut rate) = (vec![], vec![], vec![], vec![]);
    for round in 0..b.rounds() {
        let all = make(&format!("r{round}"), per_round);
        verify.push(b.josekit.verify_us(Alg::RS256));
        post.push(bare.post_us(&all, IN_FLIGHT).await);
        let (before, from) = (site.written().await, site.cpu_us());
        let watch = Stopwatch::start();
        wire::all_accepted(site.public(), &all, IN_FLIGHT).await;
        rate.push(per_round as f64 / watch.elapsed().as_secs_f64());
        cost.push((site.settled_us().await - from) / per_round as f64);
        // Each SET is journaled with its decision.
        let entries = site.written().await.entries - before.entries;
        assert!(entries >= 2.0 * per_round as f64, "{entries} entries of {per_round} SETs");
    }
    let (cost, verify, post, rate) = (median(cost), median(verify), median(post), median(rate));
    b.figures.put(Figure {
        name: "accept_cpu",
        what: "raw: one RS256 verification",
        unit: Unit::Us,
        value: cost,
        raw: Some(verify),
        aim: Aim::Ratio(2.5),
    });
    b.figures.put(Figure {
        name: "accept_over_axum",
        what: "the same; raw: a bare axum POST of these bodies",
        unit: Unit::Us,
        value: cost,
        raw: Some(post),
        aim: Aim::None,
    });
    b.figures.put(Figure {
        name: "accept_per_s",
        what: "SETs a second meanwhile, the load generator on the same cores",
        unit: Unit::Number,
        value: rate,
        raw: None,
        aim: Aim::None,
    });
}
