//! How a seed draws operations.

use ssf_hub::journal::sim::{Call, Fault};
use ssf_hub::stream::status::Status;

use crate::chance::Dice;
use crate::facts::{FactWord, SHAPES, STREAMS};
use crate::op::{Cmd, How, Op};
use crate::say::{EmitWord, Says};
use crate::words::{By, MANY, RUNS, SetWord, TOKENS, What, Who};

const CALLS: [Call; 10] = [
    Call::List,
    Call::Allocate,
    Call::Open,
    Call::Rename,
    Call::Remove,
    Call::Put,
    Call::Read,
    Call::ReadAt,
    Call::WriteAt,
    Call::Sync,
];

#[derive(Clone, Copy)]
enum Sort {
    One,
    Many,
    Idle,
    Deliver,
    Pass,
    Leap,
    Mirror,
    FailNext,
    FailAfter,
    FailRate,
    Room,
    Heal,
    Crash,
    Kill,
    Check,
}

const SORTS: [(u32, Sort); 15] = [
    (100, Sort::One),
    (24, Sort::Many),
    (6, Sort::Idle),
    (34, Sort::Deliver),
    (16, Sort::Pass),
    (2, Sort::Leap),
    (12, Sort::Mirror),
    (4, Sort::FailNext),
    (2, Sort::FailAfter),
    (2, Sort::FailRate),
    (3, Sort::Room),
    (5, Sort::Heal),
    (8, Sort::Crash),
    (6, Sort::Kill),
    (2, Sort::Check),
];

const STATUSES: [Status; 3] = [Status::Enabled, Status::Paused, Status::Disabled];

/// So many operations.
pub fn ops(dice: &mut Dice, len: usize) -> Vec<Op> {
    let mut next = 0;
    (0..len).map(|_| op(dice, &mut next)).collect()
}

fn op(dice: &mut Dice, next: &mut u16) -> Op {
    match dice.weighted(&SORTS) {
        Sort::One => Op::Batch(vec![cmd(dice, next)]),
        Sort::Many => {
            let many = 2 + dice.below(6);
            Op::Batch((0..many).map(|_| cmd(dice, next)).collect())
        }
        Sort::Idle => Op::Idle,
        Sort::Deliver => {
            let how = dice.weighted(&[(6, How::Acknowledged), (3, How::AnswerLost), (2, How::GaveUp)]);
            Op::Deliver { tenant: dice.small(3), pick: dice.draw() as u16, how }
        }
        Sort::Pass => Op::Pass {
            ms: match dice.below(10) {
                0 => 3_600_000,
                1 if dice.once_in(8) => 25 * 3_600_000,
                2..4 => 400_000,
                _ => dice.below(30_000) as i64,
            },
        },
        Sort::Leap => Op::Leap { ms: dice.pick(&[3_600_000, -3_600_000, 30_000, -30_000, -700]) },
        Sort::Mirror => Op::Mirror,
        Sort::FailNext => Op::FailNext(dice.pick(&CALLS), dice.pick(&[Fault::Io, Fault::NoSpace])),
        Sort::FailAfter => Op::FailAfter(dice.pick(&CALLS), dice.below(6)),
        Sort::FailRate => Op::FailRate(200 + dice.below(6000) as u16),
        Sort::Room => Op::Room(dice.pick(&[0, 60_000, 300_000])),
        Sort::Heal => Op::Heal,
        Sort::Crash => Op::Crash,
        Sort::Kill => Op::Kill,
        Sort::Check => Op::Check,
    }
}

