//! A tenant's signing keys as they are kept in `signing.json`: which sign, which are only published, which are no more.
//!
//! Pure: [`super::ring`] writes it. What a key does follows from the clock and the times written once, so that a rotation
//! is one durable write, and no later step can be lost.

use serde::{Deserialize, Serialize};

use crate::jose::Alg;

/// Keys of one algorithm that are published at a time.
pub const KEYS_MAX: usize = 8;
/// Revoked keys that are remembered.
pub const REVOKED_MAX: usize = 100;
const VERSION: u32 = 1;

/// The times of a rotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// How long a new key is published before it signs (ms).
    pub ahead_ms: i64,
    /// How long the old one stays published after that (ms).
    pub overlap_ms: i64,
    /// How long who fetched a JWKS may go by it, some time for the fetching included (ms).
    pub kept_ms: i64,
}

impl Default for Times {
    fn default() -> Self {
        Self { ahead_ms: 3_600_000, overlap_ms: 86_400_000, kept_ms: 660_000 }
    }
}

/// One key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the JWKS.
    pub kid: String,
    /// What it signs with.
    pub alg: Alg,
    /// The file beside this one that holds it.
    pub file: String,
    /// When it was made, or first seen (ms since 1970).
    pub made_ms: i64,
    /// It signs from then on, until a later one does.
    pub signs_from_ms: i64,
    /// It is not published any more from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_at_ms: Option<i64>,
}

/// A key that is no more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revoked {
    /// Its name.
    pub kid: String,
    /// What it signed with.
    pub alg: Alg,
    /// When (ms since 1970).
    pub at_ms: i64,
    /// Who did it.
    pub by: String,
}

/// What a key does now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Published, signs later.
    Next,
    /// Signs.
    Signing,
    /// Published, signs no more.
    Retiring,
}

/// Why the keys cannot be changed so.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unfit {
    /// No such key.
    #[error("there is no such key")]
    NoKey,
    /// The next key is published already.
    #[error("a new {0} key is published already and does not sign yet")]
    Rotating(Alg),
    /// Too many.
    #[error("{KEYS_MAX} {0} keys are published; one must be dropped or revoked first")]
    TooMany(Alg),
}

/// All of a tenant's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Those that sign or verify.
    pub keys: Vec<Entry>,
    /// Those that were revoked, the oldest first.
    #[serde(default)]
    pub revoked: Vec<Revoked>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, keys: vec![], revoked: vec![] }
    }
}

