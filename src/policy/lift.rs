//! What is taken back: by an operator's lift, an enabled account, a compliant device.
//!
//! In the flow: as `conclude`, for a plan that gives back. A hold becomes a watermark at the time of the lift: who
//! was stopped may mint again, old tokens stay dead. Only what stands on the lift's own basis is touched, and
//! nothing that somebody else stopped too (the walk with `Reach::Lifting` leaves that out).

use super::conclude::{Conclusion, Context, Lifted};
use super::keys::{self, Subject};
use super::plan::Lift;
use crate::lineage::affected::Affected;
use crate::lineage::keyed::KeyHash;
use crate::lineage::node::NodeId;
use crate::revocation::key::Kind;
use crate::revocation::record::Standing;

/// What a lift gives back, given what stands under each key.
pub fn conclude<'s>(
    lift: &Lift,
    subject: &Subject<'_>,
    affected: &Affected,
    context: &Context<'_>,
    standing: impl Fn(KeyHash) -> &'s [Standing],
) -> Conclusion {
    let mut out = Conclusion::new(lift.reason, affected);
    let mut keys = subject.keys(affected, true, false);
    for session in &affected.sessions {
        keys.extend(keys::of_kind(&session.names, Kind::Session));
    }
    for run in &affected.runs {
        keys.extend(keys::of_run(&run.name, run.root));
    }
    for token in &affected.tokens {
        keys.extend(keys::of_kind(std::slice::from_ref(&token.name), Kind::Jti));
    }
    let (at_ms, mut seen) = (context.times.accepted_ms, std::collections::BTreeSet::new());
    for (kind, key) in keys {
        if standing(key).iter().any(|old| old.basis == lift.basis) && seen.insert((kind, key)) {
            let (basis, expires_at) = (lift.basis, context.times.outlived_ms(at_ms));
            out.lifted.push(Lifted { kind, key, basis, at_ms, expires_at });
        }
    }
    let starts =
        affected.starts.iter().filter(|s| s.ends.iter().any(|end| end.how == lift.how)).map(|s| s.node);
    let sessions = affected.sessions.iter().filter(|s| s.ends.contains(&lift.how)).map(|s| s.node);
    let runs = affected.runs.iter().filter(|run| run.ends.contains(&lift.how)).map(|run| run.node);
    let tokens = affected.tokens.iter().filter(|t| t.ends.contains(&lift.how)).map(|t| t.node);
    let mut revived: Vec<NodeId> = starts.chain(sessions).chain(runs).chain(tokens).collect();
    revived.sort();
    revived.dedup();
    out.revived = revived.into_iter().map(|id| (id, lift.how)).collect();
    if !out.lifted.is_empty() || !out.revived.is_empty() {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let back = |dead: Option<_>| dead == Some(lift.how);
        out.runs = count(affected.runs.iter().filter(|run| back(run.dead)).count());
        out.tokens = count(affected.tokens.iter().filter(|token| back(token.dead)).count());
    }
    out
}
