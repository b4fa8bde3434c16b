//! The threads that sign: a bounded number, each one signature at a time, all of lower priority than the rest of the hub.
//!
//! In the flow: `signer` hands over what takes most of a millisecond. On a machine with few cores a burst of signatures
//! and intake want the same ones. So these threads step back: whatever else the hub has to do (intake, kills, the gate)
//! runs first, at once where one of them is running; they take what is left, and a small share where nothing is.
//! Jobs begin in the order in which they came. Never holds more jobs than it has places for: who comes then waits.
//! A thread that stands back never wakes a task itself: tokio's wakers hold up all others where they are interrupted, and
//! it may be interrupted for long. One more thread, with the hub's own priority, tells the answers.

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
/// Jobs under way or waiting, for each thread: so many that none runs dry before the next caller has woken.
const PLACES_PER_THREAD: usize = 4;

/// The pool is shutting down, or its work panicked.
#[derive(Debug, thiserror::Error)]
#[error("the signing pool has stopped")]
pub struct Stopped;

/// Tells a caller what was made for it.
type Tell = Box<dyn FnOnce() + Send>;
/// Makes it.
type Job = Box<dyn FnOnce() -> Tell + Send>;
/// What a thread does all its life.
type Life = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    stop: bool,
}

#[derive(Default)]
struct Made {
    answers: Vec<Tell>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    came: Condvar,
    /// What is to be told; no caller ever takes this lock.
    made: Mutex<Made>,
    made_came: Condvar,
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

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what was made, until nobody makes anything any more.
    fn tell(&self) {
        loop {
            let mut made = self
                .made_came
                .wait_while(self.made(), |made| made.answers.is_empty() && !made.stop)
                .unwrap_or_else(PoisonError::into_inner);
            if made.answers.is_empty() {
                return;
            }
            let answers = std::mem::take(&mut made.answers);
            drop(made);
            answers.into_iter().for_each(|tell| tell());
        }
    }

    fn run(&self) {
        while let Some(job) = self.take() {
            // A panic is its caller's, who gets no answer: the next one's job is done all the same.
            if let Ok(tell) = catch_unwind(AssertUnwindSafe(job)) {
                self.made().answers.push(tell);
                self.made_came.notify_one();
            }
            // The kernel lets who runs finish its slice, some milliseconds: it ends here, after one signature.
            std::thread::yield_now();
        }
    }
}

/// The threads, until they are told to stop.
pub struct Pool {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    signing: Vec<JoinHandle<()>>,
    telling: Option<JoinHandle<()>>,
}

impl Pool {
    /// Starts so many threads that sign, at least one. Where only some can be made those do the work; an error: there is none.
    pub fn start(threads: usize) -> io::Result<Self> {
        Self::begin(threads, |name, life| std::thread::Builder::new().name(name).spawn(life))
    }

    fn begin(threads: usize, make: impl Fn(String, Life) -> io::Result<JoinHandle<()>>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let telling = Some(make("signed".into(), Box::new(move || own.tell()))?);
        // From here on its end stops what was started, also where no more can be.
        let mut pool = Self {
            shared,
            places: Arc::new(Semaphore::new(0)),
            threads: Mutex::new(Threads { signing: vec![], telling }),
        };
        let signing = pool.sign_with(threads.max(1), make)?;
        pool.places.add_permits(signing.len() * PLACES_PER_THREAD);
        pool.threads.get_mut().unwrap_or_else(PoisonError::into_inner).signing = signing;
        Ok(pool)
    }

    fn sign_with(
        &self,
        threads: usize,
        make: impl Fn(String, Life) -> io::Result<JoinHandle<()>>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let mut made = vec![];
        for n in 0..threads {
            let own = Arc::clone(&self.shared);
            let life = move || {
                step_back();
                own.run();
            };
            match make(format!("sign {n}"), Box::new(life)) {
                Ok(thread) => made.push(thread),
                Err(error) if made.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, threads = made.len(), "no further thread can be made: these sign alone");
                    break;
                }
            }
        }
        Ok(made)
    }

    /// Does `work` on one of the threads. Who gives up before it has begun does not get it done.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Stopped)?;
        let (answer, answered) = oneshot::channel();
        self.shared.put(Box::new(move || {
            let made = (!answer.is_closed()).then(work);
            Box::new(move || {
                // Who waits for a place is woken here too.
                drop(place);
                // Whoever gave up meanwhile does not miss it.
                let _ = made.map(|made| answer.send(made));
            })
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
        threads.signing.into_iter().for_each(join);
        // Only now: what they were still making is told.
        self.shared.made().stop = true;
        self.shared.made_came.notify_one();
        threads.telling.into_iter().for_each(join);
    }
}

/// Waits for a thread, unless it is this one: the last owner may be a task that one of the threads itself has woken.
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // A thread that panicked is no more either.
        let _ = thread.join();
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
