//! The steps about the push sink: making an endpoint, and looking at what came there and when.
//!
//! What is pushed to a stream is taken in by [`super::events`]; here the requests themselves are looked at.

use serde_json::json;

use super::Trouble;
use super::action::{MakeSink, Pushes};
use super::events::{LOOK, judge};
use super::stage::Stage;
use crate::clock::Stopwatch;

/// Makes an endpoint of the push sink.
pub fn sink(stage: &mut Stage<'_>, make: &MakeSink) -> Result<(), Trouble> {
    let sink = stage.lab.sink.as_ref().ok_or_else(|| Trouble::na("there is no --push-url"))?;
    let url = sink.endpoint(&stage.lab.fresh(), make.answers.clone());
    let field = format!("Bearer push-{}", stage.lab.fresh());
    stage.lab.keep_secret(&field);
    stage.known.insert(make.name.clone(), json!({ "url": url, "authorization": field }));
    Ok(())
}

/// Waits for requests at an endpoint of the push sink.
pub async fn pushes(stage: &mut Stage<'_>, pushes: &Pushes) -> Result<(), Trouble> {
    let url = stage.text(&format!("{{{}.url}}", pushes.sink))?;
    let sink = stage.lab.sink.as_ref().ok_or_else(|| Trouble::na("there is no --push-url"))?;
    let began = Stopwatch::start();
    let there = || sink.requests_from(&url, 0).unwrap_or_default();
    while there().len() < pushes.at_least {
        if began.elapsed() > stage.lab.settings.timeout {
            let said = format!("{} requests came instead of {}", there().len(), pushes.at_least);
            return Err(Trouble::wrong(said));
        }
        tokio::time::sleep(LOOK).await;
    }
    if pushes.watch {
        tokio::time::sleep(stage.lab.settings.silence).await;
    }
    let requests = there();
    let times: Vec<u64> = requests.iter().filter_map(|r| r["at_ms"].as_u64()).collect();
    let gaps: Vec<u64> = times.iter().zip(times.iter().skip(1)).map(|(a, b)| b.saturating_sub(*a)).collect();
    judge(stage, &pushes.expect, &json!({ "requests": requests, "gaps_ms": gaps }))
}
