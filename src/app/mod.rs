//! The composition root: builds every part, owns tasks, threads and the orderly end.
//!
//! - [`tasks`]: the only place that spawns
//! - [`wiring`]: effects to the outbox, the gate, the views, the counters
//! - [`seal`]: signs bases and chain heads
//! - [`reconcile`]: what the file says becomes entries where it changed
//! - [`certificates`], [`rotation`]: certificates and signing keys that change while the hub runs
//! - [`projections`], [`schedule`]: Kafka out; bases and signed heads on a schedule
//! - [`authorization`]: access tokens, judged and made
//! - [`notes`], [`trust`]: what the spine noted, kept; CA files, looked at again
//! - [`convert`]: configuration to each part's own settings
//! - [`store`], [`bases`]: what lies on disk, opened; bases, written
//! - [`footprint`]: what the limits come to at worst
//! - [`offline`]: `journal verify`, `store rebuild`, `keys reseal`
//! - [`backup`], [`restore`] (with [`manifest`]): a whole copy, and back under a new journal id; [`origins`]: the
//!   journals before
//! - [`keeping`]: silent receivers' streams stop, others are kept alive
//! - [`serve`] (with `listeners`), [`running`]: start; run and stop

pub mod authorization;
pub mod backup;
pub mod bases;
pub mod certificates;
pub mod convert;
pub mod footprint;
#[cfg(feature = "kafka")]
pub mod health;
pub mod keeping;
mod listeners;
pub mod manifest;
pub mod notes;
pub mod offline;
pub mod origins;
pub mod projections;
pub mod reconcile;
pub mod restore;
pub mod rotation;
pub mod running;
pub mod schedule;
pub mod seal;
pub mod serve;
pub mod store;
pub mod tasks;
pub mod trust;
pub mod wiring;

pub use offline::{rebuild_store, reseal, verify};
pub use restore::restore as restore_backup;
pub use tasks::Tasks;
