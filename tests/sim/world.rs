//! One simulated hub with its disks, its clock and its surroundings, through many lives of its process.

use std::collections::BTreeMap;
use std::sync::Arc;

use ssf_hub::hub::base::hex;
use ssf_hub::hub::decide::Bounds;
use ssf_hub::hub::entry::Outcome;
use ssf_hub::hub::mirror::Feed;
use ssf_hub::hub::spine::{Parts, Spine};
use ssf_hub::hub::start::{self, From, Loaded};
use ssf_hub::hub::state::{FOLD_VERSION, State};
use ssf_hub::journal::sim::SimDisk;
use ssf_hub::journal::verify::SignedHeadClaim;
use ssf_hub::journal::{self, Journal, Options, Reader};
use ssf_hub::tenant::TenantId;
use ssf_hub::transmitter::issue::Issuer;

use crate::chance::{Dice, SimChance, SimClock};
use crate::fail::{Failure, ensure, failure};
use crate::mirror::{FakeMirror, SimSeal};
use crate::model::Model;
use crate::op::Plan;
use crate::sink::SimSink;

/// Tries to start before the disk is made sound.
const TRIES: usize = 4;

/// How often each thing happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// One run of the hub's process.
pub struct Life {
    pub spine: Spine,
    pub sink: Arc<SimSink>,
    pub feed: Arc<Feed>,
    /// What happened in it may close intake, or end it.
    pub troubled: bool,
    pub leapt: bool,
}

/// The simulated world.
pub struct World {
    pub disk: SimDisk,
    pub bases: SimDisk,
    pub mirror: FakeMirror,
    pub clock: Arc<SimClock>,
    pub dice: Dice,
    pub options: Options,
    pub model: Model,
    pub life: Life,
    pub outcomes: Vec<(TenantId, Outcome)>,
    /// Digests behind the last batch that was answered.
    pub sure: BTreeMap<TenantId, [u8; 32]>,
    /// A batch died without an answer since then.
    pub doubt: bool,
    pub heads: Vec<SignedHeadClaim>,
    pub issuer: Issuer,
    pub counts: Counts,
    /// Faults are set that were not met yet.
    pub faulty: bool,
    lives: u64,
}

/// Why the hub does not start.
pub enum NoStart {
    /// A call of the disk failed: tried again.
    Disk(String),
    /// What was found is not as it was written.
    Wrong(Failure),
}

impl World {
    /// A world in which the hub was just set up, on a sound disk.
    pub fn new(plan: &Plan) -> Result<Self, Failure> {
        let (disk, bases) = (SimDisk::new(plan.seed), SimDisk::new(!plan.seed));
        let clock = Arc::new(SimClock::new());
        let options = Options { segment_bytes: plan.segment_bytes, fold_version: FOLD_VERSION };
        let mut mirror = FakeMirror::default();
        let start = Start { disk: &disk, bases: &bases, clock: &clock, options };
        let (life, ..) = match start.life(&mut mirror, plan.seed) {
            Ok(life) => life,
            Err(NoStart::Disk(what)) => return failure("open", what),
            Err(NoStart::Wrong(wrong)) => return Err(wrong),
        };
        let issuer = Issuer::new(life.spine.journal().id().0, "https://hub.example");
        let mut world = Self {
            disk,
            bases,
            mirror,
            clock,
            dice: Dice::new(plan.seed.rotate_left(17)),
            options,
            model: Model::default(),
            life,
            outcomes: vec![],
            sure: BTreeMap::new(),
            doubt: false,
            heads: vec![],
            issuer,
            counts: Counts::new(),
            faulty: false,
            lives: 0,
        };
        world.set_up()?;
        world.disk.ignore_sync(plan.lie);
        Ok(world)
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn digests(&self) -> BTreeMap<TenantId, [u8; 32]> {
        self.life.spine.states().iter().map(|(tenant, state)| (tenant.clone(), state.digest())).collect()
    }

    /// The latest entry time (ms since 1970).
    pub fn now_ms(&self) -> i64 {
        self.life.spine.states().values().map(State::time_ms).max().unwrap_or(0)
    }

    /// Every fault ends. Intake may stay closed for a while.
    pub fn heal(&mut self) {
        self.faulty = false;
        self.disk.heal();
        self.bases.heal();
    }

    /// The process ends, with or without the power, and starts again; everything is checked.
    pub fn restart(&mut self, power: bool) -> Result<(), Failure> {
        self.end(power);
        for tried in 0.. {
            if tried == TRIES {
                self.heal();
            }
            let start =
                Start { disk: &self.disk, bases: &self.bases, clock: &self.clock, options: self.options };
            self.lives += 1;
            match start.life(&mut self.mirror, self.lives) {
                Ok((life, from, cut)) => {
                    self.life = life;
                    self.life.troubled |= self.faulty;
                    self.count(match from {
                        From::Zero => "start from zero",
                        From::Base(_) => "start from a base",
                        From::Mirror => "start from the mirror",
                    });
                    if cut {
                        self.count("unfinished batch cut");
                    }
                    break;
                }
                Err(NoStart::Disk(what)) if tried > TRIES => return failure("open", what),
                Err(NoStart::Disk(_)) => {
                    self.count("start failed");
                    let power = self.dice.once_in(2);
                    self.end(power);
                }
                Err(NoStart::Wrong(wrong)) => return Err(wrong),
            }
        }
        self.after_start()
    }

    fn end(&mut self, power: bool) {
        if power {
            self.disk.crash();
            self.bases.crash();
            self.mirror.crash(&mut self.dice);
        } else {
            self.disk.kill();
            self.bases.kill();
        }
        // What was in the memory of the process is gone: outcomes that rode in no batch, rows that waited.
        self.outcomes.clear();
    }

    fn after_start(&mut self) -> Result<(), Failure> {
        // What was acknowledged comes first: it is the promise that matters.
        let read = self.check_lost()?;
        let now = self.digests();
        if !self.doubt {
            let changed: Vec<_> = self.sure.keys().filter(|t| now.get(t) != self.sure.get(t)).collect();
            ensure!(changed.is_empty(), "lost", "{changed:?} came back otherwise, and nothing was in doubt");
        }
        self.settle_doubt();
        self.check_rest(read)?;
        (self.sure, self.doubt) = (self.digests(), false);
        Ok(())
    }

    /// What waits for the mirror is written.
    pub fn write_mirror(&mut self) {
        if let Some((changes, cursor)) = self.life.feed.take_now() {
            self.mirror.apply(changes, cursor);
        }
    }

    /// Where the journal is now and what its heads are, as they would be signed.
    pub fn sign_heads(&mut self) {
        let heads = self.life.spine.journal().heads().into_iter();
        self.heads = heads.map(|(tenant, seq, head)| SignedHeadClaim { tenant, seq, head }).collect();
    }
}

/// What a start needs.
pub struct Start<'a> {
    pub disk: &'a SimDisk,
    pub bases: &'a SimDisk,
    pub clock: &'a Arc<SimClock>,
    pub options: Options,
}

