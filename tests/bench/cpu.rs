//! CPU time: of a process as the kernel accounts it, of this thread, of one operation with all cores busy.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use ssf_hub::clock::Stopwatch;

/// Ticks of `/proc/PID/stat` in a second: 100 on every Linux that this runs on.
const TICK_US: f64 = 10_000.0;

/// User and system time of a process and all its threads so far, ended ones too (µs). Good to 10 ms: take rounds of
/// several hundred.
pub fn of_process(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name in parentheses may hold blanks; what follows it does not.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let field = |n: usize| rest.split_whitespace().nth(n).unwrap().parse::<f64>().unwrap();
    (field(11) + field(12)) * TICK_US
}

/// This thread's (µs).
pub fn of_thread() -> f64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
}

/// CPU of one operation on one thread (µs), over at least `ms` of wall time.
pub fn of_one(ms: u64, mut operation: impl FnMut()) -> f64 {
    let (from, watch, mut done) = (of_thread(), Stopwatch::start(), 0_u32);
    while watch.elapsed() < Duration::from_millis(ms) {
        for _ in 0..8 {
            operation();
        }
        done += 8;
    }
    (of_thread() - from) / f64::from(done)
}

/// The same with every core at it, as when the hub is busy: the mean.
pub fn of_one_busy(ms: u64, operation: impl Fn() + Sync) -> f64 {
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..super::raw::cores()).map(|_| scope.spawn(|| of_one(ms, &operation))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    all.iter().sum::<f64>() / all.len() as f64
}
