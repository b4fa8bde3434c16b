//! The conformance runner: that its cases pass where a transmitter is right and fail where it is wrong.

mod doors;
mod hub;
mod mutations;
mod opted;
mod scripted;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ssf_hub::conformance::emit::{Hook, Values};
use ssf_hub::conformance::report::Verdict;
use ssf_hub::conformance::settings::{Credentials, Profile, SinkSettings};
use ssf_hub::conformance::{Report, Settings};

use scripted::{Common, Scripted, common};

/// How the runner is set up against a scripted transmitter.
fn settings(transmitter: &Arc<Scripted>) -> Settings {
    let token = |token: &str| Credentials::Token(token.into());
    let (emitting, operating) = (transmitter.clone(), transmitter.clone());
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    Settings {
        b: Some(token("token-of-b")),
        reader: Some(token("token-to-read")),
        push: Some(SinkSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "http://127.0.0.1:0/events".into(),
            tls: None,
        }),
        bad_tls: Some(("127.0.0.1:0".parse().unwrap(), "https://127.0.0.1:0/events".into())),
        emit: Some(Hook::Function(Arc::new(move |values: Values| {
            let (subject, event) = (parse(&values["subject"]), parse(&values["event"]));
            emitting.emit(&values["type"], &subject, &event, &values["txn"]);
            Box::pin(async { Ok(()) })
        }))),
        status: Some(Hook::Function(Arc::new(move |values: Values| {
            operating.operator(&values["stream"], &values["status"]);
            Box::pin(async { Ok(()) })
        }))),
        profile: Profile::CaepInterop,
        timeout: Duration::from_secs(8),
        silence: Duration::from_millis(500),
        ..Settings::new(&transmitter.issuer, token("token-of-a"))
    }
}

async fn run(common: &Common, wrong: &'static str, default: &'static str, only: &[&str]) -> Report {
    let transmitter = Scripted::start(common.clone(), wrong, default).await;
    let mut settings = settings(&transmitter);
    settings.only = only.iter().map(ToString::to_string).collect();
    let report = ssf_hub::conformance::run(settings).await.unwrap_or_else(|e| panic!("{wrong}: {e:#}"));
    let left: Vec<_> = report.cases.iter().flat_map(|c| &c.left).collect();
    let made = transmitter.with(|world| world.streams.len());
    assert!(
        wrong == "polls what is deleted" || (left.is_empty() && made == 0),
        "{wrong}: {made} streams left"
    );
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transmitter_that_is_right_passes() {
    let common = common();
    let (all, none) = tokio::join!(run(&common, "", "ALL", &[]), run(&common, "", "NONE", &[]));
    for report in [&all, &none] {
        let bad: Vec<_> =
            report.rows.iter().filter(|r| matches!(r.verdict, Verdict::Failed | Verdict::Warning)).collect();
        assert!(bad.is_empty(), "{}", report.table());
        assert_eq!(report.failed_musts(), 0);
    }
    // What does not apply to it is known by name: nothing is skipped by accident.
    assert_eq!(skipped(&all, &none), SKIPPED, "{}", all.table());
    for report in [all, none] {
        let said = serde_json::to_string(&report).unwrap() + &report.table();
        for secret in ["token-of-a", "token-of-b", "token-to-read", "Bearer push-"] {
            assert!(!said.contains(secret), "{secret} is in the report");
        }
    }
}

/// Rows that have a case and did not apply in either run.
fn skipped(one: &Report, other: &Report) -> Vec<String> {
    let na = |report: &Report, row: &str| report.row(row).is_none_or(|r| r.verdict == Verdict::NotApplicable);
    let rows = one.rows.iter().filter(|row| row.case.is_some()).map(|row| row.row.clone());
    rows.filter(|row| na(one, row) && na(other, row)).collect()
}

/// Rows that do not apply to the scripted transmitter: no terminating slash, no second issuer, no https, no critical
/// members, no inactivity, no authorization server, no payload subject, little RISC.
const SKIPPED: [&str; 37] = [
    "SSF-TX-META-03",
    "SSF-TX-META-11",
    "SSF-TX-META-14",
    "SSF-TX-META-17",
    "SSF-TX-META-18",
    "SSF-TX-META-19",
    "SSF-TX-META-20",
    "SSF-TX-META-21",
    "SSF-TX-META-22",
    "SSF-TX-META-31",
    "SSF-TX-CFG-24",
    "SSF-TX-CFG-25",
    "SSF-TX-CFG-26",
    "SSF-TX-CFG-27",
    "SSF-TX-CFG-28",
    "SET-16",
    "SSF-SET-05",
    "PUSH-32",
    "POLL-27",
    "POLL-28",
    "RISC-02",
    "RISC-03",
    "RISC-04",
    "RISC-06",
    "RISC-07",
    "RISC-09",
    "RISC-10",
    "RISC-11",
    "RISC-17",
    "RISC-18",
    "INTEROP-01",
    "INTEROP-02",
    "INTEROP-24",
    "INTEROP-25",
    "INTEROP-27",
    "INTEROP-28",
    "INTEROP-36",
];
