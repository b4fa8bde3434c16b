//! Operations as data, and how a seed draws them.
//!
//! An operation names what it works on by small numbers and picks ("the 17th of what is owed, counted round"), so that
//! any list of operations is a valid run, also one from which some were taken out.

use ssf_hub::journal::sim::{Call, Fault};
use ssf_hub::stream::status::Status;

use crate::chance::Dice;
use crate::draw;
use crate::facts::FactWord;
use crate::words::{SetWord, Who};

/// One command to the spine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Cmd {
    /// A SET comes in.
    Set {
        tenant: u8,
        set: SetWord,
    },
    /// One that was sent before comes again, word for word.
    Again {
        tenant: u8,
        pick: u16,
    },
    /// Its `jti` comes again with other content.
    OtherPayload {
        tenant: u8,
        pick: u16,
    },
    /// What the hub sent comes back from another hub.
    Echo {
        tenant: u8,
        pick: u16,
        n: u16,
    },
    /// A fact, by one of two clients, perhaps with an idempotency key.
    Fact {
        tenant: u8,
        client: u8,
        key: Option<u8>,
        fact: FactWord,
    },
    Kill {
        tenant: u8,
        who: Who,
    },
    Lift {
        tenant: u8,
        who: Who,
    },
    PutStream {
        tenant: u8,
        stream: u8,
        shape: u8,
    },
    RemoveStream {
        tenant: u8,
        stream: u8,
    },
    /// A stream's status is changed: by its receiver, or by the hub, which tells it.
    Status {
        tenant: u8,
        stream: u8,
        status: Status,
        told: bool,
    },
    /// A verification event is asked for.
    Verify {
        tenant: u8,
        stream: u8,
    },
    Keys {
        tenant: u8,
        n: u8,
    },
    AcceptClock,
    Base,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// The receiver has it and said so.
    Acknowledged,
    /// The receiver has it; its answer is lost.
    AnswerLost,
    /// The receiver refused it for good.
    GaveUp,
}

/// One operation.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// Commands that share one batch.
    Batch(Vec<Cmd>),
    /// A batch without commands: timers and outcomes.
    Idle,
    /// Something owed is sent.
    Deliver { tenant: u8, pick: u16, how: How },
    /// Time passes, by both clocks.
    Pass { ms: i64 },
    /// The wall clock alone leaps.
    Leap { ms: i64 },
    /// The mirror writes what waits for it.
    Mirror,
    /// The next call of this kind fails.
    FailNext(Call, Fault),
    /// Calls of this kind fail after so many more.
    FailAfter(Call, usize),
    /// Any call fails with this probability.
    FailRate(u16),
    /// So many bytes more than now fit the disk.
    Room(u64),
    /// The disk is sound again.
    Heal,
    /// The power goes; the hub starts again.
    Crash,
    /// The process is killed; the hub starts again.
    Kill,
    /// Everything is checked while the hub runs.
    Check,
}

/// A run of the simulation: all of it follows from here.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Bytes of a journal segment.
    pub segment_bytes: u64,
    /// Whether `fdatasync` lies.
    pub lie: bool,
    pub ops: Vec<Op>,
}

impl Plan {
    /// The run of a seed: 20 to 60 operations.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let segment_bytes = dice.pick(&[96 << 10, 128 << 10]);
        let len = 20 + dice.below(41);
        let ops = draw::ops(&mut dice, len);
        Self { seed, segment_bytes, lie: false, ops }
    }

    /// The same on a disk whose flushes are lies.
    pub fn lying(seed: u64) -> Self {
        Self { lie: true, ..Self::of(seed) }
    }

    /// One operation a line, numbered.
    pub fn show(&self) -> String {
        let head = format!("seed {}, segments of {} bytes\n", self.seed, self.segment_bytes);
        self.ops.iter().enumerate().fold(head, |text, (n, op)| text + &format!("{n:4}  {op:?}\n"))
    }
}
