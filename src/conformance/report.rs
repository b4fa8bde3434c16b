//! What a run says: a verdict on each row, as a table for people and as JSON for machines.
//!
//! Evidence is shortened and free of secrets before it gets here. The exit status of the command follows
//! [`Report::failed_musts`].

use std::fmt::Write as _;

use serde::Serialize;

use super::case::Case;
use super::requirement::{Level, Requirement};
use super::settings::Settings;

/// A verdict on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The row holds.
    Passed,
    /// A row that binds does not hold.
    Failed,
    /// A row that should hold does not.
    Warning,
    /// The row does not apply, or could not be tried.
    NotApplicable,
}

impl Verdict {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Warning => "warning",
            Self::NotApplicable => "n/a",
        }
    }
}

/// What was found out about a row.
#[derive(Clone, Debug, Serialize)]
pub struct RowReport {
    /// The row.
    pub row: String,
    /// Its keyword.
    pub level: &'static str,
    /// What it asks for.
    pub text: String,
    /// Its case; nothing for a row that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it did not pass.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Requests and answers, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    #[serde(skip)]
    binds: bool,
}

impl RowReport {
    /// A row that was tried.
    pub fn new(row: &Requirement, case: &Case, verdict: Verdict, why: String, evidence: Vec<String>) -> Self {
        Self { case: Some(case.id.clone()), verdict, why, evidence, ..Self::without_case(row, "") }
    }

    /// A row that has no case.
    pub fn without_case(row: &Requirement, reason: &str) -> Self {
        Self {
            row: row.id.clone(),
            level: row.level.word(),
            text: row.text.clone(),
            case: None,
            verdict: Verdict::NotApplicable,
            why: reason.into(),
            evidence: vec![],
            binds: Level::binds(row.level),
        }
    }
}

/// What became of a case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// How long it took (ms).
    pub duration_ms: u64,
    /// Streams that could not be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// A report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whom it is about.
    pub issuer: String,
    /// Which rows counted.
    pub profile: &'static str,
    /// Rows, in the order of the matrix.
    pub rows: Vec<RowReport>,
    /// Cases, in the order in which they ran.
    pub cases: Vec<CaseReport>,
    /// Streams that came with the run and are still there, though no case answers for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Why next to nothing could be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Report {
    /// Nothing yet.
    pub fn new(settings: &Settings) -> Self {
        let profile = settings.profile.name();
        let issuer = settings.issuer.clone();
        Self { issuer, profile, rows: vec![], cases: vec![], left: vec![], trouble: None }
    }

    /// Puts the rows in the order of the matrix.
    pub fn in_order_of(&mut self, rows: &[Requirement]) {
        self.rows.sort_by_key(|report| rows.iter().position(|row| row.id == report.row));
    }

    /// What was found out about one row.
    pub fn row(&self, id: &str) -> Option<&RowReport> {
        self.rows.iter().find(|row| row.row == id)
    }

    /// How many rows have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }

    /// Rows that bind and do not hold.
    pub fn failed_musts(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::Failed && row.binds).count()
    }

    /// Why a run is no proof: a row that binds does not hold, or nothing was tried. Nothing for one that is.
    pub fn objection(&self) -> Option<String> {
        match (self.failed_musts(), self.count(Verdict::Passed)) {
            (n @ 1.., _) => Some(format!("{n} row(s) that bind do not hold")),
            _ if self.trouble.is_some() => self.trouble.clone(),
            (_, 0) => Some("no row could be tried".into()),
            _ => None,
        }
    }

    /// For people: all rows, then why those failed that did, with evidence.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let width = self.rows.iter().map(|r| r.row.len()).max().unwrap_or(0);
        let line = |out: &mut String, text: String| {
            // Writing into a String does not fail.
            let _ = writeln!(out, "{}", text.trim_end());
        };
        for row in &self.rows {
            let why = if row.why.is_empty() { String::new() } else { format!(" — {}", row.why) };
            let (word, level) = (row.verdict.word(), row.level);
            line(&mut out, format!("{:width$}  {word:7}  {level:10}  {}{why}", row.row, row.text));
        }
        for row in self.rows.iter().filter(|r| matches!(r.verdict, Verdict::Failed | Verdict::Warning)) {
            line(&mut out, String::new());
            line(&mut out, format!("{} ({}): {}", row.row, row.case.as_deref().unwrap_or(""), row.why));
            row.evidence.iter().for_each(|evidence| line(&mut out, format!("    {evidence}")));
        }
        for left in self.cases.iter().flat_map(|case| &case.left).chain(&self.left) {
            line(&mut out, format!("left behind: {left}"));
        }
        line(&mut out, String::new());
        if let Some(trouble) = &self.trouble {
            line(&mut out, trouble.clone());
        }
        line(&mut out, self.sum());
        out
    }

    /// One sentence.
    pub fn sum(&self) -> String {
        format!(
            "{} ({}): {} passed, {} failed, {} warnings, {} not applicable",
            self.issuer,
            self.profile,
            self.count(Verdict::Passed),
            self.count(Verdict::Failed),
            self.count(Verdict::Warning),
            self.count(Verdict::NotApplicable)
        )
    }
}
