//! Tasks: spawned here and nowhere else, so that the end of the process sees them all.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

#[derive(Default)]
struct Inner {
    running: AtomicUsize,
    idle: Notify,
}

/// A handle to the process's tasks. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Inner>);

/// Counts one task down, whichever way it ends.
struct Running(Arc<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Tasks {
    /// Runs a future beside the others. `name` shows in logs when it panics.
    #[expect(clippy::disallowed_methods, reason = "the one home of tokio::spawn")]
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, name: &'static str, future: F) {
        self.0.running.fetch_add(1, Ordering::AcqRel);
        let running = Running(self.0.clone());
        tokio::spawn(async move {
            let _running = running;
            tracing::trace!(name, "task begins");
            future.await;
        });
    }

    /// [`Tasks::spawn`] as a value, for parts that must not know `app`.
    pub fn spawner(&self) -> crate::api::serve::Spawn {
        let tasks = self.clone();
        Arc::new(move |name, future| tasks.spawn(name, future))
    }

    /// Waits until no task runs, at most `patience`; whether none runs.
    pub async fn wait(&self, patience: Duration) -> bool {
        let idle = async {
            loop {
                let notified = self.0.idle.notified();
                if self.0.running.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(patience, idle).await.is_ok()
    }
}
