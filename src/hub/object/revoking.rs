//! A client all of whose bearers are refused from now on, whoever names them again.
//!
//! Beside [`crate::stream::credentials`], which speaks of what a receiver has of its own: a client's bearer is as good for
//! its streams, and goes with the rest. Pure: the time is given.

use super::Client;

impl Client {
    /// Refuses its bearers, its long-lived tokens, and every access token that was issued so far, this second included.
    /// What gets new ones stays: secrets, keys, names outside. A client that is no receiver has no tokens, and keeps what
    /// it is known by.
    pub fn revoke_all(&mut self, now_s: i64) {
        let Some(receiver) = &mut self.receiver else { return };
        receiver.revoke_tokens(|_| true);
        receiver.revoke_issued(now_s);
        let current = Some(std::mem::take(&mut self.bearer_sha256)).filter(|hash| !hash.is_empty());
        let old = self.old_bearers.drain(..).map(|old| old.sha256);
        receiver.remember_revoked(current.into_iter().chain(old));
    }

    /// Keeps revoked what was revoked `before`. How many bearers and tokens it named again, and does not have.
    pub fn keep_revoked(&mut self, before: &Self) -> usize {
        let (Some(receiver), Some(before)) = (&mut self.receiver, &before.receiver) else { return 0 };
        let dead = receiver.keep_revoked(before);
        let is_dead = |hash: &str| before.revoked_tokens.iter().any(|revoked| revoked == hash);
        let named = self.old_bearers.len();
        self.old_bearers.retain(|old| !is_dead(&old.sha256));
        let mut dead = dead + named - self.old_bearers.len();
        if is_dead(&self.bearer_sha256) {
            self.bearer_sha256.clear();
            // None without one that follows it.
            dead += 1 + self.old_bearers.len();
            self.old_bearers.clear();
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Object;
    use super::*;

    fn hash(n: u8) -> String {
        format!("{}{}", char::from(b'A' + n), "A".repeat(42))
    }

    /// A receiver with a bearer, one before it, and a long-lived token, as a file has it.
    fn named() -> Client {
        let receiver = json!({ "tokens": [{ "id": "t", "sha256": hash(2), "expires_at": 1000 }] });
        let old = json!([{ "sha256": hash(1), "expires_at": 1000 }]);
        let client = json!({ "id": "c", "bearer_sha256": hash(0), "old_bearers": old, "receiver": receiver });
        serde_json::from_value(client).unwrap()
    }

    #[test]
    fn nothing_that_it_is_known_by_is_left_or_comes_back() {
        let mut now = named();
        now.revoke_all(100);
        assert_eq!((now.bearer_sha256.as_str(), now.old_bearers.len()), ("", 0));
        let receiver = now.receiver.as_ref().unwrap();
        assert_eq!(receiver.tokens_not_before, Some(101));
        assert_eq!((receiver.tokens.len(), &receiver.revoked_tokens), (0, &vec![hash(2), hash(0), hash(1)]));
        assert_eq!(Object::Client(now.clone()).check(), Ok(()));
        let mut again = named();
        assert_eq!(again.keep_revoked(&now), 3);
        assert_eq!(again, now, "the file names it again, and nothing is written");
        // Another bearer is taken, without what was before it.
        let mut other = named();
        other.bearer_sha256 = hash(3);
        assert_eq!(other.keep_revoked(&now), 2);
        assert_eq!((other.bearer_sha256, other.old_bearers.len()), (hash(3), 0));
        // Nor does one stay behind that would follow nothing.
        let mut older = named();
        older.old_bearers[0].sha256 = hash(4);
        assert_eq!(older.keep_revoked(&now), 3);
        assert_eq!(Object::Client(older).check(), Ok(()));
    }

    #[test]
    fn who_is_no_receiver_keeps_its_bearer() {
        let mut plain = Client { receiver: None, ..named() };
        let before = plain.clone();
        plain.revoke_all(100);
        assert_eq!(plain, before);
    }
}
