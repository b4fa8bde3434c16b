//! SETs that a real Keycloak issued (`tests/golden/keycloak`), verified at their own time.

use serde_json::Value;

use super::*;
use crate::set::event::InitiatingEntity;
use crate::set::payload::Payload;
use crate::set::words::StreamStatus;

macro_rules! captured {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/keycloak/", $name, ".json"))
    };
}

/// Verifies a SET that a real Keycloak issued, at its own time.
fn keycloak(captured: &str, dialect: Dialect) -> Result<VerifiedSet, Reject> {
    let captured: Value = serde_json::from_str(captured).unwrap();
    let keys = KeySet::parse(captured!("jwks").as_bytes()).unwrap();
    assert_eq!(keys.len(), 1, "the encryption key is no key of ours");
    let ours = "ssf-poll/5a1ff382-5014-45de-9a8e-4572a1a48cdc";
    let aud = captured["payload"]["aud"].as_str().unwrap_or(ours).to_string();
    let policy = Policy {
        iss: "http://127.0.0.1:28080/realms/ssf-test",
        aud: &[aud],
        algs: &[Alg::RS256],
        dialect,
        own_issuer_prefix: "http://127.0.0.1:8080/t/",
        clock_tolerance_s: 2,
        now_s: captured["payload"]["iat"].as_i64().unwrap(),
        max_bytes: 65_536,
    };
    verify(captured["compact"].as_str().unwrap().as_bytes(), &policy, &keys)
}

#[test]
fn keycloaks_sets() {
    let plain = [
        captured!("set-poll-credential-change-admin-reset"),
        captured!("set-poll-session-revoked-user-logout"),
        captured!("set-poll-verification-state"),
        captured!("set-ssf-push-email-session-revoked"),
    ];
    for captured in plain {
        let set = keycloak(captured, Dialect::Ssf).unwrap();
        assert_eq!(keycloak(captured, Dialect::Keycloak).unwrap(), set);
        assert!(!set.claims().all_sessions && set.claims().txn.is_some());
    }
    let all = captured!("set-poll-session-revoked-admin-logout-all");
    let set = keycloak(all, Dialect::Keycloak).unwrap();
    assert!(set.claims().all_sessions);
    assert_eq!(set.claims().event.common.initiating_entity, Some(InitiatingEntity::Admin));
    assert!(!keycloak(all, Dialect::Ssf).unwrap().claims().all_sessions);
}

#[test]
fn keycloaks_deviations_are_keycloaks_only() {
    let table = [
        (captured!("set-poll-stream-updated-paused"), RejectReason::ForeignAudience),
        (captured!("set-push-stream-updated-paused"), RejectReason::Definition("status")),
        (captured!("set-ssf-push-legacy-session-revoked"), RejectReason::Claim("sub_id")),
        (captured!("set-ssf-push-legacy-credential-change"), RejectReason::Claim("sub_id")),
    ];
    for (captured, want) in table {
        assert_eq!(keycloak(captured, Dialect::Ssf).unwrap_err().reason, want);
        let set = keycloak(captured, Dialect::Keycloak).unwrap();
        match &set.claims().event.payload {
            Payload::StreamUpdated { status, .. } => assert_eq!(*status, StreamStatus::Paused),
            _ => assert!(set.claims().sub_id.member("user").is_some()),
        }
    }
}
