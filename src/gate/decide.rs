//! One decision: the hardest record in force under any of a token's keys wins.
//!
//! In the flow: behind [`super::derive`], under the same view of the set. Pure, and never cached: a record
//! that is published counts from the next call on.

use std::cmp::Reverse;

use crate::revocation::key::KeyHash;
use crate::revocation::record::{Effect, Standing};
use crate::revocation::set::View;
use crate::tenant::Seq;

/// The record that decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// The entry that wrote it: `ssf-hub why tenant:seq`.
    pub seq: Seq,
    /// Its reason code.
    pub reason_code: String,
}

/// What the records say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// None catches the token.
    Allow,
    /// It is revoked: 401 `invalid_token`.
    Deny(Cause),
    /// Its principal is suspended: 403.
    Suspend(Cause),
}

/// Holds `keys` of a token issued at `iat_ms` against the set, at `now_ms` (both ms since 1970).
pub fn decide(iat_ms: i64, keys: impl Iterator<Item = KeyHash>, view: &View<'_>, now_ms: i64) -> Verdict {
    let in_force = |s: &&Standing| s.expires_at.is_none_or(|at| at >= now_ms) && s.catches(iat_ms);
    let hardest = keys.flat_map(|key| view.standing(key)).filter(in_force).max_by_key(|s| rank(s));
    let Some(standing) = hardest else { return Verdict::Allow };
    let cause = Cause { seq: standing.seq, reason_code: standing.reason_code.clone() };
    match standing.effect {
        Effect::Deny => Verdict::Deny(cause),
        Effect::Suspend => Verdict::Suspend(cause),
    }
}

/// Deny before suspend; then the basis that is hardest to lift; then what came first. Whatever the order of
/// the keys, the same records give the same answer.
fn rank(standing: &Standing) -> (Effect, u8, Reverse<Seq>) {
    (standing.effect, standing.basis as u8, Reverse(standing.seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::record::{Basis, Until};
    use crate::revocation::set::Set;

    const HOLD: Until = Until::Hold;
    const NOW: i64 = 1_000_000;

    fn standing(seq: u64, basis: Basis, until: Until, effect: Effect, expires_at: Option<i64>) -> Standing {
        Standing { basis, until, effect, expires_at, seq: Seq(seq), reason_code: format!("r{seq}") }
    }

    fn verdict(iat_ms: i64, under: Vec<Vec<Standing>>) -> Verdict {
        let set = Set::default();
        let mut keys = vec![];
        for (n, standing) in (0..).zip(under) {
            keys.push(KeyHash([n; 16]));
            set.put(KeyHash([n; 16]), standing);
        }
        let forth = decide(iat_ms, keys.iter().copied(), &set.view(), NOW);
        keys.reverse();
        let back = decide(iat_ms, keys.into_iter(), &set.view(), NOW);
        assert_eq!(forth, back, "the order of keys does not matter");
        forth
    }

    fn deny(seq: u64) -> Verdict {
        Verdict::Deny(Cause { seq: Seq(seq), reason_code: format!("r{seq}") })
    }

    fn suspend(seq: u64) -> Verdict {
        Verdict::Suspend(Cause { seq: Seq(seq), reason_code: format!("r{seq}") })
    }

    #[test]
    fn the_hardest_record_wins() {
        use Basis::{Disabled, Issued, Killed, Suspended};
        use Effect::{Deny, Suspend};
        let mark = |seq, t| standing(seq, Issued, Until::Watermark(t), Deny, Some(NOW + 1));
        let suspended = || vec![standing(5, Suspended, HOLD, Suspend, None)];
        let kill = |seq, expires_at| standing(seq, Killed, HOLD, Deny, expires_at);
        let off = || standing(3, Disabled, HOLD, Deny, None);
        let table = [
            (0, vec![vec![], vec![]], Verdict::Allow),
            (500, vec![vec![mark(1, 500)]], deny(1)),
            (501, vec![vec![mark(1, 500)]], Verdict::Allow),
            (i64::MAX, vec![vec![off()]], deny(3)),
            (0, vec![vec![], suspended()], suspend(5)),
            (400, vec![suspended(), vec![mark(1, 500)]], deny(1)),
            (501, vec![suspended(), vec![mark(1, 500)]], suspend(5)),
            (0, vec![vec![off(), kill(9, None)]], deny(9)),
            (400, vec![vec![mark(7, 500)], vec![mark(6, 600)]], deny(6)),
            (0, vec![vec![kill(2, Some(NOW - 1))]], Verdict::Allow),
            (0, vec![vec![kill(2, Some(NOW))], suspended()], deny(2)),
        ];
        for (n, (iat_ms, under, want)) in table.into_iter().enumerate() {
            assert_eq!(verdict(iat_ms, under), want, "row {n}");
        }
    }
}
