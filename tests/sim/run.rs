//! Runs a plan, many plans on two threads, and tells of the first that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ssf_hub::journal::sim::Call;

use crate::fail::{Failure, ensure};
use crate::op::{Op, Plan};
use crate::world::{Counts, World};

/// Threads of a run: the machines of CI have two cores.
const THREADS: usize = 2;

/// What a run came to: the same for the same plan, always.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Digest of every tenant's state at the end, and where the journal ended.
    pub end: String,
    pub counts: Counts,
}

/// Runs a plan to its end.
pub fn run(plan: &Plan) -> Result<Outcome, Failure> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan)?;
        for op in &plan.ops {
            world.step(op)?;
        }
        world.finish()
    }));
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(Failure { code: "panic", what: text.unwrap_or_default() })
    })
}

impl World {
    fn step(&mut self, op: &Op) -> Result<(), Failure> {
        match op {
            Op::Batch(cmds) => return self.batch(cmds),
            Op::Idle => return self.batch(&[]),
            Op::Deliver { tenant, pick, how } => return self.deliver(*tenant, *pick, *how),
            Op::Pass { ms } => self.clock.pass(*ms),
            Op::Leap { ms } => {
                self.clock.leap(*ms);
                self.life.leapt = true;
            }
            Op::Mirror => self.write_mirror(),
            Op::FailNext(call, fault) => {
                self.disk.fail_next(*call, *fault);
                if *call == Call::Put {
                    self.bases.fail_next(*call, *fault);
                }
                self.trouble();
            }
            Op::FailAfter(call, successes) => {
                self.disk.fail_after(*call, *successes);
                self.trouble();
            }
            Op::FailRate(rate) => {
                self.disk.fail_per_65536(*rate);
                self.bases.fail_per_65536(*rate);
                self.trouble();
            }
            Op::Room(bytes) => {
                self.disk.limit(Some(self.disk.used() + bytes));
                self.trouble();
            }
            Op::Heal => self.heal(),
            Op::Crash => return self.restart(true),
            Op::Kill => return self.restart(false),
            Op::Check => return self.check_everything(),
        }
        Ok(())
    }

    fn trouble(&mut self) {
        self.faulty = true;
        self.life.troubled = true;
    }

    /// The disk is sound again: everything acknowledged must reach everybody who is owed it.
    fn finish(&mut self) -> Result<Outcome, Failure> {
        self.heal();
        self.clock.pass(2_000);
        let power = self.dice.once_in(2);
        self.restart(power)?;
        self.batch(&[])?;
        ensure!(self.life.spine.intake().is_ok(), "intake", "intake is closed on a sound disk");
        self.drain()?;
        self.restart(true)?;
        ensure!(self.life.sink.told().owed.is_empty(), "owed", "what was delivered is owed again");
        self.all_delivered(&self.ledger()?)?;
        let (digests, end) = (self.digests(), self.life.spine.journal().end());
        let counts = std::mem::take(&mut self.counts);
        Ok(Outcome { end: format!("{digests:?} {end}"), counts })
    }
}

/// What many seeds came to.
pub struct Sum {
    pub counts: Counts,
    pub failed: Vec<(Plan, Failure)>,
}

/// Runs the plans of seeds `0..seeds`. `stop`: at the first failure.
pub fn many(seeds: u64, plan: impl Fn(u64) -> Plan + Sync, stop: bool) -> Sum {
    let (next, halt) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new(Sum { counts: Counts::new(), failed: vec![] });
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || halt.load(Ordering::Relaxed) {
                return;
            }
            let plan = plan(seed);
            let result = run(&plan);
            let mut sum = sum.lock().unwrap();
            match result {
                Ok(outcome) => {
                    for (what, times) in outcome.counts {
                        *sum.counts.entry(what).or_default() += times;
                    }
                }
                Err(failure) => {
                    sum.failed.push((plan, failure));
                    halt.fetch_or(stop, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let mut sum = sum.into_inner().unwrap();
    sum.failed.sort_by_key(|(plan, _)| plan.seed);
    sum
}
