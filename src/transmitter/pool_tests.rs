//! The signing pool: bounded, in order, of low priority; its end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join_all};

use super::*;

/// `n` threads can be made, the one that tells among them.
fn with_threads(n: usize, of: usize) -> io::Result<Pool> {
    let made = AtomicUsize::new(0);
    Pool::begin(of, move |_, life| match made.fetch_add(1, Ordering::SeqCst) < n {
        true => std::thread::Builder::new().spawn(life),
        false => Err(io::ErrorKind::WouldBlock.into()),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_at_once_than_threads_and_no_more_waiting_than_places() {
    let pool = Arc::new(Pool::start(2).unwrap());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (waiting, shared) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&pool.shared));
    let job = |n: usize| {
        let (now, most, waiting) = (now.clone(), most.clone(), waiting.clone());
        let shared = Arc::clone(&shared);
        pool.run(move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The first two wait for each other, and for those behind them: seconds if need be.
            for _ in 0..10_000 {
                waiting.fetch_max(shared.lock().jobs.len(), Ordering::SeqCst);
                if n >= 2 || (most.load(Ordering::SeqCst) >= 2 && waiting.load(Ordering::SeqCst) >= 1) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(200));
            now.fetch_sub(1, Ordering::SeqCst);
            n
        })
    };
    let done: Vec<usize> = join_all((0..400).map(job)).await.into_iter().map(Result::unwrap).collect();
    assert!(done.into_iter().eq(0..400), "every caller gets its own");
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let waited = waiting.load(Ordering::SeqCst);
    assert!((1..=2 * PLACES_PER_THREAD).contains(&waited), "{waited}");
}

#[tokio::test]
async fn jobs_begin_in_the_order_in_which_they_came() {
    let pool = Pool::start(1).unwrap();
    let (tell, told) = mpsc::channel();
    let job = |n: usize| {
        let tell = tell.clone();
        pool.run(move || tell.send(n).unwrap())
    };
    join_all((0..25).map(job)).await.into_iter().for_each(Result::unwrap);
    drop(tell);
    assert!(told.iter().eq(0..25));
}

#[tokio::test]
async fn the_threads_step_back_and_nobody_else_does() {
    let own = || rustix::process::getpriority_process(None).unwrap();
    let before = own();
    let pool = Pool::start(1).unwrap();
    for _ in 0..2 {
        assert_eq!(pool.run(own).await.unwrap(), (before + STEPS_BACK).min(19));
    }
    let (tell, told) = mpsc::channel();
    pool.shared.put(Box::new(move || Box::new(move || tell.send(own()).unwrap())));
    assert_eq!(
        told.recv_timeout(Duration::from_secs(60)),
        Ok(before),
        "who wakes others has not stepped back"
    );
    assert_eq!(own(), before);
    let other = std::thread::spawn(own).join().unwrap();
    assert_eq!(other, before, "a thread made later has the priority of who made it");
}

#[tokio::test]
async fn what_threads_there_are_do_the_work() {
    for none in 0..2 {
        assert_eq!(with_threads(none, 3).err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
    }
    let pool = with_threads(2, 3).unwrap();
    assert_eq!(pool.threads.lock().unwrap().signing.len(), 1);
    let all = join_all((0..20).map(|n| pool.run(move || n))).await;
    assert!(all.into_iter().map(Result::unwrap).eq(0..20));
    assert_eq!(Pool::start(0).unwrap().run(|| 7).await.unwrap(), 7, "at least one");
}

#[tokio::test]
async fn a_panic_is_its_callers_alone() {
    let pool = Pool::start(1).unwrap();
    let wrong = pool.run(|| -> usize { std::panic::resume_unwind(Box::new("as a test wants it")) });
    assert!(wrong.await.is_err());
    assert_eq!(pool.run(|| 1).await.unwrap(), 1);
}

/// Keeps the only thread of a pool busy until it is dropped or told.
fn busy(pool: &Pool) -> (impl Future<Output = Result<(), Stopped>>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((begun_tx, begun), (go, gone)) = (mpsc::channel(), mpsc::channel());
    let busy = pool.run(move || {
        begun_tx.send(()).unwrap();
        let _ = gone.recv();
    });
    (busy, begun, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gave_up_is_not_signed_for() {
    let pool = Pool::start(1).unwrap();
    let did = Arc::new(AtomicUsize::new(0));
    let (busy, begun, go) = busy(&pool);
    let other = async {
        tokio::task::block_in_place(|| begun.recv().unwrap());
        let given_up = did.clone();
        let mut waits = Box::pin(pool.run(move || given_up.fetch_add(1, Ordering::SeqCst)));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(waits);
        drop(go);
    };
    tokio::join!(async { busy.await.unwrap() }, other);
    pool.run(|| ()).await.unwrap();
    assert_eq!(did.load(Ordering::SeqCst), 0);
    assert_eq!(pool.places.available_permits(), PLACES_PER_THREAD, "its place is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_waits_for_what_runs_and_answers_what_waits() {
    let pool = Arc::new(Pool::start(1).unwrap());
    let (busy, begun, go) = busy(&pool);
    let others = async {
        tokio::task::block_in_place(|| begun.recv().unwrap());
        // More than there are places for: some wait in the queue, some for a place.
        let mut waiting = Box::pin(join_all((0..2 * PLACES_PER_THREAD).map(|_| pool.run(|| ()))));
        assert!(waiting.as_mut().now_or_never().is_none());
        let stopping = Arc::clone(&pool);
        let stopped = std::thread::spawn(move || stopping.stop());
        assert!(waiting.await.into_iter().all(|answer| answer.is_err()));
        assert!(!stopped.is_finished(), "one still works");
        drop(go);
        tokio::task::block_in_place(|| stopped.join().unwrap());
    };
    let (first, ()) = tokio::join!(busy, others);
    assert!(first.is_ok(), "what had begun was finished");
    let threads = pool.threads.lock().unwrap();
    assert!(threads.signing.is_empty() && threads.telling.is_none());
    drop(threads);
    assert!(pool.run(|| ()).await.is_err());
    pool.stop();
}

#[test]
fn the_last_owner_may_be_one_of_its_own_threads() {
    let pool = Arc::new(Pool::start(2).unwrap());
    let (shared, own, (tell, told)) = (Arc::clone(&pool.shared), Arc::clone(&pool), mpsc::channel());
    drop(pool);
    shared.put(Box::new(move || {
        drop(own);
        tell.send(()).unwrap();
        Box::new(|| ())
    }));
    told.recv_timeout(Duration::from_secs(60)).unwrap();
}
