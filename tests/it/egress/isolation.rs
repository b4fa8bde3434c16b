//! One destination that never answers, beside healthy ones.

use serde_json::json;

use super::super::hub::{Hub, Setup, until};
use super::super::peers::PushReceiver;
use super::stand::{Does, Raw};
use super::{attempts, furnish, operations, send, stream};

const SETS: usize = 30;

#[tokio::test]
async fn a_destination_that_never_answers_is_shut_and_the_others_get_everything() {
    let dead = Raw::start(vec![Does::Hang]).await;
    let healthy = [PushReceiver::start().await, PushReceiver::start().await];
    // Long enough for the healthy ones on a busy machine: four answers that come too late would shut them.
    let more = "[outbox]\nretry_delays_ms = [20]\npush_timeout_ms = 4000\nin_flight_per_destination = 4\nshut_after = 4\n\
                brake_ms = 60000\nbrake_max_ms = 60000\n[egress]\nallow_cidrs = [\"127.0.0.0/8\"]\nconnections_max = 16\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let idp = furnish(&hub).await;
    // Five streams to one destination: what they get together is bounded.
    for n in 0..5 {
        stream(&hub, &format!("dead-{n}"), &dead.url, json!({})).await;
    }
    for (n, receiver) in healthy.iter().enumerate() {
        stream(&hub, &format!("healthy-{n}"), &receiver.url, json!({})).await;
    }
    for n in 0..SETS {
        send(&hub, &idp, &format!("set-{n}")).await;
    }
    for receiver in &healthy {
        let got = receiver.wait_for(SETS).await;
        let mut jtis: Vec<_> = got.iter().map(|g| g.claims["jti"].to_string()).collect();
        jtis.sort();
        jtis.dedup();
        assert_eq!((got.len(), jtis.len()), (SETS, SETS), "each once");
    }
    until("it is shut", 30, || async { attempts(&hub, "dead-0").await["destination"]["state"] == "shut" })
        .await;
    let shown = attempts(&hub, "dead-4").await;
    let origin = dead.url.trim_end_matches("/events");
    assert_eq!(shown["destination"]["origin"], origin, "the same for each stream that pushes there");
    assert_eq!(attempts(&hub, "healthy-0").await["destination"]["state"], "open");
    let at_first = dead.bodies().len();
    // Four places, and one more for each failure before the fourth; no probe within a minute.
    assert!((4..=4 + 3).contains(&at_first), "{at_first} posts to a destination that never answers");

    let told = operations(&hub, "destination_shut").await;
    assert_eq!((told.len(), &told[0]["subject"], &told[0]["tenant"]), (1, &json!(origin), &json!("_hub")));
    let page = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap();
    for line in [
        "ssf_hub_destinations{state=\"shut\"} 1",
        "ssf_hub_destinations{state=\"open\"} 2",
        "ssf_hub_destination_changes_total{state=\"shut\"} 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}");
    }
    // A healthy one is not held up by what waits elsewhere.
    send(&hub, &idp, "later").await;
    healthy[0].wait_for(SETS + 1).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_destination_that_is_back_gets_all_that_waited() {
    let dead = Raw::start(vec![Does::Close, Does::Close, Does::Close, Does::Accept]).await;
    let more = "[outbox]\nretry_delays_ms = [20]\nshut_after = 2\nbrake_ms = 50\nbrake_max_ms = 50\n";
    let hub = Hub::start_as(Setup::with(more)).await;
    let idp = furnish(&hub).await;
    stream(&hub, "one", &dead.url, json!({})).await;
    stream(&hub, "two", &dead.url, json!({})).await;
    // The first alone: what is answered in between would make of the failures none in a row.
    send(&hub, &idp, "set-0").await;
    until("it is shut", 10, || async { !operations(&hub, "destination_shut").await.is_empty() }).await;
    for n in 1..20 {
        send(&hub, &idp, &format!("set-{n}")).await;
    }
    until("all is delivered", 20, || async { hub.status().await["tenants"]["default"]["owed"] == 0 }).await;
    assert_eq!(dead.bodies().len(), 3 + 40);
    assert_eq!(attempts(&hub, "two").await["destination"]["state"], "open");
    let kinds = ["destination_shut", "destination_limited", "destination_open"];
    for kind in kinds {
        assert!(!operations(&hub, kind).await.is_empty(), "{kind}");
    }
    hub.stop().await;
}
