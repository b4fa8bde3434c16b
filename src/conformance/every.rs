//! Judging all that was seen in a run: each SET, each push, each answer.
//!
//! The cases that do this stand last. Where nothing was seen there is nothing to say: the row does not apply.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Trouble;
use super::action::Every;
use super::shape::at;
use super::stage::Stage;

/// Most faults that are told.
const FAULTS_MAX: usize = 3;

/// Judges.
pub fn judge(stage: &mut Stage<'_>, every: &Every) -> Result<(), Trouble> {
    let seen: Vec<Value> = stage.lab.record(|record| match every.of.as_str() {
        "sets" => record.sets.clone(),
        "pushes" => record.pushes.clone(),
        _ => record.answers.clone(),
    });
    let unknown = |u: super::template::Unknown| Trouble::na(u.to_string());
    let (mut judged, mut good, mut faults) = (0_usize, 0_usize, vec![]);
    for doc in &seen {
        if !every.filter.fits(doc, &stage.known).map_err(unknown)? {
            continue;
        }
        judged += 1;
        // A shape may compare a document with itself: `{it.…}`.
        stage.known.insert("it".into(), doc.clone());
        let found = every.expect.faults(doc, &stage.known).map_err(unknown)?;
        good += usize::from(found.is_empty());
        if !found.is_empty() && faults.len() < FAULTS_MAX {
            stage.saw(stage.lab.redacted(&about(doc)));
            faults.push(found.join("; "));
        }
    }
    if every.some && good > 0 {
        faults.clear();
    }
    if let Some(twice) = shared(&seen, every) {
        faults.push(twice);
    }
    match (judged, faults.is_empty()) {
        (_, false) => Err(Trouble::wrong(faults.join(" | "))),
        (0, _) => Err(Trouble::na(unseen(every))),
        _ => Ok(()),
    }
}

/// Of which kind nothing was seen.
fn unseen(every: &Every) -> String {
    let filter = &every.filter.0;
    let which = if filter.is_empty() { String::new() } else { format!(": {}", json!(filter)) };
    format!("nothing of that kind was seen in this run{which}")
}

/// Values that two different documents share although they must not. What came twice is one document.
fn shared(seen: &[Value], every: &Every) -> Option<String> {
    let mut by_key: BTreeMap<String, &Value> = BTreeMap::new();
    for doc in seen.iter().filter(|_| !every.distinct.is_empty()) {
        let key: Vec<String> =
            every.distinct.iter().map(|p| at(doc, p).unwrap_or(&Value::Null).to_string()).collect();
        let other = by_key.insert(key.join(" "), &doc["claims"]);
        if other.is_some_and(|other| *other != doc["claims"]) {
            return Some(format!("two different SETs share {}", key.join(" ")));
        }
    }
    None
}

/// A document for people.
fn about(doc: &Value) -> String {
    let text = if doc["claims"].is_object() {
        format!("case {}: {} {}", doc["case"], doc["header"], doc["claims"])
    } else if doc["body"].is_string() {
        format!("{} {}", doc["headers"], doc["body"])
    } else {
        format!("{} {} → {} {}", doc["method"], doc["url"], doc["status"], doc["headers"])
    };
    super::exchange::shown(&text)
}
