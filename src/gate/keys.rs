//! A bounded list of the revocation keys that a token carries itself (GATES 2.2).
//!
//! In the flow: filled by [`super::derive`], read by [`super::decide`], together with what the token brings along
//! from its ancestors, which `revocation::ancestry` bounds. Never allocates.

use crate::revocation::key::KeyHash;

/// Most keys that one token may carry itself; a token with more is denied (GATES 2.2).
pub const KEYS_MAX: usize = 32;

/// A token carries more keys than are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("more than {KEYS_MAX} revocation keys")]
pub struct TooMany;

/// A bounded list of keys, each once. Lives on the stack of one call.
#[derive(Clone, Debug)]
pub struct Keys {
    buf: [KeyHash; KEYS_MAX],
    len: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self { buf: [KeyHash([0; 16]); KEYS_MAX], len: 0 }
    }
}

impl Keys {
    /// Adds a key that is not there yet.
    pub fn push(&mut self, key: KeyHash) -> Result<(), TooMany> {
        if !self.as_slice().contains(&key) {
            *self.buf.get_mut(self.len).ok_or(TooMany)? = key;
            self.len += 1;
        }
        Ok(())
    }

    /// The keys.
    pub fn as_slice(&self) -> &[KeyHash] {
        self.buf.get(..self.len).unwrap_or(&self.buf)
    }

    /// Empties the list.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_no_more_than_the_limit() {
        let mut keys = Keys::default();
        for n in (0..32).chain(0..32) {
            assert_eq!(keys.push(KeyHash([n; 16])), Ok(()));
        }
        assert_eq!(keys.push(KeyHash([32; 16])), Err(TooMany));
        assert_eq!((keys.as_slice().len(), keys.as_slice().last()), (KEYS_MAX, Some(&KeyHash([31; 16]))));
        keys.clear();
        assert!(keys.as_slice().is_empty());
    }
}
