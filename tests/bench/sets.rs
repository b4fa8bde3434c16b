//! Signed SETs, made before anything is measured.

use ssf_hub::jose::alg::Alg;

use super::hub::Hub;
use super::peers::Idp;
use super::{raw, wire};

/// What the hub is called at the IdPs.
pub const HUB_AUD: &str = "https://hub.example";

pub fn idp(iss: &str, alg: Alg) -> Idp {
    Idp::new(iss, alg)
}

/// Makes the IdP an upstream of the default tenant, as fast as it likes.
pub async fn register(hub: &Hub, id: &str, idp: &Idp) {
    let mut upstream = idp.upstream(HUB_AUD);
    upstream["authority"] = serde_json::json!({ "rate_per_s": 1_000_000 });
    hub.put("default", "upstreams", id, upstream).await;
}

/// `n` SETs, `session-revoked` each of another session, on all cores. `name` makes their `jti` and sessions unique.
pub fn sign(idp: &Idp, name: &str, n: usize) -> Vec<String> {
    let one = |i: usize| {
        let (jti, user) = (format!("{name}-{i}"), format!("user{}", i % 5000));
        idp.session_revoked(HUB_AUD, &jti, &user, Some(&format!("s-{name}-{i}")), "user")
    };
    let share = n.div_ceil(raw::cores());
    std::thread::scope(|scope| {
        let from = (0..n).step_by(share.max(1));
        let threads: Vec<_> = from
            .map(|from| scope.spawn(move || (from..(from + share).min(n)).map(one).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    })
}

/// As HTTP requests to an upstream's door.
pub fn requests(upstream: &str, sets: &[String]) -> Vec<Vec<u8>> {
    let path = format!("/t/default/in/{upstream}");
    let headers = [("content-type", "application/secevent+jwt"), ("accept", "application/json")];
    sets.iter().map(|set| wire::post(&path, &headers, set.as_bytes())).collect()
}
