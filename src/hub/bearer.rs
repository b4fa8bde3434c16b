//! Bearers by which others are known to the hub: the one in use, and those before it that are good for a while yet.
//!
//! Members of operators, upstreams, clients and points ([`super::object`]); the doors ask here which of them are good. Pure:
//! the time is given, hashes come from `keys`. Holds no bearer, only what it hashes to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// How many replaced bearers of one holder may still be good.
pub const OLD_BEARERS_MAX: usize = 8;

/// A bearer that was replaced.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldBearer {
    /// SHA-256 of it, base64url.
    pub sha256: String,
    /// Not taken any more from then on (s since 1970).
    pub expires_at: i64,
}

/// Why bearers are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// More than there may be.
    #[error("old_bearers: no more than {OLD_BEARERS_MAX} at a time; wait until one ends, or end them")]
    TooMany,
    /// One twice, or the one in use.
    #[error("old_bearers names a bearer twice")]
    Twice,
    /// Nothing follows them.
    #[error("old_bearers belong to a bearer that follows them")]
    Alone,
    /// What stands for one.
    #[error("old_bearers: sha256 must be the SHA-256 of a bearer, in base64url without padding")]
    Hash,
}

/// Whether a text is a SHA-256 as it is kept.
pub(super) fn is_hash(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// All hashes of a holder, with when each ends (s since 1970). `current` may be empty: there is none.
pub fn all<'a>(current: &'a str, old: &'a [OldBearer]) -> impl Iterator<Item = (&'a str, Option<i64>)> {
    let current = Some((current, None)).filter(|(hash, _)| !hash.is_empty());
    current.into_iter().chain(old.iter().map(|old| (old.sha256.as_str(), Some(old.expires_at))))
}

/// Those that are good now.
pub fn good<'a>(current: &'a str, old: &'a [OldBearer], now_s: i64) -> impl Iterator<Item = &'a str> {
    all(current, old).filter(move |(_, until)| is_good(*until, now_s)).map(|(hash, _)| hash)
}

/// Whether what ends then, if ever, is good now.
pub fn is_good(expires_at: Option<i64>, now_s: i64) -> bool {
    expires_at.is_none_or(|until| now_s < until)
}

/// Puts a new one in the place of the one in use, which is good for `overlap_s` more, 0 being not at all; so are those
/// before it, none longer than it was.
pub fn replace(current: &mut String, old: &mut Vec<OldBearer>, new: String, now_s: i64, overlap_s: i64) {
    let until = now_s.saturating_add(overlap_s.max(0));
    for before in old.iter_mut() {
        before.expires_at = before.expires_at.min(until);
    }
    let last = std::mem::replace(current, new);
    if !last.is_empty() {
        old.push(OldBearer { sha256: last, expires_at: until });
    }
    old.retain(|before| is_good(Some(before.expires_at), now_s) && before.sha256 != *current);
}

/// Checks them by themselves.
pub(super) fn check(current: &str, old: &[OldBearer]) -> Result<(), Error> {
    if old.len() > OLD_BEARERS_MAX {
        return Err(Error::TooMany);
    }
    if current.is_empty() && !old.is_empty() {
        return Err(Error::Alone);
    }
    let mut seen = std::collections::BTreeSet::from([current]);
    for OldBearer { sha256, .. } in old {
        if !is_hash(sha256) {
            return Err(Error::Hash);
        }
        if !seen.insert(sha256) {
            return Err(Error::Twice);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> String {
        format!("{}{}", char::from(b'A' + n), "A".repeat(42))
    }

    #[test]
    fn a_new_one_and_those_before_it_overlap() {
        let (mut current, mut old) = (String::new(), vec![]);
        let shown = |old: &[OldBearer]| -> Vec<(char, i64)> {
            old.iter().map(|o| (o.sha256.chars().next().unwrap(), o.expires_at)).collect()
        };
        replace(&mut current, &mut old, hash(0), 100, 50);
        assert_eq!((current.as_str(), shown(&old)), (&*hash(0), vec![]), "the first one follows none");
        replace(&mut current, &mut old, hash(1), 100, 50);
        replace(&mut current, &mut old, hash(2), 120, 500);
        assert_eq!(shown(&old), [('A', 150), ('B', 620)], "never longer than it was");
        let letters =
            |now_s| good(&current, &old, now_s).map(|h| h.chars().next().unwrap()).collect::<String>();
        assert_eq!([letters(149), letters(150), letters(619), letters(620)], ["CAB", "CB", "CB", "C"]);
        assert_eq!(check(&current, &old), Ok(()));
        // Back to one of before, and no overlap: nothing else is good.
        replace(&mut current, &mut old, hash(1), 130, 60);
        assert_eq!((current.as_str(), shown(&old)), (&*hash(1), vec![('A', 150), ('C', 190)]));
        replace(&mut current, &mut old, hash(3), 131, 0);
        assert_eq!((current.as_str(), shown(&old)), (&*hash(3), vec![]));
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let old = |n: u8| OldBearer { sha256: hash(n), expires_at: 1 };
        let short = OldBearer { sha256: "short".into(), expires_at: 1 };
        let cases = [
            (hash(0), vec![old(1), old(2)], Ok(())),
            (String::new(), vec![], Ok(())),
            (String::new(), vec![old(1)], Err(Error::Alone)),
            (hash(0), vec![old(0)], Err(Error::Twice)),
            (hash(0), vec![old(1), old(1)], Err(Error::Twice)),
            (hash(0), vec![short], Err(Error::Hash)),
            (hash(0), (1..=8).map(old).collect(), Ok(())),
            (hash(0), (1..=9).map(old).collect(), Err(Error::TooMany)),
        ];
        for (current, old, want) in cases {
            assert_eq!(check(&current, &old), want, "{old:?}");
        }
    }
}
