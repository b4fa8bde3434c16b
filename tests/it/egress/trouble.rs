//! Receivers that are slow, endless, elsewhere, gone or late.

use serde_json::json;

use super::super::hub::{Hub, Setup, until};
use super::super::peers::{PushReceiver, claims_of};
use super::stand::{Does, Raw};
use super::{errors, furnish, letters, send, stream};

#[tokio::test]
async fn whatever_a_receiver_does_with_its_connection_costs_only_itself() {
    let inside = PushReceiver::start().await;
    let healthy = PushReceiver::start().await;
    // Long enough for those that answer on a busy machine.
    let more = "[outbox]\nretry_delays_ms = [20]\npush_timeout_ms = 4000\nmisdirected_tries = 2\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let idp = furnish(&hub).await;
    let raw = async |id: &str, does: Vec<Does>| {
        let receiver = Raw::start(does).await;
        stream(&hub, id, &receiver.url, json!({})).await;
        receiver
    };
    let drips = raw("drips", vec![Does::Drip, Does::Accept]).await;
    let floods = raw("floods", vec![Does::Flood(10_000_000)]).await;
    let elsewhere = raw("elsewhere", vec![Does::Redirect(inside.url.clone())]).await;
    let closes = raw("closes", vec![Does::Close, Does::Accept]).await;
    let late = raw("late", vec![Does::Late(12_000), Does::Accept]).await;
    stream(&hub, "healthy", &healthy.url, json!({})).await;
    send(&hub, &idp, "one").await;
    healthy.wait_for(1).await;

    until("all is over", 30, || async { hub.status().await["tenants"]["default"]["owed"] == 0 }).await;
    // Only what came whole and in time counts; what is sent again has the same name.
    let again = |receiver: &Raw| {
        let bodies = receiver.bodies();
        let jtis: Vec<_> = bodies.iter().map(|body| claims_of(body)["jti"].clone()).collect();
        assert!(jtis.len() == 2 && jtis[0] == jtis[1] && bodies[0] == bodies[1], "{jtis:?}");
    };
    again(&drips);
    again(&closes);
    again(&late);
    assert_eq!(errors(&hub, "drips").await, ["timeout", ""]);
    assert_eq!(errors(&hub, "late").await, ["timeout", ""]);
    assert_eq!(errors(&hub, "closes").await, ["exchange", ""]);
    // Its status says that it has the SET; nobody reads ten megabytes for that.
    assert_eq!((errors(&hub, "floods").await, floods.bodies().len()), (vec![String::new()], 1));
    assert_eq!(errors(&hub, "elsewhere").await, ["http_307", "http_307"]);
    assert_eq!((elsewhere.bodies().len(), inside.got().len()), (2, 0), "no redirect is followed");
    let dead = letters(&hub, "").await;
    assert_eq!((&dead["total"], &dead["dead_letters"][0]["stream_id"]), (&json!(1), &json!("elsewhere")));
    hub.stop().await;
}
