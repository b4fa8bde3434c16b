//! How the SETs of a stream deviate from SSF 1.0, for receivers that need it.
//!
//! Configured per receiver by an operator, written by `set::claims_out`. Each deviation is tied to a dialect by name;
//! under `Ssf` none of them exists.

use serde::{Deserialize, Serialize};

/// How far from plain SSF 1.0 a stream is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// SSF 1.0 final.
    #[default]
    Ssf,
    /// The CAEP interoperability profile: RS256 only; a CAEP event without `reason_admin` gets one (INTEROP-38, -40).
    CaepInterop,
    /// Okta as a receiver: the subject stands inside CAEP and RISC events too, as `subject`, beside `sub_id` (SSF 1.0, 3.1.1),
    /// by roles: `{"user": …}`, a complex one without its `format`. Other event types are as under `Ssf`.
    Okta,
}
