//! The command as a stranger runs it: the table on standard output, how far it is on standard error, the report in its file,
//! and an exit status that says what came of it.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::scripted::{Scripted, common};

async fn conformance(args: Vec<String>) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ssf-hub"));
    command.args(["conformance", "transmitter"]).args(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn args(issuer: &str, only: &str, report: &Path, token: &str) -> Vec<String> {
    let report = report.display().to_string();
    [
        "--issuer",
        issuer,
        "--token",
        token,
        "--only",
        only,
        "--report",
        &report,
        "--silence-s",
        "0.2",
        "--timeout",
        "30",
    ]
    .map(String::from)
    .to_vec()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_status_says_what_came_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.json");
    let right = Scripted::start(common(), "", "ALL").await;
    let wrong = Scripted::start(common(), "delete is 200", "ALL").await;
    let (here, there) = (right.issuer.as_str(), wrong.issuer.as_str());
    let nowhere = dir.path().join("no/such/folder/report.json");
    let query = format!("{here}?a=b");
    let table = [
        (args(here, "delete", &file, "token-of-a"), 0, "SSF-TX-DEL-01  passed", ""),
        (
            args(there, "delete", &file, "token-of-a"),
            1,
            "SSF-TX-DEL-01  FAILED",
            "1 row(s) that bind do not hold",
        ),
        (args(here, "nothing-like-it", &file, "token-of-a"), 1, "0 passed", "no row could be tried"),
        (args(here, "delete", &nowhere, "token-of-a"), 2, "", "--report"),
        (args(&query, "delete", &file, "token-of-a"), 2, "", "--issuer"),
        (args("nowhere", "delete", &file, "token-of-a"), 2, "", "--issuer"),
        (vec!["--issuer".into(), here.into()], 2, "", "--token"),
    ];
    for (args, status, out, err) in table {
        let what = args.join(" ");
        let _ = std::fs::remove_file(&file);
        let output = conformance(args).await;
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{what}: {said}{told}");
        assert!(said.contains(out) && told.contains(err), "{what}: {said}{told}");
        if status < 2 {
            let report: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            assert!(report["rows"].is_array() && report["issuer"].is_string(), "{report}");
            assert!(!said.contains("token-of-a") && !report.to_string().contains("token-of-a"));
        }
        if status == 0 {
            assert!(told.contains("1/1 delete: "), "how far it is: {told}");
        }
    }
    let help = text(&conformance(vec!["--help".into()]).await.stdout);
    for word in ["Exit status", "--emit-command", "--known-subject", "--at-most-s", "SSF_CONFORMANCE_TOKEN"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert_eq!(right.with(|world| world.streams.len()), 0);
}
