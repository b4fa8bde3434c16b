//! The step that asks for verification and waits for its event (SSF 1.0, 8.1.4), and the interval between two of them.
//!
//! Keeps `min_verification_interval`, however long the transmitter asks for, up to what the run is told to wait. Never
//! asks faster: a 429 would be its own fault.

use std::time::Duration;

use serde_json::json;

use super::Trouble;
use super::action::Verify;
use super::events::{ask_json, await_set, judge};
use super::stage::Stage;
use crate::clock::Stopwatch;

/// Asks for verification and waits for its event.
pub async fn verify(stage: &mut Stage<'_>, verify: &Verify) -> Result<(), Trouble> {
    let stream = stage.stream(&verify.stream)?;
    let (id, who) = (stream.id.clone(), stream.who);
    rest_between(stage, &verify.stream).await?;
    let state = verify.state.as_deref().map(|state| stage.text(state)).transpose()?;
    let mut body = json!({ "stream_id": id });
    if let Some(state) = &state {
        body["state"] = json!(state);
    }
    let url = stage.text("{verification_endpoint}")?;
    let exchange = ask_json(stage, who, url, "verify", &body).await?;
    // Only now: the transmitter counts from when it was asked, which is later than when the request was sent.
    stage.stream(&verify.stream)?.verified = Some(Stopwatch::start());
    let status = exchange.doc["status"].clone();
    stage.saw(exchange.evidence);
    if status != 204 {
        return Err(Trouble::wrong(format!("verify: /status is {status}, not 204")));
    }
    let matcher = state.map_or(json!("absent"), |state| json!({ "equals": state }));
    let filter = json!({ "/type": { "equals": "{verification}" }, "/event/state": matcher });
    let filter = serde_json::from_value(filter).map_err(Trouble::na)?;
    let set = await_set(stage, &verify.stream, &filter).await?;
    judge(stage, &verify.expect, &set)?;
    if let Some(name) = &verify.save {
        stage.known.insert(name.clone(), set);
    }
    Ok(())
}

/// Keeps `min_verification_interval` of the stream.
async fn rest_between(stage: &mut Stage<'_>, name: &str) -> Result<(), Trouble> {
    let patience = stage.lab.settings.patience;
    let stream = stage.stream(name)?;
    let Some(since) = stream.verified else { return Ok(()) };
    let interval = stream.config["min_verification_interval"].as_u64().unwrap_or(0);
    let rest = Duration::from_secs(interval).saturating_sub(since.elapsed());
    if rest > patience {
        return Err(Trouble::na(format!(
            "min_verification_interval of {interval} s is more than --patience-s"
        )));
    }
    tokio::time::sleep(rest).await;
    Ok(())
}
