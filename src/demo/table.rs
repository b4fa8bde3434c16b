//! The story for people: aligned, and in colour only where somebody looks.
//!
//! Pure functions from what was seen to text.

use serde_json::Value;

use super::cast::{HUMAN, RUNS, Run, SESSION};
use super::desk::{APP, WATCHER};
use super::outcome::{Fate, Outcome, Receipt, ms};
use super::receivers::By;
use super::stage::Stage;

/// How a cell looks on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// As it is.
    Plain,
    /// A heading.
    Bold,
    /// Beside the point.
    Dim,
    /// Stopped.
    Red,
    /// Goes on.
    Green,
}

/// Whether looks are written.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// With looks, or without.
    pub fn new(is_on: bool) -> Self {
        Self(is_on)
    }

    fn put(self, text: &str, look: Look) -> String {
        let code = match look {
            _ if !self.0 || text.trim().is_empty() => return text.into(),
            Look::Plain => return text.into(),
            Look::Bold => "1",
            Look::Dim => "2",
            Look::Red => "31",
            Look::Green => "32",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// One cell.
#[derive(Clone, Debug)]
struct Cell {
    text: String,
    look: Look,
    /// Aligned to the right: a figure.
    right: bool,
}

fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), look: Look::Plain, right: false }
}

impl Cell {
    fn look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    fn right(self) -> Self {
        Self { right: true, ..self }
    }
}

fn figure(d: std::time::Duration) -> Cell {
    cell(format!("{:.3} ms", ms(d))).right()
}

/// Rows of cells as lines of equal columns, indented by two. The last column is as long as it likes.
fn lines(rows: &[Vec<Cell>], paint: Paint) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.text.chars().count()));
            let text = paint.put(&cell.text, cell.look);
            let last = n + 1 == row.len();
            match (cell.right, last) {
                (true, _) => line.extend([padding.as_str(), &text]),
                (false, false) => line.extend([text.as_str(), &padding]),
                (false, true) => line.push_str(&text),
            }
            if !last {
                line.push_str("   ");
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn heading(text: &str, paint: Paint) -> String {
    format!("\n{}\n\n", paint.put(text, Look::Bold))
}

fn header(names: &[&str]) -> Vec<Cell> {
    names.iter().map(|name| cell(*name).look(Look::Dim)).collect()
}

/// Who takes part.
pub fn opening(stage: &Stage, paint: Paint) -> String {
    let at = stage.at();
    let mut rows = vec![
        vec![cell("hub"), cell(at.public.as_str()), cell(format!("admin API at {}", at.admin))],
        vec![
            cell("idp"),
            cell(stage.idp.iss()),
            cell("signs access tokens and SETs (ES256), pushes to the hub"),
        ],
        vec![
            cell("gateway"),
            cell(at.tool.as_str()),
            cell("asks the hub before every call of the tool behind it"),
        ],
    ];
    for (name, by) in &stage.receivers {
        rows.push(vec![cell(*name), cell(format!("by {}", by.word())), cell(wants(name, *by))]);
    }
    let mut out = paint.put("ssf-hub demo: one logout, and who stops", Look::Bold);
    out.push_str("\n\n");
    out.push_str(&lines(&rows, paint));
    out.push_str(&heading("What the hub was told", paint));
    out.push_str(&lines(&tree(), paint));
    out
}

fn wants(name: &str, by: By) -> &'static str {
    match name {
        APP => "wants to know of ended sessions, nothing else",
        WATCHER => "wants every signal, and what lineage adds to it",
        _ if by == By::Kafka => "reads the originals as evidence",
        _ => "",
    }
}

/// The runs as a tree below the person.
fn tree() -> Vec<Vec<Cell>> {
    let mut rows =
        vec![vec![cell(HUMAN), cell(""), cell(format!("logged in at the idp: session {SESSION}"))]];
    for run in RUNS {
        let mut branch = String::from(if run.has_younger() { "├─ " } else { "└─ " });
        let mut above = run.above();
        while let Some(run) = above {
            branch.insert_str(0, if run.has_younger() { "│  " } else { "   " });
            above = run.above();
        }
        rows.push(vec![cell(format!("{branch}{}", run.id)), cell(run.agent), cell(run.role)]);
    }
    rows
}

