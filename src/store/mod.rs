//! The mirror: what the journal can rebuild, kept in sled so that a start need not fold all of history.
//!
//! Stands behind the answer path: the hub's mirror thread applies changed rows together with a cursor. Nothing waits for
//! it, and nothing here is the only copy of anything: on any error the hub closes it, wipes it and builds it again.
//! The one home of sled.

pub mod chunk;
pub mod mirror;
#[cfg(test)]
mod tests;

pub use mirror::{Change, Cursor, Error, Mirror};