fn cmd(dice: &mut Dice, next: &mut u16) -> Cmd {
    let tenant = dice.small(3);
    let pick = dice.draw() as u16;
    let who = who(dice);
    match dice.below(100) {
        0..26 => {
            *next += 1;
            Cmd::Set { tenant, set: set(dice, *next) }
        }
        26..31 => Cmd::Again { tenant, pick },
        31..33 => Cmd::OtherPayload { tenant, pick },
        33..40 => {
            *next += 1;
            Cmd::Echo { tenant, pick, n: *next }
        }
        66..68 => Cmd::Emit(EmitWord {
            tenant,
            user: dice.small(2),
            says: Says::Opt(dice.small(4)),
            txn: dice.some_in(4, |dice| dice.small(2)),
            stream: dice.some_in(6, |dice| dice.small(STREAMS)),
        }),
        68..71 => Cmd::Emit(EmitWord {
            tenant,
            user: dice.small(2),
            says: dice.weighted(&[(3, Says::Known), (3, Says::Unknown), (1, Says::Recovery)]),
            txn: dice.some_in(2, |dice| dice.small(2)),
            stream: dice.some_in(3, |dice| dice.small(STREAMS)),
        }),
        40..66 => {
            let key = dice.some_in(4, |dice| dice.small(4));
            Cmd::Fact { tenant, client: u8::from(dice.once_in(10)), key, fact: fact(dice) }
        }
        71..79 => Cmd::Kill { tenant, who },
        79..86 => Cmd::Lift { tenant, who },
        86..91 => {
            Cmd::PutStream { tenant, stream: dice.small(STREAMS), shape: dice.small(SHAPES.len() as u8) }
        }
        91..92 => Cmd::RemoveStream { tenant, stream: dice.small(STREAMS) },
        92..94 => {
            let stream = dice.small(STREAMS);
            match dice.below(3) {
                0 => Cmd::Verify { tenant, stream },
                n => Cmd::Status { tenant, stream, status: dice.pick(&STATUSES), told: n == 1 },
            }
        }
        94 => Cmd::Keys { tenant, n: dice.small(3) },
        95..97 => {
            let one = dice.once_in(2).then_some(pick);
            Cmd::Redrive { tenant, pick: one, discard: dice.once_in(5) }
        }
        97 => Cmd::AcceptClock,
        _ => Cmd::Base,
    }
}

fn who(dice: &mut Dice) -> Who {
    match dice.below(5) {
        0 => Who::Agent(dice.small(MANY)),
        1 => Who::Run(dice.small(RUNS)),
        2 => Who::User(dice.small(MANY)),
        3 => Who::Session(dice.small(MANY)),
        _ => Who::Token(dice.small(TOKENS)),
    }
}

fn set(dice: &mut Dice, n: u16) -> SetWord {
    let (user, other) = (dice.small(MANY), dice.small(MANY));
    let what = match dice.below(24) {
        0..3 => What::Logout(user, other),
        3..6 => What::SessionRevoked(user, other),
        6..8 => What::SessionsRevoked(user),
        8..11 => What::Disabled(user),
        11..13 => What::Enabled(user),
        13 => What::CredentialRevoked(user),
        14 => What::Device(user, false),
        15 => What::Device(user, true),
        16 => What::Risk(user),
        17..19 => What::Unknown(user),
        19 => What::Verification,
        _ => What::Opt { user, word: dice.small(4), by_mail: dice.once_in(2) },
    };
    let by = dice.weighted(&[(8, By::Idp), (1, By::Weak), (1, By::Beyond)]);
    let pad = dice.weighted(&[(6, 0), (2, 3_000), (1, 12_000)]);
    SetWord { n, what, by, txn: dice.some_in(3, |dice| dice.small(3)), pad, version: 0 }
}

fn fact(dice: &mut Dice) -> FactWord {
    let (one, two) = (dice.small(MANY), dice.small(MANY));
    let (run, token) = (dice.small(RUNS), dice.small(TOKENS));
    match dice.below(20) {
        0..2 => FactWord::Human(one),
        2..4 => FactWord::Agent(one),
        4..9 => FactWord::Run {
            run,
            agent: one,
            parent: dice.some_in(2, |dice| dice.small(RUNS)).filter(|parent| *parent != run),
            session: dice.some_in(2, |dice| dice.small(MANY)),
            user: dice.some_in(2, |dice| dice.small(MANY)),
            until: 30 + dice.below(7_000) as u16,
        },
        9..14 => FactWord::Token { token, run, until: 30 + dice.below(3_000) as u16 },
        14 => FactWord::Tool(one),
        15 => FactWord::SessionOf { session: one, user: two },
        16 => match dice.below(3) {
            0 => FactWord::OnDevice { session: one, device: two },
            1 => FactWord::Exchanged { from: token, into: (token + 1 + dice.small(TOKENS - 1)) % TOKENS },
            _ => FactWord::SameUser(one),
        },
        17..19 => FactWord::CompleteRun(run),
        _ => FactWord::CompleteAgent(one),
    }
}
