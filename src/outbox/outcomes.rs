//! The way back: terminal outcomes leave the outbox for the next batch (DESIGN 4).
//!
//! An outcome causes no flush of its own; losing one in a crash costs one repeated delivery under the same
//! name. Never carries more of the receiver's words than a short reason.

use crate::hub::entry::Outcome;
use crate::tenant::TenantId;

/// The longest reason that is kept, in bytes.
const REASON_MAX: usize = 64;

/// Where outcomes go: the sequencer gathers them. Must not block.
pub trait Outcomes: Send + Sync + 'static {
    /// Takes one outcome of a tenant.
    fn tell(&self, tenant: &TenantId, outcome: Outcome);
}

/// Makes a receiver's word fit to be kept: at most 64 characters of printable ASCII without quotes and
/// spaces; everything else becomes `?`. It is data: nothing ever acts on it.
pub fn reason(prefix: &str, word: &str) -> Box<str> {
    let safe = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '<' | '>') { c } else { '?' };
    let room = REASON_MAX.saturating_sub(prefix.len());
    prefix.chars().chain(word.chars().take(room).map(safe)).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_short_and_plain() {
        assert_eq!(&*reason("", "invalid_key"), "invalid_key");
        assert_eq!(&*reason("setErrs:", "a b\n\"<é"), "setErrs:a?b????");
        assert_eq!(reason("setErrs:", &"x".repeat(500)).len(), 64);
    }
}
