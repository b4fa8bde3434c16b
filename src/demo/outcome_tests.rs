//! Tables for `outcome`, and an outcome in which everything happened as told.

use super::super::cast::RUNS;
use super::super::idp::SESSION_REVOKED;
use super::*;

/// An outcome in which everything happened as told.
pub fn good() -> Outcome {
    let sub_id = json!({ "format": "complex", "session": { "format": "opaque", "id": "S1" } });
    let signal =
        Signal { compact: String::new(), jti: "idp-jti".into(), txn: "txn".into(), sub_id: sub_id.clone() };
    let called = |status, code: Option<&str>| {
        let id = if status == 200 { "default:ok" } else { "default:31" };
        Some(Called { status, decision: Some(id.into()), reason_code: code.map(Into::into) })
    };
    let fate = |run: &Run| Fate {
        before: called(200, None),
        after: if run.of_session { called(401, Some("user_logout")) } else { called(200, None) },
        refused_after: run.of_session.then_some(Duration::from_micros(4321)),
        allowed_since: usize::from(!run.of_session) * 7,
        reason: run.of_session.then(|| "The user logged out".into()),
        ..Fate::new(run)
    };
    let mut outcome = Outcome {
        zero: Duration::from_secs(1),
        received_at: 1_700_000_000_123,
        accepted_after: Duration::from_micros(3900),
        signal,
        expected: vec![("crm", By::Push), ("siem", By::Poll)],
        receipts: vec![],
        fates: RUNS.iter().map(fate).collect(),
        derived_expected: Some(1),
        path: vec!["session S1 --launched_from--> run r1".into()],
    };
    let run = json!({ "format": "complex", "run": { "format": "opaque", "id": "r1" } });
    for (name, by, micros, jti, sub_id) in [
        ("crm", By::Push, 6004, "a", &sub_id),
        ("crm", By::Push, 9999, "a", &sub_id),
        ("siem", By::Poll, 5001, "b", &sub_id),
        ("siem", By::Poll, 5001, "c", &run),
    ] {
        let at = Duration::from_secs(1) + Duration::from_micros(micros);
        let (uri, sub_id) = (SESSION_REVOKED.into(), sub_id.clone());
        outcome.hear(Told { name, by, at, jti: jti.into(), txn: "txn".into(), uri, sub_id });
    }
    outcome
}

#[test]
fn the_line_for_machines() {
    let line = good().line();
    assert_eq!(
        line["receivers"],
        json!([
            { "name": "crm", "method": "push", "jti": "a", "txn": "txn", "after_ms": 6.004 },
            { "name": "siem", "method": "poll", "jti": "b", "txn": "txn", "after_ms": 5.001 },
        ])
    );
    assert_eq!(line["received_at"], 1_700_000_000_123_i64);
    let runs: Vec<_> = line["runs"].as_array().unwrap().iter().map(|r| (&r["run"], &r["stopped"])).collect();
    let want = [("r1", true), ("r1.1", true), ("r1.1.1", true), ("r2", false), ("r2.1", false)];
    assert_eq!(runs.len(), want.len());
    for ((run, stopped), (id, is)) in runs.into_iter().zip(want) {
        assert_eq!((run.as_str(), stopped.as_bool()), (Some(id), Some(is)));
    }
    assert_eq!(line["runs"][1]["why"], "spawned by r1; the user logged out");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&line), ["received_at", "receivers", "runs"]);
    assert!(line["runs"].as_array().unwrap().iter().all(|run| keys(run) == ["run", "stopped", "why"]));
    let details = good().details();
    assert_eq!(details["gate"][0]["refused_after_ms"], 4.321);
    assert_eq!(
        (&details["gate"][1]["decision"], &details["gate"][4]["decision"]),
        (&json!("default:31"), &Value::Null)
    );
    assert_eq!(details["derived"].as_array().unwrap().len(), 1);
    assert!(!format!("{line}{details}").contains('\n'));
}

#[test]
fn nothing_passes_that_did_not_happen() {
    assert_eq!(good().problems(), Vec::<String>::new());
    type Spoil = fn(&mut Outcome);
    let table: [(Spoil, &str); 11] = [
        (|o| o.fates[2].allowed_since = 2, "2 calls of r1.1.1 went through after the 202"),
        (|o| o.fates[3].allowed_since = 0, "r2 did nothing after the 202"),
        (|o| o.receipts.retain(|r| r.told.name != "crm"), "crm was not told by push"),
        (|o| o.receipts.retain(|r| r.is_signal), "only 0 of 1 events that lineage added came"),
        (|o| o.derived_expected = None, "the hub did not say why"),
        (|o| o.derived_expected = Some(0), "lineage added nothing to the signal"),
        (|o| o.fates[0].after = o.fates[0].before.clone(), "r1 was not stopped (200)"),
        (|o| o.fates[1].reason = None, "the hub did not say why r1.1 was stopped"),
        (|o| o.fates[2].before = None, "r1.1.1 could not work before the logout (no answer)"),
        (
            |o| o.fates[3].after = o.fates[0].after.clone(),
            "r2 is innocent and did not go on (401 user_logout)",
        ),
        (|o| o.fates[4].after = None, "r2.1 is innocent and did not go on (no answer)"),
    ];
    for (spoil, want) in table {
        let mut outcome = good();
        spoil(&mut outcome);
        assert_eq!(outcome.problems(), [want]);
    }
    let mut foreign = good();
    let told = Told { txn: "other".into(), jti: "z".into(), ..foreign.receipts[0].told.clone() };
    foreign.hear(told);
    assert_eq!(foreign.receipts.len(), 3);
}
