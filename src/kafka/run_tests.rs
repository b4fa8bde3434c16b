//! The loop against librdkafka's mock cluster, in process: nothing is lost, whatever the broker does.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};

use super::super::producer::tests::{Mock, message, mock, settings, until, values};
use super::super::source::Step;
use super::super::topics::Topic;
use super::*;

/// A journal of numbered entries; every third says nothing. The cursor is the number.
#[derive(Clone, Default)]
struct Journal {
    len: Arc<AtomicU64>,
    /// Every position that was asked from.
    asked: Arc<Mutex<Vec<u64>>>,
}

fn number(cursor: &[u8]) -> u64 {
    cursor.try_into().map_or(0, u64::from_be_bytes)
}

impl Source for Journal {
    fn next(&mut self, after: &[u8], max: usize) -> Result<Vec<Step>, String> {
        let after = number(after);
        self.asked.lock().unwrap().push(after);
        let last = self.len.load(Ordering::SeqCst).min(after + max as u64);
        let step = |n: u64| Step {
            cursor: n.to_be_bytes().to_vec(),
            messages: if n.is_multiple_of(3) { vec![] } else { vec![message(n)] },
        };
        Ok((after + 1..=last).map(step).collect())
    }

    fn behind(&mut self, after: &[u8]) -> u64 {
        self.len.load(Ordering::SeqCst) - number(after)
    }
}

#[derive(Clone, Default)]
struct Cursor(Arc<AtomicU64>);

impl CursorStore for Cursor {
    fn load(&mut self) -> Result<Vec<u8>, String> {
        let n = self.0.load(Ordering::SeqCst);
        Ok(if n == 0 { vec![] } else { n.to_be_bytes().to_vec() })
    }

    fn save(&mut self, cursor: &[u8]) -> Result<(), String> {
        self.0.store(number(cursor), Ordering::SeqCst);
        Ok(())
    }
}

/// A running loop.
struct Running {
    journal: Journal,
    cursor: Cursor,
    wake: Arc<Wake>,
    stop: Arc<AtomicBool>,
    health: Arc<Health>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start(mock: &Mock, properties: &[(&str, &str)], journal: &Journal, cursor: &Cursor) -> Self {
        let settings = settings(mock, properties);
        let (journal, cursor, wake) = (journal.clone(), cursor.clone(), Arc::new(Wake::default()));
        let (stop, health) = (Arc::new(AtomicBool::new(false)), Arc::new(Health::default()));
        let (j, c, w, s, h) = (journal.clone(), cursor.clone(), wake.clone(), stop.clone(), health.clone());
        let thread = thread::spawn(move || run(j, &settings, c, w, &s, h));
        Self { journal, cursor, wake, stop, health, thread }
    }

    fn write(&self, entries: u64) {
        self.journal.len.fetch_add(entries, Ordering::SeqCst);
        self.wake.ring();
    }

    fn is_connected(&self) -> bool {
        self.health.connected.load(Ordering::Relaxed)
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.wake.ring();
        self.thread.join().unwrap().unwrap();
        self.cursor.0.load(Ordering::SeqCst)
    }
}

/// What must stand on the topic for a journal of `len`.
fn want(len: u64) -> Vec<String> {
    (1..=len).filter(|n| !n.is_multiple_of(3)).map(|n| n.to_string()).collect()
}

#[test]
fn all_steps_arrive_in_order_and_a_restart_goes_on_behind_them() {
    let (mock, journal, cursor) = (mock(), Journal::default(), Cursor::default());
    let running = Running::start(&mock, &[], &journal, &cursor);
    running.write(300);
    until("all sent", || running.health.sent.load(Ordering::Relaxed) == 200);
    until("the cursor is saved while it runs", || cursor.0.load(Ordering::SeqCst) == 300);
    assert_eq!(running.stop(), 300);
    let running = Running::start(&mock, &[], &journal, &cursor);
    running.write(2);
    until("the next", || running.health.sent.load(Ordering::Relaxed) == 2);
    assert_eq!(running.stop(), 302);
    let seen = values(&mock.bootstrap_servers(), Topic::Revocations, |seen| seen.len() >= 202);
    assert_eq!(seen, want(302));
}

