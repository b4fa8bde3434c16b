//! Policy: what a signal leads to, and why.
//!
//! In the flow: `hub::decide` asks [`plan`] what an event is about to do, walks the graph as far as the plan
//! says, and has [`conclude`] turn what was found into a decision, which is journaled. Deciding happens outside
//! `apply`, on the state; this line is the fixed table of SIGNALS, rules and scores come on top of it.
//!
//! - [`reason`]: the fixed table of reasons, the only words that the hub adds
//! - [`plan`]: event → plan, for every CAEP and RISC type; and the plans of kill, complete, deadline
//! - [`conclude`]: plan + what is touched → records, ends; [`conclusion`]: as plain data
//! - [`born`]: what was told of too late
//! - [`lift`]: what is taken back
//! - [`derive`]: the events that lineage adds outward
//! - [`keys`]: which keys of a principal a decision is written under
//!
//! Sees `lineage::affected`, not the graph's inside. Never reads a clock, never does I/O.

pub mod born;
pub mod conclude;
pub mod conclusion;
pub mod derive;
pub mod keys;
pub mod late;
pub mod lift;
pub mod plan;
pub mod reason;
#[cfg(test)]
mod sample;
