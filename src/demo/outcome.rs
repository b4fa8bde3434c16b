//! What was seen: who was told what and when, which run stopped and which went on; the line for machines; and what
//! did not happen as told.
//!
//! Plain data and pure functions. Durations are counted from the moment right before the IdP sent the push.

use std::time::Duration;

use serde_json::{Value, json};

use super::cast::Run;
use super::idp::Signal;
use super::point::Called;
use super::receivers::{By, Told};

/// Something that a receiver was told.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What.
    pub told: Told,
    /// How long after the IdP sent its push.
    pub after: Duration,
    /// The signal itself, or something that lineage added.
    pub is_signal: bool,
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Which run.
    pub run: Run,
    /// Its call before the logout.
    pub before: Option<Called>,
    /// Its call when all was over.
    pub after: Option<Called>,
    /// When its first call was refused.
    pub refused_after: Option<Duration>,
    /// Calls that were sent when the IdP had its 202, and went through.
    pub allowed_since: usize,
    /// The hub's reason for the refusal.
    pub reason: Option<String>,
}

impl Fate {
    /// Nothing seen yet.
    pub fn new(run: &Run) -> Self {
        let run = *run;
        Self { run, before: None, after: None, refused_after: None, allowed_since: 0, reason: None }
    }

    /// Whether it stopped.
    pub fn is_stopped(&self) -> bool {
        self.after.as_ref().is_some_and(Called::was_refused)
    }

    /// The decision that refused it.
    pub fn decision(&self) -> Option<&str> {
        self.after.as_ref().filter(|called| called.was_refused())?.decision.as_deref()
    }

    /// Why it stopped, in the hub's words, or why it went on.
    pub fn why(&self) -> String {
        let role = self.run.role;
        match (&self.after, &self.reason) {
            (Some(called), _) if called.was_allowed() && !self.run.of_session => {
                format!("{role}; an ordinary logout does not stop it")
            }
            (Some(called), _) if called.was_allowed() => format!("{role}; it should have been stopped"),
            (Some(called), Some(reason)) if called.was_refused() => format!("{role}; {}", lower(reason)),
            (Some(called), _) => format!("{role}; the point answered {}", called.status),
            (None, _) => format!("{role}; the point did not answer"),
        }
    }
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// All that was seen.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Right before the IdP sent its push, on the clock of the peers.
    pub zero: Duration,
    /// The same moment (ms since 1970).
    pub received_at: i64,
    /// When the IdP had its 202: the hub had it durably.
    pub accepted_after: Duration,
    /// The signal.
    pub signal: Signal,
    /// Who was to be told of it.
    pub expected: Vec<(&'static str, By)>,
    /// Who was told what, as it came in.
    pub receipts: Vec<Receipt>,
    /// What became of each run, in the order of the cast.
    pub fates: Vec<Fate>,
    /// How many events lineage added, as far as the hub said.
    pub derived_expected: Option<usize>,
    /// The way through the graph, in the hub's words.
    pub path: Vec<String>,
}

/// Milliseconds, to the microsecond.
pub fn ms(d: Duration) -> f64 {
    (d.as_secs_f64() * 1e6).round() / 1e3
}

impl Outcome {
    /// Takes note of something that a receiver was told. Delivery is at least once: what has a known name is passed over.
    pub fn hear(&mut self, told: Told) {
        let known = self.receipts.iter().any(|r| (r.told.name, &r.told.jti) == (told.name, &told.jti));
        if !known && told.txn == self.signal.txn {
            let (after, is_signal) = (told.at.saturating_sub(self.zero), told.is_about(&self.signal));
            self.receipts.push(Receipt { told, after, is_signal });
        }
    }

    /// The signal itself at one receiver.
    pub fn signal_at(&self, name: &str) -> Option<&Receipt> {
        self.receipts.iter().find(|r| r.is_signal && r.told.name == name)
    }

