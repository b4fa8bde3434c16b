//! A revocation record: `(kind, key, until, effect, expires_at, seq)` (DESIGN 10).

use serde::{Deserialize, Serialize};

use super::key::{KeyHash, Kind};
use crate::tenant::Seq;

/// Until when a key is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Tokens issued up to this moment (ms since 1970) are dead, later ones pass.
    Watermark(i64),
    /// Every token is dead, whenever it was issued.
    Hold,
}

/// What a caller who holds such a token is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// 403 until lifted: the principal is suspended.
    Suspend,
    /// 401 `invalid_token`: the token is revoked.
    Deny,
}

/// Why the record stands; each basis is lifted by its own opposite only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Basis {
    /// Sessions revoked, credential changed: what was issued before is dead.
    Issued = 1,
    /// A person logged out of the session: dead is what he sat at, and not what runs unattended.
    LoggedOut = 2,
    /// The run, session or token ended.
    Ended = 3,
    /// The account was disabled; `account-enabled` lifts it.
    Disabled = 4,
    /// Claims changed, a credential must change: what was issued before is suspended until it is minted again.
    Outdated = 5,
    /// A walk was cut: suspended for a while, until a human answers.
    Pending = 6,
    /// A device fell out of compliance; the opposite signal lifts it.
    Suspended = 7,
    /// An operator's kill; only a lift takes it back.
    Killed = 8,
}

/// One record, as it is journaled and published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What kind of key.
    pub kind: Kind,
    /// The keyed hash of the principal.
    pub key: KeyHash,
    /// Watermark or hold.
    pub until: Until,
    /// Denied or suspended.
    pub effect: Effect,
    /// What it rests on.
    pub basis: Basis,
    /// The reason, from the fixed table of `policy::reason`.
    pub reason_code: String,
    /// When nobody can hold a token any more that this catches (ms since 1970); `None`: only a lift ends it.
    pub expires_at: Option<i64>,
}

/// A record in force: what the state and the gate keep under one key and basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What it rests on; at most one record per basis stands under a key.
    pub basis: Basis,
    /// Watermark or hold.
    pub until: Until,
    /// Denied or suspended.
    pub effect: Effect,
    /// When it expires (ms since 1970), if it does by itself.
    pub expires_at: Option<i64>,
    /// The entry that wrote it: the way to the cause.
    pub seq: Seq,
    /// The reason code.
    pub reason_code: String,
}

impl Standing {
    /// What stands where nothing stood on the record's basis before: written by entry `seq`.
    pub fn of(record: &Record, seq: Seq) -> Self {
        Self {
            basis: record.basis,
            until: record.until,
            effect: record.effect,
            expires_at: record.expires_at,
            seq,
            reason_code: record.reason_code.clone(),
        }
    }

    /// Whether a token issued at `iat_ms` is caught.
    pub fn catches(&self, iat_ms: i64) -> bool {
        match self.until {
            Until::Hold => true,
            Until::Watermark(t) => iat_ms <= t,
        }
    }

    /// Whether `newer` says nothing that this does not say already: the signal "asks for what already
    /// holds" (DESIGN 6).
    pub fn covers(&self, newer: &Record) -> bool {
        let reach = match (self.until, newer.until) {
            (Until::Hold, _) => true,
            (Until::Watermark(old), Until::Watermark(new)) => old >= new,
            (Until::Watermark(_), Until::Hold) => false,
        };
        let lasts = match (self.expires_at, newer.expires_at) {
            (None, _) => true,
            (Some(old), Some(new)) => old >= new || self.until == Until::Hold,
            (Some(_), None) => false,
        };
        reach && lasts && self.effect >= newer.effect
    }

    /// The union of two records of one basis: never shrinks what already holds.
    pub fn merge(&mut self, newer: &Record, seq: Seq) {
        self.until = match (self.until, newer.until) {
            (Until::Watermark(a), Until::Watermark(b)) => Until::Watermark(a.max(b)),
            _ => Until::Hold,
        };
        self.effect = self.effect.max(newer.effect);
        self.expires_at = match (self.expires_at, newer.expires_at) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => None,
        };
        self.seq = seq;
        self.reason_code.clone_from(&newer.reason_code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(until: Until, expires_at: Option<i64>) -> Standing {
        let (basis, effect) = (Basis::Issued, Effect::Deny);
        Standing { basis, until, effect, expires_at, seq: Seq(1), reason_code: "x".into() }
    }

    fn record(until: Until, expires_at: Option<i64>) -> Record {
        Record {
            kind: Kind::User,
            key: KeyHash([0; 16]),
            until,
            effect: Effect::Deny,
            basis: Basis::Issued,
            reason_code: "y".into(),
            expires_at,
        }
    }

    #[test]
    fn a_watermark_lets_later_tokens_pass_and_a_hold_none() {
        let mark = standing(Until::Watermark(1000), None);
        assert!(mark.catches(1000) && mark.catches(0) && !mark.catches(1001));
        assert!(standing(Until::Hold, None).catches(i64::MAX));
    }

    #[test]
    fn merging_never_shrinks() {
        use Until::{Hold, Watermark as W};
        let cases = [
            (W(5), Some(9), W(3), Some(4), W(5), Some(9)),
            (W(5), Some(9), W(7), Some(12), W(7), Some(12)),
            (Hold, None, W(7), Some(12), Hold, None),
            (W(7), Some(12), Hold, None, Hold, None),
        ];
        for (a, ax, b, bx, want, wantx) in cases {
            let mut s = standing(a, ax);
            s.merge(&record(b, bx), Seq(2));
            assert_eq!((s.until, s.expires_at), (want, wantx), "{a:?} + {b:?}");
            assert!(s.covers(&record(b, bx)));
        }
        assert!(!standing(W(5), Some(9)).covers(&record(W(6), Some(9))));
        assert!(!standing(W(5), Some(9)).covers(&record(Hold, None)));
    }
}
