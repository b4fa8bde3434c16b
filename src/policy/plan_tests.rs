//! Every row of the table of SIGNALS.

use super::super::sample::{CAEP, RISC, event};
use super::*;

const USER: &str = r#"{"format":"email","email":"a@x.example"}"#;
const SESSION: &str = r#"{"format":"complex","session":{"format":"opaque","id":"s"}}"#;
const DEVICE: &str = r#"{"format":"complex","device":{"format":"opaque","id":"d"}}"#;

fn shown(plan: Plan) -> String {
    match plan {
        Plan::Nothing(reason) => format!("nothing {}", reason.code()),
        Plan::Stop(s) => {
            format!("stop {} {:?} {:?} {:?} {:?}", s.reason.code(), s.mark, s.basis, s.how, s.cascade)
        }
        Plan::Lift(l) => format!("lift {} {:?}", l.reason.code(), l.basis),
    }
}

#[test]
fn every_row_of_the_table() {
    let user = "Sessions { by_user: true }";
    let other = "Sessions { by_user: false }";
    let marked = "Watermark Issued Revoked";
    let cases: Vec<(&str, &str, &str, &str, String)> = vec![
        (CAEP, "session-revoked", "{}", SESSION, format!("stop user_logout ByRole Issued LoggedOut {user}")),
        (CAEP, "session-revoked", "{}", USER, format!("stop sessions_revoked ByRole Issued Revoked {other}")),
        (
            CAEP,
            "session-revoked",
            r#"{"initiating_entity":"user"}"#,
            USER,
            format!("stop user_logout ByRole Issued LoggedOut {user}"),
        ),
        (
            CAEP,
            "session-revoked",
            r#"{"initiating_entity":"admin"}"#,
            SESSION,
            format!("stop session_revoked ByRole Issued Revoked {other}"),
        ),
        (
            CAEP,
            "session-revoked",
            r#"{"initiating_entity":"policy"}"#,
            SESSION,
            format!("stop session_revoked ByRole Issued Revoked {other}"),
        ),
        (
            CAEP,
            "session-revoked",
            r#"{"initiating_entity":"robot"}"#,
            SESSION,
            format!("stop session_revoked ByRole Issued Revoked {other}"),
        ),
        (
            RISC,
            "sessions-revoked",
            "{}",
            USER,
            format!("stop sessions_revoked ByRole Issued Revoked {other}"),
        ),
        (
            CAEP,
            "credential-change",
            r#"{"credential_type":"pin","change_type":"revoke"}"#,
            USER,
            format!("stop credential_changed {marked} No"),
        ),
        (
            CAEP,
            "credential-change",
            r#"{"credential_type":"pin","change_type":"delete"}"#,
            USER,
            format!("stop credential_changed {marked} No"),
        ),
        (
            CAEP,
            "credential-change",
            r#"{"credential_type":"pin","change_type":"create"}"#,
            USER,
            "nothing credential_recorded".into(),
        ),
        (
            CAEP,
            "credential-change",
            r#"{"credential_type":"pin","change_type":"update"}"#,
            USER,
            "nothing credential_recorded".into(),
        ),
        (
            CAEP,
            "token-claims-change",
            r#"{"claims":{"role":"x"}}"#,
            USER,
            "stop claims_changed Watermark Outdated Suspended No".into(),
        ),
        (
            CAEP,
            "assurance-level-change",
            r#"{"namespace":"NIST-AAL","current_level":"1","change_direction":"decrease"}"#,
            USER,
            "nothing assurance_recorded".into(),
        ),
        (
            CAEP,
            "device-compliance-change",
            r#"{"previous_status":"compliant","current_status":"not-compliant"}"#,
            DEVICE,
            "stop device_not_compliant Hold Suspended Suspended Everything".into(),
        ),
        (
            CAEP,
            "device-compliance-change",
            r#"{"previous_status":"not-compliant","current_status":"compliant"}"#,
            DEVICE,
            "lift device_compliant Suspended".into(),
        ),
        (
            CAEP,
            "device-compliance-change",
            r#"{"previous_status":"compliant","current_status":"not-compliant"}"#,
            SESSION,
            "nothing no_device".into(),
        ),
        (CAEP, "session-established", "{}", SESSION, "nothing recorded".into()),
        (CAEP, "session-presented", "{}", SESSION, "nothing recorded".into()),
        (
            CAEP,
            "risk-level-change",
            r#"{"principal":"USER","current_level":"HIGH","previous_level":"LOW"}"#,
            USER,
            "nothing risk_recorded".into(),
        ),
        (
            RISC,
            "account-disabled",
            "{}",
            USER,
            "stop account_disabled Hold Disabled Disabled Everything".into(),
        ),
        (
            RISC,
            "account-disabled",
            r#"{"reason":"bulk-account"}"#,
            USER,
            "stop account_disabled Hold Disabled Disabled Everything".into(),
        ),
        (
            RISC,
            "account-disabled",
            r#"{"reason":"hijacking"}"#,
            USER,
            "stop account_hijacked Hold Killed Killed Everything".into(),
        ),
        (RISC, "account-enabled", "{}", USER, "lift account_enabled Disabled".into()),
        (RISC, "account-purged", "{}", USER, "stop account_purged Hold Ended Revoked Everything".into()),
        (
            RISC,
            "account-credential-change-required",
            "{}",
            USER,
            "stop credential_change_required Watermark Outdated Suspended No".into(),
        ),
        (RISC, "identifier-changed", "{}", USER, "stop identifier_changed AtEvent Issued Revoked No".into()),
        (
            RISC,
            "identifier-recycled",
            "{}",
            USER,
            "stop identifier_recycled AtEvent Issued Revoked No".into(),
        ),
        (
            RISC,
            "credential-compromise",
            r#"{"credential_type":"password"}"#,
            USER,
            format!("stop credential_compromised {marked} Everything"),
        ),
        (RISC, "opt-in", "{}", USER, "nothing recorded".into()),
        (RISC, "opt-out-initiated", "{}", USER, "nothing recorded".into()),
        (RISC, "opt-out-cancelled", "{}", USER, "nothing recorded".into()),
        (RISC, "opt-out-effective", "{}", USER, "nothing recorded".into()),
        (RISC, "recovery-activated", "{}", USER, "nothing recorded".into()),
        (RISC, "recovery-information-changed", "{}", USER, "nothing recorded".into()),
        (
            "https://schemas.openid.net/secevent/ssf/event-type/",
            "verification",
            "{}",
            USER,
            "nothing control_event".into(),
        ),
        (
            "https://schemas.openid.net/secevent/ssf/event-type/",
            "stream-updated",
            r#"{"status":"paused"}"#,
            USER,
            "nothing control_event".into(),
        ),
        (
            "urn:ietf:params:scim:event:prov:",
            "deactivate",
            "{}",
            USER,
            "stop account_disabled Hold Disabled Disabled Everything".into(),
        ),
        (
            "urn:ietf:params:scim:event:prov:",
            "delete",
            "{}",
            USER,
            "stop account_purged Hold Ended Revoked Everything".into(),
        ),
        ("urn:ietf:params:scim:event:prov:", "activate", "{}", USER, "lift account_enabled Disabled".into()),
        ("urn:x:", "whatever", "{}", USER, "nothing unknown_event".into()),
    ];
    let mut types = std::collections::BTreeSet::new();
    for (prefix, name, json, subject, want) in cases {
        let event = event(&format!("{prefix}{name}"), json);
        let sub_id = SubId::parse_str(subject).unwrap();
        assert_eq!(shown(plan(&event, &sub_id, false, Strength::Contain)), want, "{name} {json}");
        for weak in [Strength::Record, Strength::RaiseRisk] {
            assert!(matches!(plan(&event, &sub_id, false, weak), Plan::Nothing(_)), "{name}");
        }
        types.insert(event.event_type);
    }
    assert!(EventType::NAMED.iter().all(|named| types.contains(named)));
    let logout = event(&format!("{CAEP}session-revoked"), r#"{"initiating_entity":"user"}"#);
    let all = plan(&logout, &SubId::parse_str(SESSION).unwrap(), true, Strength::Contain);
    assert_eq!(shown(all), format!("stop sessions_revoked ByRole Issued Revoked {other}"));
}
