//! `ssf-hub demo`: one logout told from end to end, on loopback, in one process.
//!
//! Stands above everything, beside `app`: starts a whole hub on a data directory of its own, and the hub's peers
//! around it. All of them speak real HTTP through the hub's own doors; nothing here reaches into the hub. What the
//! hub does is never told from what it should do: every line shown was measured.
//!
//! - [`cast`]: who takes part: a person, two agents, five runs, their tokens, as facts
//! - [`stage`]: the hub, its data directory, its end
//! - [`desk`]: objects and facts, through its doors
//! - [`peers`]: what all peers share: an HTTP client, listeners, one end
//! - [`idp`], [`receivers`], [`kafka`], [`point`]: the peers
//! - [`story`]: what happens, in order
//! - [`outcome`]: what was seen; the line for machines; what did not happen as told
//! - [`table`]: the same for people

pub mod cast;
pub mod desk;
pub mod idp;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod outcome;
pub mod peers;
pub mod point;
pub mod receivers;
pub mod stage;
pub mod story;
pub mod table;

use std::io::{IsTerminal as _, Write as _};

use serde_json::json;

use crate::app::running::Signals;
use crate::config::{Config, environment};
use outcome::Outcome;
use stage::Stage;
use table::Paint;

/// Tells the story, and stays up for exploring until SIGINT or SIGTERM unless `once`. With `json` standard output
/// holds JSON lines only: where everything is, then what else was measured, last [`Outcome::line`].
///
/// Of `given` only the Kafka section and the log are used: the hub of the demo is its own.
///
/// # Errors
/// What could not be started, and whatever did not happen as told.
pub async fn run(given: Config, once: bool, json: bool) -> anyhow::Result<()> {
    let _lines = init_log(&given)?;
    let mut told_to_stop = Signals::listen()?;
    let stage = tokio::select! {
        built = Stage::build(&given) => built?,
        () = told_to_stop.come() => anyhow::bail!(CUT_SHORT),
    };
    let shown = tokio::select! {
        shown = show(&stage, once, json) => Some(shown),
        () = stage.ended() => None,
        () = told_to_stop.come() => None,
    };
    let ended = stage.take_down().await;
    match shown {
        Some(shown) => ended.and(shown),
        None if once => ended.and(Err(anyhow::anyhow!(CUT_SHORT))),
        // The way out of exploring.
        None => ended,
    }
}

/// Said where somebody stopped a story that he wanted to hear.
const CUT_SHORT: &str = "stopped before the story was told";

async fn show(stage: &Stage, once: bool, json: bool) -> anyhow::Result<()> {
    let paint = Paint::new(!json && std::io::stdout().is_terminal() && !wants_no_color());
    let opening =
        if json { json!({ "hub": stage.places() }).to_string() } else { table::opening(stage, paint) };
    say(&opening)?;
    let outcome = story::tell(stage).await?;
    let ending = if json {
        format!("{}\n{}", outcome.details(), outcome.line())
    } else {
        table::ending(&outcome, paint)
    };
    say(&ending)?;
    let verdict = verdict(&outcome);
    if once {
        return verdict;
    }
    if let Err(error) = verdict {
        tracing::error!("{error}");
    }
    if !json {
        say(&table::exploring(stage, &outcome, paint))?;
    }
    // Whoever stays, stays until told to stop.
    std::future::pending().await
}

fn verdict(outcome: &Outcome) -> anyhow::Result<()> {
    let problems = outcome.problems();
    anyhow::ensure!(problems.is_empty(), "not everything happened as told: {}", problems.join("; "));
    Ok(())
}

/// The hub's own lines would stand between those of the story: only warnings, unless the operator asked for more.
fn init_log(given: &Config) -> anyhow::Result<crate::telemetry::lines::Flush> {
    let mut log = given.log.clone();
    if log.filter == "info" {
        log.filter = "warn".into();
    }
    Ok(crate::telemetry::init(&log)?)
}

/// <https://no-color.org>
fn wants_no_color() -> bool {
    environment().any(|(name, value)| name == "NO_COLOR" && !value.is_empty())
}

fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    out.flush()
}
