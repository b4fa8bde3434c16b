//! A client's assertion: who it is, signed with its own key (`private_key_jwt`; RFC 7523, 3; OpenID Connect Core, 9).
//!
//! In the flow: [`super::server`] hands in the payload behind the signature. Each `jti` is taken once while the assertion
//! could be taken at all. What was taken is forgotten with the process: so one that was made before the start by its client's
//! clock, or does not say when it was made (`iat`), is not taken until all are over that could have been taken before. That
//! is told as the hub's state: a client whose clock is behind did nothing wrong, and its next one is newer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::claims::Claims;
use super::oauth::Error;
use crate::keys::hash_secret;
use crate::tenant::TenantId;

/// Longest assertion that is read, in bytes.
pub const ASSERTION_BYTES_MAX: usize = 8 * 1024;
/// How far a client's clock may differ from ours (s).
pub const TOLERANCE_S: u32 = 5;

/// What an assertion must be like.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The client: `iss` and `sub`.
    pub client_id: &'a str,
    /// One of these must be in `aud`: the token endpoint, the issuer.
    pub audiences: &'a [String],
    /// Now (ms since 1970).
    pub now_ms: i64,
    /// How far ahead `exp` may be (s).
    pub lifetime_s: u32,
    /// When this process began to remember (s since 1970).
    pub since_s: i64,
}

impl Expected<'_> {
    /// When all is over that could have been taken before this process began (s since 1970).
    fn over_s(&self) -> i64 {
        self.since_s + i64::from(self.lifetime_s) + 2 * i64::from(TOLERANCE_S)
    }
}

/// The name and the end of an assertion that holds.
///
/// # Errors
/// `InvalidClient`: it does not hold. `Unavailable`: it may have been taken before this process began.
pub fn check(payload: &[u8], expected: &Expected<'_>) -> Result<(String, i64), Error> {
    let (claims, name, exp_s) = holds(payload, expected).ok_or(Error::InvalidClient)?;
    let left_s = expected.over_s() - expected.now_ms.div_euclid(1000);
    // A clock that is behind by that much passes the start so much later.
    let behind_s = claims.iat_s.map_or(left_s, |iat| expected.since_s - iat);
    match u64::try_from(behind_s.min(left_s)) {
        Ok(wait_s) if wait_s > 0 => Err(Error::Unavailable { retry_after_s: wait_s }),
        _ => Ok((name, exp_s)),
    }
}

fn holds(payload: &[u8], expected: &Expected<'_>) -> Option<(Claims, String, i64)> {
    let mut claims = Claims::read(payload)?;
    let is_its = |name: &Option<String>| name.as_deref() == Some(expected.client_id);
    let exp_s = claims.exp_s?;
    let last_s = expected.now_ms / 1000 + i64::from(expected.lifetime_s) + i64::from(TOLERANCE_S);
    let good = is_its(&claims.iss)
        && is_its(&claims.sub)
        && claims.is_for(expected.audiences)
        && claims.is_in_time(expected.now_ms, TOLERANCE_S)
        && exp_s <= last_s;
    let name = claims.jti.take()?;
    Some((claims, name, exp_s)).filter(|_| good)
}

/// A client's assertion: tenant, hash of the client and its `jti`.
type Name = (TenantId, String);

/// Assertions that were taken, until they expire.
#[derive(Debug)]
pub struct Taken {
    max: usize,
    until_ms: Mutex<HashMap<Name, i64>>,
}

impl Taken {
    /// Remembers up to `max`.
    pub fn new(max: usize) -> Self {
        Self { max, until_ms: Mutex::default() }
    }

