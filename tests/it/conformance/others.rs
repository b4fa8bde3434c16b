//! Transmitters that are right and yet different: that offer less, have an issuer of another shape, want their tokens asked
//! for otherwise, are in use already. Nothing of that is a fault, and what cannot be tried says why.

use std::time::Duration;

use ssf_hub::conformance::report::Verdict;
use ssf_hub::conformance::settings::{Profile, Settings};
use ssf_hub::conformance::{Report, run};
use tokio::sync::watch;

use super::scripted::{Common, Scripted, common};

/// Cases that say most about a transmitter and take the least time.
const QUICK: [&str; 18] = [
    "create*",
    "several-streams",
    "configuration",
    "read",
    "patch*",
    "put*",
    "delete",
    "status*",
    "subject-requests",
    "verification*",
    "push*",
    "poll*",
    "authorization",
    "isolation",
    "metadata-*",
    "token-*",
    "delivered-types",
    "sets",
];

/// What it is, its cases, rows that pass, rows that do not apply and a word of why.
type Other =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [(&'static str, &'static str)]);

const TABLE: &[Other] = &[
    (
        "offers poll alone",
        &QUICK,
        &["SSF-TX-CRE-01", "SSF-TX-CFG-17", "POLL-12", "SSF-TX-CFG-13"],
        &[("SSF-TX-CFG-16", "does not offer urn:ietf:rfc:8935"), ("PUSH-02", "does not offer")],
    ),
    (
        "offers push alone",
        &QUICK,
        &["SSF-TX-CRE-01", "SSF-TX-CRE-06", "SSF-TX-DEL-01", "SSF-TX-CFG-16", "PUSH-02", "SSF-VER-05"],
        &[("SSF-TX-CRE-03", "does not offer urn:ietf:rfc:8936"), ("POLL-12", "does not offer")],
    ),
    (
        "offers one stream",
        &QUICK,
        &["SSF-TX-CRE-01", "SSF-TX-CRE-07", "SSF-VER-12", "SSF-TX-CFG-19"],
        &[("SSF-TX-CRE-06", "409")],
    ),
    (
        "has a stream and offers no other",
        &QUICK,
        &["SSF-TX-META-01", "SSF-TX-AUTH-03"],
        &[("SSF-TX-CRE-01", "1 stream(s) before the run"), ("SSF-VER-07", "not reached")],
    ),
    (
        "offers no subjects",
        &QUICK,
        &["SSF-TX-CRE-01", "SSF-TX-CFG-13"],
        &[("SSF-TX-SUBJ-09", "names no add_subject_endpoint")],
    ),
    (
        "offers the least",
        &["create*", "read", "patch*", "put*", "delete", "status*", "verification*"],
        &["SSF-TX-CRE-01", "SSF-TX-READ-02", "SSF-TX-PATCH-01", "SSF-TX-DEL-04"],
        &[("SSF-TX-STAT-01", "names no status_endpoint"), ("SSF-VER-07", "names no verification_endpoint")],
    ),
    ("no default", &["delivered-types", "one-cause"], &["SSF-TX-CFG-13", "SET-09"], &[]),
    ("takes no Basic", &["create", "token-*"], &["SSF-TX-CRE-01", "INTEROP-25"], &[]),
    ("has a slash", &["metadata-*", "verification", "sets"], &["SSF-TX-META-03", "SSF-TX-META-12"], &[]),
    (
        "the subject inside as well",
        &["verification", "one-cause", "sets"],
        &["SSF-SET-05", "SSF-SET-07"],
        &[],
    ),
    (
        "the subject inside by roles",
        &["verification", "one-cause", "sets"],
        &["SSF-SET-05", "SSF-SET-07"],
        &[],
    ),
    ("keeps alive", &["keep-alive", "sets"], &["SSF-VER-01", "SSF-VER-06"], &[]),
    (
        "verifies when it is asked",
        &["verification", "sets"],
        &["SSF-VER-05", "SSF-SET-07"],
        &[("SSF-VER-06", "\"/asked\":false")],
    ),
    ("no default", &["metadata-members"], &["SSF-TX-META-06"], &[("SSF-TX-META-27", "default_subjects")]),
    ("holds the last alone", &["paused-and-enabled"], &["SSF-TX-STAT-09"], &[("SSF-TX-STAT-11", "/held")]),
    (
        "takes any number of subjects",
        &["create", "subject-refusals"],
        &["SSF-TX-CRE-01"],
        &[("SSF-TX-SUBJ-12", "\"/status\":429"), ("SSF-TX-SUBJ-14", "\"/status\":429")],
    ),
    (
        "offers any number of streams",
        &["several-streams"],
        &["SSF-TX-CRE-06", "SSF-TX-CFG-01"],
        &[("SSF-TX-CRE-07", "not 409")],
    ),
    (
        "idle",
        &["configuration", "inactivity-*"],
        &["SSF-TX-CFG-24", "SSF-TX-CFG-25", "SSF-TX-CFG-26", "SSF-TX-CFG-27", "SSF-TX-CFG-28"],
        &[],
    ),
];

