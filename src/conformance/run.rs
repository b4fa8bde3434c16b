//! A run: the cases one by one, and from what they found a verdict on each row.
//!
//! A row belongs to one case. It passes if all steps that prove it were done and none found it wrong; a step that was
//! not reached says nothing about its rows. Streams are deleted behind each case, whatever came of it. What is wrong while
//! the run was held up is no finding yet: the case is tried again.

use std::collections::BTreeMap;

use super::case::{Case, Cases, Step, cases};
use super::lab::Lab;
use super::report::{CaseReport, Report, RowReport, Verdict};
use super::requirement::{Level, Requirement, reasons, rows};
use super::settings::{Profile, Settings};
use super::stage::{Finding, Stage};
use super::steps::{Rows, run as run_steps};
use super::token::{Who, authorization};
use super::{Trouble, held, needs};
use crate::clock::Stopwatch;

/// Rows of the interoperability profile.
const INTEROP: &str = "INTEROP-";

/// How often a case is tried while something is wrong and the run was held up.
const TURNS_MAX: usize = 3;

/// Runs all cases that are wanted. An error means that the run itself could not begin: a place for pushes that is taken,
/// a certificate that cannot be read.
pub async fn run(settings: Settings) -> anyhow::Result<Report> {
    let (cases, rows, reasons) = (cases()?, rows()?, reasons()?);
    let lab = Lab::new(settings).await?;
    let mut report = Report::new(&lab.settings);
    // Without a token only what anybody may see can be tried.
    if let Err(trouble) = authorization(&lab, Who::A).await {
        let why = lab.trouble(&trouble);
        lab.keep_refusal(&why);
        report.trouble = Some(why);
    }
    held::remember(&lab).await;
    let wanted: Vec<&Case> =
        cases.cases.iter().filter(|case| lab.settings.wants(&case.id, &case.rows)).collect();
    for (place, case) in wanted.iter().enumerate() {
        let began = Stopwatch::start();
        if let Some(progress) = &lab.settings.progress {
            progress(&format!("{}/{} {}: {}", place + 1, wanted.len(), case.id, case.title));
        }
        let (found, mut done) = one(&lab, &cases, case, &rows).await;
        done.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        report.rows.extend(found);
        report.cases.push(done);
    }
    for row in rows.iter().filter(|row| lab.settings.wants("", std::slice::from_ref(&row.id))) {
        if let Some(reason) = reasons.rows.get(&row.id).and_then(|name| reasons.reasons.get(name)) {
            report.rows.push(RowReport::without_case(row, reason));
        }
    }
    report.in_order_of(&rows);
    let told =
        |report: &Report, new: &str| report.cases.iter().flat_map(|c| &c.left).any(|l| l.contains(new));
    for id in held::new(&lab).await {
        if !told(&report, &id) {
            report.left.push(format!("stream {id} was not there before the run"));
        }
    }
    Ok(report)
}

/// Does the steps of a case: what came of them, how many were done, and whether the run ended meanwhile.
async fn attempt<'a>(
    lab: &'a Lab,
    cases: &'a Cases,
    case: &'a Case,
    rows: &Rows<'_>,
) -> (Stage<'a>, usize, bool) {
    let mut stage = Stage::new(lab, cases, case);
    let mut done = 0;
    let steps = async {
        for step in &case.steps {
            if run_steps(&mut stage, std::slice::from_ref(step), rows, &[]).await.is_break() {
                break;
            }
            done += 1;
        }
    };
    let over = tokio::select! {
        biased;
        why = lab.over() => Some(why),
        () = steps => None,
    };
    // Of no row: what was proved until then counts, and the rest was not reached.
    stage.findings.extend(over.map(|why| Finding { rows: vec![], trouble: Trouble::na(why) }));
    (stage, done, over.is_some())
}

