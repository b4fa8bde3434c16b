//! One key set as its issuer published it: the keys, and the text that they were read from.
//!
//! Made by [`super::remote`] when a set arrives, then shared read-only. Its text becomes evidence in the journal
//! once a token was verified with it; this remembers whether it has. Never writes it itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::keyset::KeySet;

/// One key set as its issuer published it.
#[derive(Debug)]
pub struct Published {
    keys: Arc<KeySet>,
    text: Arc<str>,
    kept: AtomicBool,
}

impl Published {
    /// Reads a key set; `None` if it is none.
    pub(super) fn new(text: &str) -> Option<Self> {
        let keys = Arc::new(KeySet::parse(text.as_bytes()).ok()?);
        Some(Self { keys, text: text.into(), kept: AtomicBool::new(false) })
    }

    /// The keys.
    pub fn keys(&self) -> &Arc<KeySet> {
        &self.keys
    }

    /// The text, as long as nobody said that it is kept: evidence of what the issuer published.
    pub fn not_kept(&self) -> Option<&str> {
        (!self.kept.load(Ordering::Acquire)).then_some(&*self.text)
    }

    /// Whether the text is the same, letter by letter.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// Says that the text is kept now.
    pub fn mark_kept(&self) {
        self.kept.store(true, Ordering::Release);
    }
}
