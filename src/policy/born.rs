//! Born revoked: a run or token that a fact told of after what it belongs to had ended (LINEAGE 1.3, rule 2).
//!
//! In the flow: `hub::decide` asks behind each fact whether what it told of hangs below something dead. Writes a
//! record for it alone; what is above has its own.

use super::conclusion::{Conclusion, Context};
use super::derive;
use super::keys;
use super::reason::Reason;
use crate::lineage::affected::{Affected, Run, Token};
use crate::lineage::keyed::KeyHash;
use crate::lineage::node::{End, How, NodeId};
use crate::revocation::key::Kind;
use crate::revocation::record::{Basis, Effect, Record, Until};

/// A run or token that a fact told of although what it belongs to is dead: a record for it alone, one for each
/// basis, so that a lift gives it back only when all are lifted.
pub fn born(it: &Born<'_>, ends: &[(NodeId, End)], context: &Context<'_>) -> Conclusion {
    let mut out = Conclusion::new(Reason::BornRevoked, &Affected::default());
    let (node, expires_at) = match it {
        Born::Run(run) => (run.node, context.times.run_until_ms(run.deadline_ms)),
        Born::Token(token) => (token.node, context.times.token_until_ms(token.until_ms)),
    };
    let keys: Vec<(Kind, KeyHash)> = match it {
        Born::Run(run) => keys::of_run(&run.name, run.root).collect(),
        Born::Token(token) => keys::of_kind(std::slice::from_ref(&token.name), Kind::Jti).collect(),
    };
    let mut over = false;
    for (_, end) in ends {
        let basis = match end.how {
            How::Suspended => Basis::Suspended,
            How::Disabled => Basis::Disabled,
            How::Killed => Basis::Killed,
            How::LoggedOut | How::Completed | How::Deadline | How::Revoked => Basis::Ended,
        };
        over |= basis == Basis::Ended;
        let effect = if basis == Basis::Suspended { Effect::Suspend } else { Effect::Deny };
        for (kind, key) in &keys {
            if out.records.iter().all(|old| (old.key, old.basis) != (*key, basis)) {
                let (kind, key, until, reason_code) = (*kind, *key, Until::Hold, out.reason.code().into());
                out.records.push(Record {
                    kind,
                    key,
                    until,
                    effect,
                    basis,
                    reason_code,
                    expires_at: Some(expires_at),
                });
            }
        }
    }
    if over {
        out.ends.push((node, How::Revoked));
    }
    if ends.is_empty() {
        return out;
    }
    let at_s = context.times.accepted_ms.div_euclid(1000);
    match it {
        Born::Run(run) => {
            out.runs = 1;
            out.derived.extend(derive::of_run(run, context.tenant, at_s, out.reason));
        }
        Born::Token(token) => {
            out.tokens = 1;
            // A token of a run is known by its run; only one without is told of by itself.
            let derived = (!token.minted).then(|| derive::of_token(token, at_s, out.reason)).flatten();
            out.derived.extend(derived);
        }
    }
    out
}

/// Who was stopped under a name before anybody told of him: known at last, he ends like everybody who is stopped, so
/// that what comes below is born revoked and only his own lift gives him back.
pub fn known_at_last(ends: Vec<(NodeId, How)>) -> Conclusion {
    Conclusion { ends, ..Conclusion::new(Reason::BornRevoked, &Affected::default()) }
}

/// What a fact told of.
#[derive(Clone, Copy, Debug)]
pub enum Born<'a> {
    /// A run.
    Run(&'a Run),
    /// A token.
    Token(&'a Token),
}
