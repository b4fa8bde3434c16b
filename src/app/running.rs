//! A running hub, and its orderly end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::projections;
use super::tasks::Tasks;
use crate::hub::mirror::Feed;
use crate::hub::sequencer::Hub;
use crate::hub::spine::{Fatal, Spine};
use crate::transmitter::signer::Signer;

/// How long running requests may take to finish at the end; with what the sequencer and the mirror still write, 10 s.
const FINISH: Duration = Duration::from_secs(7);

/// SIGTERM and SIGINT. From its making on neither ends the process by itself.
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Begins to listen: before a hub begins to start, for one that is ready must end in order.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for one.
    pub async fn come(&mut self) {
        tokio::select! {
            _ = self.term.recv() => tracing::info!("SIGTERM: stopping"),
            _ = self.int.recv() => tracing::info!("SIGINT: stopping"),
        }
    }
}

/// A running hub.
pub struct Running {
    /// The handle to its sequencer.
    pub hub: Hub,
    /// Where its public listener is bound.
    pub public: std::net::SocketAddr,
    /// Where its admin listener is bound.
    pub admin: std::net::SocketAddr,
    /// The admin credential, if it was made at this start.
    pub credential: Option<String>,
    pub(super) tasks: Tasks,
    pub(super) stop: watch::Sender<bool>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) signer: Arc<Signer>,
    pub(super) sequencer: Option<JoinHandle<Result<Spine, Fatal>>>,
    pub(super) mirror: Option<(Arc<Feed>, JoinHandle<()>)>,
    pub(super) projection: Option<projections::Running>,
}

impl Running {
    /// A sequencer that ends by itself has lost the disk: the process must end, and not wait for anybody.
    pub(super) fn watch_sequencer(&self, ended: tokio::sync::oneshot::Receiver<()>) {
        let stop = self.stop.clone();
        let ready = self.ready.clone();
        self.tasks.spawn("sequencer watch", async move {
            let mut stopping = stop.subscribe();
            tokio::select! {
                _ = ended => {
                    ready.store(false, Ordering::Release);
                    stop.send_replace(true);
                }
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Waits until the hub wants to end by itself: its sequencer lost the disk.
    pub async fn ended(&self) {
        // It fails where nobody can send any more: an end as well.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Stops in order: not ready, no new connections, what runs finishes, the sequencer writes what waits.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.ready.store(false, Ordering::Release);
        self.stop.send_replace(true);
        if !self.tasks.wait(FINISH).await {
            tracing::warn!("requests were still running after {} s and are cut", FINISH.as_secs());
        }
        self.hub.stop();
        let joined = tokio::task::spawn_blocking(move || {
            let ended = self.sequencer.take().map(JoinHandle::join);
            if let Some((stop, ring, thread)) = self.projection.take() {
                stop.store(true, Ordering::Release);
                ring();
                // A projection that panicked only lags.
                let _ = thread.join();
            }
            if let Some((feed, thread)) = self.mirror.take() {
                feed.stop();
                let _ = thread.join();
            }
            self.signer.stop();
            ended
        });
        match joined.await? {
            Some(Ok(Err(fatal))) => Err(fatal.into()),
            Some(Err(_)) => anyhow::bail!("the sequencer panicked"),
            _ => Ok(()),
        }
    }
}
