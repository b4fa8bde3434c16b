//! CPU per accepted, durable SET at saturation, while nobody is subscribed: plain, and over TLS.

use std::sync::Arc;

use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;

use super::figures::{Aim, Figure, Unit, median};
use super::peers::Idp;
use super::process::Site;
use super::secure::Over;
use super::wire::Load;
use super::{Bench, raw, sets};

const IN_FLIGHT: usize = 256;
/// Handshakes that are measured, and how many of them at a time.
const HANDSHAKES: usize = 1024;
const AT_ONCE: usize = 64;

/// A hub that takes SETs.
struct Door(Site);

impl Door {
    async fn open(over: Over, idp: &Idp) -> Self {
        let site = Site::start_over(over).await;
        sets::register(&site.hub(), "idp", idp).await;
        Self(site)
    }

    /// CPU of one SET (µs), and how many a second; the connections are open before it is measured.
    async fn take(&self, all: &Arc<Vec<Vec<u8>>>) -> (f64, f64) {
        let Self(site) = self;
        let mut load = Load::open(site.public(), IN_FLIGHT).await;
        let (before, from) = (site.written().await, site.settled_us().await);
        let watch = Stopwatch::start();
        load.all_accepted(all).await;
        let rate = all.len() as f64 / watch.elapsed().as_secs_f64();
        let cost = (site.settled_us().await - from) / all.len() as f64;
        // Each SET is journaled with its decision.
        let entries = site.written().await.entries - before.entries;
        assert!(entries >= 2.0 * all.len() as f64, "{entries} entries of {} SETs", all.len());
        (cost, rate)
    }

    /// CPU of one handshake (µs).
    async fn handshake_us(&self) -> f64 {
        let Self(site) = self;
        let from = site.settled_us().await;
        for _ in 0..HANDSHAKES / AT_ONCE {
            Load::open(site.public(), AT_ONCE).await;
        }
        (site.settled_us().await - from) / HANDSHAKES as f64
    }
}

pub async fn run(b: &mut Bench) {
    let idp = sets::idp("https://idp.example", Alg::RS256);
    let (plain, tls) = (Door::open(Over::Plain, &idp).await, Door::open(Over::Tls, &idp).await);
    let bare = raw::BareAxum::start();
    let mut to_bare = bare.load(IN_FLIGHT).await;
    let per_round = b.many(5000);
    let make = |name: &str, n| Arc::new(sets::requests("idp", &sets::sign(&idp, name, n)));
    let warm = make("warm", 500);
    plain.take(&warm).await;
    tls.take(&warm).await;
    bare.post_us(&mut to_bare, &warm).await;

    let (mut cost, mut over_tls, mut verify, mut post) = (vec![], vec![], vec![], vec![]);
    let (mut rate, mut handshake, mut sign) = (vec![], vec![], vec![]);
    for round in 0..b.rounds() {
        let all = make(&format!("r{round}"), per_round);
        verify.push(b.josekit.verify_us(Alg::RS256));
        post.push(bare.post_us(&mut to_bare, &all).await);
        let (us, per_s) = plain.take(&all).await;
        cost.push(us);
        rate.push(per_s);
        over_tls.push(tls.take(&all).await.0);
        sign.push(b.josekit.sign_us(Alg::ES256));
        handshake.push(tls.handshake_us().await);
    }
    let cost = median(cost);
    let mut put = |name, what, value, raw, aim| {
        b.figures.put(Figure { name, what, unit: Unit::Us, value, raw: Some(raw), aim });
    };
    put("accept_cpu", "raw: one RS256 verification", cost, median(verify), Aim::Ratio(2.5));
    let what = "the same; raw: a bare axum POST of these bodies";
    put("accept_over_axum", what, cost, median(post), Aim::None);
    put("accept_tls_cpu", "the same over TLS 1.3; raw: without", median(over_tls), cost, Aim::None);
    let what = "a TLS 1.3 handshake, certificate P-256; raw: an ES256 signature";
    put("tls_handshake_cpu", what, median(handshake), median(sign), Aim::None);
    b.figures.put(Figure {
        name: "accept_per_s",
        what: "SETs a second meanwhile, the load generator on the same cores",
        unit: Unit::Number,
        value: median(rate),
        raw: None,
        aim: Aim::None,
    });
}
