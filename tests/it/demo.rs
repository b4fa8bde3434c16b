//! `ssf-hub demo --once`, the README's first command: the story as its lines for machines tell it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_story_is_told_by_what_was_measured() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ssf-hub"));
    // A configuration file that lies about must not be found, and what is left behind must be seen.
    command.args(["demo", "--once", "--json"]).current_dir(home.path()).env("TMPDIR", home.path());
    let told = command.output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{said}\n{}", String::from_utf8_lossy(&told.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [places, measured, outcome] = lines.as_slice() else { panic!("three lines: {said}") };
    assert!(places["hub"]["public"].is_string());

    let receivers = outcome["receivers"].as_array().unwrap();
    let methods: BTreeSet<&str> = receivers.iter().map(|r| r["method"].as_str().unwrap()).collect();
    assert_eq!(methods, BTreeSet::from(["poll", "push"]));
    let causes: BTreeSet<&str> = receivers.iter().map(|r| r["txn"].as_str().unwrap()).collect();
    assert_eq!(causes.len(), 1, "one logout, one txn: {outcome}");
    let jtis: BTreeSet<&str> = receivers.iter().map(|r| r["jti"].as_str().unwrap()).collect();
    assert_eq!(jtis.len(), receivers.len(), "each receiver has a SET of its own");

    let stopped = |gate: bool| -> BTreeSet<String> {
        let (rows, name) = match gate {
            true => (&measured["gate"], "refused_after_ms"),
            false => (&outcome["runs"], "stopped"),
        };
        let such = |row: &&Value| if gate { row[name].is_number() } else { row[name] == true };
        let rows = rows.as_array().unwrap().iter().filter(such);
        rows.map(|row| row["run"].as_str().unwrap().to_owned()).collect()
    };
    let run_of_alice = BTreeSet::from(["r1", "r1.1", "r1.1.1"].map(String::from));
    assert_eq!(stopped(false), run_of_alice, "the night shift goes on: {outcome}");
    assert_eq!(stopped(true), run_of_alice, "what the gate refused is what was told: {measured}");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
