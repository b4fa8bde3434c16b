//! How signals come in: each upstream at its own door.
//!
//! In the flow: `api` hands a request to [`push::Door`], which authenticates, verifies ([`crate::set::verify`]), judges
//! authority and gives the SET to `hub`. Never decides what a signal means.
//!
//! - [`push`]: RFC 8935
//! - [`authority`]: what an upstream may speak of
//! - [`issuers`]: upstreams' keys, kept parsed; new ones become evidence

pub mod authority;
pub mod issuers;
pub mod metrics;
pub mod push;