fn no_start(error: journal::Error) -> NoStart {
    match error {
        journal::Error::Io { .. } | journal::Error::Full | journal::Error::Poisoned => {
            NoStart::Disk(error.to_string())
        }
        other => NoStart::Wrong(Failure { code: "damaged", what: other.to_string() }),
    }
}

impl Start<'_> {
    /// Starts as `app::serve` does. Tells where the fold began, and whether a batch was cut.
    fn life(&self, mirror: &mut FakeMirror, life: u64) -> Result<(Life, From, bool), NoStart> {
        let disk = Arc::new(self.disk.clone());
        let chance = Arc::new(SimChance::new(life));
        let (journal, opened) = Journal::open(disk.clone(), self.options, chance).map_err(no_start)?;
        let loaded = self.load(&journal, disk, mirror)?;
        let (sink, feed) = (Arc::new(SimSink::default()), Arc::new(Feed::default()));
        let troubled = !journal.intake_open();
        let parts = Parts {
            clock: self.clock.clone(),
            sink: sink.clone(),
            mirror: Some(feed.clone()),
            leap_max_ms: 60_000,
            bounds: Bounds::default(),
        };
        let (from, mut states) = (loaded.from.clone(), loaded.states);
        if from != From::Mirror {
            mirror.seed(&mut states, journal.id(), journal.end());
        }
        let mut spine = Spine::new(journal, states, parts);
        spine.mirror_tail();
        spine.publish_all();
        spine.decide_late(loaded.undecided).map_err(|fatal| NoStart::Disk(fatal.to_string()))?;
        Ok((Life { spine, sink, feed, troubled, leapt: false }, from, opened.cut_bytes > 0))
    }

    fn load(&self, journal: &Journal, disk: Arc<SimDisk>, mirror: &FakeMirror) -> Result<Loaded, NoStart> {
        let (id, end) = (journal.id(), journal.end());
        let wrong = |error: start::Error| match error {
            start::Error::Journal(error) => no_start(error),
            start::Error::Disk(error) => NoStart::Disk(error.to_string()),
            other => NoStart::Wrong(Failure { code: "fold", what: other.to_string() }),
        };
        let mut reader = Reader::open(disk).map_err(no_start)?;
        let loaded = match mirror.states(id, end) {
            Some((states, position)) => start::load_from(&mut reader, (states, position, From::Mirror)),
            None => start::load(self.bases, &mut reader, &SimSeal, None, id, end),
        };
        let loaded = loaded.map_err(wrong)?;
        for (tenant, seq, head) in journal.heads() {
            let folded = loaded.states.get(&tenant).map(State::seq);
            if folded != Some(seq) {
                let what =
                    format!("{tenant} is folded up to {folded:?}, the chain ends at {seq} {}", hex(&head));
                return Err(NoStart::Wrong(Failure { code: "fold", what }));
            }
        }
        Ok(loaded)
    }
}
