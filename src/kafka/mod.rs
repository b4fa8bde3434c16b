//! Kafka projections: `signals.received`, `revocations`, `signals.rejected`.
//!
//! In the flow: behind the journal, beside the outbox. A projection has its own cursor, can be rebuilt and
//! may lag (DESIGN 13); a Kafka outage delays it and nothing else. Delivery is at least once: consumers of
//! `revocations` apply only a higher `seq`. What goes out is handed in as plain messages.
//!
//! - [`config`]: settings → librdkafka's configuration
//! - [`topics`]: the three topics, and their creation where that is allowed
//! - [`wire`]: messages from plain arguments: received SETs, rejections
//! - [`record`]: the same for `revocations`: records and tombstones
//! - [`tracker`]: which steps the broker has acknowledged
//! - [`producer`]: librdkafka's producer with that tracker
//! - [`fault`]: what keeps it from delivering, and whose it is to mend
//! - [`link`]: whether the broker is there, and when to try again
//! - [`wake`]: how the loop is woken
//! - [`source`]: where steps come from and where the cursor is kept
//! - [`run`]: the loop: pull steps, send, move the cursor
//!
//! Knows nothing of entries, keys or the state. Never holds up the journal, never creates a topic unasked.

pub mod config;
pub mod fault;
pub mod link;
pub mod producer;
pub mod record;
pub mod run;
pub mod source;
pub mod topics;
pub mod tracker;
pub mod wake;
pub mod wire;