async fn tried(common: &Common, wrong: &'static str, change: impl FnOnce(&mut Settings)) -> (Report, usize) {
    let transmitter = Scripted::start(common.clone(), wrong, "ALL").await;
    let mut settings = super::settings(&transmitter);
    settings.timeout = Duration::from_secs(30);
    change(&mut settings);
    let report = run(settings).await.unwrap();
    (report, transmitter.with(|world| world.streams.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_offers_less_or_otherwise_is_not_wrong() {
    let (common, mut running) = (common(), tokio::task::JoinSet::new());
    for (wrong, only, passed, na) in TABLE {
        let common = common.clone();
        running.spawn(async move {
            let (report, streams) = tried(&common, wrong, |settings| {
                settings.only = only.iter().map(ToString::to_string).collect();
                settings.keep_alive = (*wrong == "keeps alive").then_some(Duration::ZERO);
                // The profile asks for both delivery methods.
                settings.profile =
                    if *wrong == "takes no Basic" { Profile::CaepInterop } else { Profile::Default };
            })
            .await;
            let verdict = |row: &str| report.row(row).map(|r| (r.verdict, r.why.clone())).unwrap();
            let failed = report.rows.iter().filter(|row| row.verdict == Verdict::Failed);
            let why: Vec<_> = failed.map(|row| (&row.row, &row.why)).collect();
            assert_eq!(report.failed_musts(), 0, "{wrong}: {why:?}");
            for row in *passed {
                assert_eq!(verdict(row).0, Verdict::Passed, "{wrong}: {row}: {}", verdict(row).1);
            }
            for (row, why) in *na {
                let (found, said) = verdict(row);
                assert!(
                    found == Verdict::NotApplicable && said.contains(why),
                    "{wrong}: {row}: {found:?} {said}"
                );
            }
            let there = usize::from(*wrong == "has a stream and offers no other");
            assert_eq!((streams, &report.left), (there, &vec![]), "{wrong}: streams are left");
            assert_eq!(report.objection(), None, "{wrong}");
        });
    }
    running.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_early_in_order() {
    let (common, all) = (common(), ssf_hub::conformance::requirement::rows().unwrap().len());
    let whole = |report: &Report| {
        assert_eq!(report.rows.len(), all, "a verdict on every row");
        assert!(serde_json::to_string(report).unwrap().contains("\"cases\":["));
    };
    // Without a token, what anybody may see is tried all the same.
    let (report, _) = tried(&common, "gives no token", |_| {}).await;
    whole(&report);
    let (meta, create) = (report.row("SSF-TX-META-01").unwrap(), report.row("SSF-TX-CRE-01").unwrap());
    assert_eq!(
        (meta.verdict, create.verdict),
        (Verdict::Passed, Verdict::NotApplicable),
        "{}",
        report.table()
    );
    assert!(create.why.contains("no access token"), "{}", create.why);
    assert!(report.objection().unwrap().contains("invalid_client"), "{:?}", report.objection());
    // An interrupt ends it where it is, with nothing left behind.
    let (stop, stopped) = watch::channel(false);
    let ending = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        stop.send(true).unwrap();
    };
    let ((report, streams), ()) =
        tokio::join!(tried(&common, "", |settings| settings.stop = Some(stopped)), ending);
    whole(&report);
    assert_eq!((streams, &report.left), (0, &vec![]));
    let last = report.row("INTEROP-40").unwrap();
    assert!(last.why.contains("the run was interrupted"), "{}", last.why);
    // So does the end of its time.
    let (report, _) = tried(&common, "", |settings| settings.at_most = Duration::ZERO).await;
    whole(&report);
    assert_eq!(report.count(Verdict::Passed), 0);
    assert_eq!(report.objection().as_deref(), Some("no row could be tried"));
    assert!(report.row("SSF-TX-META-01").unwrap().why.contains("--at-most-s"), "{}", report.table());
}
