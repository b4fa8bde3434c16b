//! Revocation: what a decision leaves behind, and what every call is held against.
//!
//! In the flow: `policy` concludes records, `hub` journals them, `gate` looks tokens up in the [`set::Set`].
//! A revocation is a record under a key, never an enumeration of tokens (DESIGN 10).
//!
//! - [`key`]: kinds of keys, and the keyed hash under which a principal is held
//! - [`record`]: watermark or hold, its effect, its basis, when it expires
//! - [`ancestry`]: the keys that a registered token brings along
//! - [`set`]: the records by key, as an enforcement point needs them
//!
//! Never reads a clock and never does I/O.

pub mod ancestry;
pub mod key;
pub mod record;
pub mod set;
