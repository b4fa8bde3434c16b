//! ssf-hub: a Shared Signals hub for a world where agents act.
//!
//! The modules in the order in which a signal meets them:
//! `RawSet → VerifiedSet → hub::Entry → lineage::Affected → policy::Decision → outbox item → SignedSet → Outcome`.
//! `docs/ARCHITECTURE.md` has the picture and the table of who may import whom; `tests/tidy.rs` holds the code to it.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::await_holding_lock)]

pub mod cli;

pub mod app;
pub mod demo;

pub mod config;

pub mod clock;
pub mod egress;
pub mod folders;
pub mod operations;
pub mod rows;
pub mod telemetry;
pub mod tenant;
pub mod tls;

pub mod set;
pub mod stream;

pub mod lineage;
pub mod revocation;

pub mod policy;

pub mod jose;
pub mod keys;

pub mod journal;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod store;

pub mod hub;

pub mod outbox;
pub mod receiver;
pub mod transmitter;

pub mod gate;

pub mod history;

pub mod api;
pub mod auth;

pub mod conformance;
