//! Each way to go wrong is found by the row that it breaks: the proof that the cases can fail.

use std::sync::Arc;

use ssf_hub::conformance::report::Verdict;

use super::run;
use super::scripted::{Common, common};

const FAILED: Verdict = Verdict::Failed;
const WARNING: Verdict = Verdict::Warning;

/// How many run at a time: each has its own transmitter, sink and client.
const AT_ONCE: usize = 6;
/// How often what came too late is tried again.
const AGAIN_MAX: usize = 3;

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
    ("no issuer", "ALL", "SSF-TX-META-01", FAILED),
    ("drops the slash", "ALL", "SSF-TX-META-03", FAILED),
    ("no jwks_uri", "ALL", "SSF-TX-META-13", FAILED),
    ("no jwks_uri", "ALL", "INTEROP-07", FAILED),
    ("no methods", "ALL", "SSF-TX-META-16", WARNING),
    ("no methods", "ALL", "INTEROP-06", FAILED),
    ("no schemes", "ALL", "SSF-TX-META-24", WARNING),
    ("offers the least", "ALL", "SSF-TX-AUTH-07", WARNING),
    ("the document of old", "ALL", "SSF-TX-META-30", WARNING),
    ("one document for all", "ALL", "SSF-TX-META-31", FAILED),
    ("polls are free", "ALL", "SSF-TX-META-26", WARNING),
    ("garbage is 400", "ALL", "SSF-TX-AUTH-03", FAILED),
    ("takes longer tokens", "ALL", "INTEROP-33", FAILED),
    ("403 says nothing", "ALL", "INTEROP-35", FAILED),
    ("a reader reads nothing", "ALL", "INTEROP-29", FAILED),
    ("manages all but the status", "ALL", "INTEROP-28", FAILED),
    ("manages all but the status", "ALL", "INTEROP-10", FAILED),
    ("manages all but the status", "ALL", "SSF-TX-STAT-13", FAILED),
    ("token for a day", "ALL", "INTEROP-25", FAILED),
    ("token for a day", "ALL", "POLL-28", FAILED),
    ("scopes of its own", "ALL", "INTEROP-27", FAILED),
    ("free for all", "ALL", "SSF-TX-CRE-09", FAILED),
    ("free for all", "ALL", "SSF-TX-READ-05", FAILED),
    ("empty aud", "ALL", "SSF-TX-CFG-04", FAILED),
    ("one poll URL for all", "ALL", "SSF-TX-CFG-20", FAILED),
    ("no poll URL", "ALL", "SSF-TX-CFG-17", FAILED),
    ("no poll there", "ALL", "SSF-TX-CRE-04", FAILED),
    ("supports nothing", "ALL", "SSF-TX-CFG-12", FAILED),
    ("no delivery", "ALL", "SSF-TX-CFG-15", FAILED),
    ("no delivery", "ALL", "INTEROP-15", FAILED),
    ("pushes to nowhere", "ALL", "SSF-TX-CFG-16", FAILED),
    ("keeps one type back", "ALL", "SSF-TX-CFG-13", FAILED),
    ("delivers no CAEP", "ALL", "INTEROP-04", FAILED),
    ("idle: nothing counts", "ALL", "SSF-TX-CFG-25", FAILED),
    ("idle: a poll does not count", "ALL", "SSF-TX-CFG-26", FAILED),
    ("idle: a push counts", "ALL", "SSF-TX-CFG-27", FAILED),
    ("idle: says nothing", "ALL", "SSF-TX-CFG-28", FAILED),
    ("wants a delivery", "ALL", "SSF-TX-CRE-02", FAILED),
    ("second create is 500", "ALL", "SSF-TX-CRE-06", FAILED),
    ("second create is 500", "ALL", "SSF-TX-CRE-07", FAILED),
    ("create is 200", "ALL", "INTEROP-08", FAILED),
    ("create is 200", "ALL", "INTEROP-16", FAILED),
    ("create is 200", "ALL", "INTEROP-31", FAILED),
    ("offers poll alone", "ALL", "INTEROP-14", FAILED),
    ("a list for one", "ALL", "SSF-TX-READ-01", FAILED),
    ("no streams is 404", "ALL", "SSF-TX-READ-03", FAILED),
    ("may be stored", "ALL", "SSF-TX-READ-07", WARNING),
    ("changes are 204", "ALL", "SSF-TX-PATCH-01", FAILED),
    ("changes are 204", "ALL", "SSF-TX-PUT-01", FAILED),
    ("wants iss", "ALL", "SSF-TX-PATCH-06", FAILED),
    ("wants iss", "ALL", "SSF-TX-PUT-06", FAILED),
    ("narrows nothing", "ALL", "SSF-TX-PATCH-08", FAILED),
    ("unknown is 200", "ALL", "SSF-TX-PATCH-11", FAILED),
    ("unknown is 200", "ALL", "SSF-TX-PUT-09", FAILED),
    ("unknown is 200", "ALL", "SSF-TX-STAT-05", FAILED),
    ("unknown is 200", "ALL", "SSF-TX-SUBJ-12", FAILED),
    ("removes anything", "ALL", "SSF-TX-SUBJ-14", FAILED),
    ("unknown is 200", "ALL", "SSF-VER-10", FAILED),
    ("loses what is owed", "ALL", "SSF-TX-PATCH-13", FAILED),
    ("every delete is 204", "ALL", "SSF-TX-DEL-03", FAILED),
    ("status without stream_id", "ALL", "SSF-TX-STAT-01", FAILED),
    ("no status by GET", "ALL", "INTEROP-09", FAILED),
    ("no status by GET", "ALL", "INTEROP-18", FAILED),
    ("no disabled", "ALL", "INTEROP-10", FAILED),
    ("sends nothing", "ALL", "SSF-TX-STAT-07", FAILED),
    ("sends nothing", "NONE", "SSF-TX-SUBJ-01", WARNING),
    ("sends nothing", "NONE", "SSF-TX-SUBJ-10", WARNING),
    ("old stream-updated", "ALL", "SSF-UPD-01", FAILED),
    ("no new status", "ALL", "SSF-UPD-02", FAILED),
    ("stream-updated of another", "ALL", "SSF-UPD-03", FAILED),
    ("tells of no return", "ALL", "SSF-UPD-05", FAILED),
    ("verified as it likes", "ALL", "SSF-TX-SUBJ-08", FAILED),
    ("remove is 200", "ALL", "SSF-TX-SUBJ-13", FAILED),
    ("subjects of all streams", "NONE", "SSF-TX-SUBJ-16", FAILED),
    ("complex as a whole", "NONE", "SSF-TX-SUBJ-07", FAILED),
    ("tells who is known", "ALL", "SEC-01", WARNING),
    ("old verification", "ALL", "SSF-VER-03", FAILED),
    ("state unasked", "ALL", "SSF-VER-06", FAILED),
    ("an old state unasked", "ALL", "SSF-VER-06", FAILED),
    ("verify is 200", "ALL", "INTEROP-12", FAILED),
    ("verify is 200", "ALL", "INTEROP-19", FAILED),
    ("no iss", "ALL", "SET-01", FAILED),
    ("no aud", "ALL", "SET-05", WARNING),
    ("no events", "ALL", "SET-06", FAILED),
    ("the event is a text", "ALL", "SET-07", FAILED),
    ("the event is a text", "ALL", "SSF-SET-23", FAILED),
    ("an event twice", "ALL", "SET-08", FAILED),
    ("typ JWT", "ALL", "SET-14", WARNING),
    ("exp", "ALL", "SET-21", WARNING),
    ("unsigned", "ALL", "SET-18", FAILED),
    ("unsigned", "ALL", "SUBJ-28", FAILED),
    ("iss in SETs", "ALL", "SSF-SET-10", FAILED),
    ("another subject inside", "ALL", "SSF-SET-05", FAILED),
    ("a subject in verification", "ALL", "SSF-SET-07", FAILED),
    ("one txn for all", "ALL", "SSF-SET-17", FAILED),
    ("signs ES256", "ALL", "INTEROP-23", FAILED),
    ("signature", "ALL", "INTEROP-07", FAILED),
    ("no format", "ALL", "SUBJ-01", FAILED),
    ("adds to subjects", "ALL", "SUBJ-03", FAILED),
    ("adds to subjects", "ALL", "SSF-SET-09", FAILED),
    ("format of its own", "ALL", "SUBJ-04", FAILED),
    ("no sub_id", "ALL", "SUBJ-17", FAILED),
    ("old words", "ALL", "SUBJ-27", FAILED),
    ("old words", "ALL", "RISC-20", FAILED),
    ("spoils subjects", "ALL", "SUBJ-02", FAILED),
    ("spoils subjects", "ALL", "SUBJ-05", FAILED),
    ("spoils subjects", "ALL", "SUBJ-06", FAILED),
    ("spoils subjects", "ALL", "SUBJ-08", FAILED),
    ("spoils subjects", "ALL", "SUBJ-09", FAILED),
    ("spoils subjects", "ALL", "SUBJ-10", FAILED),
    ("spoils subjects", "ALL", "SUBJ-11", FAILED),
    ("spoils subjects", "ALL", "SUBJ-12", FAILED),
    ("spoils subjects", "ALL", "SUBJ-13", FAILED),
    ("spoils subjects", "ALL", "SUBJ-19", FAILED),
    ("spoils subjects", "ALL", "SUBJ-20", FAILED),
    ("spoils subjects", "ALL", "SUBJ-21", FAILED),
    ("spoils subjects", "ALL", "SUBJ-22", FAILED),
    ("nests subjects", "ALL", "SUBJ-14", FAILED),
    ("nests subjects", "ALL", "SUBJ-25", FAILED),
    ("nests subjects", "ALL", "SUBJ-15", WARNING),
    ("pushes without accept", "ALL", "PUSH-03", FAILED),
    ("pushes in quotes", "ALL", "PUSH-01", FAILED),
    ("pushes in quotes", "ALL", "PUSH-04", FAILED),
    ("pushes without authorization", "ALL", "PUSH-06", FAILED),
    ("pushes again at once", "ALL", "PUSH-15", WARNING),
    ("gives up on a page", "ALL", "PUSH-29", FAILED),
    ("polls by GET", "ALL", "POLL-01", FAILED),
    ("an empty poll is 400", "ALL", "POLL-02", FAILED),
    ("polls as text", "ALL", "POLL-14", FAILED),
    ("acks come late", "ALL", "POLL-23", FAILED),
    ("no challenge", "ALL", "POLL-26", FAILED),
    ("everybody polls", "ALL", "POLL-29", FAILED),
    ("verifies while paused", "ALL", "POLL-30", FAILED),
    ("unknown ack is 400", "ALL", "POLL-32", WARNING),
    ("spoils words", "ALL", "CAEP-GEN-03", FAILED),
    ("spoils words", "ALL", "CAEP-GEN-05", FAILED),
    ("spoils words", "ALL", "CAEP-EVT-06", FAILED),
    ("spoils words", "ALL", "CAEP-EVT-13", FAILED),
    ("spoils words", "ALL", "CAEP-EVT-15", FAILED),
    ("spoils words", "ALL", "CAEP-EVT-19", FAILED),
    ("spoils words", "ALL", "CAEP-EVT-24", FAILED),
    ("spoils words", "ALL", "RISC-04", FAILED),
    ("drops claims", "ALL", "CAEP-EVT-04", FAILED),
    ("drops claims", "ALL", "CAEP-EVT-10", FAILED),
    ("drops claims", "ALL", "CAEP-EVT-11", FAILED),
    ("drops claims", "ALL", "CAEP-EVT-23", FAILED),
    ("drops claims", "ALL", "RISC-10", FAILED),
    ("drops claims", "ALL", "CAEP-EVT-22", WARNING),
    ("user for a token", "ALL", "CAEP-EVT-03", FAILED),
    ("event_timestamp of the issue", "ALL", "CAEP-EVT-17", FAILED),
    ("account for an address", "ALL", "RISC-06", FAILED),
    ("account for an address", "ALL", "RISC-09", FAILED),
    ("opaque subjects", "ALL", "INTEROP-22", FAILED),
    ("reason_admin as text", "ALL", "INTEROP-40", FAILED),
];

