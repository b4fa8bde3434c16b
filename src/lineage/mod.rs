//! Lineage: which human, session and agent stand behind which run and token.
//!
//! In the flow: facts come in by `api::facts`, `hub` journals and folds them here, and a signal's
//! subject is resolved and walked to what it touches ([`walk::Affected`]), which `policy` judges.
//!
//! - [`alias`]: one name of a principal; [`keyed`]: its keyed hashes
//! - [`fact`]: what a source may say, as it arrives and is journaled
//! - [`node`]: principals, links, their ends
//! - [`graph`]: nodes, names and links as rows, with their indexes
//! - `stored`: the graph as rows; `climb`: short ways through it
//! - [`check`], `check_edge`: what speaks against a fact; [`fold`]: what becomes of it
//! - [`life`]: what is dead, ended, revived, forgotten; `closing`: a name that is taken away
//! - [`subject`]: whom a subject identifier names
//! - [`walk`]: the bounded, cycle-safe walk down to what a signal touches; [`affected`]: what it found
//!
//! Knows nothing of kinds of revocation keys, and never reads a clock.

pub mod affected;
pub mod alias;
pub mod check;
mod check_edge;
mod climb;
mod closing;
pub mod fact;
pub mod fold;
pub mod graph;
pub mod keyed;
pub mod life;
pub mod node;
#[cfg(test)]
pub mod sample;
mod stored;
pub mod subject;
pub mod walk;
