//! Operational events of the spine, kept beside it: its thread must not wait for a file.
//!
//! Bounded; what does not fit is still in the log and in the counters.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::operations::Operations;
use crate::tenant::TenantId;

/// Events that may wait.
const WAITING_MAX: usize = 1_024;

/// One event on its way: whose, what sort, of which stream, what happened.
pub type Note = (TenantId, &'static str, String, String);

/// Where events go in, and where they come out.
pub fn channel() -> (mpsc::Sender<Note>, mpsc::Receiver<Note>) {
    mpsc::channel(WAITING_MAX)
}

/// Keeps what comes, until the hub stops.
pub async fn keep(
    mut notes: mpsc::Receiver<Note>,
    operations: Arc<Operations>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            note = notes.recv() => match note {
                Some((tenant, kind, subject, what)) => operations.note(tenant.as_str(), kind, &subject, &what, 0),
                None => return,
            },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
