//! What the hub does about streams by itself: those of silent receivers stop, the others may be kept alive.
//!
//! In the flow: beside the sequencer, which it asks like everybody else; what it does is an entry with `hub` as its
//! author, an operational event, and on the stream a stream-updated event (SSF 1.0, 8.1.5).

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use super::schedule::Times;
use super::tasks::Tasks;
use crate::clock::SharedClock;
use crate::hub::command::{StreamAct, StreamChange};
use crate::hub::object::{Object, ObjectKind};
use crate::hub::sequencer::Hub;
use crate::hub::spine::Spine;
use crate::hub::view::Views;
use crate::operations::Operations;
use crate::stream::status::Status;
use crate::stream::{Stream, StreamNo};
use crate::tenant::TenantId;
use crate::transmitter::ssf::activity::Activity;

/// By whom, in the journal.
const BY: &str = "hub";
/// How often silent receivers are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Streams whose keep-alive waits for the journal at a time.
const VERIFIED_AT_ONCE: usize = 64;

/// What this needs.
#[derive(Clone)]
pub struct Keeper {
    /// The sequencer.
    pub hub: Hub,
    /// Objects.
    pub views: Arc<Views>,
    /// When receivers were heard of.
    pub activity: Arc<Activity>,
    /// Operational events.
    pub operations: Arc<Operations>,
    /// Streams that were stopped.
    pub stopped: Counter,
    /// Time.
    pub clock: SharedClock,
    /// How long a receiver has to hear that its stream stops (ms).
    pub announce_ms: i64,
}

/// Begins to look after streams, until `stop`.
pub fn start(keeper: Keeper, tasks: &Tasks, keep_alive_cron: &str, stop: &watch::Receiver<bool>) {
    tasks.spawn("inactive streams", inactive(keeper.clone(), stop.clone()));
    if !keep_alive_cron.is_empty() {
        tasks.spawn("keep-alive", alive(keeper, keep_alive_cron.to_string(), stop.clone()));
    }
}

/// A stream that may time out.
struct Watched {
    key: (TenantId, StreamNo),
    stream_id: String,
    timeout_s: u32,
    status: Status,
}

/// Stops the streams of silent receivers, until `stop`.
async fn inactive(keeper: Keeper, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if !keeper.views.any(|rights| rights.inactivity_timeout_s.is_some()) {
            continue;
        }
        let Ok(watched) = keeper.hub.look(watched).await else { return };
        let streams: Vec<_> = watched.iter().map(|w| (w.key.clone(), w.timeout_s)).collect();
        let silent = keeper.activity.silent(&streams, keeper.clock.boot_ms());
        for one in watched.into_iter().filter(|w| silent.contains(&w.key)) {
            let reason = Some("no sign of life within inactivity_timeout".to_string());
            let what =
                StreamChange::Status { status: one.status, reason, announce_ms: Some(keeper.announce_ms) };
            let (tenant, stream_id, status) = (one.key.0, one.stream_id, one.status.as_str());
            let act = StreamAct { stream_id: stream_id.clone(), by: BY.into(), what };
            match keeper.hub.stream(&tenant, act).await {
                Ok(_) => {
                    keeper.stopped.inc();
                    let what = format!("{status}: no sign of life within {} s", one.timeout_s);
                    keeper.operations.note(tenant.as_str(), "stream_inactive", &stream_id, &what, 0);
                }
                Err(error) => {
                    tracing::error!(%tenant, stream_id, %error, "an inactive stream could not be stopped");
                }
            }
        }
    }
}

/// The streams that flow and whose receiver has a timeout.
fn watched(spine: &Spine) -> Vec<Watched> {
    let mut watched = vec![];
    for (tenant, state) in spine.states() {
        for (no, stream) in state.streams().iter().filter(|(_, stream)| !stream.relay) {
            let client = state.object(ObjectKind::Client, &stream.client).map(|stored| &stored.object);
            let Some(Object::Client(client)) = client else { continue };
            let Some(rights) = &client.receiver else { continue };
            let Some(timeout_s) = rights.inactivity_timeout_s else { continue };
            let life = state.life(*no);
            if life.status == Status::Enabled && life.ending.is_none() {
                let (key, stream_id) = ((tenant.clone(), *no), stream.stream_id.clone());
                watched.push(Watched { key, stream_id, timeout_s, status: rights.inactivity_status });
            }
        }
    }
    watched
}

/// Verifies every stream that flows whenever the schedule says so, until `stop`.
async fn alive(keeper: Keeper, cron: String, mut stop: watch::Receiver<bool>) {
    let Some(mut times) = Times::of(&cron, keeper.clock.clone()) else { return };
    while times.next(&mut stop).await {
        let Ok(streams) = keeper.hub.look(flowing).await else { return };
        tracing::info!(streams = streams.len(), "streams are verified by the schedule");
        // Many at a time, so that they share the journal's flushes.
        let verify = async |(tenant, stream_id): (TenantId, String)| {
            let what = StreamChange::Verify { state: None };
            let act = StreamAct { stream_id, by: BY.into(), what };
            if let Err(error) = keeper.hub.stream(&tenant, act).await {
                tracing::warn!(%tenant, %error, "a stream could not be verified");
            }
        };
        stream::iter(streams).for_each_concurrent(VERIFIED_AT_ONCE, verify).await;
    }
}

/// The streams of receivers that flow. What an operator made for a client that knows no SSF is left alone.
fn flowing(spine: &Spine) -> Vec<(TenantId, String)> {
    let made = |stream: &Stream| stream.events_delivered.is_some();
    let of = |(tenant, state): (&TenantId, &crate::hub::state::State)| {
        let open =
            state.streams().iter().filter(|(no, s)| made(s) && state.life(**no).status == Status::Enabled);
        open.map(|(_, s)| (tenant.clone(), s.stream_id.clone())).collect::<Vec<_>>()
    };
    spine.states().iter().flat_map(of).collect()
}
