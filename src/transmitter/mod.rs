//! How SETs go out: named and signed, pushed (RFC 8935) or polled (RFC 8936).
//!
//! In the flow: behind `outbox`, the last part of the hub that a SET meets. What comes back is the
//! receiver's acknowledgement, told as an outcome. Never decides what is owed, never touches the journal.

pub mod answer;
pub mod config;
pub mod credential;
#[cfg(feature = "kafka")]
pub mod cursor;
mod dress;
#[cfg(feature = "kafka")]
pub mod followed;
pub mod issue;
mod landed;
pub mod metrics;
pub mod poll;
pub mod pool;
pub mod post;
#[cfg(feature = "kafka")]
pub mod projection;
pub mod push;
mod report;
mod reported;
pub mod request;
pub mod signed;
pub mod signer;
pub mod site;
#[cfg(feature = "kafka")]
pub mod speaker;
pub mod ssf;
pub mod waiting;

#[cfg(test)]
mod peer;
#[cfg(test)]
mod poll_tests;
#[cfg(test)]
mod push_tests;
