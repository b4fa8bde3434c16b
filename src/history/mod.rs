//! Looking back: projections over the journal.
//!
//! - [`why`]: an entry in words, with its cause: what `ssf-hub why` prints

pub mod why;
