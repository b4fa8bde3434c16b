//! ssf-hub: a Shared Signals hub for a world where agents act.
//!
//! The modules in the order in which a signal meets them:
//! `RawSet → VerifiedSet → hub::Entry → lineage::Affected → policy::Decision → outbox item → SignedSet → Outcome`.
//! `docs/ARCHITECTURE.md` has the picture and the table of who may import whom; `tests/tidy.rs` holds the code to it.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::await_holding_lock)]

pub mod clock;
pub mod egress;
pub mod jose;
pub mod journal;
pub mod keys;
pub mod receiver;
pub mod set;
pub mod tenant;
