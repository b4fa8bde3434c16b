//! Who may: bearers, challenges, and how often one may.
//!
//! Stands in front of every handler: `api` and `receiver` ask here who a request is from, before they look at
//! the body. Knows no route; a secret is never kept, only its hash. Enforcement points have a field of their own,
//! which `gate` reads.
//!
//! - [`mod@bearer`]: takes a bearer out of the header fields
//! - [`mod@challenge`]: what a refusal says (`WWW-Authenticate`)
//! - [`rate`]: requests per second of each principal
//! - [`judge`]: whose an access token is; [`access`]: what it is good for, or why for nothing

pub mod access;
pub mod bearer;
pub mod challenge;
pub mod judge;
pub mod rate;

pub use bearer::authorization as bearer;
pub use challenge::of as challenge;
