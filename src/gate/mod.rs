//! The gate: may this token pass this enforcement point, now?
//!
//! In the flow: the last station. `hub` has journaled and published what is revoked, a gateway asks here for
//! every call. A token is validated, the keys under which it may be dead are derived from it, and each is
//! looked up in the [`crate::revocation::set::Set`]. What cannot be verified is refused.
//!
//! - [`issuer`]: who mints tokens, with its keys
//! - [`point`]: who asks, with the audiences it accepts
//! - [`claims`]: an access token as it is read, its audiences
//! - [`times`]: when it is good
//! - [`token`]: from compact text to a token whose signature holds
//! - [`derive`]: the keys under which it may be dead
//! - [`keys`]: a bounded list of them
//! - [`decide`]: the hardest record in force wins
//! - [`refusal`]: the fixed table of why a token is refused
//! - [`cache`]: tokens whose signature need not be checked again
//! - [`ruling`]: the answer, whatever the dialect
//! - [`home`]: a tenant at the gate
//! - [`judge`]: [`judge::Gate`], all of it together
//! - [`nginx`]: the dialect of `auth_request`
//! - [`metrics`]: what is counted
//!
//! Never caches a verdict, never knows `hub`, and never tells a caller anything about a person.

pub mod cache;
pub mod claims;
pub mod decide;
pub mod derive;
pub mod home;
pub mod issuer;
pub mod judge;
pub mod keys;
pub mod metrics;
pub mod nginx;
pub mod point;
pub mod refusal;
pub mod ruling;
pub mod times;
pub mod token;

#[cfg(test)]
mod fixture;
