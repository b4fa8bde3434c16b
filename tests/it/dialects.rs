//! The dialect `okta` on the wire: where the subject stands a second time, and where it must not (SSF 1.0, 3.1.1 and 3.1.2).

use serde_json::{Value, json};

use super::hub::{Hub, until};
use super::peers::SESSION_REVOKED;
use super::transmitter::{Receiver, idp, receiver};

const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
const RISK: &str = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change";
/// Okta's own; here it is any other type.
const OF_OKTA: &str = "https://schemas.okta.com/secevent/okta/event-type/user-risk-change";

/// All that came on a stream, until `last` was among it.
async fn until_came(receiver: &Receiver, stream: &Value, last: &str) -> Vec<Value> {
    let came = std::cell::RefCell::new(vec![]);
    until(last, 30, || async {
        let new = receiver.take(stream).await;
        let there = new.iter().any(|set| set["events"].get(last).is_some());
        came.borrow_mut().extend(new);
        there
    })
    .await;
    came.into_inner()
}

#[tokio::test]
async fn okta_gets_the_subject_by_roles_in_caep_and_risc_alone() {
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let okta = receiver(&hub, "okta", json!({ "dialect": "okta", "event_types": ["*", OF_OKTA] })).await;
    let stream = okta.create(json!({ "events_requested": [SESSION_REVOKED, RISK, OF_OKTA] })).await;
    let email = json!({ "format": "email", "email": "a@x.example" });
    let complex =
        json!({ "format": "complex", "session": { "format": "opaque", "id": "s1" }, "user": email.clone() });
    let levels = json!({ "current_level": "HIGH", "principal": "USER" });
    for (jti, uri, sub_id, event) in [
        ("simple", SESSION_REVOKED, &email, json!({})),
        ("complex", SESSION_REVOKED, &complex, json!({})),
        ("risk", RISK, &email, levels.clone()),
        ("other", OF_OKTA, &email, json!({ "current_level": "high" })),
    ] {
        let set = idp.sign(&idp.claims("hub", jti, uri, sub_id.clone(), event));
        assert_eq!(hub.push("default", "idp", &set).await.0, 202, "{jti}");
    }
    let came = until_came(&okta, &stream, OF_OKTA).await;
    let event = |uri: &str, sub_id: &Value| {
        let of = |set: &&Value| set["events"].get(uri).is_some() && set["sub_id"] == *sub_id;
        came.iter().find(of).unwrap_or_else(|| panic!("no {uri}: {came:?}"))["events"][uri].clone()
    };
    let by_role = json!({ "user": email });
    assert_eq!(event(SESSION_REVOKED, &email)["subject"], by_role);
    let roles = json!({ "session": { "format": "opaque", "id": "s1" }, "user": email });
    assert_eq!(event(SESSION_REVOKED, &complex)["subject"], roles);
    let risk = event(RISK, &email);
    assert_eq!(risk["subject"], by_role);
    assert_eq!(risk["current_level"], "HIGH", "CAEP 3.8.1 knows no other spelling");
    assert_eq!(event(OF_OKTA, &email), json!({ "current_level": "high" }), "as it was said");

    let asked = json!({ "stream_id": stream["stream_id"], "state": "who" });
    assert_eq!(okta.send("POST", "verification_endpoint", "", Some(asked)).await.0, 204);
    let came = until_came(&okta, &stream, VERIFICATION).await;
    let verified = came.iter().find_map(|set| set["events"].get(VERIFICATION)).unwrap();
    assert_eq!(*verified, json!({ "state": "who" }), "SSF's own events hold no subject");
    let path = format!("/admin/v1/t/default/streams/{}/status", stream["stream_id"].as_str().unwrap());
    let paused = json!({ "status": "paused", "reason": "drill" });
    assert!(hub.admin_send("POST", &path, Some(paused.clone())).await.0 < 300);
    let came = until_came(&okta, &stream, UPDATED).await;
    let updated = came.iter().find_map(|set| set["events"].get(UPDATED)).unwrap();
    assert_eq!(*updated, paused, "SSF's own events hold no subject");
    hub.stop().await;
}
