//! The threads that sign: a bounded number, each one signature at a time, all of lower priority than the rest of the hub.
//!
//! In the flow: `signer` hands over what takes most of a millisecond. On a machine with few cores a burst of signatures
//! and intake want the same ones. So these threads step back: whatever else the hub has to do (intake, kills, the gate)
//! runs first, at once where one of them is running; they take what is left, and a small share where nothing is.
//! Jobs begin in the order in which they came. Never holds more jobs than it has places for: who comes then waits.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, oneshot};

/// How far the threads step back (steps of `nice`). Ten steps are about a tenth of the time of one core that others want
/// too: a burst is hardly felt, and what is signed goes on going out while SETs storm in. It also bounds how long
/// another thread can wait for a lock that one of these holds.
const STEPS_BACK: i32 = 10;
/// Jobs that may wait, for each thread: so many that none runs dry before the next caller has woken.
const PLACES_PER_THREAD: usize = 4;

/// The pool is shutting down, or its work panicked.
#[derive(Debug, thiserror::Error)]
#[error("the signing pool has stopped")]
pub struct Stopped;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    came: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end. One that comes too late is dropped, and its caller's answer with it.
    fn put(&self, job: Job) {
        let mut queue = self.lock();
        if queue.stop {
            // What it holds is not dropped under the lock.
            drop(queue);
            return;
        }
        queue.jobs.push_back(job);
        let wanted = queue.idle > 0;
        drop(queue);
        if wanted {
            self.came.notify_one();
        }
    }

    fn take(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.stop {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue.idle += 1;
            queue = self.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn run(&self) {
        while let Some(job) = self.take() {
            // A panic is its caller's, who gets no answer: the next one's job is done all the same.
            let _ = catch_unwind(AssertUnwindSafe(job));
            // The kernel lets who runs finish its slice, some milliseconds: it ends here, after one signature.
            std::thread::yield_now();
        }
    }
}

/// The threads, until they are told to stop.
pub struct Pool {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts so many threads, at least one. Where only some can be made those do the work; an error: there is none.
    pub fn start(threads: usize) -> io::Result<Self> {
        Self::begin(threads, |n, work| std::thread::Builder::new().name(format!("sign {n}")).spawn(work))
    }

    fn begin(threads: usize, make: impl Fn(usize, Job) -> io::Result<JoinHandle<()>>) -> io::Result<Self> {
        let (shared, mut made) = (Arc::new(Shared::default()), vec![]);
        for n in 0..threads.max(1) {
            let own = Arc::clone(&shared);
            let work = move || {
                step_back();
                own.run();
            };
            match make(n, Box::new(work)) {
                Ok(thread) => made.push(thread),
                Err(error) if made.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, threads = made.len(), "no further thread can be made: these sign alone");
                    break;
                }
            }
        }
        let places = Arc::new(Semaphore::new(made.len() * PLACES_PER_THREAD));
        Ok(Self { shared, places, threads: Mutex::new(made) })
    }

    /// Does `work` on one of the threads. Who gives up before it has begun does not get it done.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Stopped)?;
        let (answer, answered) = oneshot::channel();
        self.shared.put(Box::new(move || {
            // It waits no more: the next one may come, while this one is done.
            drop(place);
            if !answer.is_closed() {
                // Whoever gave up meanwhile does not miss it.
                let _ = answer.send(work());
            }
        }));
        answered.await.map_err(|_| Stopped)
    }

    /// Ends the threads, each after what it is doing, and waits for them. What waits is answered [`Stopped`].
    pub fn stop(&self) {
        self.places.close();
        let mut queue = self.shared.lock();
        queue.stop = true;
        let left = std::mem::take(&mut queue.jobs);
        drop(queue);
        self.shared.came.notify_all();
        drop(left);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let here = std::thread::current().id();
        // The last owner may be a task that one of the threads itself has woken.
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != here) {
            // A thread that panicked is no more either.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Lowers the priority of this thread alone: with Linux each has its own. Nobody needs a right for it; where it is
/// refused all the same, signatures only take their turn with everything else.
fn step_back() {
    if let Err(error) = rustix::process::nice(STEPS_BACK) {
        tracing::warn!(%error, "the signing threads keep the priority of the others");
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
