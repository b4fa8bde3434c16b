//! Writes bases: what the spine held at one place, signed, beside the journal (DESIGN 8).
//!
//! In the flow: beside it. The sequencer copies its rows between two batches and goes on; encoding, hashing, signing and
//! the disk are done here, on a thread that may block. One at a time, so that at most one copy is in memory.

use std::path::PathBuf;
use std::sync::Arc;

use super::seal::{AuditSeal, heads_of};
use crate::clock::SharedClock;
use crate::hub::base::{self, Place};
use crate::hub::command::Refused;
use crate::hub::metrics::Metrics;
use crate::hub::sequencer::Hub;
use crate::hub::spine::Spine;
use crate::journal::Folder;

/// Writes the bases of one hub.
pub struct Bases {
    /// The hub.
    pub hub: Hub,
    /// Where they lie.
    pub disk: Arc<Folder>,
    /// Signs them.
    pub seal: Arc<AuditSeal>,
    /// Where the signed heads lie.
    pub root: PathBuf,
    /// How many are kept.
    pub keep: usize,
    /// What time it is.
    pub clock: SharedClock,
    /// When one was written last.
    pub metrics: Metrics,
    /// Held while one is written.
    pub one: tokio::sync::Mutex<()>,
}

impl Bases {
    /// Writes one; answers its name.
    ///
    /// # Errors
    /// As [`Bases::cut`].
    pub async fn write(self: &Arc<Self>) -> Result<String, Refused> {
        Ok(self.cut(|_| ()).await?.0)
    }

    /// Writes one, with a look at the spine at its place: its name, its place, what was seen.
    ///
    /// # Errors
    /// [`Refused::Unfit`] if it cannot be written or signed; [`Refused::Busy`], [`Refused::Stopping`].
    pub async fn cut<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Spine) -> T + Send + 'static,
    ) -> Result<(String, Place, T), Refused> {
        let _one = self.one.lock().await;
        let (seen, snapshot) = self.hub.snapshot(look).await?;
        let this = self.clone();
        let put = move || {
            let heads = heads_of(&snapshot.place, this.clock.wall_ms());
            this.seal.sign_heads(&this.root, &heads).map_err(|e| e.to_string())?;
            let name = base::write(&snapshot, &*this.disk, &*this.seal, this.keep)?;
            Ok((name, snapshot.place))
        };
        let put = tokio::task::spawn_blocking(put).await.unwrap_or_else(|e| Err(e.to_string()));
        let (name, place) = put.map_err(Refused::Unfit)?;
        self.metrics.base(self.clock.wall_ms());
        Ok((name, place, seen))
    }
}
