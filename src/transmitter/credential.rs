//! What a push stream sends as `Authorization` (SSF 6.1.1, PUSH-06).
//!
//! The value lies in `keys/` (DESIGN 9); the push task holds it for a few seconds, so that not every post
//! reads a file. Never logged: the header value is marked sensitive.

use http::HeaderValue;

use crate::keys::vault::Keys;
use crate::tenant::TenantId;

/// It is read again after this long, so that a new value under the same id is used soon (ms).
const FRESH_MS: i64 = 5_000;

/// The value of one stream, as last read.
#[derive(Default)]
pub struct Credential {
    id: String,
    value: Option<HeaderValue>,
    read_ms: i64,
}

impl Credential {
    /// The value of secret `id`, verbatim but for a line end; `None` when there is none that fits into a
    /// header. `now_ms` is ms since boot.
    pub fn value(&mut self, keys: &Keys, tenant: &TenantId, id: &str, now_ms: i64) -> Option<HeaderValue> {
        let fresh = self.id == id && now_ms.saturating_sub(self.read_ms) <= FRESH_MS;
        if !fresh || self.value.is_none() {
            let read = keys.secret(tenant, id).ok().flatten();
            self.value =
                read.and_then(|text| HeaderValue::from_str(text.trim_end_matches(['\r', '\n'])).ok());
            if let Some(value) = &mut self.value {
                value.set_sensitive(true);
            }
            (self.id, self.read_ms) = (id.into(), now_ms);
        }
        self.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::OsChance;

    #[test]
    fn a_new_value_is_used_soon_and_never_another_streams() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, t) = (Keys::open(dir.path(), Arc::new(OsChance)).unwrap(), TenantId::default_tenant());
        keys.put_secret(&t, "a", "Bearer 1\n").unwrap();
        keys.put_secret(&t, "b", "two\nlines").unwrap();
        let mut credential = Credential::default();
        let mut seen = |id: &str, now: i64| credential.value(&keys, &t, id, now);
        assert_eq!(seen("a", 0).unwrap(), "Bearer 1");
        assert!(!format!("{:?}", seen("a", 0)).contains("Bearer"));
        keys.put_secret(&t, "a", "Bearer 2").unwrap();
        assert_eq!(seen("a", FRESH_MS).unwrap(), "Bearer 1");
        assert_eq!(seen("a", FRESH_MS + 1).unwrap(), "Bearer 2");
        assert_eq!(seen("b", FRESH_MS + 1), None, "cannot be a header");
        assert_eq!(seen("none", FRESH_MS + 1), None);
    }
}
