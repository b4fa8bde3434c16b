//! The spine of the hub: entries are ordered, folded, made durable, acted on.
//!
//! In the flow: the doors (`receiver`, `api`) hand verified inputs to [`sequencer::Hub`]; what follows leaves through
//! [`effect::Sink`] to `outbox`, `gate` and the projections. Knows no HTTP and no signature.
//!
//! - [`object`], [`kind`], [`operator`], [`authorization_server`]: what operators configure; [`bearer`]: how bearers
//!   follow each other
//! - [`entry`]: what the journal holds
//! - [`accounts`]: who opted out of RISC events
//! - [`emit`], [`restored`]: what an operator says himself; where a restored journal comes from
//! - [`owner`]: who may change an object
//! - [`command`]: what the sequencer is asked, and its answers
//! - `inbox`, [`sequencer`], [`spine`]: one thread, one batch, one flush
//! - [`decide`]: from an input to a decision, outside the fold; `late`: facts that come after the signal; `spans`: how
//!   long what must be caught can turn up
//! - [`apply`], [`state`]: the fold and what it adds up to; [`kept`]: what its rows hold; `owing`, `dead`: what streams
//!   are owed, as bits, and what they do not get
//! - [`effect`]: what follows outside; [`footprint`]: how much the state may come to
//! - [`base`], [`start`], [`mirror`]: where a start begins
//! - [`names`]: derived names and hashes, of texts in `canonical` form; [`view`]: objects as the doors need them

pub mod accounts;
pub mod apply;
pub mod authorization_server;
pub mod base;
pub mod bearer;
mod canonical;
pub mod command;
mod dead;
pub mod decide;
pub mod effect;
pub mod emit;
pub mod entry;
pub mod footprint;
mod inbox;
pub mod kept;
pub mod kind;
mod late;
pub mod metrics;
pub mod mirror;
pub mod names;
pub mod object;
pub mod operator;
mod owing;
pub mod owner;
pub mod receivers;
pub mod restored;
#[cfg(test)]
mod sample;
pub mod sequencer;
mod spans;
pub mod spine;
pub mod start;
pub mod state;
pub mod subjects;
pub mod view;