/// Who was told what, and which run went on.
pub fn ending(outcome: &Outcome, paint: Paint) -> String {
    let mut out = heading(&format!("All five runs call the tool; then {HUMAN} logs out of {SESSION}"), paint);
    out.push_str(&lines(&told(outcome), paint));
    let note = "time zero is right before the idp sends its push; all events share one txn";
    out.push_str(&format!("\n  {}\n", paint.put(note, Look::Dim)));
    out.push_str(&heading("Who stopped, and who went on", paint));
    let mut rows = vec![header(&["run", "agent", "before", "now", "since", "", "why"])];
    rows.extend(outcome.fates.iter().map(fate));
    out.push_str(&lines(&rows, paint));
    let note =
        "before, now: how a call of the tool is answered; since: calls sent after the 202 that got through";
    out.push_str(&format!("\n  {}\n", paint.put(note, Look::Dim)));
    if !outcome.path.is_empty() {
        out.push_str(&heading("The way that the hub took through the graph", paint));
        let rows: Vec<_> = outcome.path.iter().map(|step| vec![cell(step.as_str())]).collect();
        out.push_str(&lines(&rows, paint));
    }
    out
}

/// Everything that happened, in the order of time.
fn told(outcome: &Outcome) -> Vec<Vec<Cell>> {
    let accepted = vec![
        figure(outcome.accepted_after),
        cell("idp"),
        cell("202"),
        cell("the hub has the signal, durably"),
    ];
    let mut events = vec![(outcome.accepted_after, accepted)];
    for receipt in &outcome.receipts {
        let word = cell(receipt.told.by.word());
        let row = vec![figure(receipt.after), cell(receipt.told.name), word, cell(what(receipt))];
        events.push((receipt.after, row));
    }
    for fate in &outcome.fates {
        let Some(after) = fate.refused_after else { continue };
        let what = format!("the next call of {} is refused", fate.run.id);
        let row = vec![figure(after), cell("gateway"), cell("401").look(Look::Red), cell(what)];
        events.push((after, row));
    }
    events.sort_by_key(|(after, _)| *after);
    let mut rows = vec![header(&["after", "who", "how", "what"])];
    rows.extend(events.into_iter().map(|(_, row)| row));
    rows
}

fn what(receipt: &Receipt) -> String {
    let told = &receipt.told;
    let event = told.uri.rsplit('/').next().unwrap_or_default();
    let whom = about(&told.sub_id);
    if receipt.is_signal { format!("{event}: {whom}") } else { format!("{event}: {whom} (lineage added it)") }
}

/// Whom a subject is about, by its narrowest member.
fn about(sub_id: &Value) -> String {
    for (member, key) in [("token", "jti"), ("run", "id"), ("session", "id"), ("user", "sub")] {
        if let Some(name) = sub_id[member][key].as_str() {
            return format!("{member} {name}");
        }
    }
    match sub_id["format"].as_str() {
        Some("jwt_id") => format!("token {}", sub_id["jti"].as_str().unwrap_or("?")),
        Some("iss_sub") => format!("user {}", sub_id["sub"].as_str().unwrap_or("?")),
        format => format.unwrap_or("?").into(),
    }
}

fn fate(fate: &Fate) -> Vec<Cell> {
    let status =
        |called: &Option<super::point::Called>| called.as_ref().map_or("-".into(), |c| c.status.to_string());
    let (word, look) = if fate.is_stopped() { ("stopped", Look::Red) } else { ("goes on", Look::Green) };
    let run: &Run = &fate.run;
    vec![
        cell(format!("{}{}", "  ".repeat(run.depth()), run.id)),
        cell(run.agent),
        cell(status(&fate.before)),
        cell(status(&fate.after)),
        cell(fate.allowed_since.to_string()).right(),
        cell(word).look(look),
        cell(fate.why()),
    ]
}

/// How to look around.
pub fn exploring(stage: &Stage, outcome: &Outcome, paint: Paint) -> String {
    let at = stage.at();
    let program = std::env::args().next().unwrap_or_else(|| "ssf-hub".into());
    let (folder, credential) = (at.folder.display(), at.credential_file.display());
    let decision = outcome.fates.iter().find_map(Fate::decision).unwrap_or("default:1");
    let rows = [
        (format!("{program} why {decision}"), "what led to the refusals"),
        (format!("{program} kill agent deployer --reason trying"), "stop the night shift too"),
        (format!("{program} status"), "how the hub is"),
        (
            format!("curl -i {} -H \"Authorization: Bearer $(cat {folder}/r2.token)\"", at.tool),
            "a call of r2",
        ),
        (format!("curl -s {}/metrics", at.admin), "for Prometheus"),
        (format!("curl -s {}/t/default/jwks.json", at.public), "the hub's public keys"),
    ];
    let mut out = heading("Look around (Ctrl-C ends it and removes its folder)", paint);
    let export = format!("export SSF_HUB_CONFIG={}", at.config_file.display());
    out.push_str(&format!(
        "  {}\n  {export}\n",
        paint.put("# in another terminal; the command line finds this hub by it", Look::Dim)
    ));
    for (command, what) in rows {
        out.push_str(&format!("  {}\n  {command}\n", paint.put(&format!("# {what}"), Look::Dim)));
    }
    out.push_str(&format!("\n  The admin credential lies in {credential}\n"));
    out
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
