//! How a receiver's credentials change: secrets and tokens that come, overlap and go, access tokens that are revoked.
//!
//! Beside [`super::receiver`], which says what they are. Pure: the time is given, hashes come from `keys`. What was
//! revoked stays so when the object is put anew, by whomever.

use serde::{Deserialize, Serialize};

use super::receiver::{Receiver, Secret, StaticToken};

/// How many access tokens of one receiver may be revoked one by one at a time; of how many long-lived ones it is
/// remembered that they were.
pub const REVOKED_MAX: usize = 256;
/// How many secrets a receiver may have at a time.
pub const SECRETS_MAX: usize = 8;
/// How many long-lived bearers a receiver may have at a time.
pub const TOKENS_MAX: usize = 64;

/// An access token of the built-in authorization server that is refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Its `jti`.
    pub jti: String,
    /// Its `exp` (s since 1970): refused anyway from then on.
    pub expires_at: i64,
}

impl Receiver {
    /// Refuses one access token from now on. Where there are too many of them, all that were issued so far.
    pub fn revoke(&mut self, jti: &str, expires_at: i64, now_s: i64) {
        self.revoked.retain(|r| r.expires_at > now_s && r.jti != jti);
        if self.revoked.len() < REVOKED_MAX {
            self.revoked.push(Revoked { jti: jti.into(), expires_at });
        } else {
            self.revoke_issued(now_s);
        }
    }

    /// Refuses every access token that was issued so far, this second included.
    pub fn revoke_issued(&mut self, now_s: i64) {
        self.tokens_not_before = self.tokens_not_before.max(Some(now_s.saturating_add(1)));
        self.revoked.clear();
    }

    /// Refuses the long-lived bearers that `which` names from now on. How many there were.
    pub fn revoke_tokens(&mut self, which: impl Fn(&StaticToken) -> bool) -> usize {
        let (gone, kept): (Vec<_>, Vec<_>) = self.tokens.drain(..).partition(|token| which(token));
        self.tokens = kept;
        let count = gone.len();
        self.remember_revoked(gone.into_iter().map(|token| token.sha256));
        count
    }

    /// Remembers bearers, as their hashes, that were revoked.
    pub fn remember_revoked(&mut self, hashes: impl IntoIterator<Item = String>) {
        self.revoked_tokens.extend(hashes);
        // The oldest are forgotten: they are good for nothing unless somebody names them again.
        let too_many = self.revoked_tokens.len().saturating_sub(REVOKED_MAX);
        self.revoked_tokens.drain(..too_many);
    }

    /// Keeps revoked what was revoked `before`. How many long-lived bearers it named again, and does not have.
    pub fn keep_revoked(&mut self, before: &Self) -> usize {
        self.tokens_not_before = self.tokens_not_before.max(before.tokens_not_before);
        self.revoked.clone_from(&before.revoked);
        self.revoked_tokens.clone_from(&before.revoked_tokens);
        let named = self.tokens.len();
        self.tokens.retain(|token| !before.revoked_tokens.contains(&token.sha256));
        named - self.tokens.len()
    }

    /// Adds a secret, as its hash. Those there were are good for `overlap_s` more, 0 being not at all.
    pub fn add_secret(&mut self, sha256: String, now_s: i64, overlap_s: i64) {
        let until = now_s.saturating_add(overlap_s.max(0));
        for old in &mut self.secrets {
            old.expires_at = Some(old.expires_at.map_or(until, |e| e.min(until)));
        }
        self.secrets.retain(|old| old.sha256 != sha256);
        self.secrets.push(Secret { sha256, expires_at: None });
        self.drop_expired(now_s);
    }

    /// Drops secrets and bearers that are not taken any more.
    pub fn drop_expired(&mut self, now_s: i64) {
        self.secrets.retain(|s| s.expires_at.is_none_or(|until| until > now_s));
        self.tokens.retain(|t| t.expires_at > now_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> String {
        format!("{}{}", char::from(b'A' + n), "A".repeat(42))
    }

    #[test]
    fn a_new_secret_and_the_old_one_overlap() {
        let mut receiver = Receiver::default();
        let shown = |r: &Receiver| -> Vec<(char, Option<i64>)> {
            r.secrets.iter().map(|s| (s.sha256.chars().next().unwrap(), s.expires_at)).collect()
        };
        receiver.add_secret(hash(0), 100, 50);
        assert_eq!(shown(&receiver), [('A', None)]);
        receiver.add_secret(hash(1), 100, 50);
        assert_eq!(shown(&receiver), [('A', Some(150)), ('B', None)]);
        receiver.add_secret(hash(2), 120, 500);
        assert_eq!(
            shown(&receiver),
            [('A', Some(150)), ('B', Some(620)), ('C', None)],
            "never longer than it was"
        );
        receiver.add_secret(hash(3), 150, 0);
        assert_eq!(shown(&receiver), [('D', None)]);
        assert_eq!(receiver.check(), Ok(()));
    }

    #[test]
    fn what_is_revoked_stays_so() {
        let mut receiver = Receiver::default();
        receiver.revoke("a", 200, 100);
        receiver.revoke("b", 300, 100);
        receiver.revoke("b", 300, 100);
        let mut anew = Receiver { tokens_not_before: Some(50), ..Receiver::default() };
        anew.keep_revoked(&receiver);
        assert_eq!((anew.revoked.len(), anew.tokens_not_before), (2, Some(50)));
        receiver.revoke("c", 400, 200);
        assert_eq!(receiver.revoked.iter().map(|r| r.jti.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        for n in 0..REVOKED_MAX {
            receiver.revoke(&n.to_string(), 1000, 250);
        }
        assert!(receiver.tokens_not_before == Some(251) && receiver.revoked.len() < REVOKED_MAX);
        assert_eq!(receiver.check(), Ok(()));
        anew.tokens_not_before = Some(60);
        receiver.keep_revoked(&anew);
        assert_eq!(receiver.tokens_not_before, Some(251), "never taken back");
    }

    #[test]
    fn a_revoked_bearer_does_not_come_back_with_the_file_that_names_it() {
        let token =
            |n: u8| StaticToken { id: format!("t{n}"), sha256: hash(n), scopes: vec![], expires_at: 1000 };
        let file = Receiver { tokens: vec![token(0), token(1)], ..Receiver::default() };
        let mut now = file.clone();
        assert_eq!((now.revoke_tokens(|t| t.id == "none"), now.revoke_tokens(|t| t.id == "t0")), (0, 1));
        let mut again = file.clone();
        assert_eq!(again.keep_revoked(&now), 1);
        assert_eq!(again, now, "and the next start writes nothing");
        assert_eq!(again.keep_revoked(&now), 0);
        assert_eq!((now.revoke_tokens(|_| true), now.tokens.len()), (1, 0));
        for n in 0..REVOKED_MAX {
            let mut other = token(2);
            other.sha256 = n.to_string();
            now.tokens.push(other);
            now.revoke_tokens(|_| true);
        }
        assert_eq!(now.revoked_tokens.len(), REVOKED_MAX);
        assert_eq!(now.revoked_tokens.last(), Some(&(REVOKED_MAX - 1).to_string()));
        assert_eq!(now.check(), Ok(()));
    }
}