    /// What lineage added.
    pub fn derived(&self) -> impl Iterator<Item = &Receipt> {
        self.receipts.iter().filter(|r| !r.is_signal)
    }

    /// The last line of `--json`. `received_at` is the moment right before the push was sent (ms since 1970), and
    /// `after_ms` counts from then: on loopback the hub has the SET a fraction of a millisecond later.
    pub fn line(&self) -> Value {
        let receivers = self.expected.iter().filter_map(|(name, by)| {
            let receipt = self.signal_at(name)?;
            let (jti, txn) = (&receipt.told.jti, &receipt.told.txn);
            let after_ms = ms(receipt.after);
            Some(json!({ "name": name, "method": by.word(), "jti": jti, "txn": txn, "after_ms": after_ms }))
        });
        let runs = self.fates.iter();
        let runs =
            runs.map(|fate| json!({ "run": fate.run.id, "stopped": fate.is_stopped(), "why": fate.why() }));
        json!({
            "received_at": self.received_at,
            "receivers": receivers.collect::<Vec<_>>(),
            "runs": runs.collect::<Vec<_>>(),
        })
    }

    /// The line before it: what else was measured. Same moment, same unit.
    pub fn details(&self) -> Value {
        let derived = self.derived().map(|r| {
            let (name, jti, after_ms) = (r.told.name, &r.told.jti, ms(r.after));
            json!({ "name": name, "jti": jti, "uri": r.told.uri, "sub_id": r.told.sub_id, "after_ms": after_ms })
        });
        let gate = self.fates.iter().map(|fate| {
            json!({
                "run": fate.run.id,
                "refused_after_ms": fate.refused_after.map(ms),
                "decision": fate.decision(),
                "allowed_since_202": fate.allowed_since,
            })
        });
        json!({
            "accepted_after_ms": ms(self.accepted_after),
            "gate": gate.collect::<Vec<_>>(),
            "derived": derived.collect::<Vec<_>>(),
            "path": self.path,
        })
    }

    /// What did not happen as told.
    pub fn problems(&self) -> Vec<String> {
        let untold = self.expected.iter().filter(|(name, _)| self.signal_at(name).is_none());
        let mut problems: Vec<String> =
            untold.map(|(name, by)| format!("{name} was not told by {}", by.word())).collect();
        problems.extend(self.fates.iter().filter_map(problem));
        let derived = self.derived().count();
        match self.derived_expected {
            Some(0) => problems.push("lineage added nothing to the signal".into()),
            Some(n) if derived < n => {
                problems.push(format!("only {derived} of {n} events that lineage added came"));
            }
            Some(_) => {}
            None => problems.push("the hub did not say why".into()),
        }
        problems
    }
}

fn problem(fate: &Fate) -> Option<String> {
    let id = fate.run.id;
    if !fate.before.as_ref().is_some_and(Called::was_allowed) {
        return Some(format!("{id} could not work before the logout ({})", status(fate.before.as_ref())));
    }
    let after = status(fate.after.as_ref());
    match (fate.run.of_session, fate.is_stopped()) {
        (true, false) => Some(format!("{id} was not stopped ({after})")),
        (true, true) if fate.allowed_since > 0 => {
            Some(format!("{} calls of {id} went through after the 202", fate.allowed_since))
        }
        (false, false) if fate.allowed_since == 0 => Some(format!("{id} did nothing after the 202")),
        (true, true) if fate.decision().is_none() => Some(format!("{id} was refused without a decision")),
        (true, true) if fate.reason.is_none() => Some(format!("the hub did not say why {id} was stopped")),
        (false, _) if !fate.after.as_ref().is_some_and(Called::was_allowed) => {
            Some(format!("{id} is innocent and did not go on ({after})"))
        }
        _ => None,
    }
}

fn status(called: Option<&Called>) -> String {
    called.map_or("no answer".into(), |called| match &called.reason_code {
        Some(code) => format!("{} {code}", called.status),
        None => called.status.to_string(),
    })
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
pub(super) mod tests;
