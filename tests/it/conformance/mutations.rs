//! Each way to go wrong is found by the row that it breaks: the proof that the cases can fail.

use std::sync::Arc;

use ssf_hub::conformance::report::Verdict;

use super::run;
use super::scripted::{Common, common};

const FAILED: Verdict = Verdict::Failed;
const WARNING: Verdict = Verdict::Warning;

/// How many run at a time: each has its own transmitter, sink and client.
const AT_ONCE: usize = 6;

/// How it goes wrong, the default of its streams, the row, the verdict.
type Wrong = (&'static str, &'static str, &'static str, Verdict);

const TABLE: &[Wrong] = &[
    ("metadata as text", "ALL", "SSF-TX-META-05", FAILED),
    ("metadata by POST", "ALL", "SSF-TX-META-04", FAILED),
    ("issuer is another", "ALL", "SSF-TX-META-02", FAILED),
    ("empty array", "ALL", "SSF-TX-META-06", FAILED),
    ("methods as text", "ALL", "SSF-TX-META-07", FAILED),
    ("default_subjects in lower case", "ALL", "SSF-TX-META-27", FAILED),
    ("any issuer", "ALL", "SSF-TX-META-09", FAILED),
    ("spec_urn is a URL", "ALL", "SSF-TX-META-25", FAILED),
    ("spec_urn is a URL", "ALL", "INTEROP-13", FAILED),
    ("old spec_version", "ALL", "INTEROP-05", FAILED),
    ("private key", "ALL", "SSF-TX-META-15", FAILED),
    ("reads are free", "ALL", "SSF-TX-AUTH-01", FAILED),
    ("no challenge", "ALL", "SSF-TX-AUTH-05", FAILED),
    ("everybody's streams", "ALL", "SSF-TX-AUTH-02", FAILED),
    ("reads are writes", "ALL", "INTEROP-34", FAILED),
    ("a SET is a token", "ALL", "SSF-TX-AUTH-09", FAILED),
    ("query token", "ALL", "INTEROP-32", FAILED),
    ("create is 200", "ALL", "SSF-TX-CRE-01", FAILED),
    ("no events_delivered", "ALL", "SSF-TX-CRE-01", FAILED),
    ("iss of another", "ALL", "SSF-TX-CFG-03", FAILED),
    ("no delivery", "ALL", "SSF-TX-CRE-01", FAILED),
    ("delivers what it does not know", "ALL", "SSF-TX-CFG-09", FAILED),
    ("takes a stream_id", "ALL", "SSF-TX-CFG-29", FAILED),
    ("takes any body", "ALL", "SSF-TX-CRE-08", FAILED),
    ("one is no list", "ALL", "SSF-TX-READ-02", FAILED),
    ("unknown is 200", "ALL", "SSF-TX-READ-04", FAILED),
    ("changes nothing", "ALL", "SSF-TX-PATCH-03", FAILED),
    ("patch clears", "ALL", "SSF-TX-PATCH-04", FAILED),
    ("takes any iss", "ALL", "SSF-TX-PATCH-05", FAILED),
    ("takes any aud", "ALL", "SSF-TX-CFG-05", FAILED),
    ("compares what comes", "ALL", "SSF-TX-PATCH-07", FAILED),
    ("compares what comes", "ALL", "SSF-TX-PUT-07", FAILED),
    ("put keeps", "ALL", "SSF-TX-PUT-03", FAILED),
    ("takes any iss", "ALL", "SSF-TX-PUT-05", FAILED),
    ("delete is 200", "ALL", "SSF-TX-DEL-01", FAILED),
    ("polls what is deleted", "ALL", "SSF-TX-DEL-04", FAILED),
    ("status in upper case", "ALL", "SSF-TX-STAT-02", FAILED),
    ("status stays", "ALL", "SSF-TX-STAT-13", FAILED),
    ("reason is lost", "ALL", "SSF-TX-STAT-03", WARNING),
    ("any status", "ALL", "SSF-TX-STAT-15", FAILED),
    ("verifies while paused", "ALL", "SSF-TX-STAT-08", FAILED),
    ("paused drops", "ALL", "SSF-TX-STAT-09", WARNING),
    ("paused turns round", "ALL", "SSF-TX-STAT-11", FAILED),
    ("disabled holds", "ALL", "SSF-TX-STAT-12", FAILED),
    ("one status for all", "ALL", "SSF-TX-STAT-16", FAILED),
    ("no stream-updated", "ALL", "SSF-TX-STAT-17", FAILED),
    ("no stream-updated", "ALL", "SSF-UPD-04", FAILED),
    ("add is 204", "ALL", "SSF-TX-SUBJ-09", FAILED),
    ("any subject", "ALL", "SSF-TX-SUBJ-17", FAILED),
    ("removes itself", "ALL", "SSF-TX-SUBJ-15", FAILED),
    ("remove is forgotten", "ALL", "SSF-TX-META-28", FAILED),
    ("sends every subject", "NONE", "SSF-TX-META-29", FAILED),
    ("names without case", "NONE", "SSF-TX-SUBJ-02", FAILED),
    ("complex as a whole", "NONE", "SSF-TX-SUBJ-04", WARNING),
    ("complex as a whole", "NONE", "SSF-TX-SUBJ-03", FAILED),
    ("any member will do", "NONE", "SSF-TX-SUBJ-06", WARNING),
    ("state is lost", "ALL", "SSF-VER-05", FAILED),
    ("sub_id of another", "ALL", "SSF-VER-04", FAILED),
    ("verify is 200", "ALL", "SSF-VER-07", FAILED),
    ("verifies once", "ALL", "SSF-VER-12", WARNING),
    ("sends every type", "ALL", "SSF-TX-CFG-13", FAILED),
    ("typ JWT", "ALL", "SSF-SET-01", FAILED),
    ("sub", "ALL", "SSF-SET-02", FAILED),
    ("exp", "ALL", "SSF-SET-03", FAILED),
    ("no sub_id", "ALL", "SSF-SET-04", FAILED),
    ("aud of another", "ALL", "SSF-SET-15", FAILED),
    ("iss in SETs", "ALL", "SSF-TX-META-12", FAILED),
    ("iat in milliseconds", "ALL", "SET-02", FAILED),
    ("one jti for all", "ALL", "SET-03", FAILED),
    ("two events", "ALL", "SSF-SET-18", WARNING),
    ("two events", "ALL", "INTEROP-37", FAILED),
    ("no txn", "ALL", "SSF-SET-16", WARNING),
    ("signature", "ALL", "SET-15", FAILED),
    ("event_timestamp is now", "ALL", "CAEP-GEN-06", FAILED),
    ("reason_admin as text", "ALL", "CAEP-GEN-04", FAILED),
    ("reason_admin as text", "ALL", "INTEROP-38", FAILED),
    ("not_compliant", "ALL", "CAEP-EVT-16", FAILED),
    ("change_type as it likes", "ALL", "CAEP-EVT-07", FAILED),
    ("opts out at once", "ALL", "RISC-13", FAILED),
    ("opt-out cannot be cancelled", "ALL", "RISC-14", FAILED),
    ("opt-out is forgotten", "ALL", "RISC-15", FAILED),
    ("opt-out is for ever", "ALL", "RISC-12", FAILED),
    ("says nothing of opt-out", "ALL", "RISC-16", WARNING),
    ("trusts anybody", "ALL", "PUSH-31", FAILED),
    ("pushes JSON", "ALL", "PUSH-02", FAILED),
    ("pushes without authorization", "ALL", "SSF-TX-CFG-19", FAILED),
    ("pushes an authorization of its own", "ALL", "PUSH-07", WARNING),
    ("pushes twice", "ALL", "PUSH-14", WARNING),
    ("sets as a list", "ALL", "POLL-12", FAILED),
    ("keys of its own", "ALL", "POLL-12", FAILED),
    ("any number", "ALL", "POLL-03", WARNING),
    ("any number", "ALL", "POLL-05", FAILED),
    ("never waits", "ALL", "POLL-07", FAILED),
    ("acks are forgotten", "ALL", "POLL-16", FAILED),
    ("any poll", "ALL", "POLL-24", FAILED),
];

/// Rows that judge what other cases saw: with what they are run.
fn beside(row: &str) -> &'static [&'static str] {
    match row {
        "PUSH-02" => &["push"],
        "SET-03" => &["push"],
        _ if row.starts_with("SET-") || row.starts_with("SSF-SET-") => &["verification", "one-cause"],
        "SSF-TX-META-12" | "SSF-TX-META-15" | "INTEROP-37" | "INTEROP-38" => &["verification", "one-cause"],
        _ => &[],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_is_found_by_its_row() {
    let (common, places) = (common(), Arc::new(tokio::sync::Semaphore::new(AT_ONCE)));
    let mut running = tokio::task::JoinSet::new();
    for (nth, (wrong, default, row, verdict)) in TABLE.iter().enumerate() {
        let (common, places) = (common.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            missed(&common, (wrong, default, row, *verdict)).await.map(|_| nth)
        });
    }
    // Some rows wait for what comes, and on a busy machine it comes too late. Those get one more run, alone.
    let mut late: Vec<usize> = running.join_all().await.into_iter().flatten().collect();
    late.sort_unstable();
    assert!(late.len() <= TABLE.len() / 10, "{} rows missed what they are for", late.len());
    let mut all = vec![];
    for nth in late {
        all.extend(missed(&common, TABLE[nth]).await);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// What the row said, if it is not what it should have said.
async fn missed(common: &Common, (wrong, default, row, verdict): Wrong) -> Option<String> {
    let only: Vec<&str> = beside(row).iter().copied().chain([row]).collect();
    let report = run(common, wrong, default, &only).await;
    let found = report.row(row).unwrap();
    (found.verdict != verdict).then(|| format!("{wrong}: {row} is {:?} ({})", found.verdict, found.why))
}