impl State {
    /// Reads it; `None` for what is none, or of a later version.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(|state: &Self| state.version == VERSION)
    }

    fn of(&self, alg: Alg) -> impl Iterator<Item = &Entry> {
        self.keys.iter().filter(move |key| key.alg == alg)
    }

    /// The key that signs. A clock that went back behind all of them takes the first.
    pub fn signing(&self, alg: Alg, now_ms: i64) -> Option<&Entry> {
        let begun =
            self.of(alg).filter(|key| key.signs_from_ms <= now_ms).max_by_key(|key| key.signs_from_ms);
        begun.or_else(|| self.of(alg).min_by_key(|key| key.signs_from_ms))
    }

    /// Those that are published.
    pub fn published(&self, now_ms: i64) -> impl Iterator<Item = &Entry> {
        self.keys.iter().filter(move |key| key.drop_at_ms.is_none_or(|at| at > now_ms))
    }

    /// What a key does.
    pub fn stage(&self, key: &Entry, now_ms: i64) -> Stage {
        match self.signing(key.alg, now_ms) {
            Some(signing) if signing.kid == key.kid => Stage::Signing,
            Some(signing) if signing.signs_from_ms < key.signs_from_ms => Stage::Next,
            _ => Stage::Retiring,
        }
    }

    /// Whether a new key of `alg` may follow.
    pub fn may_rotate(&self, alg: Alg, now_ms: i64) -> Result<(), Unfit> {
        if self.of(alg).any(|key| self.stage(key, now_ms) == Stage::Next) {
            return Err(Unfit::Rotating(alg));
        }
        if self.published(now_ms).filter(|key| key.alg == alg).count() >= KEYS_MAX {
            return Err(Unfit::TooMany(alg));
        }
        Ok(())
    }

    /// A new key follows the one that signs: published now, signing after a while; the old one goes after another.
    pub fn follow(&mut self, mut new: Entry, now_ms: i64, times: Times) {
        new.signs_from_ms = now_ms.saturating_add(times.ahead_ms);
        let drop_at = new.signs_from_ms.saturating_add(times.overlap_ms);
        for old in self.keys.iter_mut().filter(|old| old.alg == new.alg) {
            old.drop_at_ms.get_or_insert(drop_at);
        }
        self.keys.push(new);
    }

    /// Whether another of its algorithm can sign at once when this one is gone. `Err`: there is no such key.
    pub fn has_successor(&self, kid: &str, now_ms: i64) -> Result<(Alg, bool), Unfit> {
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or(Unfit::NoKey)?;
        let next = self.of(key.alg).any(|key| self.stage(key, now_ms) == Stage::Next && key.kid != kid);
        let signing = self.signing(key.alg, now_ms).is_some_and(|signing| signing.kid == kid);
        Ok((key.alg, next || !signing))
    }

    /// Takes a key away at once. If it signed, the next one does from now on, or `new`. Gives back what it was.
    pub fn revoke(&mut self, kid: &str, by: &str, now_ms: i64, new: Option<Entry>) -> Result<Entry, Unfit> {
        let at = self.keys.iter().position(|key| key.kid == kid).ok_or(Unfit::NoKey)?;
        let signed = self.stage(&self.keys[at], now_ms) == Stage::Signing;
        let gone = self.keys.remove(at);
        self.keys.extend(new.map(|new| Entry { signs_from_ms: now_ms, ..new }));
        let newest =
            self.keys.iter_mut().filter(|key| key.alg == gone.alg).max_by_key(|key| key.signs_from_ms);
        if let Some(newest) = newest {
            if signed {
                newest.signs_from_ms = newest.signs_from_ms.min(now_ms);
            }
            // Nobody follows the last one any more, so it must not be dropped.
            newest.drop_at_ms = None;
        }
        self.revoked.push(Revoked { kid: gone.kid.clone(), alg: gone.alg, at_ms: now_ms, by: by.into() });
        let too_many = self.revoked.len().saturating_sub(REVOKED_MAX);
        self.revoked.drain(..too_many);
        Ok(gone)
    }

    /// Whether receivers may not know a key yet: it is published for less than so long, because another one of its
    /// algorithm was revoked. One that was published ahead of its time is not new when it signs.
    pub fn may_be_unknown(&self, kid: &str, now_ms: i64, kept_ms: i64) -> bool {
        let of_late = |at_ms: i64| now_ms.saturating_sub(at_ms) < kept_ms;
        let key = self.keys.iter().find(|key| key.kid == kid && of_late(key.made_ms));
        key.is_some_and(|key| self.revoked.iter().any(|gone| gone.alg == key.alg && of_late(gone.at_ms)))
    }

    /// Takes out those whose time is over.
    pub fn expire(&mut self, now_ms: i64) -> Vec<Entry> {
        self.keys.extract_if(.., |key| key.drop_at_ms.is_some_and(|at| at <= now_ms)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { ahead_ms: 10, overlap_ms: 100, kept_ms: 50 };

    fn key(kid: &str, alg: Alg, at_ms: i64) -> Entry {
        Entry {
            kid: kid.into(),
            alg,
            file: kid.into(),
            made_ms: at_ms,
            signs_from_ms: at_ms,
            drop_at_ms: None,
        }
    }

    fn seen(state: &State, now_ms: i64) -> (Vec<&str>, Option<&str>) {
        let published = state.published(now_ms).map(|k| k.kid.as_str()).collect();
        (published, state.signing(Alg::ES256, now_ms).map(|k| k.kid.as_str()))
    }

    #[test]
    fn published_then_signing_then_dropped() {
        let mut state =
            State { keys: vec![key("a", Alg::ES256, 0), key("r", Alg::RS256, 0)], ..State::default() };
        state.may_rotate(Alg::ES256, 1000).unwrap();
        state.follow(key("b", Alg::ES256, 1000), 1000, TIMES);
        for (now, published, signing) in [
            (999, vec!["a", "r", "b"], "a"),
            (1000, vec!["a", "r", "b"], "a"),
            (1009, vec!["a", "r", "b"], "a"),
            (1010, vec!["a", "r", "b"], "b"),
            (1109, vec!["a", "r", "b"], "b"),
            (1110, vec!["r", "b"], "b"),
            (i64::MAX, vec!["r", "b"], "b"),
            (-5, vec!["a", "r", "b"], "a"),
        ] {
            assert_eq!(seen(&state, now), (published, Some(signing)), "{now}");
        }
        assert_eq!(state.may_rotate(Alg::ES256, 1009), Err(Unfit::Rotating(Alg::ES256)));
        assert_eq!(state.may_rotate(Alg::ES256, 1010), Ok(()));
        let again = State::parse(&serde_json::to_vec(&state).unwrap()).unwrap();
        assert_eq!(again, state);
        assert!(state.expire(1109).is_empty());
        assert_eq!(state.expire(1110)[0].kid, "a");
        assert_eq!(state.keys.len(), 2);
        for n in 0..20 {
            let now = 2000 + n * 20;
            if state.may_rotate(Alg::ES256, now).is_err() {
                assert_eq!(state.may_rotate(Alg::ES256, now), Err(Unfit::TooMany(Alg::ES256)));
                return;
            }
            let never = Times { overlap_ms: 1_000_000, ..TIMES };
            state.follow(key(&format!("n{n}"), Alg::ES256, now), now, never);
        }
        panic!("no bound");
    }

    #[test]
    fn only_a_key_that_follows_a_revoked_one_may_be_unknown() {
        let mut state = State { keys: vec![key("a", Alg::ES256, 1000)], ..State::default() };
        let unknown = |state: &State, kid: &str, now_ms| state.may_be_unknown(kid, now_ms, TIMES.kept_ms);
        assert!(!unknown(&state, "a", 1000), "the first of all");
        state.follow(key("b", Alg::ES256, 2000), 2000, TIMES);
        assert!(!unknown(&state, "b", 2010), "rotated");
        state.revoke("a", "op", 2040, None).unwrap();
        assert!(
            unknown(&state, "b", 2049) && !unknown(&state, "b", 2050),
            "published for a while when it was wanted"
        );
        state.revoke("b", "op", 3000, Some(key("c", Alg::ES256, 3000))).unwrap();
        state.keys.push(key("r", Alg::RS256, 3000));
        assert!(unknown(&state, "c", 3000) && unknown(&state, "c", 3049) && !unknown(&state, "c", 3050));
        assert!(!unknown(&state, "r", 3000) && !unknown(&state, "b", 3000), "another algorithm; no key");
    }

    #[test]
    fn revoked_at_once_whatever_it_did() {
        let base = State { keys: vec![key("a", Alg::ES256, 0)], ..State::default() };
        let mut rotating = base.clone();
        rotating.follow(key("b", Alg::ES256, 1000), 1000, TIMES);
        // The one that signs, alone: a new one signs now.
        let mut state = base.clone();
        assert_eq!(state.has_successor("a", 1000), Ok((Alg::ES256, false)));
        state.revoke("a", "op", 1000, Some(key("n", Alg::ES256, 1000))).unwrap();
        assert_eq!(seen(&state, 1000), (vec!["n"], Some("n")));
        assert_eq!(
            state.revoked[0],
            Revoked { kid: "a".into(), alg: Alg::ES256, at_ms: 1000, by: "op".into() }
        );
        // The one that signs, with the next one published: that one signs now, and stays.
        let mut state = rotating.clone();
        assert_eq!(state.has_successor("a", 1005), Ok((Alg::ES256, true)));
        state.revoke("a", "op", 1005, None).unwrap();
        assert_eq!(seen(&state, 1005), (vec!["b"], Some("b")));
        assert_eq!(seen(&state, i64::MAX), (vec!["b"], Some("b")));
        // The next one: the old one goes on signing and is not dropped.
        let mut state = rotating.clone();
        assert_eq!(state.has_successor("b", 1005), Ok((Alg::ES256, true)));
        state.revoke("b", "op", 1005, None).unwrap();
        assert_eq!(seen(&state, i64::MAX), (vec!["a"], Some("a")));
        // The old one, retiring.
        let mut state = rotating;
        assert_eq!(state.has_successor("a", 1050), Ok((Alg::ES256, true)));
        state.revoke("a", "op", 1050, None).unwrap();
        assert_eq!(seen(&state, 1050), (vec!["b"], Some("b")));
        assert_eq!(state.revoke("a", "op", 1051, None), Err(Unfit::NoKey));
        for n in 0..REVOKED_MAX + 5 {
            let kid = format!("k{n}");
            state.keys.push(key(&kid, Alg::RS256, 0));
            state.revoke(&kid, "op", 0, None).unwrap();
        }
        assert_eq!(state.revoked.len(), REVOKED_MAX);
    }
}