#[test]
fn a_short_outage_delays_and_loses_nothing() {
    let (mock, journal, cursor) = (mock(), Journal::default(), Cursor::default());
    let running = Running::start(&mock, &[], &journal, &cursor);
    running.write(30);
    until("connected", || running.is_connected() && running.health.sent.load(Ordering::Relaxed) == 20);
    mock.broker_down(-1).unwrap();
    until("away", || !running.is_connected());
    running.write(30);
    mock.broker_up(-1).unwrap();
    until("back", || running.is_connected());
    until("the rest", || running.health.sent.load(Ordering::Relaxed) == 40);
    assert_eq!(running.stop(), 60);
    let seen = values(&mock.bootstrap_servers(), Topic::Revocations, |seen| seen.len() >= 40);
    assert_eq!(seen, want(60));
}

#[test]
fn failed_deliveries_go_out_again_from_the_watermark() {
    let (mock, journal, cursor) = (mock(), Journal::default(), Cursor::default());
    let running = Running::start(&mock, &[("message.timeout.ms", "600")], &journal, &cursor);
    running.write(30);
    until("the first part", || cursor.0.load(Ordering::SeqCst) == 30);
    // Acknowledgements stay out: what is sent now is in flight when the broker goes.
    mock.broker_round_trip_time(-1, Duration::from_secs(5)).unwrap();
    running.write(30);
    until("failed", || running.health.failed.load(Ordering::Relaxed) > 0);
    mock.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    // The failure is counted by librdkafka's thread; the loop sees it later, and until then thinks itself connected.
    until("the source is asked again for what had failed", || {
        running.journal.asked.lock().unwrap().windows(2).any(|pair| pair[1] < pair[0])
    });
    until("back", || running.is_connected());
    until("the rest", || cursor.0.load(Ordering::SeqCst) == 60);
    assert_eq!(running.stop(), 60);
    // At least once, and the last word on the key is the newest.
    let last = "59".to_owned();
    let seen = values(&mock.bootstrap_servers(), Topic::Revocations, |seen| seen.last() == Some(&last));
    for n in want(60) {
        assert!(seen.contains(&n), "{n} is lost: {seen:?}");
    }
}

#[test]
fn a_broker_that_was_never_there_holds_up_nothing_but_the_cursor() {
    let (mock, journal, cursor) = (mock(), Journal::default(), Cursor::default());
    mock.broker_down(-1).unwrap();
    let running = Running::start(&mock, &[], &journal, &cursor);
    running.write(50_000);
    until("the lag is told", || running.health.lag_steps.load(Ordering::Relaxed) == 50_000);
    assert!(!running.is_connected());
    assert_eq!(running.journal.asked.lock().unwrap().len(), 0);
    let watch = Stopwatch::start();
    assert_eq!(running.stop(), 0);
    assert!(watch.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_is_too_large_does_not_hold_up_the_rest() {
    struct Large(Journal);
    impl Source for Large {
        fn next(&mut self, after: &[u8], max: usize) -> Result<Vec<Step>, String> {
            let mut steps = self.0.next(after, max)?;
            for step in steps.iter_mut().filter(|step| number(&step.cursor) == 2) {
                step.messages[0].payload = Some(vec![b'x'; 5000]);
            }
            Ok(steps)
        }
    }
    let (mock, journal) = (mock(), Journal::default());
    journal.len.store(5, Ordering::SeqCst);
    let settings = settings(&mock, &[("message.max.bytes", "1000")]);
    let (stop, health, cursor) = (AtomicBool::new(false), Arc::new(Health::default()), Cursor::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            run(Large(journal), &settings, cursor.clone(), Arc::default(), &stop, health.clone()).unwrap();
        });
        until("the rest", || health.sent.load(Ordering::Relaxed) == 3);
        stop.store(true, Ordering::Release);
    });
    assert_eq!((cursor.0.load(Ordering::SeqCst), health.refused.load(Ordering::Relaxed)), (5, 1));
}

#[test]
fn bad_settings_are_told_at_once() {
    let bad = Settings::default();
    let stop = AtomicBool::new(false);
    let got = run(Journal::default(), &bad, Cursor::default(), Arc::default(), &stop, Arc::default());
    assert!(matches!(got, Err(Error::Config(config::Error::NoServers))));
}
