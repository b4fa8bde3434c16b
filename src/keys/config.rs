//! Settings of keys: how signing keys are rotated, what they are sealed with.
//!
//! Read by `config`, which fills in the sealing keys; `app` hands it to [`super::Keys`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::seal::Sealing;
use super::state::Times;

/// Receivers that keep a JWKS for longer than they are told still know a new key after so long (s).
const SLACK_S: i64 = 600;

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// When signing keys are rotated: six fields for crate `cron`, UTC; empty: by hand only.
    pub rotate: String,
    /// How long a JWKS may be kept by who fetched it (s): `Cache-Control`.
    pub jwks_max_age_s: u32,
    /// How long a new key is published before it signs (s).
    pub publish_ahead_s: u32,
    /// How long an old key stays published after it signed last (s).
    pub overlap_s: u32,
    /// The file of the sealing key; empty: see the next.
    pub sealing_key_file: PathBuf,
    /// The variable that holds the sealing key; empty as well: nothing is sealed.
    pub sealing_key_env: String,
    /// The file of the sealing key before this one.
    pub sealing_key_previous_file: PathBuf,
    /// The variable that holds the sealing key before this one.
    pub sealing_key_previous_env: String,
    /// The keys themselves, as read.
    #[serde(skip)]
    pub sealing: Sealing,
}

impl Config {
    /// The times of a rotation.
    pub fn times(&self) -> Times {
        Times {
            ahead_ms: i64::from(self.publish_ahead_s) * 1000,
            overlap_ms: i64::from(self.overlap_s) * 1000,
            kept_ms: (i64::from(self.jwks_max_age_s) + SLACK_S) * 1000,
        }
    }
}
