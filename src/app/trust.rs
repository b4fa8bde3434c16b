//! The CA files of `[egress]`, looked at again: a new authority is trusted, and an old one no longer, without a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::egress::Egress;
use crate::operations::Operations;
use crate::tenant::HUB;

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until the hub stops. Files that cannot be used leave what was trusted as it is, and are told once.
pub async fn watch(egress: Arc<Egress>, operations: Arc<Operations>, mut stop: watch::Receiver<bool>) {
    let mut last: Option<String> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let looking = egress.clone();
        let Ok(looked) = tokio::task::spawn_blocking(move || looking.refresh()).await else { continue };
        match looked {
            Ok(changed) => {
                if changed {
                    tracing::info!("the CA files changed: outbound TLS trusts what they hold now");
                }
                last = None;
            }
            Err(error) => {
                let what = error.to_string();
                if last.as_ref() != Some(&what) {
                    operations.note(HUB, "ca_files_unusable", "egress.extra_ca_files", &what, 0);
                }
                last = Some(what);
            }
        }
    }
}