/// Rows that judge what other cases saw: with what they are run.
fn beside(row: &str) -> &'static [&'static str] {
    match row {
        "PUSH-02" | "SET-03" => &["push"],
        "PUSH-01" | "PUSH-03" | "PUSH-04" | "PUSH-06" => &["push"],
        "SUBJ-02" => &["subject-formats"],
        "SUBJ-27" => &["risc-events"],
        "SSF-VER-06" => &["verification", "verification-interval", "one-cause"],
        "SSF-TX-CFG-15" | "SSF-TX-READ-07" | "INTEROP-15" => &["create"],
        _ if row.starts_with("SET-") || row.starts_with("SSF-SET-") => &["verification", "one-cause"],
        "SSF-TX-META-12" | "SSF-TX-META-15" | "INTEROP-37" | "INTEROP-38" => &["verification", "one-cause"],
        "INTEROP-22" | "INTEROP-23" | "INTEROP-40" => &["one-cause"],
        "SUBJ-01" | "SUBJ-03" | "SUBJ-04" | "SUBJ-17" | "SUBJ-28" => &["one-cause"],
        _ => &[],
    }
}

/// All that one transmitter goes wrong in is looked for in one run.
fn runs() -> Vec<Vec<Wrong>> {
    let mut runs: Vec<Vec<Wrong>> = vec![];
    for wrong in TABLE {
        match runs.iter_mut().find(|run| (run[0].0, run[0].1) == (wrong.0, wrong.1)) {
            Some(run) => run.push(*wrong),
            None => runs.push(vec![*wrong]),
        }
    }
    runs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_is_found_by_its_row() {
    let (common, places) = (common(), Arc::new(tokio::sync::Semaphore::new(AT_ONCE)));
    let mut running = tokio::task::JoinSet::new();
    for run in runs() {
        let (common, places) = (common.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            (!missed(&common, &run).await.is_empty()).then_some(run)
        });
    }
    // Some rows wait for what comes, and on a busy machine it comes too late. Those are run again, alone.
    let late: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(late.len() <= TABLE.len() / 10, "{} runs missed what they are for", late.len());
    let mut all = vec![];
    for run in late {
        let mut missing = vec![];
        for _ in 0..AGAIN_MAX {
            missing = missed(&common, &run).await;
            if missing.is_empty() {
                break;
            }
        }
        all.extend(missing);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// What rows said, where it is not what they should have said.
async fn missed(common: &Common, wrongs: &[Wrong]) -> Vec<String> {
    let only: Vec<&str> =
        wrongs.iter().flat_map(|(_, _, row, _)| beside(row).iter().copied().chain([*row])).collect();
    let (wrong, default, ..) = wrongs[0];
    let report = run(common, wrong, default, &only).await;
    let said = |(_, _, row, verdict): &Wrong| {
        let found = report.row(row).unwrap();
        (found.verdict != *verdict).then(|| format!("{wrong}: {row} is {:?} ({})", found.verdict, found.why))
    };
    wrongs.iter().filter_map(said).collect()
}
