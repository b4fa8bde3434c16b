//! From a list of operations that fails to a short one that fails in the same way.

use crate::fail::Failure;
use crate::op::{Op, Plan};
use crate::run::run;

/// Takes out pieces, halves first and single operations last, for as long as the same promise is still broken; then
/// single commands of batches.
pub fn shrink(plan: &Plan, failure: &Failure) -> (Plan, Failure) {
    let (mut best, mut seen) = (plan.clone(), failure.clone());
    let mut piece = best.ops.len().div_ceil(2);
    while piece > 0 {
        let before = best.ops.len();
        let mut at = 0;
        while at < best.ops.len() {
            let mut ops = best.ops.clone();
            ops.drain(at..(at + piece).min(best.ops.len()));
            if !keep(&mut best, &mut seen, ops) {
                at += piece;
            }
        }
        // Single operations again and again, until none can be spared.
        if piece > 1 || best.ops.len() == before {
            piece /= 2;
        }
    }
    for at in 0..best.ops.len() {
        let mut n = 0;
        while let Op::Batch(cmds) = &best.ops[at]
            && n < cmds.len()
            && cmds.len() > 1
        {
            let mut cmds = cmds.clone();
            cmds.remove(n);
            let mut ops = best.ops.clone();
            ops[at] = Op::Batch(cmds);
            if !keep(&mut best, &mut seen, ops) {
                n += 1;
            }
        }
    }
    (best, seen)
}

fn keep(best: &mut Plan, seen: &mut Failure, ops: Vec<Op>) -> bool {
    let plan = Plan { ops, ..best.clone() };
    match run(&plan) {
        Err(failure) if failure.code == seen.code => {
            (*best, *seen) = (plan, failure);
            true
        }
        _ => false,
    }
}