    /// Takes an assertion that ends at `exp_s`, once. Where no more can be remembered none is taken.
    pub fn take(
        &self,
        tenant: &TenantId,
        client_id: &str,
        jti: &str,
        exp_s: i64,
        now_ms: i64,
    ) -> Result<(), Error> {
        let name = (tenant.clone(), hash_secret(&format!("{client_id}\n{jti}")));
        let until = exp_s.saturating_add(i64::from(TOLERANCE_S)).saturating_mul(1000);
        let mut taken = self.until_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&name).is_some_and(|until| now_ms < *until) {
            return Err(Error::InvalidClient);
        }
        if taken.len() >= self.max {
            taken.retain(|_, until| now_ms < *until);
            if taken.len() >= self.max {
                return Err(Error::Unavailable { retry_after_s: 5 });
            }
        }
        taken.insert(name, until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_assertion_must_say() {
        let audiences = ["https://h/t/a/oauth/token".to_string(), "https://h/t/a".into()];
        let expected = Expected {
            client_id: "c",
            audiences: &audiences,
            now_ms: 1_000_000,
            lifetime_s: 300,
            since_s: 900,
        };
        let good =
            json!({ "iss": "c", "sub": "c", "aud": audiences[0], "exp": 1100, "jti": "1", "iat": 999 });
        let told = |value: &serde_json::Value| check(value.to_string().as_bytes(), &expected);
        assert_eq!(told(&good), Ok(("1".into(), 1100)));
        let with = |name: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            changed[name] = value;
            told(&changed)
        };
        let fits = |name, value| with(name, value).is_ok();
        assert!(fits("aud", json!(audiences[1])) && fits("aud", json!(["x", audiences[0]])));
        assert!(fits("exp", json!(1305)) && fits("iat", json!(900)));
        for (name, value) in [
            ("iss", json!("d")),
            ("sub", json!("d")),
            ("iss", json!(null)),
            ("aud", json!("https://h/t/b")),
            ("aud", json!(null)),
            ("exp", json!(null)),
            ("exp", json!(1306)),
            ("exp", json!(995)),
            ("nbf", json!(1006)),
            ("iat", json!(1006)),
            ("jti", json!(null)),
            ("jti", json!(7)),
            ("events", json!({})),
        ] {
            assert_eq!(with(name, value.clone()), Err(Error::InvalidClient), "{name}: {value}");
        }
        for (iat, retry_after_s) in [(json!(null), 210), (json!(899), 1), (json!(890.5), 10), (json!(1), 210)]
        {
            assert_eq!(with("iat", iat), Err(Error::Unavailable { retry_after_s }));
        }
    }

    #[test]
    fn one_that_does_not_say_when_it_was_made_waits_until_none_can_be_from_before_the_start() {
        let audiences = ["i".to_string()];
        let assertion = |exp: i64| json!({ "iss": "c", "sub": "c", "aud": "i", "jti": "1", "exp": exp });
        for (now_ms, exp, want) in [
            (1_000_000, 1_305, Err(Error::Unavailable { retry_after_s: 310 })),
            (1_309_999, 1_400, Err(Error::Unavailable { retry_after_s: 1 })),
            // The last that could be taken in the second of the start, 1305 and the tolerance, is over by now.
            (1_310_000, 1_400, Ok(("1".into(), 1_400))),
            (1_310_000, 1_305, Err(Error::InvalidClient)),
        ] {
            let expected =
                Expected { client_id: "c", audiences: &audiences, now_ms, lifetime_s: 300, since_s: 1_000 };
            assert_eq!(check(assertion(exp).to_string().as_bytes(), &expected), want, "{now_ms} {exp}");
            // One that was made long before waits no longer: nobody took what ends so late.
            let mut old = assertion(exp);
            old["iat"] = json!(1);
            assert_eq!(check(old.to_string().as_bytes(), &expected), want, "{now_ms} {exp}");
        }
    }

    #[test]
    fn each_is_taken_once_while_it_could_be() {
        let (taken, tenant) = (Taken::new(2), TenantId::default_tenant());
        let take = |client, jti, exp_s, now_ms| taken.take(&tenant, client, jti, exp_s, now_ms);
        assert_eq!(take("c", "1", 100, 50_000), Ok(()));
        assert_eq!(take("c", "1", 100, 104_999), Err(Error::InvalidClient));
        assert_eq!(take("d", "1", 100, 50_000), Ok(()));
        assert_eq!(take("d", "2", 100, 50_000), Err(Error::Unavailable { retry_after_s: 5 }));
        assert_eq!(take("d", "2", 200, 105_000), Ok(()), "what is over is forgotten");
        assert_eq!(taken.until_ms.lock().unwrap().len(), 1);
    }
}
