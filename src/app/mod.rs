//! The composition root: builds every part, owns tasks, threads and the orderly end.
//!
//! - [`tasks`]: the only place that spawns
//! - [`wiring`]: effects to the outbox, the gate, the views, the counters
//! - [`seal`]: signs bases and chain heads
//! - [`reconcile`]: what the file says becomes entries where it changed
//! - [`projections`], [`schedule`]: Kafka out; bases and signed heads on a schedule
//! - [`convert`]: configuration to each part's own settings
//! - [`store`]: what lies on disk, opened
//! - [`offline`]: `journal verify`, `store rebuild`
//! - [`serve`], [`running`]: start; run and stop

pub mod convert;
#[cfg(feature = "kafka")]
pub mod health;
pub mod keeping;
pub mod offline;
pub mod projections;
pub mod reconcile;
pub mod running;
pub mod schedule;
pub mod seal;
pub mod serve;
pub mod store;
pub mod tasks;
pub mod wiring;

pub use offline::{rebuild_store, verify};
pub use tasks::Tasks;
