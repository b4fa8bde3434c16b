//! Answers on standard output: JSON for machines, tables for people.
//!
//! Texts in an answer may have been written by anybody who can send a signal: control characters never reach
//! the terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Map, Value};

use super::failure::Failure;

/// Longest nested value in a cell of a table, in characters.
const CELL_CHARS_MAX: usize = 60;

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// For machines.
    pub json: bool,
}

impl Printer {
    /// Writes an answer: as it is, or as a table.
    pub fn answer(&self, value: &Value) -> Result<(), Failure> {
        if self.json { self.line(&value.to_string()) } else { self.line(human(value).trim_end()) }
    }

    /// Writes an answer: as it is, or as this sentence.
    pub fn say(&self, value: &Value, sentence: &str) -> Result<(), Failure> {
        if self.json { self.line(&value.to_string()) } else { self.line(&clean(sentence)) }
    }

    /// Writes an answer: as it is, or as these lines.
    pub fn lines(&self, value: &Value, lines: &[String]) -> Result<(), Failure> {
        if self.json {
            return self.line(&value.to_string());
        }
        lines.iter().try_for_each(|text| self.line(&clean(text)))
    }

    /// Writes a text of several lines as it is, without control characters.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        text.lines().try_for_each(|line| self.line(&clean(line)))
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        match writeln!(std::io::stdout(), "{text}") {
            // `ssf-hub list … | head` is no failure.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|e| Failure::Failed(e.into())),
        }
    }
}

/// A value for people.
pub fn human(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(members) if members.is_empty() => line(indent, "nothing", out),
        Value::Object(members) => record(members, indent, out),
        Value::Array(items) if items.is_empty() => line(indent, "none", out),
        Value::Array(items) if items.iter().all(Value::is_object) => table(items, indent, out),
        Value::Array(items) => items.iter().for_each(|item| line(indent, &plain(item), out)),
        scalar => line(indent, &plain(scalar), out),
    }
}

fn line(indent: usize, text: &str, out: &mut String) {
    // Writing into a String does not fail.
    let _ = writeln!(out, "{:indent$}{text}", "");
}

fn record(members: &Map<String, Value>, indent: usize, out: &mut String) {
    let width = members.keys().map(|k| clean(k).chars().count()).max().unwrap_or(0);
    for (key, value) in members {
        let key = clean(key);
        match value {
            Value::Object(m) if !m.is_empty() => {
                line(indent, &key, out);
                block(value, indent + 2, out);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                line(indent, &key, out);
                block(value, indent + 2, out);
            }
            value => line(indent, &format!("{key:width$}  {}", plain(value)), out),
        }
    }
}

fn table(items: &[Value], indent: usize, out: &mut String) {
    let mut columns: Vec<&str> = vec![];
    for key in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    let mut rows = vec![columns.iter().map(|c| clean(c)).collect::<Vec<_>>()];
    rows.extend(items.iter().map(|item| columns.iter().map(|c| cell(&item[*c])).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        line(indent, cells.join("  ").trim_end(), out);
    }
}

fn cell(value: &Value) -> String {
    let text = plain(value);
    let nested = value.is_object() || value.is_array();
    if !nested || text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    text.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(b) => if *b { "yes" } else { "no" }.into(),
        Value::String(text) => clean(text),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => clean(&other.to_string()),
    }
}

/// Without control characters, and without those that turn the direction of the text.
fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().flat_map(|c| if hidden(c) { c.escape_unicode().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_and_records() {
        let rows = json!([{"id": "a", "aud": ["x", "y"], "on": true}, {"id": "long-id", "why": null}]);
        assert_eq!(human(&rows), "id       aud   on   why\na        x, y  yes  -\nlong-id  -     -    -\n");
        let record = json!({"seq": 42, "target": {"kind": "run"}, "paths": [], "steps": [{"n": 1}]});
        assert_eq!(human(&record), "seq     42\ntarget\n  kind  run\npaths   -\nsteps\n  n\n  1\n");
        assert_eq!((human(&json!([])), human(&json!({}))), ("none\n".into(), "nothing\n".into()));
        assert_eq!(human(&json!(["a", 1])), "a\n1\n");
    }

    #[test]
    fn nobody_writes_on_the_terminal() {
        let shown = human(&json!([{"reason": "\u{1b}[2Jgone\nnew line\u{202e}"}]));
        assert_eq!(shown, "reason\n\\u{1b}[2Jgone\\u{a}new line\\u{202e}\n");
        let long = json!([{"x": {"y": "z".repeat(100)}}]);
        assert_eq!(human(&long).lines().nth(1).unwrap().chars().count(), CELL_CHARS_MAX);
    }
}
