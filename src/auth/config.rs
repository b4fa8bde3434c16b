//! How access tokens are made and checked: the section `[authorization]` of the configuration.

use serde::{Deserialize, Serialize};

/// Settings of authorization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether each tenant has the built-in authorization server.
    pub builtin: bool,
    /// Failed attempts of one client to authenticate, per second as a long-term mean; bursts up to twice as many.
    pub failures_per_s: u32,
    /// How far ahead the `exp` of a client's assertion may be (s).
    pub assertion_lifetime_s: u32,
    /// How many assertions are remembered until they expire, so that none is taken twice.
    pub assertions_max: usize,
    /// How long the answer of an introspection endpoint counts that a token is active (s); never beyond its `exp`.
    pub introspection_cache_s: u32,
    /// How long the answer counts that it is not.
    pub introspection_negative_cache_s: u32,
    /// How many of these answers are kept.
    pub introspection_cache_max: usize,
    /// How many questions to introspection endpoints are under way at a time.
    pub introspection_parallel: usize,
}