async fn one(lab: &Lab, cases: &Cases, case: &Case, all: &[Requirement]) -> (Vec<RowReport>, CaseReport) {
    let level = |id: &str| all.iter().find(|row| row.id == id).map(|row| row.level);
    let unnamed = unnamed_rows(case);
    let rows = Rows { unnamed: &unnamed, level: &level };
    let not_here = |id: &String| id.starts_with(INTEROP) && lab.settings.profile != Profile::CaepInterop;
    let unmet = if case.rows.iter().all(not_here) {
        Some("not in this profile".to_string())
    } else {
        case.needs.iter().find_map(|need| needs::unmet(lab, need))
    };
    let mine = || all.iter().filter(|row| case.rows.contains(&row.id));
    let (mut found, mut left) = (vec![], vec![]);
    if let Some(why) = &unmet {
        let na = |row| RowReport::new(row, case, Verdict::NotApplicable, lab.redacted(why), vec![]);
        found.extend(mine().map(na));
    } else {
        for turn in 1..=TURNS_MAX {
            lab.moments.begin();
            let (mut stage, done, over) = attempt(lab, cases, case, &rows).await;
            let again = !over && turn < TURNS_MAX && stage.is_wrong() && lab.moments.held_up();
            left.extend(stage.clear().await);
            let outcome = Outcome { case, findings: &stage.findings, done, unnamed: &unnamed };
            let now = mine().map(|row| {
                let (verdict, why) = if not_here(&row.id) {
                    (Verdict::NotApplicable, "not in this profile".to_string())
                } else {
                    outcome.of(row)
                };
                let evidence = if verdict == Verdict::Passed { vec![] } else { stage.evidence.clone() };
                RowReport::new(row, case, verdict, lab.redacted(&why), evidence)
            });
            found = later(found, now.collect());
            if !again {
                break;
            }
        }
    }
    (found, CaseReport { id: case.id.clone(), title: case.title.clone(), duration_ms: 0, left })
}

/// What a later turn says of each row; where it does not come to it, what was said before.
fn later(before: Vec<RowReport>, now: Vec<RowReport>) -> Vec<RowReport> {
    if before.is_empty() {
        return now;
    }
    let said = |(before, now): (RowReport, RowReport)| match now.verdict {
        Verdict::NotApplicable => before,
        _ => now,
    };
    before.into_iter().zip(now).map(said).collect()
}

/// Rows of a case that none of its steps names.
pub fn unnamed_rows(case: &Case) -> Vec<String> {
    let named: Vec<&String> = case.steps.iter().flat_map(Step::all).flat_map(|s| &s.rows).collect();
    case.rows.iter().filter(|row| !named.contains(row)).cloned().collect()
}

/// What came of a case.
struct Outcome<'a> {
    case: &'a Case,
    findings: &'a [Finding],
    /// How many of its steps were done.
    done: usize,
    unnamed: &'a [String],
}

impl Outcome<'_> {
    fn of(&self, row: &Requirement) -> (Verdict, String) {
        let mine = || self.findings.iter().filter(|f| f.rows.contains(&row.id));
        if let Some(finding) = mine().find(|f| matches!(f.trouble, Trouble::Wrong(_))) {
            let why = finding.trouble.text();
            return match row.level {
                level if level.binds() => (Verdict::Failed, why.into()),
                Level::May => (Verdict::NotApplicable, format!("a choice that is not taken: {why}")),
                _ => (Verdict::Warning, why.into()),
            };
        }
        if let Some(finding) = mine().next() {
            return (Verdict::NotApplicable, finding.trouble.text().into());
        }
        if self.reached(&row.id) {
            return (Verdict::Passed, String::new());
        }
        let why = self.findings.last().map_or("", |f| f.trouble.text());
        (Verdict::NotApplicable, format!("not reached: {why}"))
    }

    /// Whether all steps that prove the row were done.
    fn reached(&self, row: &str) -> bool {
        let unnamed = self.unnamed.iter().any(|r| r == row);
        let proves = |step: &Step| {
            let all = step.all();
            let names = all.iter().any(|s| s.rows.iter().any(|r| r == row));
            names || (unnamed && all.iter().any(|s| s.rows.is_empty()))
        };
        self.case.steps.iter().enumerate().filter(|(_, s)| proves(s)).all(|(place, _)| place < self.done)
    }
}

/// Which case each row has.
pub fn case_of_row(cases: &[Case]) -> BTreeMap<&str, Vec<&Case>> {
    let mut map: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        for row in &case.rows {
            map.entry(row).or_default().push(case);
        }
    }
    map
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
