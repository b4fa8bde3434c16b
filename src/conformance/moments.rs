//! Whether a run was held up: some rows are about moments, and what is wrong while nobody runs proves nothing of them.
//!
//! A beat that comes late says so, and an answer that is long in coming. Asked by [`super::run`], which tries a case again in
//! which something was wrong meanwhile. Never judges.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::Stopwatch;

/// How often it beats.
const BEAT: Duration = Duration::from_millis(100);
/// What is later than this was held up.
const LATE: Duration = Duration::from_millis(500);

struct Pulse {
    beat: Stopwatch,
    held_up: bool,
}

impl Pulse {
    fn look(&mut self) {
        self.held_up |= self.beat.elapsed() > BEAT + LATE;
        self.beat = Stopwatch::start();
    }
}

/// The beat of a run; it ends when it is dropped.
pub struct Moments {
    pulse: Arc<Mutex<Pulse>>,
    _beating: JoinSet<()>,
}

impl Moments {
    /// Begins to beat.
    pub fn watch() -> Self {
        let pulse = Arc::new(Mutex::new(Pulse { beat: Stopwatch::start(), held_up: false }));
        let beating = pulse.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                locked(&beating).look();
            }
        });
        Self { pulse, _beating: tasks }
    }

    /// From here on it counts.
    pub fn begin(&self) {
        *locked(&self.pulse) = Pulse { beat: Stopwatch::start(), held_up: false };
    }

    /// An answer took so long.
    pub fn took(&self, time: Duration) {
        locked(&self.pulse).held_up |= time > LATE;
    }

    /// Whether the run was held up since [`Self::begin`].
    pub fn held_up(&self) -> bool {
        let mut pulse = locked(&self.pulse);
        pulse.look();
        pulse.held_up
    }
}

fn locked(pulse: &Mutex<Pulse>) -> MutexGuard<'_, Pulse> {
    pulse.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_that_stands_still_is_noticed() {
        let moments = Moments::watch();
        moments.took(LATE * 2);
        assert!(moments.held_up());
        moments.begin();
        std::thread::sleep((BEAT + LATE) * 2);
        assert!(moments.held_up(), "nobody ran");
        moments.begin();
        std::thread::sleep((BEAT + LATE) * 2);
        tokio::time::sleep(BEAT * 2).await;
        assert!(moments.held_up(), "nor before the beats that came after it");
        let runs = |_| {
            moments.begin();
            !moments.held_up()
        };
        assert!((0..1000).any(runs), "and is forgotten");
    }
}
