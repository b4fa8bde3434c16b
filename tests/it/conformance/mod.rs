//! The conformance runner: that its cases pass where a transmitter is right and fail where it is wrong.
//!
//! - [`scripted`], [`doors`], [`manage`], [`wire`]: a small transmitter of our own · [`wrongs`]: ways to go wrong in what it says
//! - [`mutations`]: each is found by its row · [`secure`]: the same over TLS · [`others`]: right, and yet different
//! - [`odd`]: what is hardly a transmitter · [`command`]: the command line · [`hub`]: our own hub

mod command;
mod doors;
mod hub;
mod manage;
mod mutations;
mod odd;
mod opted;
mod others;
mod scripted;
mod secure;
mod wire;
mod wrongs;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::conformance::emit::{Hook, Values};
use ssf_hub::conformance::report::Verdict;
use ssf_hub::conformance::settings::{Credentials, Profile, SinkSettings};
use ssf_hub::conformance::{Report, Settings};

use scripted::{Common, Scripted, common};

/// A subject that a scripted transmitter knows.
fn known_subject() -> Value {
    json!({ "format": "email", "email": "known@conformance.example" })
}

/// How the runner is set up against a scripted transmitter.
fn settings(transmitter: &Arc<Scripted>) -> Settings {
    let token = |token: &str| Credentials::Token(token.into());
    let (emitting, operating) = (transmitter.clone(), transmitter.clone());
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    Settings {
        b: Some(token("token-of-b")),
        other_issuer: Some(format!("{}/t/y", transmitter.base)),
        known_subject: Some(known_subject()),
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
        // Who is right is waited for; who is wrong is waited for in vain, many times.
        timeout: Duration::from_secs(if transmitter.wrong().is_empty() { 30 } else { 8 }),
        silence: Duration::from_millis(500),
        ..Settings::new(
            &transmitter.issuer,
            Credentials::Client { id: "a".into(), secret: "secret-of-a".into() },
        )
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
        for secret in ["token-of-a", "token-of-b", "token-to-read", "secret-of-a", "Bearer push-"] {
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

/// Rows that do not apply to the scripted transmitter as it is: no terminating slash, no https, no critical members, no
/// inactivity, no verification unasked, no payload subject. [`others`] and [`secure`] have those.
const SKIPPED: [&str; 22] = [
    "SSF-TX-META-03",
    "SSF-TX-META-11",
    "SSF-TX-META-14",
    "SSF-TX-META-17",
    "SSF-TX-META-18",
    "SSF-TX-META-19",
    "SSF-TX-META-20",
    "SSF-TX-META-21",
    "SSF-TX-META-22",
    "SSF-TX-CFG-24",
    "SSF-TX-CFG-25",
    "SSF-TX-CFG-26",
    "SSF-TX-CFG-27",
    "SSF-TX-CFG-28",
    "SSF-VER-01",
    "SSF-VER-06",
    "SET-16",
    "SSF-SET-05",
    "PUSH-32",
    "POLL-27",
    "INTEROP-01",
    "INTEROP-02",
];
