//! What happens, in order: all runs work; the person logs out; who stops, who is told, who goes on.
//!
//! Time zero is right before the IdP sends the push, so that every figure holds the way to the hub, the check of the
//! signature, the decision and the flush. All agents work while it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::cast::{RUNS, Run};
use super::idp::Signal;
use super::outcome::{Fate, Outcome};
use super::point::{self, Called};
use super::receivers::By;
use super::stage::{KAFKA_PATIENCE, Stage};

/// How long the agents work before the logout.
const WARM_UP: Duration = Duration::from_millis(50);
/// How long those who go on are watched when all are told.
const AFTERMATH: Duration = Duration::from_millis(50);
/// Rest between two calls of a run that is about to be stopped.
const PAUSE: Duration = Duration::from_millis(1);
/// Rest between two calls of the others.
const LEISURE: Duration = Duration::from_millis(5);
/// Longest wait for anything but Kafka.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells it. Errors are those of the demo itself; what the hub did not do is in the outcome.
pub async fn tell(stage: &Stage) -> anyhow::Result<Outcome> {
    let before = call_all(stage).await;
    let signal = stage.idp.session_revoked(&stage.push_to)?;
    let done = AtomicBool::new(false);
    let plot = async {
        let seen = log_out(stage, &signal).await;
        tokio::time::sleep(AFTERMATH).await;
        done.store(true, Ordering::Release);
        seen
    };
    let work = join_all(RUNS.iter().zip(&stage.tokens).map(|(run, token)| work(stage, run, token, &done)));
    let (seen, work) = tokio::join!(plot, work);
    let mut outcome = seen?;
    let after = call_all(stage).await;
    for (fate, ((work, before), after)) in
        outcome.fates.iter_mut().zip(work.into_iter().zip(before).zip(after))
    {
        let accepted = outcome.zero + outcome.accepted_after;
        let last = after.as_ref().is_some_and(Called::was_allowed);
        fate.allowed_since = work.allowed.iter().filter(|sent| **sent > accepted).count() + usize::from(last);
        fate.refused_after = work.refused.map(|at| at.saturating_sub(outcome.zero));
        (fate.before, fate.after) = (before, after);
    }
    explain(stage, &mut outcome).await;
    Ok(outcome)
}

/// One call of every run; `None` where there was no answer at all.
async fn call_all(stage: &Stage) -> Vec<Option<Called>> {
    let calls = stage.tokens.iter().map(|token| point::call(&stage.peers, &stage.at().tool, token));
    join_all(calls).await.into_iter().map(Result::ok).collect()
}

/// The logout, and everything until all are told, or patience ends.
async fn log_out(stage: &Stage, signal: &Signal) -> anyhow::Result<Outcome> {
    let kafka = stage.receivers.iter().any(|(_, by)| *by == By::Kafka);
    let patience = if kafka { KAFKA_PATIENCE } else { PATIENCE };
    tokio::time::sleep(WARM_UP).await;
    let (zero, received_at) = (stage.peers.elapsed(), stage.peers.wall_ms());
    stage.idp.push(&stage.push_to, signal).await?;
    let mut outcome = Outcome {
        zero,
        received_at,
        accepted_after: stage.peers.elapsed().saturating_sub(zero),
        signal: signal.clone(),
        expected: stage.receivers.clone(),
        receipts: vec![],
        fates: RUNS.iter().map(Fate::new).collect(),
        derived_expected: None,
        path: vec![],
    };
    // Told by then: the receivers took the time themselves.
    let _ = tokio::time::timeout(patience, listen(stage, &mut outcome)).await;
    Ok(outcome)
}

/// What became of a run's calls.
#[derive(Default)]
struct Work {
    /// When those were sent that went through.
    allowed: Vec<Duration>,
    /// When the first one was refused.
    refused: Option<Duration>,
}

/// A run that works until it is refused, or `done`.
async fn work(stage: &Stage, run: &Run, token: &str, done: &AtomicBool) -> Work {
    let pause = if run.of_session { PAUSE } else { LEISURE };
    let mut work = Work::default();
    while !done.load(Ordering::Acquire) {
        let sent = stage.peers.elapsed();
        match point::call(&stage.peers, &stage.at().tool, token).await {
            Ok(called) if called.was_allowed() => work.allowed.push(sent),
            Ok(called) if called.was_refused() => {
                work.refused = Some(stage.peers.elapsed());
                break;
            }
            // The point did not decide: that is no answer to the question who stopped.
            Ok(_) | Err(_) => {}
        }
        tokio::time::sleep(pause).await;
    }
    work
}

/// Listens until every receiver has the signal.
async fn listen(stage: &Stage, outcome: &mut Outcome) {
    let mut inbox = stage.told.lock().await;
    while !outcome.expected.iter().all(|(name, _)| outcome.signal_at(name).is_some()) {
        let Some(told) = inbox.recv().await else { return };
        outcome.hear(told);
    }
}

/// Asks the hub why; then waits for what lineage added to reach who wants it.
async fn explain(stage: &Stage, outcome: &mut Outcome) {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for fate in &mut outcome.fates {
        let Some(decision) = fate.decision() else { continue };
        if !known.contains_key(decision) {
            match stage.why(decision).await {
                Ok(why) => drop(known.insert(decision.into(), why)),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the hub does not say why"),
            }
        }
        let reason = known.get(decision).and_then(|why| why["reason"].as_str());
        fate.reason = reason.map(String::from);
    }
    let Some(why) = known.into_values().next() else { return };
    let list = |name: &str| why["decision"][name].as_array().cloned().unwrap_or_default();
    outcome.path = list("path").iter().filter_map(Value::as_str).map(String::from).collect();
    outcome.derived_expected = Some(list("derived").len());
    let _ = tokio::time::timeout(PATIENCE, rest(stage, outcome)).await;
}

/// Listens until all derived events came.
async fn rest(stage: &Stage, outcome: &mut Outcome) {
    let mut inbox = stage.told.lock().await;
    while outcome.derived_expected.is_some_and(|n| outcome.derived().count() < n) {
        let Some(told) = inbox.recv().await else { return };
        outcome.hear(told);
    }
}
