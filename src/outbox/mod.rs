//! What is owed to whom, and when it is tried again.
//!
//! In the flow: effects behind the durable mark come in ([`queues::Outbox`]), `transmitter` takes items out
//! and says how they went, outcomes leave for the next batch ([`outcomes::Outcomes`]). Runtime only: it is
//! rebuilt from the state by the same effects at start. Never knows the journal, a key, or HTTP.
//!
//! - [`queues`], [`queue`], [`job`], [`lanes`], `hold`, [`shelf`], [`names`]: what each stream is owed, in which order
//! - [`originals`]: SETs that are relayed as they came
//! - [`pace`], [`destination`], [`destinations`], [`health`], [`budget`]: when, and how much at once
//! - [`attempts`], [`outcomes`]: how it went

mod ahead;
pub mod attempts;
pub mod budget;
pub mod destination;
pub mod destinations;
pub mod health;
mod hold;
pub mod job;
pub mod lanes;
pub mod names;
pub mod originals;
pub mod outcomes;
pub mod owed;
pub mod pace;
pub mod queue;
pub mod queues;
pub mod shelf;
