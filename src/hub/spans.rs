//! How long what a record must catch can still turn up: of the tenant's token issuers, not of whoever sent the signal.
//!
//! In the flow: `decide` makes the times of a conclusion of it. The sender of a signal says whom to stop; the tokens
//! that must not pass come from the token issuers, so theirs are the clocks and the lifetimes that count.

use super::object::{DEFAULT_REFRESH_LIFETIME_S, DEFAULT_TOLERANCE_S, Object, ObjectKind, TokenIssuer};
use super::state::State;

impl State {
    fn token_issuers(&self) -> impl Iterator<Item = &TokenIssuer> {
        self.objects_of(ObjectKind::TokenIssuer).filter_map(|stored| match &stored.object {
            Object::TokenIssuer(issuer) => Some(issuer),
            _ => None,
        })
    }

    /// Whether this issuer mints tokens that the gate takes: it speaks of its own sessions and people, and does not
    /// pass on what others said.
    pub(super) fn mints_tokens(&self, iss: &str) -> bool {
        self.token_issuers().any(|issuer| issuer.iss == iss)
    }

    /// How far the clock of a token issuer may be from ours at most (ms).
    pub(super) fn widest_tolerance_ms(&self) -> i64 {
        let widest = self.token_issuers().map(|issuer| issuer.clock_tolerance_s).max();
        i64::from(widest.unwrap_or(DEFAULT_TOLERANCE_S)) * 1000
    }

    /// How long a refresh token of a token issuer may outlive what it was given for at most (ms).
    pub(super) fn longest_refresh_ms(&self) -> i64 {
        let longest = self.token_issuers().map(|issuer| issuer.max_refresh_lifetime_s).max();
        i64::from(longest.unwrap_or(DEFAULT_REFRESH_LIFETIME_S)) * 1000
    }
}
