//! schemathesis at both listeners: whatever the OpenAPI document allows and whatever it forbids, no answer is a 5xx, and
//! each is one that the document tells of.

use serde_json::json;
use ssf_hub::jose::alg::Alg;

use super::super::hub::{Hub, Setup};
use super::super::openapi::TO_COME;
use super::super::parts::schemathesis::{Run, run};
use super::super::peers::Idp;

/// A poll waits a moment only, and nobody is slow.
const QUICK: &str = "[limits]\npoll_timeout_ms = 50\n";

/// Names that exist, so that requests get behind the door.
const NAMES: &str = "[parameters]\n\"path.tenant\" = \"default\"\n\"path.upstream\" = \"keycloak\"\n\"path.stream_id\" = \"polled\"\n";

/// It may change any operator but the one that it is itself.
const OTHERS: &str = "[[operations]]\ninclude-operation-id = [\"put_operators\", \"remove_operators\"]\nparameters = { \"path.id\" = \"one\" }\n";

/// The secret of an enforcement point.
const POINT: &str = "point-secret-0123456789";

async fn furnished() -> (Hub, &'static str) {
    let hub = Hub::start_as(Setup::with(QUICK)).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "keycloak", idp.upstream("hub")).await;
    let bearer = "saas-bearer-0123456789";
    hub.put("default", "clients", "saas", json!({ "facts": true, "bearer": bearer, "receiver": {} })).await;
    let stream = json!({ "client": "saas", "method": "poll", "aud": ["saas"], "events_requested": ["*"] });
    hub.put("default", "streams", "polled", stream).await;
    hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    (hub, bearer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_listener_never_fails() {
    let (hub, bearer) = furnished().await;
    let to_come: String =
        TO_COME.map(|path| format!("[[operations]]\ninclude-path = {path:?}\nenabled = false\n")).concat();
    let headers = [format!("Authorization:Bearer {bearer}"), format!("X-Hub-Point:Bearer {POINT}")];
    let whole = Run {
        url: &hub.public,
        headers: &headers,
        paths: ".",
        examples: 10,
        config: &format!("{NAMES}{to_come}"),
    };
    println!("{}", run(&whole, 600).await);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_listener_never_fails() {
    let (hub, _) = furnished().await;
    let headers = [format!("Authorization:Bearer {}", hub.credential)];
    let paths = "^/(admin|healthz|readyz|metrics|openapi)";
    let own = Run { url: &hub.admin, headers: &headers, paths, examples: 10, config: OTHERS };
    println!("{}", run(&own, 600).await);
    hub.stop().await;
}
