//! The same steps for each value of a list, but for values that cannot do without what is not there.
//!
//! Called by [`super::steps`] and calls it again. Never takes for proved what it had to pass over.

use std::ops::ControlFlow;

use serde_json::Value;

use super::Trouble;
use super::action::Each;
use super::case::Step;
use super::needs;
use super::stage::{Finding, Stage};
use super::steps::{Rows, run, settle};

/// Does the steps for each value in turn; `Break` if the case must end.
pub async fn repeat(stage: &mut Stage<'_>, each: &Each, rows: &Rows<'_>, own: &[String]) -> ControlFlow<()> {
    let values = match stage.fill(&each.of) {
        Ok(Value::Array(values)) => values,
        Ok(_) => vec![],
        Err(trouble) => return settle(stage, Err(trouble), rows, own),
    };
    let (some, mut tried) = (!values.is_empty(), false);
    for value in values {
        if !has_what_it_needs(stage, &value) {
            continue;
        }
        tried = true;
        stage.known.insert(each.name.clone(), value);
        run(stage, &each.steps, rows, own).await?;
    }
    if some && !tried {
        passed_over(stage, each);
    }
    ControlFlow::Continue(())
}

/// Nothing of an `each` could be tried: rows that only it proves were not proved.
fn passed_over(stage: &mut Stage<'_>, each: &Each) {
    let inside: Vec<&Step> = each.steps.iter().flat_map(Step::all).collect();
    let all = stage.case.steps.iter().flat_map(Step::all);
    let outside = all.filter(|step| !inside.iter().any(|i| std::ptr::eq(*i, *step)));
    let elsewhere: Vec<&String> = outside.flat_map(|step| &step.rows).collect();
    let mut only: Vec<String> = inside.iter().flat_map(|step| &step.rows).cloned().collect();
    only.retain(|row| !elsewhere.contains(&row));
    if !only.is_empty() {
        let trouble =
            Trouble::na("what this takes is not there: a delivery method, an endpoint or an option");
        stage.findings.push(Finding { rows: only, trouble });
    }
}

/// Whether what a value of an `each` cannot do without is there: one need, or a list of them.
fn has_what_it_needs(stage: &Stage<'_>, value: &Value) -> bool {
    let needs = match &value["needs"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    needs.into_iter().all(|need| match need.strip_prefix("known:") {
        Some(name) => stage.text(&format!("{{{name}}}")).is_ok(),
        None => needs::unmet(stage.lab, need).is_none(),
    })
}
