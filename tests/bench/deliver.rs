//! CPU per SET taken in and delivered: by push, and by push and long poll at the same time; plain, and over TLS.

use std::sync::Arc;

use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::figures::{Aim, Figure, Unit, median};
use super::peers::Idp;
use super::process::Site;
use super::receivers::{Polled, Pushed};
use super::secure::Over;
use super::wire::Load;
use super::{Bench, sets};

const IN_FLIGHT: usize = 64;
const WARMING: usize = 300;

/// What goes in and out, and how it is signed.
#[derive(Clone, Copy)]
pub struct Way {
    pub name: &'static str,
    pub from: Alg,
    pub to: Alg,
    /// Whether another audience polls, beside the one that is pushed to.
    pub poll: bool,
    pub aim: Aim,
}

/// A hub between an IdP and its receivers.
struct Line {
    /// Before the site: it ends before the hub does.
    polled: Option<Polled>,
    site: Site,
    idp: Idp,
    pushed: Pushed,
    sent: usize,
}

impl Line {
    async fn new(way: Way, over: Over) -> Self {
        let site = Site::start_over(over).await;
        let hub = site.hub();
        let idp = sets::idp("https://idp.example", way.from);
        sets::register(&hub, "idp", &idp).await;
        // It polls as fast as it is answered.
        let app = json!({ "new_bearer": true, "authority": { "rate_per_s": 1_000_000 } });
        let app = hub.put("default", "clients", "app", app).await;
        let bearer = app["bearer"].as_str().unwrap().to_string();
        let pushed = Pushed::counting(over).await;
        let stream =
            |aud: &str| json!({ "client": "app", "aud": [aud], "events_requested": ["*"], "alg": way.to });
        let mut by_push = stream("https://one.example");
        by_push["method"] = "push".into();
        by_push["endpoint_url"] = pushed.url.clone().into();
        hub.put("default", "streams", "one", by_push).await;
        let mut polled = None;
        if way.poll {
            let mut by_poll = stream("https://two.example");
            by_poll["method"] = "poll".into();
            hub.put("default", "streams", "two", by_poll).await;
            polled = Some(Polled::start(site.public(), "two", &bearer));
        }
        Self { polled, site, idp, pushed, sent: 0 }
    }

    /// `n` SETs in, and at all receivers: CPU of one (µs). The IdP's connections are open before it is measured.
    async fn pass(&mut self, n: usize) -> f64 {
        let name = format!("n{}", self.sent);
        let all = Arc::new(sets::requests("idp", &sets::sign(&self.idp, &name, n)));
        let mut load = Load::open(self.site.public(), IN_FLIGHT).await;
        let before = self.site.settled_us().await;
        load.all_accepted(&all).await;
        self.sent += n;
        self.pushed.seen.wait_for(self.sent).await;
        if let Some(polled) = &self.polled {
            polled.seen.wait_for(self.sent).await;
        }
        (self.site.settled_us().await - before) / n as f64
    }
}

pub async fn run(b: &mut Bench, way: Way) {
    let (mut plain, mut tls) = (Line::new(way, Over::Plain).await, Line::new(way, Over::Tls).await);
    let per_round = b.many(if way.to == Alg::RS256 { 1000 } else { 3000 });
    let signatures = if way.poll { 2.0 } else { 1.0 };
    plain.pass(WARMING).await;
    tls.pass(WARMING).await;
    let (mut us, mut over_tls, mut raw_us) = (vec![], vec![], vec![]);
    for _ in 0..b.rounds() {
        raw_us.push(b.josekit.verify_us(way.from) + signatures * b.josekit.sign_us(way.to));
        us.push(plain.pass(per_round).await);
        over_tls.push(tls.pass(per_round).await);
    }
    let us = median(us);
    let (does, signed) = if way.poll { ("pushed and polled", "two") } else { ("pushed on", "one") };
    let what = format!("{} in, {does}; raw: its verification and {signed} of {}", way.from, way.to);
    let mut put = |name: &str, what: &str, value, raw, aim| {
        b.figures.put(Figure { name, what, unit: Unit::Us, value, raw: Some(raw), aim });
    };
    put(&format!("{}_cpu", way.name), &what, us, median(raw_us), way.aim);
    let what = "the same, TLS 1.3 at all ends; raw: without";
    put(&format!("{}_tls_cpu", way.name), what, median(over_tls), us, Aim::None);
}
