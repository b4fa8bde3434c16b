//! A running hub, and its orderly end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::projections;
use super::tasks::Tasks;
use crate::hub::mirror::Feed;
use crate::hub::sequencer::Hub;
use crate::hub::spine::{Fatal, Spine};
use crate::transmitter::signer::Signer;

/// How long running requests may take to finish at the end; with what the sequencer and the mirror still write, 10 s.
const FINISH: Duration = Duration::from_secs(9);

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

    /// Waits until somebody wants the hub to stop: a signal, or its own sequencer.
    pub async fn until_told(&self) -> anyhow::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut stopping = self.stop.subscribe();
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: stopping"),
            _ = int.recv() => tracing::info!("SIGINT: stopping"),
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        Ok(())
    }

    /// Stops in order: not ready, no new connections, what runs finishes, the sequencer writes what waits.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.ready.store(false, Ordering::Release);
        self.stop.send_replace(true);
        if !self.tasks.wait(FINISH).await {
            tracing::warn!("requests were still running after 9 s and are cut");
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
