//! `conformance/README.md`, made from the data: every row with its case, or why it has none.
//!
//! A test holds the file to what is written here; `ssf-hub conformance table` prints it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::cases;
use super::requirement::{BadData, Requirement, reasons, rows};
use super::run::case_of_row;

/// What stands before the table.
const INTRODUCTION: &str = include_str!("../../conformance/introduction.md");

/// What stands before what our own hub does about the rows that no case proves of it.
const OURS: &str = "## What this hub does about rows that no case proves of it\n\nEvery other row is passed by \
                    `tests/it/conformance/hub.rs`: by this hub, over TLS, push and poll, as each of them is tried on any transmitter.";

/// The whole file.
pub fn text() -> Result<String, BadData> {
    let (cases, rows, reasons) = (cases()?, rows()?, reasons()?);
    let by_row = case_of_row(&cases.cases);
    let mut out = String::from(INTRODUCTION);
    let with_case = rows.iter().filter(|row| by_row.contains_key(row.id.as_str())).count();
    let binding = |row: &&Requirement| row.level.binds();
    let musts = rows.iter().filter(binding).count();
    let tried = rows.iter().filter(binding).filter(|row| by_row.contains_key(row.id.as_str())).count();
    // Writing into a String does not fail.
    let _ = writeln!(
        out,
        "\n## Rows\n\n{} rows, {with_case} with a case ({} cases); of {musts} that bind, {tried}.\n",
        rows.len(),
        cases.cases.len()
    );
    let _ =
        writeln!(out, "| row | level | what it asks for | case, or why there is none |\n|---|---|---|---|");
    for row in &rows {
        let how = match by_row.get(row.id.as_str()).and_then(|all| all.first()) {
            Some(case) => format!("`{}`", case.id),
            None => reasons.rows.get(&row.id).map(|name| format!("none: {name}")).unwrap_or_default(),
        };
        let _ = writeln!(out, "| {} | {} | {} | {how} |", row.id, row.level.word(), row.text);
    }
    let _ = writeln!(out, "\n## Why a row has no case\n\n| name | reason |\n|---|---|");
    for (name, reason) in &reasons.reasons {
        let _ = writeln!(out, "| {name} | {reason} |");
    }
    for (area, reason) in &reasons.areas {
        let _ = writeln!(out, "| all rows {area}-… | {reason} |");
    }
    let _ = writeln!(out, "\n{OURS}\n\n| row | ssf-hub |\n|---|---|");
    for row in rows.iter().filter(|row| reasons.ours.contains_key(&row.id)) {
        let _ = writeln!(out, "| {} | {} |", row.id, reasons.ours.get(&row.id).map_or("", String::as_str));
    }
    let _ = writeln!(out, "\n## Cases\n\n| case | what it is about | needs | rows |\n|---|---|---|---|");
    for case in &cases.cases {
        let needs = case.needs.join(", ");
        let _ = writeln!(out, "| `{}` | {} | {needs} | {} |", case.id, case.title, ranges(&case.rows));
    }
    Ok(out)
}

/// Rows by area: `SSF-TX-META 01 02, SET 01`.
fn ranges(rows: &[String]) -> String {
    let mut areas: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows {
        let (area, number) = row.rsplit_once('-').unwrap_or((row, ""));
        areas.entry(area).or_default().push(number);
    }
    let area = |(area, numbers): (&&str, &Vec<&str>)| format!("{area} {}", numbers.join(" "));
    areas.iter().map(area).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    /// Set, the test writes the file instead of comparing it.
    const REWRITE: &str = "SSF_HUB_REWRITE_README";

    #[test]
    fn the_file_is_what_the_data_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/README.md");
        let want = super::text().unwrap();
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(&path, &want).unwrap();
        }
        let got = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            got == want,
            "conformance/README.md is not what the data says: run this test with {REWRITE}=1"
        );
    }
}
