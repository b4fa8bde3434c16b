//! Who may: bearers, challenges, and how often one may.
//!
//! Stands in front of every handler: `api` and `receiver` ask here who a request is from, before they look at
//! the body. Knows no route; a secret is never kept, only its hash. Enforcement points have a field of their own,
//! which `gate` reads.
//!
//! - [`mod@bearer`]: takes a bearer out of the header fields
//! - [`mod@challenge`]: what a refusal says (`WWW-Authenticate`)
//! - [`rate`]: requests per second of each principal
//! - [`access`]: what a request may do, or why it may not
//! - [`judge`]: whose an access token is; [`claims`], [`own`], [`outside`], [`introspect`]: what it says, by its maker
//! - [`server`]: the built-in authorization server; [`form`], [`presented`], [`assertion`], [`oauth`]: what it reads, and
//!   its errors
//! - [`metadata`]: what clients find out by themselves; [`config`], [`metrics`]: settings, counters

pub mod access;
pub mod assertion;
pub mod bearer;
pub mod challenge;
pub mod claims;
pub mod config;
pub mod form;
pub mod introspect;
pub mod judge;
pub mod metadata;
pub mod metrics;
pub mod oauth;
pub mod outside;
pub mod own;
pub mod presented;
pub mod rate;
pub mod server;

pub use bearer::authorization as bearer;
pub use challenge::of as challenge;
