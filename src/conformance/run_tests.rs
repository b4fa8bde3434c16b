//! The data is sound: every row once, no unknown row, no matcher or need that means nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::conformance::action::Action;
use crate::conformance::requirement::reasons;

#[test]
fn every_row_has_one_case_or_one_reason_and_no_case_names_an_unknown_row() {
    let (cases, rows, reasons) = (cases().unwrap(), rows().unwrap(), reasons().unwrap());
    let known: BTreeSet<&str> = rows.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(known.len(), rows.len(), "a row stands twice in rows.json");
    let mut covered: BTreeMap<&str, usize> = BTreeMap::new();
    let named = cases.cases.iter().flat_map(|c| &c.rows).chain(reasons.rows.keys());
    for row in named {
        assert!(known.contains(row.as_str()), "{row} is no row");
        *covered.entry(row).or_default() += 1;
    }
    let wrong: Vec<_> = known.iter().filter(|r| covered.get(**r) != Some(&1)).collect();
    assert!(wrong.is_empty(), "not covered once: {wrong:?}");
    for (row, reason) in &reasons.rows {
        assert!(reasons.reasons.contains_key(reason), "{row}: no reason {reason}");
    }
    for row in reasons.rows.keys() {
        assert!(reasons.ours.contains_key(row), "{row}: no case, and nobody says how this hub keeps to it");
    }
    assert!(reasons.ours.keys().all(|row| known.contains(row.as_str())), "an unknown row in `ours`");
    let used: BTreeSet<_> = reasons.rows.values().collect();
    assert!(reasons.reasons.keys().all(|r| used.contains(r)), "a reason that nobody has");
    let areas = reasons.areas.keys().map(|area| format!("{area}-"));
    assert!(
        areas.into_iter().all(|a| !known.iter().any(|r| r.starts_with(&a))),
        "an area that is left out has rows"
    );
}

#[test]
fn cases_say_what_can_be_understood() {
    let cases = cases().unwrap();
    let mut ids = BTreeSet::new();
    for case in &cases.cases {
        let id = &case.id;
        assert!(ids.insert(id), "{id} stands twice");
        assert!(!case.rows.is_empty() && !case.steps.is_empty(), "{id} proves nothing");
        assert_eq!(case.rows.iter().collect::<BTreeSet<_>>().len(), case.rows.len(), "{id}: a row twice");
        for need in &case.needs {
            assert!(needs::is_known(need), "{id}: {need}");
        }
        let steps: Vec<&Step> = case.steps.iter().flat_map(Step::all).collect();
        for step in &steps {
            for shape in step.action.shapes() {
                assert_eq!(shape.unknown_matchers(), Vec::<String>::new(), "{id}");
            }
            assert!(step.rows.iter().all(|row| case.rows.contains(row)), "{id}: a step with a foreign row");
        }
        for step in &steps {
            let Action::Each(each) = &step.action else { continue };
            for value in each.of.as_array().into_iter().flatten() {
                let own = &value["needs"];
                let needs: Vec<_> = own.as_array().map_or_else(|| vec![own], |all| all.iter().collect());
                let known = |need: &str| need.starts_with("known:") || needs::is_known(need);
                assert!(needs.iter().all(|n| n.is_null() || n.as_str().is_some_and(known)), "{id}: {own}");
            }
        }
        let judges = |step: &&Step| !matches!(step.action, Action::Wait(_) | Action::Sink(_));
        let plain = steps.iter().any(|s| s.rows.is_empty() && judges(s));
        assert!(unnamed_rows(case).is_empty() || plain, "{id}: rows without a step");
    }
}
